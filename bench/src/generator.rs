//! The sender: keep-alive connections that send signed events, either as fast as the answers come (closed loop) or on
//! a schedule that a slow gateway cannot slow down (open loop). It records; it judges nothing.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::error::BenchError;
use crate::ledger::Ledger;
use crate::payload::Template;
use crate::runtime_thread::{RuntimeThread, StopSignal};

mod worker;

/// Longest wait for requests in flight after a stop: past it their outcome counts as unknown.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// What to send, where, and how fast.
pub struct Load {
    pub target: SocketAddr,
    /// Event `id` is sent as template `id % templates.len()`.
    pub templates: Vec<Template>,
    pub connections: usize,
    pub pace: Pace,
    /// End after so many events.
    pub limit: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Each connection sends its next event when it has the last answer: the most that the gateway takes.
    Closed,
    /// Events are due at even intervals whatever the gateway does, and latency counts from then: waiting behind a
    /// stalled gateway is part of it. Any idle connection takes the next one due.
    Open { per_second: f64 },
}

/// What became of the events sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Answered 2xx.
    pub accepted: u64,
    /// Answered 503: the gateway's way of asking for patience.
    pub unavailable: u64,
    /// Answered anything else.
    pub refused: u64,
    /// Not answered: the connection failed.
    pub failed: u64,
    /// Due before the stop, and not answered within its grace.
    pub unanswered: u64,
    /// CPU time that the generator used.
    pub cpu: Duration,
    /// The first answer that was not 2xx, for people.
    pub refusal: Option<String>,
    /// Whether it ended because the ledger had no more room.
    pub ledger_full: bool,
}

impl Sent {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            accepted: self.accepted + other.accepted,
            unavailable: self.unavailable + other.unavailable,
            refused: self.refused + other.refused,
            failed: self.failed + other.failed,
            unanswered: self.unanswered + other.unanswered,
            cpu: self.cpu + other.cpu,
            refusal: self.refusal.or(other.refusal),
            ledger_full: self.ledger_full || other.ledger_full,
        }
    }
}

/// A running generator.
pub struct Generator {
    thread: RuntimeThread,
    shared: Arc<Shared>,
}

/// What the workers share.
struct Shared {
    load: Load,
    ledger: Arc<Ledger>,
    /// The schedule's zero, on the ledger's stopwatch.
    started: Duration,
    slots: AtomicU64,
    /// What is due later is not sent any more; on the ledger's stopwatch, in microseconds.
    stop_us: AtomicU32,
    sent: AtomicU64,
    ledger_full: AtomicBool,
    accepted: AtomicU64,
    unavailable: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    refusal: OnceLock<String>,
}

impl Generator {
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(load: Load, ledger: Arc<Ledger>) -> Result<Self, BenchError> {
        let shared = Arc::new(Shared::new(load, ledger));
        let workers = Arc::clone(&shared);
        let thread = RuntimeThread::spawn("generator", move |signal| drive(workers, signal))?;
        Ok(Self { thread, shared })
    }

    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Sends nothing that is due later, and waits for the answers to all that is due already: leaving out what a
    /// stalled gateway has kept from being sent would hide the stall.
    ///
    /// # Errors
    /// When the generator panicked.
    pub fn stop(self) -> Result<Sent, BenchError> {
        let cpu = self.thread.stop()?;
        Ok(self.shared.sent(cpu))
    }

    /// Waits until [`Load::limit`] is reached.
    ///
    /// # Errors
    /// When the generator panicked.
    pub fn wait(self) -> Result<Sent, BenchError> {
        let cpu = self.thread.wait()?;
        Ok(self.shared.sent(cpu))
    }
}

async fn drive(shared: Arc<Shared>, signal: StopSignal) {
    let mut workers = JoinSet::new();
    for _ in 0..shared.load.connections {
        workers.spawn(worker::run(Arc::clone(&shared)));
    }
    let all = async {
        while let Some(ended) = workers.join_next().await {
            ended.expect("a worker never panics nor is it cancelled");
        }
    };
    tokio::pin!(all);
    tokio::select! {
        () = &mut all => return,
        () = signal.wait() => shared.stop_us.store(shared.ledger.stopwatch().micros(), Relaxed),
    }
    // Past the grace the workers are dropped with the runtime: their events stay unanswered, and are counted so.
    let _ = tokio::time::timeout(STOP_GRACE, all).await;
}

impl Shared {
    fn new(load: Load, ledger: Arc<Ledger>) -> Self {
        Self {
            started: ledger.stopwatch().elapsed(),
            load,
            ledger,
            slots: AtomicU64::new(0),
            stop_us: AtomicU32::new(u32::MAX),
            sent: AtomicU64::new(0),
            ledger_full: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            unavailable: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            refusal: OnceLock::new(),
        }
    }

    fn sent(&self, cpu: Duration) -> Sent {
        let counts = [&self.accepted, &self.unavailable, &self.refused, &self.failed];
        let [accepted, unavailable, refused, failed] = counts.map(|count| count.load(Relaxed));
        let answered = accepted + unavailable + refused + failed;
        Sent {
            accepted,
            unavailable,
            refused,
            failed,
            unanswered: self.sent.load(Relaxed).max(self.due()).saturating_sub(answered),
            cpu,
            refusal: self.refusal.get().cloned(),
            ledger_full: self.ledger_full.load(Relaxed),
        }
    }

    /// How many events the schedule had until the stop, if there was one.
    fn due(&self) -> u64 {
        let stop_us = self.stop_us.load(Relaxed);
        match self.load.pace {
            Pace::Open { per_second } if stop_us < u32::MAX => {
                let ran = Duration::from_micros(u64::from(stop_us)).saturating_sub(self.started);
                let due = (ran.as_secs_f64() * per_second) as u64;
                self.load.limit.map_or(due, |limit| due.min(limit))
            }
            Pace::Open { .. } | Pace::Closed => 0,
        }
    }

    /// The next place in the schedule, or `None` past the limit.
    fn next_slot(&self) -> Option<u64> {
        let slot = self.slots.fetch_add(1, Relaxed);
        self.load.limit.is_none_or(|limit| slot < limit).then_some(slot)
    }
}
