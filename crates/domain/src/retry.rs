//! When to try again, and when to give up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest wait that a policy or a `Retry-After` can ask for: a destination must not park a delivery for ever.
pub const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Most tries any policy may ask for.
pub const ATTEMPTS_MAX: u32 = 1_000;

/// How the waits between tries grow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backoff {
    /// `first · 1, 1, 2, 3, 5, …`
    Fibonacci { first: Duration, max: Duration },
    /// `first · factor^n`
    Exponential { first: Duration, factor: u32, max: Duration },
    /// Exactly these, one after another; the last one repeats if there are more tries.
    List(Vec<Duration>),
}

/// The whole policy of a route or destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    pub backoff: Backoff,
    /// Tries in all, the first one included. At least 1.
    pub attempts: u32,
    /// Share of a wait that chance may add, in percent of it (0 to 100): spreads the retries of a whole outage.
    pub jitter_percent: u8,
}

impl Default for RetryPolicy {
    /// Standard Webhooks' recommended schedule (specification 1.0.0, "Delivery attempts"): ten tries in about three days.
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        let waits = [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
        Self { backoff: Backoff::List(waits.map(Duration::from_secs).to_vec()), attempts: 10, jitter_percent: 10 }
    }
}

impl RetryPolicy {
    /// The wait after the `tried`-th try (1 is the first) or `None` when that was the last one.
    ///
    /// `chance` is a number from 0 to 1 that the caller drew; `retry_after` is what the destination asked for
    /// and is obeyed as a least wait, clamped to [`WAIT_MAX`].
    #[must_use]
    pub fn wait_after(&self, tried: u32, chance: f64, retry_after: Option<Duration>) -> Option<Duration> {
        if tried >= self.attempts.clamp(1, ATTEMPTS_MAX) {
            return None;
        }
        let planned = self.planned(tried.max(1));
        let jitter = planned.mul_f64(chance.clamp(0.0, 1.0) * f64::from(self.jitter_percent.min(100)) / 100.0);
        let asked = retry_after.unwrap_or(Duration::ZERO);
        Some((planned + jitter).max(asked).min(WAIT_MAX))
    }

    fn planned(&self, tried: u32) -> Duration {
        let wait = match &self.backoff {
            Backoff::Fibonacci { first, max } => first.saturating_mul(fibonacci(tried)).min(*max),
            Backoff::Exponential { first, factor, max } => {
                first.saturating_mul(factor.saturating_pow(tried - 1)).min(*max)
            }
            Backoff::List(waits) => waits.get(tried as usize - 1).or(waits.last()).copied().unwrap_or(Duration::ZERO),
        };
        wait.min(WAIT_MAX)
    }
}

fn fibonacci(n: u32) -> u32 {
    let (mut a, mut b) = (0u32, 1u32);
    for _ in 0..n.min(64) {
        (a, b) = (b, a.saturating_add(b));
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(policy: &RetryPolicy) -> Vec<u64> {
        (1..).map_while(|tried| policy.wait_after(tried, 0.0, None)).map(|wait| wait.as_secs()).collect()
    }

    fn policy(backoff: Backoff, attempts: u32) -> RetryPolicy {
        RetryPolicy { backoff, attempts, jitter_percent: 20 }
    }

    const SEC: Duration = Duration::from_secs(1);

    #[test]
    fn waits_grow_as_named() {
        assert_eq!(secs(&policy(Backoff::Fibonacci { first: SEC, max: SEC * 4 }, 7)), [1, 1, 2, 3, 4, 4]);
        assert_eq!(secs(&policy(Backoff::Exponential { first: SEC, factor: 2, max: SEC * 60 }, 5)), [1, 2, 4, 8]);
        assert_eq!(secs(&policy(Backoff::List(vec![SEC, SEC * 9]), 5)), [1, 9, 9, 9]);
        assert_eq!(secs(&policy(Backoff::List(vec![]), 1)), [0u64; 0]);
    }

    #[test]
    fn the_default_is_ten_tries_over_about_three_days() {
        let waits = secs(&RetryPolicy::default());
        assert_eq!(waits.len(), 9);
        let days = waits.iter().sum::<u64>() as f64 / 86_400.0;
        assert!((2.9..3.3).contains(&days), "{days}");
    }

    #[test]
    fn jitter_adds_its_share_and_retry_after_is_a_least_wait_within_bounds() {
        let policy = policy(Backoff::List(vec![SEC * 10]), 3);
        assert_eq!(policy.wait_after(1, 1.0, None), Some(SEC * 12));
        assert_eq!(policy.wait_after(1, 0.0, Some(SEC * 30)), Some(SEC * 30));
        assert_eq!(policy.wait_after(1, 0.0, Some(SEC)), Some(SEC * 10));
        assert_eq!(policy.wait_after(1, 0.0, Some(Duration::from_secs(1_000_000_000))), Some(WAIT_MAX));
        assert_eq!(policy.wait_after(3, 0.0, Some(SEC)), None);
    }

    #[test]
    fn absurd_policies_stay_bounded() {
        let wild =
            policy(Backoff::Exponential { first: Duration::MAX, factor: u32::MAX, max: Duration::MAX }, u32::MAX);
        assert_eq!(wild.wait_after(999, 1.0, None), Some(WAIT_MAX));
        assert_eq!(wild.wait_after(ATTEMPTS_MAX, 1.0, None), None);
    }
}
