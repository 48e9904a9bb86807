//! Which events and records are looked at: the first ones of a kind, and then a few a second.

use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::run::StreamKey;
use domain::{Event, EventId, Timestamp};
use rustc_hash::{FxBuildHasher, FxHashMap};
use serde_json::Value as Json;
use store::shapes::{ShapeKey, ShapeOf};

use super::{key_of_event, key_of_stream};
use crate::message;

/// Of a kind that was never seen so many are looked at, whatever the rate: more than it takes to trust a shape.
const BURST: u64 = 100;
/// One more may be looked at each so long: 5 a second cost a thousandth of a core, and find a change within seconds.
const REFILL_EVERY: Duration = Duration::from_millis(200);
/// Samples that wait to be learned; others are let go.
const WAITING_MAX: usize = 1_000;
/// Larger events are not looked at: reading one would keep a thread for milliseconds.
const BYTES_MAX: usize = 256 * 1_024;
/// Kinds whose rate is known; beyond that all are forgotten and get their first samples anew.
const KINDS_MAX: usize = 20_000;

pub(super) struct Sample {
    pub at: Timestamp,
    pub event: Option<EventId>,
    what: What,
}

enum What {
    Event(Arc<Event>),
    Record(Json),
}

/// A value, and what showed it.
pub(super) struct Read {
    pub at: Timestamp,
    pub event: Option<EventId>,
    pub value: Json,
}

impl Sample {
    /// `None` where an event's data is not JSON or a form.
    pub fn read(self) -> Option<Read> {
        let Self { at, event, what } = self;
        let value = match what {
            What::Event(event) => message::data_value(&event)?,
            What::Record(record) => record,
        };
        Some(Read { at, event, value })
    }
}

#[derive(Default)]
pub(super) struct Sampler {
    /// When the last of a kind's samples is paid for, by the kind's hash: two kinds that share one share a rate.
    paid_until: Mutex<FxHashMap<u64, Timestamp>>,
    waiting: Mutex<Vec<(ShapeKey, Sample)>>,
}

impl Sampler {
    pub fn takes_event(&self, event: &Event) -> bool {
        event.payload.len() <= BYTES_MAX
            && self.takes((&event.tenant, &event.source, ShapeOf::Event, &*event.event_type), event.received_at)
    }

    fn takes(&self, kind: impl Hash, now: Timestamp) -> bool {
        let kind = FxBuildHasher.hash_one(kind);
        // An entry is one number: it is whole whatever happened.
        let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
        if paid_until.len() >= KINDS_MAX && !paid_until.contains_key(&kind) {
            paid_until.clear();
        }
        let burst = REFILL_EVERY * u32::try_from(BURST).unwrap_or(u32::MAX);
        let paid = paid_until.entry(kind).or_insert(now - burst);
        let next = (*paid).max(now - burst) + REFILL_EVERY;
        let takes = next <= now;
        if takes {
            *paid = next;
        }
        takes
    }

    /// Gives whether there is anything to learn now.
    pub fn add_events(&self, events: Vec<Arc<Event>>) -> bool {
        let sample = |event: Arc<Event>| {
            let key = key_of_event(&event);
            (key, Sample { at: event.received_at, event: Some(event.id), what: What::Event(event) })
        };
        !events.is_empty() && self.add(events.into_iter().map(sample))
    }

    /// The same for the records of a page.
    pub fn add_records(&self, key: &StreamKey, records: &[Json], now: Timestamp) -> bool {
        let chosen =
            records.iter().filter(|_| self.takes((&key.tenant, &key.source, ShapeOf::Stream, &*key.stream), now));
        let sample = |record: &Json| {
            let shape = key_of_stream(&key.tenant, &key.source, &key.stream);
            (shape, Sample { at: now, event: None, what: What::Record(record.clone()) })
        };
        self.add(chosen.map(sample))
    }

    fn add(&self, samples: impl Iterator<Item = (ShapeKey, Sample)>) -> bool {
        // A sample is whole or is not there.
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let room = WAITING_MAX.saturating_sub(waiting.len());
        waiting.extend(samples.take(room));
        !waiting.is_empty()
    }

    /// All that wait, by whose shape they are, in the order in which they came.
    pub fn take(&self) -> FxHashMap<ShapeKey, Vec<Sample>> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut by_key: FxHashMap<ShapeKey, Vec<Sample>> = FxHashMap::default();
        for (key, sample) in waiting {
            by_key.entry(key).or_default().push(sample);
        }
        by_key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_kind_gets_its_burst_at_once_and_then_its_rate() {
        let sampler = Sampler::default();
        let start = Timestamp::from_secs(1_800_000_000);
        let taken = |kind: &str, at, of: usize| (0..of).filter(|_| sampler.takes(kind, at)).count();
        assert_eq!(taken("a", start, 10_000), BURST as usize);
        assert_eq!(taken("a", start + Duration::from_secs(10), 10_000), 50, "five a second");
        assert_eq!(taken("b", start, 10), 10, "another kind has its own");
        assert_eq!(taken("a", start + Duration::from_secs(86_400), 10_000), BURST as usize, "and never more at once");
    }
}
