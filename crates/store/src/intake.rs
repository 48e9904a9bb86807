//! Taking in: events with the deliveries they owe, and requests that were not accepted.

pub mod kept;

use std::sync::Arc;

use domain::identity::IdentityKey;
use domain::ordering::Lane;
use domain::request::{InboundRequest, Reason, Verdict};
use domain::subject::SubjectState;
use domain::{DeliveryId, DestinationName, Event, EventId, RequestId, RouteName, SourceName, Tenant, Timestamp};

use crate::Verb;
use crate::dispatch::{Claim, Lease};

/// One event, the identities that make it known again, and what it owes.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub event: Arc<Event>,
    /// If any of these is known (and young enough), the arrival is a sighting of that event. Either way the others are
    /// remembered for that event too. Ages are those between the two times of receipt, whichever came first.
    pub identities: Vec<IdentityKey>,
    /// For topics mapped as the subject's created, updated or deleted: moves the subject's row in the same
    /// transaction ([`domain::subject::advance`]) and looks its state key up as well. A state key joins a native
    /// arrival with a reading, never native with native. A reading that tells nothing new makes no event.
    pub state: Option<SubjectState>,
    /// How it came, for the sighting: the event's origin, or the node-independent name of another way.
    pub path: Arc<str>,
    pub deliveries: Vec<NewDelivery>,
}

impl NewEvent {
    /// One that nothing makes known again and that owes nothing.
    #[must_use]
    pub fn of(event: Event) -> Self {
        let path = event.origin.as_str().into();
        Self { event: Arc::new(event), identities: Vec::new(), state: None, path, deliveries: Vec::new() }
    }
}

/// One delivery owed by an event that is being accepted.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    pub id: DeliveryId,
    pub route: RouteName,
    pub destination: DestinationName,
    pub lane: Option<Lane>,
    /// The destination is paused, disabled or retired: written as `held`.
    pub held: bool,
    /// The caller has room to send it at once and asks to own it from birth. Not granted where `held`, behind a
    /// lane's head, or after a later version was sent: only [`crate::dispatch::Claimed`] can say that it is stale.
    pub claim: Option<Lease>,
}

impl NewDelivery {
    /// One that waits for nobody and that nobody owns yet.
    #[must_use]
    pub fn by(id: DeliveryId, route: RouteName, destination: DestinationName) -> Self {
        Self { id, route, destination, lane: None, held: false, claim: None }
    }
}

/// What is accepted or refused as a whole: the events of one inbound request, in one transaction.
#[derive(Clone, Debug)]
pub struct AcceptGroup {
    pub events: Vec<NewEvent>,
    /// The request itself, where it is kept apart from its event: split requests and re-verified ones. Not kept if
    /// every one of its events was known: a sender's repetitions would fill the store.
    pub request: Option<KeptRequest>,
}

/// A request to keep, with its verdict.
#[derive(Clone, Debug)]
pub struct KeptRequest {
    pub request: Arc<InboundRequest>,
    pub verdict: Verdict,
    /// Why, unless accepted.
    pub reason: Option<Reason>,
    /// For pending ones: when to verify again.
    pub due: Option<Timestamp>,
    /// The length of its body, which lists leave out.
    pub body_bytes: u64,
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The event's own id, or the first one's when it was known.
    pub id: EventId,
    pub duplicate: bool,
    /// Claims granted at birth, in the order of the deliveries that asked.
    pub claims: Vec<(DeliveryId, Claim)>,
    /// Destinations that were left a delivery that is due now and not claimed, each once.
    pub waiting: Vec<DestinationName>,
}

/// How many rejected requests are kept, so that junk cannot push out what a wrong secret rejected: of each source and
/// reason the first half stays as it is, and the other half rolls on with what comes.
#[derive(Clone, Copy, Debug)]
pub struct RejectedBounds {
    /// Per source and reason code.
    pub count_max: u32,
    /// Per source and reason code, bodies and headers together.
    pub bytes_max: u64,
}

impl Default for RejectedBounds {
    fn default() -> Self {
        Self { count_max: 2_000, bytes_max: 64 * 1024 * 1024 }
    }
}

/// What the pending requests of a source come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub count: u64,
    /// Bodies and headers together.
    pub bytes: u64,
}

pub trait Intake: Send + Sync + 'static {
    /// Commits groups of events. The answers are in the order of the groups; one that cannot be stored fails alone.
    fn accept(
        &self,
        groups: Vec<AcceptGroup>,
        now: Timestamp,
    ) -> Verb<'_, Vec<Result<Vec<Accepted>, crate::StoreError>>>;

    /// Keeps requests that made no event. Of the same source and reason the oldest behind the first half makes room;
    /// pending ones are outside of the bounds. One that alone is larger than the bound is kept without its body.
    fn keep_requests(&self, requests: Vec<KeptRequest>, bounds: RejectedBounds) -> Verb<'_, ()>;

    /// Pending requests whose time has come, oldest first.
    fn pending_requests(&self, due: Timestamp, limit: u32) -> Verb<'_, Vec<KeptRequest>>;

    /// How many requests of a source are pending.
    fn waiting(&self, tenant: Tenant, source: SourceName) -> Verb<'_, Waiting>;

    #[expect(clippy::too_many_arguments, reason = "a request's new judgement is these, and nothing else needs them")]
    /// Judged again: the row gets its new verdict, and the events it made are accepted in the same transaction. One
    /// that was accepted already is a conflict, so that two who judge at once do not make its events twice.
    fn rejudge(
        &self,
        tenant: Tenant,
        request: RequestId,
        verdict: Verdict,
        reason: Option<Reason>,
        due: Option<Timestamp>,
        events: Vec<NewEvent>,
        now: Timestamp,
    ) -> Verb<'_, Vec<Accepted>>;

    /// Ids of rejected requests of a source, newest first, for re-verification in bulk.
    fn rejected_requests(
        &self,
        tenant: Tenant,
        source: SourceName,
        before: Option<RequestId>,
        limit: u32,
    ) -> Verb<'_, Vec<RequestId>>;
}
