//! Stores, events and deliveries for tests of what several nodes do to one database.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use domain::identity::{MessageIdentity, message_key};
use domain::ordering::OnDead;
use domain::{AttemptId, DeliveryId, DeliveryState, DestinationName, Event, EventId, Tenant, Timestamp};
use store::dispatch::{Ask, Attempt, Claim, ClaimDue, Claimed, Dispatch, Owner, Settlement};
use store::intake::{AcceptGroup, Accepted, Intake, NewDelivery, NewEvent};
use store_postgres::testkit::{Database, NOW};
use store_postgres::{OpenOptions, PostgresStore};
use uuid::Builder;

pub const LEASE: Duration = Duration::from_secs(30);

pub fn tenant() -> Tenant {
    Tenant::default_tenant()
}

pub async fn open(options: OpenOptions) -> PostgresStore {
    PostgresStore::open(options).await.expect("the store opens")
}

/// A node of its own on this database.
pub async fn node(database: &Database) -> PostgresStore {
    open(database.options()).await
}

/// An id that begins with this time.
fn id(at: Timestamp, number: u64, kind: u8) -> uuid::Uuid {
    let mut chance = [0; 10];
    chance[1] = kind;
    chance[2..].copy_from_slice(&number.to_be_bytes());
    Builder::from_unix_timestamp_millis(at.as_millis().unsigned_abs(), &chance).into_uuid()
}

pub fn event_id(at: Timestamp, number: u64) -> EventId {
    EventId::from_uuid(id(at, number, 1))
}

pub fn delivery_id(at: Timestamp, number: u64) -> DeliveryId {
    DeliveryId::from_uuid(id(at, number, 2))
}

/// The event of a number, known again by it, that owes `app` one delivery.
pub fn event(at: Timestamp, number: u64) -> NewEvent {
    let bare = Event::bare(event_id(at, number), "github".parse().expect("a name"), at);
    let event = Event { event_type: "push".into(), payload: Bytes::from_static(b"{}"), ..bare };
    let (route, destination) = ("github-app".parse().expect("a name"), "app".parse().expect("a name"));
    let delivery = NewDelivery::by(delivery_id(at, number), route, destination);
    let identity = message_key(&event.scope(), &MessageIdentity::Id(&number.to_string()));
    NewEvent { identities: identity.into_iter().collect(), deliveries: vec![delivery], ..NewEvent::of(event) }
}

pub async fn accept(store: &PostgresStore, event: NewEvent) -> Accepted {
    let groups = vec![AcceptGroup { events: vec![event], request: None }];
    let mut answers = store.accept(groups, NOW).await.expect("accept");
    answers.pop().expect("an answer").expect("accepted").pop().expect("an answer")
}

/// Asks for one delivery of each tenant's `app`.
pub fn asking(tenants: impl IntoIterator<Item = Tenant>) -> ClaimDue {
    let destination: DestinationName = "app".parse().expect("a name");
    let ask = |tenant| Ask {
        tenant,
        destination: destination.clone(),
        limit: 1,
        backfill: 0,
        bytes_max: u64::MAX,
        charge: None,
    };
    ClaimDue { owner: Owner(1), lease: LEASE, now: NOW, asks: tenants.into_iter().map(ask).collect() }
}

pub async fn claim(store: &PostgresStore, owner: u64, limit: u32, now: Timestamp) -> Vec<Claimed> {
    let mut ask = ClaimDue { owner: Owner(owner), now, ..asking([tenant()]) };
    ask.asks[0].limit = limit;
    store.claim_due(ask).await.expect("claim_due").pop().expect("an answer").claimed
}

pub fn settlement(id: DeliveryId, claim: Claim, state: DeliveryState) -> Settlement {
    Settlement {
        tenant: tenant(),
        id,
        claim,
        state,
        due: NOW,
        attempts: 1,
        attempt: Some(Attempt {
            id: AttemptId::from_uuid(id.uuid()),
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

/// A transaction of somebody else that stays open until this is dropped.
pub struct Held(Child);

impl Held {
    /// Begins one and runs a query in it that gives a row.
    pub fn by(address: &str, query: &str) -> Self {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-d", address]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = psql.spawn().expect("psql runs");
        let input = child.stdin.as_mut().expect("it is piped");
        writeln!(input, "BEGIN; {query};").expect("it listens");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("it is piped")).read_line(&mut line).expect("an answer");
        assert!(!line.trim().is_empty(), "{query} gives no row");
        Self(child)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
