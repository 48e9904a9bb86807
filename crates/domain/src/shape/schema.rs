//! A shape as a JSON Schema (draft 2020-12).

use serde_json::{Map, Value, json};

use super::{Format, Kind, Shape};

/// The schema of the values that were seen, which all of them satisfy.
#[must_use]
pub fn json_schema(shape: &Shape, title: &str) -> Value {
    let mut schema = of(shape);
    if let Value::Object(members) = &mut schema {
        members.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        members.insert("title".to_owned(), json!(title));
    }
    schema
}

fn of(shape: &Shape) -> Value {
    let mut schema = Map::new();
    if let Some(kinds) = kinds(shape) {
        schema.insert("type".to_owned(), kinds);
    }
    if let Some(format) = shape.texts.format() {
        schema.insert("format".to_owned(), json!(format.as_str()));
    }
    if let Some(values) = values(shape) {
        schema.insert("enum".to_owned(), values);
    }
    if let Some(items) = &shape.items {
        schema.insert("items".to_owned(), of(items));
    }
    if let Some(entries) = &shape.entries {
        schema.insert("additionalProperties".to_owned(), of(entries));
    }
    if !shape.fields.is_empty() {
        let properties: Map<String, Value> =
            shape.fields.iter().map(|(name, field)| (name.clone(), of(&field.shape))).collect();
        schema.insert("properties".to_owned(), Value::Object(properties));
        let required: Vec<&String> =
            shape.fields.iter().filter(|(_, field)| !field.optional).map(|(name, _)| name).collect();
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
    }
    Value::Object(schema)
}

/// `None` where nothing was seen: anything may come. A number includes the whole ones.
fn kinds(shape: &Shape) -> Option<Value> {
    let has_number = shape.count(Kind::Number) > 0;
    let kinds = shape.kinds.keys().filter(|kind| !(has_number && **kind == Kind::Integer));
    let names: Vec<&str> = kinds.map(|kind| kind.as_str()).collect();
    match names.as_slice() {
        [] => None,
        [only] => Some(json!(only)),
        several => Some(json!(several)),
    }
}

/// The values of a set of texts, where nothing but texts and null comes.
fn values(shape: &Shape) -> Option<Value> {
    let only_texts = shape.kinds.keys().all(|kind| matches!(kind, Kind::String | Kind::Null));
    let mut values: Vec<Value> = shape.texts.values().filter(|_| only_texts)?.into_iter().map(Value::from).collect();
    if shape.count(Kind::Null) > 0 {
        values.push(Value::Null);
    }
    Some(Value::Array(values))
}

/// One place of a shape, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// As in a [`Change`](super::Change).
    pub at: String,
    pub kinds: Vec<Kind>,
    /// Not every object had it.
    pub optional: bool,
    pub format: Option<Format>,
    /// Of a fixed set of texts.
    pub values: Vec<String>,
}

/// The places below the root, each after what it is in.
#[must_use]
pub fn outline(shape: &Shape) -> Vec<Line> {
    let mut lines = Vec::new();
    below(shape, "", &mut lines);
    lines
}

fn below(shape: &Shape, at: &str, lines: &mut Vec<Line>) {
    for (name, field) in &shape.fields {
        line(&field.shape, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), field.optional, lines);
    }
    for inner in [&shape.items, &shape.entries].into_iter().flatten() {
        line(inner, format!("{at}/*"), false, lines);
    }
}

fn line(shape: &Shape, at: String, optional: bool, lines: &mut Vec<Line>) {
    let values = shape.texts.values().unwrap_or_default().into_iter().map(str::to_owned).collect();
    let kinds = shape.kinds.keys().copied().collect();
    lines.push(Line { at: at.clone(), kinds, optional, format: shape.texts.format(), values });
    below(shape, &at, lines);
}
