//! What accepting and settling cost per event, on a file with every sync: `cargo bench -p store_sqlite`.
//!
//! Prints wall and processor time per row, and what each event writes.
#![expect(clippy::print_stdout, reason = "the table is what it is run for")]

use std::time::Duration;

use bytes::Bytes;
use domain::identity::{MessageIdentity, message_key};
use domain::ordering::{Lane, OnDead, Ordering};
use domain::{AttemptId, DeliveryId, DeliveryState, Event, EventId, Subject, Tenant, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use store::dispatch::{Ask, Attempt, Claim, ClaimDue, Dispatch, Lease, Owner, Settlement};
use store::intake::{AcceptGroup, Intake, NewDelivery, NewEvent};
use store::keep::Keep;
use store_sqlite::{OpenOptions, SqliteStore};
use uuid::Uuid;

const OWNER: Owner = Owner(1);
const LEASE: Duration = Duration::from_secs(60);

/// What is measured.
#[derive(Clone, Copy)]
struct Load {
    events: u64,
    batch: u64,
    sources: u64,
    lanes: bool,
    /// Asks to own its deliveries from birth.
    claim: bool,
}

/// Wall and processor time of one kind of verb.
#[derive(Default)]
struct Spent {
    wall: Duration,
    cpu: Duration,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!("  batch sources  lanes | accept us wall, cpu | settle us wall, cpu | bytes/event statements/event");
    for batch in [1, 16, 64, 256] {
        let events = if batch == 1 { 2_000 } else { 100_000 };
        for (sources, lanes) in [(1, false), (100, false), (100, true)] {
            runtime.block_on(measure(Load { events, batch, sources, lanes, claim: true }));
        }
    }
    runtime.block_on(drain(Load { events: 300_000, batch: 256, sources: 1, lanes: false, claim: false }));
}

async fn measure(load: Load) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(OpenOptions::file(folder.path().join("store.db"))).expect("a store");
    let (mut accept, mut settle) = (Spent::default(), Spent::default());
    let now = Timestamp::from_secs(1_800_000_000);
    let written = bytes_written();
    for round in 0..load.events / load.batch {
        let at = now + Duration::from_millis(round);
        let groups: Vec<_> = (0..load.batch).map(|i| group(round * load.batch + i, load, at)).collect();
        let claims = spend(&mut accept, async {
            let answers = store.accept(groups, at).await.expect("accepted");
            answers
                .into_iter()
                .flat_map(|answer| answer.expect("accepted"))
                .flat_map(|one| one.claims)
                .collect::<Vec<_>>()
        })
        .await;
        let batch = claims.into_iter().map(|(id, claim)| settlement(id, claim, at)).collect();
        spend(&mut settle, async { store.settle(batch, at).await.expect("settled") }).await;
    }
    let stats = store.stats();
    let per = |time: Duration| time.as_secs_f64() * 1e6 / load.events as f64;
    println!(
        "{:>7} {:>7} {:>6} | {:>11.1} {:>7.1} | {:>11.1} {:>7.1} | {:>11} {:>16.2}",
        load.batch,
        load.sources,
        load.lanes,
        per(accept.wall),
        per(accept.cpu),
        per(settle.wall),
        per(settle.cpu),
        (bytes_written() - written) / load.events,
        stats.statements as f64 / load.events as f64,
    );
    store.close().await.expect("closed");
}

/// A backlog: how long a start takes with it, and what claiming and settling it costs.
async fn drain(load: Load) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = || OpenOptions::file(folder.path().join("store.db"));
    let now = Timestamp::from_secs(1_800_000_000);
    let store = SqliteStore::open(options()).expect("a store");
    for round in 0..load.events / load.batch {
        let groups: Vec<_> = (0..load.batch).map(|i| group(round * load.batch + i, load, now)).collect();
        store.accept(groups, now).await.expect("accepted");
    }
    store.close().await.expect("closed");
    drop(store);
    let (mut opened, mut claimed, mut settled) = (Spent::default(), Spent::default(), Spent::default());
    let store = spend(&mut opened, async { SqliteStore::open(options()).expect("a store") }).await;
    let mut drained = 0u64;
    loop {
        let limit = u32::try_from(load.batch).unwrap_or(u32::MAX);
        let app = "app".parse().expect("a name");
        let asks = vec![Ask {
            tenant: Tenant::default_tenant(),
            destination: app,
            limit,
            backfill: 0,
            bytes_max: u64::MAX,
            charge: None,
        }];
        let ask = ClaimDue { owner: OWNER, lease: LEASE, now, asks };
        let given = spend(&mut claimed, async { store.claim_due(ask).await.expect("claimed").remove(0).claimed }).await;
        if given.is_empty() {
            break;
        }
        drained += given.len() as u64;
        let batch = given.iter().map(|one| settlement(one.id, one.claim, now)).collect();
        spend(&mut settled, async { store.settle(batch, now).await.expect("settled") }).await;
    }
    let per = |time: Duration| time.as_secs_f64() * 1e6 / drained as f64;
    println!(
        "{drained} pending: open in {:.1} ms; claim us {:.1}, {:.1}; settle us {:.1}, {:.1}",
        opened.wall.as_secs_f64() * 1e3,
        per(claimed.wall),
        per(claimed.cpu),
        per(settled.wall),
        per(settled.cpu),
    );
}

async fn spend<T>(spent: &mut Spent, work: impl Future<Output = T>) -> T {
    let (wall, cpu) = (clock(ClockId::Monotonic), clock(ClockId::ProcessCPUTime));
    let result = work.await;
    spent.wall += clock(ClockId::Monotonic) - wall;
    spent.cpu += clock(ClockId::ProcessCPUTime) - cpu;
    result
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Bytes this process handed to the disk.
fn bytes_written() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn id(number: u64, kind: u8, at: Timestamp) -> Uuid {
    let mut chance = [kind; 10];
    chance[..8].copy_from_slice(&number.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(at.as_millis()).unwrap_or(0), &chance).into_uuid()
}

fn group(number: u64, load: Load, at: Timestamp) -> AcceptGroup {
    let event = event(number, load, at);
    let identity = message_key(&event.scope(), &MessageIdentity::Id(&number.to_string()));
    let lane = if load.lanes { Ordering::Subject } else { Ordering::None };
    let (route, destination) = ("route".parse().expect("a name"), "app".parse().expect("a name"));
    let delivery = NewDelivery {
        lane: Lane::of(lane, &event.source, &event.connection, event.subject.as_ref()),
        claim: load.claim.then_some(Lease { owner: OWNER, span: LEASE }),
        ..NewDelivery::by(DeliveryId::from_uuid(id(number, 2, at)), route, destination)
    };
    let new =
        NewEvent { identities: identity.into_iter().collect(), deliveries: vec![delivery], ..NewEvent::of(event) };
    AcceptGroup { events: vec![new], request: None }
}

fn event(number: u64, load: Load, at: Timestamp) -> Event {
    let id = id(number, 1, at);
    let source = format!("s{}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % load.sources).parse().expect("a name");
    Event {
        event_type: "orders.updated".into(),
        subject: load.lanes.then(|| Subject::of("orders", &number.to_string())),
        request: Some(domain::RequestId::from_uuid(id)),
        head: Bytes::from_static(&[b'h'; 300]),
        content_type: "application/json".into(),
        payload: Bytes::from_static(&[b'x'; 1024]),
        ..Event::bare(EventId::from_uuid(id), source, at)
    }
}

fn settlement(delivery: DeliveryId, claim: Claim, at: Timestamp) -> Settlement {
    let attempt = Attempt {
        id: AttemptId::from_uuid(delivery.uuid()),
        number: 1,
        started_at: at,
        duration_us: 700,
        outcome: "delivered".into(),
        status: Some(200),
        error: None,
        connect_us: None,
        first_byte_us: Some(600),
        peer: Some("127.0.0.1:9000".to_owned()),
        response: Bytes::from_static(b"ok"),
    };
    Settlement {
        tenant: Tenant::default_tenant(),
        id: delivery,
        claim,
        state: DeliveryState::Delivered,
        due: at,
        attempts: 1,
        attempt: Some(attempt),
        cause: None,
        on_dead: OnDead::Continue,
        sent_version: None,
        ordered: false,
    }
}
