//! What is done to a config before it is used: values exchanged, fields added and removed.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::manifest::expression::{Condition, Failure, Kinds, Mapping, Template};
use crate::manifest::node::{Node, Read};
use crate::manifest::path::{self, Path};
use crate::manifest::problem::Problem;
use crate::manifest::scope::Scope;
use crate::manifest::setting::Setting;

/// Why a config could not be transformed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the config could not be transformed: {0}")]
    Template(#[from] Failure),
    #[error("the config has no room for {path}: what stands on the way there is no object")]
    Blocked { path: String },
}

impl ConfigError {
    /// Stable, for machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Template(_) => "config_template",
            Self::Blocked { .. } => "config_path",
        }
    }
}

/// One change.
#[derive(Clone, Debug)]
pub(super) enum ConfigTransformation {
    /// A value that is found in a map becomes what the map has for it.
    Remap {
        path: Vec<Setting>,
        map: Mapping,
    },
    Add {
        fields: Vec<Added>,
        condition: Option<Condition>,
    },
    Remove {
        paths: Vec<Path>,
        condition: Option<Condition>,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Added {
    names: Vec<String>,
    value: Template,
    kinds: Kinds,
}

impl ConfigTransformation {
    pub(super) fn apply(&self, config: &mut Json, now: Timestamp) -> Result<(), ConfigError> {
        match self {
            Self::Remap { path, map } => remap(path, map, config, now),
            Self::Add { fields, condition } => {
                // Each field's value sees those that were added before it.
                fields.iter().try_for_each(|field| field.put(condition.as_ref(), config, now))
            }
            Self::Remove { paths, condition } => {
                if holds(condition.as_ref(), &Scope::new(config, now))? {
                    for path in paths {
                        path.remove(config);
                    }
                }
                Ok(())
            }
        }
    }
}

fn remap(path: &[Setting], map: &Mapping, config: &mut Json, now: Timestamp) -> Result<(), ConfigError> {
    let scope = Scope::new(config, now);
    let names = path.iter().map(|name| name.text(&scope)).collect::<Result<Vec<_>, _>>()?;
    let map = map.value(&scope)?;
    let mut value = config;
    for name in &names {
        let Some(inner) = value.get_mut(name) else { return Ok(()) };
        value = inner;
    }
    if let Some(new) = value.as_str().and_then(|old| map.get(old)) {
        *value = new.clone();
    }
    Ok(())
}

impl Added {
    fn put(&self, condition: Option<&Condition>, config: &mut Json, now: Timestamp) -> Result<(), ConfigError> {
        let path = json!(self.names);
        let value = self.value.value_of(&Scope::new(config, now), self.kinds)?;
        if !holds(condition, &Scope::new(config, now).value(&value).path(&path))? {
            return Ok(());
        }
        let blocked = || ConfigError::Blocked { path: self.names.join(".") };
        let fields = config.as_object_mut().ok_or_else(blocked)?;
        path::set(fields, &self.names, value).map_err(|_| blocked())
    }
}

fn holds(condition: Option<&Condition>, scope: &Scope<'_>) -> Result<bool, Failure> {
    condition.map_or(Ok(true), |condition| condition.holds(scope))
}

fn condition(node: &Node) -> Result<Option<Condition>, Problem> {
    Ok(node.maybe::<Condition>("condition")?.filter(|condition| !condition.source().is_empty()))
}

impl Read for ConfigTransformation {
    fn read(node: &Node) -> Result<Self, Problem> {
        match &*node.kind("")? {
            "ConfigRemapField" => {
                let path: Vec<Setting> = node.need("field_path")?;
                if path.is_empty() {
                    return Err(node.wrong("a change with a 'field_path' of one name or more"));
                }
                Ok(Self::Remap { path, map: node.need("map")? })
            }
            "ConfigAddFields" => Ok(Self::Add { fields: node.need("fields")?, condition: condition(node)? }),
            "ConfigRemoveFields" => {
                let pointers: Vec<Vec<String>> = node.need("field_pointers")?;
                let paths = pointers.iter().map(|names| Path::of(names)).collect();
                Ok(Self::Remove { paths, condition: condition(node)? })
            }
            _ => Err(node.unsupported()),
        }
    }
}

impl Read for Added {
    fn read(node: &Node) -> Result<Self, Problem> {
        let names: Vec<String> = node.need("path")?;
        if names.is_empty() {
            return Err(node.wrong("a field with a 'path' of one name or more"));
        }
        let kinds = match node.maybe::<String>("value_type")?.as_deref() {
            None => Kinds::ANY,
            Some("string") => Kinds::TEXT,
            Some("number") => Kinds::FLOAT,
            Some("integer") => Kinds::INTEGER,
            Some("boolean") => Kinds::BOOLEAN,
            Some(_) => return Err(node.wrong("a field whose 'value_type' is string, number, integer or boolean")),
        };
        Ok(Self { names, value: node.need("value")?, kinds })
    }
}
