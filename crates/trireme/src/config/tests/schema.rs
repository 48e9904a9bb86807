//! `docs/schemas/trireme.json`, by which editors complete and check the file: made from the reference in the guide,
//! which lists exactly the keys that the reader knows.

use serde_json::{Map, Value, json};

const GUIDE: &str = include_str!("../../../../../docs/guide/configuration.md");
const COMMITTED: &str = include_str!("../../../../../docs/schemas/trireme.json");

/// Mappings that take more keys than those listed: a provider's settings stand beside `provider`, and a `config` is what
/// its connector asks for.
const OPEN: [&str; 4] =
    ["sources.*.webhook", "sources.*.connections.*.webhook", "sources.*.config", "sources.*.connections.*.config"];

struct Row<'g> {
    key: &'g str,
    kind: &'g str,
    default: &'g str,
    about: &'g str,
}

fn rows() -> impl Iterator<Item = Row<'static>> {
    let reference = &GUIDE[GUIDE.find("## Top level").expect("a heading")..];
    reference.lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix("| `")?.trim_end_matches('|').split('|').map(str::trim).collect();
        let [key, kind, default, _, about] = *cells.as_slice() else { panic!("a row of five cells: {line}") };
        Some(Row { key: key.trim_end_matches('`'), kind, default, about })
    })
}

/// What a value may be. Whatever may come from `${NAME}` may be a text.
fn kind_of(kind: &str) -> Value {
    if kind.starts_with('`') {
        let words: Vec<_> = kind.split('`').skip(1).step_by(2).collect();
        return json!({ "enum": words });
    }
    match kind {
        "mapping" | "mapping by name" | "mapping by role" => json!({ "type": "object" }),
        "list" | "list of ranges" | "list of names" | "list of durations" => json!({ "type": "array" }),
        "duration or mapping" | "rate or mapping" => json!({ "type": ["string", "object"] }),
        "text or list" => json!({ "type": ["string", "array", "object"] }),
        "number" => json!({ "type": ["integer", "string"] }),
        "yes or no" => json!({ "type": ["boolean", "string"] }),
        "URL" | "text" | "name" | "duration" | "size" | "rate" | "share" | "expression" | "as `http.body`" => {
            json!({ "type": "string" })
        }
        other => panic!("the schema has no type for '{other}'"),
    }
}

/// Below a node of the schema, the place of a step such as `limits`, `*` or `routes[]`.
fn step<'s>(node: &'s mut Value, step: &str) -> &'s mut Value {
    let (name, list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
    let place = match name {
        "*" => &mut node["additionalProperties"],
        name => &mut node["properties"][name],
    };
    if list { &mut place["items"] } else { place }
}

fn schema() -> Value {
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "trireme.yaml",
        "description": "The configuration of Trireme; docs/guide/configuration.md says more.",
        "type": "object",
        "properties": {},
    });
    for row in rows() {
        let mut node = &mut root;
        let (parents, name) = row.key.rsplit_once('.').unwrap_or(("", row.key));
        for part in parents.split('.').filter(|part| !part.is_empty()) {
            node = step(node, part);
        }
        if row.default == "required" {
            if node.is_null() {
                *node = json!({});
            }
            let required = node.as_object_mut().expect("a node").entry("required").or_insert(json!([]));
            required.as_array_mut().expect("a list").push(json!(name));
        }
        let mut own: Map<String, Value> = kind_of(row.kind).as_object().expect("an object").clone();
        own.insert("description".into(), json!(row.about));
        *step(node, name) = Value::Object(own);
    }
    close(&mut root, "");
    // A rule that is switched off is a word.
    root["properties"]["alerts"]["properties"]["rules"]["additionalProperties"]["type"] =
        json!(["object", "boolean", "string"]);
    root["properties"]["routes"]["items"]["properties"]["retry"] =
        json!({ "$ref": "#/properties/destinations/additionalProperties/properties/retry" });
    let own = ["alerts", "egress", "sources", "destinations", "routes"];
    let refs = own.map(|key| (key.to_owned(), json!({ "$ref": format!("#/properties/{key}") })));
    let tenant = json!({ "type": "object", "additionalProperties": false, "properties": Map::from_iter(refs) });
    root["properties"]["tenants"]["additionalProperties"] = tenant;
    root
}

/// Keys that are not listed are errors, here as in the reader.
fn close(node: &mut Value, path: &str) {
    let Some(object) = node.as_object_mut() else { return };
    if object.contains_key("properties") {
        // What may also be written in short keeps that.
        if !object.get("type").is_some_and(Value::is_array) {
            object.insert("type".into(), json!("object"));
        }
        object.entry("additionalProperties").or_insert(json!(OPEN.contains(&path)));
    }
    for key in ["additionalProperties", "items"] {
        let next = if key == "items" { format!("{path}[]") } else { join(path, "*") };
        object.get_mut(key).into_iter().for_each(|child| close(child, &next));
    }
    let children = object.get_mut("properties").and_then(Value::as_object_mut);
    for (name, child) in children.into_iter().flatten() {
        close(child, &join(path, name));
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[test]
fn the_committed_schema_is_the_one_that_the_reference_makes() {
    let made = format!("{:#}\n", schema());
    if made != COMMITTED {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tmp");
        let path = folder.join("trireme-schema.json");
        std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, &made)).expect("the folder is ours");
        panic!(
            "docs/schemas/trireme.json is out of date; look at the difference, then: cp {} docs/schemas/trireme.json",
            path.display()
        );
    }
}

#[test]
fn every_key_of_the_reader_has_its_place_in_the_schema() {
    let mut schema = schema();
    for key in super::known_keys() {
        let mut node = &mut schema;
        for part in key.split('.') {
            node = step(node, part);
        }
        assert!(!node.is_null(), "{key}");
    }
    assert_eq!(schema["properties"]["limits"]["additionalProperties"], false);
    assert_eq!(schema["properties"]["routes"]["items"]["required"], json!(["from", "to"]));
}
