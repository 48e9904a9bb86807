//! How far the parents' state may be told: only as far as every partition that came from there has been read.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value as Json;

/// Turns are the order in which partitions came from the router.
#[derive(Debug, Default)]
pub(crate) struct ParentProgress {
    told: Option<Arc<Json>>,
    /// The parents' states as partitions came, each with the turn at which it was first seen.
    pending: VecDeque<(u64, Arc<Json>)>,
    open: BTreeSet<u64>,
}

impl ParentProgress {
    pub fn resume(told: Option<&Json>) -> Self {
        let told = told.filter(|state| state.as_object().is_some_and(|state| !state.is_empty()));
        Self { told: told.map(|state| Arc::new(state.clone())), ..Self::default() }
    }

    /// A partition comes; `state` is the parents' state once its record was read.
    pub fn enter(&mut self, turn: u64, state: Option<&Arc<Json>>) {
        self.open.insert(turn);
        let Some(state) = state else { return };
        let is_known = self.pending.back().is_some_and(|(_, last)| Arc::ptr_eq(last, state) || last == state);
        if !is_known {
            self.pending.push_back((turn, Arc::clone(state)));
        }
    }

    /// A partition was read to its end.
    pub fn close(&mut self, turn: u64) {
        self.open.remove(&turn);
        let first_open = self.open.first().copied().unwrap_or(u64::MAX);
        while self.pending.front().is_some_and(|(seen, _)| *seen < first_open) {
            self.told = self.pending.pop_front().map(|(_, state)| state).or(self.told.take());
        }
    }

    /// Everything was read: what the parents say now is true.
    pub fn settle(&mut self, state: Option<Arc<Json>>) {
        self.told = state;
        self.pending.clear();
    }

    pub fn told(&self) -> Option<&Json> {
        self.told.as_deref()
    }

    pub fn is_empty(&self) -> bool {
        self.told().and_then(Json::as_object).is_none_or(serde_json::Map::is_empty)
    }
}
