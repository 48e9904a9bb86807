//! Nested maps and lists whose texts are templates, keys included.

use serde_json::{Map, Value as Json};

use super::failure::Failure;
use super::template::{Kinds, Template};
use crate::manifest::scope::Scope;

/// A value with templates in it, compiled.
#[derive(Debug, Clone)]
pub struct Mapping(Part);

#[derive(Debug, Clone)]
enum Part {
    Fixed(Json),
    Template(Template),
    List(Vec<Part>),
    Entries(Vec<(Template, Part)>),
}

impl Mapping {
    /// Compiles every text of a value, or says what is wrong with the first that cannot be.
    pub fn compile(value: &Json) -> Result<Self, Failure> {
        part(value).map(Self)
    }

    /// The whole value, at every depth; entries that come out null are left out.
    pub fn value(&self, scope: &Scope<'_>) -> Result<Json, Failure> {
        self.0.value(scope)
    }

    /// The entries of a flat mapping, as parameters, headers and forms use it: only texts that stand directly in it are
    /// templates, and a value that is none of `kinds` is its text. Nulls are kept; of two equal keys the later counts.
    pub fn entries(&self, scope: &Scope<'_>, kinds: Kinds) -> Result<Vec<(String, Json)>, Failure> {
        let Part::Entries(entries) = &self.0 else { return Ok(Vec::new()) };
        let mut found = Map::new();
        for (key, value) in entries {
            let key = key.value_or_null(scope, Kinds::TEXT)?;
            let value = match value {
                Part::Template(template) => template.value_or_null(scope, kinds)?,
                other => other.source(),
            };
            found.insert(key_text(key), value);
        }
        Ok(found.into_iter().collect())
    }
}

fn part(value: &Json) -> Result<Part, Failure> {
    Ok(match value {
        Json::String(text) => Part::Template(Template::compile(text)?),
        Json::Array(items) => Part::List(items.iter().map(part).collect::<Result<_, _>>()?),
        Json::Object(fields) => Part::Entries(
            fields
                .iter()
                .map(|(key, value)| Ok((Template::compile(key)?, part(value)?)))
                .collect::<Result<_, Failure>>()?,
        ),
        other => Part::Fixed(other.clone()),
    })
}

impl Part {
    fn value(&self, scope: &Scope<'_>) -> Result<Json, Failure> {
        Ok(match self {
            Self::Fixed(value) => value.clone(),
            Self::Template(template) => template.value_or_null(scope, Kinds::ANY)?,
            Self::List(items) => Json::Array(items.iter().map(|item| item.value(scope)).collect::<Result<_, _>>()?),
            Self::Entries(entries) => {
                let mut fields = Map::new();
                for (key, value) in entries {
                    let (key, value) = (key.value_or_null(scope, Kinds::ANY)?, value.value(scope)?);
                    fields.insert(key_text(key), value);
                }
                fields.retain(|_, value| !value.is_null());
                Json::Object(fields)
            }
        })
    }

    /// The value as it was written, templates unread.
    fn source(&self) -> Json {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Template(template) => Json::String(template.source().to_owned()),
            Self::List(items) => Json::Array(items.iter().map(Self::source).collect()),
            Self::Entries(entries) => {
                Json::Object(entries.iter().map(|(key, value)| (key.source().to_owned(), value.source())).collect())
            }
        }
    }
}

/// A key as JSON writes it.
fn key_text(key: Json) -> String {
    match key {
        Json::String(text) => text,
        other => other.to_string(),
    }
}
