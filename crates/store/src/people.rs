//! What people decide: retry, cancel, hold, resume, replay.

use domain::{DeliveryId, DeliveryState, DestinationName, EventId, ReplayId, RouteName, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Verb;
use crate::read::{DeliveryFilter, EventFilter, Listed, Page};

/// Whether a person's wish for one delivery was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Done,
    NotFound,
    /// Its state does not allow it.
    Refused(DeliveryState),
}

/// Which open deliveries to hold or set free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldScope {
    Destination(DestinationName),
    Route(RouteName),
}

/// Whether a destination takes deliveries, and if not, since when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationStatus {
    pub state: DestinationState,
    pub since: Timestamp,
    /// `gone` (it answered 410), or what the person who paused it wrote.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationState {
    Active,
    /// By a person, to be resumed.
    Paused,
    /// By a 410 or a person, to be enabled again.
    Disabled,
    /// Gone from the file or the API.
    Retired,
}

impl DestinationState {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Retired => "retired",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Paused, Self::Disabled, Self::Retired].into_iter().find(|state| state.as_str() == text)
    }
}

/// Which stored events a replay takes: these, or all that match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplaySelection {
    Events(Vec<EventId>),
    Filter(EventFilter),
}

/// A replay job as asked for and as far as it got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    pub id: ReplayId,
    pub tenant: Tenant,
    pub selection: ReplaySelection,
    /// Only to this destination; else along every route that matches.
    pub destination: Option<DestinationName>,
    /// Deliveries made per second at most.
    pub rate: Option<u32>,
    /// New message ids: receivers that deduplicate take them as new.
    pub new_ids: bool,
    pub state: ReplayState,
    /// Events that matched when it was planned.
    pub planned: u64,
    pub events_done: u64,
    pub deliveries_made: u64,
    /// How far it got, so that it goes on after a restart; opaque.
    pub position: Option<String>,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayState {
    Running,
    Done,
    Cancelled,
}

impl ReplayState {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Running, Self::Done, Self::Cancelled].into_iter().find(|state| state.as_str() == text)
    }
}

/// One step of a replay: new deliveries and the new position, in one transaction.
#[derive(Clone, Debug)]
pub struct ReplayStep {
    pub id: ReplayId,
    pub tenant: Tenant,
    /// Where the replay stood when the step was read. If it stands elsewhere by now, the step was made already, by a
    /// node that took over or by ourselves without hearing of it.
    pub from: Option<String>,
    pub deliveries: Vec<ReplayDelivery>,
    pub events_done: u64,
    pub position: Option<String>,
    /// Set with the last step.
    pub finished: bool,
}

#[derive(Clone, Debug)]
pub struct ReplayDelivery {
    pub event: EventId,
    pub delivery: crate::intake::NewDelivery,
}

pub trait People: Send + Sync + 'static {
    /// `dead | cancelled → pending`: tries start over and the body is prepared again. The answers are in order.
    fn retry(&self, tenant: Tenant, ids: Vec<DeliveryId>, now: Timestamp) -> Verb<'_, Vec<Wish>>;

    /// Any open state → `cancelled`; the lane's next goes. A dead one stays dead, but if its lane stands still for it
    /// (`on_dead: block`) the lane's next goes, and that counts as done. The answers are in order.
    fn cancel(&self, tenant: Tenant, ids: Vec<DeliveryId>, now: Timestamp) -> Verb<'_, Vec<Wish>>;

    /// Open deliveries in the filter become `cancelled`, at most `limit` in one call. Gives how many.
    fn cancel_matching(&self, tenant: Tenant, filter: DeliveryFilter, now: Timestamp, limit: u32) -> Verb<'_, u32>;

    /// `pending | retrying → held`, at most `limit` in one call, claimed ones aside. Gives how many.
    fn hold(&self, tenant: Tenant, scope: HoldScope, limit: u32) -> Verb<'_, u32>;

    /// `held → pending | retrying`, at most `limit` in one call. Each is due when it was due anyway: a schedule of
    /// retries survives a pause. Gives how many.
    fn resume(&self, tenant: Tenant, scope: HoldScope, limit: u32) -> Verb<'_, u32>;

    fn set_destination_status(&self, tenant: Tenant, name: DestinationName, status: DestinationStatus) -> Verb<'_, ()>;

    /// Every destination that is not plainly active.
    fn destination_statuses(&self) -> Verb<'_, Vec<(Tenant, DestinationName, DestinationStatus)>>;

    fn create_replay(&self, replay: Replay) -> Verb<'_, ()>;

    /// Commits one step of a running replay. Its deliveries are claimed when they fall due, not at birth, and events
    /// that retention has removed are passed over; gives the replay as it is then. Nothing of the step is written if it
    /// was cancelled, as its state tells, or does not stand any more where the step begins: go on from where it is.
    fn replay_step(&self, step: ReplayStep, now: Timestamp) -> Verb<'_, Replay>;

    /// `running → cancelled`. Gives the replay, or `None` if there is none of this id.
    fn cancel_replay(&self, tenant: Tenant, id: ReplayId, now: Timestamp) -> Verb<'_, Option<Replay>>;

    /// Newest made first, by their ids.
    fn replays(&self, tenant: Tenant, page: Page) -> Verb<'_, Listed<Replay>>;

    fn replay(&self, tenant: Tenant, id: ReplayId) -> Verb<'_, Option<Replay>>;

    /// Replays of all tenants that are still running: they go on after a restart.
    fn running_replays(&self) -> Verb<'_, Vec<Replay>>;
}
