//! What is configured to be read by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::run::StreamKey;

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
