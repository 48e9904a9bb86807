//! Which properties are asked for. The expected values were observed in the reference implementation (7.39.1).

use serde_json::json;

use super::*;
use crate::manifest::node::Document;

fn try_properties(written: &Json) -> Result<QueryProperties, Problem> {
    let mut written = written.clone();
    written["type"] = "QueryProperties".into();
    Document::from_json(&json!({ "type": "HttpRequester", "query_properties": written }))
        .root()
        .need("query_properties")
}

fn properties(written: &Json) -> QueryProperties {
    try_properties(written).expect("properties")
}

fn chunks(written: &Json, names: &[&str], selected: Option<&[&str]>) -> Json {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let selected = selected.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    json!(properties(written).chunks(&names, selected.as_ref()))
}

#[test]
fn properties_are_asked_for_in_as_many_requests_as_the_limit_makes() {
    let names = ["a", "bb", "ccc", "d"];
    let by = |kind: &str, limit: u64| {
        json!({
            "property_list": names, "always_include_properties": ["id"],
            "property_chunking": { "type": "PropertyChunking", "property_limit_type": kind, "property_limit": limit },
        })
    };
    let unlimited = json!({
        "property_list": names, "always_include_properties": ["id"],
        "property_chunking": { "type": "PropertyChunking", "property_limit_type": "property_count" },
    });
    let whole = json!({ "property_list": names, "always_include_properties": ["id"] });
    for (written, selected, expected) in [
        (by("property_count", 2), None, json!([["id", "a", "bb"], ["id", "ccc", "d"]])),
        (by("property_count", 2), Some(&["a", "d", "x"][..]), json!([["id", "a", "d"]])),
        (by("characters", 9), None, json!([["id", "a", "bb"], ["id", "ccc"], ["id", "d"]])),
        (by("characters", 1), None, json!([["id"], ["id", "a"], ["id", "bb"], ["id", "ccc"], ["id", "d"]])),
        (unlimited, Some(&["a"][..]), json!([["a", "bb", "ccc", "d", "id"]])),
        (whole.clone(), None, json!([["id", "a", "bb", "ccc", "d"]])),
        (whole, Some(&["d", "a"][..]), json!([["id", "a", "d"]])),
    ] {
        assert_eq!(chunks(&written, &names, selected), expected, "{written} {selected:?}");
    }
}

#[test]
fn the_parts_of_a_record_become_one() {
    let merged = |key: &Json, parts: &[Json]| {
        let written = json!({ "property_list": [], "property_chunking": {
            "type": "PropertyChunking", "property_limit_type": "property_count", "property_limit": 1,
            "record_merge_strategy": { "type": "GroupByKeyMergeStrategy", "key": key },
        } });
        let mut merger = properties(&written).merger().expect("a merger");
        let back: Vec<Json> = parts.iter().filter_map(|part| merger.add(part.clone())).collect();
        (Json::Array(merger.finish()), Json::Array(back))
    };
    let parts = [
        json!({ "id": "1", "a": 1, "n": { "x": 1 } }),
        json!({ "id": "2", "a": 2 }),
        json!({ "a": "no key" }),
        json!({ "id": "1", "b": 3, "n": { "y": 2 } }),
        json!({ "id": "", "a": "empty key" }),
    ];
    let (records, back) = merged(&json!("id"), &parts);
    assert_eq!(records, json!([{ "id": "1", "a": 1, "n": { "x": 1, "y": 2 }, "b": 3 }, { "id": "2", "a": 2 }]));
    assert_eq!(back, json!([{ "a": "no key" }, { "id": "", "a": "empty key" }]));
    let parts = [json!({ "k": "a", "l": 1 }), json!({ "k": "a", "l": 2 }), json!({ "k": "a", "l": 1, "z": 0 })];
    let (records, _) = merged(&json!(["k", "l"]), &parts);
    assert_eq!(records, json!([{ "k": "a", "l": 1, "z": 0 }, { "k": "a", "l": 2 }]));
    assert!(properties(&json!({ "property_list": ["a"] })).merger().is_none(), "records that come whole");
}

#[test]
fn only_properties_of_the_schema_that_is_wanted_are_selected() {
    let written = json!({ "property_list": ["a"], "property_selector": {
        "type": "JsonSchemaPropertySelector",
        "transformations": [{ "type": "KeysToLower" }, { "type": "RemoveFields", "field_pointers": [["b"]] }],
    } });
    let config = json!({});
    let scope = Scope::new(&config, jiff::Timestamp::UNIX_EPOCH);
    let wanted = json!({ "properties": { "A": {}, "b": {}, "c": {} } });
    let selected = properties(&written).selected(Some(&wanted), &scope).expect("names").expect("selected");
    assert_eq!(selected.into_iter().collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(properties(&written).selected(None, &scope), Ok(None), "without a wish everything is");
    let plain = properties(&json!({ "property_list": ["a"] }));
    assert_eq!(plain.selected(Some(&wanted), &scope), Ok(None));
}

#[test]
fn an_endpoint_tells_a_property_with_each_record() {
    let written = json!({ "property_list": {
        "type": "PropertiesFromEndpoint", "property_field_path": ["name"], "retriever": { "type": "SimpleRetriever" },
    } });
    let properties = properties(&written);
    let config = json!({});
    let scope = Scope::new(&config, jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(properties.told(&json!({ "name": "a" }), &scope), Ok(Some("a".to_owned())));
    assert!(matches!(properties.list(), PropertyList::Endpoint { .. }));
    for broken in [
        json!({}),
        json!({ "property_list": { "type": "PropertiesFromEndpoint", "property_field_path": ["a"] } }),
        json!({ "property_list": [], "property_chunking": { "property_limit_type": "bytes" } }),
        json!({ "property_list": [], "property_selector": { "type": "CustomSelector", "class_name": "x.Y" } }),
    ] {
        assert!(try_properties(&broken).is_err(), "{broken}");
    }
}
