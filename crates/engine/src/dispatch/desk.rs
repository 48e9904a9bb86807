//! The desk of one destination: its queue in memory, its breaker, its rate, and what it knows of the store's backlog.
//!
//! A desk only decides; [`super::Dispatcher`] acts.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use domain::breaker::{Breaker, BreakerState, Permit};
use domain::delivery::Outcome;
use domain::rate::TokenBucket;
use store::dispatch::ClaimAnswer;
use tokio::sync::oneshot;

use super::queue::Queue;
use crate::topology::Destination;
use crate::work::Work;

/// Longest time that one `Retry-After` can silence a whole destination.
const SILENCE_MAX: Duration = Duration::from_secs(60 * 60);
/// How long the breaker may be open before people are told: a restart of the destination is over by then.
const ALARM_AFTER: Duration = Duration::from_secs(60);
/// Backfilled ones leave one in so many of a destination's tries at once to others, so that one that comes needs not wait
/// for the end of any.
const KEPT_FREE: u32 = 4;

#[derive(Debug)]
pub(super) struct Desk {
    pub destination: Arc<Destination>,
    pub queue: Queue,
    pub in_flight: u32,
    backfilled_in_flight: u32,
    breaker: Breaker,
    bucket: Option<TokenBucket>,
    /// The destination asked for silence until then (429 or 503 with `Retry-After`).
    silent_until: Option<Timestamp>,
    /// The store could not answer for it: not asked again before then.
    pub unanswered_until: Option<Timestamp>,
    /// The store may hold due deliveries for it, backfilled ones apart.
    backlog: bool,
    /// The store may hold due backfilled ones.
    backfill: bool,
    /// Counts the hints of backlog, so that an answer to an older question cannot silence a newer hint.
    hints: u64,
    /// The earliest time at which something in the store becomes due.
    pub next_due: Option<Timestamp>,
    /// The timer that is set for it.
    pub wakes_at: Option<Timestamp>,
    /// Already in the ring of desks that have something to send.
    pub in_ring: bool,
    /// Since when the breaker has not been closed.
    open_since: Option<Timestamp>,
    /// People were told that it is open.
    alarmed: bool,
    /// It took something since the process began, and since its breaker was last open.
    proved: bool,
    /// Who waits until nothing is under way any more: another node takes charge then.
    leaving: Vec<oneshot::Sender<()>>,
}

/// When to tell people of an open breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    At(Timestamp),
    /// It has been open since then.
    Now(Timestamp),
}

/// What the desk can do now.
#[derive(Debug)]
pub(super) enum Turn {
    Send(Box<Work>),
    /// Nothing to send, or no room to send it in: something else will wake it.
    Idle,
    /// Look again at this time.
    Wait(Timestamp),
}

/// What the store was asked, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// How many hints had come.
    pub hints: u64,
    pub at: Timestamp,
    /// Whether it was asked for backfilled ones too.
    pub backfill: bool,
}

/// What to ask the store for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appetite {
    /// Something else will wake the desk: room that is given back, a hint, an end of a try.
    Nothing,
    Take {
        limit: u32,
        backfill: u32,
    },
    /// Nothing may be sent before then, and nobody else will say when.
    Later(Timestamp),
}

impl Desk {
    pub fn new(destination: Arc<Destination>, now: Timestamp) -> Self {
        let breaker = Breaker::new(destination.spec.breaker.clone());
        let bucket = destination.spec.rate_limit.map(|rate| TokenBucket::new(rate, now));
        Self {
            destination,
            queue: Queue::default(),
            in_flight: 0,
            backfilled_in_flight: 0,
            breaker,
            bucket,
            silent_until: None,
            unanswered_until: None,
            backlog: true,
            backfill: true,
            hints: 0,
            next_due: None,
            wakes_at: None,
            in_ring: false,
            open_since: None,
            alarmed: false,
            proved: false,
            leaving: Vec::new(),
        }
    }

    /// Another node may have sent until now, at the full rate: what it used up is not given once more. How the
    /// destination does is learned anew.
    pub fn take_charge(&mut self, now: Timestamp) {
        self.bucket = self.destination.spec.rate_limit.map(|rate| TokenBucket::empty(rate, now));
        self.breaker = Breaker::new(self.destination.spec.breaker.clone());
        (self.silent_until, self.unanswered_until) = (None, None);
        (self.open_since, self.alarmed, self.proved) = (None, false, false);
        self.hint_backlog();
        self.tell_gate(now);
    }

    /// Says so once nothing is under way any more.
    pub fn leave(&mut self, left: oneshot::Sender<()>) {
        self.leaving.push(left);
        self.tell_left();
    }

    fn tell_left(&mut self) {
        if self.in_flight == 0 {
            // Whoever waited may have gone.
            for left in self.leaving.drain(..) {
                let _ = left.send(());
            }
        }
    }

    /// Takes over a changed configuration; breaker and rate start anew only if theirs changed.
    pub fn reconfigure(&mut self, destination: Arc<Destination>, now: Timestamp) {
        let (old, new) = (&self.destination.spec, &destination.spec);
        if old.rate_limit != new.rate_limit {
            self.bucket = new.rate_limit.map(|rate| TokenBucket::new(rate, now));
        }
        if old.breaker != new.breaker || old.http.url != new.http.url {
            self.breaker = Breaker::new(new.breaker.clone());
            self.silent_until = None;
            (self.open_since, self.alarmed, self.proved) = (None, false, false);
        }
        self.destination = destination;
        self.hint_backlog();
        self.tell_gate(now);
    }

    /// The next work to send, if it may go now; at most `share` are under way at once.
    pub fn turn(&mut self, now: Timestamp, share: u32) -> Turn {
        let window = self.destination.spec.http.concurrency.max(1).min(share);
        let backfilled_too = self.backfilled_in_flight < window - window / KEPT_FREE;
        if self.in_flight >= window || !self.queue.has_next(backfilled_too) {
            return Turn::Idle;
        }
        if let Some(until) = self.silent_until.filter(|until| now < *until) {
            return Turn::Wait(until);
        }
        match self.breaker.permit(now) {
            Permit::Wait(until) => return Turn::Wait(until),
            Permit::Free | Permit::Probe => {}
        }
        if let Some(Err(next)) = self.bucket.as_mut().map(|bucket| bucket.take(now)) {
            self.breaker.probe_withdrawn();
            return Turn::Wait(next);
        }
        match self.queue.pop(backfilled_too) {
            Some(work) => {
                self.in_flight += 1;
                self.backfilled_in_flight += u32::from(work.backfill);
                Turn::Send(Box::new(work))
            }
            None => Turn::Idle,
        }
    }

    /// One of its tries has ended.
    pub fn ended(&mut self, work: &Work) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.backfilled_in_flight = self.backfilled_in_flight.saturating_sub(u32::from(work.backfill));
        self.tell_left();
    }

    /// Learns how a try ended. `retry_after` counts for the whole destination when it was overloaded. Gives whether
    /// the destination has just proved that it works: at first, and after every time that its breaker was open.
    pub fn learn(&mut self, outcome: &Outcome, overloaded_for: Option<Duration>, now: Timestamp) -> bool {
        match outcome {
            // A silence that was asked for ends by its time: this one may have been on its way before it was.
            Outcome::Delivered => self.breaker.succeeded(),
            Outcome::Failed { .. } | Outcome::Gone => self.breaker.failed(now),
            Outcome::Filtered | Outcome::Unpreparable | Outcome::Unready | Outcome::Untried { .. } => self.untouched(),
        }
        if self.breaker.state() == BreakerState::Closed {
            (self.open_since, self.alarmed) = (None, false);
        } else {
            self.open_since = self.open_since.or(Some(now));
            self.proved = false;
        }
        if let Some(wait) = overloaded_for {
            self.silent_until = Some(now + wait.min(SILENCE_MAX));
        }
        self.tell_gate(now);
        *outcome == Outcome::Delivered && !std::mem::replace(&mut self.proved, true)
    }

    /// Nothing was sent: neither the rate nor the probe was used.
    fn untouched(&mut self) {
        self.breaker.probe_withdrawn();
        if let Some(bucket) = &mut self.bucket {
            bucket.give_back();
        }
    }

    /// Newcomers stay in the store while nothing may be sent.
    pub fn tell_gate(&self, now: Timestamp) {
        let silent = self.silent_until.is_some_and(|until| now < until);
        self.destination.gate.set_shut(silent || self.breaker.state() != BreakerState::Closed);
        self.destination.gate.set_backlog(self.backlog);
    }

    /// When people are to be told that the breaker is open; [`Alarm::Now`] is given once.
    pub fn alarm(&mut self, now: Timestamp) -> Option<Alarm> {
        let since = self.open_since.filter(|_| !self.alarmed)?;
        let at = since + ALARM_AFTER;
        if now < at {
            return Some(Alarm::At(at));
        }
        self.alarmed = true;
        Some(Alarm::Now(since))
    }

    pub fn breaker(&self) -> BreakerState {
        self.breaker.state()
    }

    pub fn backlog(&self) -> bool {
        self.backlog || self.backfill
    }

    pub fn hint_backlog(&mut self) {
        (self.backlog, self.backfill) = (true, true);
        self.hints += 1;
        self.destination.gate.set_backlog(true);
    }

    pub fn hints(&self) -> u64 {
        self.hints
    }

    /// How many to ask the store for: none without a backlog, and not before a quarter of the room is free, so that
    /// each question is worth its cost. While the breaker is not closed one is enough, for the probe.
    pub fn appetite(&self, now: Timestamp) -> Appetite {
        let gate = &self.destination.gate;
        let worth = |room: u32, of: u32, has_some: bool| if room < of / 4 && has_some { 0 } else { room };
        let live = worth(gate.room(), gate.capacity(), self.queue.has_live());
        let backfill = worth(gate.room_for_backfill(), gate.capacity_for_backfill(), self.queue.has_backfilled());
        let (live, backfill) = (if self.backlog { live } else { 0 }, if self.backfill { backfill } else { 0 });
        if gate.held() || !gate.in_charge() || (live, backfill) == (0, 0) {
            return Appetite::Nothing;
        }
        if let Some(until) = self.silent_until.max(self.unanswered_until).filter(|until| now < *until) {
            return Appetite::Later(until);
        }
        match self.breaker.state() {
            BreakerState::Closed => Appetite::Take { limit: live, backfill },
            BreakerState::Open | BreakerState::HalfOpen if self.queue.is_empty() && self.in_flight == 0 => {
                Appetite::Take { limit: live.min(1), backfill: backfill.min(1) }
            }
            BreakerState::Open | BreakerState::HalfOpen => Appetite::Nothing,
        }
    }

    /// Takes the store's answer to a question.
    pub fn answered(&mut self, answer: &ClaimAnswer, question: Question, now: Timestamp) {
        let hinted = self.hints != question.hints;
        self.backlog = answer.more || hinted;
        // Where nothing was asked about them, nothing was learned.
        self.backfill = if question.backfill { answer.more_backfill || hinted } else { self.backfill };
        match answer.next_due {
            Some(due) if due > now => self.due_at(due),
            // It became due while the answer was under way.
            Some(due) if due > question.at => (self.backlog, self.backfill) = (true, true),
            // What was due already is what there is more of: it waits for room, not for time.
            Some(_) | None => {}
        }
        self.destination.gate.set_backlog(self.backlog);
    }

    /// Something in the store becomes due at this time. What was known before stays: a look too many costs one
    /// question, a look too few a delivery.
    pub fn due_at(&mut self, due: Timestamp) {
        self.next_due = Some(self.next_due.map_or(due, |known| known.min(due)));
    }
}
