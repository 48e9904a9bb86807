//! How long a store that has grown takes to answer: ten million events in the long form.

use store::conformance::growth::Growth;
use store::conformance::timing::{self, Timed};
use store::keep::Keep;
use store_sqlite::{OpenOptions, SqliteStore, testkit};

#[tokio::test]
async fn a_store_that_has_grown_answers_in_time() {
    let (growth, soaks) = asked_for();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    testkit::grow(&path, &growth);
    let store = SqliteStore::open(OpenOptions::file(&path)).expect("a store");
    let timed = timing::time(&store, &growth, soaks).await;
    let bytes = store.stats().bytes / 1024 / 1024;
    eprintln!("SQLite, {} events of {} bytes, {bytes} MiB", growth.events, growth.payload_bytes);
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
