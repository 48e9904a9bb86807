//! How long this node may act on what it is in charge of, by its own clocks: never longer than others believe that it
//! lives, however long it was stopped.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use domain::Timestamp;

use crate::clock::SharedClock;

/// How long a node lives without saying so. Longer than a restart of the database takes, and short enough that nobody
/// waits long for what a dead node had.
pub const LEASE: Duration = Duration::from_secs(15);
/// A node stops acting so long before its lease is over: clocks drift, and a request takes a moment to leave.
const MARGIN: Duration = Duration::from_secs(1);
/// How long a claim is ours without renewal where no other node could take it over.
const SOLE_LEASE: Duration = Duration::from_secs(60);

/// Shared by everything that acts for this node.
#[derive(Debug)]
pub struct Tenure {
    shared: bool,
    clock: Watched,
    /// By the clock that never goes back, in microseconds; it stands still while the machine sleeps.
    until: AtomicU64,
    /// By the clock on the wall, which does not.
    until_wall: AtomicI64,
}

struct Watched(SharedClock);

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a clock")
    }
}

/// When a node asked for its lease: it counts from then, whenever the answer comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    monotonic: Duration,
    wall: Timestamp,
}

impl Tenure {
    #[must_use]
    pub(crate) fn new(shared: bool, clock: SharedClock) -> Self {
        Self { shared, clock: Watched(clock), until: AtomicU64::new(0), until_wall: AtomicI64::new(i64::MIN) }
    }

    /// Several nodes may use the store.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// How long a lease or a claim spans.
    pub(crate) fn span(&self) -> Duration {
        if self.shared { LEASE } else { SOLE_LEASE }
    }

    /// Whether nobody can have taken over what this node has.
    pub(crate) fn holds(&self) -> bool {
        let clock = &self.clock.0;
        !self.shared
            || (micros(clock.monotonic()) < self.until.load(Ordering::Acquire)
                && clock.now().as_micros() < self.until_wall.load(Ordering::Acquire))
    }

    pub(crate) fn asked(&self) -> Asked {
        Asked { monotonic: self.clock.0.monotonic(), wall: self.clock.0.now() }
    }

    /// The lease was given that was asked for then.
    pub(crate) fn extend(&self, asked: Asked) {
        let span = LEASE.saturating_sub(MARGIN);
        self.until.store(micros(asked.monotonic + span), Ordering::Release);
        self.until_wall.store((asked.wall + span).as_micros(), Ordering::Release);
    }

    /// From now on this node does nothing more.
    pub(crate) fn end(&self) {
        self.until.store(0, Ordering::Release);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::clock::Clock;

    /// Two hands that a test sets.
    #[derive(Default)]
    struct Hands {
        monotonic: AtomicU64,
        wall: AtomicI64,
    }

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::from_secs(self.wall.load(Ordering::Relaxed))
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.monotonic.load(Ordering::Relaxed))
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn it_ends_by_whichever_clock_says_so_first_and_counts_from_when_it_was_asked_for() {
        let hands = Arc::new(Hands::default());
        let tenure = Tenure::new(true, Arc::clone(&hands) as SharedClock);
        assert!(!tenure.holds(), "nobody has given it one yet");
        let asked = tenure.asked();
        hands.monotonic.store(10, Ordering::Relaxed);
        hands.wall.store(10, Ordering::Relaxed);
        tenure.extend(asked);
        assert!(tenure.holds());
        for (monotonic, wall, holds) in [(13, 13, true), (14, 13, false), (13, 14, false), (13, 3_600, false)] {
            hands.monotonic.store(monotonic, Ordering::Relaxed);
            hands.wall.store(wall, Ordering::Relaxed);
            assert_eq!(tenure.holds(), holds, "{monotonic} {wall}");
        }
        hands.wall.store(0, Ordering::Relaxed);
        tenure.end();
        assert!(!tenure.holds());
        assert!(Tenure::new(false, hands).holds(), "a sole owner needs no lease");
    }
}
