//! Schemas of streams: where they come from, and what they do to records. Files and replies are given by the caller;
//! nothing here reads them.

mod dynamic;
mod file;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value as Json, json};

pub use dynamic::DynamicSchema;
pub use file::{FileSchema, SCHEMA_REFERENCES_MAX};

use super::node::{Node, Read};
use super::normalize::Casts;
use super::problem::Problem;
use super::scope::Scope;
use super::select::RecordError;

/// A schema that is known, with its casts compiled when they are first needed.
#[derive(Clone, Debug, Default)]
pub struct Schema(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    json: Json,
    casts: OnceLock<Casts>,
}

impl Schema {
    #[must_use]
    pub fn new(json: Json) -> Self {
        Self(Arc::new(Known { json, casts: OnceLock::new() }))
    }

    #[must_use]
    pub fn json(&self) -> &Json {
        &self.0.json
    }

    /// Casts a record to the types of the schema.
    pub fn normalize(&self, record: &mut Json) {
        self.0.casts.get_or_init(|| Casts::of(&self.0.json)).apply(record);
    }
}

/// What a loader needs before it can tell the schema.
#[derive(Clone, Debug)]
pub enum Needs {
    Nothing,
    /// The contents of a file of the connector's package, and of those that it refers to.
    File(String),
    /// The first record that this retriever reads.
    Record(Node),
}

/// What was found for a loader.
#[derive(Clone, Copy)]
pub enum Given<'a> {
    Nothing,
    /// Reads a file by its path in the package; `None` where there is none.
    Files(&'a dyn Fn(&str) -> Option<Vec<u8>>),
    /// The first record, if there was any.
    Record(Option<&'a Json>),
}

/// Where the schema of a stream comes from.
#[derive(Clone, Debug)]
pub enum SchemaLoader {
    Inline(Arc<Json>),
    File(FileSchema),
    Dynamic(Box<DynamicSchema>),
}

impl SchemaLoader {
    pub fn needs(&self, scope: &Scope<'_>) -> Result<Needs, RecordError> {
        Ok(match self {
            Self::Inline(_) => Needs::Nothing,
            Self::File(file) => Needs::File(file.path(scope)?),
            Self::Dynamic(dynamic) => Needs::Record(dynamic.retriever().clone()),
        })
    }

    /// The schema, from what was needed.
    pub fn schema(&self, given: Given<'_>, scope: &Scope<'_>) -> Result<Json, RecordError> {
        match (self, given) {
            (Self::Inline(schema), _) => Ok((**schema).clone()),
            (Self::File(file), Given::Files(files)) => file.schema(files, scope),
            (Self::Dynamic(dynamic), Given::Record(record)) => dynamic.schema(record, scope),
            (Self::File(_) | Self::Dynamic(_), _) => {
                Err(RecordError::Schema { detail: "what it is made of was not given".into() })
            }
        }
    }
}

impl Read for SchemaLoader {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(match &*node.kind("InlineSchemaLoader")? {
            "InlineSchemaLoader" => Self::Inline(Arc::new(node.or("schema", Json::Object(Map::new()))?)),
            "JsonFileSchemaLoader" => Self::File(FileSchema::read(node)?),
            "DynamicSchemaLoader" => Self::Dynamic(Box::new(DynamicSchema::read(node)?)),
            _ => return Err(node.unsupported()),
        })
    }
}

/// One loader, several, or the default place.
#[derive(Clone, Debug)]
pub struct SchemaLoaders(Vec<SchemaLoader>);

impl SchemaLoaders {
    /// For what has no schema.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Where a stream declares none: the file of its name, or, without that, a schema that says nothing.
    pub fn by_default(stream: &Node) -> Result<Self, Problem> {
        Ok(Self(vec![SchemaLoader::File(FileSchema::by_default(stream)?)]))
    }

    pub fn iter(&self) -> impl Iterator<Item = &SchemaLoader> {
        self.0.iter()
    }

    /// One schema of those that the loaders gave, in their order: the first one that has a property wins.
    #[must_use]
    pub fn merge(&self, mut schemas: Vec<Json>) -> Json {
        if self.0.len() == 1 && schemas.len() == 1 {
            return schemas.remove(0);
        }
        let mut merged = Map::new();
        for schema in schemas {
            let mut properties = match schema {
                Json::Object(mut schema) => schema.remove("properties").unwrap_or_default(),
                _ => Json::Null,
            };
            if let Some(properties) = properties.as_object_mut().map(std::mem::take) {
                let mut both = properties;
                both.extend(merged);
                merged = both;
            }
        }
        json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": ["null", "object"],
            "properties": merged,
        })
    }
}

impl Read for SchemaLoaders {
    fn read(node: &Node) -> Result<Self, Problem> {
        match node.is_list() {
            true => Vec::read(node).map(Self),
            false => Ok(Self(vec![SchemaLoader::read(node)?])),
        }
    }
}
