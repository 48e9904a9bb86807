//! How often a request was tried, told apart by why: a wait that the source named, a rate limit without one, and all
//! else have each their own count. The outer kinds start the inner ones anew, as nested retry loops do.

use std::time::Duration;

use jiff::Timestamp;

use super::TOTAL_TIME_MAX;

/// The tries of one request. Kept by whoever sends it, from its first try to its last.
#[derive(Clone, Debug, Default)]
pub struct Tries {
    sent: u32,
    /// Waits that a back-off strategy gave.
    given: Count,
    /// Rate limits that nothing gave a wait for.
    limited: u32,
    /// All other failures that nothing gave a wait for.
    plain: Count,
    refreshed: bool,
    has_other_token: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    tries: u32,
    since: Option<Timestamp>,
}

impl Count {
    /// One more failure. How long the loop has gone on, or `None` if it is over.
    fn step(&mut self, max_tries: u32, now: Timestamp, began: Timestamp) -> Option<Duration> {
        let since = *self.since.get_or_insert(began);
        self.tries += 1;
        let elapsed = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        (self.tries < max_tries && elapsed < TOTAL_TIME_MAX).then_some(elapsed)
    }
}

impl Tries {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How often the request was sent and judged.
    #[must_use]
    pub const fn sent(&self) -> u32 {
        self.sent
    }

    /// Whether a token was already refreshed for this request.
    #[must_use]
    pub const fn refreshed(&self) -> bool {
        self.refreshed
    }

    /// Whether the next try would go with another token than this one: then a rate limit need not be waited for.
    pub const fn note_other_token(&mut self, is_there: bool) {
        self.has_other_token = is_there;
    }

    pub(super) const fn has_other_token(&self) -> bool {
        self.has_other_token
    }

    /// Notes one more attempt; its number, counted from one.
    pub(super) fn count(&mut self) -> u32 {
        self.sent = self.sent.saturating_add(1);
        self.sent
    }

    pub(super) fn note_refresh(&mut self) {
        self.refreshed = true;
    }

    /// A failure for which a strategy gave a wait. One second is added for fractions that a source leaves out.
    pub(super) fn given(&mut self, wait: Duration, max_tries: u32, now: Timestamp) -> Option<Duration> {
        self.given.step(max_tries, now, now)?;
        Some(wait + Duration::from_secs(1))
    }

    /// A rate limit without a wait: 1, 2, 4 … seconds, however long it takes in all.
    pub(super) fn limited(&mut self, max_tries: u32) -> Option<Duration> {
        self.given = Count::default();
        self.limited += 1;
        (self.limited < max_tries).then(|| doubled(self.limited))
    }

    /// Any other failure without a wait: 1, 2, 4 … seconds, never past the total time.
    pub(super) fn plain(&mut self, max_tries: u32, now: Timestamp) -> Option<Duration> {
        self.given = Count::default();
        self.limited = 0;
        let elapsed = self.plain.step(max_tries, now, now)?;
        Some(doubled(self.plain.tries).min(TOTAL_TIME_MAX.saturating_sub(elapsed)))
    }
}

fn doubled(tries: u32) -> Duration {
    // Past 17 doublings the wait is longer than any that is taken.
    Duration::from_secs(1 << (tries.saturating_sub(1)).min(17))
}
