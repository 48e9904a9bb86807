//! One scope's budget on this node: who waits, what is reserved, what the source said.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::budget::{Account, Allowance, Block, Counting, Grant, Word};
use domain::{Purpose, Tenant, Timestamp};
use http::HeaderMap;
use store::{Store, StoreError};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{BudgetView, word};
use crate::clock::SharedClock;

/// How long a reserved request may wait for somebody who wants it, at most: it counts until then and a window longer.
const HOLD_MAX: Duration = Duration::from_secs(1);
/// What a request may take from being paid to reaching the source, at most: the source counts when it comes.
const WAY_MAX: Duration = Duration::from_secs(2);

/// The more urgent the smaller (design §6, Budgets). Tokens are needed by whoever asks, so they go first.
const fn urgency(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::Token => 0,
        Purpose::Read | Purpose::Check | Purpose::Subscribe => 1,
        Purpose::Enrich => 2,
        Purpose::Poll => 3,
        Purpose::Reconcile => 4,
        Purpose::Backfill => 5,
    }
}

/// Requests that are told to be free at once. More than that between two reservations count as if they were not.
const FREED_MAX: usize = 32;

/// Answers that are remembered by when their requests were sent: more than a source is asked at once.
const ANSWERED_MAX: usize = 128;

type Ticket = oneshot::Sender<Result<(), StoreError>>;

#[derive(Default)]
struct State {
    allowance: Option<Allowance>,
    /// What the source said. Without an allowance, this is the whole budget.
    said: Account,
    block: Option<Block>,
    /// Who waits, by urgency and then by coming.
    waiting: BTreeMap<(u8, u64), (Purpose, Ticket)>,
    came: u64,
    /// Somebody is getting requests for those who wait.
    filling: bool,
    /// Paid, and not answered yet.
    under_way: u64,
    /// When those were sent that were answered last. An answer that comes after that of a later request does not count
    /// that one.
    answered: VecDeque<Timestamp>,
    /// To be told to the store, so that all nodes obey it.
    word: Option<Word>,
    /// When requests were sent that did not count at the source: to be told to the store too.
    freed: Vec<Timestamp>,
    spent: BTreeMap<Purpose, u64>,
    /// The window that `spent` is of.
    window: i64,
}

pub struct Pacer {
    store: Arc<dyn Store>,
    clock: SharedClock,
    stop: CancellationToken,
    tenant: Tenant,
    scope: Arc<str>,
    state: Mutex<State>,
}

impl Pacer {
    pub fn new(
        store: Arc<dyn Store>,
        clock: SharedClock,
        stop: CancellationToken,
        (tenant, scope): (Tenant, Arc<str>),
        allowance: Option<Allowance>,
    ) -> Self {
        Self { store, clock, stop, tenant, scope, state: Mutex::new(State { allowance, ..State::default() }) }
    }

    pub fn scope(&self) -> &Arc<str> {
        &self.scope
    }

    /// Whether somebody waits for a request.
    pub fn waits(&self) -> bool {
        !self.state().waiting.is_empty()
    }

    pub fn set_allowance(&self, allowance: Option<Allowance>) {
        self.state().allowance = allowance;
    }

    /// Waits for the right to send one request.
    pub async fn admit(self: &Arc<Self>, purpose: Purpose) -> Result<(), StoreError> {
        let ticket = {
            let mut state = self.state();
            let now = self.clock.now();
            if state.waiting.is_empty() && state.take(purpose, now) {
                return Ok(());
            }
            let (ticket, answer) = oneshot::channel();
            state.came += 1;
            let place = (urgency(purpose), state.came);
            state.waiting.insert(place, (purpose, ticket));
            if !std::mem::replace(&mut state.filling, true) {
                tokio::spawn(Arc::clone(self).fill());
            }
            Wait { pacer: self, granted: answer }
        };
        ticket.over().await
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the answer to a request that was sent at this time says. `None`: there was none.
    pub fn answered(&self, sent_at: Timestamp, answer: Option<(u16, &HeaderMap)>) {
        let mut state = self.state();
        state.under_way = state.under_way.saturating_sub(1);
        let overtaken = state.overtaken(sent_at);
        let now = self.clock.now();
        let Some(word) = answer.and_then(|(status, headers)| word::read(status, headers, now)) else { return };
        match word {
            // What is under way need not be counted by the source yet, nor what it answered faster than this.
            Word::Left { requests, until } => {
                let requests = requests.saturating_sub(state.under_way + overtaken);
                state.said.learn(Word::Left { requests, until }, now);
            }
            Word::Stop { .. } => state.stop(word, now),
            // No answer says so: whoever asked knows it.
            Word::Free { .. } => {}
        }
    }

    /// What an answer that was counted already says, if it is that nothing more is taken for a while.
    pub fn refused(&self, status: u16, headers: &HeaderMap) {
        let now = self.clock.now();
        if let Some(word @ Word::Stop { .. }) = word::read(status, headers, now) {
            self.state().stop(word, now);
        }
    }

    /// Nothing more is taken for so long.
    pub fn stop_for(&self, wait: Duration) {
        let now = self.clock.now();
        self.state().stop(word::stop(wait, now), now);
    }

    /// A request that was sent at this time did not count at the source.
    pub fn free(&self, at: Timestamp) {
        let mut state = self.state();
        if state.allowance.is_some() && state.freed.len() < FREED_MAX {
            state.freed.push(at);
        }
    }

    /// Hands out requests until nobody waits any more.
    async fn fill(self: Arc<Self>) {
        loop {
            let now = self.clock.now();
            let wanted = {
                let mut state = self.state();
                state.serve(now);
                if state.waiting.is_empty() {
                    state.filling = false;
                    return;
                }
                state.wanted(now)
            };
            let wait = match wanted {
                Wanted::Wait(until) => until,
                Wanted::Reserve { allowance, requests, words } => {
                    match self.reserve(allowance, requests, words, now).await {
                        Ok(Grant::Block(block)) => {
                            let until = (block.until - way(&allowance)).min(now + hold(&allowance));
                            self.state().block = Some(Block { until, ..block });
                            continue;
                        }
                        Ok(Grant::Wait(until)) => until,
                        Err(error) => {
                            self.give_up(&error);
                            return;
                        }
                    }
                }
            };
            let wait = wait.since(now).max(Duration::from_millis(1));
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {
                    self.give_up(&StoreError::Closed);
                    return;
                }
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    async fn reserve(
        &self,
        allowance: Allowance,
        requests: u32,
        words: Vec<Word>,
        now: Timestamp,
    ) -> Result<Grant, StoreError> {
        let scope = || (self.tenant.clone(), Arc::clone(&self.scope));
        for word in words {
            let (tenant, scope) = scope();
            self.store.learn_budget(tenant, scope, word, now).await?;
        }
        let (tenant, scope) = scope();
        let counted = hold(&allowance) + way(&allowance);
        self.store.reserve(tenant, scope, allowance, requests, counted, now).await
    }

    /// Nobody can be served: they are told why, and may ask again.
    fn give_up(&self, error: &StoreError) {
        let mut state = self.state();
        state.filling = false;
        for (_, (_, ticket)) in std::mem::take(&mut state.waiting) {
            // Whoever left does not mind.
            let _ = ticket.send(Err(error.clone()));
        }
    }

    pub fn view(&self, kept: Option<&Account>, now: Timestamp) -> BudgetView {
        let state = self.state();
        let used = |allowance: &Allowance| kept.map_or(0, |account| account.used(allowance, now));
        let stopped = kept.and_then(|account| account.stopped_until(now)).max(state.said.stopped_until(now));
        BudgetView {
            scope: Arc::clone(&self.scope),
            allowance: state.allowance,
            used: state.allowance.as_ref().map_or(state.spent.values().sum(), used),
            by_purpose: state.spent.clone(),
            left: state.said.said_left(now),
            stopped_until: stopped,
            waiting: state.waiting.len(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made whole under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits for a request. Who leaves at the moment at which it is granted gives it up.
struct Wait<'p> {
    pacer: &'p Pacer,
    granted: oneshot::Receiver<Result<(), StoreError>>,
}

impl Wait<'_> {
    async fn over(mut self) -> Result<(), StoreError> {
        (&mut self.granted).await.unwrap_or(Err(StoreError::Closed))
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.granted.close();
        if let Ok(Ok(())) = self.granted.try_recv() {
            self.pacer.answered(self.pacer.now(), None);
        }
    }
}

/// A small part of the window, so that what is reserved and not used costs little of it. A bucket keeps back what comes
/// in that time, so it has to be shorter there.
fn hold(allowance: &Allowance) -> Duration {
    match allowance.counting {
        Counting::Bucket { .. } => (allowance.rate.per / 100).min(HOLD_MAX / 20),
        Counting::Moving | Counting::Fixed => (allowance.rate.per / 10).min(HOLD_MAX),
    }
}

fn way(allowance: &Allowance) -> Duration {
    match allowance.counting {
        Counting::Bucket { .. } => (allowance.rate.per / 50).min(WAY_MAX / 10),
        Counting::Moving | Counting::Fixed => (allowance.rate.per / 5).min(WAY_MAX),
    }
}

/// What the ones that wait need.
enum Wanted {
    Reserve { allowance: Allowance, requests: u32, words: Vec<Word> },
    Wait(Timestamp),
}

impl State {
    /// How many of those that were not sent before this one were answered before it.
    fn overtaken(&mut self, sent_at: Timestamp) -> u64 {
        let overtaken = self.answered.iter().filter(|other| **other >= sent_at).count() as u64;
        self.answered.push_back(sent_at);
        if self.answered.len() > ANSWERED_MAX {
            self.answered.pop_front();
        }
        overtaken
    }

    fn stop(&mut self, word: Word, now: Timestamp) {
        self.said.learn(word, now);
        self.block = None;
        // Of two that nobody was told yet the longer counts.
        let is_longer =
            |told: &Word| matches!((told, &word), (Word::Stop { until: told }, Word::Stop { until }) if told > until);
        if !self.word.as_ref().is_some_and(is_longer) {
            self.word = Some(word);
        }
    }

    /// Takes one request that is there already.
    fn take(&mut self, purpose: Purpose, now: Timestamp) -> bool {
        if self.allowance.is_some() {
            match &mut self.block {
                Some(block) if block.requests > 0 && block.until > now => {
                    // The source may say that less is left than was reserved.
                    if !matches!(self.said.reserve(None, 1, HOLD_MAX, now), Grant::Block(_)) {
                        return false;
                    }
                    block.requests -= 1;
                }
                _ => return false,
            }
        } else if !matches!(self.said.reserve(None, 1, HOLD_MAX, now), Grant::Block(_)) {
            return false;
        }
        self.count(purpose, now);
        true
    }

    /// Gives the most urgent what is there.
    fn serve(&mut self, now: Timestamp) {
        while let Some(first) = self.waiting.first_entry() {
            if first.get().1.is_closed() {
                first.remove();
                continue;
            }
            let (place, purpose) = (*first.key(), first.get().0);
            if !self.take(purpose, now) {
                return;
            }
            if let Some((_, ticket)) = self.waiting.remove(&place)
                && ticket.send(Ok(())).is_err()
            {
                // It left just before: what it was given is lost, as an unused reservation is.
                self.under_way = self.under_way.saturating_sub(1);
            }
        }
    }

    /// What to get for those who wait.
    fn wanted(&mut self, now: Timestamp) -> Wanted {
        let at = now + Duration::from_millis(1);
        // The store, which all nodes ask, has to know of it before it is over.
        let is_told = self.word.is_none() || self.allowance.is_none();
        if let Some(until) = self.said.stopped_until(now).filter(|_| is_told) {
            return Wanted::Wait(until);
        }
        let Some(allowance) = self.allowance else { return Wanted::Wait(at) };
        if let Some(end) = allowance.ends_at(now).filter(|end| end.since(now) <= way(&allowance)) {
            // The source counts it when it comes, and that may be in the next window.
            return Wanted::Wait(end);
        }
        // A quarter of a second's worth at once, so that fast sources do not cost a commit per request.
        let share = f64::from(allowance.rate.count) / allowance.rate.per.as_secs_f64() / 4.0;
        let waiting = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        let requests = (share as u32).max(waiting.min(allowance.rate.count)).max(1);
        let freed = std::mem::take(&mut self.freed).into_iter().map(|at| Word::Free { at });
        let words = self.word.take().into_iter().chain(freed).collect();
        Wanted::Reserve { allowance, requests, words }
    }

    fn count(&mut self, purpose: Purpose, now: Timestamp) {
        let per = self.allowance.map_or(Duration::from_secs(3_600), |allowance| allowance.rate.per);
        let length = i64::try_from(per.as_micros()).unwrap_or(i64::MAX).max(1);
        let window = now.as_micros().div_euclid(length);
        if window != self.window {
            self.window = window;
            self.spent.clear();
        }
        *self.spent.entry(purpose).or_default() += 1;
        self.under_way += 1;
    }
}
