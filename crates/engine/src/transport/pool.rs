//! Kept connections: the most recently used of an origin first, bounded per origin, in total and in time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustc_hash::FxBuildHasher;

use super::link::Link;
use super::target::Origin;

/// Bounds of what is kept.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Longest time a connection waits for its next use. Servers close them after 5 s (Node) to 75 s (nginx).
    pub idle_time: Duration,
    /// Idle connections of one origin, which all destinations at one host share: what one commit lets go is sent at once,
    /// and whoever finds no connection then dials.
    pub idle_per_origin: usize,
    /// Idle connections in all; each is a file descriptor and some 10 KiB (with TLS 40 KiB).
    pub idle_total: usize,
}

/// One origin has no more than so many of all that may be idle: that one is busy must not have all others dial.
const SHARE_OF_ONE: usize = 4;

impl PoolLimits {
    /// As many as there are by default where nothing else is scarce.
    pub const IDLE_MAX: usize = 1_024;

    /// No more than `idle_total` connections wait for their next use.
    #[must_use]
    pub fn of(idle_total: usize) -> Self {
        let idle_per_origin = (idle_total / SHARE_OF_ONE).max(1);
        Self { idle_time: Duration::from_secs(60), idle_per_origin, idle_total }
    }
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self::of(Self::IDLE_MAX)
    }
}

struct Idle {
    link: Link,
    origin: Arc<Origin>,
    until: Duration,
}

/// Two views of the same connections: by age (the ticket counts up) and by origin.
#[derive(Default)]
struct Shelves {
    by_ticket: BTreeMap<u64, Idle>,
    by_origin: HashMap<Arc<Origin>, VecDeque<u64>, FxBuildHasher>,
    next_ticket: u64,
    swept: bool,
}

pub(super) struct Pool {
    limits: PoolLimits,
    shelves: Mutex<Shelves>,
}

impl Pool {
    pub fn new(limits: PoolLimits) -> Self {
        Self { limits, shelves: Mutex::default() }
    }

    pub fn limits(&self) -> &PoolLimits {
        &self.limits
    }

    /// Takes the freshest connection to `origin` that is not past its time.
    pub fn take(&self, origin: &Origin, now: Duration) -> Option<Link> {
        loop {
            let idle = self.lock().take_newest(origin)?;
            if idle.until > now {
                return Some(idle.link);
            }
        }
    }

    /// Keeps a connection until `until`. Says whether somebody has to start [`Pool::sweep`]ing.
    pub fn put(&self, origin: Arc<Origin>, link: Link, until: Duration) -> bool {
        let mut dropped = Vec::new();
        let mut shelves = self.lock();
        shelves.put(Idle { link, origin: Arc::clone(&origin), until });
        if shelves.by_origin.get(&origin).is_some_and(|tickets| tickets.len() > self.limits.idle_per_origin) {
            dropped.extend(shelves.take_oldest(&origin));
        }
        while shelves.by_ticket.len() > self.limits.idle_total {
            dropped.extend(shelves.take_oldest_of_all());
        }
        let unswept = !std::mem::replace(&mut shelves.swept, true);
        // Closing sockets takes system calls: not under the lock that every delivery takes.
        drop(shelves);
        drop(dropped);
        unswept
    }

    /// Closes what is past its time or was closed by its peer. Says whether anything is left to sweep.
    pub fn sweep(&self, now: Duration) -> bool {
        let mut shelves = self.lock();
        let over: Vec<u64> = shelves
            .by_ticket
            .iter_mut()
            .filter_map(|(ticket, idle)| (idle.until <= now || !idle.link.is_idle()).then_some(*ticket))
            .collect();
        let dropped: Vec<_> = over.into_iter().map(|ticket| shelves.remove(ticket)).collect();
        // Empty queues are left standing between a take and a put, so that a busy origin allocates nothing.
        shelves.by_origin.retain(|_, tickets| !tickets.is_empty());
        let left = !shelves.by_ticket.is_empty();
        shelves.swept = left;
        drop(shelves);
        drop(dropped);
        left
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        // No code that runs under the lock can panic halfway through a change of both views.
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        let shelves = self.lock();
        let by_origin: usize = shelves.by_origin.values().map(VecDeque::len).sum();
        assert_eq!(by_origin, shelves.by_ticket.len(), "both views hold the same connections");
        by_origin
    }
}

impl Shelves {
    fn put(&mut self, idle: Idle) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.by_origin.entry(Arc::clone(&idle.origin)).or_default().push_back(ticket);
        self.by_ticket.insert(ticket, idle);
    }

    fn take_newest(&mut self, origin: &Origin) -> Option<Idle> {
        let ticket = *self.by_origin.get(origin)?.back()?;
        self.remove(ticket)
    }

    fn take_oldest(&mut self, origin: &Origin) -> Option<Idle> {
        let ticket = *self.by_origin.get(origin)?.front()?;
        self.remove(ticket)
    }

    fn take_oldest_of_all(&mut self) -> Option<Idle> {
        let ticket = *self.by_ticket.first_key_value()?.0;
        self.remove(ticket)
    }

    fn remove(&mut self, ticket: u64) -> Option<Idle> {
        let idle = self.by_ticket.remove(&ticket)?;
        if let Some(tickets) = self.by_origin.get_mut(&idle.origin) {
            // Tickets of one origin count up, so their place is found by halving.
            if let Ok(place) = tickets.binary_search(&ticket) {
                tickets.remove(place);
            }
        }
        Some(idle)
    }
}
