//! Look-ups in mappings: the given ones, which are borrowed, and those that a template makes.

use std::rc::Rc;

use http::HeaderMap;
use serde_json::Value as Json;

use super::budget::Budget;
use super::compare::equal;
use super::fault::{Eval, Fault};
use super::value::{Dict, Mapping, Value};
use crate::manifest::wire::link;

impl<'a> Mapping<'a> {
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Object(object) | Self::Record(object) => object.len(),
            Self::Slice(slice) => slice.partition.len() + slice.cursor.len(),
            Self::Headers { .. } => self.entries().len(),
            Self::Empty => 0,
        }
    }

    pub(crate) fn get(self, key: &str) -> Option<Value<'a>> {
        match self {
            Self::Object(object) | Self::Record(object) => object.get(key).map(Value::from),
            Self::Slice(slice) => slice.get(key).map(Value::from),
            Self::Headers { fields, links: true } if key == "link" => Some(links(fields)),
            Self::Headers { fields, .. } => header(fields, key).map(Value::from),
            Self::Empty => None,
        }
    }

    /// Every key and value in order.
    pub(crate) fn entries(self) -> Vec<(Value<'a>, Value<'a>)> {
        let pair = |(key, value): (&'a String, &'a serde_json::Value)| (Value::from(key.as_str()), Value::from(value));
        match self {
            Self::Object(object) | Self::Record(object) => object.iter().map(pair).collect(),
            Self::Slice(slice) => slice.entries().map(pair).collect(),
            Self::Headers { fields, links: with_links } => {
                let mut entries: Vec<(Value<'a>, Value<'a>)> = fields
                    .keys()
                    .filter(|name| !with_links || *name != http::header::LINK)
                    .filter_map(|name| Some((Value::from(name.as_str()), Value::from(header(fields, name.as_str())?))))
                    .collect();
                if with_links {
                    entries.push((Value::from("link"), links(fields)));
                }
                entries
            }
            Self::Empty => Vec::new(),
        }
    }
}

/// A header's values as one text.
fn header(fields: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<&[u8]> = fields.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
    if values.is_empty() {
        return None;
    }
    // Header bytes that are not ASCII are read as Latin-1, one character each.
    Some(values.join(&b", "[..]).into_iter().map(char::from).collect())
}

/// The Link header by relation: `{"next": {"url": …, "rel": "next"}}`.
fn links<'a>(fields: &HeaderMap) -> Value<'a> {
    let mut links = Dict::default();
    for (name, told) in link::links(fields) {
        let Json::Object(told) = told else { continue };
        let parts = told.into_iter().map(|(key, text)| {
            let text = if let Json::String(text) = text { text } else { String::new() };
            (Value::from(key), Value::from(text))
        });
        links.entries.push((Value::from(name), Value::dict(parts.collect())));
    }
    Value::Dict(Rc::new(std::cell::RefCell::new(links)))
}

impl<'a> Dict<'a> {
    fn position(&self, key: &Value<'a>, budget: &mut Budget) -> Eval<Option<usize>> {
        budget.spend(self.entries.len() / 8)?;
        Ok(self.entries.iter().position(|(known, _)| equal(known, key)))
    }

    pub(crate) fn get(&self, key: &Value<'a>, budget: &mut Budget) -> Eval<Option<Value<'a>>> {
        hashable(key)?;
        Ok(self.position(key, budget)?.map(|at| self.entries[at].1.clone()))
    }

    pub(crate) fn insert(&mut self, key: Value<'a>, value: Value<'a>, budget: &mut Budget) -> Eval<()> {
        hashable(&key)?;
        budget.spend(1)?;
        match self.position(&key, budget)? {
            Some(at) => self.entries[at].1 = value,
            None => self.entries.push((key, value)),
        }
        Ok(())
    }

    pub(crate) fn remove(&mut self, key: &Value<'a>, budget: &mut Budget) -> Eval<Option<Value<'a>>> {
        hashable(key)?;
        Ok(self.position(key, budget)?.map(|at| self.entries.remove(at).1))
    }
}

/// Whether a value may be a key.
pub(crate) fn hashable(value: &Value<'_>) -> Eval<()> {
    match value {
        Value::Array(_) | Value::List(_) | Value::Dict(_) | Value::Set(_) => unhashable(value),
        Value::Mapping(Mapping::Object(_) | Mapping::Empty | Mapping::Headers { .. } | Mapping::Record(_)) => {
            unhashable(value)
        }
        Value::Tuple(items) => items.iter().try_for_each(hashable),
        _ => Ok(()),
    }
}

fn unhashable(value: &Value<'_>) -> Eval<()> {
    Err(Fault::wrong_type(format!("uses a {} as a key", value.type_name())))
}
