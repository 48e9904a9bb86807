//! What unit tests share: a clock for those that pause the runtime's timer. Both of its times follow that timer.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use engine::clock::{Clock, SharedClock};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

pub struct PausedClock {
    started: Instant,
}

impl PausedClock {
    #[expect(clippy::disallowed_methods, reason = "a paused timer is no reading of the machine's clock")]
    pub fn shared() -> SharedClock {
        Arc::new(Self { started: Instant::now() })
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_767_225_600) + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "a paused timer is no reading of the machine's clock")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
