//! The runs of this node that go on, and where each is: only for people to see. Nothing is decided by it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::run::{Run, RunFigures, RunKind, StreamKey};
use domain::{RunId, Timestamp};
use rustc_hash::FxHashMap;
use serde_json::Value as Json;

/// A run that goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct RunPlace {
    pub run: RunId,
    pub kind: RunKind,
    pub started_at: Timestamp,
    /// Of all pages that were committed.
    pub figures: RunFigures,
    /// The slice of the last of them: its partition and its window, as the connector format has them. Empty where a
    /// stream is one whole.
    pub slice: Json,
}

#[derive(Default)]
pub(crate) struct UnderWay(Mutex<FxHashMap<StreamKey, RunPlace>>);

impl UnderWay {
    /// Shows a run until what this gives is dropped.
    pub fn begin(self: &Arc<Self>, run: &Run) -> Shown {
        let Run { id, key, kind, started_at, figures, .. } = run.clone();
        let place = RunPlace { run: id, kind, started_at, figures, slice: Json::Null };
        self.places().insert(key.clone(), place);
        Shown { all: Arc::clone(self), key, run: id }
    }

    pub fn at(&self, key: &StreamKey) -> Option<RunPlace> {
        self.places().get(key).cloned()
    }

    fn places(&self) -> MutexGuard<'_, FxHashMap<StreamKey, RunPlace>> {
        // Places are put in and taken out whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run that is shown.
pub(crate) struct Shown {
    all: Arc<UnderWay>,
    key: StreamKey,
    run: RunId,
}

impl Shown {
    pub fn moves(&self, figures: RunFigures, slice: Option<Json>) {
        if let Some(place) = self.all.places().get_mut(&self.key).filter(|place| place.run == self.run) {
            place.figures = figures;
            place.slice = slice.unwrap_or_else(|| place.slice.take());
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut places = self.all.places();
        if places.get(&self.key).is_some_and(|place| place.run == self.run) {
            places.remove(&self.key);
        }
    }
}
