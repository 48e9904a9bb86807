//! The schedule: which stream is read when, and by whose wish. Nothing is read here; what is due is begun and its end
//! awaited.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use domain::poll::{ChangeRate, Found, Next, Schedule as Pool, Terms};
use domain::run::StreamKey;
use domain::{SourceName, Tenant, Timestamp};
use store::StoreError;
use store::nodes::Hint;
use store::reading::{Checkpoint, Polled, Progress};
use tokio::task::JoinSet;

use super::handle::{Message, Overview};
use super::reconcile::Learned;
use super::slot::{BUSY_WAIT, Due, Past, Reach, Slot};
use super::view::{Shown, add};
use super::wanted::{spec_of, wanted};
use super::{Order, Parts, Wish};
use crate::alert::{Alerts, STREAM_FAILING, stream_object};
use crate::spec::{PollBudget, PollSpec, StreamSpec};
use crate::subscriptions::Covering;

/// Readings under way at once on this node: each holds a page in memory.
const RUNS_MAX: usize = 64;
/// How often what polls came to is written down.
const NOTE_EVERY: Duration = Duration::from_secs(5);
/// How long a stream whose polls rest is left out of a shared budget before it is looked at again.
const RESTS_FOR: Duration = Duration::from_secs(600);
/// Longest sleep: what is due is looked through again then, whatever was missed.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// The streams of one source that are polled from one budget.
struct Shared {
    pool: Pool<usize>,
    rate: domain::rate::Rate,
    /// When the next request of the budget may go to one of them.
    pick_at: Timestamp,
}

/// How a reading ended, for the schedule.
struct Finished {
    pub index: usize,
    pub what: Ending,
}

pub(super) enum Ending {
    Polled {
        found: u64,
        failed: bool,
        again_at: Option<Timestamp>,
        progress: Progress,
        message: Option<String>,
    },
    /// A dry one leaves the schedule as it is.
    Reconciled {
        dry: bool,
        /// Why it failed.
        message: Option<String>,
    },
    /// Another node has it.
    Busy,
    /// It is not configured any more, or the engine stops.
    Nothing,
}

pub(crate) struct Scheduler {
    parts: Parts,
    inbox: super::Orders,
    slots: Vec<Slot>,
    by_key: HashMap<StreamKey, usize>,
    /// When which slot may be due. Entries that are not true any more are passed over.
    due: BinaryHeap<Reverse<(Timestamp, usize)>>,
    shared: BTreeMap<(Tenant, SourceName), Shared>,
    runs: JoinSet<Finished>,
    /// Slots that are due and found no room.
    crowded: BTreeSet<usize>,
    notes: BTreeMap<StreamKey, Progress>,
    noted_at: Timestamp,
    /// How often notes were written down: what is read before and after belongs together only if this is the same.
    noted: u64,
}

impl Scheduler {
    pub fn new(parts: Parts, inbox: super::Orders) -> Self {
        let noted_at = parts.clock.now();
        Self {
            parts,
            inbox,
            slots: Vec::new(),
            by_key: HashMap::new(),
            due: BinaryHeap::new(),
            shared: BTreeMap::new(),
            runs: JoinSet::new(),
            crowded: BTreeSet::new(),
            notes: BTreeMap::new(),
            noted_at,
            noted: 0,
        }
    }

    /// Reads what is due until the engine stops; then waits for what is under way, which stops by itself.
    pub async fn run(mut self) {
        let (mut topology, mut held) = (self.parts.topology.clone(), self.parts.held.clone());
        let mut coverage = self.parts.coverage.changes();
        self.check(self.parts.store.end_lost_runs(self.parts.clock.now()).await.map(drop));
        self.redefine().await;
        loop {
            let now = self.parts.clock.now();
            self.begin_due(now);
            let wait = self.next_at(now).since(now).clamp(Duration::from_millis(1), SLEEP_MAX);
            tokio::select! {
                biased;
                () = self.parts.stop.cancelled() => break,
                changed = topology.changed() => match changed {
                    Ok(()) => self.redefine().await,
                    Err(_) => break,
                },
                Ok(()) = coverage.changed() => self.take_coverage(),
                Ok(()) = held.changed() => self.redefine().await,
                Some(finished) = self.runs.join_next(), if !self.runs.is_empty() => {
                    if let Ok(finished) = finished {
                        self.finished(finished);
                    }
                }
                message = self.inbox.recv() => match message {
                    Some(message) => self.hear(message),
                    None => break,
                },
                () = self.parts.clock.sleep(wait) => {}
            }
            self.note_now_and_then().await;
        }
        while let Some(finished) = self.runs.join_next().await {
            if let Ok(finished) = finished {
                self.finished(finished);
            }
        }
        self.note().await;
    }

    /// Takes up what is configured now.
    async fn redefine(&mut self) {
        let topology = Arc::clone(&self.parts.topology.borrow());
        let wanted = wanted(&topology);
        let now = self.parts.clock.now();
        let mut known: HashMap<StreamKey, Checkpoint> = HashMap::new();
        let tenants: BTreeSet<Tenant> = wanted.keys().map(|key| key.tenant.clone()).collect();
        for tenant in tenants {
            match self.parts.store.checkpoints(tenant, None).await {
                Ok(rows) => known.extend(rows.into_iter().map(|row| (row.key.clone(), row))),
                Err(error) => self.check(Err(error)),
            }
        }
        let held = Arc::clone(&self.parts.held.borrow());
        self.shared.clear();
        for slot in &mut self.slots {
            if !wanted.contains_key(&slot.key) {
                slot.redefine(StreamSpec::default(), now);
            }
        }
        for (key, spec) in wanted {
            let (checkpoint, elsewhere) = (known.get(&key), !held.has_stream(&key));
            let past = Past::of(checkpoint);
            let index = self.slot(&key, &spec, past, now);
            self.slots[index].set_elsewhere(elsewhere, past, now);
            self.remind(index, now);
            if let Some(PollSpec::Budget(share)) = spec.poll.filter(|_| !elsewhere) {
                let learned = checkpoint.and_then(|row| Learned::read(&row.learned).rate);
                self.share(index, &key, share, learned, now);
            }
        }
        self.take_coverage();
    }

    /// Takes up whose changes are told by subscriptions now.
    fn take_coverage(&mut self) {
        let topology = Arc::clone(&self.parts.topology.borrow());
        let now = self.parts.clock.now();
        for index in 0..self.slots.len() {
            let key = &self.slots[index].key;
            let source = topology.source(key.tenant.as_str(), key.source.as_str());
            let rests = source.is_some_and(|source| self.parts.coverage.covers(source, key));
            if self.slots[index].rest(rests, now) {
                self.remind(index, now);
            }
        }
    }

    fn slot(&mut self, key: &StreamKey, spec: &StreamSpec, past: Past, now: Timestamp) -> usize {
        let index = match self.by_key.get(key) {
            Some(index) => {
                self.slots[*index].redefine(spec.clone(), now);
                *index
            }
            None => {
                self.slots.push(Slot::new(key.clone(), spec.clone(), past, now));
                self.by_key.insert(key.clone(), self.slots.len() - 1);
                self.slots.len() - 1
            }
        };
        self.remind(index, now);
        index
    }

    fn share(&mut self, index: usize, key: &StreamKey, share: PollBudget, learned: Option<ChangeRate>, now: Timestamp) {
        let owner = (key.tenant.clone(), key.source.clone());
        let fresh = || Shared { pool: Pool::default(), rate: share.rate, pick_at: now };
        let shared = self.shared.entry(owner).or_insert_with(fresh);
        let terms = Terms { weight: share.weight, at_least: share.at_least, at_most: share.at_most };
        // What was never asked has waited for as long as anything may.
        let asked_at = self.slots[index].past.asked_at.unwrap_or(now - share.at_most);
        shared.pool.put(index, terms, asked_at);
        if let Some(rate) = learned {
            shared.pool.restore(&index, rate);
        }
    }

    fn covering(&self, key: &StreamKey) -> Option<Covering> {
        let topology = self.parts.topology.borrow();
        self.parts.coverage.of(topology.source(key.tenant.as_str(), key.source.as_str())?, key)
    }

    /// Notes when a slot has to be looked at.
    fn remind(&mut self, index: usize, now: Timestamp) {
        let at = self.slots[index].due_at(now);
        if at != Timestamp::NEVER {
            self.due.push(Reverse((at, index)));
        }
    }

    fn next_at(&self, now: Timestamp) -> Timestamp {
        let slot = self.due.peek().map(|Reverse((at, _))| *at);
        let pick = self.shared.values().map(|shared| shared.pick_at).min();
        if self.runs.len() >= RUNS_MAX {
            // The end of a run wakes.
            return now + SLEEP_MAX;
        }
        slot.into_iter().chain(pick).min().unwrap_or(now + SLEEP_MAX)
    }

    fn begin_due(&mut self, now: Timestamp) {
        for index in std::mem::take(&mut self.crowded) {
            self.begin(index, now);
        }
        while let Some(Reverse((at, index))) = self.due.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.due.pop();
            // The clock may have gone on since it was reminded of.
            if at <= now {
                self.begin(index, now);
            }
        }
        self.pick(now);
    }

    fn begin(&mut self, index: usize, now: Timestamp) {
        self.slots[index].forget_deserted();
        if self.slots[index].due_at(now) > now {
            self.remind(index, now);
            return;
        }
        if self.runs.len() >= RUNS_MAX {
            self.crowded.insert(index);
            return;
        }
        if let Some(due) = self.slots[index].take(now) {
            self.spawn(index, due);
        }
    }

    fn spawn(&mut self, index: usize, due: Due) {
        let (parts, key) = (self.parts.clone(), self.slots[index].key.clone());
        self.runs.spawn(async move {
            let what = match due {
                Due::Poll(reach) => parts.poll(&key, None, reach).await,
                Due::Reconcile => parts.reconcile_now(&key, None, (false, false)).await,
                Due::Ordered(Order { wish, answer, .. }) => match wish {
                    Wish::Poll => parts.poll(&key, Some(answer), Reach { in_full: true, wide: false }).await,
                    Wish::Reconcile { dry, deletes_confirmed } => {
                        parts.reconcile_now(&key, Some(answer), (dry, deletes_confirmed)).await
                    }
                    Wish::Backfill(start) => parts.backfill(&key, start, answer).await,
                },
            };
            Finished { index, what }
        });
    }

    /// Gives requests of shared budgets to the streams where they are worth most.
    fn pick(&mut self, now: Timestamp) {
        let mut picked = Vec::new();
        for ((tenant, source), shared) in &mut self.shared {
            let pace = shared.rate.per / shared.rate.count.max(1);
            let polls = self.parts.budgets.polls(tenant, source, shared.rate);
            while shared.pick_at <= now && self.runs.len() + picked.len() < RUNS_MAX {
                if polls.waits() {
                    // What was picked before has not been paid yet.
                    shared.pick_at = now + pace;
                    break;
                }
                match shared.pool.next(now) {
                    // It is asked once by itself when its rest ends.
                    Next::Ask(index) if self.slots[index].rests => {
                        shared.pool.failed(&index, now, Some(now + RESTS_FOR));
                    }
                    Next::Ask(index) if self.slots[index].running => {
                        shared.pool.failed(&index, now, None);
                    }
                    Next::Ask(index) => {
                        self.slots[index].begin(true, now);
                        picked.push(index);
                        shared.pick_at = shared.pick_at.max(now - pace) + pace;
                    }
                    Next::Wait(until) => shared.pick_at = until.max(now + Duration::from_millis(1)),
                    Next::Idle => shared.pick_at = now + Duration::from_secs(1),
                }
            }
        }
        for index in picked {
            let reach = self.slots[index].reach();
            self.spawn(index, Due::Poll(reach));
        }
    }

    fn hear(&mut self, message: Message) {
        let now = self.parts.clock.now();
        match message {
            Message::Hint(key, says_what) => {
                let Some(slot) = self.by_key.get(&key).map(|index| &self.slots[*index]) else { return };
                if slot.rests && says_what {
                    return;
                }
                if slot.elsewhere {
                    self.parts.store.tell(Hint::Changed(key));
                } else {
                    self.hinted(&key, now);
                }
            }
            Message::Heard(key) => self.hinted(&key, now),
            Message::Order(order) => {
                let key = order.key.clone();
                let topology = Arc::clone(&self.parts.topology.borrow());
                let spec = spec_of(&topology, &key).unwrap_or_default();
                let index = self.slot(&key, &spec, Past::default(), now);
                self.slots[index].orders.push(order);
                self.remind(index, now);
            }
            Message::View(tenant, answer) => {
                // Whoever asked may have gone.
                let _ = answer.send(Overview { streams: self.shown(&tenant, now), noted: self.noted });
            }
            Message::Noted(answer) => {
                let _ = answer.send(self.noted);
            }
        }
    }

    fn hinted(&mut self, key: &StreamKey, now: Timestamp) {
        let Some(index) = self.by_key.get(key).copied() else { return };
        let slot = &mut self.slots[index];
        if slot.spec.poll.is_some() && !slot.elsewhere {
            slot.hinted = true;
            self.remind(index, now);
        }
    }

    fn finished(&mut self, finished: Finished) {
        let now = self.parts.clock.now();
        let Finished { index, what } = finished;
        let covering = self.covering(&self.slots[index].key);
        let slot = &mut self.slots[index];
        let owner = (slot.key.tenant.clone(), slot.key.source.clone());
        match what {
            Ending::Polled { found, failed, again_at, progress, message } => {
                let not_before = slot.polled(failed, again_at, now);
                add(self.notes.entry(slot.key.clone()).or_default(), progress);
                tell_failing(&self.parts.alerts, slot, message);
                if let Some(shared) = self.shared.get_mut(&owner) {
                    if failed {
                        shared.pool.failed(&index, now, not_before);
                    } else {
                        let found = u32::try_from(found).unwrap_or(u32::MAX);
                        let found = if found == 0 { Found::Nothing } else { Found::Changes(found) };

                        // What kept it from being asked while its polls rested is over.
                        shared.pool.asked(&index, found, now, covering.map(|_| now));
                    }
                }
            }
            Ending::Reconciled { dry, message } => {
                slot.reconciled((dry, message.is_some()), now);
                if !dry {
                    tell_failing(&self.parts.alerts, slot, message);
                }
            }
            Ending::Busy => {
                slot.busy(now);
                if let Some(shared) = self.shared.get_mut(&owner) {
                    shared.pool.failed(&index, now, Some(now + BUSY_WAIT));
                }
            }
            Ending::Nothing => {
                slot.running = false;
                slot.redefine(StreamSpec::default(), now);
            }
        }
        self.remind(index, now);
    }

    fn shown(&self, tenant: &Tenant, now: Timestamp) -> Vec<Shown> {
        let slots = self.slots.iter().enumerate().filter(|(_, slot)| slot.key.tenant == *tenant);
        let shown = slots.map(|(index, slot)| {
            let shared = self.shared.get(&(slot.key.tenant.clone(), slot.key.source.clone()));
            Shown {
                key: slot.key.clone(),
                spec: slot.spec.clone(),
                running: slot.running,
                run: self.parts.under_way.at(&slot.key),
                covering: self.covering(&slot.key),
                next_at: slot.next_poll(now),
                reconcile_at: Some(slot.reconcile_at).filter(|at| *at != Timestamp::NEVER && !slot.elsewhere),
                failures: slot.failures,
                rate: shared.and_then(|shared| shared.pool.rate(&index)),
                unwritten: self.notes.get(&slot.key).copied().unwrap_or_default(),
            }
        });
        shown.collect()
    }

    async fn note_now_and_then(&mut self) {
        let now = self.parts.clock.now();
        if now.since(self.noted_at) >= NOTE_EVERY && !self.notes.is_empty() {
            self.noted_at = now;
            self.note().await;
        }
    }

    /// Writes down what polls came to. What is lost in a crash is a few seconds of figures.
    async fn note(&mut self) {
        let notes = std::mem::take(&mut self.notes);
        let polled = notes.into_iter().map(|(key, progress)| {
            let index = self.by_key.get(&key).copied();
            let shared = self.shared.get(&(key.tenant.clone(), key.source.clone()));
            let rate = shared.zip(index).and_then(|(shared, index)| shared.pool.learned(&index).cloned());
            (Polled { key, progress, learned: None }, rate)
        });
        let polled: Vec<_> = polled.collect();
        if polled.is_empty() {
            return;
        }
        let written = self.parts.note(polled).await;
        self.noted += 1;
        self.check(written);
    }

    fn check(&self, done: Result<(), StoreError>) {
        if let Err(error) = done {
            self.parts.alerts.store_failed("streams", &error);
            if error.fatal() {
                self.parts.failure.report(error);
            }
        }
    }
}

/// Tells that a stream cannot be read, or that it can be again: polled, and compared.
fn tell_failing(alerts: &Alerts, slot: &Slot, message: Option<String>) {
    let (tenant, object) = (&slot.key.tenant, stream_object(&slot.key));
    match message {
        Some(message) if slot.is_failing() => alerts.note(tenant, STREAM_FAILING, object, message),
        None if slot.failures + slot.uncompared == 0 => alerts.gone(tenant, STREAM_FAILING, object),
        Some(_) | None => {}
    }
}
