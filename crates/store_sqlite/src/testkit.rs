//! A store that has grown, filled in bulk for tests: its rows are those of `store::conformance::growth`. It must never
//! be used on a file that is to be kept.

use std::path::Path;

use rusqlite::Connection;
use store::conformance::growth::Growth;

/// Events of one transaction: what they change fits into the cache.
const CHUNK: u64 = 100_000;
/// Pages that are held while it is filled, so that what lies in no order is not read again and again.
const CACHE_KIB: i64 = 512 * 1024;

const ONCE: &str = include_str!("testkit/once.sql");
const EVENTS: &str = include_str!("testkit/events.sql");

/// Fills the store at `path`, which is made if it is not there. Nobody else may have it open.
///
/// # Panics
/// If it is not empty, or cannot be written.
pub fn grow(path: &Path, growth: &Growth) {
    drop(crate::SqliteStore::open(crate::OpenOptions::file(path)).expect("a store opens"));
    let connection = Connection::open(path).expect("it opens");
    connection.pragma_update(None, "synchronous", "off").expect("a setting");
    connection.pragma_update(None, "cache_size", -CACHE_KIB).expect("a setting");
    fill(&connection, growth);
    connection.pragma_update(None, "wal_checkpoint", "truncate").expect("a checkpoint");
}

/// The same on a connection whose schema is there.
pub(crate) fn fill(connection: &Connection, growth: &Growth) {
    let run = |text: String| connection.execute_batch(&format!("BEGIN; {text}; COMMIT")).expect("rows");
    run(growth.fill(ONCE, 0, growth.events));
    let mut from = 0;
    while from < growth.events {
        let to = (from + CHUNK).min(growth.events);
        run(growth.fill(EVENTS, from, to));
        from = to;
    }
}
