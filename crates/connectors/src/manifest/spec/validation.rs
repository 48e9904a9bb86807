//! Rules for a config beyond its schema: values that must fit a schema of their own.

use serde_json::Value as Json;

use super::shape::{self, ConfigProblem, Weight};
use crate::manifest::expression::{Failure, Mapping};
use crate::manifest::node::{Node, Read};
use crate::manifest::path::Path;
use crate::manifest::problem::Problem;
use crate::manifest::scope::Scope;
use crate::manifest::setting::Setting;

#[derive(Clone, Debug)]
pub(super) enum Validation {
    /// What stands at a path of the config.
    Field { path: Vec<Setting>, schema: Schema },
    /// What a template makes of the config.
    Value { value: Mapping, schema: Schema },
}

/// The schema that a value must fit: written in the manifest, or a template that gives it.
#[derive(Clone, Debug)]
pub(super) enum Schema {
    Written(Json),
    Made(Setting),
}

impl Schema {
    fn value(&self, scope: &Scope<'_>) -> Result<Json, Failure> {
        match self {
            Self::Written(schema) => Ok(schema.clone()),
            Self::Made(setting) => match setting.value(scope)? {
                Json::String(text) => Ok(serde_json::from_str(&text).unwrap_or(Json::String(text))),
                schema => Ok(schema),
            },
        }
    }
}

impl Read for Schema {
    fn read(node: &Node) -> Result<Self, Problem> {
        if node.is_map() { node.json().map(Self::Written) } else { Setting::read(node).map(Self::Made) }
    }
}

impl Validation {
    pub(super) fn check(&self, config: &Json, scope: &Scope<'_>) -> Vec<ConfigProblem> {
        let failed =
            |path: &str, message: String| vec![ConfigProblem { path: path.to_owned(), message, weight: Weight::Error }];
        match self {
            Self::Field { path, schema } => {
                let names = match path.iter().map(|name| name.text(scope)).collect::<Result<Vec<_>, _>>() {
                    Ok(names) => names,
                    Err(failure) => return failed("", failure.to_string()),
                };
                let schema = match schema.value(scope) {
                    Ok(schema) => schema,
                    Err(failure) => return failed(&names.join("."), failure.to_string()),
                };
                let values = Path::of(&names).all(config);
                values.into_iter().flat_map(|value| judge(&names.join("."), value, &schema)).collect()
            }
            Self::Value { value, schema } => match (value.value(scope), schema.value(scope)) {
                (Ok(value), Ok(schema)) => judge("", &value, &schema),
                (Err(failure), _) | (_, Err(failure)) => failed("", failure.to_string()),
            },
        }
    }
}

/// Holds a value against a schema; a text is JSON that somebody wrote into a field.
fn judge(path: &str, value: &Json, schema: &Json) -> Vec<ConfigProblem> {
    let told = |inner: &str, message: String, weight| {
        let dot = if path.is_empty() || inner.is_empty() || inner.starts_with('[') { "" } else { "." };
        let path = format!("{path}{dot}{inner}");
        ConfigProblem { path, message, weight }
    };
    let parsed;
    let value = match value {
        Json::String(text) => match serde_json::from_str::<Json>(text) {
            Ok(json) => {
                parsed = json;
                &parsed
            }
            Err(_) => return vec![told("", "must be JSON, written as a text".to_owned(), Weight::Error)],
        },
        value => value,
    };
    let problems = shape::check(schema, value).into_iter();
    problems.map(|problem| told(&problem.path, problem.message, problem.weight)).collect()
}

impl Read for Validation {
    fn read(node: &Node) -> Result<Self, Problem> {
        let strategy: Node = node.need("validation_strategy")?;
        if &*strategy.kind("ValidateAdheresToSchema")? != "ValidateAdheresToSchema" {
            return Err(strategy.unsupported());
        }
        let schema = strategy.need("base_schema")?;
        match &*node.kind("")? {
            "DpathValidator" => Ok(Self::Field { path: node.need("field_path")?, schema }),
            "PredicateValidator" => Ok(Self::Value { value: node.need("value")?, schema }),
            _ => Err(node.unsupported()),
        }
    }
}
