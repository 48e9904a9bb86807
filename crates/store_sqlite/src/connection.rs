//! Opening connections: what SQLite is told before the first statement, and what a start finds and mends.

use std::fs::OpenOptions as FileOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use store::StoreError;

use crate::failure::{Failure, store_error};
use crate::migrate::migrate;
use crate::options::{OpenOptions, Place};
use crate::query::Query;
use crate::tx::Tx;

/// Page cache of the writer: holds the hot leaves of every index, and is what a busy store adds to an idle process.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// Page cache of each reader: lists are read once, front to back.
const READER_CACHE_KIB: i64 = 1024;
/// How long another program, such as a person's `sqlite3`, may hold the database before a group fails.
const BUSY: Duration = Duration::from_secs(5);
/// The log is cut back to this after a checkpoint, so that one burst does not keep its size for ever.
const LOG_BYTES: i64 = 128 * 1024 * 1024;

/// The writer's connection, with the schema it needs.
pub(crate) fn open_writer(options: &OpenOptions) -> Result<Connection, StoreError> {
    let mut connection = match &options.place {
        Place::Memory => Connection::open_in_memory(),
        Place::File(path) => {
            create_private(path)?;
            open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, options.vfs.as_deref())
        }
    }
    .map_err(|error| store_error(&error))?;
    configure(&connection, WRITER_CACHE_KIB).map_err(|error| store_error(&error))?;
    prepare_file(&connection, options).map_err(|error| store_error(&error))?;
    migrate(&mut connection, options.now)?;
    Ok(connection)
}

/// A connection that cannot write.
pub(crate) fn open_reader(options: &OpenOptions, path: &Path) -> Result<Connection, StoreError> {
    let opened = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, options.vfs.as_deref()).and_then(|connection| {
        configure(&connection, READER_CACHE_KIB)?;
        // Not opened read-only: after a crash the first reader may have to build the log's index anew.
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    });
    opened.map_err(|error| match error.sqlite_error_code() {
        // The writer has it open, so it is there: too many files are open just now, or its folder was moved.
        Some(ErrorCode::CannotOpen) => StoreError::Unreachable(format!("it cannot be opened again just now: {error}")),
        _ => store_error(&error),
    })
}

fn open(path: &Path, flags: OpenFlags, vfs: Option<&str>) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match vfs {
        None => Connection::open_with_flags(path, flags),
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
    }
}

/// Payloads are nobody else's to read: SQLite gives the log the mode of the database.
fn create_private(path: &Path) -> Result<(), StoreError> {
    FileOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|error| StoreError::Io(format!("{}: {error}", path.display())))
}

fn configure(connection: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(Query::COUNT);
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // Rows are tied together by the verbs, and removed together by pruning; a check of each would cost a lookup.
    connection.pragma_update(None, "foreign_keys", false)?;
    // After a failed sync nothing may be synced again by this process, not even while it closes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(())
}

fn prepare_file(connection: &Connection, options: &OpenOptions) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", 8192)?;
    match options.place {
        Place::Memory => connection.pragma_update(None, "journal_mode", "memory")?,
        Place::File(_) => {
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
            connection.pragma_update(None, "wal_autocheckpoint", crate::checkpoint::PAGES)?;
        }
    }
    if let Some(pages) = options.pages_max {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(())
}

/// Name under which `counters` keeps where fresh deliveries begin.
pub(crate) const FRESH_FROM: &str = "fresh_from";
/// Name under which `counters` keeps the highest event number that pruning may have removed.
pub(crate) const LAST_EVENT: &str = "last_event";
/// The same of deliveries.
pub(crate) const LAST_DELIVERY: &str = "last_delivery";

/// What every start does: claims made before are void, numbers go on where they were.
pub(crate) fn recover(tx: &mut Tx<'_, '_>) -> Result<(), Failure> {
    tx.shared().claims.clear();
    tx.shared().nodes.clear();
    tx.memory.next_event = 1 + last(tx, LAST_EVENT, Query::last_event)?;
    tx.memory.next_delivery = 1 + last(tx, LAST_DELIVERY, Query::last_delivery)?;
    let fresh_from = counter(tx, FRESH_FROM)?;
    tx.execute(Query::recover_fresh, [fresh_from])?;
    let next = tx.memory.next_delivery;
    tx.execute(Query::put_counter, rusqlite::params![FRESH_FROM, next])?;
    tx.memory.fresh_from = next;
    tx.execute(Query::forget_unanswered, [])?;
    tx.execute(Query::end_leases, [])?;
    Ok(())
}

/// The highest number that there is, or that there was before pruning.
fn last(tx: &mut Tx<'_, '_>, name: &str, query: Query) -> Result<i64, Failure> {
    let there: i64 = tx.row(query, [], |row| Ok(row.get(0)?))?.unwrap_or(0);
    Ok(there.max(counter(tx, name)?))
}

fn counter(tx: &mut Tx<'_, '_>, name: &str) -> Result<i64, Failure> {
    Ok(tx.row(Query::counter, [name], |row| Ok(row.get(0)?))?.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_cannot_be_opened_just_now_is_no_failed_disk() {
        let options = OpenOptions::memory();
        let error = open_reader(&options, Path::new("/nowhere/store.db")).map(drop).expect_err("there is none");
        assert!(error.retryable() && !error.fatal(), "{error:?}");
    }
}
