//! A stream as people see it.

use std::collections::HashMap;

use domain::Tenant;
use domain::Timestamp;
use domain::run::StreamKey;
use store::reading::{Checkpoint, Progress};

use super::under_way::RunPlace;
use crate::engine::{Engine, EngineError};
use crate::spec::StreamSpec;
use crate::subscriptions::Covering;

/// What the schedule knows of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub key: StreamKey,
    pub spec: StreamSpec,
    pub running: bool,
    pub run: Option<RunPlace>,
    /// How it stands to the subscriptions of its source; `None`: that has none.
    pub covering: Option<Covering>,
    pub next_at: Option<Timestamp>,
    pub reconcile_at: Option<Timestamp>,
    pub failures: u32,
    /// Changes per second, where polls share a budget.
    pub rate: Option<f64>,
    /// What polls came to since it was last written down.
    pub unwritten: Progress,
}

/// A stream that is read by itself, or was.
#[derive(Clone, Debug)]
pub struct StreamView {
    pub key: StreamKey,
    pub spec: StreamSpec,
    pub running: bool,
    /// Where its run is, if this node reads it and it is one that is listed.
    pub run: Option<RunPlace>,
    /// How it stands to the subscriptions of its source; `None`: that has none.
    pub covering: Option<Covering>,
    /// When it is polled next; `None` also while it is read, and where a shared budget decides.
    pub next_at: Option<Timestamp>,
    pub reconcile_at: Option<Timestamp>,
    /// Polls that failed in a row.
    pub failures: u32,
    /// Changes per hour: estimated where polls share a budget, else as counted.
    pub changes_per_hour: Option<f64>,
    /// The connector format's own state, as JSON; empty at the beginning.
    pub state: String,
    /// When the first complete scan ended.
    pub baseline_at: Option<Timestamp>,
    pub progress: Progress,
}

impl StreamView {
    pub(super) fn new(checkpoint: Option<Checkpoint>, shown: Shown) -> Self {
        let Shown { key, spec, running, run, covering, next_at, reconcile_at, failures, rate, unwritten } = shown;
        let (state, baseline_at, mut progress) = match checkpoint {
            Some(row) => (row.state.to_string(), row.baseline_at, row.progress),
            None => (String::new(), None, Progress::default()),
        };
        add(&mut progress, unwritten);
        let changes_per_hour = rate.map(|rate| rate * 3_600.0).or_else(|| {
            let since = progress.read_at?.since(baseline_at?).as_secs_f64();
            (since >= 60.0).then(|| progress.changes as f64 / since * 3_600.0)
        });
        Self {
            key,
            spec,
            running,
            run,
            covering,
            next_at,
            reconcile_at,
            failures,
            changes_per_hour,
            state,
            baseline_at,
            progress,
        }
    }

    /// How long ago the stream was last read to its end.
    #[must_use]
    pub fn lag(&self, now: Timestamp) -> Option<std::time::Duration> {
        self.progress.read_at.map(|read| now.since(read))
    }

    /// The share of polls that found nothing.
    #[must_use]
    pub fn waste(&self) -> Option<f64> {
        (self.progress.polls > 0).then(|| self.progress.empty as f64 / self.progress.polls as f64)
    }

    /// Requests spent for each change found.
    #[must_use]
    pub fn requests_per_change(&self) -> Option<f64> {
        (self.progress.changes > 0).then(|| self.progress.requests as f64 / self.progress.changes as f64)
    }
}

/// How often rows are read again because polls were written down meanwhile. They are every few seconds, so the second
/// time is the last; of a store that is slower than that, only what is written down is shown.
const LOOKS_MAX: usize = 3;

impl Engine {
    /// The streams of a tenant that are read by themselves, by source, connection and name.
    pub async fn streams(&self, tenant: &Tenant) -> Result<Vec<StreamView>, EngineError> {
        let mut noted = self.inner.streams.noted().await;
        for _ in 0..LOOKS_MAX {
            let rows = self.inner.store.checkpoints(tenant.clone(), None).await?;
            let shown = self.inner.streams.shown(tenant.clone()).await;
            // Else what was written down meanwhile may be in both, or in neither.
            if shown.noted == noted {
                return Ok(views(shown.streams, rows));
            }
            noted = shown.noted;
        }
        let mut shown = self.inner.streams.shown(tenant.clone()).await;
        shown.streams.iter_mut().for_each(|shown| shown.unwritten = Progress::default());
        Ok(views(shown.streams, self.inner.store.checkpoints(tenant.clone(), None).await?))
    }
}

pub(super) fn add(sum: &mut Progress, more: Progress) {
    sum.asked_at = sum.asked_at.max(more.asked_at);
    sum.read_at = sum.read_at.max(more.read_at);
    sum.changed_at = sum.changed_at.max(more.changed_at);
    sum.polls += more.polls;
    sum.empty += more.empty;
    sum.failed += more.failed;
    sum.changes += more.changes;
    sum.requests += more.requests;
    sum.unmodified += more.unmodified;
}

/// What the engine shows of its streams is put together from the schedule and the store.
fn views(shown: Vec<Shown>, checkpoints: Vec<Checkpoint>) -> Vec<StreamView> {
    let mut by_key: HashMap<StreamKey, Checkpoint> =
        checkpoints.into_iter().map(|row| (row.key.clone(), row)).collect();
    let mut views: Vec<StreamView> =
        shown.into_iter().map(|shown| StreamView::new(by_key.remove(&shown.key), shown)).collect();
    views.sort_by(|one, other| one.key.cmp(&other.key));
    views
}
