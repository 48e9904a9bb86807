//! What a test of a store stands on: the store, a clock that only the test moves, and one builder per noun.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::event::Origin;
use domain::identity::{Digest, MessageIdentity, message_key};
use domain::ordering::{Lane, OnDead, Ordering};
use domain::request::{InboundRequest, Reason, Verdict};
use domain::subject::SubjectState;
use domain::{
    Action, AttemptId, ConnectionName, DeliveryId, DeliveryState, DestinationName, Event, EventId, RequestId,
    SourceName, Subject, Tenant, Timestamp, Version,
};
use uuid::Uuid;

use crate::dispatch::{Ask, Attempt, Claim, ClaimAnswer, ClaimDue, Claimed, Lease, Owner, Settled, Settlement};
use crate::intake::{AcceptGroup, Accepted, KeptRequest, NewDelivery, NewEvent};
use crate::read::{DeliveryRow, EventDetail, Page, Position};
use crate::{Store, StoreError, Verb};

/// How the suite gets a store to test, empty at first.
pub trait Open: Send + Sync + 'static {
    fn open(&self) -> Verb<'_, Arc<dyn Store>>;

    /// The same store after its process has ended and started again.
    fn reopen(&self, store: Arc<dyn Store>) -> Verb<'_, Arc<dyn Store>>;
}

/// How long a claim is held in these tests unless they say otherwise.
pub const LEASE: Duration = Duration::from_secs(30);
pub const SECOND: Duration = Duration::from_secs(1);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub struct World {
    open: Box<dyn Open>,
    pub store: Arc<dyn Store>,
    pub now: Timestamp,
    pub tenant: Tenant,
    pub owner: Owner,
    drawn: u64,
}

/// A store that no test closes.
struct Given(Arc<dyn Store>);

impl Open for Given {
    fn open(&self) -> Verb<'_, Arc<dyn Store>> {
        Box::pin(async move { Ok(Arc::clone(&self.0)) })
    }

    fn reopen(&self, store: Arc<dyn Store>) -> Verb<'_, Arc<dyn Store>> {
        Box::pin(async move { Ok(store) })
    }
}

impl World {
    /// # Panics
    /// If the store cannot be opened.
    pub async fn new(open: impl Open) -> Self {
        let store = open.open().await.expect("a store opens");
        let now = Timestamp::from_secs(1_800_000_000);
        Self { open: Box::new(open), store, now, tenant: Tenant::default_tenant(), owner: Owner(1), drawn: 0 }
    }

    /// On a store that is there, and stays open.
    pub(super) fn over(store: Arc<dyn Store>, now: Timestamp) -> Self {
        let open = Box::new(Given(Arc::clone(&store)));
        Self { open, store, now, tenant: Tenant::default_tenant(), owner: Owner(1), drawn: 0 }
    }

    pub(super) async fn reopen(&mut self) {
        self.store = self.open.reopen(self.store.clone()).await.expect("the store opens again");
        self.owner = Owner(self.owner.0 + 1);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// A UUIDv7, later than every one before it.
    pub(super) fn uuid(&mut self) -> Uuid {
        self.drawn += 1;
        let millis = u64::try_from(self.now.as_millis()).expect("after 1970");
        let mut chance = [0; 10];
        chance[2..].copy_from_slice(&self.drawn.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(millis, &chance).into_uuid()
    }

    pub(super) const fn lease(&self) -> Lease {
        Lease { owner: self.owner, span: LEASE }
    }

    /// A native event of the source `github` that nothing makes known again and that owes nothing.
    pub(super) fn event(&mut self) -> NewEvent {
        let bare = Event::bare(EventId::from_uuid(self.uuid()), name("github"), self.now);
        NewEvent::of(Event {
            tenant: self.tenant.clone(),
            event_type: "push".into(),
            content_type: "application/json".into(),
            payload: Bytes::from_static(b"{}"),
            ..bare
        })
    }

    /// A delivery to a destination, by the route of the same name.
    pub(super) fn to(&mut self, destination: &str) -> NewDelivery {
        let id = DeliveryId::from_uuid(self.uuid());
        NewDelivery::by(id, destination.parse().expect("a name"), name(destination))
    }

    /// Accepts one event and gives what became of it.
    pub(super) async fn accept(&self, event: NewEvent) -> Accepted {
        self.accept_all(vec![event]).await.pop().expect("an answer for each event")
    }

    /// Accepts the events of one request.
    pub(super) async fn accept_all(&self, events: Vec<NewEvent>) -> Vec<Accepted> {
        let group = AcceptGroup { events, request: None };
        let mut answers = self.store.accept(vec![group], self.now).await.expect("accept");
        answers.pop().expect("an answer for each group").expect("the group is accepted")
    }

    /// Accepts an event that owes one delivery to `app`, and gives the delivery.
    pub(super) async fn owed(&mut self) -> DeliveryId {
        let delivery = self.to("app");
        let id = delivery.id;
        let event = self.event().owing(delivery);
        self.accept(event).await;
        id
    }

    /// Accepts an event that owes one delivery to `app` in the lane of its subject.
    pub(super) async fn owed_in_lane(&mut self, subject: &str, version: Option<i64>) -> DeliveryId {
        let mut event = self.event().about(subject);
        if let Some(version) = version {
            event = event.version(version);
        }
        let delivery = self.to("app").in_lane(&event);
        let id = delivery.id;
        self.accept(event.owing(delivery)).await;
        id
    }

    /// Accepts a backfilled event that owes one delivery to `app`, in the lane of its subject if it has one.
    pub(super) async fn owed_backfilled(&mut self, about: Option<(&str, i64)>) -> DeliveryId {
        let (mut event, mut delivery) = (self.event().backfilled(), self.to("app"));
        if let Some((subject, version)) = about {
            event = event.about(subject).version(version);
            delivery = delivery.in_lane(&event);
        }
        let id = delivery.id;
        self.accept(event.owing(delivery)).await;
        id
    }

    /// Claims deliveries of `app`: so many, and so many backfilled ones.
    pub(super) async fn claim_both(&self, limit: u32, backfill: u32) -> ClaimAnswer {
        let ask = Ask { limit, backfill, ..self.ask("app", 0) };
        self.claim_asks(vec![ask]).await.pop().expect("an answer for each ask")
    }

    pub(super) fn ask(&self, destination: &str, limit: u32) -> Ask {
        Ask {
            tenant: self.tenant.clone(),
            destination: name(destination),
            limit,
            backfill: limit,
            bytes_max: u64::MAX,
            charge: None,
        }
    }

    pub(super) async fn claim_asks(&self, asks: Vec<Ask>) -> Vec<ClaimAnswer> {
        let ask = ClaimDue { owner: self.owner, lease: LEASE, now: self.now, asks };
        self.store.claim_due(ask).await.expect("claim_due")
    }

    /// Claims up to `limit` deliveries of `app`.
    pub(super) async fn claim(&self, limit: u32) -> ClaimAnswer {
        self.claim_asks(vec![self.ask("app", limit)]).await.pop().expect("an answer for each ask")
    }

    /// Claims exactly one delivery of `app`.
    pub(super) async fn claim_one(&self) -> Claimed {
        self.claim(1).await.claimed.pop().expect("one is due")
    }

    /// Ids of all deliveries of `app` that can be claimed now.
    pub(super) async fn claimable(&self) -> Vec<DeliveryId> {
        ids(&self.claim(1_000).await)
    }

    pub(super) fn settlement(&mut self, claimed: &Claimed, state: DeliveryState) -> Settlement {
        Settlement {
            tenant: self.tenant.clone(),
            id: claimed.id,
            claim: claimed.claim,
            state,
            due: self.now,
            attempts: claimed.attempts + 1,
            attempt: Some(self.attempt(if state == DeliveryState::Delivered { "delivered" } else { "status" })),
            cause: None,
            on_dead: OnDead::Continue,
            sent_version: claimed.event.version,
            // True of some and not of others: no store may rely on it.
            ordered: claimed.id.uuid().as_u128().is_multiple_of(2),
        }
    }

    pub(super) fn attempt(&mut self, outcome: &str) -> Attempt {
        Attempt {
            id: AttemptId::from_uuid(self.uuid()),
            number: 1,
            started_at: self.now,
            duration_us: 1_500,
            outcome: outcome.into(),
            status: Some(200),
            error: None,
            connect_us: Some(300),
            first_byte_us: Some(900),
            peer: Some("192.0.2.1:443".to_owned()),
            response: Bytes::from_static(b"ok"),
        }
    }

    pub(super) async fn settle_all(&self, batch: Vec<Settlement>) -> Vec<Settled> {
        self.store.settle(batch, self.now).await.expect("settle")
    }

    /// Ends the try of a claimed delivery in `state`.
    pub(super) async fn settle(&mut self, claimed: &Claimed, state: DeliveryState) -> Settled {
        let settlement = self.settlement(claimed, state);
        self.settle_all(vec![settlement]).await.pop().expect("an answer for each settlement")
    }

    pub(super) async fn row(&self, id: DeliveryId) -> DeliveryRow {
        self.store.delivery(self.tenant.clone(), id).await.expect("delivery").expect("it is there").row
    }

    pub(super) async fn state(&self, id: DeliveryId) -> DeliveryState {
        self.row(id).await.state
    }

    pub(super) async fn attempts(&self, id: DeliveryId) -> Vec<Attempt> {
        self.store.delivery(self.tenant.clone(), id).await.expect("delivery").expect("it is there").attempts
    }

    pub(super) async fn detail(&self, id: EventId) -> Option<EventDetail> {
        self.store.event(self.tenant.clone(), id).await.expect("event")
    }

    /// A rejected request of the source `github`.
    pub(super) fn rejected(&mut self, code: &str, body: &'static [u8]) -> KeptRequest {
        KeptRequest {
            request: Arc::new(self.request(body)),
            verdict: Verdict::Rejected,
            reason: Some(Reason { code: code.into(), detail: format!("because of {code}") }),
            due: None,
            body_bytes: body.len() as u64,
        }
    }

    pub(super) fn request(&mut self, body: &'static [u8]) -> InboundRequest {
        InboundRequest {
            id: RequestId::from_uuid(self.uuid()),
            tenant: self.tenant.clone(),
            source: name("github"),
            connection: "".into(),
            method: "POST".into(),
            url: "https://hooks.example/in/github".into(),
            headers: vec![("x-a".into(), Bytes::from_static(b"1")), ("x-a".into(), Bytes::from_static(&[0xff]))],
            body: Bytes::from_static(body),
            remote: "192.0.2.7".into(),
            received_at: self.now,
        }
    }
}

/// A name of any kind.
pub(super) fn name<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("'{text}' is a name"))
}

pub(super) fn ids(answer: &ClaimAnswer) -> Vec<DeliveryId> {
    answer.claimed.iter().map(|claimed| claimed.id).collect()
}

/// A page of a list, long enough for these tests.
pub(super) fn page() -> Page {
    Page::first(100)
}

/// The page after a position.
pub(super) fn from(position: Position, limit: u32) -> Page {
    Page { after: Some(position), ..Page::first(limit) }
}

pub(super) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// Which error a verb gave.
pub(super) fn code<T: std::fmt::Debug>(result: Result<T, StoreError>) -> &'static str {
    result.expect_err("it is refused").code()
}

/// Says of an event what it is.
pub(super) trait Arrange: Sized {
    fn with(self, change: impl FnOnce(&mut Event)) -> Self;
    fn arrival(&mut self) -> &mut NewEvent;

    fn of(self, source: &str, connection: &str) -> Self {
        self.with(|event| {
            event.source = name::<SourceName>(source);
            event.connection = name(connection);
        })
    }

    fn kind(self, kind: &str) -> Self {
        self.with(|event| event.event_type = kind.into())
    }

    fn backfilled(self) -> Self {
        self.with(|event| event.origin = Origin::Backfill)
    }

    fn about(self, subject: &str) -> Self {
        self.with(|event| event.subject = Some(Subject::from_text(subject)))
    }

    fn version(self, version: i64) -> Self {
        self.with(|event| event.version = Some(Version::Number(version)))
    }

    /// A version that several states can have: a time in whole seconds.
    fn within_tick(self, seconds: i64) -> Self {
        self.with(|event| event.version = Some(Version::Time(Timestamp::from_secs(seconds))))
    }

    fn carrying(self, payload: &'static [u8]) -> Self {
        self.with(|event| event.payload = Bytes::from_static(payload))
    }

    fn updating(self) -> Self {
        self.with(|event| event.action = Some(Action::Updated))
    }

    /// Known again by the sender's id. Say source and connection first.
    fn message(mut self, id: &str) -> Self {
        let key = message_key(&self.arrival().event.scope(), &MessageIdentity::Id(id)).expect("ids always have a key");
        self.arrival().identities.push(key);
        self
    }

    /// Known again by its bytes for some time.
    fn bytes_within(mut self, within: Duration) -> Self {
        let event = self.arrival().event.clone();
        let identity = MessageIdentity::Bytes { bytes: &event.payload, ordinal: 0, within };
        let key = message_key(&event.scope(), &identity).expect("a span makes a key");
        self.arrival().identities.push(key);
        self
    }

    /// A native event that moves its subject.
    fn moving(mut self) -> Self {
        let version = self.arrival().event.version;
        self.arrival().state = Some(SubjectState { version, deleted: false, reading: None });
        self
    }

    /// A reading of the API instead of a webhook, which found this record.
    fn reading(self, record: &str) -> Self {
        let mut reading = self.with(|event| event.origin = Origin::Virtual).moving();
        let arrival = reading.arrival();
        arrival.path = "virtual".into();
        if let Some(state) = &mut arrival.state {
            state.reading = Some(digest(record));
        }
        reading
    }

    /// Which tells that its subject is gone.
    fn gone(mut self) -> Self {
        if let Some(state) = &mut self.arrival().state {
            state.deleted = true;
        }
        self
    }

    fn owing(mut self, delivery: NewDelivery) -> Self {
        self.arrival().deliveries.push(delivery);
        self
    }
}

impl Arrange for NewEvent {
    fn with(mut self, change: impl FnOnce(&mut Event)) -> Self {
        change(Arc::make_mut(&mut self.event));
        self
    }

    fn arrival(&mut self) -> &mut NewEvent {
        self
    }
}

/// Says of a delivery how it waits.
pub(super) trait Wait: Sized {
    fn in_lane(self, event: &NewEvent) -> Self;
    fn in_order(self) -> Self;
    fn held(self) -> Self;
    fn born(self, lease: Lease) -> Self;
    fn by(self, route: &str) -> Self;
}

impl Wait for NewDelivery {
    /// In the lane of the event's subject.
    fn in_lane(mut self, event: &NewEvent) -> Self {
        let event = &event.event;
        self.lane = Lane::of(Ordering::Subject, &event.source, &event.connection, event.subject.as_ref());
        assert!(self.lane.is_some(), "an event without a subject has no lane");
        self
    }

    /// In the one lane of its destination.
    fn in_order(mut self) -> Self {
        let source: SourceName = name("any");
        self.lane = Lane::of(Ordering::Destination, &source, &ConnectionName::default_connection(), None);
        self
    }

    fn held(mut self) -> Self {
        self.held = true;
        self
    }

    /// Asks to be claimed at birth.
    fn born(mut self, lease: Lease) -> Self {
        self.claim = Some(lease);
        self
    }

    fn by(mut self, route: &str) -> Self {
        self.route = name(route);
        self
    }
}

/// What claiming at birth gave, as claiming later would have.
pub(super) fn as_claimed(event: &NewEvent, id: DeliveryId, claim: Claim) -> Claimed {
    let delivery = event.deliveries.iter().find(|delivery| delivery.id == id).expect("it is one of the event's");
    Claimed {
        id,
        claim,
        route: delivery.route.clone(),
        destination: delivery.destination.clone(),
        event: event.event.clone(),
        attempts: 0,
        replay: None,
        prepared: None,
        lane: delivery.lane.clone(),
        stale: false,
        backfill: false,
    }
}

/// A destination by name.
pub(super) fn destination(text: &str) -> DestinationName {
    name(text)
}
