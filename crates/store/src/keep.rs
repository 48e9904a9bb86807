//! Keeping house: retention, health, closing.

use std::time::Duration;

use domain::Timestamp;

use crate::Verb;

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    pub events: Duration,
    /// Dead letters and their events.
    pub dead_letters: Duration,
    pub requests: Duration,
    /// At least the longest of 30 days, `events`, and every sender's retry span.
    pub identities: Duration,
    pub idempotency: Duration,
    /// Entries of the audit log: past a year, so that a yearly look back finds the last one.
    pub audit: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            events: DAY * 30,
            dead_letters: DAY * 90,
            requests: DAY * 7,
            identities: DAY * 30,
            idempotency: DAY,
            audit: DAY * 400,
        }
    }
}

/// What a round of pruning removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub events: u64,
    pub deliveries: u64,
    pub requests: u64,
    pub identities: u64,
    /// There was more than one round may remove.
    pub more: bool,
}

/// Figures of the store itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// SQL statements run since the start.
    pub statements: u64,
    pub commits: u64,
    /// Rows of work committed: commits tell the group size.
    pub committed: u64,
    pub bytes: u64,
    pub disk_free: Option<u64>,
}

pub trait Keep: Send + Sync + 'static {
    /// Removes what is older than its retention, at most `limit` rows of each kind; never anything with an open
    /// delivery.
    fn prune(&self, retention: Retention, now: Timestamp, limit: u32) -> Verb<'_, Pruned>;

    /// Whether a write would be committed now.
    fn ping(&self) -> Verb<'_, ()>;

    fn stats(&self) -> StoreStats;

    /// Waits for what was handed over, then lets go of the store. Later verbs fail as closed.
    fn close(&self) -> Verb<'_, ()>;
}
