//! Shapes: what events and records look like, learned beside the pipeline and never in its way.
//!
//! What is accepted or read is offered; a few of each kind a second are looked at, a moment later. Nothing waits for
//! it, nothing is refused for it, and what a crash takes away is learned from the next ones.

mod learn;
mod sample;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::run::StreamKey;
use domain::shape::Severity;
use domain::{Event, SourceName, Tenant};
use rustc_hash::FxHashMap;
use serde_json::Value as Json;
use store::shapes::{Saved, ShapeChange, ShapeKey, ShapeOf, ShapeRow};
use store::{Store, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::alert::{Alerts, SCHEMA_BROKEN, SCHEMA_CHANGED};
use crate::clock::SharedClock;
use crate::telemetry;
use sample::{Sample, Sampler};

/// How long samples gather before they are learned: one writing for many.
const GATHER: Duration = Duration::from_secs(1);
/// Shapes kept in memory between two writings. One takes a few kilobytes.
const KNOWN_MAX: usize = 64;
/// A shape with more places than this is read again each time.
const KNOWN_PLACES_MAX: usize = 500;
/// How often one is read again because another node wrote it first.
const TRIES: usize = 5;

pub(crate) struct Shapes {
    store: Arc<dyn Store>,
    clock: SharedClock,
    alerts: Alerts,
    sampler: Sampler,
    wake: Notify,
    /// As they were written last. Whoever finds that another node wrote them since reads them again.
    known: Mutex<FxHashMap<ShapeKey, ShapeRow>>,
}

impl Shapes {
    pub(crate) fn new(store: &Arc<dyn Store>, clock: &SharedClock, alerts: &Alerts) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            clock: Arc::clone(clock),
            alerts: alerts.clone(),
            sampler: Sampler::default(),
            wake: Notify::new(),
            known: Mutex::default(),
        })
    }

    /// Those of the events that are worth a look once they are stored. Costs next to nothing for the others.
    pub(crate) fn choose<'e>(&self, events: impl Iterator<Item = &'e Arc<Event>>) -> Vec<Arc<Event>> {
        let chosen = |event: &&Arc<Event>| self.sampler.takes_event(event);
        events.filter(chosen).cloned().collect()
    }

    /// Events that were chosen, and are stored now.
    pub(crate) fn events(&self, events: Vec<Arc<Event>>) {
        if self.sampler.add_events(events) {
            self.wake.notify_one();
        }
    }

    /// The records of a page of a stream.
    pub(crate) fn records(&self, key: &StreamKey, records: &[Json]) {
        if self.sampler.add_records(key, records, self.clock.now()) {
            self.wake.notify_one();
        }
    }

    /// Learns until told to stop.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.clock.sleep(GATHER) => {}
            }
            for (key, samples) in self.sampler.take() {
                if let Err(error) = self.learn(key, samples).await {
                    // The samples are gone: the next ones are as good.
                    telemetry::store_failed("learn_shape", &error);
                }
            }
        }
    }

    async fn learn(&self, key: ShapeKey, samples: Vec<Sample>) -> Result<(), StoreError> {
        let values = samples.into_iter().filter_map(Sample::read).collect::<Vec<_>>();
        for _ in 0..TRIES {
            let before = match self.forget(&key) {
                Some(known) => Some(known),
                None => self.store.shape(key.clone()).await?,
            };
            let Some((row, changes)) = learn::learned(before, &key, &values) else { return Ok(()) };
            match self.store.save_shape(row.clone(), changes.clone()).await? {
                Saved::Kept => {
                    self.remember(row);
                    self.tell(&key, &changes);
                    return Ok(());
                }
                Saved::Full => {
                    telemetry::shapes_full(key.source.as_str());
                    return Ok(());
                }
                Saved::Moved => {}
            }
            // A value may be large, and others want this thread too.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, FxHashMap<ShapeKey, ShapeRow>> {
        // A row is whole or is not there.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, key: &ShapeKey) -> Option<ShapeRow> {
        self.known().remove(key)
    }

    fn remember(&self, row: ShapeRow) {
        if row.shape.places() > KNOWN_PLACES_MAX {
            return;
        }
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(row.head.key.clone(), ShapeRow { generation: row.generation + 1, ..row });
    }

    /// What somebody should know. What whoever reads the values need not care about is only kept.
    fn tell(&self, key: &ShapeKey, changes: &[ShapeChange]) {
        for change in changes {
            telemetry::shape_changed(key.source.as_str(), change.change.what.severity().as_str());
        }
        let severity = |change: &&ShapeChange| change.change.what.severity();
        let Some(worst) = changes.iter().max_by_key(severity) else { return };
        let kind = match severity(&worst) {
            Severity::Compatible => return,
            Severity::Notable => SCHEMA_CHANGED,
            Severity::Breaking => SCHEMA_BROKEN,
        };
        self.alerts.note(&key.tenant, kind, shape_object(key), sentence(worst, changes));
    }
}

/// The object of alerts about a shape.
fn shape_object(key: &ShapeKey) -> String {
    let ShapeKey { source, name, .. } = key;
    match key.of {
        ShapeOf::Event => format!("source/{source}/type/{name}"),
        ShapeOf::Stream => format!("source/{source}/stream/{name}"),
    }
}

fn sentence(worst: &ShapeChange, changes: &[ShapeChange]) -> String {
    let severity = worst.change.what.severity().as_str();
    let shown = worst.event.map(|event| format!(", as in {event}")).unwrap_or_default();
    let others = match changes.len() - 1 {
        0 => String::new(),
        others => format!("; and {others} more"),
    };
    format!("{severity} change: {}{shown} (version {}){others}", worst.change.sentence(), worst.version)
}

/// Whose shape an event's data is of.
fn key_of_event(event: &Event) -> ShapeKey {
    let (tenant, source) = (event.tenant.clone(), event.source.clone());
    ShapeKey { tenant, source, of: ShapeOf::Event, name: Arc::clone(&event.event_type) }
}

/// Whose shape a record is of. Connections of one source are accounts of one API: their records look alike.
fn key_of_stream(tenant: &Tenant, source: &SourceName, stream: &Arc<str>) -> ShapeKey {
    ShapeKey { tenant: tenant.clone(), source: source.clone(), of: ShapeOf::Stream, name: Arc::clone(stream) }
}
