//! What the log says of rejected webhooks: one line per source and reason now and then, with a count. Never what was in
//! them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Timestamp;
use rustc_hash::FxHashMap;

use crate::telemetry;

/// How often one source and reason gets a line: soon enough for whoever watches, too rare for a flood to fill a disk.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// As many entries as there are sources, times the few reasons of recipes.
#[derive(Debug, Default)]
pub struct RejectionLog(Mutex<FxHashMap<(String, String), Untold>>);

#[derive(Debug)]
struct Untold {
    told_at: Timestamp,
    count: u64,
}

impl RejectionLog {
    /// Counts one in the figures, and says so in the log unless it was said just now.
    pub fn tell(&self, source: &str, reason: &str, now: Timestamp) {
        telemetry::rejected(source, reason);
        if let Some(count) = self.count(source, reason, now) {
            telemetry::rejections(source, reason, count);
        }
    }

    /// How many to tell of now; `None`: wait.
    fn count(&self, source: &str, reason: &str, now: Timestamp) -> Option<u64> {
        let mut untold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = untold.get_mut(&(source.to_owned(), reason.to_owned())) else {
            untold.insert((source.to_owned(), reason.to_owned()), Untold { told_at: now, count: 0 });
            return Some(1);
        };
        known.count += 1;
        if now.since(known.told_at) < TELL_EVERY {
            return None;
        }
        known.told_at = now;
        Some(std::mem::take(&mut known.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_line_a_minute_for_each_source_and_reason() {
        let log = RejectionLog::default();
        let at = Timestamp::from_secs;
        assert_eq!(log.count("github", "signature_mismatch", at(0)), Some(1));
        assert!((0..9_999).all(|_| log.count("github", "signature_mismatch", at(59)).is_none()));
        assert_eq!(log.count("github", "timestamp_stale", at(59)), Some(1));
        assert_eq!(log.count("shop", "signature_mismatch", at(59)), Some(1));
        assert_eq!(log.count("github", "signature_mismatch", at(60)), Some(10_000));
        assert_eq!(log.count("github", "signature_mismatch", at(61)), None);
    }
}
