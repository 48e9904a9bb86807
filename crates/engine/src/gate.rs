//! The gate of a destination: how many of its deliveries may be in memory.
//!
//! An event that is being accepted asks here whether its delivery may be claimed at birth; without room it stays in
//! the store until dispatch asks for it. So memory is O(destinations), whatever the backlog.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::nodes::Tenure;

/// Payload bytes that claimed deliveries of all destinations may hold together. Beyond it each destination still
/// gets one, so that a large message cannot wait for ever.
pub const CLAIMED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Claimed deliveries of all destinations together: what 10,000 destinations could otherwise hold is too much.
pub const CLAIMED_MAX: u64 = 16 * 1024;

/// What all gates share.
#[derive(Debug, Default)]
pub struct Hall {
    bytes: AtomicU64,
    count: AtomicU64,
    /// Where several nodes share the store; `None`: this process is in charge of everything.
    tenure: Option<Arc<Tenure>>,
}

impl Hall {
    #[must_use]
    pub fn shared(tenure: Arc<Tenure>) -> Self {
        Self { tenure: Some(tenure), ..Self::default() }
    }

    /// Backfilled ones leave the other half to those that happen now.
    fn is_half_empty(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) <= CLAIMED_BYTES_MAX / 2
            && self.count.load(Ordering::Relaxed) < CLAIMED_MAX / 2
    }

    fn has_room(&self, bytes: u64) -> bool {
        self.bytes.load(Ordering::Relaxed) + bytes <= CLAIMED_BYTES_MAX
            && self.count.load(Ordering::Relaxed) < CLAIMED_MAX
    }

    /// Deliveries in memory now.
    #[must_use]
    pub fn claimed(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub struct Gate {
    hall: Arc<Hall>,
    capacity: u32,
    /// Those that are not backfilled.
    claimed: AtomicU32,
    /// Backfilled ones have places of their own, so that they take none of the others'.
    backfilled: AtomicU32,
    /// The store holds due deliveries that nobody claimed: newcomers leave them half of the room.
    backlog: AtomicBool,
    /// Nothing may be sent now (paused, breaker open): newcomers stay in the store.
    shut: AtomicBool,
    /// Paused, disabled or retired: newcomers are written as held.
    held: AtomicBool,
    /// The generation under which this node is in charge of the destination; 0: another one is, or nobody.
    charge: AtomicU64,
}

impl Gate {
    /// A gate for a destination that sends `concurrency` at once. Eight rounds of work are kept at hand: a place is
    /// taken before the event is committed and given back when its settlement is, and on a database each of those waits
    /// for the commit before it.
    #[must_use]
    pub fn new(hall: Arc<Hall>, concurrency: u32) -> Self {
        let capacity = concurrency.saturating_mul(8).clamp(8, 1_024);
        Self {
            hall,
            capacity,
            claimed: AtomicU32::new(0),
            backfilled: AtomicU32::new(0),
            backlog: AtomicBool::new(false),
            shut: AtomicBool::new(false),
            held: AtomicBool::new(false),
            charge: AtomicU64::new(0),
        }
    }

    /// The same destination's gate with another number of places.
    #[must_use]
    pub fn resized(&self, concurrency: u32) -> Self {
        let gate = Self::new(Arc::clone(&self.hall), concurrency);
        gate.set_charge(self.charge.load(Ordering::Acquire));
        gate
    }

    /// A place for a newcomer of this size, if there is one.
    #[must_use]
    pub fn reserve_newcomer(self: &Arc<Self>, bytes: u64) -> Option<Place> {
        if self.shut.load(Ordering::Relaxed) || self.held() || !self.in_charge() {
            return None;
        }
        let limit = if self.backlog.load(Ordering::Relaxed) { self.capacity / 2 } else { self.capacity };
        self.reserve(bytes, limit)
    }

    /// How many more may be claimed from the store, backfilled ones apart.
    #[must_use]
    pub fn room(&self) -> u32 {
        let claimed = self.claimed.load(Ordering::Relaxed);
        let room = self.capacity.saturating_sub(claimed);
        if self.hall.has_room(0) || claimed == 0 { room } else { 0 }
    }

    /// How many more backfilled ones may be claimed from the store.
    #[must_use]
    pub fn room_for_backfill(&self) -> u32 {
        let claimed = self.backfilled.load(Ordering::Relaxed);
        let room = self.capacity_for_backfill().saturating_sub(claimed);
        if self.hall.is_half_empty() { room } else { room.min(u32::from(claimed == 0)) }
    }

    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    #[must_use]
    pub fn capacity_for_backfill(&self) -> u32 {
        self.capacity / 2
    }

    #[must_use]
    pub fn claimed(&self) -> u32 {
        self.claimed.load(Ordering::Relaxed)
    }

    /// A place for a delivery that the store has already given: always granted, because it is already claimed.
    #[must_use]
    pub fn take(self: &Arc<Self>, bytes: u64, backfill: bool) -> Place {
        self.count(backfill).fetch_add(1, Ordering::Relaxed);
        self.placed(bytes, backfill)
    }

    fn count(&self, backfill: bool) -> &AtomicU32 {
        if backfill { &self.backfilled } else { &self.claimed }
    }

    pub fn set_backlog(&self, backlog: bool) {
        self.backlog.store(backlog, Ordering::Relaxed);
    }

    pub fn set_shut(&self, shut: bool) {
        self.shut.store(shut, Ordering::Relaxed);
    }

    pub fn set_held(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// Another generation, or 0 for none; gives whether that is news.
    pub fn set_charge(&self, generation: u64) -> bool {
        self.charge.swap(generation, Ordering::AcqRel) != generation
    }

    /// Whether this node, and no other, may send to the destination now.
    #[must_use]
    pub fn in_charge(&self) -> bool {
        match &self.hall.tenure {
            None => true,
            Some(tenure) => self.charge.load(Ordering::Acquire) != 0 && tenure.holds(),
        }
    }

    /// What to tell the store of it; `None`: nobody else could be in charge.
    #[must_use]
    pub fn charge(&self) -> Option<u64> {
        self.hall.tenure.as_ref().map(|_| self.charge.load(Ordering::Acquire))
    }

    #[must_use]
    pub fn held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    fn reserve(self: &Arc<Self>, bytes: u64, limit: u32) -> Option<Place> {
        if !self.hall.has_room(bytes) && self.claimed.load(Ordering::Relaxed) > 0 {
            return None;
        }
        self.claimed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |claimed| (claimed < limit).then_some(claimed + 1))
            .ok()
            .map(|_| self.placed(bytes, false))
    }

    fn placed(self: &Arc<Self>, bytes: u64, backfill: bool) -> Place {
        self.hall.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.hall.count.fetch_add(1, Ordering::Relaxed);
        Place { gate: Arc::clone(self), bytes, backfill }
    }
}

/// Room for one delivery in memory, given back when dropped.
#[derive(Debug)]
pub struct Place {
    gate: Arc<Gate>,
    bytes: u64,
    backfill: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.count(self.backfill).fetch_sub(1, Ordering::Relaxed);
        self.gate.hall.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.gate.hall.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(hall: &Arc<Hall>) -> Arc<Gate> {
        Arc::new(Gate::new(Arc::clone(hall), 1))
    }

    #[test]
    fn newcomers_get_all_the_room_or_half_of_it_beside_a_backlog() {
        let gate = gate(&Arc::default());
        let places: Vec<_> = std::iter::from_fn(|| gate.reserve_newcomer(1)).collect();
        assert_eq!((places.len(), gate.room()), (8, 0));
        drop(places);
        gate.set_backlog(true);
        let places: Vec<_> = std::iter::from_fn(|| gate.reserve_newcomer(1)).collect();
        assert_eq!((places.len(), gate.room()), (4, 4));
        gate.set_shut(true);
        drop(places);
        assert!(gate.reserve_newcomer(1).is_none());
    }

    #[test]
    fn backfilled_ones_have_half_as_many_places_which_are_nobody_elses() {
        let hall = Arc::default();
        let gate = gate(&hall);
        let backfilled: Vec<_> = (0..gate.room_for_backfill()).map(|_| gate.take(1, true)).collect();
        assert_eq!((backfilled.len(), gate.room_for_backfill(), gate.room()), (4, 0, 8));
        assert_eq!(std::iter::from_fn(|| gate.reserve_newcomer(1)).take(100).count(), 100, "each place is given back");
        let places: Vec<_> = std::iter::from_fn(|| gate.reserve_newcomer(1)).collect();
        assert_eq!((places.len(), hall.claimed()), (8, 12));
        drop(backfilled);
        let _large = gate.take(CLAIMED_BYTES_MAX / 2 + 1, false);
        assert_eq!(gate.room_for_backfill(), 1, "beside a full hall one is in memory");
    }

    #[test]
    fn large_messages_fill_the_hall_but_each_destination_still_gets_one() {
        let hall = Arc::default();
        let (one, two) = (gate(&hall), gate(&hall));
        let first = one.reserve_newcomer(CLAIMED_BYTES_MAX).expect("room for the first");
        assert!(one.reserve_newcomer(1).is_none());
        let second = two.reserve_newcomer(CLAIMED_BYTES_MAX).expect("one for each");
        drop((first, second));
        assert_eq!(hall.claimed(), 0);
        assert!(one.reserve_newcomer(1).is_some());
    }
}
