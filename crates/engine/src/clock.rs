//! Time as an argument. This file is the only place in the workspace that reads a clock or sleeps.
//!
//! Everything else takes a [`Clock`], so that a simulation owns time and any failure can be replayed.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use domain::Timestamp;
use futures_util::future::BoxFuture;

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock: for what is stored, signed and shown. It may jump; nothing is measured with it.
    fn now(&self) -> Timestamp;

    /// Time since the clock was made: for time-outs and measurements. It never goes back.
    fn monotonic(&self) -> Duration;

    /// Completes after `duration` of monotonic time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// A clock as it is handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock, sleeping on tokio's timer.
#[derive(Clone, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is told to take")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }

    #[must_use]
    pub fn shared() -> SharedClock {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is told to take")]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A machine set before 1970 reads as 1970: its times are wrong either way, and nothing may panic over it.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::EPOCH + since_epoch
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Time that this thread has spent computing: what tells a long computation from a machine that was busy with
/// something else. Only differences mean anything.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The time given to [`timeout`] has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time limit has passed")
    }
}

impl std::error::Error for Elapsed {}

/// Gives `future` at most `limit`. The timer is made only if the future is not ready at once, because most of
/// what is awaited on the hot path is.
pub async fn timeout<F: Future>(clock: &dyn Clock, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut alarm = None;
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        let alarm = alarm.get_or_insert_with(|| clock.sleep(limit));
        alarm.as_mut().poll(context).map(|()| Err(Elapsed))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_future_that_is_ready_needs_no_time_and_one_that_hangs_is_given_up() {
        let clock = SystemClock::new();
        assert_eq!(timeout(&clock, Duration::ZERO, ready(7)).await, Ok(7));
        assert_eq!(timeout(&clock, Duration::from_secs(3600), pending::<()>()).await, Err(Elapsed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_that_ends_in_time_is_not_given_up() {
        let clock = SystemClock::new();
        let nap = clock.sleep(Duration::from_secs(1));
        assert_eq!(timeout(&clock, Duration::from_secs(2), nap).await, Ok(()));
    }

    #[test]
    fn only_computing_takes_cpu_time() {
        let before = thread_cpu_time();
        std::thread::yield_now();
        let mut sum = 0u64;
        while thread_cpu_time() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(thread_cpu_time() > before);
    }

    #[test]
    fn the_wall_clock_is_in_this_age_and_the_monotonic_one_starts_at_zero() {
        let clock = SystemClock::new();
        assert!(clock.now() > Timestamp::from_secs(1_700_000_000));
        let first = clock.monotonic();
        assert!(first < Duration::from_secs(60) && clock.monotonic() >= first);
    }
}
