//! Properties to ask a source for: which ones, in how many requests, and how the parts of a record that come in several
//! replies become one again.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use serde_json::{Map, Value as Json};

use super::node::{Node, Read};
use super::path::Pointer;
use super::problem::Problem;
use super::scope::Scope;
use super::select::RecordError;
use super::transform::Transformation;

/// What a separator between two properties takes in a URL.
const SEPARATOR_CHARS: u64 = 3;

/// Which properties are asked for, and in how many requests.
#[derive(Clone, Debug)]
pub struct QueryProperties {
    list: PropertyList,
    always: Vec<String>,
    chunking: Option<Chunking>,
    selector: Option<Vec<Transformation>>,
}

/// Where the names of the properties come from.
#[derive(Clone, Debug)]
pub enum PropertyList {
    Written(Vec<String>),
    /// Each record of a retriever tells one.
    Endpoint {
        retriever: Node,
        name: Pointer,
    },
}

#[derive(Clone, Debug)]
struct Chunking {
    limit: Option<u64>,
    counts_characters: bool,
    keys: Vec<String>,
}

impl QueryProperties {
    /// All that an endpoint tells, in one request: the old spelling.
    pub fn of_endpoint(node: &Node) -> Result<Self, Problem> {
        Ok(Self { list: PropertyList::read(node)?, always: Vec::new(), chunking: None, selector: None })
    }

    #[must_use]
    pub fn list(&self) -> &PropertyList {
        &self.list
    }

    /// The name of a property that a record of the endpoint tells.
    pub fn told(&self, record: &Json, scope: &Scope<'_>) -> Result<Option<String>, RecordError> {
        match &self.list {
            PropertyList::Written(_) => Ok(None),
            PropertyList::Endpoint { name, .. } => {
                let found = name.path(scope)?.one(record)?.cloned();
                Ok(Some(match found {
                    Some(Json::String(name)) => name,
                    Some(other) => other.to_string(),
                    None => "[]".into(),
                }))
            }
        }
    }

    /// The properties that are selected by the schema that the reader asked for, if it asked for one.
    pub fn selected(&self, wanted: Option<&Json>, scope: &Scope<'_>) -> Result<Option<BTreeSet<String>>, RecordError> {
        let (Some(transformations), Some(schema)) = (&self.selector, wanted) else { return Ok(None) };
        let mut properties = schema.get("properties").cloned().unwrap_or_else(|| Json::Object(Map::new()));
        let scope = scope.no_slice();
        for transformation in transformations {
            transformation.apply(&mut properties, &scope)?;
        }
        Ok(properties.as_object().map(|properties| properties.keys().cloned().collect()))
    }

    /// The properties of each request, in the order in which they are asked for.
    #[must_use]
    pub fn chunks(&self, properties: &[String], selected: Option<&BTreeSet<String>>) -> Vec<Vec<String>> {
        let wanted = properties.iter().filter(|name| selected.is_none_or(|selected| selected.contains(*name)));
        let Some(chunking) = &self.chunking else {
            return vec![self.always.iter().chain(wanted).cloned().collect()];
        };
        let Some(limit) = chunking.limit.filter(|limit| *limit > 0) else {
            // Without a limit everything is asked for, selected or not.
            return vec![properties.iter().chain(&self.always).cloned().collect()];
        };
        let mut chunks = vec![self.always.clone()];
        let mut size = 0;
        for name in wanted {
            let own = if chunking.counts_characters { name.chars().count() as u64 + SEPARATOR_CHARS } else { 1 };
            if size + own > limit {
                chunks.push(self.always.clone());
                size = 0;
            }
            chunks.last_mut().into_iter().for_each(|chunk| chunk.push(name.clone()));
            size += own;
        }
        chunks
    }

    /// What joins the parts of records, if they come in parts.
    #[must_use]
    pub fn merger(&self) -> Option<Merger> {
        let keys = self.chunking.as_ref()?.keys.clone();
        Some(Merger { keys, merged: Vec::new(), places: FxHashMap::default() })
    }
}

/// Joins the parts of the records of one page.
#[derive(Debug)]
pub struct Merger {
    keys: Vec<String>,
    merged: Vec<Json>,
    places: FxHashMap<String, usize>,
}

impl Merger {
    /// Takes a part. A record without the key cannot be joined and is given back.
    pub fn add(&mut self, part: Json) -> Option<Json> {
        let Some(key) = self.key(&part) else { return Some(part) };
        match self.places.get(&key).and_then(|at| self.merged.get_mut(*at)) {
            Some(record) => merge(record, part),
            None => {
                self.places.insert(key, self.merged.len());
                self.merged.push(part);
            }
        }
        None
    }

    /// The records, in the order in which they were first seen.
    #[must_use]
    pub fn finish(self) -> Vec<Json> {
        self.merged
    }

    fn key(&self, part: &Json) -> Option<String> {
        let values = self.keys.iter().map(|key| match part.get(key)? {
            Json::String(text) if !text.is_empty() => Some(text.clone()),
            Json::Number(number) if number.as_f64() != Some(0.0) => Some(number.to_string()),
            Json::Bool(true) => Some("True".to_owned()),
            _ => None,
        });
        values.collect::<Option<Vec<_>>>().map(|values| values.join(","))
    }
}

/// Joins mappings with mappings; anything else is replaced.
fn merge(into: &mut Json, part: Json) {
    match (into, part) {
        (Json::Object(into), Json::Object(part)) => {
            for (key, value) in part {
                match into.get_mut(&key) {
                    Some(known) => merge(known, value),
                    None => drop(into.insert(key, value)),
                }
            }
        }
        (into, part) => *into = part,
    }
}

impl Read for QueryProperties {
    fn read(node: &Node) -> Result<Self, Problem> {
        let Some(list) = node.get("property_list") else {
            return Err(node.wrong("a component with a `property_list`"));
        };
        let selector =
            node.get("property_selector").map(|selector| match &*selector.kind("JsonSchemaPropertySelector")? {
                "JsonSchemaPropertySelector" => selector.or("transformations", Vec::new()),
                _ => Err(selector.unsupported()),
            });
        Ok(Self {
            list: PropertyList::read(&list)?,
            always: node.or("always_include_properties", Vec::new())?,
            chunking: node.maybe("property_chunking")?,
            selector: selector.transpose()?,
        })
    }
}

impl Read for PropertyList {
    fn read(node: &Node) -> Result<Self, Problem> {
        if node.is_list() {
            return Vec::read(node).map(Self::Written);
        }
        let Some(retriever) = node.get("retriever") else {
            return Err(node.wrong("a list, or a component with a `retriever`"));
        };
        Ok(Self::Endpoint { retriever, name: node.need("property_field_path")? })
    }
}

impl Read for Chunking {
    fn read(node: &Node) -> Result<Self, Problem> {
        let counts_characters = match node.need::<String>("property_limit_type")?.as_str() {
            "characters" => true,
            "property_count" => false,
            _ => return Err(node.wrong("a component whose `property_limit_type` is characters or property_count")),
        };
        let keys = match node.get("record_merge_strategy") {
            None => vec!["id".to_owned()],
            Some(strategy) => match (&*strategy.kind("GroupByKeyMergeStrategy")?, strategy.get("key")) {
                ("GroupByKeyMergeStrategy", Some(key)) if key.is_list() => Vec::read(&key)?,
                ("GroupByKeyMergeStrategy", _) => vec![strategy.need("key")?],
                _ => return Err(strategy.unsupported()),
            },
        };
        Ok(Self { limit: node.maybe("property_limit")?, counts_characters, keys })
    }
}
