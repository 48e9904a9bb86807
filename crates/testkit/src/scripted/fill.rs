//! Values into templates: a text that is only `{name}` becomes the value itself, `{name}` within a text its text.

use serde_json::{Map, Value as Json};

use super::place::plain;

/// Fills every text in `template`; names that `value_of` does not know stay as they are.
pub fn fill(template: &Json, value_of: &dyn Fn(&str) -> Option<Json>) -> Json {
    match template {
        Json::String(text) => fill_text(text, value_of),
        Json::Array(items) => items.iter().map(|item| fill(item, value_of)).collect(),
        Json::Object(fields) => {
            let filled = fields.iter().map(|(key, value)| (key.clone(), fill(value, value_of)));
            Json::Object(filled.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

pub fn fill_text(text: &str, value_of: &dyn Fn(&str) -> Option<Json>) -> Json {
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
        && let Some(value) = value_of(name)
    {
        return value;
    }
    let mut filled = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let name = rest.find('}').map(|end| &rest[1..end]);
        match name.and_then(|name| Some((name, value_of(name)?))) {
            Some((name, value)) => {
                filled.push_str(&plain(&value));
                rest = &rest[name.len() + 2..];
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled.push_str(rest);
    Json::String(filled)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lone_name_keeps_its_type_and_unknown_braces_stay() {
        let value_of = |name: &str| (name == "n").then(|| json!(7));
        let filled = fill(&json!({ "id": "{n}", "name": "user {n} of {m} {", "list": ["{n}", 1] }), &value_of);
        assert_eq!(filled, json!({ "id": 7, "name": "user 7 of {m} {", "list": [7, 1] }));
    }
}
