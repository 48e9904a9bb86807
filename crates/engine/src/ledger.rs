//! The ledger: what people look back at, gathered in memory and written down now and then. Calls to sources one by
//! one, everything else as figures. Nothing rests on it: what a crash takes away is a few seconds of a chart.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Call, DestinationName, Latencies, SourceName, Tenant, Timestamp};
use rustc_hash::FxHashMap;
use store::watch::{Figure, Series};
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::telemetry;

/// Often enough for a person who waits for a call to show up.
const CALLS_EVERY: Duration = Duration::from_secs(1);
/// A minute's figure is written a few times: it grows while it is looked at.
const FIGURES_EVERY: Duration = Duration::from_secs(10);
/// Calls that wait to be written. More in a second than this, and the store is what is slow: the rest is counted only.
const CALLS_MAX: usize = 20_000;

type Key = (Tenant, Series, Arc<str>);

#[derive(Default)]
struct Pages {
    calls: Vec<Call>,
    /// Of calls that found no room.
    untold: u64,
    figures: FxHashMap<Key, Sums>,
}

#[derive(Default)]
struct Sums {
    count: u64,
    failed: u64,
    latencies: Latencies,
}

pub struct Ledger {
    store: Arc<dyn Store>,
    clock: SharedClock,
    pages: Mutex<Pages>,
}

impl Ledger {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: SharedClock) -> Self {
        Self { store, clock, pages: Mutex::default() }
    }

    /// One request to a source, after its end.
    pub fn call(&self, call: Call) {
        telemetry::called(call.source.as_str(), call.purpose.as_str(), call.failed(), call.duration);
        let mut pages = self.pages();
        let sums = pages.sums(&call.tenant, Series::Calls, call.source.shared());
        sums.add(1, call.failed(), Some(call.duration));
        if pages.calls.len() < CALLS_MAX {
            pages.calls.push(call);
        } else {
            pages.untold += 1;
        }
    }

    /// New events of a source.
    pub fn events(&self, tenant: &Tenant, source: &SourceName, count: u64) {
        if count > 0 {
            self.pages().sums(tenant, Series::Events, source.shared()).add(count, false, None);
        }
    }

    /// Tries of deliveries: whose, whether each failed, and how long it took.
    pub fn attempts<'a>(&self, ended: impl Iterator<Item = (&'a Tenant, &'a DestinationName, bool, Duration)>) {
        let mut pages = self.pages();
        for (tenant, destination, failed, duration) in ended {
            pages.sums(tenant, Series::Attempts, destination.shared()).add(1, failed, Some(duration));
        }
    }

    /// A request that its source's recipe turned away.
    pub fn rejected(&self, tenant: &Tenant, source: &SourceName) {
        self.pages().sums(tenant, Series::Rejected, source.shared()).add(1, true, None);
    }

    /// How many deliveries were seen to wait for a destination, and how long the oldest had.
    pub fn waiting(&self, tenant: &Tenant, destination: &DestinationName, deliveries: u64, oldest: Duration) {
        if deliveries > 0 {
            self.pages().sums(tenant, Series::Waiting, destination.shared()).add(deliveries, false, Some(oldest));
        }
    }

    /// Writes until told to stop. What comes after that is written by [`flush`](Self::flush).
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut figures_at = self.clock.now();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.clock.sleep(CALLS_EVERY) => {}
            }
            let now = self.clock.now();
            let figures = now.since(figures_at) >= FIGURES_EVERY;
            if figures {
                figures_at = now;
            }
            self.write(now, figures).await;
        }
    }

    /// Writes all there is.
    pub async fn flush(&self) {
        self.write(self.clock.now(), true).await;
    }

    /// What could not be written is not kept for later: a store that refuses it has more important work.
    async fn write(&self, now: Timestamp, with_figures: bool) {
        if let Err(error) = self.try_write(now, with_figures).await {
            telemetry::store_failed("ledger", &error);
        }
    }

    async fn try_write(&self, now: Timestamp, with_figures: bool) -> Result<(), StoreError> {
        let (calls, untold, figures) = {
            let mut pages = self.pages();
            let figures = if with_figures { std::mem::take(&mut pages.figures) } else { FxHashMap::default() };
            (std::mem::take(&mut pages.calls), std::mem::take(&mut pages.untold), figures)
        };
        if untold > 0 {
            telemetry::calls_untold(untold);
        }
        if !calls.is_empty() {
            self.store.record_calls(calls).await?;
        }
        if figures.is_empty() {
            return Ok(());
        }
        let figures = figures.into_iter().map(|((tenant, series, object), Sums { count, failed, latencies })| Figure {
            tenant,
            series,
            object,
            count,
            failed,
            latencies,
        });
        self.store.add_figures(now, figures.collect()).await
    }

    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        // Whoever panicked while holding it left counts that are off by one at worst.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn sums(&mut self, tenant: &Tenant, series: Series, object: &Arc<str>) -> &mut Sums {
        self.figures.entry((tenant.clone(), series, Arc::clone(object))).or_default()
    }
}

impl Sums {
    fn add(&mut self, count: u64, failed: bool, took: Option<Duration>) {
        self.count += count;
        self.failed += if failed { count } else { 0 };
        if let Some(took) = took {
            self.latencies.add(took);
        }
    }
}
