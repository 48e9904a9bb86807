//! How much a store asks of the server for what it does.

use domain::DeliveryState;
use store::dispatch::{Dispatch, Lease, Owner};
use store::intake::{AcceptGroup, Intake};
use store::keep::Keep;
use store_postgres::PostgresStore;
use store_postgres::testkit::{Database, NOW};

use crate::arrange::{LEASE, event, node, settlement};

const EVENTS: u64 = 50;
/// It is done beside the verbs; on a machine that is busy it takes a while.
const LOOKS: usize = 300;

/// A beginning, what makes the events known again, the tenant's lock, events, deliveries, and the commit; a beginning, what
/// ends the deliveries, and the commit.
#[tokio::test]
async fn a_group_of_events_takes_six_statements_and_its_settlement_three() {
    let database = Database::new();
    let store = node(&database).await;
    take_and_settle(&store, 0).await;
    let before = store.stats().statements;
    take_and_settle(&store, EVENTS).await;
    assert_eq!(store.stats().statements - before, 9, "for {EVENTS} events");
    let left = database.sql("SELECT (SELECT count(*) FROM owed), (SELECT count(*) FROM tries)");
    assert_eq!(left.trim(), format!("0|{}", 2 * EVENTS));
    store.close().await.expect("it closes");
}

/// Takes in events that are claimed at birth, and ends what they owe.
async fn take_and_settle(store: &PostgresStore, first: u64) {
    let lease = Some(Lease { owner: Owner(1), span: LEASE });
    let events = (first..first + EVENTS).map(|number| {
        let mut new = event(NOW, number);
        new.deliveries.iter_mut().for_each(|delivery| delivery.claim = lease);
        new
    });
    let groups = vec![AcceptGroup { events: events.collect(), request: None }];
    let accepted = store.accept(groups, NOW).await.expect("accept").pop().expect("an answer").expect("accepted");
    let ended = accepted.iter().flat_map(|accepted| &accepted.claims);
    let ended = ended.map(|(id, claim)| settlement(*id, *claim, DeliveryState::Delivered)).collect();
    let settled = store.settle(ended, NOW).await.expect("settle");
    assert!(settled.len() as u64 == EVENTS && settled.iter().all(|one| !one.fenced), "{settled:?}");
}

#[tokio::test]
async fn a_young_store_has_the_planner_told_what_it_holds() {
    const KNOWN: &str =
        "SELECT count(DISTINCT tablename) FROM pg_stats WHERE schemaname = 'public' AND attname = 'tenant'
      AND (tablename = 'identities' OR tablename LIKE 'events\\_p%' OR tablename LIKE 'ended\\_deliveries\\_p%')";
    let database = Database::new();
    let store = node(&database).await;
    take_and_settle(&store, 0).await;
    store.ping().await.expect("ping");
    assert!(store.stats().committed >= 64, "enough for a look");
    for _ in 0..LOOKS {
        if database.sql(KNOWN).trim() == "3" {
            return store.close().await.expect("it closes");
        }
        // While the server answers this, the other task goes on.
        store.ping().await.expect("ping");
    }
    panic!("no statistics of {}", database.sql(KNOWN));
}
