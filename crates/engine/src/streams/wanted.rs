//! What the schedule is made of: the streams that are to be read, and what is shown of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::run::StreamKey;
use store::reading::{Checkpoint, Progress};

use super::view::{Shown, StreamView};
use crate::spec::StreamSpec;
use crate::topology::Topology;

/// What is to be read by itself, of every connection.
pub(super) fn wanted(topology: &Topology) -> BTreeMap<StreamKey, StreamSpec> {
    let mut wanted = BTreeMap::new();
    for source in topology.sources() {
        let Some(spec) = &source.spec.connector else { continue };
        for connection in spec.connections() {
            for (stream, own) in &spec.streams {
                let key = StreamKey {
                    tenant: source.spec.tenant.clone(),
                    source: source.spec.name.clone(),
                    connection: connection.clone(),
                    stream: Arc::clone(stream),
                };
                wanted.insert(key, own.clone());
            }
        }
    }
    wanted
}

pub(super) fn spec_of(topology: &Topology, key: &StreamKey) -> Option<StreamSpec> {
    let source = topology.source(key.tenant.as_str(), key.source.as_str())?;
    source.spec.connector.as_ref()?.streams.get(&key.stream).cloned()
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
}

/// What the engine shows of its streams is put together from the schedule and the store.
pub(super) fn views(shown: Vec<Shown>, checkpoints: Vec<Checkpoint>) -> Vec<StreamView> {
    let mut by_key: HashMap<StreamKey, Checkpoint> =
        checkpoints.into_iter().map(|row| (row.key.clone(), row)).collect();
    let mut views: Vec<StreamView> =
        shown.into_iter().map(|shown| StreamView::new(by_key.remove(&shown.key), shown)).collect();
    views.sort_by(|one, other| one.key.cmp(&other.key));
    views
}
