//! The schema: embedded migrations, applied in order, and checked to be the ones that made the database.

use data_encoding::HEXLOWER;
use domain::Timestamp;
use domain::identity::Digest;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use store::StoreError;

use crate::failure::store_error;

/// Marks the file as ours, for `file(1)` and for refusing others: "TRME".
const APPLICATION_ID: i64 = 0x5452_4d45;

/// Every migration there ever was, oldest first. A released one never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_watch.sql"),
    include_str!("../migrations/0003_reading.sql"),
    include_str!("../migrations/0004_unmodified.sql"),
    include_str!("../migrations/0005_backfill.sql"),
    include_str!("../migrations/0006_shapes.sql"),
    include_str!("../migrations/0007_listeners.sql"),
    include_str!("../migrations/0008_alerts.sql"),
    include_str!("../migrations/0009_waiting.sql"),
    include_str!("../migrations/0010_audit.sql"),
    include_str!("../migrations/0011_enriched.sql"),
];

/// Beside the migrations, because it has to be there before the first.
const BOOKKEEPING: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
  version    INTEGER PRIMARY KEY,
  checksum   TEXT NOT NULL,
  applied_at INTEGER NOT NULL
) STRICT";

/// Brings the database to this binary's schema. Gives how many migrations were applied.
pub(crate) fn migrate(connection: &mut Connection, now: Timestamp) -> Result<usize, StoreError> {
    apply(connection, MIGRATIONS, now)
}

fn apply(connection: &mut Connection, migrations: &[&str], now: Timestamp) -> Result<usize, StoreError> {
    let failed = |error: rusqlite::Error| store_error(&error);
    refuse_strangers(connection, migrations.len())?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    transaction.execute_batch(BOOKKEEPING).map_err(failed)?;
    let mut applied = 0;
    for (version, text) in (1i64..).zip(migrations) {
        let checksum = HEXLOWER.encode(&Digest::of(text.as_bytes()).0);
        match recorded(&transaction, version).map_err(failed)? {
            Some(recorded) if recorded == checksum => {}
            Some(_) => {
                return Err(StoreError::Corrupt(format!(
                    "migration {version} of the database is not the one this binary was built with"
                )));
            }
            None => {
                transaction.execute_batch(text).map_err(failed)?;
                let row = params![version, checksum, now.as_micros()];
                let insert = "INSERT INTO schema_migrations (version, checksum, applied_at) VALUES (?1, ?2, ?3)";
                transaction.execute(insert, row).map_err(failed)?;
                applied += 1;
            }
        }
    }
    transaction.pragma_update(None, "user_version", migrations.len() as i64).map_err(failed)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(applied)
}

fn recorded(connection: &Connection, version: i64) -> rusqlite::Result<Option<String>> {
    let select = "SELECT checksum FROM schema_migrations WHERE version = ?1";
    connection.query_row(select, [version], |row| row.get(0)).optional()
}

/// Refuses what a newer version wrote and what is not ours, before anything is changed.
fn refuse_strangers(connection: &Connection, known: usize) -> Result<(), StoreError> {
    let number = |pragma: &str| {
        connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(|error| store_error(&error))
    };
    let (application, found) = (number("application_id")?, number("user_version")?);
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| store_error(&error))?;
    if application != APPLICATION_ID && (application != 0 || found != 0 || tables != 0) {
        return Err(StoreError::Corrupt("this SQLite file belongs to another program".to_owned()));
    }
    let known = known as i64;
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "CREATE TABLE one (x)";
    const TWO: &str = "CREATE TABLE two (x)";

    fn tables(connection: &Connection) -> Vec<String> {
        let mut select =
            connection.prepare("SELECT name FROM sqlite_schema WHERE name IN ('one', 'two') ORDER BY name").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn migrations_run_once_and_in_order() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert_eq!(apply(&mut connection, &[ONE], Timestamp::EPOCH), Ok(1));
        assert_eq!(apply(&mut connection, &[ONE], Timestamp::EPOCH), Ok(0));
        assert_eq!(apply(&mut connection, &[ONE, TWO], Timestamp::EPOCH), Ok(1));
        assert_eq!(tables(&connection), ["one", "two"]);
    }

    #[test]
    fn a_newer_schema_is_refused_and_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply(&mut connection, &[ONE, TWO], Timestamp::EPOCH).unwrap();
        let refused = apply(&mut connection, &[ONE], Timestamp::EPOCH);
        assert_eq!(refused, Err(StoreError::NewerSchema { found: 2, known: 1 }));
    }

    #[test]
    fn a_migration_that_is_not_the_applied_one_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply(&mut connection, &[ONE], Timestamp::EPOCH).unwrap();
        let refused = apply(&mut connection, &["CREATE TABLE one (y)", TWO], Timestamp::EPOCH);
        assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
        assert_eq!(tables(&connection), ["one"], "nothing is applied on top of what is not ours");
    }

    #[test]
    fn a_failing_migration_leaves_nothing_behind() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert!(apply(&mut connection, &[ONE, "CREATE TABLE two (x); NONSENSE"], Timestamp::EPOCH).is_err());
        assert_eq!(tables(&connection), [""; 0]);
    }

    #[test]
    fn another_programs_file_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE recipes (x)").unwrap();
        assert!(matches!(apply(&mut connection, &[ONE], Timestamp::EPOCH), Err(StoreError::Corrupt(_))));
    }
}
