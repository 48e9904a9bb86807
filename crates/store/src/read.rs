//! Reading: lists, newest first, within a time budget; single things whole; the tail.

use std::sync::Arc;
use std::time::Duration;

use domain::request::Verdict;
use domain::{
    ConnectionName, DeliveryId, DeliveryState, DestinationName, Event, EventId, Origin, ReplayId, RequestId, RouteName,
    SourceName, Tenant, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::Verb;
use crate::dispatch::{Attempt, Cause, Prepared};
use crate::intake::KeptRequest;

/// Most rows of one page.
pub const PAGE_MAX: u32 = 500;

/// A place in a list that a later call continues from; opaque to everyone but the store that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position(pub String);

/// How much to read: at most so many rows, for at most so long. `scan` counts on the store's own patience, it is
/// not a clock reading.
#[derive(Clone, Debug)]
pub struct Page {
    pub limit: u32,
    pub after: Option<Position>,
    /// Time that filters without an index may scan.
    pub scan: Duration,
}

impl Page {
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { limit, after: None, scan: Duration::from_secs(2) }
    }
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    pub rows: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Position>,
    /// The scan ran out of time here: everything newer was searched.
    pub searched_until: Option<Timestamp>,
}

impl<T> Listed<T> {
    /// Rows in order with where each stands, one more of them than the page holds if there are more.
    #[must_use]
    pub fn one_beyond(mut found: Vec<(Position, T)>, limit: u32) -> Self {
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| has_more).map(|(position, _)| position.clone());
        Self { rows: found.into_iter().map(|(_, row)| row).collect(), next, searched_until: None }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventFilter {
    pub source: Option<SourceName>,
    pub connection: Option<ConnectionName>,
    /// Exact, or a prefix when it ends with `*`.
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    pub subject: Option<String>,
    pub origin: Option<Origin>,
    /// Received at or after.
    pub since: Option<Timestamp>,
    /// Received before.
    pub until: Option<Timestamp>,
    /// Text that occurs in the subject or type, or in the payload in one of its [spellings](crate::search::spellings);
    /// case matters.
    pub q: Option<String>,
}

/// An event as a list shows it: everything but the payload.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// Without its payload.
    pub event: Arc<Event>,
    pub payload_bytes: u64,
    /// Where the tail goes on after this one.
    pub position: Position,
}

/// Payload bytes after which a [`Stretch`] ends: a page of the largest ones would not fit into memory.
pub const STRETCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A stretch of the order of acceptance that was looked through.
#[derive(Clone, Debug)]
pub struct Stretch {
    pub events: Vec<(Position, Arc<Event>)>,
    /// The last event that was looked at, matching or not: where to go on, so that nothing is looked at twice.
    pub until: Position,
    /// There is more behind it: the stretch ended for its limit, its bytes or its time.
    pub more: bool,
}

/// Later arrivals of a known event, one per path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub path: String,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub count: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeliveryFilter {
    pub state: Option<DeliveryState>,
    pub destination: Option<DestinationName>,
    pub route: Option<RouteName>,
    pub source: Option<SourceName>,
    pub replay: Option<ReplayId>,
    /// Code of the cause, for dead letters.
    pub cause: Option<String>,
    /// Made at or after.
    pub since: Option<Timestamp>,
    /// Made before.
    pub until: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct DeliveryRow {
    pub id: DeliveryId,
    pub event: EventId,
    pub event_type: Arc<str>,
    pub source: SourceName,
    pub connection: ConnectionName,
    pub subject: Option<String>,
    pub route: RouteName,
    pub destination: DestinationName,
    pub replay: Option<ReplayId>,
    pub state: DeliveryState,
    pub attempts: u32,
    pub created_at: Timestamp,
    /// When the next try is due, for those that wait for time.
    pub due_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub cause: Option<Cause>,
    /// Waits behind another delivery of its lane.
    pub behind: bool,
}

/// A delivery with its whole context.
#[derive(Clone, Debug)]
pub struct DeliveryDetail {
    pub row: DeliveryRow,
    pub attempts: Vec<Attempt>,
    pub prepared: Option<Prepared>,
}

#[derive(Clone, Debug)]
pub struct EventDetail {
    pub event: Arc<Event>,
    pub sightings: Vec<Sighting>,
    pub deliveries: Vec<DeliveryRow>,
    pub position: Position,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestFilter {
    pub verdict: Option<Verdict>,
    pub source: Option<SourceName>,
    pub reason: Option<String>,
}

/// Deliveries of one destination by state; only open and dead ones, and only where there are some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub tenant: Tenant,
    pub destination: DestinationName,
    pub state: DeliveryState,
    pub count: u64,
    /// When the first of them was made.
    pub oldest: Option<Timestamp>,
}

/// Events are accepted almost in the order in which they are received. So many in a row that were received before a moment
/// are never accepted after one that was received since then: twice what waits in a node's queue.
pub const OUT_OF_ORDER: u32 = 10_000;

pub trait Read: Send + Sync + 'static {
    /// Newest received first.
    fn events(&self, tenant: Tenant, filter: EventFilter, page: Page) -> Verb<'_, Listed<EventRow>>;

    /// How many events match, counted within the scan time; the flag says whether that is all of them.
    fn count_events(&self, tenant: Tenant, filter: EventFilter, scan: Duration) -> Verb<'_, (u64, bool)>;

    /// Matching events with payloads in the order of acceptance, from a position on: what replays and the tail read.
    fn events_after(&self, tenant: Tenant, filter: EventFilter, page: Page) -> Verb<'_, Stretch>;

    /// The position of the newest event: a tail that starts now starts here.
    fn tail_position(&self, tenant: Tenant) -> Verb<'_, Position>;

    /// The position after which everything lies that was received since then: a tail that looks back starts here. It is
    /// looked for around the first one that was received since then, [`OUT_OF_ORDER`] deep.
    fn position_since(&self, tenant: Tenant, since: Timestamp) -> Verb<'_, Position>;

    fn event(&self, tenant: Tenant, id: EventId) -> Verb<'_, Option<EventDetail>>;

    /// Newest made first, by their ids.
    fn deliveries(&self, tenant: Tenant, filter: DeliveryFilter, page: Page) -> Verb<'_, Listed<DeliveryRow>>;

    fn delivery(&self, tenant: Tenant, id: DeliveryId) -> Verb<'_, Option<DeliveryDetail>>;

    /// Without their bodies: a page of those would not fit into memory.
    fn requests(&self, tenant: Tenant, filter: RequestFilter, page: Page) -> Verb<'_, Listed<KeptRequest>>;

    fn request(&self, tenant: Tenant, id: RequestId) -> Verb<'_, Option<KeptRequest>>;

    /// Open and dead deliveries per destination: what is waiting, and for how long.
    fn backlog(&self) -> Verb<'_, Vec<Backlog>>;
}
