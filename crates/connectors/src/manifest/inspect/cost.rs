//! How many requests a poll of a stream takes, as far as its definition tells: in words, for nobody knows how many pages
//! or parents there are.

use crate::manifest::node::{Node, Read};

/// Parents of parents that are told.
const DEPTH_MAX: usize = 8;

/// Such as `1 per page and slice of P30D, for each record of repositories`.
pub(super) fn requests(stream: &Node) -> String {
    let Some(retriever) = stream.get("retriever") else { return "unknown".to_owned() };
    let mut told = match retriever.kind("SimpleRetriever").as_deref() {
        Ok("AsyncRetriever") => {
            "per job: 1 to create it, 1 or more to ask after it, 1 per page of its result".to_owned()
        }
        Ok("SimpleRetriever") => pages(&retriever),
        _ => return "unknown".to_owned(),
    };
    if let Some(step) = stream.get("incremental_sync").and_then(|sync| text(&sync, "step")) {
        told.push_str(&format!(" and slice of {step}"));
    }
    for partition in partitions(&retriever, 0) {
        told.push_str(&format!(", for each {partition}"));
    }
    told
}

fn pages(retriever: &Node) -> String {
    let strategy = retriever.get("paginator").and_then(|paginator| paginator.get("pagination_strategy"));
    let Some(strategy) = strategy else { return "1".to_owned() };
    match text(&strategy, "page_size") {
        Some(size) if size.bytes().all(|byte| byte.is_ascii_digit()) => format!("1 per page of {size}"),
        _ => "1 per page".to_owned(),
    }
}

/// What a router's partitions are, one description for each of those that are multiplied.
fn partitions(retriever: &Node, depth: usize) -> Vec<String> {
    match retriever.get("partition_router") {
        Some(routers) if routers.is_list() => {
            routers.items().unwrap_or_default().iter().map(|router| partition(router, depth)).collect()
        }
        Some(router) => vec![partition(&router, depth)],
        None => Vec::new(),
    }
}

fn partition(router: &Node, depth: usize) -> String {
    let listed = |field: &str| router.get(field).and_then(|node| node.items().ok()).unwrap_or_default();
    match router.kind("").as_deref() {
        Ok("ListPartitionRouter") => match router.get("values") {
            Some(values) if values.is_list() => format!("of {} values", values.items().map_or(0, |items| items.len())),
            _ => "value of the config".to_owned(),
        },
        Ok("SubstreamPartitionRouter") => {
            let parents: Vec<String> =
                listed("parent_stream_configs").iter().map(|parent| of_parent(parent, depth)).collect();
            format!("record of {}", parents.join(" and of "))
        }
        Ok("UnionPartitionRouter") => {
            let parts: Vec<String> = listed("partition_routers").iter().map(|inner| partition(inner, depth)).collect();
            parts.join(" or ")
        }
        Ok("GroupingPartitionRouter") => {
            let inner =
                router.get("underlying_partition_router").map_or_else(String::new, |inner| partition(&inner, depth));
            format!("group of {} of: {inner}", text(router, "group_size").unwrap_or_default())
        }
        _ => "partition".to_owned(),
    }
}

fn of_parent(parent: &Node, depth: usize) -> String {
    let Some(stream) = parent.get("stream") else { return "its parent".to_owned() };
    let name = text(&stream, "name").unwrap_or_else(|| "its parent".to_owned());
    let above = match stream.get("retriever") {
        Some(retriever) if depth < DEPTH_MAX => partitions(&retriever, depth + 1),
        _ => Vec::new(),
    };
    above.iter().fold(name, |name, above| format!("{name}, which takes 1 per page for each {above}"))
}

fn text(node: &Node, field: &str) -> Option<String> {
    node.get(field).and_then(|node| String::read(&node).ok())
}
