//! What the polls of one connection may ask conditionally by: one answer a stream, in memory. A restart, another definition
//! of the connection, and every reading but a poll that succeeded lead to one request in full.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Timestamp;
use rustc_hash::FxHashMap;

use super::Upstream;
use crate::reading::{Conditions, Validators};

/// By stream: at most as many as are polled.
#[derive(Default)]
pub(super) struct Remembered(Mutex<FxHashMap<Arc<str>, Kept>>);

struct Kept {
    validators: Validators,
    /// Of the taking in which it was read. Whatever takes the stream has a higher one, on whichever node.
    generation: u64,
}

impl Remembered {
    fn kept(&self) -> MutexGuard<'_, FxHashMap<Arc<str>, Kept>> {
        // Entries are put in and taken out whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upstream {
    /// The conditions of a poll of a stream that was taken with this generation. What is known is forgotten here, so that
    /// only what [`remember`](Self::remember) is told of outlives the poll.
    pub(crate) fn conditions(&self, stream: &str, generation: u64, now: Timestamp) -> Arc<Conditions> {
        let kept = self.remembered.kept().remove(stream);
        let holds = |kept: &Kept| kept.generation.checked_add(1) == Some(generation) && kept.validators.hold(now);
        Arc::new(Conditions::new(kept.filter(holds).map(|kept| kept.validators)))
    }

    /// All that the poll read was committed, and nothing of it waits to be looked at again.
    pub(crate) fn remember(&self, stream: &Arc<str>, generation: u64, conditions: &Conditions) {
        if let Some(validators) = conditions.outcome() {
            self.remembered.kept().insert(Arc::clone(stream), Kept { validators, generation });
        }
    }

    /// The next poll of a stream asks in full.
    pub(crate) fn forget(&self, stream: &str) {
        self.remembered.kept().remove(stream);
    }
}
