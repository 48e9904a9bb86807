//! Whether arrivals are expected to be new.

use std::sync::{Mutex, PoisonError};

/// Rows that a group has at least where it is worth it: few that come alone are looked for, which then costs nobody anything.
const WORTH: usize = 8;
/// Groups that are asked about after one that was expected to be new and was not: it was written twice, and the server
/// has noted a failed statement.
const PAUSE_MIN: usize = 64;
/// The most, after one such disappointment soon after the other.
const PAUSE_MAX: usize = 8_192;

/// What the groups of late were.
#[derive(Debug, Default)]
pub(crate) struct Novelty(Mutex<Late>);

#[derive(Debug, Default)]
struct Late {
    /// Groups that are still to be asked about.
    ask: usize,
    /// How many they were at first.
    pause: usize,
    /// Groups since then that were expected to be new.
    expected: usize,
}

impl Novelty {
    fn late(&self) -> std::sync::MutexGuard<'_, Late> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of the next group, which has so many rows.
    pub(crate) fn is_expected(&self, rows: usize) -> bool {
        let mut late = self.late();
        if rows < WORTH {
            return false;
        }
        if late.ask > 0 {
            late.ask -= 1;
            return false;
        }
        late.expected = late.expected.saturating_add(1);
        true
    }

    /// The group was expected to be new, and could not be written as if it were.
    pub(crate) fn was_disappointed(&self) {
        let mut late = self.late();
        let soon = late.expected <= late.pause;
        late.pause = if soon { (late.pause * 2).min(PAUSE_MAX) } else { PAUSE_MIN };
        (late.ask, late.expected) = (late.pause, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(novelty: &Novelty) -> usize {
        (0..=PAUSE_MAX).take_while(|_| !novelty.is_expected(WORTH)).count()
    }

    #[test]
    fn after_a_disappointment_groups_are_asked_about_for_a_while_and_for_longer_after_each_that_follows_soon() {
        let novelty = Novelty::default();
        assert!(novelty.is_expected(WORTH));
        let mut pauses = Vec::new();
        for _ in 0..10 {
            novelty.was_disappointed();
            pauses.push(asked(&novelty));
        }
        assert_eq!(pauses[..3], [PAUSE_MIN, 2 * PAUSE_MIN, 4 * PAUSE_MIN]);
        assert_eq!(pauses[8..], [PAUSE_MAX; 2]);
        assert!((0..=PAUSE_MAX).all(|_| novelty.is_expected(WORTH)));
        novelty.was_disappointed();
        assert_eq!(asked(&novelty), PAUSE_MIN);
    }

    #[test]
    fn few_are_always_asked_about() {
        assert!(!Novelty::default().is_expected(WORTH - 1));
    }
}
