//! Where the queue of a destination begins. Rows that were taken leave their index entries behind until they are cleaned
//! away, which nothing can do while somebody's transaction is open; a claim that began at the oldest of them would wade
//! through all of them each time. It begins where the last one did as long as that is worth it, and now and then at the
//! very beginning: what was committed late, or was in somebody else's hands, lies there.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{DestinationName, Tenant, Timestamp};

use crate::perform::Moment;

/// A look from the beginning that takes less is made each time: there is nothing to wade through.
const SLOW: Duration = Duration::from_millis(5);
/// Looks from the beginning may take this share of the time: one in so many.
const SHARE: u32 = 20;
/// The longest that something at the beginning waits to be seen.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What is committed this much later than it became due is seen all the same.
const COMMITTED_WITHIN: Duration = Duration::from_millis(250);

/// A queue: live deliveries and backfilled ones have one each.
pub(crate) type Queue = (Tenant, DestinationName, bool);

#[derive(Clone, Copy, Debug)]
struct Floor {
    from: Timestamp,
    /// When to look from the beginning again.
    again: Moment,
}

#[derive(Debug, Default)]
pub(crate) struct Floors(Mutex<BTreeMap<Queue, Floor>>);

/// How a look went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// `None`: from the beginning.
    pub(crate) from: Option<Timestamp>,
    /// The oldest that was due; else now.
    pub(crate) found: Timestamp,
    pub(crate) took: Duration,
    pub(crate) ended: Moment,
}

impl Floors {
    fn known(&self) -> MutexGuard<'_, BTreeMap<Queue, Floor>> {
        // An entry is replaced whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to begin; `None`: at the beginning.
    pub(crate) fn begin(&self, queue: &Queue, at: Moment) -> Option<Timestamp> {
        self.known().get(queue).filter(|floor| at < floor.again).map(|floor| floor.from)
    }

    pub(crate) fn note(&self, queue: &Queue, look: Look) {
        let mut known = self.known();
        match (look.from, known.get_mut(queue)) {
            (Some(_), Some(floor)) => floor.from = look.found - COMMITTED_WITHIN,
            (Some(_), None) => {}
            (None, _) if look.took < SLOW => drop(known.remove(queue)),
            (None, _) => {
                let again = look.ended + (look.took * SHARE).min(WAIT_MAX);
                known.insert(queue.clone(), Floor { from: look.found - COMMITTED_WITHIN, again });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_millis(50);

    fn queue() -> Queue {
        (Tenant::default_tenant(), "app".parse().expect("a name"), false)
    }

    fn look(from: Option<Timestamp>, found: u64, took: Duration, ended: Moment) -> Look {
        Look { from, found: at(found), took, ended }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn as_long_as_it_is_quick_every_look_is_from_the_beginning() {
        let (floors, now) = (Floors::default(), Moment::now());
        floors.note(&queue(), look(None, 7, QUICK, now));
        assert_eq!(floors.begin(&queue(), now), None);
    }

    #[test]
    fn after_a_slow_look_the_next_ones_begin_where_the_last_one_found_something() {
        let (floors, now) = (Floors::default(), Moment::now());
        floors.note(&queue(), look(None, 7, LONG, now));
        assert_eq!(floors.begin(&queue(), now), Some(at(7) - COMMITTED_WITHIN));
        floors.note(&queue(), look(Some(at(7)), 9, QUICK, now));
        assert_eq!(floors.begin(&queue(), now), Some(at(9) - COMMITTED_WITHIN));
        let another = (queue().0, "other".parse().expect("a name"), false);
        assert_eq!(floors.begin(&another, now), None);
    }

    #[test]
    fn the_beginning_is_looked_at_again_in_time_and_counts() {
        let (floors, now) = (Floors::default(), Moment::now());
        floors.note(&queue(), look(None, 7, LONG, now));
        assert!(floors.begin(&queue(), now + LONG * (SHARE - 1)).is_some());
        assert_eq!(floors.begin(&queue(), now + LONG * SHARE), None, "a twentieth of the time is spent on it");
        floors.note(&queue(), look(None, 7, Duration::from_secs(60), now));
        assert_eq!(floors.begin(&queue(), now + WAIT_MAX), None, "however long it takes");
        floors.note(&queue(), look(None, 3, QUICK, now));
        assert_eq!(floors.begin(&queue(), now), None, "it is quick again");
    }
}
