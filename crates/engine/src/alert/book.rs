//! The book of open alerts: what was noted and not written yet, in memory. Never waits for anything.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{Tenant, Timestamp};
use rustc_hash::FxHashMap;

use crate::telemetry;

/// Whose alert, of which kind, about what. As many as there are configured objects, times kinds.
pub(super) type Known = (Tenant, Arc<str>, Arc<str>);

/// What a note changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    Opened,
    FirstSinceWritten,
    Counted,
}

/// How often something was noted since it was last written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub count: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub detail: String,
}

#[derive(Default)]
struct Entry {
    times: Option<Times>,
    /// The store has it open.
    written: bool,
    /// Its cause is gone: to be resolved.
    gone: bool,
    /// When its cause was last seen by this process.
    noted_at: Timestamp,
}

#[derive(Default)]
pub(super) struct Book(Mutex<FxHashMap<Known, Entry>>);

impl Book {
    /// Takes over what the store has open. What it has not, and nothing is to be written of, is closed.
    pub fn learn(&self, open: BTreeSet<Known>) {
        let mut entries = self.lock();
        let closed = |(key, entry): &(&Known, &Entry)| entry.written && entry.times.is_none() && !open.contains(*key);
        let closed: Vec<Known> = entries.iter().filter(closed).map(|(key, _)| key.clone()).collect();
        closed.iter().for_each(|key| remove(&mut entries, key));
        for key in open {
            telemetry_if_new(&entries, &key);
            entries.entry(key).or_default().written = true;
        }
    }

    pub fn note(&self, key: Known, detail: &str, now: Timestamp) -> Noted {
        let mut entries = self.lock();
        telemetry_if_new(&entries, &key);
        let entry = entries.entry(key).or_default();
        (entry.gone, entry.noted_at) = (false, now);
        if let Some(times) = &mut entry.times {
            times.count += 1;
            times.last_at = now;
            detail.clone_into(&mut times.detail);
            return Noted::Counted;
        }
        entry.times = Some(Times { count: 1, first_at: now, last_at: now, detail: detail.to_owned() });
        if entry.written { Noted::FirstSinceWritten } else { Noted::Opened }
    }

    /// Gives whether there is one to be resolved.
    pub fn gone(&self, key: &Known) -> bool {
        self.lock().get_mut(key).map(|entry| entry.gone = true).is_some()
    }

    /// The same, if its cause was not seen since then.
    pub fn gone_unless_since(&self, key: &Known, since: Timestamp) -> bool {
        let mut entries = self.lock();
        let quiet = entries.get_mut(key).filter(|entry| entry.noted_at <= since);
        quiet.map(|entry| entry.gone = true).is_some()
    }

    /// Notes of all of which this is so that they are gone; gives whether there is one.
    pub fn gone_where(&self, is_gone: impl Fn(&Tenant, &str) -> bool) -> bool {
        let mut entries = self.lock();
        let over = entries.iter_mut().filter(|((tenant, kind, _), _)| is_gone(tenant, kind));
        over.map(|(_, entry)| entry.gone = true).count() > 0
    }

    pub fn is_open(&self, key: &Known) -> bool {
        self.lock().get(key).is_some_and(|entry| !entry.gone)
    }

    pub fn of_kind(&self, kind: &str) -> Vec<(Tenant, Arc<str>)> {
        let entries = self.lock();
        let open = entries.iter().filter(|((_, own, _), entry)| &**own == kind && !entry.gone);
        let mut found: Vec<_> = open.map(|((tenant, _, object), _)| (tenant.clone(), Arc::clone(object))).collect();
        found.sort_unstable();
        found
    }

    /// What opened or is gone; with `all` also what was counted. In a fixed order, so that a simulation is the same
    /// each time.
    pub fn to_write(&self, all: bool) -> Vec<Known> {
        let entries = self.lock();
        let due = |entry: &Entry| entry.gone || (entry.times.is_some() && (all || !entry.written));
        let mut due: Vec<_> = entries.iter().filter(|(_, entry)| due(entry)).map(|(key, _)| key.clone()).collect();
        due.sort_unstable();
        due
    }

    pub fn has_pending(&self) -> bool {
        self.lock().values().any(|entry| entry.gone || entry.times.is_some())
    }

    /// What is to be counted in the store now.
    pub fn take(&self, key: &Known) -> Option<Times> {
        let mut entries = self.lock();
        let entry = entries.get_mut(key)?;
        let times = entry.times.take()?;
        entry.written = true;
        Some(times)
    }

    /// The store could not take it: counted again next time.
    pub fn put_back(&self, key: &Known, times: Times) {
        let mut entries = self.lock();
        let entry = entries.entry(key.clone()).or_default();
        entry.times = Some(match entry.times.take() {
            Some(newer) => Times { count: times.count + newer.count, first_at: times.first_at, ..newer },
            None => times,
        });
    }

    pub fn is_gone(&self, key: &Known) -> bool {
        self.lock().get(key).is_some_and(|entry| entry.gone)
    }

    /// The store has resolved it; gives whether it is closed. If its cause came back meanwhile it is opened anew.
    pub fn resolved(&self, key: &Known) -> bool {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(key) else { return false };
        (entry.gone, entry.written) = (false, false);
        let closed = entry.times.is_none();
        if closed {
            remove(&mut entries, key);
        }
        closed
    }

    pub fn forget(&self, key: &Known) {
        remove(&mut self.lock(), key);
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<Known, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn telemetry_if_new(entries: &FxHashMap<Known, Entry>, key: &Known) {
    if !entries.contains_key(key) {
        telemetry::alerts_open(&key.1, 1.0);
    }
}

fn remove(entries: &mut FxHashMap<Known, Entry>, key: &Known) {
    if entries.remove(key).is_some() {
        telemetry::alerts_open(&key.1, -1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Known {
        (Tenant::default_tenant(), "dead_letters".into(), "destination/app".into())
    }

    #[test]
    fn however_often_a_cause_comes_it_is_written_once_and_then_counted() {
        let (book, now) = (Book::default(), Timestamp::EPOCH);
        assert_eq!(book.note(key(), "first", now), Noted::Opened);
        assert!((0..9_999).all(|_| book.note(key(), "again", now) == Noted::Counted));
        assert_eq!(book.to_write(false), [key()]);
        let times = book.take(&key()).expect("to be written");
        assert_eq!((times.count, &*times.detail), (10_000, "again"));
        assert!(book.to_write(true).is_empty() && !book.has_pending());
        assert_eq!(book.note(key(), "later", now), Noted::FirstSinceWritten);
        assert!(book.to_write(false).is_empty(), "what is open already can wait");
        assert_eq!(book.to_write(true), [key()]);
        assert!(!book.gone_unless_since(&key(), now - std::time::Duration::from_secs(1)));
        book.put_back(&key(), times);
        assert_eq!(book.take(&key()).map(|times| (times.count, times.detail)), Some((10_001, "later".into())));
    }

    #[test]
    fn what_another_node_resolved_is_forgotten_unless_its_cause_was_seen_since() {
        let (book, now) = (Book::default(), Timestamp::EPOCH);
        book.learn(BTreeSet::from([key()]));
        book.learn(BTreeSet::new());
        assert!(!book.is_open(&key()));
        book.note(key(), "not written yet", now);
        book.learn(BTreeSet::new());
        assert!(book.is_open(&key()), "it is to be opened");
        let _ = book.take(&key());
        book.note(key(), "since", now);
        book.learn(BTreeSet::new());
        assert_eq!(book.to_write(true), [key()]);
    }

    #[test]
    fn a_cause_that_comes_back_while_it_is_resolved_opens_anew() {
        let (book, now) = (Book::default(), Timestamp::EPOCH);
        assert!(!book.gone(&key()), "nothing to resolve");
        book.learn(BTreeSet::from([key()]));
        assert!(book.is_open(&key()) && book.gone(&key()) && !book.is_open(&key()));
        assert_eq!(book.to_write(false), [key()]);
        book.note(key(), "back", now);
        assert!(!book.is_gone(&key()), "it is not resolved any more");
        assert!(book.gone(&key()));
        let _ = book.take(&key());
        book.note(key(), "while the store resolves it", now);
        assert!(!book.resolved(&key()) && book.is_open(&key()));
        assert_eq!(book.to_write(false), [key()]);
        let _ = book.take(&key());
        book.gone(&key());
        assert!(book.resolved(&key()) && book.of_kind("dead_letters").is_empty());
    }
}
