//! JSON Schema as specifications use it: what a config must look like, told field by field and in words for people.
//!
//! Keywords that specifications do not use are passed over. A format or a pattern that cannot be judged here is a doubt
//! and no error, for the reference implementation does not judge formats at all.

mod number;
mod text;

use serde_json::{Map, Value as Json};

/// Deeper than this no config is, and no schema leads.
const DEPTH_MAX: usize = 64;
/// Schemas applied to values: options inside of options multiply.
const STEPS_MAX: usize = 50_000;
/// Who has more of them has one mistake that causes them all.
const PROBLEMS_MAX: usize = 100;

/// How certain it is that a config cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Error,
    /// It may work all the same.
    Doubt,
}

/// What is wrong with one field of a config.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", if path.is_empty() { "config" } else { path })]
pub struct ConfigProblem {
    /// Such as `credentials.api_key`; empty for the config as a whole.
    pub path: String,
    pub message: String,
    pub weight: Weight,
}

/// Holds a value against a schema.
#[must_use]
pub fn check(schema: &Json, value: &Json) -> Vec<ConfigProblem> {
    let mut checker = Checker { problems: Vec::new(), steps: 0 };
    checker.check(schema, value, &Field::root());
    checker.problems.truncate(PROBLEMS_MAX);
    checker.problems
}

struct Checker {
    problems: Vec<ConfigProblem>,
    steps: usize,
}

/// Where a value stands.
struct Field {
    path: String,
    depth: usize,
}

impl Field {
    const fn root() -> Self {
        Self { path: String::new(), depth: 0 }
    }

    fn inner(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { path, depth: self.depth + 1 }
    }

    fn item(&self, at: usize) -> Self {
        Self { path: format!("{}[{at}]", self.path), depth: self.depth + 1 }
    }
}

impl Checker {
    fn check(&mut self, schema: &Json, value: &Json, field: &Field) {
        self.steps += 1;
        if field.depth > DEPTH_MAX || self.steps > STEPS_MAX {
            return self.tell(field, "is nested too deeply, or has too many options, to be checked", Weight::Doubt);
        }
        let schema = match schema {
            Json::Object(schema) => schema,
            Json::Bool(false) => return self.tell(field, "cannot be given", Weight::Error),
            _ => return,
        };
        if !self.has_type(schema, value, field) {
            return;
        }
        self.one_of_values(schema, value, field);
        match value {
            Json::String(text) => text::check(schema, text, |message, weight| self.tell(field, &message, weight)),
            Json::Number(number) => number::check(schema, number, |message| self.tell(field, &message, Weight::Error)),
            Json::Array(items) => self.items(schema, items, field),
            Json::Object(fields) => self.fields(schema, fields, field),
            Json::Null | Json::Bool(_) => {}
        }
        self.combined(schema, value, field);
    }

    fn tell(&mut self, field: &Field, message: &str, weight: Weight) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(ConfigProblem { path: field.path.clone(), message: message.to_owned(), weight });
        }
    }

    fn has_type(&mut self, schema: &Map<String, Json>, value: &Json, field: &Field) -> bool {
        let kinds: Vec<&str> = match schema.get("type") {
            Some(Json::String(kind)) => vec![kind],
            Some(Json::Array(kinds)) => kinds.iter().filter_map(Json::as_str).collect(),
            _ => return true,
        };
        if kinds.iter().any(|kind| is_of(kind, value)) {
            return true;
        }
        let words: Vec<&str> = kinds.iter().map(|kind| word(kind)).collect();
        self.tell(field, &format!("must be {}", words.join(" or ")), Weight::Error);
        false
    }

    fn one_of_values(&mut self, schema: &Map<String, Json>, value: &Json, field: &Field) {
        if let Some(Json::Array(values)) = schema.get("enum")
            && !values.iter().any(|known| is_equal(known, value))
        {
            let shown: Vec<String> = values.iter().map(Json::to_string).collect();
            self.tell(field, &format!("must be one of {}", shown.join(", ")), Weight::Error);
        }
        if let Some(known) = schema.get("const")
            && !is_equal(known, value)
        {
            self.tell(field, &format!("must be {known}"), Weight::Error);
        }
    }

    fn items(&mut self, schema: &Map<String, Json>, items: &[Json], field: &Field) {
        if number::limit(schema, "minItems").is_some_and(|least| items.len() < least) {
            self.tell(field, &format!("needs at least {} items", schema["minItems"]), Weight::Error);
        }
        if number::limit(schema, "maxItems").is_some_and(|most| items.len() > most) {
            self.tell(field, &format!("has more than {} items", schema["maxItems"]), Weight::Error);
        }
        let are_unique = schema.get("uniqueItems") == Some(&Json::Bool(true));
        if are_unique && items.iter().enumerate().any(|(at, item)| items[..at].iter().any(|o| is_equal(o, item))) {
            self.tell(field, "has an item twice", Weight::Error);
        }
        for (at, item) in items.iter().enumerate() {
            match schema.get("items") {
                Some(Json::Array(schemas)) => {
                    if let Some(schema) = schemas.get(at) {
                        self.check(schema, item, &field.item(at));
                    }
                }
                Some(schema) => self.check(schema, item, &field.item(at)),
                None => {}
            }
        }
    }

    fn fields(&mut self, schema: &Map<String, Json>, fields: &Map<String, Json>, field: &Field) {
        let properties = schema.get("properties").and_then(Json::as_object);
        let required = schema.get("required").and_then(Json::as_array);
        for name in required.into_iter().flatten().filter_map(Json::as_str) {
            if !fields.contains_key(name) {
                let title = properties.and_then(|known| known.get(name)?.get("title")?.as_str());
                let title = title.filter(|title| *title != name).map(|title| format!(" ({title})")).unwrap_or_default();
                self.tell(&field.inner(name), &format!("is missing{title}"), Weight::Error);
            }
        }
        for (name, value) in fields {
            match (properties.and_then(|known| known.get(name)), schema.get("additionalProperties")) {
                (Some(schema), _) | (None, Some(schema @ Json::Object(_))) => {
                    self.check(schema, value, &field.inner(name));
                }
                (None, Some(Json::Bool(false))) => {
                    let known: Vec<&str> = properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
                    let message = format!("is not known here; there are: {}", known.join(", "));
                    self.tell(&field.inner(name), &message, Weight::Error);
                }
                (None, _) => {}
            }
        }
    }

    fn combined(&mut self, schema: &Map<String, Json>, value: &Json, field: &Field) {
        for part in listed(schema, "allOf") {
            self.check(part, value, field);
        }
        for (keyword, is_exclusive) in [("oneOf", true), ("anyOf", false)] {
            let options = listed(schema, keyword);
            if !options.is_empty() {
                self.options(options, is_exclusive, value, field);
            }
        }
        if let Some(not) = schema.get("not")
            && !self.trial(not, value, field).iter().any(|problem| problem.weight == Weight::Error)
        {
            self.tell(field, "has what it must not have", Weight::Error);
        }
    }

    /// One option must fit. If none does, the one that is meant is told about, where that can be seen.
    fn options(&mut self, options: &[Json], is_exclusive: bool, value: &Json, field: &Field) {
        let trials: Vec<Vec<ConfigProblem>> = options.iter().map(|option| self.trial(option, value, field)).collect();
        let fits = |problems: &Vec<ConfigProblem>| problems.iter().all(|problem| problem.weight == Weight::Doubt);
        match trials.iter().filter(|problems| fits(problems)).count() {
            0 => {}
            1 => return self.problems.extend(trials.into_iter().find(fits).into_iter().flatten()),
            _ if is_exclusive => return self.tell(field, "fits more than one of its options", Weight::Error),
            _ => return,
        }
        let mut meant = options.iter().zip(trials).filter(|(option, _)| is_meant(option, value));
        match (meant.next(), meant.next()) {
            (Some((_, problems)), None) => self.problems.extend(problems),
            _ => {
                let titles: Vec<&str> = options.iter().filter_map(|option| option.get("title")?.as_str()).collect();
                let of = if titles.is_empty() { String::new() } else { format!(": {}", titles.join(", ")) };
                self.tell(field, &format!("fits none of its {} options{of}", options.len()), Weight::Error);
            }
        }
    }

    fn trial(&mut self, schema: &Json, value: &Json, field: &Field) -> Vec<ConfigProblem> {
        let before = std::mem::take(&mut self.problems);
        self.check(schema, value, field);
        std::mem::replace(&mut self.problems, before)
    }
}

/// Whether an option is the one that the value says it is: it has constants, and the value has them.
fn is_meant(option: &Json, value: &Json) -> bool {
    let mut constants = 0;
    let properties = option.get("properties").and_then(Json::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let known = match (property.get("const"), property.get("enum").and_then(Json::as_array)) {
            (Some(known), _) => known,
            (None, Some(values)) if values.len() == 1 => &values[0],
            _ => continue,
        };
        constants += 1;
        if !value.get(name).is_some_and(|value| is_equal(value, known)) {
            return false;
        }
    }
    constants > 0
}

fn listed<'s>(schema: &'s Map<String, Json>, keyword: &str) -> &'s [Json] {
    schema.get(keyword).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

/// `1` and `1.0` are the same number.
fn is_equal(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

fn is_of(kind: &str, value: &Json) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|value| value.fract() == 0.0),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn word(kind: &str) -> &str {
    match kind {
        "null" => "null",
        "boolean" => "true or false",
        "string" => "a text",
        "number" => "a number",
        "integer" => "a whole number",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}
