//! Properties that a source must be asked for by name: which ones, and in which portions, because a URL has room for
//! so many only. Which portion a request carries is in its slice's `query_properties`.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::super::expression::Template;
use super::super::failure::message::is_truthy;
use super::super::node::{Node, Read};
use super::super::problem::{Fault, Problem};
use super::super::scope::{Given, Scope, Variable};
use super::super::trouble::Trouble;
use super::fields::templates;
use super::text::python_text;

/// The slice's extra field that holds the properties of a request.
pub const SLICE_FIELD: &str = "query_properties";
/// Most properties that are asked for; a source has hundreds at most.
pub const PROPERTIES_MAX: usize = 100_000;
/// What a delimiter between two properties costs in a URL.
const DELIMITER_CHARS: usize = 3;

/// The properties of a stream and how they are portioned.
#[derive(Clone, Debug)]
pub struct QueryProperties {
    pub list: PropertyList,
    /// In every portion, before the others.
    pub always: Vec<String>,
    pub chunking: Option<Chunking>,
    /// Transformations of the names that the catalog selects; with them only selected properties are asked for.
    pub selector: Option<Node>,
}

/// Where the names come from.
#[derive(Clone, Debug)]
pub enum PropertyList {
    Fixed(Vec<String>),
    /// The source says: records are read by this retriever, each has a name at this path.
    Endpoint {
        retriever: Node,
        path: Vec<Template>,
    },
}

/// How much fits into one request, and how the parts of a record find each other again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunking {
    pub limit: Option<Limit>,
    /// The fields whose values make partial records one.
    pub merge_key: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Characters(usize),
    Count(usize),
}

impl Chunking {
    /// What joins a partial record with its others; a record that lacks a part of the key stands alone.
    #[must_use]
    pub fn key_of(&self, record: &Json) -> Option<String> {
        let parts = self.merge_key.iter().map(|field| record.get(field).filter(|value| is_truthy(value)));
        let parts: Option<Vec<String>> = parts.map(|value| value.map(python_text)).collect();
        parts.map(|parts| parts.join(","))
    }
}

impl QueryProperties {
    /// The portions to ask for, of these names; of those only what the catalog selects, if it was asked.
    #[must_use]
    pub fn chunks(&self, names: &[String], selected: Option<&HashSet<String>>) -> Vec<Vec<String>> {
        let names = names.iter().take(PROPERTIES_MAX);
        match &self.chunking {
            Some(Chunking { limit: None, .. }) => vec![names.chain(&self.always).cloned().collect()],
            Some(Chunking { limit: Some(limit), .. }) => self.portions(names, *limit, selected),
            None => {
                let is_selected = |name: &&String| selected.is_none_or(|selected| selected.contains(*name));
                vec![self.always.iter().chain(names.filter(is_selected)).cloned().collect()]
            }
        }
    }

    fn portions<'a>(
        &self,
        names: impl Iterator<Item = &'a String>,
        limit: Limit,
        selected: Option<&HashSet<String>>,
    ) -> Vec<Vec<String>> {
        let (mut portions, mut portion, mut filled) = (Vec::new(), self.always.clone(), 0);
        for name in names.filter(|name| selected.is_none_or(|selected| selected.contains(*name))) {
            let (size, room) = match limit {
                Limit::Characters(room) => (name.chars().count() + DELIMITER_CHARS, room),
                Limit::Count(room) => (1, room),
            };
            if filled + size > room {
                portions.push(std::mem::replace(&mut portion, self.always.clone()));
                filled = 0;
            }
            portion.push(name.clone());
            filled += size;
        }
        portions.push(portion);
        portions
    }

    /// One that stands among the request's parameters.
    pub(super) fn read_at(node: &Node) -> Result<Self, Problem> {
        Self::read(node)
    }

    /// One that stands beside the request's parameters, in its new or its old spelling.
    pub(super) fn beside(requester: &Node) -> Result<Option<Self>, Problem> {
        if let Some(endpoint) = requester.get("fetch_properties_from_endpoint") {
            let list = PropertyList::read(&endpoint)?;
            return Ok(Some(Self { list, always: Vec::new(), chunking: None, selector: None }));
        }
        requester.maybe("query_properties")
    }
}

/// The slice's properties as a parameter has them.
pub(super) fn joined(scope: &Scope<'_>) -> Result<String, Trouble> {
    let Some(Given::Slice(slice)) = scope.given(Variable::Slice) else { return Err(Trouble::NoProperties) };
    let Some(Json::Array(names)) = slice.extra_fields.get(SLICE_FIELD) else { return Err(Trouble::NoProperties) };
    let names: Vec<&str> = names.iter().filter_map(Json::as_str).collect();
    Ok(names.join(","))
}

impl Read for QueryProperties {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(Self {
            list: node.need("property_list")?,
            always: node.or("always_include_properties", Vec::new())?,
            chunking: node.maybe("property_chunking")?,
            selector: node.maybe("property_selector")?,
        })
    }
}

impl Read for PropertyList {
    fn read(node: &Node) -> Result<Self, Problem> {
        if node.is_list() {
            return Vec::read(node).map(Self::Fixed);
        }
        if &*node.kind("PropertiesFromEndpoint")? != "PropertiesFromEndpoint" {
            return Err(node.unsupported());
        }
        Ok(Self::Endpoint { retriever: node.need("retriever")?, path: templates(node, "property_field_path")? })
    }
}

impl Read for Chunking {
    fn read(node: &Node) -> Result<Self, Problem> {
        let limit: Option<usize> = node.maybe::<usize>("property_limit")?.filter(|limit| *limit > 0);
        let limit = match node.need::<String>("property_limit_type")?.as_str() {
            "characters" => limit.map(Limit::Characters),
            "property_count" => limit.map(Limit::Count),
            _ => {
                let message = "'property_limit_type' must be characters or property_count".to_owned();
                return Err(node.problem(Fault::Wrong, message));
            }
        };
        let merge_key = match node.get("record_merge_strategy") {
            None => vec!["id".to_owned()],
            Some(strategy) if &*strategy.kind("GroupByKeyMergeStrategy")? != "GroupByKeyMergeStrategy" => {
                return Err(strategy.unsupported());
            }
            Some(strategy) => {
                let key: Node = strategy.need("key")?;
                if key.is_list() { Vec::read(&key)? } else { vec![String::read(&key)?] }
            }
        };
        Ok(Self { limit, merge_key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(chunking: Option<Chunking>, always: &[&str]) -> QueryProperties {
        let always = always.iter().map(|name| (*name).to_owned()).collect();
        QueryProperties { list: PropertyList::Fixed(Vec::new()), always, chunking, selector: None }
    }

    /// Values observed from the reference implementation.
    #[test]
    fn properties_are_portioned_as_the_reference_portions_them() {
        let names: Vec<String> = ["first", "second", "third", "fourth"].map(str::to_owned).to_vec();
        let selected: HashSet<String> = ["first", "fourth"].map(str::to_owned).into();
        let by = |limit| Some(Chunking { limit, merge_key: Vec::new() });
        let table: [(QueryProperties, Option<&HashSet<String>>, &str); 8] = [
            (properties(None, &[]), None, "first,second,third,fourth"),
            (properties(None, &["id"]), Some(&selected), "id,first,fourth"),
            (properties(by(None), &["id"]), None, "first,second,third,fourth,id"),
            (properties(by(Some(Limit::Count(2))), &["id"]), None, "id,first,second|id,third,fourth"),
            (properties(by(Some(Limit::Count(3))), &[]), Some(&selected), "first,fourth"),
            (properties(by(Some(Limit::Characters(17))), &[]), None, "first,second|third,fourth"),
            (properties(by(Some(Limit::Characters(16))), &[]), None, "first|second|third|fourth"),
            (properties(by(Some(Limit::Characters(2))), &[]), None, "|first|second|third|fourth"),
        ];
        for (properties, selected, expected) in table {
            let chunks: Vec<String> = properties.chunks(&names, selected).iter().map(|c| c.join(",")).collect();
            assert_eq!(chunks.join("|"), expected);
        }
    }
}
