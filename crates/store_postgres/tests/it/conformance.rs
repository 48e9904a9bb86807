//! Every promise, with and without the help of LISTEN, and of looking for keys before they are written.

use std::sync::Arc;

use store::conformance::Open;
use store::keep::Keep;
use store::{Store, Verb};
use store_postgres::testkit::Database;
use store_postgres::{LeaseClock, OpenOptions, PostgresStore};

/// A database of its own, in which time is what the suite says.
struct Fresh {
    database: Database,
    listen: bool,
}

fn fresh(listen: bool) -> Fresh {
    Fresh { database: Database::new(), listen }
}

impl Open for Fresh {
    fn open(&self) -> Verb<'_, Arc<dyn Store>> {
        Box::pin(async move {
            let options =
                OpenOptions { lease_clock: LeaseClock::Caller, listen: self.listen, ..self.database.options() };
            // Where nobody is heard every group is taken for new, even if it is of one.
            let novel_rows = if self.listen { options.novel_rows } else { 1 };
            let store: Arc<dyn Store> = Arc::new(PostgresStore::open(OpenOptions { novel_rows, ..options }).await?);
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

mod listening {
    use super::*;
    store::conformance_suite!(fresh(true));
}

mod asking_only {
    use super::*;
    store::conformance_suite!(fresh(false));
}
