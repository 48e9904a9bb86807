//! The store in one SQLite file: one writer thread with group commit, readers beside it.
//!
//! | file or folder | what it does |
//! |---|---|
//! | `options`, `connection`, `migrate`, `lock` | open: limits, pragmas, schema, one owner |
//! | `writer`, `group`, `job`, `tx` | the writer's thread, its transactions, their undoing |
//! | `checkpoint` | folding the log back without stopping the writer |
//! | `query`, `statements`, `row`, `code`, `names` | SQL by name, and rows as the domain's nouns |
//! | `claims`, `nodes`, `lane` | what is in flight, and who looks after what (memory only); who waits for whom |
//! | `intake/`, `dispatch/`, `people/`, `read/`, `registry/`, `keep/`, `watch/`, `reading/`, `copying/`, `audit/`, `listen` | the verbs, as the traits group them |
//!
//! Nothing here reads a clock to decide anything: `now` is an argument of every verb that needs it.

mod audit;
mod checkpoint;
mod claims;
mod code;
mod connection;
mod copying;
mod dispatch;
mod failure;
mod group;
mod intake;
mod job;
mod keep;
mod lane;
mod listen;
mod lock;
mod migrate;
mod names;
mod nodes;
mod options;
mod people;
mod query;
mod read;
mod reading;
mod registry;
mod row;
mod shapes;
mod shared;
mod statements;
#[cfg(feature = "testkit")]
pub mod testkit;
mod tx;
mod view;
mod watch;
mod writer;

use std::sync::Arc;
use std::time::Duration;

pub use options::{DISK_RESERVE_BYTES, GROUP_ROWS, OpenOptions, Place, QUEUE_BYTES, QUEUE_COMMANDS, READERS};
use store::{StoreError, Verb};

use crate::failure::Failure;
use crate::job::{Company, Work};
use crate::lock::Lock;
use crate::shared::Shared;
use crate::tx::Tx;
use crate::view::{Readers, View};
use crate::writer::Writer;

/// A store in one SQLite file, or in memory.
pub struct SqliteStore {
    shared: Arc<Shared>,
    writer: Writer,
    /// `None` where the writer's connection is the only one: in memory and inline.
    readers: Option<Arc<Readers>>,
}

impl SqliteStore {
    /// Opens the store, or says why not: in use by another process, of a newer version, not ours, damaged.
    ///
    /// Blocks for as long as it takes to read the log of the last run.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::NewerSchema`], [`StoreError::Corrupt`] or [`StoreError::Io`].
    pub fn open(options: OpenOptions) -> Result<Self, StoreError> {
        let lock = match &options.place {
            Place::File(path) => Some(Lock::take(path)?),
            Place::Memory => None,
        };
        Self::open_locked(options, lock)
    }

    /// Opens the store, waiting up to `patience` for the process that has it, as on an upgrade. `on_wait` hears once
    /// who that is. Blocks: call it where that is allowed.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_waiting(
        options: OpenOptions,
        patience: Duration,
        on_wait: impl FnOnce(&str),
    ) -> Result<Self, StoreError> {
        let lock = match &options.place {
            Place::File(path) => Some(Lock::wait(path, patience, on_wait)?),
            Place::Memory => None,
        };
        Self::open_locked(options, lock)
    }

    fn open_locked(options: OpenOptions, lock: Option<Lock>) -> Result<Self, StoreError> {
        let connection = connection::open_writer(&options)?;
        let shared = Arc::new(Shared::new(options));
        let path = shared.path().filter(|_| !shared.options.inline).cloned();
        let readers = path.map(|path| Arc::new(Readers::new(shared.clone(), path)));
        let writer = Writer::start(connection, shared.clone(), lock)?;
        Ok(Self { shared, writer, readers })
    }

    /// Forgets what the end of the process would, claims above all, and starts again as after it. For simulation and
    /// for stores in memory, which outlive the engines they serve.
    ///
    /// # Errors
    /// As any verb that writes.
    pub async fn crash(&self) -> Result<(), StoreError> {
        self.write(Work::rows(1), |tx, _| connection::recover(tx)).await
    }

    fn write<T, F>(&self, work: Work, run: F) -> Verb<'_, T>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_, '_>, Company) -> Result<T, Failure> + Send + 'static,
    {
        Box::pin(self.writer.write(work, run))
    }

    fn read<T, F>(&self, read: F) -> Verb<'_, T>
    where
        T: Send + 'static,
        F: Fn(&mut View<'_, '_>) -> Result<T, Failure> + Send + 'static,
    {
        Box::pin(async move {
            match &self.readers {
                Some(readers) => {
                    self.shared.open()?;
                    readers.read(read).await
                }
                None => {
                    let run = move |tx: &mut Tx<'_, '_>, _| {
                        let shared = tx.memory.shared.clone();
                        read(&mut View { sql: tx.sql, shared: &shared })
                    };
                    self.writer.write(Work::rows(0), run).await
                }
            }
        })
    }
}
