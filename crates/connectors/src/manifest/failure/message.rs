//! The error text that a source puts into the body of its reply, wherever it puts it.

use serde_json::Value as Json;

use super::super::wire::Reply;

/// Where APIs put their error texts, in the order in which they are looked for.
const KEYS: [&str; 12] = [
    "message",
    "messages",
    "error",
    "errors",
    "failures",
    "failure",
    "detail",
    "err",
    "error_message",
    "msg",
    "reason",
    "status_message",
];
/// How deep an error text may hide.
const DEPTH_MAX: usize = 32;
/// Most entries of one list that are looked at.
const ITEMS_MAX: usize = 256;

/// The error text of a reply: of its JSON, else its whole body if that is text.
#[must_use]
pub fn error_text(reply: &Reply) -> Option<String> {
    match reply.json() {
        Some(json) => find(json, 0),
        None => std::str::from_utf8(&reply.body).ok().map(str::to_owned),
    }
}

fn find(value: &Json, depth: usize) -> Option<String> {
    if depth > DEPTH_MAX {
        return None;
    }
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Array(items) => {
            let texts: Vec<String> = items.iter().take(ITEMS_MAX).filter_map(|item| find(item, depth + 1)).collect();
            Some(texts.join(", "))
        }
        Json::Object(fields) => {
            let found = KEYS.iter().filter_map(|key| fields.get(*key)).find(|value| is_truthy(value));
            found.and_then(|value| find(value, depth + 1))
        }
        _ => None,
    }
}

/// Whether Python takes the value for true.
#[must_use]
pub fn is_truthy(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(flag) => *flag,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(fields) => !fields.is_empty(),
    }
}
