//! How long a store that has grown takes to answer: ten million events in the long form.

use domain::DeliveryState;
use store::conformance::growth::Growth;
use store::conformance::timing::{self, Timed};
use store::dispatch::{Claimed, Dispatch};
use store::intake::{AcceptGroup, Intake};
use store::keep::Keep;
use store_postgres::testkit::{self, Database, NOW};

use crate::arrange::{claim, event, node, settlement};

/// Each event has a dozen rows that are looked at once or twice, and of a table that is small as good as all of it may be
/// read. With the plans that were made at first it is thousands.
const READ_MAX: u64 = 500;

#[tokio::test]
async fn a_store_that_has_grown_answers_in_time() {
    let (growth, soaks) = asked_for();
    let database = Database::new();
    testkit::grow(&database, &growth).await;
    let store = node(&database).await;
    let timed = timing::time(&store, &growth, soaks).await;
    let size = database.sql("SELECT pg_size_pretty(pg_database_size(current_database()))");
    eprintln!("PostgreSQL, {} events of {} bytes, {size}", growth.events, growth.payload_bytes);
    timed.iter().for_each(|one| eprintln!("{}", one.line()));
    let late: Vec<&Timed> = timed.iter().filter(|one| one.failed.is_some() || soaks && one.is_late()).collect();
    assert!(late.is_empty(), "{late:#?}");
    store.close().await.expect("it closes");
}

#[expect(clippy::disallowed_methods, reason = "a test's own settings")]
fn asked_for() -> (Growth, bool) {
    let soaks = std::env::var("TRIREME_SOAK").is_ok();
    (timing::size(soaks, std::env::var("TRIREME_SOAK_EVENTS").ok()), soaks)
}

/// The server knows nothing yet of what a new database holds: every plan was first made when it held nothing.
#[tokio::test]
async fn a_new_store_reads_little_more_than_what_it_works_on() {
    const BATCHES: u64 = 200;
    const BATCH: u64 = 100;
    let database = Database::new();
    let store = node(&database).await;
    for batch in 0..BATCHES {
        let events = (0..BATCH).map(|number| event(NOW, batch * BATCH + number)).collect();
        let groups = vec![AcceptGroup { events, request: None }];
        store.accept(groups, NOW).await.expect("accept").pop().expect("an answer").expect("accepted");
        let claimed = claim(&store, 1, BATCH as u32, NOW).await;
        assert_eq!(claimed.len() as u64, BATCH);
        let settled = |one: &Claimed| settlement(one.id, one.claim, DeliveryState::Delivered);
        store.settle(claimed.iter().map(settled).collect(), NOW).await.expect("settle");
    }
    store.close().await.expect("it closes");
    let read = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables";
    let read: u64 = database.sql(read).trim().parse().expect("a number");
    let of_each = read / (BATCHES * BATCH);
    assert!(of_each < READ_MAX, "{of_each} rows are read for each event");
}
