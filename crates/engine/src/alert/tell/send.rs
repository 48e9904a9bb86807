//! Sending: takes what is due for a channel, says it, and writes down how that went. However many causes there are at
//! once, people get few messages of them; machines get each.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::alert::Severity;
use domain::alert::tell::{Stage, TRIES_UNTIL_TOLD, next_try};
use domain::identity::Digest;
use domain::{Tenant, Timestamp};
use store::StoreError;
use store::notices::{Notice, NoticeEnd};
use store::read::Page;
use store::registry::Alert;
use tokio::task::JoinSet;

use super::{Teller, by_cause};
use crate::alert::channel::{Post, Spoken, Trouble};
use crate::alert::message::{Message, Words};
use crate::alert::{CHANNEL_FAILING, digest};
use crate::spec::{AlertingSpec, Way};
use crate::topology::Topology;

/// Messages under way at once, and of one channel: a server that hangs keeps no other waiting.
const SENDING_MAX: usize = 64;
const SENDING_OF_CHANNEL_MAX: usize = 8;
/// How long one try may take at most, mail included; after that another may take it.
const SENDING: Duration = Duration::from_secs(3 * 60);
/// What people are told at once is taken up to this number of causes.
const TOGETHER_MAX: u32 = 500;
/// So many causes are told one by one; more that are due at once are one message.
const APART_MAX: usize = 3;
/// People get so many messages within this time one after the other, and from then on one in each pause: it tells of all
/// that came meanwhile.
const BURST: (usize, Duration) = (10, Duration::from_secs(10 * 60));
const PAUSE: Duration = Duration::from_secs(60);
/// Alerts that are looked through for those of a cause that is over.
const LOOKED_THROUGH: u32 = 2_000;

/// A channel, and whose it is.
type Line = (Tenant, Arc<str>);

/// What became of a try.
pub(super) struct Tried {
    line: Line,
    notices: Vec<Notice>,
    end: NoticeEnd,
    /// What to note of the channel.
    note: Option<String>,
}

/// What is under way, and what went out of late.
#[derive(Default)]
pub(super) struct Sending {
    tasks: JoinSet<Tried>,
    under_way: BTreeMap<Line, usize>,
    of_late: BTreeMap<Line, VecDeque<Timestamp>>,
}

impl Sending {
    /// The next try that ended; `None`: nothing is under way.
    pub async fn next_tried(&mut self) -> Option<Tried> {
        loop {
            // One that panicked is taken again when its time is over.
            let Ok(tried) = self.tasks.join_next().await? else { continue };
            if let Some(count) = self.under_way.get_mut(&tried.line) {
                *count = count.saturating_sub(1);
            }
            return Some(tried);
        }
    }

    fn room(&self, line: &Line) -> usize {
        let own = SENDING_OF_CHANNEL_MAX.saturating_sub(self.under_way.get(line).copied().unwrap_or(0));
        own.min(SENDING_MAX.saturating_sub(self.tasks.len()))
    }

    /// Whether people have heard so much of late that they are left in peace for a moment.
    fn pauses(&mut self, line: &Line, now: Timestamp) -> bool {
        let Some(times) = self.of_late.get_mut(line) else { return false };
        let (count, within) = BURST;
        times.retain(|at| now.since(*at) < within);
        times.len() >= count && times.back().is_some_and(|last| now.since(*last) < PAUSE)
    }

    fn begin(&mut self, line: Line, now: Timestamp, try_it: impl Future<Output = Tried> + Send + 'static) {
        *self.under_way.entry(line.clone()).or_default() += 1;
        self.of_late.entry(line).or_default().push_back(now);
        self.tasks.spawn(try_it);
    }
}

/// A tenant's alerts by their causes: those of which there may be something to tell, and the newest.
struct Seen {
    unsettled: BTreeMap<Arc<str>, Vec<Alert>>,
    latest: BTreeMap<Arc<str>, Vec<Alert>>,
}

impl Seen {
    /// Those that a message tells of.
    fn of(&self, notice: &Notice) -> Vec<Alert> {
        // Of what is over the alerts are settled, and others of the cause may have come since.
        if let Some(of_cause) = self.unsettled.get(&notice.cause).filter(|_| notice.stage != Stage::Resolved) {
            return of_cause.clone();
        }
        let latest = self.latest.get(&notice.cause).map(Vec::as_slice).unwrap_or_default();
        let first = notice.alert.and_then(|id| latest.iter().find(|alert| alert.id == id)).map(|first| first.opened_at);
        let within = |alert: &&Alert| first.is_none_or(|at| alert.opened_at >= at) && alert.opened_at <= notice.made_at;
        latest.iter().filter(within).cloned().collect()
    }
}

impl Teller {
    /// Takes what is due for a channel and begins to send it.
    pub(super) async fn send_due(
        &self,
        topology: &Topology,
        (tenant, name): (Tenant, Arc<str>),
        sending: &mut Sending,
    ) -> Result<(), StoreError> {
        let (now, spec) = (self.clock.now(), topology.alerting(&tenant));
        let line = (spec.tenant.clone(), Arc::clone(&name));
        let channel = spec.channel(&name);
        let people = channel.is_some_and(|channel| reads(&channel.way));
        let room = sending.room(&line);
        if room == 0 || people && sending.pauses(&line, now) {
            return Ok(());
        }
        let limit = if people { TOGETHER_MAX } else { u32::try_from(room).unwrap_or(u32::MAX) };
        let due = self.store.claim_notices(tenant.clone(), name, now, now + SENDING, limit).await?;
        let Some(channel) = channel else {
            let problem = format!("there is no channel '{}' any more", line.1);
            return self.give_up(line, due, problem).await;
        };
        if due.is_empty() {
            return Ok(());
        }
        let seen = self.seen(&tenant).await?;
        for notices in parts(due, people) {
            let Some(message) = self.message(topology, &spec, &notices, &seen).await? else {
                self.give_up(line.clone(), notices, "it does not say of which time it is".to_owned()).await?;
                continue;
            };
            let (post, clock, channel, line) =
                (self.post(&spec.tenant), Arc::clone(&self.clock), channel.clone(), line.clone());
            sending.begin(line.clone(), now, async move {
                let answer = post.send(&channel, &message).await;
                tried(line, notices, answer, clock.now())
            });
        }
        Ok(())
    }

    /// What can never be sent.
    async fn give_up(&self, line: Line, notices: Vec<Notice>, problem: String) -> Result<(), StoreError> {
        self.ended(Tried { line, notices, end: NoticeEnd::Failed { problem }, note: None }).await
    }

    fn post(&self, owner: &Tenant) -> Post {
        let egress = self.policies.egress(owner);
        Post { transport: Arc::clone(&self.transport), clock: Arc::clone(&self.clock), egress }
    }

    async fn seen(&self, tenant: &Tenant) -> Result<Seen, StoreError> {
        let unsettled = self.store.unsettled_alerts().await?.into_iter().filter(|alert| alert.tenant == *tenant);
        let unsettled = by_cause(unsettled);
        let latest = by_cause(self.store.alerts(tenant.clone(), false, Page::first(LOOKED_THROUGH)).await?.rows);
        Ok(Seen { unsettled, latest })
    }

    /// What is said of one cause, or of many, as things are now. `None`: of a digest whose time cannot be read.
    async fn message(
        &self,
        topology: &Topology,
        spec: &AlertingSpec,
        notices: &[Notice],
        seen: &Seen,
    ) -> Result<Option<Message>, StoreError> {
        let Some(notice) = notices.first() else { return Ok(None) };
        let words = Words { tenant: &notice.tenant, public_url: topology.public_url() };
        if notice.stage == Stage::Digest {
            return digest::message(&*self.store, &words, notice).await;
        }
        let single = |notice: &Notice| {
            let alerts = seen.of(notice);
            let alerts: Vec<(Severity, &Alert)> =
                alerts.iter().map(|alert| (spec.rules.of(&alert.kind).severity, alert)).collect();
            words.of_cause(notice.id, notice.stage, &alerts).unwrap_or_else(|| words.bare(notice))
        };
        if let [only] = notices {
            return Ok(Some(single(only)));
        }
        // The same messages tried again are the same for whoever gets them twice.
        let ids: Vec<u8> = notices.iter().flat_map(|notice| *notice.id.as_bytes()).collect();
        let id = format!("many_{}", data_encoding::HEXLOWER.encode(&Digest::of(&ids).0[..16]));
        Ok(Some(words.of_many(id, notice.stage, notices.iter().map(single).collect())))
    }

    /// Writes down how a try went, and how its channel does.
    pub(super) async fn ended(&self, tried: Tried) -> Result<(), StoreError> {
        let Tried { line: (owner, channel), notices, end, note } = tried;
        let object = format!("channel/{channel}");
        // It is a matter of whose channel it is, not of those whose alerts go through it.
        match (note, &end) {
            (Some(detail), _) => self.alerts.note(&owner, CHANNEL_FAILING, object, detail),
            (None, NoticeEnd::Sent) => self.alerts.gone(&owner, CHANNEL_FAILING, object),
            (None, NoticeEnd::Again { .. } | NoticeEnd::Failed { .. }) => {}
        }
        for notice in notices {
            self.store.end_notice(notice.tenant, notice.id, end.clone(), self.clock.now()).await?;
        }
        Ok(())
    }
}

/// Whether people read a channel. Machines want each cause by its key.
fn reads(way: &Way) -> bool {
    match way {
        Way::Email(_) | Way::Slack(_) | Way::Discord(_) | Way::Teams(_) | Way::Telegram(_) => true,
        Way::PagerDuty(_) | Way::Webhook { .. } => false,
    }
}

/// What is said in one message each.
fn parts(due: Vec<Notice>, people: bool) -> Vec<Vec<Notice>> {
    let mut stages: BTreeMap<Stage, Vec<Notice>> = BTreeMap::new();
    for notice in due {
        stages.entry(notice.stage).or_default().push(notice);
    }
    let mut parts = Vec::new();
    for (stage, notices) in stages {
        if people && stage != Stage::Digest && notices.len() > APART_MAX {
            parts.push(notices);
        } else {
            parts.extend(notices.into_iter().map(|notice| vec![notice]));
        }
    }
    parts
}

/// What an answer means for its messages and for the channel.
fn tried(line: Line, notices: Vec<Notice>, answer: Result<Spoken, Trouble>, now: Timestamp) -> Tried {
    let trouble = match answer {
        Ok(Spoken { complaint, .. }) => return Tried { line, notices, end: NoticeEnd::Sent, note: complaint },
        Err(trouble) => trouble,
    };
    let tries = notices.iter().map(|notice| notice.tries).max().unwrap_or(0);
    let told = trouble.lasting || tries >= TRIES_UNTIL_TOLD;
    let note = told.then(|| format!("channel '{}' does not take messages: {}", line.1, trouble.problem));
    let end = match next_try(tries, trouble.wait, now) {
        Some(at) => NoticeEnd::Again { at, problem: trouble.problem },
        None => NoticeEnd::Failed { problem: trouble.problem },
    };
    Tried { line, notices, end, note }
}
