//! Enrichment: records fetched for events, through the source's budget, each once for all who need it at a time.
//!
//! A record that is kept serves an event only if it is at least as new as the event (design §6, Enrichment): by its
//! version where both have one, else by when it was asked for.

use std::sync::{Arc, Mutex, PoisonError};
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
    used: Mutex<u64>,
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
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.uses += 1;
        let uses = slots.uses;
        if slots.by_key.len() >= KEPT_MAX && !slots.by_key.contains_key(&key) {
            // The half that was used last stays: more than half of the uses since then were of others.
            slots.by_key.retain(|_, slot| *slot.used() + KEPT_MAX as u64 / 2 > uses || Arc::strong_count(slot) > 1);
        }
        let slot = slots.by_key.entry(key).or_default();
        *slot.used() = uses;
        Arc::clone(slot)
    }
}

impl Slot {
    fn used(&self) -> std::sync::MutexGuard<'_, u64> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a record that was just fetched is from before the event.
fn is_older(kept: &Kept, need: &Need<'_>) -> bool {
    let order = kept.version.zip(need.version).and_then(|(own, wanted)| own.partial_cmp(&wanted));
    order.is_some_and(std::cmp::Ordering::is_lt)
}

#[cfg(test)]
mod tests {
    use super::*;

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
