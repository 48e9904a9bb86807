//! What a connection is doing, and when it has been doing nothing for too long.
//!
//! The connection only moves counters; one timer per connection looks at them, so that a request costs no timer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use engine::clock::Clock;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::app::Limits;

/// What is read and thrown away of a request that was refused before its end: more than twice the largest body that
/// providers send.
const THROWN_AWAY_MAX: usize = 64 * 1024 * 1024;
const THROWN_AWAY_AT_ONCE: usize = 16 * 1024;

/// Shared by the stream, the service and the watch of one connection.
#[derive(Debug, Default)]
pub struct Vitals {
    /// Requests being answered: more than one only with HTTP/2.
    active: AtomicU32,
    /// Grows with every change of what the connection is doing.
    turn: AtomicU32,
    /// Between two requests, and not one byte of the next has come.
    idle: AtomicBool,
    /// HTTP/2 sends frames of its own between requests: they are not the beginning of a head.
    multiplexed: AtomicBool,
    /// Bytes wait for a caller who does not read them.
    stalled: AtomicBool,
    written: AtomicU32,
    /// The last answer was given before all of its request had come.
    cut_short: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    ReadingHead,
    Idle,
    Answering,
    WaitingToWrite,
}

impl Vitals {
    /// A request has come in; it is under way until the turn is dropped.
    pub fn begin(self: &Arc<Self>, multiplexed: bool) -> Turn {
        self.active.fetch_add(1, Ordering::Relaxed);
        self.turn.fetch_add(1, Ordering::Relaxed);
        if multiplexed {
            self.multiplexed.store(true, Ordering::Relaxed);
        }
        Turn(Arc::clone(self))
    }

    /// No more is taken from this caller, who may not have read yet why: what still comes is thrown away for a while,
    /// because closing at once would reset the connection, and the answer with it.
    pub fn cut_short(&self) {
        self.cut_short.store(true, Ordering::Relaxed);
    }

    pub fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Ordering::Relaxed)
    }

    fn doing(&self) -> (Doing, u32) {
        if self.stalled.load(Ordering::Relaxed) {
            return (Doing::WaitingToWrite, self.written.load(Ordering::Relaxed));
        }
        let turn = self.turn.load(Ordering::Relaxed);
        let doing = match (self.active.load(Ordering::Relaxed), self.idle.load(Ordering::Relaxed)) {
            (0, _) if self.cut_short.load(Ordering::Relaxed) => Doing::ReadingHead,
            (0, true) => Doing::Idle,
            (0, false) => Doing::ReadingHead,
            _ => Doing::Answering,
        };
        (doing, turn)
    }

    fn bytes_came(&self) {
        if self.idle.load(Ordering::Relaxed) && !self.multiplexed.load(Ordering::Relaxed) {
            self.idle.store(false, Ordering::Relaxed);
            self.turn.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn wrote<T>(&self, poll: &Poll<T>) {
        if poll.is_ready() {
            self.written.fetch_add(1, Ordering::Relaxed);
        }
        self.stalled.store(poll.is_pending(), Ordering::Relaxed);
    }

    /// Ends when the connection has done one thing for longer than it may, give or take a quarter of `head_time`.
    pub async fn outlived(&self, clock: &dyn Clock, limits: &Limits) {
        let tick = limits.head_time / 4;
        let (mut last, mut age) = (self.doing(), Duration::ZERO);
        loop {
            clock.sleep(tick).await;
            let now = self.doing();
            age = if now == last { age + tick } else { Duration::ZERO };
            last = now;
            let limit = match now.0 {
                Doing::ReadingHead => limits.head_time,
                Doing::Idle => limits.idle_time,
                Doing::WaitingToWrite => limits.write_stall,
                // Bodies have deadlines of their own, and answering takes as long as it takes.
                Doing::Answering => continue,
            };
            if age >= limit {
                return;
            }
        }
    }
}

/// One request under way.
pub struct Turn(Arc<Vitals>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.idle.store(true, Ordering::Relaxed);
        self.0.turn.fetch_add(1, Ordering::Relaxed);
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that tells its vitals what it does.
pub struct Watched<S> {
    inner: S,
    vitals: Arc<Vitals>,
    /// Our side of the connection is closed.
    ended: bool,
    /// Bytes that were thrown away since.
    thrown_away: usize,
}

impl<S> Watched<S> {
    pub fn new(inner: S, vitals: Arc<Vitals>) -> Self {
        Self { inner, vitals, ended: false, thrown_away: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.inner).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.vitals.bytes_came();
        }
        poll
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.vitals.wrote(&poll);
        poll
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.vitals.wrote(&poll);
        poll
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        if !self.ended {
            ready!(Pin::new(&mut self.inner).poll_shutdown(context))?;
            self.ended = true;
        }
        if self.vitals.cut_short.load(Ordering::Relaxed) { self.throw_away(context) } else { Poll::Ready(Ok(())) }
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Reads until the caller has finished, or has sent too much; how long that may take is the watch's to say.
    fn throw_away(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let mut space = [0; THROWN_AWAY_AT_ONCE];
        while self.thrown_away < THROWN_AWAY_MAX {
            let mut buffer = ReadBuf::new(&mut space);
            if ready!(Pin::new(&mut self.inner).poll_read(context, &mut buffer)).is_err() || buffer.filled().is_empty()
            {
                break;
            }
            self.thrown_away += buffer.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::tests::PausedClock;

    fn limits() -> Limits {
        let secs = Duration::from_secs;
        Limits { head_time: secs(8), idle_time: secs(60), write_stall: secs(30), ..Limits::default() }
    }

    /// Seconds until the watch ends while `act` goes on.
    async fn outlived_after(vitals: &Arc<Vitals>, act: impl Future<Output = ()>) -> u64 {
        let clock = PausedClock::shared();
        let watch = async {
            vitals.outlived(clock.as_ref(), &limits()).await;
            clock.monotonic().as_secs()
        };
        let act = async {
            act.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            seconds = watch => seconds,
            () = act => 0,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_never_asks_or_asks_too_slowly_is_given_up() {
        let vitals = Arc::new(Vitals::default());
        assert_eq!(outlived_after(&vitals, async {}).await, 8, "nothing came");
        drop(vitals.begin(false));
        assert_eq!(outlived_after(&vitals, async {}).await, 60, "kept alive");
        vitals.bytes_came();
        let clock = PausedClock::shared();
        let dripping = async {
            for _ in 0..100 {
                clock.sleep(Duration::from_secs(1)).await;
                vitals.bytes_came();
            }
        };
        assert!((8..=10).contains(&outlived_after(&vitals, dripping).await), "dripping bytes are no request");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_may_take_its_time_and_frames_between_requests_are_no_head() {
        let vitals = Arc::new(Vitals::default());
        let clock = PausedClock::shared();
        let turn = vitals.begin(true);
        let answered = async {
            clock.sleep(Duration::from_secs(600)).await;
            drop(turn);
            vitals.bytes_came();
        };
        assert!((660..=662).contains(&outlived_after(&vitals, answered).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_does_not_read_is_given_up() {
        let vitals = Arc::new(Vitals::default());
        let (near, mut far) = duplex(16);
        let mut near = Watched::new(near, Arc::clone(&vitals));
        let _turn = vitals.begin(false);
        let writing = async {
            // Two reads let some bytes go; then nobody reads any more.
            let _ = tokio::join!(near.write_all(&[0; 64]), async {
                let mut buffer = [0; 16];
                far.read_exact(&mut buffer).await.expect("bytes");
                far.read_exact(&mut buffer).await.expect("bytes");
                std::future::pending::<()>().await;
            });
        };
        assert!((30..=34).contains(&outlived_after(&vitals, writing).await));
    }
}
