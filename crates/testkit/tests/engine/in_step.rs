//! One store as two engines have it that go in step: what one of them has read of the settings it goes on with only when the
//! other has read as much. So both have read before either writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use store::Store;
use store_sqlite::{OpenOptions, SqliteStore};
use testkit::faulty_store::{Fate, Fates, FaultyStore, Stall};

/// How often the other is let go first. After that it has nothing to read, and one goes on alone.
const TURNS: u32 = 1_000;

/// The settings that each of both has read since they met.
type Reads = Arc<[AtomicU32; 2]>;

/// One of both.
struct Walker {
    place: usize,
    reads: Reads,
    has_just_read: AtomicBool,
}

impl Fates for Walker {
    fn next(&self, verb: &'static str) -> Fate {
        self.has_just_read.store(verb == "setting", Ordering::SeqCst);
        Fate::Happens
    }
}

impl Walker {
    async fn step(&self) {
        if !self.has_just_read.swap(false, Ordering::SeqCst) {
            return tokio::task::yield_now().await;
        }
        let own = self.reads[self.place].fetch_add(1, Ordering::SeqCst) + 1;
        for _ in 0..TURNS {
            if self.reads[1 - self.place].load(Ordering::SeqCst) >= own {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

pub struct InStep {
    /// The store itself.
    pub store: Arc<dyn Store>,
    reads: Reads,
}

impl InStep {
    pub fn new() -> Self {
        let store = SqliteStore::open(OpenOptions { shared: true, ..OpenOptions::memory().inline() });
        Self { store: Arc::new(store.expect("a store in memory opens")), reads: Reads::default() }
    }

    /// The store as each of both has it.
    pub fn both(&self) -> [Arc<dyn Store>; 2] {
        [0, 1].map(|place| {
            let walker =
                Arc::new(Walker { place, reads: Arc::clone(&self.reads), has_just_read: AtomicBool::new(false) });
            let fates = Arc::clone(&walker) as Arc<dyn Fates>;
            let stall: Stall = Arc::new(move || {
                let walker = Arc::clone(&walker);
                Box::pin(async move { walker.step().await })
            });
            let store = FaultyStore::new(Arc::clone(&self.store), fates, Arc::default());
            Arc::new(store.beside_others().stalled_by(stall)) as Arc<dyn Store>
        })
    }

    /// From here on they go in step, whatever each of them did before.
    pub fn meet(&self) {
        for reads in self.reads.iter() {
            reads.store(0, Ordering::SeqCst);
        }
    }
}
