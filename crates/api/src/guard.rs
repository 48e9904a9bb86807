//! Deadlines around request bodies, whatever handler reads them: a sender that stops, or drips, is given up.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use engine::clock::SharedClock;
use futures_util::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};

use crate::app::Limits;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body took longer than its deadline.
#[derive(Debug)]
pub struct BodyTooSlow;

impl fmt::Display for BodyTooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body did not arrive in time")
    }
}

impl std::error::Error for BodyTooSlow {}

/// A body that must keep coming, and end, in time.
pub struct TimedBody<B> {
    inner: B,
    clock: SharedClock,
    idle: Duration,
    total: Duration,
    /// When the first wait began; a body that is all there never asks for the time.
    began: Option<Duration>,
    alarm: Option<BoxFuture<'static, ()>>,
}

impl<B> TimedBody<B> {
    pub fn new(inner: B, clock: SharedClock, limits: &Limits) -> Self {
        Self { inner, clock, idle: limits.body_idle, total: limits.body_time, began: None, alarm: None }
    }

    /// Waits for the sooner of both deadlines.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let alarm = self.alarm.get_or_insert_with(|| {
            let now = self.clock.monotonic();
            let began = *self.began.get_or_insert(now);
            let left = (began + self.total).saturating_sub(now);
            self.clock.sleep(self.idle.min(left))
        });
        alarm.as_mut().poll(context)
    }
}

impl<B> Body for TimedBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            self.alarm = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.poll_alarm(context));
        Poll::Ready(Some(Err(Box::new(BodyTooSlow))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body_util::{BodyExt, StreamBody};

    use super::*;
    use crate::tests::PausedClock;

    type Pieces = stream::BoxStream<'static, Result<Frame<Bytes>, BoxError>>;

    /// One byte every `gap`, `count` times.
    fn dripping(clock: &SharedClock, gap: Duration, count: usize) -> StreamBody<Pieces> {
        let clock = SharedClock::clone(clock);
        let pieces = stream::unfold(0, move |sent| {
            let nap = clock.sleep(gap);
            async move {
                nap.await;
                (sent < count).then(|| (Ok(Frame::data(Bytes::from_static(b"x"))), sent + 1))
            }
        });
        StreamBody::new(pieces.boxed())
    }

    async fn read(gap: Duration, count: usize) -> Result<usize, BoxError> {
        let clock = PausedClock::shared();
        let limits =
            Limits { body_idle: Duration::from_secs(10), body_time: Duration::from_secs(60), ..Limits::default() };
        let body = TimedBody::new(dripping(&clock, gap, count), clock, &limits);
        body.collect().await.map(|body| body.to_bytes().len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_be_slow_but_neither_stop_nor_go_on_for_ever() {
        let secs = Duration::from_secs;
        assert_eq!(read(secs(5), 10).await.ok(), Some(10));
        for (gap, count) in [(secs(11), 1), (secs(5), 13), (Duration::from_millis(900), 1_000)] {
            let error = read(gap, count).await.expect_err("too slow");
            assert!(error.is::<BodyTooSlow>(), "{error}");
        }
    }
}
