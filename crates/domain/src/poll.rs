//! Which stream to ask next, when one budget of requests is shared by many.
//!
//! The delay that people notice is the sum over streams of (changes × time until they are seen). For a given number of
//! requests it is least if each stream is asked at intervals proportional to 1/√(its rate of changes) (Sia, Cho and
//! Cho, TKDE 2007), which is what asking the largest `weight × rate × elapsed²` comes to. The rates are not known: each
//! is estimated as a gamma–Poisson mean that forgets, drawn towards the mean of all, so that no stream is ever given up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// After this time an observation counts for 1/e of what it did: long enough to know a slow stream, short enough to
/// follow a change of habits.
const MEMORY: f64 = 48.0 * 3_600.0;
/// How many changes the mean of all streams counts for in the estimate of one.
const PRIOR_WEIGHT: f64 = 1.0;
/// Before anything is known of any stream: a change an hour.
const PRIOR_RATE: f64 = 1.0 / 3_600.0;
/// An hour of the day counts as like any other until this many changes say otherwise.
const HOUR_PSEUDO_CHANGES: f64 = 8.0;
const HOURS: usize = 24;

/// What a poll found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Nothing,
    /// At least one change; how many came and went in between is not known.
    Something,
    /// So many changes, where a list shows them all.
    Changes(u32),
}

/// Changes and the time over which they were seen, both fading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Fading {
    changes: f64,
    /// Seconds.
    exposure: f64,
}

impl Fading {
    fn fade(&mut self, seconds: f64) {
        let kept = (-seconds / MEMORY).exp();
        self.changes *= kept;
        self.exposure *= kept;
    }
}

/// What is known of how often a stream changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeRate {
    seen: Fading,
    /// By the hour of the day, in UTC.
    hours: [Fading; HOURS],
}

impl Default for ChangeRate {
    fn default() -> Self {
        Self { seen: Fading::default(), hours: [Fading::default(); HOURS] }
    }
}

impl ChangeRate {
    /// Changes per second, drawn towards `mean` while little is known. Never zero.
    #[must_use]
    pub fn estimate(&self, mean: f64) -> f64 {
        self.estimate_against(PRIOR_WEIGHT / mean)
    }

    /// The same, given the time in which a stream like all others changes as often as the mean counts for.
    fn estimate_against(&self, prior_exposure: f64) -> f64 {
        (self.seen.changes + PRIOR_WEIGHT) / (self.seen.exposure + prior_exposure)
    }

    /// How much busier than on average the stream is at this hour of the day.
    fn at_hour(&self, hour: usize, rate: f64) -> f64 {
        let hour = &self.hours[hour];
        (hour.changes + HOUR_PSEUDO_CHANGES) / (hour.exposure * rate + HOUR_PSEUDO_CHANGES)
    }

    /// Learns from a poll that came so long after the one before; gives the changes it stands for.
    fn learn(&mut self, elapsed: Duration, found: Found, now: Timestamp, mean: f64) -> f64 {
        let seconds = elapsed.as_secs_f64();
        let changes = match found {
            Found::Nothing => 0.0,
            Found::Changes(count) => f64::from(count),
            // The expected number of changes, given that there was at least one.
            Found::Something => {
                let expected = self.estimate(mean) * seconds;
                if expected < 1e-9 { 1.0 } else { expected / -(-expected).exp_m1() }
            }
        };
        self.seen.fade(seconds);
        self.hours.iter_mut().for_each(|hour| hour.fade(seconds));
        // A long interval is told in full, but to the hour in its middle alone.
        let middle = &mut self.hours[hour_of(now - elapsed / 2)];
        for fading in [&mut self.seen, middle] {
            fading.changes += changes;
            fading.exposure += seconds;
        }
        changes
    }
}

fn hour_of(now: Timestamp) -> usize {
    usize::try_from(now.as_secs().div_euclid(3_600).rem_euclid(HOURS as i64)).unwrap_or(0)
}

/// What its owner and its source ask of one stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// How much a minute of its delay matters, against 1 of another's.
    pub weight: f64,
    /// It is never asked sooner than this after the last time.
    pub at_least: Duration,
    /// It goes before all others once it waited this long.
    pub at_most: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { weight: 1.0, at_least: Duration::from_secs(1), at_most: Duration::from_secs(24 * 60 * 60) }
    }
}

/// One stream in a schedule.
#[derive(Clone, Debug)]
struct Slot<K> {
    key: K,
    terms: Terms,
    rate: ChangeRate,
    asked_at: Timestamp,
    /// Not before then, whatever else: its source asked for it.
    not_before: Timestamp,
    /// When it may be asked, and from when on it goes before all others. Kept, because each choice looks at all of them.
    open_at: Timestamp,
    overdue_at: Timestamp,
    /// A webhook told that something changed.
    hinted: bool,
    /// It is being asked.
    under_way: bool,
}

/// The streams that share one budget.
#[derive(Clone, Debug)]
pub struct Schedule<K> {
    slots: Vec<Slot<K>>,
    all: Fading,
}

impl<K> Default for Schedule<K> {
    fn default() -> Self {
        Self { slots: Vec::new(), all: Fading::default() }
    }
}

/// What to do with the next request of the budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<K> {
    Ask(K),
    /// Nothing may be asked before then.
    Wait(Timestamp),
    /// There are no streams, or all of them are being asked.
    Idle,
}

impl<K: Clone + PartialEq> Schedule<K> {
    /// Adds a stream, or changes its terms. What was learned of it stays.
    pub fn put(&mut self, key: K, terms: Terms, asked_at: Timestamp) {
        if let Some(slot) = self.slot(&key) {
            slot.terms = terms;
            slot.plan();
            return;
        }
        let (rate, not_before) = (ChangeRate::default(), Timestamp::from_micros(i64::MIN));
        let (open_at, overdue_at) = (asked_at, asked_at);
        let (hinted, under_way) = (false, false);
        let mut slot = Slot { key, terms, rate, asked_at, not_before, open_at, overdue_at, hinted, under_way };
        slot.plan();
        self.slots.push(slot);
    }

    /// Takes up what was learned of a stream before.
    pub fn restore(&mut self, key: &K, rate: ChangeRate) {
        if let Some(slot) = self.slot(key) {
            slot.rate = rate;
        }
    }

    /// What was learned of a stream.
    #[must_use]
    pub fn learned(&self, key: &K) -> Option<&ChangeRate> {
        self.slots.iter().find(|slot| slot.key == *key).map(|slot| &slot.rate)
    }

    pub fn remove(&mut self, key: &K) {
        self.slots.retain(|slot| slot.key != *key);
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Changes per second of all streams together, per stream.
    fn mean(&self) -> f64 {
        (self.all.changes + PRIOR_WEIGHT) / (self.all.exposure + PRIOR_WEIGHT / PRIOR_RATE)
    }

    /// The stream that the next request goes to; it counts as under way until [`asked`](Self::asked) is told.
    pub fn next(&mut self, now: Timestamp) -> Next<K> {
        let moment = Moment { now, hour: hour_of(now), prior_exposure: PRIOR_WEIGHT / self.mean() };
        let (mut best, mut best_rank, mut soonest) = (None, Rank::NONE, None::<Timestamp>);
        for (index, slot) in self.slots.iter().enumerate().filter(|(_, slot)| !slot.under_way) {
            let from = slot.open_at;
            if from > now {
                soonest = Some(soonest.map_or(from, |soonest| soonest.min(from)));
                continue;
            }
            let rank = slot.rank(&moment);
            if rank > best_rank {
                (best, best_rank) = (Some(index), rank);
            }
        }
        let Some(index) = best else { return soonest.map_or(Next::Idle, Next::Wait) };
        let slot = &mut self.slots[index];
        slot.under_way = true;
        Next::Ask(slot.key.clone())
    }

    /// A poll has ended at `now`. `not_before`: what the source asked for, such as `Retry-After`.
    pub fn asked(&mut self, key: &K, found: Found, now: Timestamp, not_before: Option<Timestamp>) {
        let mean = self.mean();
        let Some(slot) = self.slot(key) else { return };
        let elapsed = now.since(slot.asked_at);
        let changes = slot.rate.learn(elapsed, found, now, mean);
        slot.ended(now, not_before);
        let streams = self.slots.len().max(1) as f64;
        // Time passes for all streams at once, and every one of them adds its own exposure.
        self.all.fade(elapsed.as_secs_f64() / streams);
        self.all.changes += changes;
        self.all.exposure += elapsed.as_secs_f64();
    }

    /// A poll that failed says nothing of how often the stream changes: only when it was asked.
    pub fn failed(&mut self, key: &K, now: Timestamp, not_before: Option<Timestamp>) {
        if let Some(slot) = self.slot(key) {
            slot.not_before = not_before.unwrap_or(slot.not_before);
            slot.under_way = false;
            slot.hinted = false;
            slot.not_before = slot.not_before.max(now + slot.terms.at_least);
            slot.plan();
        }
    }

    /// Something changed there: it goes next, as soon as its terms allow.
    pub fn hint(&mut self, key: &K) {
        if let Some(slot) = self.slot(key) {
            slot.hinted = true;
        }
    }

    /// The estimated changes per second of a stream.
    #[must_use]
    pub fn rate(&self, key: &K) -> Option<f64> {
        let mean = self.mean();
        self.slots.iter().find(|slot| slot.key == *key).map(|slot| slot.rate.estimate(mean))
    }

    fn slot(&mut self, key: &K) -> Option<&mut Slot<K>> {
        self.slots.iter_mut().find(|slot| slot.key == *key)
    }
}

/// Hints go first, then those that waited too long, then by what a request is worth.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
struct Rank {
    hinted: bool,
    overdue: bool,
    worth: f64,
}

impl Rank {
    /// Below every rank that a stream can have.
    const NONE: Self = Self { hinted: false, overdue: false, worth: -1.0 };
}

/// When a choice is made, and what is the same for all streams then.
struct Moment {
    now: Timestamp,
    hour: usize,
    prior_exposure: f64,
}

impl<K> Slot<K> {
    fn rank(&self, moment: &Moment) -> Rank {
        let micros = moment.now.as_micros().saturating_sub(self.asked_at.as_micros()).max(0);
        let seconds = micros as f64 / 1e6;
        if moment.now >= self.overdue_at {
            return Rank {
                hinted: self.hinted,
                overdue: true,
                worth: seconds / self.terms.at_most.as_secs_f64().max(1e-3),
            };
        }
        let rate = self.rate.estimate_against(moment.prior_exposure);
        let worth = self.terms.weight * rate * self.rate.at_hour(moment.hour, rate) * seconds * seconds;
        Rank { hinted: self.hinted, overdue: false, worth }
    }

    fn ended(&mut self, now: Timestamp, not_before: Option<Timestamp>) {
        self.asked_at = now;
        self.not_before = not_before.unwrap_or(self.not_before);
        self.hinted = false;
        self.under_way = false;
        self.plan();
    }

    fn plan(&mut self) {
        self.open_at = self.not_before.max(self.asked_at + self.terms.at_least);
        self.overdue_at = self.asked_at + self.terms.at_most;
    }
}

#[cfg(test)]
mod tests;
