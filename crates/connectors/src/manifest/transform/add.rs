//! Adds fields to records. Each field's value sees those that were added before it.

use serde_json::Value as Json;

use crate::manifest::expression::{Condition, Kinds, Template};
use crate::manifest::node::{Node, Parameters, Read};
use crate::manifest::path;
use crate::manifest::problem::Problem;
use crate::manifest::scope::Scope;
use crate::manifest::select::RecordError;

/// Adds fields to records.
#[derive(Clone, Debug)]
pub struct AddFields {
    fields: Vec<Field>,
    condition: Option<Condition>,
    parameters: Parameters,
}

#[derive(Clone, Debug)]
struct Field {
    names: Vec<String>,
    /// The names as conditions see them.
    path: Json,
    value: Template,
    kinds: Kinds,
    parameters: Parameters,
}

impl AddFields {
    pub fn apply(&self, record: &mut Json, scope: &Scope<'_>) -> Result<(), RecordError> {
        for field in &self.fields {
            let value = field.value(record, scope)?;
            if self.holds(field, record, &value, scope)?
                && let Some(record) = record.as_object_mut()
            {
                path::set(record, &field.names, value).map_err(RecordError::blocked(&field.names))?;
            }
        }
        Ok(())
    }

    fn holds(&self, field: &Field, record: &Json, value: &Json, scope: &Scope<'_>) -> Result<bool, RecordError> {
        let Some(condition) = &self.condition else { return Ok(true) };
        let scope = scope.parameters(&self.parameters).record(record).value(value).path(&field.path);
        Ok(condition.holds(&scope)?)
    }
}

impl Field {
    fn value(&self, record: &Json, scope: &Scope<'_>) -> Result<Json, RecordError> {
        Ok(self.value.value_of(&scope.parameters(&self.parameters).record(record), self.kinds)?)
    }
}

impl Read for AddFields {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(Self {
            fields: node.need("fields")?,
            condition: node.maybe::<Condition>("condition")?.filter(|condition| !condition.source().is_empty()),
            parameters: node.parameters(),
        })
    }
}

impl Read for Field {
    fn read(node: &Node) -> Result<Self, Problem> {
        let names: Vec<String> = node.need("path")?;
        if names.is_empty() || names.len() > path::STEPS_MAX {
            return Err(node.wrong(format!("a component whose `path` has 1 to {} names", path::STEPS_MAX)));
        }
        let kinds = match node.maybe::<String>("value_type")?.as_deref() {
            None => Kinds::ANY,
            Some("string") => Kinds::TEXT,
            Some("number") => Kinds::FLOAT,
            Some("integer") => Kinds::INTEGER,
            Some("boolean") => Kinds::BOOLEAN,
            Some(_) => return Err(node.wrong("a component whose `value_type` is string, number, integer or boolean")),
        };
        let path = Json::Array(names.iter().cloned().map(Json::String).collect());
        Ok(Self { names, path, value: node.need("value")?, kinds, parameters: node.parameters() })
    }
}
