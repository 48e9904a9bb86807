//! How a source's signatures fare: whether its requests are rejected so often that its secret is probably wrong.
//!
//! Accepting costs two atomic steps; only rejecting, and accepting after the suspicion arose, takes a lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Timestamp;

/// What is compared: rejected and accepted ones of one such time.
const WINDOW: Duration = Duration::from_secs(10 * 60);
/// So many rejected and none accepted: not one request of a stranger, but the sender itself.
const REJECTED_ALONE: u64 = 5;
/// So many rejected beside accepted ones are looked at by their share: strangers send a few, too.
const REJECTED_BESIDE: u64 = 20;
/// A share above one in so many is too much.
const SHARE: u64 = 5;

/// Reasons that speak of a wrong secret, a wrong signature or a wrong clock, not of a wrong request.
const REASONS: [&str; 8] = [
    "signature_missing",
    "signature_malformed",
    "signature_mismatch",
    "signed_field_missing",
    "timestamp_missing",
    "timestamp_unreadable",
    "timestamp_stale",
    "timestamp_in_future",
];

/// Whether a rejection for this reason counts.
#[must_use]
pub fn is_about_signatures(reason: &str) -> bool {
    REASONS.contains(&reason)
}

#[derive(Debug, Default)]
pub struct SignatureHealth {
    accepted: AtomicU64,
    suspected: AtomicBool,
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    began: Timestamp,
    rejected: u64,
    /// What `accepted` was when it began.
    accepted_before: u64,
}

impl SignatureHealth {
    /// An alert of an earlier process is open: the next good request ends it.
    pub fn suspect(&self) {
        self.suspected.store(true, Ordering::Relaxed);
    }

    /// Counts a rejection; gives whether so many fail that a person should know.
    pub fn rejected(&self, now: Timestamp) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(window.began) >= WINDOW || window.rejected == 0 {
            let accepted_before = self.accepted.load(Ordering::Relaxed);
            *window = Window { began: now, rejected: 0, accepted_before };
        }
        window.rejected += 1;
        let failing = self.is_failing(&window);
        if failing {
            self.suspected.store(true, Ordering::Relaxed);
        }
        failing
    }

    /// Counts a request that verified; gives whether this ends the suspicion.
    pub fn accepted(&self, now: Timestamp) -> bool {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        if !self.suspected.load(Ordering::Relaxed) {
            return false;
        }
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(window.began) < WINDOW && self.is_failing(&window) {
            return false;
        }
        self.suspected.swap(false, Ordering::Relaxed)
    }

    fn is_failing(&self, window: &Window) -> bool {
        let accepted = self.accepted.load(Ordering::Relaxed).saturating_sub(window.accepted_before);
        (accepted == 0 && window.rejected >= REJECTED_ALONE)
            || (window.rejected >= REJECTED_BESIDE && window.rejected * SHARE > window.rejected + accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn first_failing(health: &SignatureHealth, rejections: i64, every: i64) -> Option<i64> {
        (0..rejections).find(|number| health.rejected(at(number * every)))
    }

    #[test]
    fn five_in_ten_minutes_without_a_good_one_are_suspect_and_fewer_are_not() {
        assert_eq!(first_failing(&SignatureHealth::default(), 10, 60), Some(4));
        assert_eq!(first_failing(&SignatureHealth::default(), 100, 200), None, "one in three minutes is a stranger");
        let health = SignatureHealth::default();
        health.rejected(at(0));
        health.accepted(at(1));
        assert_eq!((0..18).find(|_| health.rejected(at(2))), None, "beside a good one it takes twenty");
        assert!(health.rejected(at(2)));
    }

    #[test]
    fn beside_good_ones_the_share_counts() {
        let health = SignatureHealth::default();
        health.rejected(at(0));
        (0..100).for_each(|_| assert!(!health.accepted(at(0))));
        assert_eq!((0..100).find(|_| health.rejected(at(1))), Some(24), "26 of 126 are more than a fifth");
    }

    #[test]
    fn it_ends_with_the_good_ones() {
        let health = SignatureHealth::default();
        assert_eq!(first_failing(&health, 5, 0), Some(4));
        assert!(health.accepted(at(1)), "the secret is right again");
        assert!(!health.accepted(at(2)), "told once");
        assert_eq!((0..40).filter(|_| health.rejected(at(3))).count(), 26);
        assert!((0..100).all(|_| !health.accepted(at(4))), "still every third is rejected");
        assert!(health.accepted(at(700)), "that was long ago");
        let restarted = SignatureHealth::default();
        restarted.suspect();
        assert!(restarted.accepted(at(0)));
    }

    #[test]
    fn every_reason_is_one_that_a_recipe_has() {
        let known: Vec<_> = connectors::provider::Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(REASONS.iter().all(|reason| known.contains(reason)));
        assert!(!is_about_signatures("body_too_large"));
    }
}
