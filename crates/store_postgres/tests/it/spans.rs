//! Spans of time that are dropped as a whole, and what has to outlive them.
#![expect(clippy::disallowed_methods, reason = "how long others wait for it is real time")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domain::{DeliveryState, Timestamp};
use store::dispatch::{Dispatch, Lease, Owner};
use store::intake::{AcceptGroup, Intake, NewDelivery};
use store::keep::{Keep, Retention};
use store::people::{People, Wish};
use store::read::Read;
use store_postgres::testkit::{Database, NOW};
use store_postgres::{LOCK_TIME, LeaseClock, OpenOptions, PostgresStore};

use crate::arrange::{Held, LEASE, accept, claim, delivery_id, event, event_id, open, settlement, tenant};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub const KEPT: Retention = Retention {
    events: DAY,
    dead_letters: DAY.saturating_mul(10),
    requests: DAY,
    identities: DAY,
    idempotency: DAY,
    audit: DAY,
};

/// Drops what is old enough, however small. Its time is what the test says: days go by between two verbs, and back.
async fn dropping(database: &Database) -> PostgresStore {
    open(OpenOptions { drop_bytes: 0, lease_clock: LeaseClock::Caller, ..database.options() }).await
}

fn partitions(database: &Database) -> Vec<String> {
    let tables =
        database.sql("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'events_p%' ORDER BY 1");
    tables.lines().map(str::to_owned).collect()
}

async fn settle(store: &PostgresStore, state: DeliveryState, limit: u32, now: Timestamp) {
    let claimed = claim(store, 1, limit, now).await;
    let batch = claimed.iter().map(|one| settlement(one.id, one.claim, state)).collect();
    store.settle(batch, now).await.expect("settle");
}

#[tokio::test]
async fn an_old_span_is_dropped_and_what_is_owed_or_dead_is_carried_over() {
    let database = Database::new();
    let store = dropping(&database).await;
    let groups = (1..=30).map(|number| AcceptGroup { events: vec![event(NOW, number)], request: None }).collect();
    store.accept(groups, NOW).await.expect("accept");
    settle(&store, DeliveryState::Delivered, 27, NOW).await;
    settle(&store, DeliveryState::Dead, 1, NOW).await;
    settle(&store, DeliveryState::Retrying, 1, NOW).await;
    let before = partitions(&database);
    assert!(before.len() > 1, "{before:?}");
    assert_eq!(database.sql("SELECT count(*) FROM events_rest"), "0", "all lie in spans");

    let later = NOW + DAY * 3;
    let pruned = store.prune(KEPT, later, 1_000).await.expect("prune");
    assert_eq!((pruned.events, pruned.deliveries), (27, 27));
    assert!(!partitions(&database).contains(&before[0]), "it is gone as a whole");
    assert_eq!(database.sql("SELECT count(*) FROM events_rest"), "3");
    let states: Vec<_> = [28, 29, 30].map(|number| delivery_id(NOW, number)).into();
    for (id, state) in states.iter().zip([DeliveryState::Dead, DeliveryState::Retrying, DeliveryState::Pending]) {
        let detail = store.delivery(tenant(), *id).await.expect("delivery").expect("it was carried over");
        assert_eq!(detail.row.state, state);
        assert_eq!(detail.attempts.len(), usize::from(state != DeliveryState::Pending));
    }
    assert!(store.event(tenant(), event_id(NOW, 1)).await.expect("event").is_none());
    // They go on as before, and go when their time has come.
    assert_eq!(store.retry(tenant(), vec![states[0]], later).await, Ok(vec![Wish::Done]));
    settle(&store, DeliveryState::Delivered, 10, later).await;
    let pruned = store.prune(KEPT, later + DAY, 1_000).await.expect("prune");
    assert_eq!((pruned.events, pruned.deliveries), (3, 3));
    assert_eq!(database.sql("SELECT count(*) FROM events"), "0");
    assert_eq!(database.sql("SELECT count(*) FROM tries"), "0");
}

#[tokio::test]
async fn a_try_in_the_row_of_its_delivery_is_carried_over_and_goes_with_it() {
    let database = Database::new();
    let store = dropping(&database).await;
    let mut new = event(NOW, 1);
    let other = new.deliveries[0].clone();
    new.deliveries.push(NewDelivery { id: delivery_id(NOW, 2), route: "other".parse().expect("a name"), ..other });
    let lease = Some(Lease { owner: Owner(1), span: LEASE });
    new.deliveries.iter_mut().for_each(|delivery| delivery.claim = lease);
    let groups = vec![AcceptGroup { events: vec![new], request: None }];
    let made = store.accept(groups, NOW).await.expect("accept").pop().expect("an answer").expect("accepted");
    let [delivered, retried] = made[0].claims[..] else { panic!("{made:?}") };
    for ((id, claim), state) in [(delivered, DeliveryState::Delivered), (retried, DeliveryState::Retrying)] {
        let settled = store.settle(vec![settlement(id, claim, state)], NOW).await.expect("settle");
        assert!(!settled[0].fenced);
    }
    assert_eq!(database.sql("SELECT count(*) FROM attempts"), "1", "of the one that is retried");

    let later = NOW + DAY * 3;
    let before = partitions(&database);
    assert_eq!(store.prune(KEPT, later, 1_000).await.expect("prune").events, 0);
    assert!(!partitions(&database).contains(&before[0]), "it is gone as a whole");
    let detail = store.delivery(tenant(), delivered.0).await.expect("delivery").expect("it was carried over");
    assert_eq!(detail.attempts.iter().map(|one| &*one.outcome).collect::<Vec<_>>(), ["delivered"]);
    settle(&store, DeliveryState::Delivered, 10, later).await;
    let pruned = store.prune(KEPT, later + DAY, 1_000).await.expect("prune");
    assert_eq!((pruned.events, pruned.deliveries), (1, 2));
    assert_eq!(database.sql("SELECT count(*) FROM tries"), "0");
}

#[tokio::test]
async fn a_span_of_which_too_much_is_owed_stays_whole_until_less_is() {
    let database = Database::new();
    let options = OpenOptions { drop_bytes: 0, carry_bytes: 1, lease_clock: LeaseClock::Caller, ..database.options() };
    let store = open(options).await;
    for number in 1..=2 {
        accept(&store, event(NOW, number)).await;
    }
    settle(&store, DeliveryState::Delivered, 1, NOW).await;
    let (before, later) = (partitions(&database), NOW + DAY * 3);
    let pruned = store.prune(KEPT, later, 1_000).await.expect("prune");
    assert_eq!(
        (pruned.events, partitions(&database).contains(&before[0])),
        (0, true),
        "copying it would take too long"
    );
    settle(&store, DeliveryState::Delivered, 1, later).await;
    let pruned = store.prune(KEPT, later, 1_000).await.expect("prune");
    assert_eq!((pruned.events, partitions(&database).contains(&before[0])), (2, false));
}

#[tokio::test]
async fn two_nodes_that_look_for_what_is_old_at_once_are_not_in_each_others_way() {
    const DAYS: u32 = 24;
    let database = Database::new();
    for day in 0..DAYS {
        // Every opening makes the spans of its time.
        let now = NOW + DAY * day;
        let store =
            open(OpenOptions { now, listen: false, lease_clock: LeaseClock::Caller, ..database.options() }).await;
        accept(&store, event(now, u64::from(day))).await;
        settle(&store, DeliveryState::Delivered, 1, now).await;
        store.close().await.expect("it closes");
    }
    assert!(partitions(&database).len() >= DAYS as usize && database.sql("SELECT count(*) FROM events_rest") == "0");
    let nodes = [dropping(&database).await, dropping(&database).await];
    let later = NOW + DAY * (DAYS + 10);
    let mut gone = 0;
    while gone < u64::from(DAYS) {
        let (one, other) = tokio::join!(nodes[0].prune(KEPT, later, 1_000), nodes[1].prune(KEPT, later, 1_000));
        gone += one.expect("prune").events + other.expect("prune").events;
    }
    assert_eq!((gone, database.sql("SELECT count(*) FROM events")), (u64::from(DAYS), "0".to_owned()));
}

#[tokio::test]
async fn numbers_go_on_after_the_newest_were_dropped() {
    let database = Database::new();
    let store = dropping(&database).await;
    accept(&store, event(NOW, 1)).await;
    settle(&store, DeliveryState::Delivered, 1, NOW).await;
    let position = store.tail_position(tenant()).await.expect("tail_position");
    store.prune(KEPT, NOW + DAY * 3, 1_000).await.expect("prune");
    assert_eq!(database.sql("SELECT count(*) FROM events"), "0");
    assert_eq!(store.tail_position(tenant()).await, Ok(position.clone()));
    accept(&store, event(NOW + DAY * 3, 2)).await;
    assert_ne!(store.tail_position(tenant()).await, Ok(position));
}

#[tokio::test]
async fn spans_are_made_ahead_and_what_came_too_early_stays_where_it_is() {
    let database = Database::new();
    let store = dropping(&database).await;
    let known = partitions(&database);
    let far = NOW + DAY * 20;
    accept(&store, event(far, 1)).await;
    assert_eq!(database.sql("SELECT count(*) FROM events_rest"), "1");
    store.prune(Retention::default(), far, 100).await.expect("prune");
    let made = partitions(&database);
    assert!(made.len() > known.len(), "{made:?}");
    accept(&store, event(far + DAY, 2)).await;
    assert_eq!(database.sql("SELECT count(*) FROM events_rest"), "1", "the next day has a span of its own");
    assert_eq!(store.event(tenant(), event_id(far, 1)).await.expect("event").map(|one| one.deliveries.len()), Some(1));
}

#[tokio::test]
async fn a_span_that_somebody_reads_is_left_alone_and_keeps_nobody_waiting() {
    let database = Database::new();
    let store = Arc::new(dropping(&database).await);
    accept(&store, event(NOW, 1)).await;
    settle(&store, DeliveryState::Delivered, 1, NOW).await;
    let (before, later) = (partitions(&database), NOW + DAY * 3);
    let address = database.address();
    let reading = tokio::task::spawn_blocking(move || Held::by(&address, "SELECT count(*) FROM events"));
    let reading = reading.await.expect("no panic");

    let pruner = Arc::clone(&store);
    let pruning = tokio::spawn(async move { pruner.prune(KEPT, later, 1_000).await });
    let (mut longest, mut accepted) = (Duration::ZERO, 1);
    while !pruning.is_finished() || accepted < 20 {
        accepted += 1;
        let began = Instant::now();
        accept(&store, event(later, accepted)).await;
        longest = longest.max(began.elapsed());
    }
    let pruned = pruning.await.expect("no panic").expect("a span in use is no failure");
    assert_eq!((pruned.events, partitions(&database).contains(&before[0])), (0, true), "it is read, so it stays");
    assert!(longest < LOCK_TIME, "an accept waited {longest:?} for a span to be dropped");

    drop(reading);
    let pruned = store.prune(KEPT, later, 1_000).await.expect("prune");
    assert_eq!((pruned.events, partitions(&database).contains(&before[0])), (1, false), "nobody reads it any more");
    let kept: u64 = database.sql("SELECT count(*) FROM events").parse().expect("a number");
    assert_eq!(kept, accepted - 1, "what came meanwhile is all there");
}

#[tokio::test]
async fn an_expiring_span_with_open_deliveries_is_dropped_while_others_accept_and_settle() {
    const EVENTS: u64 = 3_000;
    /// A round that finds the tables in use leaves the span for the next one, but it comes to pass.
    const ROUNDS: usize = 20;
    let database = Database::new();
    let store = Arc::new(dropping(&database).await);
    for from in (0..EVENTS).step_by(500) {
        let groups = (from..from + 500).map(|number| AcceptGroup { events: vec![event(NOW, number)], request: None });
        store.accept(groups.collect(), NOW).await.expect("accept");
    }
    for _ in 0..4 {
        settle(&store, DeliveryState::Delivered, 500, NOW).await;
    }
    let under_way = claim(&store, 1, 2_000, NOW).await;
    let later = NOW + DAY * 3;
    let pruner = Arc::clone(&store);
    let pruning = tokio::spawn(async move {
        for _ in 0..ROUNDS {
            let pruned = pruner.prune(KEPT, later, 10_000).await.expect("prune");
            if pruned.events > 0 {
                return pruned;
            }
        }
        panic!("the others keep the span from being dropped")
    });
    let (settler, done) = (Arc::clone(&store), Arc::new(AtomicBool::new(false)));
    let is_done = Arc::clone(&done);
    let settling = tokio::spawn(async move {
        while !is_done.load(Ordering::Relaxed) {
            settle(&settler, DeliveryState::Delivered, 10, later).await;
        }
    });
    let mut accepted = 0;
    while !pruning.is_finished() {
        accept(&store, event(later, EVENTS + accepted)).await;
        accepted += 1;
    }
    done.store(true, Ordering::Relaxed);
    let pruned = pruning.await.expect("it is dropped");
    settling.await.expect("no panic");
    assert_eq!((pruned.events, pruned.deliveries), (2_000, 2_000));
    assert_eq!(database.sql("SELECT count(*) FROM events_rest"), "1000", "what is owed is carried over");
    let count = |rows: &str| database.sql(&format!("SELECT count(*) FROM {rows}")).parse::<u64>().expect("a number");
    let of_event = "JOIN events e ON e.tenant = o.tenant AND e.id = o.event";
    assert_eq!(count(&format!("owed o {of_event}")), count("owed"), "none has lost its event");
    let batch = under_way.iter().map(|one| settlement(one.id, one.claim, DeliveryState::Delivered)).collect();
    assert!(store.settle(batch, later).await.expect("settle").iter().all(|one| !one.fenced), "they go on as they were");
    settle(&store, DeliveryState::Delivered, 100_000, later).await;
    let ended = (count("owed"), count("ended_deliveries"));
    assert_eq!(ended, (0, 1_000 + accepted), "all of them went out");
}
