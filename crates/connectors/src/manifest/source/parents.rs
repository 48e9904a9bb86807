//! Which streams are parents of others, told from their definitions alone: nothing is typed for it.

use std::collections::BTreeSet;

use crate::manifest::node::Node;

/// Adds the names of a stream's parents; a stream that cannot be read so far has none.
pub(super) fn names(stream: &Node, names: &mut BTreeSet<String>) {
    for way in ["full_refresh_stream", "incremental_stream"] {
        if let Some(way) = within(stream, way) {
            self::names(&way, names);
        }
    }
    if let Some(router) = within(stream, "retriever").and_then(|retriever| retriever.get("partition_router")) {
        in_router(&router, names);
    }
}

fn in_router(router: &Node, names: &mut BTreeSet<String>) {
    for router in routers(router) {
        for parent in listed(&router, "parent_stream_configs") {
            let name = parent.get("stream").and_then(|stream| stream.get("name"));
            names.extend(name.as_ref().and_then(Node::text).map(str::to_owned));
        }
        for inner in listed(&router, "partition_routers") {
            in_router(&inner, names);
        }
        if let Some(inner) = within(&router, "underlying_partition_router") {
            in_router(&inner, names);
        }
    }
}

/// A mapping in a field. What cannot be found has itself in every field, and would be walked without end.
fn within(node: &Node, field: &str) -> Option<Node> {
    node.get(field).filter(Node::is_map)
}

fn routers(node: &Node) -> Vec<Node> {
    if node.is_list() { node.items().unwrap_or_default() } else { vec![node.clone()] }
}

fn listed(node: &Node, field: &str) -> Vec<Node> {
    node.get(field).and_then(|listed| listed.items().ok()).unwrap_or_default()
}
