//! What differs between a golden and an outcome, one readable line each. Lists are compared as multisets, but for the
//! statuses of a stream, whose order is part of the protocol.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

/// Lines about one list; the first ones tell enough.
const LINES_MAX: usize = 6;
/// Characters shown of a value.
const SHOWN_MAX: usize = 400;

/// Empty if they agree.
pub fn differences(golden: &Json, outcome: &Json) -> Vec<String> {
    let mut found = Vec::new();
    compare("", golden, outcome, &mut found);
    found
}

fn compare(at: &str, golden: &Json, outcome: &Json, found: &mut Vec<String>) {
    match (golden, outcome) {
        (Json::Object(golden), Json::Object(outcome)) => compare_objects(at, golden, outcome, found),
        (Json::Array(golden), Json::Array(outcome)) if !at.contains(".statuses.") => {
            compare_lists(at, golden, outcome, found);
        }
        _ if equal(golden, outcome) => {}
        _ => found.push(format!("{at}: expected {}, got {}", shown(golden), shown(outcome))),
    }
}

fn compare_objects(at: &str, golden: &Map<String, Json>, outcome: &Map<String, Json>, found: &mut Vec<String>) {
    for (key, golden) in golden {
        let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match outcome.get(key) {
            Some(outcome) => compare(&at, golden, outcome, found),
            None => found.push(format!("{at}: expected {}, got nothing", shown(golden))),
        }
    }
    for (key, outcome) in outcome.iter().filter(|(key, _)| !golden.contains_key(*key)) {
        found.push(format!("{at}.{key}: expected nothing, got {}", shown(outcome)));
    }
}

fn compare_lists(at: &str, golden: &[Json], outcome: &[Json], found: &mut Vec<String>) {
    let mut balance: BTreeMap<String, (i64, &Json)> = BTreeMap::new();
    for value in golden {
        balance.entry(canonical(value)).or_insert((0, value)).0 += 1;
    }
    for value in outcome {
        balance.entry(canonical(value)).or_insert((0, value)).0 -= 1;
    }
    let differing: Vec<(i64, &Json)> = balance.into_values().filter(|(count, _)| *count != 0).collect();
    if differing.is_empty() {
        return;
    }
    found.push(format!("{at}: expected {} entries, got {}", golden.len(), outcome.len()));
    for (count, value) in differing.iter().take(LINES_MAX) {
        let word = if *count > 0 { "missing" } else { "too many" };
        let times = if count.abs() > 1 { format!(" ({} times)", count.abs()) } else { String::new() };
        found.push(format!("  {word}{times}: {}", shown(value)));
    }
    if differing.len() > LINES_MAX {
        found.push(format!("  and {} more", differing.len() - LINES_MAX));
    }
}

/// The order of keys does not count; 1 and 1.0 differ, as they do to whoever stores them.
fn equal(left: &Json, right: &Json) -> bool {
    canonical(left) == canonical(right)
}

fn canonical(value: &Json) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string()
}

fn shown(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_multisets_and_statuses_are_sequences() {
        let golden = json!({ "read": { "records": { "a": [1, 1, 2] }, "statuses": { "a": ["STARTED", "COMPLETE"] } } });
        let same = json!({ "read": { "statuses": { "a": ["STARTED", "COMPLETE"] }, "records": { "a": [2, 1, 1] } } });
        assert_eq!(differences(&golden, &same), Vec::<String>::new());
        let fewer = json!({ "read": { "records": { "a": [1, 2, 2] }, "statuses": { "a": ["COMPLETE", "STARTED"] } } });
        assert_eq!(
            differences(&golden, &fewer),
            [
                "read.records.a: expected 3 entries, got 3",
                "  missing: 1",
                "  too many: 2",
                "read.statuses.a: expected [\"STARTED\",\"COMPLETE\"], got [\"COMPLETE\",\"STARTED\"]",
            ]
        );
    }
}
