//! `$parameters`: names that a component gives to itself and to every component inside of it.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::layer::Layers;

/// The key under which a component writes them.
pub(super) const KEY: &str = "$parameters";

/// What templates see as `parameters`.
pub type Parameters = Arc<Map<String, Json>>;

/// The parameters in force at a node, inner ones over outer ones.
#[derive(Clone, Debug)]
pub(super) struct InForce {
    names: Arc<Vec<(Arc<str>, Layers)>>,
    json: Parameters,
}

impl InForce {
    pub(super) fn none() -> Self {
        Self { names: Arc::default(), json: Arc::default() }
    }

    pub(super) fn json(&self) -> Parameters {
        Arc::clone(&self.json)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(super) fn find(&self, name: &str) -> Option<&Layers> {
        self.names.iter().find(|(own, _)| &**own == name).map(|(_, layers)| layers)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.names.iter().map(|(name, _)| name)
    }

    /// With a component's own parameters laid over these, or under them where the outer ones shall win.
    pub(super) fn with(&self, own: Vec<(Arc<str>, Layers, Json)>, outer_wins: bool) -> Self {
        let mut names = (*self.names).clone();
        let mut json = (*self.json).clone();
        for (name, layers, value) in own {
            match names.iter_mut().find(|(known, _)| *known == name) {
                Some(_) if outer_wins => continue,
                Some((_, known)) => *known = layers,
                None => names.push((Arc::clone(&name), layers)),
            }
            json.insert(name.to_string(), value);
        }
        Self { names: Arc::new(names), json: Arc::new(json) }
    }

    /// Without the one named like the field that is entered: it would be given to the field's own content.
    pub(super) fn without(&self, name: &str) -> Self {
        if self.find(name).is_none() {
            return self.clone();
        }
        let mut json = (*self.json).clone();
        json.shift_remove(name);
        let names = self.names.iter().filter(|(own, _)| &**own != name).cloned().collect();
        Self { names: Arc::new(names), json: Arc::new(json) }
    }
}
