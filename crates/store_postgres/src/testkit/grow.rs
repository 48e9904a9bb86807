//! A store that has grown, filled in bulk for tests: its rows are those of `store::conformance::growth`.

use std::time::Duration;

use store::conformance::growth::Growth;
use store::keep::Keep;

use super::Database;
use crate::{OpenOptions, PostgresStore};

/// Events of one transaction: a failure repeats little, and the log stays small.
const CHUNK: u64 = 250_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const ONCE: &str = include_str!("once.sql");
const EVENTS: &str = include_str!("events.sql");

/// Fills an empty database, spans of time included, and gathers its statistics.
///
/// # Panics
/// If it is not empty.
pub async fn grow(database: &Database, growth: &Growth) {
    for day in 0..=growth.days {
        // Every opening makes the spans of its time and of a few days after it.
        let options = OpenOptions { now: growth.begin + DAY * day, listen: false, ..database.options() };
        let store = PostgresStore::open(options).await.expect("a store opens");
        store.close().await.expect("it closes");
    }
    let run = |text: String| drop(database.sql(&text));
    run(growth.fill(ONCE, 0, growth.events));
    let mut from = 0;
    while from < growth.events {
        let to = (from + CHUNK).min(growth.events);
        run(growth.fill(EVENTS, from, to));
        from = to;
    }
    run("VACUUM ANALYZE".to_owned());
}
