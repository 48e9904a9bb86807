//! Enrichment: records fetched for events, through the source's budget, each once for all who need it at a time.
//!
//! A record that is kept serves an event only if it is at least as new as the event (design §6, Enrichment): by its
//! version where both have one, else by when it was asked for.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::latest;
use domain::{Purpose, Timestamp, Version};
use rustc_hash::FxHashMap;
use serde_json::Value as Json;
use store::StoreError;

use crate::clock::{Elapsed, SharedClock, timeout};
use crate::engine::EngineError;
use crate::reading::ReadFailure;
use crate::spec::RequestSpec;
use crate::topology::Topology;
use crate::upstream::{Account, Unopened, Upstreams};

/// Records kept at most; the ones that were not used for longest make room.
const KEPT_MAX: usize = 10_000;
/// Most memory of all kept records; likewise.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What a value of JSON takes in memory beside its text, and a member of an object beside its name and value.
const VALUE_BYTES: usize = 80;
/// Longest that one delivery waits for its records: it holds a place at its destination meanwhile.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Waits before a record that is older than its event is asked for again: replicas lag.
const LAG_WAITS: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Between two requests for one record: all whose events come meanwhile have the second one together. Without versions
/// each of them would need one of its own, for none may have a record from before it.
const GATHER: Duration = Duration::from_secs(1);

/// Versions are written in whole seconds at the coarsest.
const TICK: Duration = Duration::from_secs(1);

/// A record that is needed.
#[derive(Clone, Debug)]
pub(crate) struct Need<'n> {
    pub account: Account,
    /// Of the stream, or what the request is called.
    pub stream: &'n str,
    /// How it is asked for, if not as the connector says.
    pub request: Option<&'n RequestSpec>,
    pub id: String,
    /// The event's version, if the record is its own subject.
    pub version: Option<Version>,
    /// The event says that there is such a record: a source that says otherwise may be a replica that has not heard of it.
    pub exists: bool,
    /// When the event came.
    pub received_at: Timestamp,
    pub max_age: Option<Duration>,
    pub confirm: bool,
}

/// Why a record is not there.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Unfetched {
    /// Our own store refused, before anybody was asked. That is no failure of the record: another try may find it well.
    #[error("the store: {0}")]
    Store(StoreError),
    #[error("{}", .0.message)]
    Failed(#[from] ReadFailure),
}

impl From<Unopened> for Unfetched {
    fn from(unopened: Unopened) -> Self {
        match unopened {
            Unopened::Failed(failure) => Self::Failed(failure),
            Unopened::Engine(EngineError::Store(error)) if error.retryable() => Self::Store(error),
            Unopened::Engine(error) => Self::Failed(ReadFailure::config(error.code(), error.to_string())),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    account: Account,
    stream: Box<str>,
    /// Routes may ask for other things under one name.
    request: Option<Arc<Json>>,
    id: Box<str>,
}

#[derive(Clone)]
struct Kept {
    record: Option<Arc<Json>>,
    version: Option<Version>,
    /// When it was asked for.
    asked_at: Timestamp,
}

#[derive(Default)]
struct Slot {
    /// Held while the record is fetched, so that all who need it wait for the same answer.
    kept: tokio::sync::Mutex<Option<Kept>>,
    /// The number of its last use, and the memory of its record.
    used: AtomicU64,
    bytes: AtomicUsize,
}

pub struct Enricher {
    upstreams: Arc<Upstreams>,
    clock: SharedClock,
    topology: latest::Receiver<Arc<Topology>>,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    by_key: FxHashMap<Key, Arc<Slot>>,
    uses: u64,
    /// Of all records.
    bytes: usize,
}

impl Enricher {
    pub(crate) fn new(
        upstreams: Arc<Upstreams>,
        clock: SharedClock,
        topology: latest::Receiver<Arc<Topology>>,
    ) -> Self {
        Self { upstreams, clock, topology, slots: Mutex::default() }
    }

    /// The record; `None` if the source says that there is none.
    pub(crate) async fn fetch(&self, need: &Need<'_>) -> Result<Option<Arc<Json>>, Unfetched> {
        let fetched = timeout(&*self.clock, PATIENCE, self.fetch_patiently(need)).await;
        fetched.unwrap_or_else(|Elapsed| {
            let message = format!("'{}' could not be fetched within {PATIENCE:?}", need.stream);
            Err(ReadFailure::transient("enrich_timeout", message).into())
        })
    }

    async fn fetch_patiently(&self, need: &Need<'_>) -> Result<Option<Arc<Json>>, Unfetched> {
        let mut waits = LAG_WAITS.into_iter();
        let (mut since, mut gathers) = (need.received_at, true);
        loop {
            let kept = self.current(need, since, gathers).await?;
            let is_missing = need.exists && kept.record.is_none();
            if !is_missing && !is_older(&kept, need) {
                return Ok(kept.record);
            }
            let Some(wait) = waits.next() else {
                if is_missing {
                    // So often that it is believed: it is gone by now.
                    return Ok(None);
                }
                let message = format!("'{}' still answers a state from before the event", need.stream);
                return Err(ReadFailure::transient("record_older", message).into());
            };
            self.clock.sleep(wait).await;
            (since, gathers) = (self.clock.now(), false);
        }
    }

    /// What is kept, if it is new enough, else what the source says now. That there is no record has to be known since
    /// `since`.
    async fn current(&self, need: &Need<'_>, since: Timestamp, gathers: bool) -> Result<Kept, Unfetched> {
        if need.confirm {
            return self.ask(need).await;
        }
        let slot = self.slot(need);
        let mut kept = slot.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| self.serves(kept, need, since)) {
            return Ok(kept.clone());
        }
        if let Some(last) = kept.as_ref().map(|kept| kept.asked_at).filter(|_| gathers) {
            let left = (last + GATHER).since(self.clock.now());
            if !left.is_zero() {
                // Whoever comes meanwhile waits for the same answer.
                self.clock.sleep(left).await;
            }
        }
        let asked = self.ask(need).await?;
        *kept = Some(asked.clone());
        self.slots().weigh(&slot, asked.record.as_deref().map_or(0, bytes_of));
        Ok(asked)
    }

    fn serves(&self, kept: &Kept, need: &Need<'_>, since: Timestamp) -> bool {
        if let (Some(own), Some(wanted)) = (kept.version, need.version)
            && let Some(order) = own.partial_cmp(&wanted)
        {
            // Within the tick of its version a record may have changed once more since it was asked for.
            let is_over = !matches!(own, Version::Time(at) if kept.asked_at < at + TICK);
            return order.is_gt() || (order.is_eq() && (is_over || kept.asked_at >= need.received_at));
        }
        if need.exists && kept.record.is_none() {
            return kept.asked_at >= since;
        }
        let is_young = need.max_age.is_some_and(|max_age| self.clock.now().since(kept.asked_at) <= max_age);
        is_young || kept.asked_at >= need.received_at
    }

    async fn ask(&self, need: &Need<'_>) -> Result<Kept, Unfetched> {
        let topology = Arc::clone(&self.topology.borrow());
        let upstream = self.upstreams.get(&topology, &need.account).await?;
        let asked_at = self.clock.now();
        let record = match need.request {
            Some(RequestSpec { one, .. }) => upstream.record_by(Purpose::Enrich, need.stream, one, &need.id).await?,
            None => upstream.record(Purpose::Enrich, need.stream, &need.id).await?,
        };
        let extension = upstream.connector().extension.streams.get(need.stream);
        let version = record.as_ref().and_then(|record| extension?.version_of(record));
        Ok(Kept { record: record.map(Arc::new), version, asked_at })
    }

    fn slot(&self, need: &Need<'_>) -> Arc<Slot> {
        let request = need.request.map(|request| Arc::clone(&request.written));
        let (account, id) = (need.account.clone(), need.id.as_str().into());
        let key = Key { account, stream: need.stream.into(), request, id };
        self.slots().slot(key)
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // A slot that was left out of the sum is a little memory more, once.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn slot(&mut self, key: Key) -> Arc<Slot> {
        self.uses += 1;
        if self.by_key.len() >= KEPT_MAX && !self.by_key.contains_key(&key) {
            self.make_room(KEPT_MAX / 2, KEPT_BYTES_MAX);
        }
        let slot = self.by_key.entry(key).or_default();
        slot.used.store(self.uses, Ordering::Relaxed);
        Arc::clone(slot)
    }

    /// A slot, which its caller has, keeps a record that takes so much memory.
    fn weigh(&mut self, slot: &Slot, bytes: usize) {
        let before = slot.bytes.swap(bytes, Ordering::Relaxed);
        self.bytes = (self.bytes + bytes).saturating_sub(before);
        if self.bytes > KEPT_BYTES_MAX {
            self.make_room(KEPT_MAX, KEPT_BYTES_MAX / 2);
        }
    }

    /// Lets go of those that were not used for longest, until so many are left and take so much memory. What somebody
    /// waits for stays.
    fn make_room(&mut self, count: usize, bytes: usize) {
        let of = |slot: &Arc<Slot>| (slot.used.load(Ordering::Relaxed), slot.bytes.load(Ordering::Relaxed));
        let mut by_use: Vec<(u64, usize)> = self.by_key.values().map(of).collect();
        by_use.sort_unstable();
        let (mut left, mut taken, mut last_gone) = (by_use.len(), self.bytes, 0);
        for (used, own) in by_use {
            if left <= count && taken <= bytes {
                break;
            }
            (left, taken, last_gone) = (left - 1, taken.saturating_sub(own), used);
        }
        let mut kept = 0;
        self.by_key.retain(|_, slot| {
            let (used, own) = of(slot);
            let stays = used > last_gone || Arc::strong_count(slot) > 1;
            kept += if stays { own } else { 0 };
            stays
        });
        self.bytes = kept;
    }
}

/// About the memory that a record takes.
fn bytes_of(record: &Json) -> usize {
    let inner = match record {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(bytes_of).sum(),
        Json::Object(members) => members.iter().map(|(name, value)| VALUE_BYTES + name.len() + bytes_of(value)).sum(),
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
    };
    VALUE_BYTES + inner
}

/// Whether a record that was just fetched is from before the event.
fn is_older(kept: &Kept, need: &Need<'_>) -> bool {
    let order = kept.version.zip(need.version).and_then(|(own, wanted)| own.partial_cmp(&wanted));
    order.is_some_and(std::cmp::Ordering::is_lt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        let account =
            Account { tenant: domain::Tenant::default_tenant(), source: name("shop"), connection: name("default") };
        Key { account, stream: "orders".into(), request: None, id: number.to_string().into() }
    }

    fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
        text.parse().expect("a name")
    }

    #[test]
    fn large_records_make_room_for_one_another_and_the_ones_in_use_stay() {
        let (mut slots, size) = (Slots::default(), KEPT_BYTES_MAX / 100);
        let in_use = slots.slot(key(0));
        slots.weigh(&in_use, size);
        for number in 1..1_000 {
            let slot = slots.slot(key(number));
            slots.weigh(&slot, size);
            assert!(slots.bytes <= KEPT_BYTES_MAX, "{number}");
        }
        assert!(slots.by_key.len() >= 49, "{}", slots.by_key.len());
        assert!(slots.by_key.contains_key(&key(0)) && slots.by_key.contains_key(&key(999)));
        let of_all: usize = slots.by_key.values().map(|slot| slot.bytes.load(Ordering::Relaxed)).sum();
        assert_eq!(slots.bytes, of_all);
    }

    #[test]
    fn small_records_are_kept_by_their_number() {
        let mut slots = Slots::default();
        for number in 0..=KEPT_MAX {
            let slot = slots.slot(key(number));
            slots.weigh(&slot, bytes_of(&serde_json::json!({"id": number, "tags": ["a", null]})));
        }
        assert_eq!(slots.by_key.len(), KEPT_MAX / 2 + 1);
        assert!(!slots.by_key.contains_key(&key(0)) && slots.by_key.contains_key(&key(KEPT_MAX)));
    }

    #[test]
    fn a_store_that_refuses_for_a_moment_is_no_failure_of_the_record() {
        for (error, is_ours) in [
            (EngineError::Store(StoreError::Overloaded), true),
            (EngineError::Store(StoreError::DiskFull("it is full".to_owned())), true),
            (EngineError::Store(StoreError::Corrupt("a row cannot be read".to_owned())), false),
            (EngineError::NotFound("there is no such connection".to_owned()), false),
        ] {
            let unfetched = Unfetched::from(Unopened::Engine(error));
            assert_eq!(matches!(unfetched, Unfetched::Store(_)), is_ours, "{unfetched}");
        }
    }
}
