//! Where the queue of a destination begins. Rows that were taken leave their index entries behind until they are cleaned
//! away, which nothing can do while somebody's transaction is open; a claim that began at the oldest of them would wade
//! through all of them each time. It begins where the last one did as long as that is worth it, and now and then at the
//! very beginning: what was committed late, was in somebody else's hands, was held, or is by a slower clock, lies there.
//!
//! A floor must never be the reason that something due is not found: whoever looked from one, and was not given all that
//! there was room for, is told when the beginning is looked at again, and asks again then.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{DestinationName, Tenant, Timestamp};

use crate::perform::Moment;

/// A look from the beginning that takes less is made each time: there is nothing to wade through.
const SLOW: Duration = Duration::from_millis(5);
/// Looks from the beginning may take this share of the time: one in so many.
const SHARE: u32 = 20;
/// The longest that something at the beginning waits to be seen, as long as looks from there take less than a second.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// However long it waits: the share of the time that looks from the beginning never pass.
const SHARE_MAX: u32 = 5;
/// What is committed this much later than it became due is seen all the same.
const COMMITTED_WITHIN: Duration = Duration::from_millis(250);
/// So is what took as long to be committed as so many looks: where looks are slow because the database is, commits are.
const COMMITTED_WITHIN_LOOKS: u32 = 4;

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

impl Look {
    /// Where the next one may begin.
    fn floor(&self) -> Timestamp {
        self.found - COMMITTED_WITHIN.max(self.took * COMMITTED_WITHIN_LOOKS)
    }

    /// When the next one is from the beginning.
    fn again(&self) -> Moment {
        self.ended + (self.took * SHARE).min(WAIT_MAX.max(self.took * SHARE_MAX))
    }
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

    /// Takes note of a look. Gives how long it is until the beginning is looked at, where this one began later.
    pub(crate) fn note(&self, queue: &Queue, look: Look) -> Option<Duration> {
        let mut known = self.known();
        let Some(from) = look.from else {
            if look.took < SLOW {
                known.remove(queue);
            } else {
                known.insert(queue.clone(), Floor { from: look.floor(), again: look.again() });
            }
            return None;
        };
        // Gone: meanwhile somebody looked from the beginning, and found nothing to wade through.
        let Some(floor) = known.get_mut(queue) else { return Some(Duration::ZERO) };
        if floor.from == from {
            // Else somebody found the beginning of the queue meanwhile, and this one did not.
            floor.from = look.floor();
        }
        Some(floor.again.since(look.ended))
    }

    /// Takes note of a look that the server gave up, having found nothing for long: those after it begin later, so that
    /// what is due now goes out, though nobody can tell what is due since long ago.
    pub(crate) fn note_failed(&self, queue: &Queue, look: Look) {
        if look.took < WAIT_MAX {
            return;
        }
        let mut known = self.known();
        match (look.from, known.get_mut(queue)) {
            (None, Some(floor)) => floor.again = look.again(),
            (None, None) => {
                known.insert(queue.clone(), Floor { from: look.floor(), again: look.again() });
            }
            (Some(_), Some(floor)) => floor.from = look.floor(),
            (Some(_), None) => {}
        }
    }
}

#[cfg(test)]
mod tests;
