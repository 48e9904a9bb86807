//! The body of a request: a form, a text, a JSON object or a GraphQL query; one of them at most.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value as Json};

use super::super::expression::{Mapping, Template};
use super::super::node::{Node, Read};
use super::super::problem::{Fault, Problem};
use super::super::scope::Scope;
use super::super::trouble::Trouble;
use super::super::wire::BODY_BYTES_MAX;
use super::additions::{Form, merge};
use super::address::quote_plus;
use super::fields::{mapping_at, template_at};
use super::input::Input;
use super::text::pairs;

/// What the manifest says of the body.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    form: Input,
    json: JsonInput,
}

#[derive(Clone, Debug, Default)]
enum JsonInput {
    #[default]
    None,
    Fields(Mapping),
    Whole(Template),
}

impl Body {
    /// The bytes, with what was added, and the content type unless one is set. Nothing at all is no body.
    pub fn encode(
        &self,
        scope: &Scope<'_>,
        json_added: Map<String, Json>,
        form_added: Map<String, Json>,
        headers: &mut HeaderMap,
    ) -> Result<Bytes, Trouble> {
        let mut json = self.json.fields(scope)?;
        merge(&mut json, json_added, "JSON body", true)?;
        let form = match (self.form.form(scope)?, form_added) {
            (Form::Fields(mut fields), added) => {
                merge(&mut fields, added, "form", false)?;
                Form::Fields(fields)
            }
            (text, added) if added.is_empty() => text,
            (Form::Text(_), _) => return Err(Trouble::NotAMapping { place: "form" }),
        };
        let (body, content_type) = match (json.is_empty(), form) {
            (true, Form::Fields(fields)) if fields.is_empty() => return Ok(Bytes::new()),
            (true, Form::Fields(fields)) => (encoded(&fields)?.into(), Some("application/x-www-form-urlencoded")),
            (true, Form::Text(text)) => (Bytes::from(text), None),
            (false, Form::Fields(fields)) if fields.is_empty() => {
                (Json::Object(json).to_string().into(), Some("application/json"))
            }
            (false, _) => return Err(Trouble::TwoBodies),
        };
        if body.len() > BODY_BYTES_MAX {
            return Err(Trouble::TooLarge { what: "body", bytes: body.len(), limit: BODY_BYTES_MAX });
        }
        if let Some(content_type) = content_type {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
        }
        Ok(body)
    }
}

impl JsonInput {
    fn fields(&self, scope: &Scope<'_>) -> Result<Map<String, Json>, Trouble> {
        let value = match self {
            Self::None => return Ok(Map::new()),
            Self::Fields(mapping) => mapping.value(scope)?,
            Self::Whole(template) => template.value(scope)?,
        };
        match value {
            Json::Object(fields) => Ok(fields),
            Json::Null => Ok(Map::new()),
            _ => Err(Trouble::NotAMapping { place: "JSON body" }),
        }
    }

    fn read(node: &Node) -> Result<Self, Problem> {
        match node.json()? {
            Json::String(text) if text.is_empty() => Ok(Self::None),
            Json::String(_) => template_at(node).map(Self::Whole),
            Json::Object(fields) if fields.is_empty() => Ok(Self::None),
            Json::Object(_) => mapping_at(node).map(Self::Fields),
            _ => Err(node.wrong("a mapping or a text")),
        }
    }
}

/// A form as it is sent.
pub fn encoded(fields: &Map<String, Json>) -> Result<String, Trouble> {
    let mut form = String::new();
    for (name, value) in pairs(fields)? {
        if !form.is_empty() {
            form.push('&');
        }
        quote_plus(&mut form, &name);
        form.push('=');
        quote_plus(&mut form, &value);
    }
    Ok(form)
}

impl Read for Body {
    fn read(node: &Node) -> Result<Self, Problem> {
        let mut form = Input::read_at(node, "request_body_data")?;
        let mut json = node.get("request_body_json").map_or(Ok(JsonInput::None), |json| JsonInput::read(&json))?;
        if let Some(body) = node.get("request_body") {
            let value: Node = body.need("value")?;
            match &*body.kind("")? {
                "RequestBodyUrlEncodedForm" | "RequestBodyPlainText" => form = Input::read(&value)?,
                "RequestBodyJsonObject" | "RequestBodyGraphQL" => json = JsonInput::read(&value)?,
                _ => return Err(body.unsupported()),
            }
        }
        if !matches!(form, Input::None) && !matches!(json, JsonInput::None) {
            let message = "has 'request_body_json' and 'request_body_data'; keep one".to_owned();
            return Err(node.problem(Fault::Wrong, message));
        }
        Ok(Self { form, json })
    }
}
