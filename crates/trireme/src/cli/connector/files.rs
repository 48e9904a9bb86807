//! The files that a connector is run with: configuration, catalogue of what to read, state. Every shape that tools of
//! the line protocol write is read.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde_json::{Map, Value};

use crate::exit::{Exit, Failure, Outcome};

/// Largest file that is read. States of 25,000 partitions have a few megabytes, catalogues with schemas a few more.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Where a configuration may carry its own manifest, as tools that build connectors send it.
pub const INJECTED_MANIFEST: &str = "__injected_declarative_manifest";
/// What else such tools put beside the owner's fields.
const INTERNAL: [&str; 4] = [INJECTED_MANIFEST, "__injected_components_py", "__injected_components_py_checksums", "_limit"];

/// A stream that shall be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    pub name: String,
    /// The cursor field that the catalog names.
    pub cursor_field: Vec<String>,
    /// The schema of what is wanted.
    pub schema: Option<Value>,
}

impl Chosen {
    /// A stream as it is.
    pub fn of(name: String) -> Self {
        Self { name, cursor_field: Vec::new(), schema: None }
    }
}

pub fn text(path: &Path) -> Outcome<String> {
    let size = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(Failure::usage(format!("{} has {size} bytes, at most {FILE_BYTES_MAX} are read", path.display())));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Usage, "file_unusable", format!("{} cannot be read: {error}", path.display()))
}

pub fn json(path: &Path) -> Outcome<Value> {
    let text = text(path)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::new(Exit::Usage, "not_json", format!("{} is not JSON: {error}", path.display())))
}

/// The owner's configuration, and the manifest that came inside of it.
pub fn config(path: &Path) -> Outcome<(Value, Option<Value>)> {
    let Value::Object(mut config) = json(path)? else {
        let message = format!("{} is not a configuration: it has to be a JSON object", path.display());
        return Err(Failure::new(Exit::Usage, "config_invalid", message));
    };
    let manifest = config.get(INJECTED_MANIFEST).filter(|manifest| manifest.is_object()).cloned();
    INTERNAL.iter().for_each(|name| drop(config.remove(*name)));
    Ok((Value::Object(config), manifest))
}

/// The streams of a configured catalogue, in its order.
pub fn catalog(path: &Path) -> Outcome<Vec<Chosen>> {
    let catalog = json(path)?;
    let invalid = |what: String| Failure::new(Exit::Usage, "catalog_invalid", format!("{}: {what}", path.display()));
    let streams = catalog.get("streams").and_then(Value::as_array);
    let streams = streams.ok_or_else(|| invalid("a configured catalog has a list of `streams`".to_owned()))?;
    let chosen = |(at, configured): (usize, &Value)| {
        let name = configured.pointer("/stream/name").and_then(Value::as_str);
        let name = name.ok_or_else(|| invalid(format!("streams[{at}].stream.name is missing")))?;
        // The mode is for whoever keeps the records: a stream with a cursor is resumed by the state that it is given.
        if let Some(other) = configured.get("sync_mode").and_then(Value::as_str)
            && !matches!(other, "incremental" | "full_refresh")
        {
            return Err(invalid(format!("streams[{at}].sync_mode is '{other}', not full_refresh or incremental")));
        }
        let field = configured.get("cursor_field").and_then(Value::as_array);
        Ok(Chosen {
            name: name.to_owned(),
            cursor_field: field.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
            schema: configured.pointer("/stream/json_schema").cloned(),
        })
    };
    streams.iter().enumerate().map(chosen).collect()
}

/// A file of the manifest's package. Nothing outside of its folder is read.
pub fn beside(folder: &Path, path: &str) -> Option<Vec<u8>> {
    let path = Path::new(path);
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !is_inside {
        return None;
    }
    let path = folder.join(path);
    let size = std::fs::metadata(&path).ok()?.len();
    if size > FILE_BYTES_MAX { None } else { std::fs::read(path).ok() }
}

/// The state of each stream, by its name.
pub fn state(path: &Path) -> Outcome<BTreeMap<String, Value>> {
    let text = text(path)?;
    let invalid = |what: String| Failure::new(Exit::Usage, "state_invalid", format!("{}: {what}", path.display()));
    let mut found = BTreeMap::new();
    // One JSON value, or the lines that a run has printed.
    for value in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
        let value = value.map_err(|error| invalid(format!("this is not JSON: {error}")))?;
        take(&value, &mut found).map_err(invalid)?;
    }
    Ok(found)
}

/// Later ones take the place of earlier ones: the last state of a stream is where it goes on.
fn take(value: &Value, found: &mut BTreeMap<String, Value>) -> Result<(), String> {
    match value {
        Value::Null => Ok(()),
        Value::Array(messages) => messages.iter().try_for_each(|message| take(message, found)),
        Value::Object(message) => match message.get("type").and_then(Value::as_str) {
            Some("STATE") => message.get("state").map_or(Ok(()), |state| take(state, found)),
            Some("RECORD" | "LOG" | "TRACE" | "CONTROL" | "SPEC" | "CATALOG" | "CONNECTION_STATUS") => Ok(()),
            Some("STREAM") => one(message.get("stream"), found),
            Some("GLOBAL") => global(message.get("global"), found),
            Some("LEGACY") => legacy(message.get("data"), found),
            _ if message.contains_key("stream_descriptor") => one(Some(value), found),
            _ if message.contains_key("stream") => one(message.get("stream"), found),
            _ if message.contains_key("data") => legacy(message.get("data"), found),
            _ => legacy(Some(value), found),
        },
        _ => Err("a state is an object or a list of objects".to_owned()),
    }
}

fn one(stream: Option<&Value>, found: &mut BTreeMap<String, Value>) -> Result<(), String> {
    let name = stream.and_then(|stream| stream.pointer("/stream_descriptor/name")).and_then(Value::as_str);
    let name = name.ok_or_else(|| "a state of type STREAM names its stream in stream_descriptor.name".to_owned())?;
    let state = stream.and_then(|stream| stream.get("stream_state")).filter(|state| !state.is_null());
    found.insert(name.to_owned(), state.cloned().unwrap_or_else(|| Value::Object(Map::new())));
    Ok(())
}

fn global(global: Option<&Value>, found: &mut BTreeMap<String, Value>) -> Result<(), String> {
    let global = global.ok_or_else(|| "a state of type GLOBAL has a field `global`".to_owned())?;
    if global.get("shared_state").is_some_and(|shared| !shared.is_null() && shared != &Value::Object(Map::new())) {
        return Err("its shared_state belongs to all streams at once, which no connector of this format writes".into());
    }
    let streams = global.get("stream_states").and_then(Value::as_array);
    streams.into_iter().flatten().try_for_each(|stream| one(Some(stream), found))
}

/// The oldest shape: streams by name, their state below.
fn legacy(data: Option<&Value>, found: &mut BTreeMap<String, Value>) -> Result<(), String> {
    let data = data.and_then(Value::as_object).ok_or_else(|| "an old state maps streams to their state".to_owned())?;
    for (name, state) in data {
        if !state.is_object() {
            return Err(format!("the state of '{name}' is not an object"));
        }
        found.insert(name.clone(), state.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn every_shape_of_a_state_file_gives_the_same_state() {
        let stream = r#"{"stream_descriptor":{"name":"a"},"stream_state":{"c":1}}"#;
        for text in [
            format!(r#"[{{"type":"STREAM","stream":{stream}}}]"#),
            format!(r#"[{{"stream":{stream}}}]"#),
            format!(r#"{{"type":"STREAM","stream":{stream}}}"#),
            format!(r#"[{{"type":"GLOBAL","global":{{"stream_states":[{stream}]}}}}]"#),
            r#"[{"type":"LEGACY","data":{"a":{"c":1}}}]"#.to_owned(),
            r#"{"a":{"c":1}}"#.to_owned(),
            format!(
                "{{\"type\":\"LOG\",\"log\":{{}}}}\n{{\"type\":\"STATE\",\"state\":{{\"type\":\"STREAM\",\"stream\":\
                 {{\"stream_descriptor\":{{\"name\":\"a\"}},\"stream_state\":{{\"c\":0}}}}}}}}\n\
                 {{\"type\":\"STATE\",\"state\":{{\"type\":\"STREAM\",\"stream\":{stream}}}}}\n"
            ),
        ] {
            let found = state(written(&text).path()).unwrap();
            assert_eq!(found, BTreeMap::from([("a".to_owned(), json!({ "c": 1 }))]), "{text}");
        }
        for text in ["", "[]", "{}", "null"] {
            assert!(state(written(text).path()).unwrap().is_empty(), "{text}");
        }
    }

    #[test]
    fn a_state_that_says_nothing_of_its_stream_is_an_error() {
        for text in [
            "7",
            r#"{"a":1}"#,
            r#"[{"type":"STREAM","stream":{}}]"#,
            r#"[{"type":"GLOBAL","global":{"shared_state":{"x":1},"stream_states":[]}}]"#,
            "[{",
        ] {
            assert_eq!(state(written(text).path()).unwrap_err().code, "state_invalid", "{text}");
        }
    }

    #[test]
    fn a_catalog_names_streams_and_how_they_are_read() {
        let text = json!({ "streams": [
            { "stream": { "name": "b", "json_schema": {} }, "sync_mode": "incremental", "cursor_field": ["at"] },
            { "stream": { "name": "a" }, "sync_mode": "full_refresh", "destination_sync_mode": "append" },
        ] });
        let chosen = catalog(written(&text.to_string()).path()).unwrap();
        let names: Vec<_> = chosen.iter().map(|chosen| (chosen.name.as_str(), chosen.cursor_field.len())).collect();
        assert_eq!(names, [("b", 1), ("a", 0)]);
        assert_eq!(chosen[0].schema, Some(json!({})));
        for wrong in [json!({}), json!({ "streams": [{}] }), json!({ "streams": [{ "stream": { "name": "a" }, "sync_mode": "x" }] })] {
            assert_eq!(catalog(written(&wrong.to_string()).path()).unwrap_err().code, "catalog_invalid", "{wrong}");
        }
    }

    #[test]
    fn the_manifest_inside_of_a_configuration_is_taken_out_of_it() {
        let text = json!({ "key": 1, INJECTED_MANIFEST: { "version": "1" }, "_limit": 5 }).to_string();
        let (config, manifest) = config(written(&text).path()).unwrap();
        assert_eq!((config, manifest), (json!({ "key": 1 }), Some(json!({ "version": "1" }))));
    }
}
