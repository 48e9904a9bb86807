//! The planner's statistics, while a store is young. Without any it takes a table for nearly empty, and each index of it for
//! as good as the right one, since all begin with the tenant. The server gathers them after a minute at the earliest, and a
//! busy minute is long; afterwards that is its own work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::failure::Failure;
use crate::perform::Inner;
use crate::query::Query;
use crate::row::cell;

/// Fewer rows than this are read as fast by any index.
const WORTH_A_LOOK: u64 = 64;

/// How many rows were committed when it was looked last.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    looked: AtomicU64,
}

impl Statistics {
    /// Whether twice as much was committed as at the last look.
    fn is_due(&self, committed: u64) -> bool {
        let looked = self.looked.load(Ordering::Relaxed);
        let due = committed >= (2 * looked).max(WORTH_A_LOOK);
        due && self.looked.compare_exchange(looked, committed, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Has statistics gathered of the tables that have none, beside everything else, as often as what this process has committed
/// doubles.
pub(crate) fn look_after(inner: &Arc<Inner>) {
    if !inner.statistics.is_due(inner.figures.committed.load(Ordering::Relaxed)) {
        return;
    }
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        // It changes nothing but how fast answers come, and the server does it itself before long.
        let _ = inner.bounded(|inner| async move { gather(&inner).await }).await;
    });
}

async fn gather(inner: &Inner) -> Result<(), Failure> {
    let tables = inner.rows(Query::unknown_tables, Vec::new).await?;
    let session = inner.session().await?;
    for table in &tables {
        session.batch(&format!("ANALYZE (SKIP_LOCKED) {}", cell::<&str>(table, 0)?)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_as_often_as_what_was_committed_doubles() {
        let statistics = Statistics::default();
        let looks: Vec<u64> = (0..=1_000).filter(|committed| statistics.is_due(*committed)).collect();
        assert_eq!(looks, [64, 128, 256, 512]);
    }
}
