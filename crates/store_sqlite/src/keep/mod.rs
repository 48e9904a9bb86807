//! Keeping house: the verbs of [`store::keep::Keep`].

mod prune;

use std::sync::atomic::Ordering;

use domain::Timestamp;
use store::keep::{Keep, Pruned, Retention, StoreStats};
use store::{StoreError, Verb};

pub(crate) use self::prune::Pruning;
use crate::SqliteStore;
use crate::job::Work;

impl Keep for SqliteStore {
    fn prune(&self, retention: Retention, now: Timestamp, limit: u32) -> Verb<'_, Pruned> {
        self.write(Work::rows(limit as usize), move |tx, _| prune::prune(tx, &retention, now, limit))
    }

    /// Goes through the writer and its transaction, so it fails whenever an event would.
    fn ping(&self) -> Verb<'_, ()> {
        self.write(Work::ingest(0, 0), |_, _| Ok(()))
    }

    fn stats(&self) -> StoreStats {
        StoreStats {
            statements: self.shared.statements.run(),
            commits: self.shared.commits.load(Ordering::Relaxed),
            committed: self.shared.committed.load(Ordering::Relaxed),
            bytes: self.shared.bytes(),
            disk_free: self.shared.disk_free(),
        }
    }

    fn close(&self) -> Verb<'_, ()> {
        Box::pin(async move {
            let failed = self.shared.open().err().filter(|error| *error != StoreError::Closed);
            if self.shared.close() {
                if let Some(readers) = &self.readers {
                    readers.close();
                }
                self.writer.close().await;
            }
            failed.map_or(Ok(()), Err)
        })
    }
}
