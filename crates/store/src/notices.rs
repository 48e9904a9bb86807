//! Notices: the messages about alerts that channels are owed. Each is made once, whoever decides it, and sent by one
//! node at a time.

use std::sync::Arc;

use domain::alert::Severity;
use domain::alert::tell::{NoticeState, Stage};
use domain::{AlertId, NoticeId, Tenant, Timestamp};

use crate::Verb;
use crate::registry::Alert;

/// One message to one channel. Of a cause there is one of each stage and channel, until the cause is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub id: NoticeId,
    pub tenant: Tenant,
    /// What it tells of: a cause, or a digest and its time.
    pub cause: Arc<str>,
    /// One of the cause's alerts.
    pub alert: Option<AlertId>,
    pub channel: Arc<str>,
    pub stage: Stage,
    pub severity: Severity,
    pub state: NoticeState,
    pub made_at: Timestamp,
    /// When it is sent; of one that is being sent: when it is tried again if nobody hears how it went.
    pub due_at: Timestamp,
    pub tries: u32,
    pub ended_at: Option<Timestamp>,
    /// Why the last try failed.
    pub problem: String,
}

/// What was decided about a cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CauseStep {
    pub cause: Arc<str>,
    pub make: Vec<Notice>,
    /// Those of these channels and stages that wait are not sent.
    pub drop: Vec<(Arc<str>, Stage)>,
    /// The cause is over: these alerts of it are settled, and what comes from now on is told anew. If one of them is
    /// open again, nothing happens at all: a conflict.
    pub close: Option<Vec<AlertId>>,
}

/// How a try of a message went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeEnd {
    Sent,
    Again { at: Timestamp, problem: String },
    Failed { problem: String },
}

pub trait Notices: Send + Sync + 'static {
    /// Notes who looks after an open alert; gives it as it is then, `None` if there is none. The first who does so
    /// stays.
    fn acknowledge_alert(&self, tenant: Tenant, id: AlertId, by: Arc<str>, now: Timestamp) -> Verb<'_, Option<Alert>>;

    /// Alerts that are open, or of which there may be something to tell, of all tenants.
    fn unsettled_alerts(&self) -> Verb<'_, Vec<Alert>>;

    /// For which channels of whose alerts messages wait, and when the first of each is due.
    fn waiting_notices(&self) -> Verb<'_, Vec<(Tenant, Arc<str>, Timestamp)>>;

    /// The messages of all causes that are not closed.
    fn told(&self, tenant: Tenant) -> Verb<'_, Vec<Notice>>;

    /// Takes over what was decided, all of it or nothing. Gives how many messages are new.
    fn step_cause(&self, tenant: Tenant, step: CauseStep, now: Timestamp) -> Verb<'_, u32>;

    /// Takes up to `limit` messages of a channel that are due, the first due first, and counts a try of each. Until
    /// `until` they are nobody else's.
    fn claim_notices(
        &self,
        tenant: Tenant,
        channel: Arc<str>,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Verb<'_, Vec<Notice>>;

    /// Says how the try went that took it. One that was dropped meanwhile stays so, unless it was sent.
    fn end_notice(&self, tenant: Tenant, id: NoticeId, end: NoticeEnd, now: Timestamp) -> Verb<'_, ()>;

    /// Newest first.
    fn notices(&self, tenant: Tenant, limit: u32) -> Verb<'_, Vec<Notice>>;
}
