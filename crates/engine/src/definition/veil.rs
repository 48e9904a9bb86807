//! What of an object's definition came from a variable: it is shown to nobody, and this knows what is shown in its place.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use domain::Tenant;
use serde_json::Value as Json;
use store::registry::ObjectKind;
use zeroize::Zeroizing;

use super::secret::SECRET_MARKER;
use super::tree::{Node, Value};

/// Keys from the definition down to a value; items of lists have their list's.
type Keys = Vec<String>;

/// Where a definition of this kind has names: events, deliveries, paths and figures say them, so that they are no secrets.
const fn names(kind: ObjectKind) -> &'static [&'static [&'static str]] {
    match kind {
        ObjectKind::Source => &[&["webhook", "provider"], &["connector"]],
        ObjectKind::Destination => &[],
        ObjectKind::Route => &[&["from"], &["to"], &["name"], &["connections"]],
    }
}

fn is_name<K: AsRef<str>>(kind: ObjectKind, keys: &[K]) -> bool {
    names(kind).iter().any(|name| name.iter().copied().eq(keys.iter().map(AsRef::as_ref)))
}

/// One text with something from outside of the file in it.
#[derive(Clone)]
struct Hidden {
    keys: Keys,
    value: Zeroizing<String>,
    /// The marker; of an address what is written, with the marker for every variable.
    shown: String,
}

/// What is hidden of one object.
#[derive(Clone, Default)]
pub struct Veil {
    hidden: Vec<Hidden>,
}

impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.hidden.iter().map(|hidden| &hidden.keys)).finish()
    }
}

impl Veil {
    #[must_use]
    pub fn of(kind: ObjectKind, node: &Node) -> Self {
        let mut veil = Self::default();
        veil.gather(kind, node, &mut Vec::new());
        veil
    }

    fn gather(&mut self, kind: ObjectKind, node: &Node, keys: &mut Keys) {
        match &node.value {
            Value::Text(text) if !is_name(kind, keys) => {
                let Some(shown) = text.masked() else { return };
                // The rest of an address says where it leads; any other text is hidden whole, so that it is known for hidden
                // when it is written back.
                let shown = if keys.last().is_some_and(|key| key == "url") { shown } else { SECRET_MARKER }.to_owned();
                self.hidden.push(Hidden { keys: keys.clone(), value: Zeroizing::new(text.as_str().to_owned()), shown });
            }
            Value::List(items) => items.iter().for_each(|item| self.gather(kind, item, keys)),
            Value::Map(entries) => {
                for entry in entries {
                    keys.push(entry.key.clone());
                    self.gather(kind, &entry.node, keys);
                    keys.pop();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Broken => {}
        }
    }

    /// What is hidden below a key of the definition.
    #[must_use]
    pub fn below(&self, way: &[&str]) -> Self {
        let below = self.hidden.iter().filter_map(|hidden| {
            let (above, keys) = hidden.keys.split_at_checked(way.len())?;
            above.iter().eq(way).then(|| Hidden { keys: keys.to_vec(), ..hidden.clone() })
        });
        Self { hidden: below.collect() }
    }

    /// What is shown of a text of the definition.
    #[must_use]
    pub fn text<'t>(&'t self, way: &[&str], text: &'t str) -> &'t str {
        let own = self.hidden.iter().find(|hidden| hidden.keys.iter().eq(way));
        own.map_or(text, |hidden| &hidden.shown)
    }

    /// The definition as it may be shown: what stands where a variable stood is hidden whatever became of it, and so is the
    /// same text anywhere else.
    #[must_use]
    pub fn over(&self, kind: ObjectKind, mut definition: Json) -> Json {
        if !self.hidden.is_empty() {
            for hidden in &self.hidden {
                hide_at(&mut definition, &hidden.keys, &hidden.shown);
            }
            self.hide_same(kind, &mut definition, &mut Vec::new());
        }
        definition
    }

    fn hide_same(&self, kind: ObjectKind, json: &mut Json, keys: &mut Keys) {
        match json {
            Json::String(text) if !is_name(kind, keys) => {
                if let Some(same) = self.hidden.iter().find(|hidden| *hidden.value == *text) {
                    text.clone_from(&same.shown);
                }
            }
            Json::Array(items) => items.iter_mut().for_each(|item| self.hide_same(kind, item, keys)),
            Json::Object(pairs) => {
                for (key, value) in pairs {
                    keys.push(key.clone());
                    self.hide_same(kind, value, keys);
                    keys.pop();
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
}

/// A definition is not always written as it was read: where the way ends too early or too late, all of it is hidden.
fn hide_at(json: &mut Json, keys: &[String], shown: &str) {
    match json {
        Json::Array(items) => items.iter_mut().for_each(|item| hide_at(item, keys, SECRET_MARKER)),
        Json::Object(pairs) => match keys {
            [key, below @ ..] => drop(pairs.get_mut(key).map(|value| hide_at(value, below, shown))),
            [] => pairs.values_mut().for_each(|value| hide_at(value, keys, SECRET_MARKER)),
        },
        Json::Null => {}
        Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            *json = if keys.is_empty() { shown } else { SECRET_MARKER }.into();
        }
    }
}

/// The veils of a file's objects; others have none, as no variable is put into what the API is given.
#[derive(Clone, Debug, Default)]
pub struct Veils(BTreeMap<(ObjectKind, Tenant, String), Arc<Veil>>);

impl Veils {
    /// Remembers what of an object is to be hidden.
    pub fn note(&mut self, kind: ObjectKind, tenant: &Tenant, name: &str, node: &Node) {
        let veil = Veil::of(kind, node);
        if !veil.hidden.is_empty() {
            self.0.insert((kind, tenant.clone(), name.to_owned()), Arc::new(veil));
        }
    }

    pub fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    #[must_use]
    pub fn get(&self, kind: ObjectKind, tenant: &Tenant, name: &str) -> Arc<Veil> {
        self.0.get(&(kind, tenant.clone(), name.to_owned())).cloned().unwrap_or_default()
    }
}
