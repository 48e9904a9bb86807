//! How long a scan without an index may go on: the same for every store.

use std::time::{Duration, Instant};

/// Rows that are looked at whatever the time, so that every page gets further.
const ROWS_MIN: u64 = 64;
/// Rows between two looks at the clock.
const ROWS_PER_LOOK: u64 = 64;
/// What counts as a millisecond of an inline store, where the same scan has to end at the same row each time.
const ROWS_PER_MILLISECOND: u64 = 500;

#[derive(Debug)]
pub struct Patience {
    scan: Duration,
    /// `None`: counted in rows.
    began: Option<Instant>,
    looked: u64,
}

impl Patience {
    /// `inline`: counted in rows, so that it ends at the same one each time.
    #[must_use]
    pub fn new(scan: Duration, inline: bool) -> Self {
        Self { scan, began: (!inline).then(now), looked: 0 }
    }

    /// Counts one more row; gives whether it was the last one to look at.
    pub fn exhausted(&mut self) -> bool {
        self.looked += 1;
        if self.looked < ROWS_MIN || !self.looked.is_multiple_of(ROWS_PER_LOOK) {
            return false;
        }
        match self.began {
            Some(began) => began.elapsed() >= self.scan,
            None => u128::from(self.looked / ROWS_PER_MILLISECOND) >= self.scan.as_millis(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a scan's patience is real time; it decides nothing that is stored")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(scan: Duration, inline: bool) -> u64 {
        let mut patience = Patience::new(scan, inline);
        (1..).find(|_| patience.exhausted()).expect("it ends")
    }

    #[test]
    fn even_no_time_at_all_gets_further() {
        assert_eq!(rows(Duration::ZERO, false), ROWS_MIN);
        assert_eq!(rows(Duration::ZERO, true), ROWS_MIN);
    }

    #[test]
    fn inline_it_ends_at_the_same_row_each_time() {
        let ended = rows(Duration::from_millis(3), true);
        assert_eq!(ended, rows(Duration::from_millis(3), true));
        assert!((1_500..1_600).contains(&ended), "{ended}");
    }
}
