//! The one spelling of a partition: its JSON with sorted keys. Two partitions are the same if their spellings are.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(Arc<str>);

impl Key {
    pub fn of(partition: &Map<String, Json>) -> Self {
        Self(Json::Object(sorted(partition)).to_string().into())
    }

    /// The partition again, its keys sorted: as the state tells it.
    pub fn partition(&self) -> Json {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

fn sorted(map: &Map<String, Json>) -> Map<String, Json> {
    let mut fields: Vec<(&String, &Json)> = map.iter().collect();
    fields.sort_unstable_by_key(|(field, _)| *field);
    fields.into_iter().map(|(field, value)| (field.clone(), sorted_value(value))).collect()
}

fn sorted_value(value: &Json) -> Json {
    match value {
        Json::Object(map) => Json::Object(sorted(map)),
        Json::Array(items) => Json::Array(items.iter().map(sorted_value).collect()),
        other => other.clone(),
    }
}

/// The spelling of any value, to tell repeated ones.
pub(crate) fn spelling(value: &Json) -> String {
    sorted_value(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(value: Json) -> Key {
        Key::of(value.as_object().unwrap())
    }

    #[test]
    fn the_order_of_keys_tells_nothing_apart_but_types_do() {
        assert_eq!(key(json!({"b": {"d": 1, "c": 2}, "a": 1})), key(json!({"a": 1, "b": {"c": 2, "d": 1}})));
        assert_ne!(key(json!({"id": 1})), key(json!({"id": "1"})));
        assert_ne!(key(json!({"id": 1})), key(json!({"id": 1, "parent_slice": {}})));
    }

    #[test]
    fn a_key_gives_its_partition_back_sorted() {
        let key = key(json!({"pid": 1, "parent_slice": {"z": [1.5, "é"], "a": null}}));
        assert_eq!(key.partition().to_string(), r#"{"parent_slice":{"a":null,"z":[1.5,"é"]},"pid":1}"#);
    }
}
