//! Nodes as JSON: as written with references followed, or as the format understands them after loading.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::layer::{Layer, Layers};
use super::tree::Value;
use super::visit::VERBATIM_FIELD;
use super::{DEPTH_MAX, Fault, Node, Problem, Role, parameters};

impl Node {
    /// The whole value, references followed, nothing given by parameters or implied.
    pub fn json(&self) -> Result<Json, Problem> {
        let mut json = self.json_of(self.layers()?, self.path.length())?;
        if let (false, Json::Object(entries)) = (self.role.is_outside(), &mut json) {
            entries.shift_remove(parameters::KEY);
        }
        Ok(json)
    }

    /// The whole value as the format understands it: types implied, missing fields given by the parameters, and the
    /// parameters themselves with each component. What a template of streams is before values are put into it.
    pub fn loaded(&self) -> Result<Json, Problem> {
        match self.role {
            Role::Raw | Role::Verbatim | Role::Schema => self.json(),
            Role::Members(..) => Ok(Json::Array(self.items()?.iter().map(Self::loaded).collect::<Result<_, _>>()?)),
            Role::Component | Role::Plain => self.loaded_map().map(Json::Object),
        }
    }

    fn loaded_map(&self) -> Result<Map<String, Json>, Problem> {
        let mut entries = Map::new();
        let written = self.layers()?.keys();
        for key in written.iter().filter(|key| &***key != parameters::KEY) {
            if let Some(node) = self.field(key) {
                entries.insert(key.to_string(), node.loaded()?);
            }
        }
        if self.role == Role::Plain {
            return Ok(entries);
        }
        if let (Some(kind), false) = (&self.kind, entries.contains_key("type")) {
            entries.insert("type".to_owned(), Json::String(kind.to_string()));
        }
        for (key, node) in self.entries()? {
            if !entries.contains_key(&*key) {
                entries.insert(key.to_string(), node.loaded()?);
            }
        }
        if !self.parameters.is_empty() {
            entries.insert(parameters::KEY.to_owned(), Json::Object((*self.parameters()).clone()));
        }
        Ok(entries)
    }

    fn json_of(&self, layers: &Layers, depth: usize) -> Result<Json, Problem> {
        if depth > DEPTH_MAX || !self.walk.step() {
            let message =
                format!("more than {} values or {DEPTH_MAX} levels, references followed", self.walk.limits.steps_max);
            return Err(self.problem(Fault::TooLarge, message));
        }
        let layer = layers.top();
        Ok(match layers.value() {
            Value::Null => Json::Null,
            Value::Bool(flag) => Json::Bool(*flag),
            Value::Number(number) => Json::Number(number.clone()),
            Value::Text(text) => Json::String(text.to_string()),
            Value::List(items) => {
                let items = items.iter().map(|item| self.json_inside(layer.inner(item), depth));
                Json::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Map(_) => {
                let mut entries = Map::new();
                for key in layers.keys() {
                    if let Some(layer) = layers.find(&key) {
                        if &*key == VERBATIM_FIELD {
                            entries.insert(key.to_string(), layer.tree.to_json());
                            continue;
                        }
                        entries.insert(key.to_string(), self.json_inside(layer, depth)?);
                    }
                }
                Json::Object(entries)
            }
        })
    }

    fn json_inside(&self, layer: Layer, depth: usize) -> Result<Json, Problem> {
        let layers = self.follow(layer).map_err(|lost| Self::lost(lost, &self.path))?;
        self.json_of(&layers, depth + 1)
    }

    /// Whether two nodes are the same text, reached on whatever way.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.found, &other.found) {
            (Ok(own), Ok(others)) => {
                let (own, others) = (own.as_slice(), others.as_slice());
                own.len() == others.len() && own.iter().zip(others).all(|(a, b)| Arc::ptr_eq(&a.tree, &b.tree))
            }
            _ => false,
        }
    }
}
