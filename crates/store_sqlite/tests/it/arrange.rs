//! Stores, events and deliveries for tests that look at files.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use domain::identity::{MessageIdentity, message_key};
use domain::ordering::OnDead;
use domain::{AttemptId, DeliveryId, DeliveryState, Event, EventId, Tenant, Timestamp};
use store::StoreError;
use store::dispatch::{Attempt, Claim, Dispatch, Lease, Owner, Settlement};
use store::intake::{AcceptGroup, Accepted, Intake, NewDelivery, NewEvent};
use store_sqlite::{OpenOptions, SqliteStore};
use uuid::Uuid;

pub const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
pub const LEASE: Lease = Lease { owner: Owner(1), span: Duration::from_secs(30) };

pub fn tenant() -> Tenant {
    Tenant::default_tenant()
}

pub fn options(folder: &Path) -> OpenOptions {
    OpenOptions { disk_reserve_bytes: 0, ..OpenOptions::file(folder.join("store.db")) }
}

pub fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(options(folder)).expect("a store")
}

pub fn event_id(number: u64) -> EventId {
    EventId::from_uuid(Uuid::from_u128(u128::from(number) << 64 | 1))
}

pub fn delivery_id(number: u64) -> DeliveryId {
    DeliveryId::from_uuid(Uuid::from_u128(u128::from(number) << 64 | 2))
}

/// The event of a number, known again by it, that owes `app` one delivery, claimed at birth or not.
pub fn event(number: u64, payload: usize, claim: Option<Lease>) -> NewEvent {
    let source = "github".parse().expect("a name");
    let bare = Event::bare(event_id(number), source, NOW);
    let event = Event { event_type: "push".into(), payload: vec![b'x'; payload].into(), ..bare };
    let (route, destination) = ("github-app".parse().expect("a name"), "app".parse().expect("a name"));
    let delivery = NewDelivery { claim, ..NewDelivery::by(delivery_id(number), route, destination) };
    let identity = message_key(&event.scope(), &MessageIdentity::Id(&number.to_string()));
    NewEvent { identities: identity.into_iter().collect(), deliveries: vec![delivery], ..NewEvent::of(event) }
}

pub async fn accept(store: &SqliteStore, event: NewEvent) -> Result<Accepted, StoreError> {
    let mut answers = store.accept(vec![AcceptGroup { events: vec![event], request: None }], NOW).await?;
    answers.pop().expect("an answer").map(|mut accepted| accepted.pop().expect("an answer"))
}

pub fn delivered(number: u64, claim: Claim) -> Settlement {
    Settlement {
        tenant: tenant(),
        id: delivery_id(number),
        claim,
        state: DeliveryState::Delivered,
        due: NOW,
        attempts: 1,
        attempt: Some(Attempt {
            id: AttemptId::from_uuid(Uuid::from_u128(u128::from(number) << 64 | 3)),
            number: 1,
            started_at: NOW,
            duration_us: 1,
            outcome: "delivered".into(),
            status: Some(200),
            error: None,
            connect_us: None,
            first_byte_us: None,
            peer: None,
            response: Bytes::new(),
        }),
        cause: None,
        on_dead: OnDead::Continue,
        sent_version: None,
        ordered: false,
    }
}

pub async fn settle(store: &SqliteStore, number: u64, claim: Claim) -> Result<bool, StoreError> {
    Ok(!store.settle(vec![delivered(number, claim)], NOW).await?[0].fenced)
}
