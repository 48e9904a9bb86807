//! Whether arrivals are expected to be new.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Groups that are asked about after one that was expected to be new and was not. That one was begun twice, which is soon
/// made up for; but the server's log has its failed statements, and a person reads that.
const PAUSE: usize = 64;

/// What the groups of late were.
#[derive(Debug, Default)]
pub(crate) struct Novelty {
    /// Groups that are still to be asked about.
    ask: AtomicUsize,
}

impl Novelty {
    /// Of the next group.
    pub(crate) fn is_expected(&self) -> bool {
        self.ask.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ask| ask.checked_sub(1)).is_err()
    }

    /// The group was expected to be new, and could not be written as if it were.
    pub(crate) fn was_disappointed(&self) {
        self.ask.store(PAUSE, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_disappointment_groups_are_asked_about_for_a_while() {
        let novelty = Novelty::default();
        assert!(novelty.is_expected() && novelty.is_expected());
        novelty.was_disappointed();
        assert_eq!((0..PAUSE).filter(|_| novelty.is_expected()).count(), 0);
        assert!(novelty.is_expected());
    }
}
