//! A clock that a simulation owns: tokio's paused time, which jumps to the next timer whenever nothing can run.

use std::time::Duration;

use domain::Timestamp;
use engine::clock::Clock;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

/// Time goes on from `base` since the runtime it was made on was started paused.
#[derive(Debug)]
pub struct SimClock {
    base: Timestamp,
    started: Instant,
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that simulations are told to take")]
impl SimClock {
    /// Must be called within a runtime whose time is paused.
    #[must_use]
    pub fn starting_at(base: Timestamp) -> Self {
        Self { base, started: Instant::now() }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that simulations are told to take")]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.base + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        Instant::now() - self.started
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
