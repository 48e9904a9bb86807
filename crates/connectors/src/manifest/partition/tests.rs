//! What the reference implementation (7.39.1) was observed to make of routers: partitions, what is handed along, what
//! goes into requests, and the parents' state.

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::*;
use crate::manifest::cursor::places;
use crate::manifest::node::Document;
use crate::manifest::request::Target;
use crate::manifest::slice::Slice;

const OBSERVED: &str = include_str!("tests/observed.jsonl");

fn map(value: &Json) -> Map<String, Json> {
    value.as_object().cloned().unwrap_or_default()
}

/// The records of a parent, each with the slice that it was read from.
fn records(data: &Json, parent: &str) -> Vec<(Json, Slice)> {
    let mut records = Vec::new();
    for slice in data[parent].as_array().unwrap() {
        let from = Slice::of(map(&slice[0])).window(map(&slice[1])).unwrap();
        records.extend(slice[2].as_array().unwrap().iter().map(|record| (record.clone(), from.clone())));
    }
    records
}

/// Walks as a driver does, one record of a parent at a time.
fn partitions(router: &PartitionRouter, data: &Json, scope: &Scope<'_>) -> Result<Vec<Slice>, PartitionError> {
    let mut walk = PartitionRouter::walk(Some(router), scope)?;
    let mut reading: Option<std::vec::IntoIter<(Json, Slice)>> = None;
    let mut found = Vec::new();
    loop {
        match walk.next()? {
            Next::Partition(slice) => found.push(slice),
            Next::Done => return Ok(found),
            Next::Parent(parent) => {
                let records = reading.get_or_insert_with(|| records(data, &parent.stream_name).into_iter());
                match records.next() {
                    Some((record, from)) => walk.offer(&record, &from)?,
                    None => {
                        reading = None;
                        walk.ended();
                    }
                }
            }
        }
    }
}

fn request(router: &PartitionRouter, slice: &Slice, scope: &Scope<'_>) -> Json {
    let mut request = json!({});
    for (target, names, value) in places(Some(router), None, slice, scope) {
        let place = match target {
            Target::Parameter => "parameters",
            Target::Header => "headers",
            Target::BodyData => "form",
            Target::BodyJson => "json",
        };
        let mut at = &mut request[place];
        for name in &names {
            at = &mut at[name.as_str()];
        }
        *at = value;
    }
    request
}

fn told(router: &PartitionRouter, slice: &Slice, scope: &Scope<'_>) -> Json {
    let mut told = json!({"partition": slice.partition()});
    if let Some(child) = slice.child_response() {
        told["child"] = child.clone();
    }
    if !slice.extra_fields().is_empty() {
        let mut names: Vec<&String> = slice.extra_fields().keys().collect();
        names.sort();
        told["extra"] =
            Json::Object(names.into_iter().map(|name| (name.clone(), slice.extra_fields()[name].clone())).collect());
    }
    let request = request(router, slice, scope);
    if request != json!({}) {
        told["request"] = request;
    }
    told
}

fn check(case: &Json) {
    let name = case["name"].as_str().unwrap();
    let config = json!({"teams": ["a", "b"], "text": "abc", "map": {"x": 1, "y": 2}, "key": "id"});
    let scope = Scope::new(&config, Timestamp::UNIX_EPOCH);
    let router = PartitionRouter::read(&Document::from_json(&case["router"]).root());
    let router = router.unwrap_or_else(|problem| panic!("{name}: {problem}"));
    let found = partitions(&router, &case["data"], &scope);
    if case.get("error").is_some() {
        assert!(found.is_err(), "{name}: the reference refuses this");
        return;
    }
    let found: Json = found.unwrap().iter().map(|slice| told(&router, slice, &scope)).collect();
    assert_eq!(found, case["partitions"], "{name}: partitions");
    let fields = |partitions: &Json| -> Vec<String> {
        let each = partitions.as_array().unwrap().iter();
        each.map(|partition| partition["partition"].to_string()).collect()
    };
    assert_eq!(fields(&found), fields(&case["partitions"]), "{name}: the fields come in the same order");
    let state = router.parent_state(&|_| json!({"at": "S"})).unwrap_or_default();
    assert_eq!(state, case["parent_state"], "{name}: parents' state");
}

#[test]
fn routers_do_what_the_reference_was_seen_to_do() {
    let cases: Vec<Json> = OBSERVED.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() > 40, "{} cases", cases.len());
    cases.iter().for_each(check);
}

#[test]
fn a_stream_without_router_is_one_partition() {
    let config = json!({});
    let mut walk = PartitionRouter::walk(None, &Scope::new(&config, Timestamp::UNIX_EPOCH)).unwrap();
    let Next::Partition(slice) = walk.next().unwrap() else { panic!("no partition") };
    assert_eq!(slice, Slice::whole());
    assert!(matches!(walk.next().unwrap(), Next::Done));
}

#[test]
fn mistakes_are_told_with_their_place() {
    let list = json!({"type": "ListPartitionRouter", "cursor_field": "a", "values": ["x"]});
    let mut with_option = list.clone();
    with_option["request_option"] = json!({"type": "RequestOption", "inject_into": "header", "field_name": "h"});
    let parent = |pointer: Json| {
        json!({"type": "SubstreamPartitionRouter", "parent_stream_configs": [{
            "type": "ParentStreamConfig", "stream": {"type": "DeclarativeStream", "name": "p"}, "parent_key": "id",
            "partition_field": "pid", "lazy_read_pointer": pointer,
        }]})
    };
    let group = |size: u32, router: &Json| json!({"type": "GroupingPartitionRouter", "group_size": size, "underlying_partition_router": router});
    let union = |routers: &[&Json]| json!({"type": "UnionPartitionRouter", "partition_field": "a", "partition_routers": routers});
    let cases = [
        (json!({"type": "SubstreamPartitionRouter", "parent_stream_configs": []}), "at least one parent"),
        (parent(json!(["*", "x"])), "without '*'"),
        (group(0, &list), "at least 1"),
        (group(2, &with_option), "cannot use the 'request_option'"),
        (union(&[&list]), "at least 2"),
        (union(&[&list, &with_option]), "cannot use the 'request_option'"),
        (json!({"type": "CustomPartitionRouter", "class_name": "source.Mine"}), "source.Mine"),
        (json!({"type": "FancyPartitionRouter"}), "FancyPartitionRouter"),
    ];
    for (router, expected) in cases {
        let problem = PartitionRouter::read(&Document::from_json(&router).root()).unwrap_err();
        assert!(problem.to_string().contains(expected), "{problem}");
    }
}

#[test]
fn an_empty_list_of_routers_is_none() {
    let stream = Document::from_json(&json!({"type": "SimpleRetriever", "partition_router": []}));
    assert!(PartitionRouter::maybe(&stream.root(), "partition_router").unwrap().is_none());
}
