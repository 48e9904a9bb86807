//! What happens to records between extraction and the stream: fields added, removed, renamed, flattened.

mod add;
mod flatten;
mod keys;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value as Json;

pub use add::AddFields;
pub use flatten::DpathFlatten;
pub use keys::KeysReplace;

use super::expression::Condition;
use super::node::{Node, Read};
use super::overrides::Formula;
use super::path::{self, Path};
use super::problem::Problem;
use super::scope::Scope;
use super::select::RecordError;

/// One change of a record. They are applied in the order in which the manifest lists them.
#[derive(Clone, Debug)]
pub enum Transformation {
    Add(AddFields),
    Remove(RemoveFields),
    KeysToLower,
    KeysToSnakeCase,
    KeysReplace(KeysReplace),
    Flatten {
        lists: bool,
    },
    FlattenPath(Box<DpathFlatten>),
    /// A formula in place of a custom transformation.
    Formula(Arc<dyn Formula>),
}

impl Transformation {
    /// Changes a record in place. What is no mapping stays as it is.
    pub fn apply(&self, record: &mut Json, scope: &Scope<'_>) -> Result<(), RecordError> {
        if !record.is_object() {
            return Ok(());
        }
        match self {
            Self::Add(add) => add.apply(record, scope),
            Self::Remove(remove) => remove.apply(record, scope),
            Self::KeysToLower => {
                keys::to_lower(record);
                Ok(())
            }
            Self::KeysToSnakeCase => {
                keys::to_snake_case(record);
                Ok(())
            }
            Self::KeysReplace(replace) => replace.apply(record, scope),
            Self::Flatten { lists } => {
                flatten::all(record, *lists);
                Ok(())
            }
            Self::FlattenPath(flatten) => flatten.apply(record, scope),
            Self::Formula(formula) => {
                let given = formula.in_place([("record", record.take())], scope);
                let fault = |detail| RecordError::Formula { component: "transformation", detail };
                *record = given.map_err(fault)?;
                if record.is_object() {
                    Ok(())
                } else {
                    Err(fault("must give a record, which is an object".to_owned()))
                }
            }
        }
    }
}

impl Read for Transformation {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(match &*node.kind("")? {
            "AddFields" => Self::Add(AddFields::read(node)?),
            "RemoveFields" => Self::Remove(RemoveFields::read(node)?),
            "KeysToLower" => Self::KeysToLower,
            "KeysToSnakeCase" => Self::KeysToSnakeCase,
            "KeysReplace" => Self::KeysReplace(KeysReplace::read(node)?),
            "FlattenFields" => Self::Flatten { lists: node.or("flatten_lists", true)? },
            "DpathFlattenFields" => Self::FlattenPath(Box::new(DpathFlatten::read(node)?)),
            "CustomTransformation" if let Some(formula) = node.formula() => Self::Formula(Arc::clone(formula)),
            _ => return Err(node.unsupported()),
        })
    }
}

/// Removes the fields at some paths, or, with a condition, every plain value for which it holds.
#[derive(Clone, Debug)]
pub struct RemoveFields {
    paths: Vec<Path>,
    condition: Option<Condition>,
}

impl RemoveFields {
    pub fn apply(&self, record: &mut Json, scope: &Scope<'_>) -> Result<(), RecordError> {
        let Some(condition) = &self.condition else {
            for path in &self.paths {
                path.remove(record);
            }
            return Ok(());
        };
        // The format looks at every plain value then, wherever the paths lead.
        let nothing = serde_json::Map::new();
        let scope = scope.parameters(&nothing);
        let mut failed = None;
        path::remove_leaves(record, &mut |value| match condition.holds(&scope.property(value)) {
            Ok(holds) => holds && failed.is_none(),
            Err(failure) => {
                failed = Some(failure);
                false
            }
        });
        failed.map_or(Ok(()), |failure| Err(failure.into()))
    }
}

impl Read for RemoveFields {
    fn read(node: &Node) -> Result<Self, Problem> {
        let condition = node.maybe::<Condition>("condition")?.filter(|condition| !condition.source().is_empty());
        Ok(Self { paths: node.need("field_pointers")?, condition })
    }
}
