//! What the reference implementation (7.39.1) was observed to do, option by option: windows, states after each close,
//! and which records are new.

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::*;
use crate::manifest::node::{Document, Read};
use crate::manifest::scope::Scope;

mod parents;
mod partitioned;
mod properties;

const NOW: &str = "2024-02-01T00:00:00Z";
const OBSERVED: &str = include_str!("tests/observed.jsonl");

fn map(value: Option<&Json>) -> Map<String, Json> {
    value.and_then(Json::as_object).cloned().unwrap_or_default()
}

/// The component as a case has it: a datetime cursor over ten days, with what the case says otherwise.
fn component(case: &Json) -> Json {
    let over = map(case.get("cursor"));
    if over.contains_key("type") {
        let mut component = json!({"cursor_field": "id"});
        component.as_object_mut().unwrap().extend(over);
        return component;
    }
    let mut component = json!({
        "type": "DatetimeBasedCursor", "cursor_field": "at", "datetime_format": "%Y-%m-%dT%H:%M:%SZ",
        "start_datetime": "2024-01-01T00:00:00Z", "end_datetime": "2024-01-10T00:00:00Z",
    });
    component.as_object_mut().unwrap().extend(over);
    component
}

pub(super) fn begin(
    component: &Json,
    config: &Json,
    state: &Map<String, Json>,
    now: Timestamp,
) -> Result<Cursor, String> {
    let sync = IncrementalSync::read(&Document::from_json(component).root()).map_err(|problem| problem.to_string())?;
    let scope = Scope::new(config, now);
    Cursor::begin(Some(&sync), None, &StreamState::new(state.clone()), &scope, &[]).map_err(|error| error.to_string())
}

fn record(case: &Json, value: &Json) -> Json {
    let field = if case["cursor"].get("type").is_some() { "id" } else { "at" };
    if value.is_null() { json!({}) } else { json!({field: value}) }
}

fn check(case: &Json) {
    let name = case["name"].as_str().unwrap();
    let now: Timestamp = case.get("now").and_then(Json::as_str).unwrap_or(NOW).parse().unwrap();
    let config = case.get("config").cloned().unwrap_or(json!({}));
    let begun = begin(&component(case), &config, &map(case.get("state")), now);
    if case.get("error").is_some() {
        assert!(begun.is_err(), "{name}: the reference refuses this");
        return;
    }
    let mut cursor = begun.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(cursor.enter(Slice::whole(), None, now), Entered::New);
    let mut open = Vec::new();
    while let Some(slice) = cursor.open().unwrap() {
        open.push(Some(slice));
    }
    let windows: Vec<Json> =
        open.iter().flatten().map(|open| open.slice().cursor().values().cloned().collect()).collect();
    assert_eq!(Json::Array(windows), case["slices"], "{name}: windows");
    if let (Some(bounds), Some(Some(first))) = (case.get("bounds"), open.first()) {
        let fields: Json = first.slice().cursor().keys().cloned().collect();
        assert_eq!(&fields, bounds, "{name}: names of the bounds");
    }
    for expected in case.get("wants").and_then(Json::as_array).into_iter().flatten() {
        let wanted = open[0].as_ref().unwrap().wants(&record(case, &expected[0]), now);
        assert_eq!(wanted, expected[1].as_bool().unwrap(), "{name}: wants {}", expected[0]);
    }
    for (slice, values) in open.iter_mut().zip(case.get("records").and_then(Json::as_array).into_iter().flatten()) {
        let slice = slice.as_mut().unwrap();
        values.as_array().unwrap().iter().for_each(|value| slice.observe(&record(case, value)));
    }
    let order: Vec<usize> = match case.get("order") {
        Some(order) => serde_json::from_value(order.clone()).unwrap(),
        None => (0..open.len()).collect(),
    };
    let mut states = Vec::new();
    for index in order {
        assert_eq!(cursor.close(open[index].take().unwrap(), now), Ok(Checkpoint::Due), "{name}");
        states.push(Json::Object(cursor.state()));
    }
    assert_eq!(Json::Array(states).to_string(), case["states"].to_string(), "{name}: states");
    cursor.finish(Ending::Whole, None, now);
    if let Some(expected) = case.get("final") {
        assert_eq!(Json::Object(cursor.state()).to_string(), expected.to_string(), "{name}: final state");
    }
}

#[test]
fn every_option_does_what_the_reference_was_seen_to_do() {
    let cases: Vec<Json> = OBSERVED.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() > 80, "{} cases", cases.len());
    cases.iter().for_each(check);
}

#[test]
fn observing_a_record_allocates_nothing() {
    let now: Timestamp = NOW.parse().unwrap();
    let formats = [
        ("%Y-%m-%dT%H:%M:%SZ", json!("2024-01-05T10:11:12Z")),
        ("%Y-%m-%dT%H:%M:%S.%f%z", json!("2024-01-05T10:11:12.345678+02:00")),
        ("%s", json!(1_704_447_072)),
        ("%ms", json!("1704447072123")),
    ];
    for (format, value) in formats {
        let component = component(&json!({"cursor": {
            "datetime_format": format, "cursor_datetime_formats": ["%Y-%m-%d"],
            "start_datetime": {"type": "MinMaxDatetime", "datetime": "2024-01-01", "datetime_format": "%Y-%m-%d"},
            "end_datetime": {"type": "MinMaxDatetime", "datetime": "2024-01-10", "datetime_format": "%Y-%m-%d"},
        }}));
        let mut cursor = begin(&component, &json!({}), &Map::new(), now).unwrap();
        let _ = cursor.enter(Slice::whole(), None, now);
        let mut slice = cursor.open().unwrap().unwrap();
        let record = json!({"id": 1, "at": value, "name": "x"});
        let allocations = allocation_counter::measure(|| {
            for _ in 0..100 {
                assert!(slice.wants(&record, now));
                slice.observe(&record);
            }
        });
        assert_eq!(allocations.count_total, 0, "{format}");
        assert!(slice.highest().is_some(), "{format}");
    }
}
