//! What a document says, with the place of every value: immutable and shared, so that an alias or a reference costs
//! a pointer and not a copy.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::Number;

use crate::manifest::problem::Place;

#[derive(Debug)]
pub(super) struct Tree {
    pub value: Value,
    pub place: Place,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(Arc<str>),
    List(Vec<Arc<Tree>>),
    Map(Table),
}

impl Value {
    /// What a person calls a value of this kind.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }

    /// Whether the format takes it for given: an empty text, list or mapping, zero and `false` count as missing.
    pub(super) fn is_given(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(flag) => *flag,
            Self::Number(number) => number.as_f64() != Some(0.0),
            Self::Text(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(table) => !table.entries.is_empty(),
        }
    }
}

/// A mapping in the order written, keys distinct.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<(Arc<str>, Arc<Tree>)>,
    /// Only for large ones: components have a dozen fields and schemas a few dozen, but `definitions` have hundreds. An
    /// index takes more memory than what it points to.
    /// Boxed, because most mappings have none, and a manifest in memory is mostly small values.
    index: Option<Box<FxHashMap<Arc<str>, usize>>>,
}

impl Table {
    /// From this many entries on, a search by comparing costs more than an index.
    const INDEXED_FROM: usize = 64;

    pub(super) fn get(&self, key: &str) -> Option<&Arc<Tree>> {
        let at = match &self.index {
            Some(index) => *index.get(key)?,
            None => self.entries.iter().position(|(own, _)| &**own == key)?,
        };
        self.entries.get(at).map(|(_, tree)| tree)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Tree>)> {
        self.entries.iter().map(|(key, tree)| (key, tree))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Puts an entry last, or, where the key is there already, in the former one's place. Answers whether it was.
    pub(super) fn put(&mut self, key: Arc<str>, tree: Arc<Tree>) -> bool {
        let known = match &self.index {
            Some(index) => index.get(&key).copied(),
            None => self.entries.iter().position(|(own, _)| *own == key),
        };
        if let Some(at) = known {
            self.entries[at].1 = tree;
            return true;
        }
        if let Some(index) = &mut self.index {
            index.insert(Arc::clone(&key), self.entries.len());
        }
        self.entries.push((key, tree));
        if self.index.is_none() && self.entries.len() >= Self::INDEXED_FROM {
            let keys = self.entries.iter().enumerate();
            self.index = Some(Box::new(keys.map(|(at, (key, _))| (Arc::clone(key), at)).collect()));
        }
        false
    }
}

impl Tree {
    /// A value that came as JSON: all of it stands at one place.
    pub(super) fn from_json(json: &serde_json::Value, place: Place) -> Arc<Self> {
        let value = match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(flag) => Value::Bool(*flag),
            serde_json::Value::Number(number) => Value::Number(number.clone()),
            serde_json::Value::String(text) => Value::Text(text.as_str().into()),
            serde_json::Value::Array(items) => {
                Value::List(items.iter().map(|item| Self::from_json(item, place)).collect())
            }
            serde_json::Value::Object(pairs) => {
                let mut table = Table::default();
                for (key, item) in pairs {
                    table.put(key.as_str().into(), Self::from_json(item, place));
                }
                Value::Map(table)
            }
        };
        Arc::new(Self { value, place })
    }

    /// The value as written, references included.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(number) => number.clone().into(),
            Value::Text(text) => (&**text).into(),
            Value::List(items) => items.iter().map(|item| item.to_json()).collect(),
            Value::Map(table) => {
                let pairs = table.iter().map(|(key, tree)| (key.to_string(), tree.to_json()));
                serde_json::Value::Object(pairs.collect())
            }
        }
    }

    pub(super) fn as_map(&self) -> Option<&Table> {
        match &self.value {
            Value::Map(table) => Some(table),
            _ => None,
        }
    }
}
