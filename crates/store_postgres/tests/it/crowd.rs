//! Many who look through what there is at once: what comes in and goes out never waits for them.

use std::sync::Arc;
use std::time::Duration;

use domain::DeliveryState;
use domain::identity::Digest;
use store::dispatch::{Dispatch, Owner};
use store::nodes::{NodeSelf, Nodes};
use store::read::{Page, Read, RequestFilter};
use store_postgres::testkit::{Database, NOW};
use store_postgres::{CONNECTIONS, OpenOptions, PostgresStore};
use tokio::task::JoinSet;

use crate::arrange::{Held, LEASE, accept, claim, event, open, settlement, tenant};

const SEARCHES: usize = 30;
const LOOKS: u32 = 1_000;
/// What each of them may wait, the last for all others: none is to be given up here.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets everyone wait who looks through requests, which nothing else here needs.
async fn hold_searches(database: &Database) -> Held {
    let address = database.address();
    let lock = "LOCK TABLE requests IN ACCESS EXCLUSIVE MODE; SELECT 1";
    tokio::task::spawn_blocking(move || Held::by(&address, lock)).await.expect("no panic")
}

fn search(store: &Arc<PostgresStore>, count: usize) -> JoinSet<Result<(), store::StoreError>> {
    let mut searches = JoinSet::new();
    for _ in 0..count {
        let store = Arc::clone(store);
        searches
            .spawn(async move { store.requests(tenant(), RequestFilter::default(), Page::first(10)).await.map(drop) });
    }
    searches
}

pub fn own() -> NodeSelf {
    NodeSelf {
        owner: Owner(1),
        name: "one".into(),
        address: "127.0.0.1:1".into(),
        version: "1".into(),
        started_at: NOW,
        wanted: Digest::of(b"what is configured"),
        leaving: false,
    }
}

/// Waits until as many search as may at once.
async fn until_searching(database: &Arc<Database>, most: usize) {
    const WAITING: &str =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..LOOKS {
        let database = Arc::clone(database);
        // Beside the store, which goes on meanwhile.
        let waiting = tokio::task::spawn_blocking(move || database.sql(WAITING)).await.expect("no panic");
        if waiting == most.to_string() {
            return;
        }
    }
    panic!("{} search, and not {most}", database.sql(WAITING));
}

#[tokio::test]
async fn what_comes_in_and_goes_out_finds_a_connection_however_many_search() {
    for (connections, most) in [(CONNECTIONS, CONNECTIONS / 2), (2, 1), (1, 1)] {
        let database = Arc::new(Database::new());
        let (lock_time, statement_time, verb_time) = (PATIENCE, PATIENCE, PATIENCE);
        let options = OpenOptions { connections, lock_time, statement_time, verb_time, ..database.options() };
        let store = Arc::new(open(options).await);
        let held = hold_searches(&database).await;
        let mut searches = search(&store, SEARCHES);
        until_searching(&database, most).await;
        accept(&store, event(NOW, 1)).await;
        store.beat(own(), LEASE, NOW).await.expect("a heartbeat");
        let claimed = claim(&store, 1, 10, NOW).await;
        let batch = claimed.iter().map(|one| settlement(one.id, one.claim, DeliveryState::Delivered)).collect();
        let settled = store.settle(batch, NOW).await.expect("settle");
        assert!(settled.len() == 1 && !settled[0].fenced, "with {connections} connections");
        drop(held);
        while let Some(searched) = searches.join_next().await {
            assert_eq!(searched.expect("no panic"), Ok(()), "with {connections} connections");
        }
    }
}

#[tokio::test]
async fn a_search_that_has_waited_long_enough_is_to_come_again() {
    let database = Database::new();
    let lock_time = Duration::from_millis(300);
    let store = Arc::new(open(OpenOptions { lock_time, connections: 2, ..database.options() }).await);
    let held = hold_searches(&database).await;
    let mut searches = search(&store, 2);
    while let Some(searched) = searches.join_next().await {
        let error = searched.expect("no panic").expect_err("it was held up");
        assert!(error.retryable(), "{error}");
    }
    drop(held);
    for _ in 0..2 {
        let searched = search(&store, 1).join_next().await.expect("one").expect("no panic");
        assert_eq!(searched, Ok(()), "leave to search is given back");
    }
}
