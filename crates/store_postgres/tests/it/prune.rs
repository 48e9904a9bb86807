//! Events that are removed one by one, tenant by tenant.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::Tenant;
use store::intake::{AcceptGroup, Intake, NewEvent};
use store::keep::{Keep, Retention};
use store_postgres::testkit::{Database, NOW};
use store_postgres::{LeaseClock, OpenOptions, PostgresStore};

use crate::arrange::{Held, event, open};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const KEPT: Retention =
    Retention { events: DAY, dead_letters: DAY, requests: DAY, identities: DAY, idempotency: DAY, audit: DAY };
/// When they are old enough, but their span has not ended yet, so that it is not dropped as a whole.
const LATER: Duration = Duration::from_secs(25 * 60 * 60);
/// Of which every third is another tenant's.
const EVENTS: u64 = 15;

async fn with_events(database: &Database) -> PostgresStore {
    let store = open(OpenOptions { listen: false, lease_clock: LeaseClock::Caller, ..database.options() }).await;
    let other: Tenant = "other".parse().expect("a name");
    for number in 1..=EVENTS {
        let mut new = NewEvent { deliveries: Vec::new(), ..event(NOW, number) };
        if number % 3 == 0 {
            Arc::make_mut(&mut new.event).tenant = other.clone();
        }
        let groups = vec![AcceptGroup { events: vec![new], request: None }];
        store.accept(groups, NOW).await.expect("accept");
    }
    store
}

/// Rounds of one row each, of which four may be looked at, until nothing is left to do; gives how many there were and how
/// many events went.
async fn prune(store: &PostgresStore) -> (u64, u64) {
    let (mut rounds, mut gone) = (0, 0);
    loop {
        let pruned = store.prune(KEPT, NOW + LATER, 1).await.expect("prune");
        assert!(pruned.events <= 1, "a round removes no more than it was told");
        (rounds, gone) = (rounds + 1, gone + pruned.events);
        if !pruned.more {
            return (rounds, gone);
        }
        assert!(rounds < EVENTS * 4, "it comes to no end");
    }
}

#[tokio::test]
async fn events_that_somebody_is_at_stay_for_another_round_and_hold_up_no_others() {
    const HELD: u64 = 6;
    let database = Database::new();
    let store = with_events(&database).await;
    let oldest = format!("SELECT id FROM events ORDER BY received_at, id LIMIT {HELD} FOR SHARE");
    let address = database.address();
    let held = tokio::task::spawn_blocking(move || Held::by(&address, &oldest)).await.expect("no panic");
    let (_, gone) = prune(&store).await;
    assert_eq!(gone, EVENTS - HELD);
    let left = database.sql("SELECT tenant FROM events");
    assert_eq!(left.lines().collect::<BTreeSet<_>>(), BTreeSet::from(["default", "other"]), "of both tenants");
    drop(held);
    let mut gone = 0;
    while gone < HELD {
        // Until the server has seen that nobody holds them any more.
        gone += prune(&store).await.1;
    }
    assert_eq!(database.sql("SELECT count(*) FROM events"), "0");
}

#[tokio::test]
async fn two_nodes_remove_each_event_once() {
    let database = Database::new();
    let one = with_events(&database).await;
    let other = open(OpenOptions { listen: false, lease_clock: LeaseClock::Caller, ..database.options() }).await;
    let mut gone = 0;
    while gone < EVENTS {
        let (by_one, by_other) = tokio::join!(prune(&one), prune(&other));
        gone += by_one.1 + by_other.1;
    }
    assert_eq!((gone, database.sql("SELECT count(*) FROM events")), (EVENTS, "0".to_owned()));
}
