//! What a source lists that cannot be records of the stream: nothing of such a page is believed, not even what it lacks.

use serde_json::Value as Json;

use super::model::Model;
use crate::reading::ReadFailure;

/// Names of fields that are told of what came instead of records.
const NAMES_TOLD: usize = 5;
/// And so much of each.
const NAME_CHARS: usize = 32;

/// Why a page is no list of the stream's records, if it is none.
pub(super) fn oddity(model: &Model, records: &[Json]) -> Option<ReadFailure> {
    if let Some(odd) = records.iter().find(|record| !record.is_object()) {
        return Some(no_record(&model.stream, odd));
    }
    // One record among others may have no name of its own. Where none has, it is another thing that is listed: what a
    // source answers when it is down, under the status of success.
    let first = records.first()?;
    let is_named = records.iter().any(|record| model.may_name(record));
    (!is_named).then(|| nameless(model, first))
}

fn nameless(model: &Model, odd: &Json) -> ReadFailure {
    let names = odd.as_object().into_iter().flat_map(serde_json::Map::keys);
    let names: Vec<String> =
        names.take(NAMES_TOLD).map(|name| format!("'{}'", name.chars().take(NAME_CHARS).collect::<String>())).collect();
    let names = if names.is_empty() { "no fields at all".to_owned() } else { names.join(", ") };
    let message = format!(
        "the source answers without what names a record of '{}' (its primary key, {}): what came has {names}",
        model.stream,
        model.key_shown()
    );
    ReadFailure::transient("record_malformed", message)
}

/// A list of something else than records: nothing of its page is believed.
fn no_record(stream: &str, odd: &Json) -> ReadFailure {
    let kind = match odd {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    };
    let message = format!("the source lists {kind} where a record of '{stream}' was expected, which is an object");
    ReadFailure::transient("record_malformed", message)
}
