//! What the reference implementation (7.39.1) was observed to do with states of old, and with states that choose.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use super::*;
use crate::manifest::cursor::IncrementalSync;
use crate::manifest::node::{Document, Read};
use crate::manifest::partition::PartitionRouter;
use crate::manifest::scope::Scope;

const NOW: &str = "2024-02-20T12:00:00Z";

fn read<T: Read>(component: &Json) -> T {
    T::read(&Document::from_json(component).root()).unwrap()
}

fn state(json: Json) -> StreamState {
    StreamState::from_json(json).unwrap()
}

fn parents(fields: &[&str]) -> Json {
    let parent = |field: &&str| {
        json!({
            "type": "ParentStreamConfig", "stream": {"type": "DeclarativeStream", "name": "p"}, "parent_key": "id",
            "partition_field": field,
        })
    };
    json!({"type": "SubstreamPartitionRouter", "parent_stream_configs": fields.iter().map(parent).collect::<Json>()})
}

fn dates() -> Json {
    json!({
        "type": "DatetimeBasedCursor", "cursor_field": "at", "datetime_format": "%Y-%m-%d", "start_datetime": "2020-01-01",
    })
}

fn migration(router: &Json) -> Result<StateMigration, String> {
    let node = Document::from_json(&json!({"type": "LegacyToPerPartitionStateMigration"})).root();
    let (router, sync): (PartitionRouter, IncrementalSync) = (read(router), read(&dates()));
    StateMigration::read_for(&node, Some(&router), Some(&sync)).map_err(|problem| problem.to_string())
}

#[test]
fn states_by_id_become_states_of_partitions() {
    let by_id = json!({"1": {"at": "2024-01-01"}, "2": {"at": "2025-01-01"}});
    let of = |field: &str| {
        json!({"states": [
            {"partition": {field: "1"}, "cursor": {"at": "2024-01-01"}},
            {"partition": {field: "2"}, "cursor": {"at": "2025-01-01"}},
        ]})
    };
    let list = json!({"type": "ListPartitionRouter", "cursor_field": "u", "values": ["x"]});
    let union = json!({"type": "UnionPartitionRouter", "partition_field": "u", "partition_routers": [list, list]});
    let one = parents(&["pid"]);
    let cases = [
        (&one, by_id.clone(), of("pid")),
        (&union, by_id.clone(), of("u")),
        (&parents(&["pid", "oid"]), by_id.clone(), by_id),
        // Whatever has another shape is left alone.
        (&one, json!({"1": {"at": "2024", "x": 1}}), json!({"1": {"at": "2024", "x": 1}})),
        (&one, json!({"1": {"other": "2024"}}), json!({"1": {"other": "2024"}})),
        (&one, json!({"1": "2024"}), json!({"1": "2024"})),
        (&one, json!({"at": "2024"}), json!({"at": "2024"})),
        (&one, json!({"states": {"at": "x"}}), json!({"states": {"at": "x"}})),
        (&one, json!({}), json!({})),
        (&one, json!({NO_CURSOR: true}), json!({NO_CURSOR: true})),
        // The reference cannot tell a common cursor from an id, and neither can this.
        (
            &one,
            json!({"state": {"at": "2024"}}),
            json!({"states": [{"partition": {"pid": "state"}, "cursor": {"at": "2024"}}]}),
        ),
    ];
    let config = json!({});
    let scope = Scope::new(&config, NOW.parse().unwrap());
    for (router, before, after) in cases {
        let migrated = migration(router).unwrap().migrate(state(before.clone()), &scope).unwrap();
        assert_eq!(migrated.into_json(), after, "{before}");
    }
}

#[test]
fn a_migration_needs_parents_and_a_cursor_of_dates() {
    let list = json!({"type": "ListPartitionRouter", "cursor_field": "u", "values": ["x"]});
    assert!(migration(&list).unwrap_err().contains("needs a partition_router of parents"));
    let node = Document::from_json(&json!({"type": "LegacyToPerPartitionStateMigration"})).root();
    let router: PartitionRouter = read(&parents(&["pid"]));
    let problem = StateMigration::read_for(&node, Some(&router), None).unwrap_err();
    assert!(problem.to_string().contains("needs an incremental_sync"), "{problem}");
    let custom = Document::from_json(&json!({"type": "CustomStateMigration", "class_name": "a.B"})).root();
    let problem = StateMigration::read_for(&custom, Some(&router), Some(&read(&dates()))).unwrap_err();
    assert_eq!(problem.code(), "component_custom");
}

fn day(days_ago: i64) -> String {
    let now: Timestamp = NOW.parse().unwrap();
    (now - SignedDuration::from_hours(24 * days_ago)).strftime("%Y-%m-%d").to_string()
}

#[test]
fn a_state_within_the_retention_is_gone_on_from_and_any_other_is_dropped() {
    let states = [
        json!({"at": day(3)}),
        json!({"at": day(40)}),
        json!({NO_CURSOR: true}),
        json!({"states": [], "state": {"at": day(3)}}),
        json!({"states": [], "state": {"at": day(40)}}),
        json!({"states": []}),
        json!({"state_type": "date-range", "slices": [{"start": day(50), "end": day(3), "most_recent_cursor_value": day(4)}]}),
        json!({"state_type": "date-range", "slices": [{"start": day(50), "end": day(35)}]}),
        json!({"state_type": "date-range", "slices": []}),
        json!({"at": "soon"}),
        json!({"x": 1}),
    ];
    // The full way has a cursor, the incremental one partitions; then which of the states are kept.
    let observed = [
        (false, false, [true, false, true, false, false, false, true, false, false, false, false]),
        (false, true, [false, false, true, true, false, false, false, false, false, false, false]),
        (true, false, [true, false, false, false, false, false, true, false, false, false, false]),
        (true, true, [true, false, false, true, false, false, true, false, false, false, false]),
    ];
    let (sync, router): (IncrementalSync, PartitionRouter) = (read(&dates()), read(&parents(&["pid"])));
    let config = json!({});
    let scope = Scope::new(&config, NOW.parse().unwrap());
    for (full_has_cursor, has_partitions, kept) in observed {
        let full = Reader { sync: full_has_cursor.then_some(&sync), router: None };
        let incremental = Reader { sync: Some(&sync), router: has_partitions.then_some(&router) };
        for (json, is_kept) in states.iter().zip(kept) {
            let choice = choose(&state(json.clone()), "P30D", full, incremental, &scope).unwrap();
            let expected = if is_kept { Choice::Incremental } else { Choice::FullRefreshAfresh };
            assert_eq!(choice, expected, "{full_has_cursor} {has_partitions} {json}");
        }
    }
}

#[test]
fn without_a_retention_any_state_is_gone_on_from() {
    let sync: IncrementalSync = read(&dates());
    let (full, incremental) = (Reader { sync: None, router: None }, Reader { sync: Some(&sync), router: None });
    let config = json!({});
    let scope = Scope::new(&config, NOW.parse().unwrap());
    let choose = |json: Json, retention: &str| choose(&state(json), retention, full, incremental, &scope);
    assert_eq!(choose(json!({}), ""), Ok(Choice::FullRefresh));
    assert_eq!(choose(json!({}), "P1D"), Ok(Choice::FullRefresh));
    assert_eq!(choose(json!({"x": 1}), ""), Ok(Choice::Incremental));
    assert_eq!(choose(json!({"x": 1}), "a month").unwrap_err().code(), "cursor_duration");
}

#[test]
fn counts_have_no_age() {
    let counts: IncrementalSync = read(&json!({"type": "IncrementingCountCursor", "cursor_field": "id"}));
    let (full, incremental) = (Reader { sync: None, router: None }, Reader { sync: Some(&counts), router: None });
    let config = json!({});
    let scope = Scope::new(&config, NOW.parse().unwrap());
    let error = choose(&state(json!({"id": 1})), "P1D", full, incremental, &scope).unwrap_err();
    assert_eq!(error.code(), "cursor_option");
}

#[test]
fn a_parent_resumes_from_its_own_part_before_anything_else() {
    let cases = [
        (json!({"parent_state": {"p": {"at": "2"}}, "state": {"at": "9"}}), json!({"at": "2"})),
        (json!({"parent_state": {"other": {"at": "2"}}, "state": {"at": "9"}}), json!({"at": "9"})),
        (json!({"state": {"at": "9"}}), json!({"at": "9"})),
        (json!({"updated": "2024"}), json!({"at": "2024"})),
        (json!({"updated": 7}), json!({"at": 7})),
        (json!({"updated": "2024", "b": 1}), json!({})),
        (json!({NO_CURSOR: true}), json!({})),
        (json!({NO_CURSOR: true, "updated": "2024"}), json!({"at": "2024"})),
        (json!({"states": []}), json!({})),
        (json!({"done": true}), json!({})),
        (json!({}), json!({})),
    ];
    for (state, expected) in cases {
        let state = StreamState::from_json(state).unwrap();
        assert_eq!(state.of_parent("p", Some("at")).into_json(), expected, "{state:?}");
    }
    let old = StreamState::from_json(json!({"updated": 7})).unwrap();
    assert!(old.of_parent("p", None).is_empty(), "a parent without a cursor has nothing to resume from");
}

#[test]
fn only_objects_are_states() {
    assert_eq!(StreamState::from_json(Json::Null), Some(StreamState::default()));
    assert_eq!(StreamState::from_json(json!([1])), None);
}
