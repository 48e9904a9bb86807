//! One text of a component, with the parameters in force where it stands: evaluated where the component is used.

use serde_json::Value as Json;

use super::expression::{Failure, Template};
use super::node::{Node, Parameters, Read};
use super::problem::{Fault, Problem};
use super::scope::Scope;

#[derive(Clone, Debug)]
pub struct Setting {
    template: Template,
    parameters: Parameters,
}

impl Setting {
    /// A field that may be missing; an empty text counts as missing.
    pub fn maybe(node: &Node, field: &str) -> Result<Option<Self>, Problem> {
        let setting: Option<Self> = node.maybe(field)?;
        Ok(setting.filter(|setting| !setting.source().is_empty()))
    }

    /// A field, or what the format takes when it is missing or empty.
    pub fn or(node: &Node, field: &str, default: &str) -> Result<Self, Problem> {
        Self::maybe(node, field)?.map_or_else(|| Self::compile(node, default), Ok)
    }

    /// What it says, as Python prints it.
    pub fn text(&self, scope: &Scope<'_>) -> Result<String, Failure> {
        self.template.text(&scope.parameters(&self.parameters))
    }

    pub fn value(&self, scope: &Scope<'_>) -> Result<Json, Failure> {
        self.template.value(&scope.parameters(&self.parameters))
    }

    #[must_use]
    pub fn source(&self) -> &str {
        self.template.source()
    }

    fn compile(node: &Node, text: &str) -> Result<Self, Problem> {
        let template = Template::compile(text).map_err(|failure| node.problem(Fault::Wrong, failure.to_string()))?;
        Ok(Self { template, parameters: node.parameters() })
    }
}

impl Read for Setting {
    fn read(node: &Node) -> Result<Self, Problem> {
        Self::compile(node, &String::read(node)?)
    }
}
