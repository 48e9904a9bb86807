//! Partitions from a list that the manifest or the config has.

use serde_json::{Map, Value as Json};

use crate::manifest::node::{Node, Read};
use crate::manifest::problem::Problem;

use crate::manifest::request::RequestOption;
use crate::manifest::scope::Scope;
use crate::manifest::setting::Setting;
use crate::manifest::slice::Slice;

use super::error::PartitionError;

#[derive(Clone, Debug)]
pub struct List {
    pub(crate) field: Setting,
    values: Values,
    pub(crate) option: Option<RequestOption>,
}

#[derive(Clone, Debug)]
enum Values {
    /// As written: no templates.
    Written(Vec<String>),
    Template(Setting),
}

impl List {
    pub(in crate::manifest) fn partitions(
        &self,
        scope: &Scope<'_>,
    ) -> Result<impl Iterator<Item = Slice> + use<>, PartitionError> {
        let field = self.field.text(scope);
        let field = field.map_err(|failure| PartitionError::Template { option: "cursor_field", failure })?;
        let values = self.values.evaluate(scope)?;
        Ok(values.into_iter().map(move |value| Slice::of(Map::from_iter([(field.clone(), value)]))))
    }
}

impl Values {
    /// A text is taken letter by letter and a mapping key by key, as the format does.
    fn evaluate(&self, scope: &Scope<'_>) -> Result<Vec<Json>, PartitionError> {
        let template = match self {
            Self::Written(values) => return Ok(values.iter().map(|value| Json::String(value.clone())).collect()),
            Self::Template(template) => template,
        };
        let value = template.value(scope).map_err(|failure| PartitionError::Template { option: "values", failure })?;
        match value {
            Json::Array(values) => Ok(values),
            Json::String(text) => Ok(text.chars().map(|letter| Json::String(letter.to_string())).collect()),
            Json::Object(fields) => Ok(fields.into_iter().map(|(field, _)| Json::String(field)).collect()),
            Json::Null => Err(PartitionError::NotAList { found: "nothing" }),
            Json::Bool(_) => Err(PartitionError::NotAList { found: "true or false" }),
            Json::Number(_) => Err(PartitionError::NotAList { found: "a number" }),
        }
    }
}

impl Read for List {
    fn read(node: &Node) -> Result<Self, Problem> {
        Self::named(node, "cursor_field")
    }
}

impl List {
    /// A list whose field is named by this field of the node.
    pub(in crate::manifest) fn named(node: &Node, field: &str) -> Result<Self, Problem> {
        let values: Node = node.need("values")?;
        let values = if values.is_list() {
            Values::Written(Vec::read(&values)?)
        } else {
            Values::Template(Setting::read(&values)?)
        };
        Ok(Self { field: node.need(field)?, values, option: node.maybe("request_option")? })
    }
}
