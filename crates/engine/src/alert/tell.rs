//! Telling: the duty that decides which messages are owed, and sends them. Both are in the store, so that no restart and
//! no other node repeats or forgets one: whatever is decided twice is made once, and what is sent is somebody's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::alert::tell::{
    Listener, Member, Notice as Planned, NoticeState, Plan, Stage, TRIES_UNTIL_TOLD, Told, next_try, plan,
};
use domain::alert::{Severity, cause_of};
use domain::{NoticeId, Tenant, Timestamp};
use store::notices::{CauseStep, Notice, NoticeEnd};
use store::registry::Alert;
use store::{Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::channel::{Post, Spoken, Trouble};
use super::digest::Digests;
use super::message::{Message, Words};
use super::{Alerts, CHANNEL_FAILING};
use crate::clock::SharedClock;
use crate::entropy::{SharedEntropy, uuid_v7};
use crate::nodes::Held;
use crate::spec::{AlertingSpec, Way};
use crate::topology::{Policies, Topology};
use crate::transport::Transport;

/// How often it is looked for what time alone makes due, or what another node raised.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Messages under way at once: a server that hangs keeps the others waiting only when there are so many of it.
const SENDING_MAX: usize = 20;
/// How long one try may take at most, mail included; after that another may take it.
const SENDING: Duration = Duration::from_secs(3 * 60);

pub struct Teller {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub alerts: Alerts,
    pub transport: Arc<dyn Transport>,
    pub policies: Arc<dyn Policies + Send + Sync>,
    pub(crate) topology: watch::Receiver<Arc<Topology>>,
    pub(crate) held: watch::Receiver<Arc<Held>>,
    pub stop: CancellationToken,
}

/// What became of a try: the message, how it ended, and what to note of the channel.
type Tried = (Notice, NoticeEnd, Option<String>);

impl Teller {
    pub async fn run(self) {
        let changed = self.alerts.changed();
        let mut sending: JoinSet<Tried> = JoinSet::new();
        let mut digests = Digests::default();
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(tried) = sending.join_next(), if !sending.is_empty() => {
                    if let Ok(tried) = tried {
                        let ended = self.ended(tried).await;
                        self.check(ended);
                    }
                    continue;
                }
                () = changed.notified() => {}
                () = self.clock.sleep(LOOK_EVERY) => {}
            }
            if self.held.borrow().leads() {
                let topology = Arc::clone(&self.topology.borrow());
                let done = self.round(&topology, &mut digests, &mut sending).await;
                self.check(done);
            }
        }
        // What is under way is written down, so that the next process does not send it again.
        while let Some(Ok(tried)) = sending.join_next().await {
            let ended = self.ended(tried).await;
            self.check(ended);
        }
    }

    fn check(&self, done: Result<(), StoreError>) {
        if let Err(error) = done {
            self.alerts.store_failed("tell", &error);
        }
    }

    async fn round(
        &self,
        topology: &Topology,
        digests: &mut Digests,
        sending: &mut JoinSet<Tried>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut by_tenant: BTreeMap<Tenant, Vec<Alert>> = BTreeMap::new();
        for alert in self.store.unsettled_alerts().await? {
            by_tenant.entry(alert.tenant.clone()).or_default().push(alert);
        }
        for (tenant, alerts) in by_tenant {
            self.plan(&topology.alerting(&tenant), tenant, alerts, now).await?;
        }
        digests.round(self, topology, now).await?;
        for (tenant, due_at) in self.store.waiting_notices().await? {
            let room = SENDING_MAX.saturating_sub(sending.len());
            if due_at <= now && room > 0 {
                self.send_due(topology, tenant, room, sending).await?;
            }
        }
        Ok(())
    }

    /// Decides about each cause of a tenant.
    async fn plan(
        &self,
        spec: &AlertingSpec,
        tenant: Tenant,
        alerts: Vec<Alert>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut told: BTreeMap<Arc<str>, Vec<Told>> = BTreeMap::new();
        for notice in self.store.told(tenant.clone()).await? {
            let Notice { channel, stage, severity, state, .. } = notice;
            told.entry(notice.cause).or_default().push(Told { channel: channel.to_string(), stage, severity, state });
        }
        for (cause, alerts) in by_cause(alerts) {
            let members: Vec<Member> = alerts.iter().map(|alert| member(spec, alert)).collect();
            let before = told.get(&*cause).map(Vec::as_slice).unwrap_or_default();
            let decided = plan(&members, before, &listeners(spec, &cause), (spec.quiet.as_ref(), spec.calm), now);
            if decided == Plan::default() {
                continue;
            }
            let step = self.step_of(&tenant, &cause, &alerts, decided, now);
            match self.store.step_cause(tenant.clone(), step, now).await {
                // An alert of it came back meanwhile: the next round decides anew.
                Ok(_) | Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn step_of(&self, tenant: &Tenant, cause: &Arc<str>, alerts: &[Alert], plan: Plan, now: Timestamp) -> CauseStep {
        let first = alerts.iter().min_by_key(|alert| (alert.opened_at, alert.id.uuid())).map(|alert| alert.id);
        let make = plan.make.into_iter().map(|planned| {
            let notice = self.notice(tenant, cause, planned, now);
            Notice { alert: first, ..notice }
        });
        CauseStep {
            cause: Arc::clone(cause),
            make: make.collect(),
            drop: plan.drop.into_iter().map(|(channel, stage)| (channel.into(), stage)).collect(),
            close: plan.closed.then(|| alerts.iter().map(|alert| alert.id).collect()),
        }
    }

    pub(super) fn notice(&self, tenant: &Tenant, cause: &Arc<str>, planned: Planned, now: Timestamp) -> Notice {
        Notice {
            id: NoticeId::from_uuid(uuid_v7(&*self.entropy, now)),
            tenant: tenant.clone(),
            cause: Arc::clone(cause),
            alert: None,
            channel: planned.channel.into(),
            stage: planned.stage,
            severity: planned.severity,
            state: NoticeState::Waiting,
            made_at: now,
            due_at: planned.due_at,
            tries: 0,
            ended_at: None,
            problem: String::new(),
        }
    }

    /// Takes what is due and begins to send it.
    async fn send_due(
        &self,
        topology: &Topology,
        tenant: Tenant,
        room: usize,
        sending: &mut JoinSet<Tried>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        let spec = topology.alerting(&tenant);
        for notice in self.store.claim_notices(tenant.clone(), now, now + SENDING, limit).await? {
            let Some(channel) = spec.channel(&notice.channel).cloned() else {
                let problem = format!("there is no channel '{}' any more", notice.channel);
                self.ended((notice, NoticeEnd::Failed { problem }, None)).await?;
                continue;
            };
            let Some(message) = self.message(topology, &notice).await? else {
                let problem = "what it would tell of is not kept any more".to_owned();
                self.ended((notice, NoticeEnd::Failed { problem }, None)).await?;
                continue;
            };
            let (post, clock) = (self.post(&spec.tenant), Arc::clone(&self.clock));
            sending.spawn(async move {
                let answer = post.send(&channel, &message).await;
                tried(notice, answer, clock.now())
            });
        }
        Ok(())
    }

    pub(super) fn post(&self, owner: &Tenant) -> Post {
        let egress = self.policies.egress(owner);
        Post { transport: Arc::clone(&self.transport), clock: Arc::clone(&self.clock), egress }
    }

    /// What a message says, as things are now.
    async fn message(&self, topology: &Topology, notice: &Notice) -> Result<Option<Message>, StoreError> {
        let words = Words { tenant: &notice.tenant, public_url: topology.public_url() };
        if notice.stage == Stage::Digest {
            return super::digest::message(&*self.store, &words, notice).await;
        }
        let spec = topology.alerting(&notice.tenant);
        let alerts = self.alerts_of(notice).await?;
        let alerts: Vec<(Severity, &Alert)> =
            alerts.iter().map(|alert| (spec.rules.of(&alert.kind).severity, alert)).collect();
        Ok(words.of_cause(notice.id, notice.stage, &alerts))
    }

    /// The alerts of the cause that a message tells of; once it is closed, the newest ones of it.
    async fn alerts_of(&self, notice: &Notice) -> Result<Vec<Alert>, StoreError> {
        /// Of a cause that is over: it was closed a moment ago, or its message could not be sent for hours.
        const LOOKED_THROUGH: u32 = 500;
        let is_of = |alert: &Alert| cause_of(&alert.kind, &alert.object) == *notice.cause;
        // Of what is over the alerts are settled, and others of the cause may have come since.
        if notice.stage != Stage::Resolved {
            let unsettled = self.store.unsettled_alerts().await?.into_iter();
            let of_cause: Vec<Alert> =
                unsettled.filter(|alert| alert.tenant == notice.tenant && is_of(alert)).collect();
            if !of_cause.is_empty() {
                return Ok(of_cause);
            }
        }
        let latest = self.store.alerts(notice.tenant.clone(), false, LOOKED_THROUGH).await?;
        let first = notice.alert.and_then(|id| latest.iter().find(|alert| alert.id == id)).map(|first| first.opened_at);
        let within = |alert: &&Alert| {
            is_of(alert) && first.is_none_or(|at| alert.opened_at >= at) && alert.opened_at <= notice.made_at
        };
        Ok(latest.iter().filter(within).cloned().collect())
    }

    async fn ended(&self, (notice, end, note): Tried) -> Result<(), StoreError> {
        let object = format!("channel/{}", notice.channel);
        match (note, &end) {
            (Some(detail), _) => self.alerts.note(&notice.tenant, CHANNEL_FAILING, object, detail),
            (None, NoticeEnd::Sent) => self.alerts.gone(&notice.tenant, CHANNEL_FAILING, object),
            (None, NoticeEnd::Again { .. } | NoticeEnd::Failed { .. }) => {}
        }
        self.store.end_notice(notice.tenant, notice.id, end, self.clock.now()).await
    }
}

fn by_cause(alerts: Vec<Alert>) -> BTreeMap<Arc<str>, Vec<Alert>> {
    let mut causes: BTreeMap<Arc<str>, Vec<Alert>> = BTreeMap::new();
    for alert in alerts {
        causes.entry(cause_of(&alert.kind, &alert.object).into()).or_default().push(alert);
    }
    causes
}

fn member(spec: &AlertingSpec, alert: &Alert) -> Member {
    let rule = spec.rules.of(&alert.kind);
    Member {
        severity: rule.severity,
        worth_from: (rule.is_on && alert.count >= rule.count).then(|| alert.opened_at + rule.after),
        acknowledged: alert.acknowledged_at.is_some(),
        resolved_at: alert.resolved_at,
        by_person: alert.resolved_by.is_some(),
    }
}

/// Who may be told of a cause. That a channel does not work is told by the others.
fn listeners(spec: &AlertingSpec, cause: &str) -> Vec<Listener> {
    let silent = |name: &str| cause == format!("{CHANNEL_FAILING}/channel/{name}");
    let channels = spec.channels.iter().filter(|channel| !silent(channel.name.as_str()));
    let listener = |channel: &crate::spec::ChannelSpec| Listener {
        channel: channel.name.to_string(),
        least: channel.least,
        acknowledges: matches!(channel.way, Way::PagerDuty(_)),
    };
    channels.map(listener).collect()
}

/// What an answer means for its message and for the channel.
fn tried(notice: Notice, answer: Result<Spoken, Trouble>, now: Timestamp) -> Tried {
    let trouble = match answer {
        Ok(Spoken { complaint, .. }) => return (notice, NoticeEnd::Sent, complaint),
        Err(trouble) => trouble,
    };
    let told = trouble.lasting || notice.tries >= TRIES_UNTIL_TOLD;
    let name = &notice.channel;
    let detail = told.then(|| format!("channel '{name}' does not take messages: {}", trouble.problem));
    let end = match next_try(notice.tries, trouble.wait, now) {
        Some(at) => NoticeEnd::Again { at, problem: trouble.problem },
        None => NoticeEnd::Failed { problem: trouble.problem },
    };
    (notice, end, detail)
}
