//! Where a value goes into a request: a parameter, a header, a field of the form or of the JSON body.

use super::super::expression::Template;
use super::super::node::{Node, Parameters, Read};
use super::super::problem::{Fault, Problem};
use super::super::scope::Scope;
use super::super::trouble::Trouble;
use super::fields::{template, templates};

/// Deepest place in a JSON body that a value may be put.
const PATH_MAX: usize = 64;

/// The four places of a request that take values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    Parameter,
    Header,
    BodyData,
    BodyJson,
}

/// One place of a request, by name; in a JSON body possibly a nested one.
#[derive(Clone, Debug)]
pub struct RequestOption {
    pub target: Target,
    path: Vec<Template>,
    parameters: Parameters,
}

impl RequestOption {
    /// A header of this fixed name.
    #[must_use]
    pub fn header(name: Template, parameters: Parameters) -> Self {
        Self { target: Target::Header, path: vec![name], parameters }
    }

    /// The names that lead to the place: one, but for nested fields of a JSON body.
    pub fn names(&self, scope: &Scope<'_>) -> Result<Vec<String>, Trouble> {
        let scope = scope.parameters(&self.parameters);
        self.path.iter().map(|name| name.text(&scope).map_err(Trouble::from)).collect()
    }
}

impl Read for RequestOption {
    fn read(node: &Node) -> Result<Self, Problem> {
        let place: String = node.need("inject_into")?;
        let target = match place.as_str() {
            "request_parameter" => Target::Parameter,
            "header" => Target::Header,
            "body_data" => Target::BodyData,
            "body_json" => Target::BodyJson,
            _ => {
                let message = "'inject_into' must be request_parameter, header, body_data or body_json";
                return Err(node.problem(Fault::Wrong, message.to_owned()));
            }
        };
        let wrong = |message: &str| Err(node.problem(Fault::Wrong, message.to_owned()));
        let path = match (template(node, "field_name")?, node.get("field_path")) {
            (Some(name), None) => vec![name],
            (None, Some(_)) if target != Target::BodyJson => {
                return wrong("'field_path' needs 'inject_into: body_json'");
            }
            (None, Some(_)) => templates(node, "field_path")?,
            (Some(_), Some(_)) => return wrong("has 'field_name' and 'field_path'; keep one"),
            (None, None) => return wrong("needs 'field_name' or 'field_path'"),
        };
        if path.is_empty() || path.len() > PATH_MAX {
            return wrong("needs a 'field_path' of 1 to 64 names");
        }
        // The reference evaluates these names without any parameters.
        Ok(Self { target, path, parameters: Parameters::default() })
    }
}
