//! The lines of a command folded into what matters of them: records as a multiset, the last state of each stream, the
//! order of each stream's statuses, errors by kind. What differs from run to run is left out here and nowhere else.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

/// How a command ended and what it printed.
pub struct Ended {
    pub exit: Option<i32>,
    pub stdout: String,
}

#[derive(Default)]
struct Folded {
    records: BTreeMap<String, Vec<Json>>,
    state: Map<String, Json>,
    statuses: BTreeMap<String, Vec<Json>>,
    errors: Vec<Json>,
    configs: Vec<Json>,
    told: Map<String, Json>,
    odd: Vec<Json>,
}

/// Everything a command told, in one value that can be compared and committed.
pub fn fold(ended: &Ended) -> Json {
    let mut folded = Folded::default();
    for line in ended.stdout.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str::<Json>(line) {
            Ok(message) => folded.take(&message),
            Err(_) => folded.odd.push(json!(line)),
        }
    }
    folded.finish(ended.exit)
}

impl Folded {
    fn take(&mut self, message: &Json) {
        match message["type"].as_str().unwrap_or_default() {
            "RECORD" => {
                let record = &message["record"];
                // The reference's writer drops fields that are null, so its records cannot tell null from absent.
                self.records.entry(name_of(&record["stream"])).or_default().push(without_nulls(&record["data"]));
            }
            "STATE" => self.take_state(&message["state"]),
            "TRACE" => self.take_trace(&message["trace"]),
            "SPEC" => drop(self.told.insert("spec".into(), without_nulls(&message["spec"]))),
            "CONNECTION_STATUS" => {
                drop(self.told.insert("status".into(), message["connectionStatus"]["status"].clone()));
            }
            "CATALOG" => drop(self.told.insert("catalog".into(), catalog(&message["catalog"]))),
            "CONTROL" => self.configs.push(message["control"]["connectorConfig"]["config"].clone()),
            "LOG" => {}
            _ => self.odd.push(message.clone()),
        }
    }

    fn take_state(&mut self, state: &Json) {
        let stream = &state["stream"];
        let name = name_of(&stream["stream_descriptor"]["name"]);
        let mut content = stream["stream_state"].clone();
        content.sort_all_objects();
        settle(&mut content);
        self.state.insert(name, content);
    }

    fn take_trace(&mut self, trace: &Json) {
        match trace["type"].as_str() {
            Some("STREAM_STATUS") => {
                let status = &trace["stream_status"];
                let name = name_of(&status["stream_descriptor"]["name"]);
                self.statuses.entry(name).or_default().push(status["status"].clone());
            }
            Some("ERROR") => {
                let error = &trace["error"];
                let mut kept = Map::new();
                kept.insert("failure_type".into(), error["failure_type"].clone());
                if let Some(name) = error["stream_descriptor"]["name"].as_str() {
                    kept.insert("stream".into(), json!(name));
                }
                self.errors.push(Json::Object(kept));
            }
            _ => {}
        }
    }

    fn finish(mut self, exit: Option<i32>) -> Json {
        let mut told = Map::new();
        told.insert("exit".into(), json!(exit));
        told.append(&mut self.told);
        let records = self.records.into_iter().map(|(name, records)| (name, json!(sorted(records))));
        put(&mut told, "records", records.collect::<Map<_, _>>().into());
        self.state.sort_keys();
        put(&mut told, "state", self.state.into());
        put(&mut told, "statuses", json!(self.statuses));
        put(&mut told, "errors", json!(sorted(self.errors)));
        put(&mut told, "configs", json!(self.configs));
        put(&mut told, "not_understood", json!(self.odd));
        Json::Object(told)
    }
}

fn put(told: &mut Map<String, Json>, name: &str, value: Json) {
    let empty = value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
    if !empty {
        told.insert(name.to_owned(), value);
    }
}

fn sorted(mut values: Vec<Json>) -> Vec<Json> {
    for value in &mut values {
        value.sort_all_objects();
    }
    values.sort_by_cached_key(Json::to_string);
    values
}

/// Streams by name, without what is null and without what a catalog may leave out.
fn catalog(catalog: &Json) -> Json {
    let streams = catalog["streams"].as_array().into_iter().flatten();
    let named = streams.map(|stream| (name_of(&stream["name"]), without_nulls(stream)));
    // Schemas made at run time come with their fields in any order.
    let named = named.map(|(name, mut stream)| {
        stream.sort_all_objects();
        (name, stream)
    });
    Json::Object(named.collect())
}

/// The top level without its nulls; what is nested (schemas, defaults) keeps them, where null is a value.
fn without_nulls(value: &Json) -> Json {
    let fields = value.as_object().into_iter().flatten();
    let kept = fields.filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone()));
    Json::Object(kept.collect())
}

/// Per-partition state holds how many seconds the read took, which is another number on another day, and its partitions
/// in the order in which they were read, which concurrency leaves open.
fn settle(state: &mut Json) {
    match state {
        Json::Object(fields) => {
            if fields.contains_key("use_global_cursor")
                && let Some(window) = fields.get_mut("lookback_window")
                && window.is_number()
            {
                *window = json!("seconds");
            }
            if let Some(Json::Array(states)) = fields.get_mut("states") {
                *states = sorted(std::mem::take(states));
            }
            fields.values_mut().for_each(settle);
        }
        Json::Array(items) => items.iter_mut().for_each(settle),
        _ => {}
    }
}

fn name_of(name: &Json) -> String {
    name.as_str().unwrap_or("(no name)").to_owned()
}
