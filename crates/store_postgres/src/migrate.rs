//! The schema: embedded migrations, applied in order by one node at a time, and checked to be the ones that made the
//! database.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use domain::Timestamp;
use domain::identity::Digest;
use store::StoreError;

use crate::OpenOptions;
use crate::failure::Failure;
use crate::query::Query;
use crate::row::cell;
use crate::session::Session;
use crate::value::params;

/// What one statement of a migration may take: an index of ten million rows takes minutes.
const MIGRATE_TIME: Duration = Duration::from_secs(15 * 60);
/// What another node's start waits for all of them.
const MIGRATED_WITHIN: Duration = Duration::from_secs(60 * 60);

/// Every migration there ever was, oldest first. A released one never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_reading.sql"),
    include_str!("../migrations/0003_unmodified.sql"),
    include_str!("../migrations/0004_nodes.sql"),
    include_str!("../migrations/0005_backfill.sql"),
    include_str!("../migrations/0006_shapes.sql"),
    include_str!("../migrations/0007_listeners.sql"),
    include_str!("../migrations/0008_alerts.sql"),
    include_str!("../migrations/0009_waiting.sql"),
    include_str!("../migrations/0010_audit.sql"),
    include_str!("../migrations/0011_enriched.sql"),
    include_str!("../migrations/0012_births.sql"),
    include_str!("../migrations/0013_last_tries.sql"),
];

/// Brings the database to this binary's schema. Gives how many migrations were applied.
pub(crate) async fn migrate(session: &Arc<Session>, options: &OpenOptions) -> Result<usize, Failure> {
    apply(session, MIGRATIONS, options).await
}

async fn apply(
    session: &Arc<Session>,
    migrations: &'static [&'static str],
    options: &OpenOptions,
) -> Result<usize, Failure> {
    if is_done(session, migrations).await? {
        return Ok(0);
    }
    let made = session.transaction(|session| async move { session.batch(Query::bookkeeping.text()).await }).await;
    match made {
        // Another node made it at the same moment, and ours was refused, or was in its way.
        Err(_) if has_bookkeeping(session).await? => {}
        made => made?,
    }
    session
        .transaction(|session| async move {
            // Whoever holds this row applies them; the others wait for it, as long as that takes, and find them applied.
            session.batch(&limits(MIGRATED_WITHIN, MIGRATED_WITHIN)).await?;
            session.rows(Query::lock_schema, params![]).await?;
            // Those that run already wait behind whoever waits for their tables: not for as long as that.
            session.batch(&limits(MIGRATE_TIME, options.lock_time)).await?;
            apply_missing(&session, migrations, options.now).await
        })
        .await
}

/// What one statement of this transaction may take, and what waiting for a lock may.
fn limits(statement_time: Duration, lock_time: Duration) -> String {
    let (statement, lock) = (statement_time.as_millis(), lock_time.as_millis());
    format!("SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock}")
}

/// Whether all of it was applied already: the usual start, which asks for no lock.
async fn is_done(session: &Session, migrations: &[&str]) -> Result<bool, Failure> {
    Ok(has_bookkeeping(session).await? && verify(session, migrations).await? == migrations.len())
}

async fn has_bookkeeping(session: &Session) -> Result<bool, Failure> {
    let there = session.row(Query::has_bookkeeping, params![]).await?;
    Ok(there.map(|row| cell::<bool>(&row, 0)).transpose()?.unwrap_or(false))
}

async fn apply_missing(session: &Session, migrations: &[&str], now: Timestamp) -> Result<usize, Failure> {
    let applied = verify(session, migrations).await?;
    for (index, text) in migrations.iter().enumerate().skip(applied) {
        session.batch(text).await?;
        let row = params![number(index), checksum(text), now.as_micros()];
        session.execute(Query::note_migration, row).await?;
    }
    Ok(migrations.len() - applied)
}

/// How many of them the database has, all of them as this binary knows them.
async fn verify(session: &Session, migrations: &[&str]) -> Result<usize, Failure> {
    let rows = session.rows(Query::applied_migrations, params![]).await?;
    for (index, row) in rows.iter().enumerate() {
        let (version, recorded): (i64, &str) = (cell(row, 0)?, cell(row, 1)?);
        if version != number(index) {
            return Err(StoreError::Corrupt(format!("migration {} is missing in the database", index + 1)).into());
        }
        let Some(text) = migrations.get(index) else {
            let found = number(rows.len() - 1);
            return Err(StoreError::NewerSchema { found, known: migrations.len() as i64 }.into());
        };
        if recorded != checksum(text) {
            let text = format!("migration {version} of the database is not the one this binary was built with");
            return Err(StoreError::Corrupt(text).into());
        }
    }
    Ok(rows.len())
}

fn number(index: usize) -> i64 {
    i64::try_from(index + 1).unwrap_or(i64::MAX)
}

fn checksum(text: &str) -> String {
    HEXLOWER.encode(&Digest::of(text.as_bytes()).0)
}

/// Tells one schema from another: the databases of tests are made from one that has it.
#[cfg(feature = "testkit")]
pub(crate) fn digest() -> String {
    HEXLOWER.encode(&Digest::of(MIGRATIONS.concat().as_bytes()).0[..8])
}
