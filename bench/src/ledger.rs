//! The oracle: when each event was due, acknowledged and first delivered, in twelve bytes an event.
//! Shared by generator and sink; it only records and counts, and never decides what a scenario thinks of it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::stopwatch::Stopwatch;

/// How many missing ids an error names: enough to look them up, few enough to read.
const MISSING_NAMED_MAX: usize = 10;

/// Everything known about the events of one run, by id (0, 1, 2, …).
pub struct Ledger {
    stopwatch: Stopwatch,
    next: AtomicU64,
    entries: Box<[Entry]>,
    acked: AtomicU64,
    delivered: AtomicU64,
    duplicates: AtomicU64,
    unknown: AtomicU64,
}

/// Microseconds on the ledger's stopwatch plus one; zero means "has not happened".
#[derive(Default)]
struct Entry {
    due: AtomicU32,
    acked: AtomicU32,
    delivered: AtomicU32,
}

/// A recorded moment of an event's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// When the request was scheduled: of an open loop the schedule, of a closed loop just before it is signed and sent.
    Due,
    /// When the 2xx had been read.
    Acked,
    /// When the sink had read its first delivery.
    Delivered,
}

/// What a delivery was to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    First,
    Again,
    /// An id that this ledger never handed out.
    Unknown,
}

/// Acknowledged events that were not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub count: u64,
    /// The lowest ids among them.
    pub first: Vec<u64>,
}

impl Ledger {
    /// A ledger for at most `capacity` events; its memory is taken at once, so that a long run cannot grow.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            stopwatch: Stopwatch::start(),
            next: AtomicU64::new(0),
            entries: (0..capacity).map(|_| Entry::default()).collect(),
            acked: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        }
    }

    #[must_use]
    pub fn stopwatch(&self) -> Stopwatch {
        self.stopwatch
    }

    #[must_use]
    pub fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// The next unused id, or `None` when the ledger is full.
    pub fn take(&self) -> Option<u64> {
        let id = self.next.fetch_add(1, Relaxed);
        (id < self.entries.len() as u64).then_some(id)
    }

    /// How many ids were handed out.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.next.load(Relaxed).min(self.entries.len() as u64)
    }

    pub fn due(&self, id: u64, at_us: u32) {
        if let Some(entry) = self.entry(id) {
            entry.due.store(at_us.saturating_add(1), Relaxed);
        }
    }

    pub fn ack(&self, id: u64) {
        if let Some(entry) = self.entry(id) {
            entry.acked.store(self.stamp(), Relaxed);
            self.acked.fetch_add(1, Relaxed);
        }
    }

    pub fn deliver(&self, id: u64) -> Arrival {
        let Some(entry) = self.entry(id).filter(|entry| entry.due.load(Relaxed) > 0) else {
            self.unknown.fetch_add(1, Relaxed);
            return Arrival::Unknown;
        };
        if entry.delivered.compare_exchange(0, self.stamp(), Relaxed, Relaxed).is_err() {
            self.duplicates.fetch_add(1, Relaxed);
            return Arrival::Again;
        }
        self.delivered.fetch_add(1, Relaxed);
        Arrival::First
    }

    #[must_use]
    pub fn acked(&self) -> u64 {
        self.acked.load(Relaxed)
    }

    /// Distinct events delivered, whether or not their sender saw the 2xx.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates.load(Relaxed)
    }

    /// Deliveries that carried an id which was never sent.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown.load(Relaxed)
    }

    /// The oracle's question: acknowledged, not `excused`, and not delivered.
    #[must_use]
    pub fn missing(&self, excused: impl Fn(u64) -> bool) -> Missing {
        let mut missing = Missing { count: 0, first: Vec::new() };
        for (id, entry) in (0_u64..).zip(&self.entries[..self.taken() as usize]) {
            if entry.acked.load(Relaxed) > 0 && entry.delivered.load(Relaxed) == 0 && !excused(id) {
                missing.count += 1;
                if missing.first.len() < MISSING_NAMED_MAX {
                    missing.first.push(id);
                }
            }
        }
        missing
    }

    /// How many events had `moment` in `[from_us, to_us)`.
    #[must_use]
    pub fn count_between(&self, moment: Moment, from_us: u32, to_us: u32) -> u64 {
        let within = |entry: &&Entry| matches!(entry.at(moment), Some(at) if (from_us..to_us).contains(&at));
        self.entries[..self.taken() as usize].iter().filter(within).count() as u64
    }

    /// Microseconds from `from` to `to` of every picked event that had both; zero where `to` came first (a delivery
    /// may arrive before its sender has read the 2xx). `pick` gets the id and when the event was due.
    pub fn waits(&self, from: Moment, to: Moment, pick: impl Fn(u64, u32) -> bool) -> Vec<u32> {
        (0_u64..)
            .zip(&self.entries[..self.taken() as usize])
            .filter(|(id, entry)| entry.at(Moment::Due).is_some_and(|due| pick(*id, due)))
            .filter_map(|(_, entry)| Some(entry.at(to)?.saturating_sub(entry.at(from)?)))
            .collect()
    }

    /// When each delivered event among `ids` was delivered, in order of arrival.
    #[must_use]
    pub fn arrivals(&self, ids: std::ops::Range<u64>) -> Vec<u32> {
        let picked = ids.filter_map(|id| self.entry(id)?.at(Moment::Delivered));
        let mut arrivals: Vec<u32> = picked.collect();
        arrivals.sort_unstable();
        arrivals
    }

    fn entry(&self, id: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(id).ok()?)
    }

    fn stamp(&self) -> u32 {
        self.stopwatch.micros().saturating_add(1)
    }
}

impl Entry {
    fn at(&self, moment: Moment) -> Option<u32> {
        let stamp = match moment {
            Moment::Due => &self.due,
            Moment::Acked => &self.acked,
            Moment::Delivered => &self.delivered,
        };
        stamp.load(Relaxed).checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(ledger: &Ledger) -> u64 {
        let id = ledger.take().unwrap();
        ledger.due(id, ledger.stopwatch().micros());
        id
    }

    #[test]
    fn an_acknowledged_event_is_missing_until_it_is_delivered() {
        let ledger = Ledger::new(3);
        let (kept, lost, refused) = (sent(&ledger), sent(&ledger), sent(&ledger));
        ledger.ack(kept);
        ledger.ack(lost);
        assert_eq!(ledger.deliver(kept), Arrival::First);
        assert_eq!(ledger.missing(|_| false), Missing { count: 1, first: vec![lost] });
        assert_eq!(ledger.missing(|id| id == lost).count, 0);
        assert_eq!(ledger.deliver(lost), Arrival::First);
        assert_eq!(ledger.missing(|_| false).count, 0, "event {refused} was never acknowledged, so nobody owes it");
    }

    #[test]
    fn a_second_delivery_is_a_duplicate_and_keeps_the_first_time() {
        let ledger = Ledger::new(1);
        let id = sent(&ledger);
        ledger.deliver(id);
        let first = ledger.arrivals(0..1);
        assert_eq!(ledger.deliver(id), Arrival::Again);
        assert_eq!((ledger.delivered(), ledger.duplicates()), (1, 1));
        assert_eq!(ledger.arrivals(0..1), first);
    }

    #[test]
    fn an_id_that_was_never_sent_is_unknown() {
        let ledger = Ledger::new(2);
        assert_eq!(ledger.deliver(0), Arrival::Unknown, "handed out by nobody");
        assert_eq!(ledger.deliver(u64::MAX), Arrival::Unknown, "out of range");
        assert_eq!((ledger.delivered(), ledger.unknown()), (0, 2));
    }

    #[test]
    fn a_full_ledger_hands_out_no_more_ids() {
        let ledger = Ledger::new(2);
        assert_eq!([ledger.take(), ledger.take(), ledger.take()], [Some(0), Some(1), None]);
        assert_eq!(ledger.taken(), 2);
    }

    #[test]
    fn waits_run_from_the_due_time_and_never_below_zero() {
        let ledger = Ledger::new(2);
        let late = sent(&ledger);
        ledger.due(late, 0);
        ledger.stopwatch().wait_until(std::time::Duration::from_millis(3));
        ledger.deliver(late);
        ledger.ack(late);
        assert!(ledger.waits(Moment::Due, Moment::Acked, |_, _| true)[0] >= 3_000);
        assert_eq!(ledger.waits(Moment::Due, Moment::Acked, |id, _| id != late), [0_u32; 0]);
        ledger.entries[0].acked.store(u32::MAX, Relaxed);
        assert_eq!(ledger.waits(Moment::Acked, Moment::Delivered, |_, _| true), [0]);
    }

    #[test]
    fn an_event_costs_twelve_bytes() {
        assert_eq!(size_of::<Entry>(), 12);
    }
}
