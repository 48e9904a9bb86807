//! The secrets of a configuration, so that no note and no error shows them. Which fields are secret is the connector's
//! own specification's word.

use serde_json::Value;

/// Shorter values are left alone: masking them would tear holes into every message.
const LENGTH_MIN: usize = 3;
/// How deep a specification may nest; forms that people fill in have four levels.
const DEPTH_MAX: usize = 32;
const MASK: &str = "****";

#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// The longest first, so that no part of one is left behind by another that it begins with.
    values: Vec<String>,
}

impl Secrets {
    pub fn new(mut values: Vec<String>) -> Self {
        values.retain(|value| value.chars().count() >= LENGTH_MIN);
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Self { values }
    }

    /// The values of all fields that the specification calls secret.
    pub fn of(specification: &Value, config: &Value) -> Self {
        let mut found = Vec::new();
        collect(specification, config, 0, &mut found);
        Self::new(found)
    }

    pub fn mask(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, secret| {
            let text = if text.contains(secret) { text.replace(secret, MASK) } else { text };
            // Inside of JSON a secret may be escaped.
            let escaped = Value::from(secret.as_str()).to_string();
            let escaped = escaped.trim_matches('"');
            if escaped != secret && text.contains(escaped) { text.replace(escaped, MASK) } else { text }
        })
    }
}

fn collect(schema: &Value, value: &Value, depth: usize, found: &mut Vec<String>) {
    if depth > DEPTH_MAX || value.is_null() {
        return;
    }
    if schema.get("airbyte_secret").and_then(Value::as_bool) == Some(true) {
        match value {
            Value::String(text) => found.push(text.clone()),
            other => found.push(other.to_string()),
        }
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, schema) in properties {
            value.get(name).into_iter().for_each(|value| collect(schema, value, depth + 1, found));
        }
    }
    for combined in ["oneOf", "anyOf", "allOf"] {
        let schemas = schema.get(combined).and_then(Value::as_array);
        schemas.into_iter().flatten().for_each(|schema| collect(schema, value, depth + 1, found));
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        values.iter().for_each(|value| collect(items, value, depth + 1, found));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_specification_calls_secret_is_masked_wherever_it_is() {
        let specification = json!({ "properties": {
            "key": { "airbyte_secret": true },
            "host": {},
            "credentials": { "oneOf": [
                { "properties": { "token": { "airbyte_secret": true } } },
                { "properties": { "user": {}, "password": { "airbyte_secret": true } } },
            ] },
            "keys": { "items": { "airbyte_secret": true } },
        } });
        let config = json!({
            "key": "abc\"def", "host": "api.example", "keys": ["first", "x"],
            "credentials": { "user": "me", "password": "pass word" },
        });
        let secrets = Secrets::of(&specification, &config);
        let text = r#"{"m":"abc\"def at api.example by me with pass word, first, x"}"#;
        assert_eq!(secrets.mask(text), r#"{"m":"**** at api.example by me with ****, ****, x"}"#);
    }

    #[test]
    fn a_secret_that_begins_with_another_leaves_nothing_behind() {
        let secrets = Secrets::new(vec!["abc".to_owned(), "abcdef".to_owned()]);
        assert_eq!(secrets.mask("abcdef abc"), "**** ****");
    }
}
