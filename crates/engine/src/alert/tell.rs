//! Telling: the duty that decides which messages are owed, and sends them. Both are in the store, so that no restart and
//! no other node repeats or forgets one: whatever is decided twice is made once, and what is sent is somebody's.

mod send;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::latest;
use domain::alert::cause_of;
use domain::alert::tell::{Listener, Member, Notice as Planned, NoticeState, Plan, Told, plan};
use domain::{NoticeId, Tenant, Timestamp};
use store::notices::{CauseStep, Notice};
use store::registry::Alert;
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use super::digest::Digests;
use super::{Alerts, CHANNEL_FAILING};
use crate::clock::SharedClock;
use crate::entropy::{SharedEntropy, uuid_v7};
use crate::nodes::Held;
use crate::spec::{AlertingSpec, Way};
use crate::topology::{Policies, Topology};
use crate::transport::Transport;
use send::Sending;

/// How often it is looked for what time alone makes due, or what another node raised.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The same where nothing is open, nothing is owed, and no other node could raise anything: digests have their minute.
const IDLE_EVERY: Duration = Duration::from_secs(60);

pub struct Teller {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub alerts: Alerts,
    pub transport: Arc<dyn Transport>,
    pub policies: Arc<dyn Policies + Send + Sync>,
    pub(crate) topology: latest::Receiver<Arc<Topology>>,
    pub(crate) held: latest::Receiver<Arc<Held>>,
    pub stop: CancellationToken,
}

impl Teller {
    pub async fn run(self) {
        let changed = self.alerts.changed();
        let mut sending = Sending::default();
        let mut digests = Digests::default();
        let mut wait = LOOK_EVERY;
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(tried) = sending.next_tried() => {
                    let ended = self.ended(tried).await;
                    self.check(ended);
                    continue;
                }
                () = changed.notified() => {}
                () = self.clock.sleep(wait) => {}
            }
            let (leads, sole) = (self.held.borrow().leads(), self.held.borrow().sole);
            wait = LOOK_EVERY;
            if leads {
                let topology = Arc::clone(&self.topology.borrow());
                let done = self.round(&topology, &mut digests, &mut sending).await;
                if sole && matches!(done, Ok(Round::Idle)) {
                    wait = IDLE_EVERY;
                }
                self.check(done.map(drop));
            }
        }
        // What is under way is written down, so that the next process does not send it again.
        while let Some(tried) = sending.next_tried().await {
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
        sending: &mut Sending,
    ) -> Result<Round, StoreError> {
        let now = self.clock.now();
        let mut by_tenant: BTreeMap<Tenant, Vec<Alert>> = BTreeMap::new();
        for alert in self.store.unsettled_alerts().await? {
            by_tenant.entry(alert.tenant.clone()).or_default().push(alert);
        }
        let mut round = if by_tenant.is_empty() { Round::Idle } else { Round::Busy };
        for (tenant, alerts) in by_tenant {
            self.plan(&topology.alerting(&tenant), tenant, alerts, now).await?;
        }
        self.forget_channels(topology);
        digests.round(self, topology, now).await?;
        for (tenant, channel, due_at) in self.store.waiting_notices().await? {
            round = Round::Busy;
            if due_at <= now {
                self.send_due(topology, (tenant, channel), sending).await?;
            }
        }
        Ok(round)
    }

    /// Of a channel that is not configured any more nothing is wrong.
    fn forget_channels(&self, topology: &Topology) {
        for (tenant, object) in self.alerts.open_of(CHANNEL_FAILING) {
            let spec = topology.alerting(&tenant);
            let name = object.strip_prefix("channel/").unwrap_or_default();
            if spec.tenant != tenant || spec.channel(name).is_none() {
                self.alerts.gone(&tenant, CHANNEL_FAILING, object);
            }
        }
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
}

/// Whether there is anything open or owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Idle,
    Busy,
}

fn by_cause(alerts: impl IntoIterator<Item = Alert>) -> BTreeMap<Arc<str>, Vec<Alert>> {
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
