//! How long a store that has grown takes to answer: ten million events in the long form.

use store::conformance::growth::Growth;
use store::conformance::timing::{self, Timed};
use store::keep::Keep;
use store_postgres::testkit::{self, Database};

#[tokio::test]
async fn a_store_that_has_grown_answers_in_time() {
    let (growth, soaks) = asked_for();
    let database = Database::new();
    testkit::grow(&database, &growth).await;
    let store = crate::arrange::node(&database).await;
    let timed = timing::time(&store, &growth, soaks).await;
    let size = database.sql("SELECT pg_size_pretty(pg_database_size(current_database()))");
    eprintln!("PostgreSQL, {} events of {} bytes, {size}", growth.events, growth.payload_bytes);
    timed.iter().for_each(|one| eprintln!("{}", one.line()));
    let late: Vec<&Timed> = timed.iter().filter(|one| soaks && one.is_late()).collect();
    assert!(late.is_empty(), "{late:#?}");
    store.close().await.expect("it closes");
}

#[expect(clippy::disallowed_methods, reason = "a test's own settings")]
fn asked_for() -> (Growth, bool) {
    let soaks = std::env::var("TRIREME_SOAK").is_ok();
    (timing::size(soaks, std::env::var("TRIREME_SOAK_EVENTS").ok()), soaks)
}
