//! One store copied onto another, of every kind onto every kind.

use std::sync::Arc;

use domain::Timestamp;
use store::Verb;
use store::conformance::copying::{
    OpenCopying, everything_comes_over_and_goes_on, what_differs_is_found, what_may_not_be_copied_is_refused,
};
use store::copying::CopyingStore;
use store_postgres::testkit::Database;
use store_postgres::{LeaseClock, PostgresStore};
use store_sqlite::SqliteStore;

/// In memory: gone with the test.
struct Sqlite;

impl OpenCopying for Sqlite {
    fn open(&self) -> Verb<'_, Arc<dyn CopyingStore>> {
        Box::pin(async move {
            let options = store_sqlite::OpenOptions { now: Timestamp::EPOCH, ..store_sqlite::OpenOptions::memory() };
            let store: Arc<dyn CopyingStore> = Arc::new(SqliteStore::open(options)?);
            Ok(store)
        })
    }
}

/// Databases that are dropped with the test.
#[derive(Default)]
struct Postgres(std::sync::Mutex<Vec<Database>>);

impl OpenCopying for Postgres {
    fn open(&self) -> Verb<'_, Arc<dyn CopyingStore>> {
        Box::pin(async move {
            let database = Database::new();
            let options = store_postgres::OpenOptions { lease_clock: LeaseClock::Caller, ..database.options() };
            self.0.lock().expect("no panic").push(database);
            let store: Arc<dyn CopyingStore> = Arc::new(PostgresStore::open(options).await?);
            Ok(store)
        })
    }
}

macro_rules! between {
    ($($name:ident: $from:expr, $to:expr;)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn everything_comes_over_and_goes_on() {
                super::everything_comes_over_and_goes_on($from, $to).await;
            }

            #[tokio::test]
            async fn what_may_not_be_copied_is_refused() {
                super::what_may_not_be_copied_is_refused($from, $to).await;
            }

            #[tokio::test]
            async fn what_differs_is_found() {
                super::what_differs_is_found($from, $to).await;
            }
        }
    )*};
}

between! {
    sqlite_to_sqlite: Sqlite, Sqlite;
    sqlite_to_postgres: Sqlite, Postgres::default();
    postgres_to_sqlite: Postgres::default(), Sqlite;
    postgres_to_postgres: Postgres::default(), Postgres::default();
}
