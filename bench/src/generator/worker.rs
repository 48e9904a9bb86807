//! One connection of the generator: waits for its slot, writes one prepared request, reads one answer.
//! A raw socket rather than an HTTP library: the same exchange costs hyper's client about as much CPU as the product
//! may spend on its side, and generator and product share the machine.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Pace, Shared};
use crate::stopwatch::PreciseTimer;
use crate::wire::{self, WireError};

/// Pause after a failed connection, so that a gateway that is down is not dialled in a busy loop.
const RECONNECT_PAUSE: Duration = Duration::from_millis(10);
/// How long before its time a worker wakes to be awake when it comes: waking from idle takes some 50 µs, which would
/// be charged to the gateway.
const WAKE_EARLY_MAX: Duration = Duration::from_micros(200);
/// At most this share of a core is spent on being awake early.
const WAKE_EARLY_SHARE_MAX: f64 = 0.1;
/// Usual size of an answer with its head; grows where one is longer.
const ANSWER_BYTES: usize = 2048;
/// How much of an unexpected answer is kept for the error message.
const REFUSAL_BYTES_MAX: usize = 400;

struct Worker {
    shared: Arc<Shared>,
    timer: PreciseTimer,
    stream: Option<TcpStream>,
    request: Vec<u8>,
    answer: Vec<u8>,
}

pub(super) async fn run(shared: Arc<Shared>) {
    let timer = match PreciseTimer::new() {
        Ok(timer) => timer,
        Err(error) => return shared.note_failure(&WireError::Io(error)),
    };
    let buffers = (Vec::with_capacity(ANSWER_BYTES), Vec::with_capacity(ANSWER_BYTES));
    // Before the first event is due, so that no latency has a handshake in it; what fails here is tried again then.
    let stream = connect(&shared).await.ok();
    let mut worker = Worker { shared, timer, stream, request: buffers.0, answer: buffers.1 };
    while let Some(slot) = worker.shared.next_slot() {
        if !worker.send_one(slot).await {
            return;
        }
    }
}

impl Worker {
    /// Sends one event when it is due; false when there is no more to do.
    async fn send_one(&mut self, slot: u64) -> bool {
        let Some(due_us) = self.wait_for(slot).await else {
            return false;
        };
        let Some(id) = self.shared.ledger.take() else {
            self.shared.ledger_full.store(true, Relaxed);
            return false;
        };
        self.shared.sent.fetch_add(1, Relaxed);
        let templates = &self.shared.load.templates;
        templates[id as usize % templates.len()].render(id, &mut self.request);
        self.shared.ledger.due(id, due_us);
        match self.exchange().await {
            Ok(status) => self.shared.note_answer(id, status, &self.answer),
            Err(error) => {
                self.stream = None;
                self.shared.note_failure(&error);
                // A timer that cannot be set costs only the pause.
                let _ = self.timer.wait(RECONNECT_PAUSE).await;
            }
        }
        true
    }

    /// Waits for the slot's time and returns it; a time that has passed is returned at once, and unchanged. `None` if
    /// it is after the stop.
    async fn wait_for(&self, slot: u64) -> Option<u32> {
        let due_us = match self.shared.load.pace {
            Pace::Closed => self.shared.ledger.stopwatch().micros(),
            Pace::Open { per_second } => self.wait_on_schedule(slot, per_second).await,
        };
        (due_us <= self.shared.stop_us.load(Relaxed)).then_some(due_us)
    }

    async fn wait_on_schedule(&self, slot: u64, per_second: f64) -> u32 {
        let due = self.shared.started + Duration::from_secs_f64((slot + 1) as f64 / per_second);
        let early = WAKE_EARLY_MAX.min(Duration::from_secs_f64(WAKE_EARLY_SHARE_MAX / per_second));
        let stopwatch = self.shared.ledger.stopwatch();
        let left = due.saturating_sub(stopwatch.elapsed()).saturating_sub(early);
        if let Err(error) = self.timer.wait(left).await {
            self.shared.note_failure(&WireError::Io(error));
        }
        while stopwatch.elapsed() < due {
            tokio::task::yield_now().await;
        }
        u32::try_from(due.as_micros()).unwrap_or(u32::MAX)
    }

    async fn exchange(&mut self) -> Result<u16, WireError> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(connect(&self.shared).await?),
        };
        self.answer.clear();
        stream.write_all(&self.request).await?;
        match wire::read(stream, &mut self.answer).await? {
            Some(_) => Ok(wire::status(&self.answer)),
            None => Err(WireError::Truncated),
        }
    }
}

async fn connect(shared: &Shared) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(shared.load.target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Shared {
    fn note_answer(&self, id: u64, status: u16, answer: &[u8]) {
        match status {
            200..=299 => {
                self.ledger.ack(id);
                self.accepted.fetch_add(1, Relaxed);
                return;
            }
            503 => self.unavailable.fetch_add(1, Relaxed),
            _ => self.refused.fetch_add(1, Relaxed),
        };
        let shown = &answer[..answer.len().min(REFUSAL_BYTES_MAX)];
        self.refusal.get_or_init(|| String::from_utf8_lossy(shown).into_owned());
    }

    fn note_failure(&self, error: &WireError) {
        self.failed.fetch_add(1, Relaxed);
        self.refusal.get_or_init(|| error.to_string());
    }
}
