//! Nested maps and lists whose texts are templates, keys included.

use serde_json::Value as Json;

use super::failure::Failure;
use super::template::{Kinds, Template};
use crate::manifest::scope::Scope;

/// A value with templates in it, compiled.
#[derive(Debug, Clone)]
pub enum Mapping {
    Fixed(Json),
    Template(Template),
    List(Vec<Mapping>),
    Entries(Vec<(Template, Mapping)>),
}

impl Mapping {
    pub fn compile(value: &Json) -> Result<Self, Failure> {
        Ok(match value {
            Json::String(text) => Self::Template(Template::compile(text)?),
            Json::Array(items) => Self::List(items.iter().map(Self::compile).collect::<Result<_, _>>()?),
            Json::Object(fields) => Self::Entries(
                fields
                    .iter()
                    .map(|(key, value)| Ok((Template::compile(key)?, Self::compile(value)?)))
                    .collect::<Result<_, Failure>>()?,
            ),
            other => Self::Fixed(other.clone()),
        })
    }

    /// The whole value, at every depth; entries that come out null are left out.
    pub fn value(&self, scope: &Scope<'_>) -> Result<Json, Failure> {
        Ok(match self {
            Self::Fixed(value) => value.clone(),
            Self::Template(template) => template.value_or_null(scope, Kinds::ANY)?,
            Self::List(items) => Json::Array(items.iter().map(|item| item.value(scope)).collect::<Result<_, _>>()?),
            Self::Entries(entries) => {
                let mut fields = serde_json::Map::new();
                for (key, value) in entries {
                    let (key, value) = (key.value_or_null(scope, Kinds::ANY)?, value.value(scope)?);
                    if !value.is_null() {
                        fields.insert(key.as_str().map_or_else(|| key.to_string(), str::to_owned), value);
                    }
                }
                Json::Object(fields)
            }
        })
    }

    /// The entries of a flat mapping, as parameters, headers and forms use it: only texts that stand directly in it are
    /// templates, and a value that is none of `kinds` is its text. Nulls are kept.
    pub fn entries(&self, scope: &Scope<'_>, kinds: Kinds) -> Result<Vec<(String, Json)>, Failure> {
        let Self::Entries(entries) = self else { return Ok(Vec::new()) };
        entries
            .iter()
            .map(|(key, value)| {
                let key = key.value_or_null(scope, Kinds::TEXT)?;
                let value = match value {
                    Self::Template(template) => template.value_or_null(scope, kinds)?,
                    other => other.value(scope)?,
                };
                Ok((key.as_str().unwrap_or("None").to_owned(), value))
            })
            .collect()
    }
}
