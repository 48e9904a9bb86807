//! The tool's only clocks: wall time from one start, a thread's CPU time, and waits finer than a runtime's timer.
//! No other file of this crate may read time.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// Wall time since one moment, on the monotonic clock. Copies share the moment, so their readings compare.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    started: Instant,
}

impl Stopwatch {
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a load tool measures real time; nothing it times is simulated")]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.started.elapsed()
    }

    /// Elapsed microseconds, saturating after 71 minutes: four bytes an instant keep a million events small.
    #[must_use]
    pub fn micros(self) -> u32 {
        u32::try_from(self.elapsed().as_micros()).unwrap_or(u32::MAX)
    }

    /// Blocks this thread until `at` has passed on this stopwatch.
    pub fn wait_until(self, at: Duration) {
        pause(at.saturating_sub(self.elapsed()));
    }
}

/// Blocks this thread.
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// CPU time (user and system) that the calling thread has used.
#[must_use]
pub fn thread_cpu() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(used.tv_sec).unwrap_or(0), u32::try_from(used.tv_nsec).unwrap_or(0))
}

/// An async wait with the kernel's precision: the runtime's own timer rounds up to whole milliseconds, which is more
/// than the latencies measured here.
pub struct PreciseTimer(AsyncFd<OwnedFd>);

impl PreciseTimer {
    /// # Errors
    /// When the process is out of file descriptors.
    pub fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(deprecated, reason = "its unsafe successor asks for what an OwnedFd, never given out, guarantees")]
        let registered = AsyncFd::new(timer)?;
        Ok(Self(registered))
    }

    /// # Errors
    /// When the kernel refuses the timer.
    pub async fn wait(&self, time: Duration) -> io::Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(time.subsec_nanos()),
        };
        let once = Itimerspec { it_interval: never, it_value: value };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let mut expirations = [0_u8; 8];
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut expirations)?));
            if let Ok(result) = read {
                return result.map(drop);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precise_wait_is_never_short() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let timer = PreciseTimer::new().unwrap();
            for micros in [0, 1, 300, 2_500] {
                let time = Duration::from_micros(micros);
                let stopwatch = Stopwatch::start();
                timer.wait(time).await.unwrap();
                assert!(stopwatch.elapsed() >= time, "waited {:?} instead of {time:?}", stopwatch.elapsed());
            }
        });
    }

    #[test]
    fn cpu_time_counts_work_and_not_waiting() {
        let before = thread_cpu();
        pause(Duration::from_millis(30));
        let waited = thread_cpu().saturating_sub(before);
        let mut sum = 0_u64;
        while thread_cpu().saturating_sub(before) < Duration::from_millis(20) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(waited < Duration::from_millis(20), "waiting was counted as work: {waited:?}");
        assert!(sum > 0);
    }
}
