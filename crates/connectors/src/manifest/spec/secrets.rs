//! Which values of a config are secrets: what the specification marks as such is never shown.

use serde_json::Value as Json;

/// The mark of a secret.
const MARK: &str = "airbyte_secret";
/// Deeper than this no specification leads.
const DEPTH_MAX: usize = 64;
/// Shorter texts are no secrets that could be told from ordinary words when they are looked for in a message.
const HIDDEN_BYTES_MIN: usize = 4;
/// Shown in place of a secret.
pub const HIDDEN: &str = "****";

/// The secrets that a specification marks.
#[derive(Clone, Copy, Debug)]
pub struct Secrets<'s> {
    schema: &'s Json,
}

impl<'s> Secrets<'s> {
    pub(super) fn of(schema: &'s Json) -> Self {
        Self { schema }
    }

    /// The secrets of a config, numbers as texts.
    #[must_use]
    pub fn values(&self, config: &Json) -> Vec<String> {
        let mut found = Vec::new();
        collect(self.schema, config, false, 0, &mut |value| match value {
            Json::String(text) if !text.is_empty() => found.push(text.clone()),
            Json::Number(number) => found.push(number.to_string()),
            _ => {}
        });
        found
    }

    /// A message without the secrets of a config.
    #[must_use]
    pub fn hide(&self, message: &str, config: &Json) -> String {
        without(message, self.values(config))
    }

    /// A config that can be shown.
    #[must_use]
    pub fn masked(&self, config: &Json) -> Json {
        mask(&[self.schema], config, 0)
    }
}

/// A message without these texts.
#[must_use]
pub fn without(message: &str, mut secrets: Vec<String>) -> String {
    secrets.retain(|secret| secret.len() >= HIDDEN_BYTES_MIN);
    // The longer first: one may contain another.
    secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.iter().fold(message.to_owned(), |message, secret| message.replace(secret, HIDDEN))
}

/// Finds the secrets: below a mark, everything is one.
fn collect<'c>(schema: &Json, value: &'c Json, is_secret: bool, depth: usize, found: &mut impl FnMut(&'c Json)) {
    if depth > DEPTH_MAX {
        return found(value);
    }
    let is_secret = is_secret || schema.get(MARK) == Some(&Json::Bool(true));
    match value {
        Json::Object(fields) => {
            for (name, value) in fields {
                for schema in of_field(schema, name) {
                    collect(schema, value, is_secret, depth + 1, found);
                }
            }
        }
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                collect(of_item(schema, at), item, is_secret, depth + 1, found);
            }
        }
        value if is_secret => found(value),
        _ => {}
    }
    for option in options(schema) {
        collect(option, value, is_secret, depth + 1, found);
    }
}

fn mask(schemas: &[&Json], value: &Json, depth: usize) -> Json {
    let mut all: Vec<&Json> = schemas.to_vec();
    let mut at = 0;
    while at < all.len() && all.len() < 1_000 {
        all.extend(options(all[at]));
        at += 1;
    }
    if depth > DEPTH_MAX || all.iter().any(|schema| schema.get(MARK) == Some(&Json::Bool(true))) {
        return if value.is_null() { Json::Null } else { Json::String(HIDDEN.to_owned()) };
    }
    match value {
        Json::Object(fields) => {
            let masked = fields.iter().map(|(name, value)| {
                let inner: Vec<&Json> = all.iter().flat_map(|schema| of_field(schema, name)).collect();
                (name.clone(), mask(&inner, value, depth + 1))
            });
            Json::Object(masked.collect())
        }
        Json::Array(items) => {
            let masked = items.iter().enumerate().map(|(at, item)| {
                let inner: Vec<&Json> = all.iter().map(|schema| of_item(schema, at)).collect();
                mask(&inner, item, depth + 1)
            });
            Json::Array(masked.collect())
        }
        value => value.clone(),
    }
}

static NOTHING: Json = Json::Null;

fn of_field<'s>(schema: &'s Json, name: &str) -> Vec<&'s Json> {
    let known = schema.get("properties").and_then(|properties| properties.get(name));
    vec![known.or_else(|| schema.get("additionalProperties")).unwrap_or(&NOTHING)]
}

fn of_item(schema: &Json, at: usize) -> &Json {
    match schema.get("items") {
        Some(Json::Array(schemas)) => schemas.get(at).unwrap_or(&NOTHING),
        Some(schema) => schema,
        None => &NOTHING,
    }
}

fn options(schema: &Json) -> impl Iterator<Item = &Json> {
    let listed = move |keyword: &str| schema.get(keyword).and_then(Json::as_array).into_iter().flatten();
    ["oneOf", "anyOf", "allOf"].into_iter().flat_map(listed)
}
