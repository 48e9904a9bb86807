//! What a manifest writes under `request_parameters`, `request_headers` and `request_body_data`: a mapping of texts, or
//! one text that becomes a mapping.

use serde_json::{Map, Value as Json};

use super::super::expression::{Kinds, Mapping, Template};
use super::super::node::{Node, Read};
use super::super::problem::{Fault, Problem};
use super::super::properties::QueryProperties;
use super::super::scope::Scope;
use super::super::trouble::Trouble;
use super::additions::Form;
use super::fields::{compiled, template_at};
use super::properties;

/// A mapping whose texts are templates, or a template for the whole of it.
#[derive(Clone, Debug, Default)]
pub(super) enum Input {
    #[default]
    None,
    Entries(Mapping),
    Whole(Template),
}

impl Input {
    /// The query's parameters. What is no mapping in the end is left out, as the reference implementation does.
    pub fn parameters(&self, scope: &Scope<'_>) -> Result<Map<String, Json>, Trouble> {
        match self {
            Self::None => Ok(Map::new()),
            Self::Entries(mapping) => Ok(kept(mapping.entries(scope, Kinds::TEXT_OR_LIST)?)),
            Self::Whole(template) => match template.value(scope)? {
                Json::Object(fields) => Ok(kept(fields)),
                _ => Ok(Map::new()),
            },
        }
    }

    /// The headers. A value is read as a literal first, so `"5"` and `5` are the same.
    pub fn headers(&self, scope: &Scope<'_>) -> Result<Map<String, Json>, Trouble> {
        match self {
            Self::None => Ok(Map::new()),
            Self::Entries(mapping) => Ok(kept(mapping.entries(scope, Kinds::ANY)?)),
            Self::Whole(template) => match template.value(scope)? {
                Json::Object(fields) => Ok(kept(fields)),
                _ => Err(Trouble::NotAMapping { place: "header" }),
            },
        }
    }

    /// The form, or the text that is sent in its place.
    pub fn form(&self, scope: &Scope<'_>) -> Result<Form, Trouble> {
        Ok(match self {
            Self::None => Form::Fields(Map::new()),
            Self::Entries(mapping) => Form::Fields(kept(mapping.entries(scope, Kinds::TEXT_OR_LIST)?)),
            Self::Whole(template) => match template.value(scope)? {
                Json::Object(fields) => Form::Fields(kept(fields)),
                Json::String(text) if !text.is_empty() => Form::Text(text),
                Json::String(_) | Json::Null => Form::Fields(Map::new()),
                other => Form::Text(super::python_text(&other)),
            },
        })
    }

    pub fn read_at(node: &Node, field: &str) -> Result<Self, Problem> {
        node.get(field).map_or(Ok(Self::None), |node| Self::read(&node))
    }

    pub fn read(node: &Node) -> Result<Self, Problem> {
        match node.json()? {
            Json::String(text) if text.is_empty() => Ok(Self::None),
            Json::String(_) => template_at(node).map(Self::Whole),
            Json::Object(fields) => Self::of(node, fields),
            _ => Err(node.wrong("a mapping of texts, or a text")),
        }
    }

    fn of(node: &Node, fields: Map<String, Json>) -> Result<Self, Problem> {
        if fields.is_empty() {
            return Ok(Self::None);
        }
        let fields = fields.into_iter().map(|(name, value)| (name, texted(value))).collect();
        compiled(node, Mapping::compile(&Json::Object(fields))).map(Self::Entries)
    }
}

/// Numbers and booleans that stand where a text is expected are the text of them.
fn texted(value: Json) -> Json {
    match value {
        value @ (Json::Number(_) | Json::Bool(_)) => Json::String(super::python_text(&value)),
        other => other,
    }
}

fn kept(entries: impl IntoIterator<Item = (String, Json)>) -> Map<String, Json> {
    entries.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

/// The request's parameters: the one that carries properties, what those are, and the others.
pub(super) fn parameters_at(node: &Node) -> Result<(Option<String>, Option<QueryProperties>, Input), Problem> {
    let mut key = None;
    let mut asked = None;
    let mut others = Input::None;
    if let Some(sent) = node.get("request_parameters") {
        if sent.is_map() {
            let mut fields = Map::new();
            for (name, value) in sent.entries()? {
                if value.is_map() && &*value.kind("")? == "QueryProperties" {
                    if asked.is_some() {
                        return Err(sent.problem(Fault::Wrong, "has QueryProperties twice; keep one".to_owned()));
                    }
                    asked = Some(QueryProperties::read(&value)?);
                    key = Some(name.to_string());
                } else {
                    fields.insert(name.to_string(), value.json()?);
                }
            }
            others = Input::of(&sent, fields)?;
        } else {
            others = Input::read(&sent)?;
        }
    }
    let apart = properties::beside(node)?;
    if asked.is_some() && node.get("fetch_properties_from_endpoint").is_some() {
        let message = "has 'fetch_properties_from_endpoint' and QueryProperties among its parameters; keep one";
        return Err(node.problem(Fault::Wrong, message.to_owned()));
    }
    Ok((key, asked.or(apart), others))
}
