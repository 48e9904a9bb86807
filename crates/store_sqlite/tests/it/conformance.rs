//! Every promise, on the three ways in which the store runs.

use std::sync::Arc;

use store::conformance::Open;
use store::keep::Keep;
use store::{Store, Verb};
use store_sqlite::{OpenOptions, SqliteStore};

/// In memory: the store outlives its process only as the test says.
struct Memory {
    store: Arc<SqliteStore>,
}

fn memory(inline: bool) -> Memory {
    let options = if inline { OpenOptions::memory().inline() } else { OpenOptions::memory() };
    Memory { store: Arc::new(SqliteStore::open(options).expect("a store in memory")) }
}

impl Open for Memory {
    fn open(&self) -> Verb<'_, Arc<dyn Store>> {
        let store: Arc<dyn Store> = self.store.clone();
        Box::pin(async move { Ok(store) })
    }

    fn reopen(&self, store: Arc<dyn Store>) -> Verb<'_, Arc<dyn Store>> {
        Box::pin(async move {
            self.store.crash().await?;
            Ok(store)
        })
    }
}

/// On disk, with the writer's thread and readers beside it.
struct Disk {
    folder: tempfile::TempDir,
    inline: bool,
}

fn disk(inline: bool) -> Disk {
    Disk { folder: tempfile::tempdir().expect("a folder"), inline }
}

impl Open for Disk {
    fn open(&self) -> Verb<'_, Arc<dyn Store>> {
        Box::pin(async move {
            let options = OpenOptions::file(self.folder.path().join("store.db"));
            let options = if self.inline { options.inline() } else { options };
            let store: Arc<dyn Store> = Arc::new(SqliteStore::open(options)?);
            Ok(store)
        })
    }

    fn reopen(&self, store: Arc<dyn Store>) -> Verb<'_, Arc<dyn Store>> {
        Box::pin(async move {
            Keep::close(&*store).await?;
            drop(store);
            self.open().await
        })
    }
}

mod in_memory {
    use super::*;
    store::conformance_suite!(memory(false));
}

mod in_memory_inline {
    use super::*;
    store::conformance_suite!(memory(true));
}

mod on_disk {
    use super::*;
    store::conformance_suite!(disk(false));
}

mod on_disk_inline {
    use super::*;
    store::conformance_suite!(disk(true));
}
