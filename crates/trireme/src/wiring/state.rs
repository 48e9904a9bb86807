//! Opening the store: the one place that knows which ones there are.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use engine::spec::Secret;
use store::copying::CopyingStore;
use store::{Store, StoreError};
use store_postgres::PostgresStore;
use store_sqlite::SqliteStore;

use super::folder::DataFolder;
use super::open::store_failure;
use crate::config::StoreChoice;
use crate::exit::{Exit, Failure, Outcome};

/// Where the state is, and how it is opened.
pub enum StoreOptions {
    Sqlite(store_sqlite::OpenOptions),
    Postgres { address: Secret, now: Timestamp },
}

impl StoreOptions {
    pub fn of(choice: StoreChoice, folder: &DataFolder, disk_reserve_bytes: u64, now: Timestamp) -> Self {
        let file = match choice {
            StoreChoice::Default => folder.store_file(),
            StoreChoice::Sqlite(path) => path,
            StoreChoice::Postgres(address) => return Self::Postgres { address, now },
        };
        let options = store_sqlite::OpenOptions::file(file);
        Self::Sqlite(store_sqlite::OpenOptions { disk_reserve_bytes, now, ..options })
    }

    /// Opens it to be copied or copied to: nobody is waited for.
    pub async fn open_whole(self) -> Result<Arc<dyn CopyingStore>, StoreError> {
        match self {
            Self::Sqlite(options) => {
                let opening = tokio::task::spawn_blocking(move || SqliteStore::open(options));
                let opened = opening.await.map_err(|error| StoreError::Refused(error.to_string()))?;
                Ok(Arc::new(opened?))
            }
            Self::Postgres { address, now } => {
                let options = store_postgres::OpenOptions::at(address.expose(), now);
                Ok(Arc::new(PostgresStore::open(options).await?))
            }
        }
    }

    /// Opens it, waiting up to `patience` for the process that has it. A database is everybody's: nobody waits for it.
    pub async fn open(self, patience: Duration, folder: &DataFolder) -> Outcome<Arc<dyn Store>> {
        match self {
            Self::Sqlite(options) => {
                let opening = tokio::task::spawn_blocking(move || {
                    let waiting = |owner: &str| tracing::info!(owner, "waiting for the store");
                    SqliteStore::open_waiting(options, patience, waiting)
                });
                let opened = opening.await.map_err(|error| Failure::general("store_open", error.to_string()))?;
                Ok(Arc::new(opened.map_err(|error| store_failure(&error, folder))?))
            }
            Self::Postgres { address, now } => {
                let options = store_postgres::OpenOptions::at(address.expose(), now);
                Ok(Arc::new(PostgresStore::open(options).await.map_err(|error| database_failure(&error))?))
            }
        }
    }
}

/// Why the database cannot be had. Its address is not repeated whole: it may hold a password.
fn database_failure(error: &StoreError) -> Failure {
    let failure = Failure::new(Exit::Store, error.code(), error.to_string());
    match error {
        StoreError::Unreachable(_) => failure.hint(
            "Check the address behind --store, that the server runs, and that it lets this user into this database.",
        ),
        _ => failure,
    }
}
