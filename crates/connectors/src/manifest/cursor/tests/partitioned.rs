//! What the reference implementation (7.39.1) was observed to do with partitions: which windows each gets, the state
//! after the slices were closed in some order, the parents' state after each, and the state at the end.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json, json};

use super::super::*;
use super::{NOW, component, map};
use crate::manifest::node::{Document, Read};
use crate::manifest::scope::Scope;

const OBSERVED: &str = include_str!("observed_partitions.jsonl");

pub(super) fn begin(component: &Json, state: &Map<String, Json>, now: Timestamp) -> Result<Cursor, String> {
    let sync = IncrementalSync::read(&Document::from_json(component).root()).map_err(|problem| problem.to_string())?;
    let router = json!({"type": "ListPartitionRouter", "cursor_field": "pid", "values": ["any"]});
    let router = PartitionRouter::read(&Document::from_json(&router).root()).unwrap();
    let config = json!({});
    let scope = Scope::new(&config, now);
    Cursor::begin(Some(&sync), Some(&router), &StreamState::new(state.clone()), &scope, &[])
        .map_err(|error| error.to_string())
}

/// Enters every partition and opens all of their slices.
fn open_all(cursor: &mut Cursor, case: &Json, now: Timestamp) -> Vec<Option<OpenSlice>> {
    let mut open = Vec::new();
    for entry in case["partitions"].as_array().unwrap() {
        let parents = Some(&entry[1]).filter(|parents| !parents.is_null()).map(|parents| Arc::new(parents.clone()));
        let _ = cursor.enter(Slice::of(map(Some(&entry[0]))), parents.as_ref(), now);
        while let Some(slice) = cursor.open().unwrap() {
            open.push(Some(slice));
        }
    }
    open
}

fn told(slice: &OpenSlice) -> Json {
    let partition = Json::Object(slice.slice().partition().clone());
    std::iter::once(partition).chain(slice.slice().cursor().values().cloned()).collect()
}

fn check(case: &Json) {
    let name = case["name"].as_str().unwrap();
    let now: Timestamp = NOW.parse().unwrap();
    let begun = begin(&component(case), &map(case.get("state")), now);
    if case.get("error").is_some() {
        assert!(begun.is_err(), "{name}: the reference refuses this");
        return;
    }
    let mut cursor = begun.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(Json::Object(cursor.state()).to_string(), case["begun"].to_string(), "{name}: state before anything");
    let mut open = open_all(&mut cursor, case, now);
    assert_eq!(open.iter().flatten().map(told).collect::<Json>(), case["slices"], "{name}: slices");
    for expected in case.get("wants").and_then(Json::as_array).into_iter().flatten() {
        let index = usize::try_from(expected[0].as_u64().unwrap()).unwrap();
        let wanted = open[index].as_ref().unwrap().wants(&json!({"at": expected[1]}), now);
        assert_eq!(wanted, expected[2].as_bool().unwrap(), "{name}: wants {expected}");
    }
    for (slice, values) in open.iter_mut().zip(case.get("records").and_then(Json::as_array).into_iter().flatten()) {
        let slice = slice.as_mut().unwrap();
        let records = values.as_array().unwrap().iter();
        records
            .map(|value| if value.is_null() { json!({}) } else { json!({"at": value}) })
            .for_each(|record| slice.observe(&record));
    }
    let order: Vec<usize> = match case.get("order") {
        Some(order) => serde_json::from_value(order.clone()).unwrap(),
        None => (0..open.len()).collect(),
    };
    let mut parents = Vec::new();
    for index in order {
        let _ = cursor.close(open[index].take().unwrap(), now).unwrap();
        parents.push(cursor.state().get("parent_state").cloned().unwrap_or_default());
    }
    if let Some(closed) = case.get("closed") {
        assert_eq!(Json::Object(cursor.state()).to_string(), closed.to_string(), "{name}: state once closed");
    }
    if let Some(expected) = case.get("parents_told") {
        assert_eq!(&Json::Array(parents), expected, "{name}: parents' state after each close");
    }
    let later = now + SignedDuration::from_secs(case["seconds"].as_i64().unwrap());
    cursor.finish(Ending::Whole, case.get("parents").cloned().map(Arc::new), later);
    assert_eq!(Json::Object(cursor.state()).to_string(), case["final"].to_string(), "{name}: state at the end");
}

#[test]
fn partitions_do_what_the_reference_was_seen_to_do() {
    let cases: Vec<Json> = OBSERVED.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() > 40, "{} cases", cases.len());
    cases.iter().for_each(check);
}

#[test]
fn a_broken_run_leaves_the_common_cursor_and_the_parents_where_they_were() {
    let now: Timestamp = NOW.parse().unwrap();
    let state = map(Some(&json!({
        "use_global_cursor": false, "states": [], "state": {"at": "2024-01-04T00:00:00Z"}, "lookback_window": 3,
    })));
    let mut cursor = begin(&component(&json!({})), &state, now).unwrap();
    let parents = Arc::new(json!({"parent": {"at": "A"}}));
    let _ = cursor.enter(Slice::of(map(Some(&json!({"pid": 1})))), None, now);
    let mut slice = cursor.open().unwrap().unwrap();
    slice.observe(&json!({"at": "2024-01-09T00:00:00Z"}));
    assert_eq!(cursor.open().unwrap().map(|_| ()), None);
    let _ = cursor.close(slice, now).unwrap();
    cursor.finish(Ending::Broken, Some(parents), now);
    let state = cursor.state();
    assert_eq!(state["state"], json!({"at": "2024-01-04T00:00:00Z"}));
    assert_eq!(state["lookback_window"], json!(3));
    assert_eq!(state.get("parent_state"), None);
    assert_eq!(state["states"][0]["cursor"], json!({"at": "2024-01-09T00:00:00Z"}), "what was read stays read");
}

#[test]
fn slices_that_were_never_opened_keep_the_common_cursor_back() {
    let now: Timestamp = NOW.parse().unwrap();
    let stepped = component(&json!({"cursor": {"step": "P5D", "cursor_granularity": "PT1S"}}));
    let mut cursor = begin(&stepped, &Map::new(), now).unwrap();
    for pid in 1..=2 {
        let _ = cursor.enter(Slice::of(map(Some(&json!({"pid": pid})))), None, now);
        let mut slice = cursor.open().unwrap().unwrap();
        slice.observe(&json!({"at": "2024-01-02T00:00:00Z"}));
        let _ = cursor.close(slice, now).unwrap();
    }
    cursor.finish(Ending::Whole, None, now);
    assert_eq!(cursor.state().get("state"), None, "the second window of each partition was not read");
}

#[test]
fn more_partitions_than_the_limit_share_one_cursor_for_good() {
    let now: Timestamp = NOW.parse().unwrap();
    let mut cursor = begin(&component(&json!({})), &Map::new(), now).unwrap();
    let partitions = PARTITIONS_KEPT_MAX + 10;
    for pid in 0..partitions {
        assert_eq!(cursor.enter(Slice::of(map(Some(&json!({"pid": pid})))), None, now), Entered::New);
        let mut slice = cursor.open().unwrap().unwrap();
        slice.observe(&json!({"at": "2024-01-02T00:00:00Z"}));
        assert!(cursor.open().unwrap().is_none());
        let _ = cursor.close(slice, now).unwrap();
        let is_shared = cursor.shares_cursor();
        assert_eq!(is_shared, pid > PARTITIONS_WITH_STATE_MAX, "at partition {pid}");
    }
    cursor.finish(Ending::Whole, None, now);
    let expected = json!({"use_global_cursor": true, "state": {"at": "2024-01-02T00:00:00Z"}, "lookback_window": 1});
    assert_eq!(Json::Object(cursor.state()), expected);
    let codes: Vec<&str> = cursor.take_notices().iter().map(Notice::code).collect();
    assert_eq!(codes, ["partitions_share_cursor", "partition_forgotten"]);

    let mut next = begin(&component(&json!({})), &map(Some(&expected)), now).unwrap();
    assert!(next.shares_cursor(), "for good: the next run goes on with one cursor");
    let _ = next.enter(Slice::of(map(Some(&json!({"pid": 1})))), None, now);
    let slice = next.open().unwrap().unwrap();
    assert_eq!(slice.slice().get("start_time"), Some(&json!("2024-01-01T23:59:59Z")), "one second of lookback");
}

#[test]
fn a_state_of_partitions_is_due_every_ten_minutes() {
    let now: Timestamp = NOW.parse().unwrap();
    let mut cursor = begin(&component(&json!({})), &Map::new(), now).unwrap();
    let mut due = Vec::new();
    for (pid, second) in [0, 1, 600, 601, 1201, 1202].into_iter().enumerate() {
        let at = now + SignedDuration::from_secs(second);
        let _ = cursor.enter(Slice::of(map(Some(&json!({"pid": pid})))), None, at);
        let slice = cursor.open().unwrap().unwrap();
        due.push(cursor.close(slice, at).unwrap());
    }
    use Checkpoint::{Due, Later};
    assert_eq!(due, [Due, Later, Later, Due, Later, Due]);
}
