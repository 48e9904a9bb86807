//! Who is told what of a cause, and when: once that it began, once if it became worse, once that it is over.
//!
//! A cause is over only when it has been calm for a while: until then, what comes back is the same cause, of which
//! nobody is told again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::calendar::QuietHours;
use super::rule::Severity;
use crate::Timestamp;

/// How long a cause must be calm before it counts as over, unless its owner says otherwise.
pub const CALM: Duration = Duration::from_secs(10 * 60);

/// What a message tells of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Opened,
    /// It has become worse than what was told.
    Worse,
    Acknowledged,
    Resolved,
    /// Not of a cause: what happened in a day or week.
    Digest,
}

impl Stage {
    pub const ALL: [Self; 5] = [Self::Opened, Self::Worse, Self::Acknowledged, Self::Resolved, Self::Digest];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Worse => "worse",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Digest => "digest",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }
}

/// How a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    /// It is sent when it is due.
    Waiting,
    Sent,
    /// Its tries are used up.
    Failed,
    /// What it would tell was over before it was due.
    Dropped,
}

impl NoticeState {
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Sent, Self::Failed, Self::Dropped];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// One alert of a cause, as far as telling goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    pub severity: Severity,
    /// From then on it is worth telling: its rule's time and number are reached. `None`: they are not.
    pub worth_from: Option<Timestamp>,
    pub acknowledged: bool,
    pub resolved_at: Option<Timestamp>,
    /// A person said so, who need not wait for calm.
    pub by_person: bool,
}

/// A message of this cause that was made before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub channel: String,
    pub stage: Stage,
    pub severity: Severity,
    pub state: NoticeState,
}

/// Who may be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    pub channel: String,
    pub least: Severity,
    /// It wants to hear that somebody looks after it.
    pub acknowledges: bool,
}

/// A message to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub channel: String,
    pub stage: Stage,
    pub severity: Severity,
    pub due_at: Timestamp,
}

/// What to do about a cause now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub make: Vec<Notice>,
    /// Messages that are not sent any more, if they still wait.
    pub drop: Vec<(String, Stage)>,
    /// It is over, and everything of it has been planned.
    pub closed: bool,
}

/// Decides what is told of a cause.
#[must_use]
pub fn plan(
    members: &[Member],
    told: &[Told],
    listeners: &[Listener],
    (quiet, calm): (Option<&QuietHours>, Duration),
    now: Timestamp,
) -> Plan {
    let mut plan = Plan::default();
    let over = over(members, calm, now);
    for listener in listeners {
        Listening { members, told, listener, quiet, now }.plan(over, &mut plan);
    }
    plan.closed = over == Over::Calm;
    plan
}

/// Whether a cause is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// Something of it is open.
    Open,
    /// Nothing is, but not for long enough.
    Settling,
    Calm,
}

fn over(members: &[Member], calm: Duration, now: Timestamp) -> Over {
    let until = |member: &Member| member.resolved_at.map(|at| if member.by_person { at } else { at + calm });
    match members.iter().map(until).collect::<Option<Vec<_>>>() {
        None => Over::Open,
        Some(ends) if ends.iter().all(|end| *end <= now) => Over::Calm,
        Some(_) => Over::Settling,
    }
}

struct Listening<'a> {
    members: &'a [Member],
    told: &'a [Told],
    listener: &'a Listener,
    quiet: Option<&'a QuietHours>,
    now: Timestamp,
}

impl Listening<'_> {
    fn plan(&self, over: Over, plan: &mut Plan) {
        match over {
            Over::Open => self.open(plan),
            Over::Settling => {}
            Over::Calm => self.calm(plan),
        }
    }

    fn told_of(&self, stage: Stage) -> Option<&Told> {
        self.told.iter().find(|told| told.channel == self.listener.channel && told.stage == stage)
    }

    /// The worst that is open, matters to this listener, and is worth telling by now.
    fn worst(&self) -> Option<Severity> {
        let worth =
            |member: &&Member| member.resolved_at.is_none() && member.worth_from.is_some_and(|from| from <= self.now);
        let severities = self.members.iter().filter(worth).map(|member| member.severity);
        severities.filter(|severity| *severity >= self.listener.least).max()
    }

    fn open(&self, plan: &mut Plan) {
        let opened = self.told_of(Stage::Opened);
        if self.is_acknowledged() {
            self.acknowledged(opened, plan);
            return;
        }
        let Some(worst) = self.worst() else { return };
        let Some(opened) = opened else { return self.make(Stage::Opened, worst, plan) };
        if worst > opened.severity && self.told_of(Stage::Worse).is_none() {
            self.make(Stage::Worse, worst, plan);
            // What waits for the end of the quiet hours would only repeat it.
            plan.drop.push((self.listener.channel.clone(), Stage::Opened));
        }
    }

    fn is_acknowledged(&self) -> bool {
        self.members.iter().filter(|member| member.resolved_at.is_none()).all(|member| member.acknowledged)
    }

    /// Who acknowledged it knows of it: what was not told yet need not be.
    fn acknowledged(&self, opened: Option<&Told>, plan: &mut Plan) {
        let Some(opened) = opened else { return };
        if opened.state == NoticeState::Waiting {
            plan.drop.push((self.listener.channel.clone(), Stage::Opened));
        } else if self.listener.acknowledges && self.was_heard() && self.told_of(Stage::Acknowledged).is_none() {
            plan.make.push(self.notice(Stage::Acknowledged, opened.severity, self.now));
        }
    }

    fn was_heard(&self) -> bool {
        let heard = |told: &&Told| told.channel == self.listener.channel && told.state == NoticeState::Sent;
        self.told.iter().filter(heard).any(|told| matches!(told.stage, Stage::Opened | Stage::Worse))
    }

    fn calm(&self, plan: &mut Plan) {
        let own = self.told.iter().filter(|told| told.channel == self.listener.channel);
        for told in own.filter(|told| told.state == NoticeState::Waiting && told.stage != Stage::Resolved) {
            plan.drop.push((told.channel.clone(), told.stage));
        }
        let opened = self.told_of(Stage::Worse).or(self.told_of(Stage::Opened));
        if let Some(opened) = opened.filter(|_| self.was_heard() && self.told_of(Stage::Resolved).is_none()) {
            self.make(Stage::Resolved, opened.severity, plan);
        }
    }

    fn make(&self, stage: Stage, severity: Severity, plan: &mut Plan) {
        // Whoever was woken may also be told that it is over.
        let quiet = self.quiet.filter(|_| severity < Severity::Critical);
        let due_at = quiet.and_then(|quiet| quiet.until(self.now)).unwrap_or(self.now);
        plan.make.push(self.notice(stage, severity, due_at));
    }

    fn notice(&self, stage: Stage, severity: Severity, due_at: Timestamp) -> Notice {
        Notice { channel: self.listener.channel.clone(), stage, severity, due_at }
    }
}

/// Tries of one message, the first included.
pub const TRIES_MAX: u32 = 12;
/// The first wait between two tries; each is twice the one before.
const WAIT_FIRST: Duration = Duration::from_secs(15);
/// The longest: all twelve tries together take about four hours, after which the news is old.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);
/// From so many failed tries in a row on, the channel is itself something to tell of.
pub const TRIES_UNTIL_TOLD: u32 = 3;

/// When a message is tried again after so many tries; `None`: never. What the receiver asks for is kept to, within the
/// longest wait.
#[must_use]
pub fn next_try(tries: u32, asked: Option<Duration>, now: Timestamp) -> Option<Timestamp> {
    if tries >= TRIES_MAX {
        return None;
    }
    let doubled = WAIT_FIRST.saturating_mul(1 << tries.saturating_sub(1).min(16));
    Some(now + doubled.max(asked.unwrap_or_default()).min(WAIT_MAX))
}

#[cfg(test)]
mod tests;
