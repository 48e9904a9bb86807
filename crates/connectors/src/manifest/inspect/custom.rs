//! Every class that the components of a stream name, wherever they stand.

use super::CustomClass;
use crate::manifest::node::Node;

/// Most classes that are told of one stream.
const CLASSES_MAX: usize = 100;

/// The classes named at a node and below it, each once; those that an override replaces are not among them.
pub(super) fn classes(node: &Node) -> Vec<CustomClass> {
    let mut found = Vec::new();
    collect(node, &mut found);
    // A stream runs without them: they turn states that a former version wrote.
    found.retain(|custom| custom.component != "CustomStateMigration");
    found
}

fn collect(node: &Node, found: &mut Vec<CustomClass>) {
    if found.len() >= CLASSES_MAX {
        return;
    }
    if let Some(class) = node.class() {
        let component = node.kind("").map_or_else(|_| "component".to_owned(), |kind| kind.to_string());
        if !found.iter().any(|known| known.class == *class) {
            found.push(CustomClass { class: class.to_string(), component, path: node.path() });
        }
    }
    if node.is_list() {
        node.items().unwrap_or_default().iter().for_each(|item| collect(item, found));
    } else if node.is_map() && !node.is_schema() {
        node.entries().unwrap_or_default().iter().for_each(|(_, inner)| collect(inner, found));
    }
}
