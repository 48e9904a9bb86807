//! Reading the fields that requests, authenticators, paginators and error handlers have in common: templates, amounts
//! that may be templates, patterns.

use regex::{Regex, RegexBuilder};
use serde_json::Value as Json;

use super::super::expression::{Condition, Failure, Kinds, Mapping, Template};
use super::super::node::Node;
use super::super::problem::{Fault, Problem};
use super::super::scope::Scope;
use super::super::trouble::{Trouble, kind_of};
use super::text::python_text;

/// Largest compiled pattern: one of a manifest is a word or two.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A template at this very node; numbers and booleans are taken as the text that they are.
pub fn template_at(node: &Node) -> Result<Template, Problem> {
    let text = match node.json()? {
        Json::String(text) => text,
        Json::Number(number) => number.to_string(),
        Json::Bool(flag) => if flag { "True" } else { "False" }.to_owned(),
        _ => return Err(node.wrong("a text")),
    };
    compiled(node, Template::compile(&text))
}

/// A template that may be missing; an empty text counts as missing.
pub fn template(node: &Node, field: &str) -> Result<Option<Template>, Problem> {
    let Some(node) = node.get(field) else { return Ok(None) };
    let template = template_at(&node)?;
    Ok(Some(template).filter(|template| !template.source().is_empty()))
}

/// A template that must be there.
pub fn needed_template(node: &Node, field: &str) -> Result<Template, Problem> {
    template_at(&node.need::<Node>(field)?)
}

/// A template, or the usual text.
pub fn template_or(node: &Node, field: &str, usual: &str) -> Result<Template, Problem> {
    Ok(match template(node, field)? {
        Some(template) => template,
        None => compiled(node, Template::compile(usual))?,
    })
}

/// A condition that may be missing; an empty text counts as missing.
pub fn condition(node: &Node, field: &str) -> Result<Option<Condition>, Problem> {
    let Some(node) = node.get(field) else { return Ok(None) };
    match node.json()? {
        Json::Bool(holds) => Ok(Some(Condition::always(holds))),
        Json::String(text) if text.is_empty() => Ok(None),
        Json::String(text) => compiled(&node, Condition::compile(&text)).map(Some),
        _ => Err(node.wrong("a condition")),
    }
}

/// A value whose texts are templates.
pub fn mapping_at(node: &Node) -> Result<Mapping, Problem> {
    compiled(node, Mapping::compile(&node.json()?))
}

/// A mapping that may be missing; an empty one counts as missing.
pub fn mapping(node: &Node, field: &str) -> Result<Option<Mapping>, Problem> {
    let Some(node) = node.get(field) else { return Ok(None) };
    match node.json()? {
        Json::Object(fields) if fields.is_empty() => Ok(None),
        Json::Object(_) => mapping_at(&node).map(Some),
        _ => Err(node.wrong("a mapping")),
    }
}

/// A list of templates, such as a path of names.
pub fn templates(node: &Node, field: &str) -> Result<Vec<Template>, Problem> {
    let Some(list) = node.get(field) else { return Ok(Vec::new()) };
    list.items()?.iter().map(template_at).collect()
}

/// A pattern, from its first character on if `is_anchored`.
pub fn pattern(text: &str, is_anchored: bool) -> Result<Regex, String> {
    let anchored = if is_anchored { format!("^(?:{text})") } else { text.to_owned() };
    RegexBuilder::new(&anchored).size_limit(PATTERN_BYTES_MAX).build().map_err(|_| {
        "a regular expression that takes linear time: no look-around, no back-references, no unbounded size".to_owned()
    })
}

/// A template that could not be compiled, told with its place.
pub fn compiled<T>(node: &Node, result: Result<T, Failure>) -> Result<T, Problem> {
    result.map_err(|failure| node.problem(Fault::Wrong, failure.to_string()))
}

/// The number that a template gives, whether it is one or the text of one.
pub fn number(template: &Template, field: &'static str, scope: &Scope<'_>) -> Result<f64, Trouble> {
    let value = template.value(scope)?;
    let number = match &value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => python_float(text),
        Json::Bool(flag) => Some(f64::from(u8::from(*flag))),
        _ => None,
    };
    number.ok_or_else(|| Trouble::Field { field, expects: "a number", found: kind_of(&value) })
}

/// The whole number that a template gives.
pub fn whole(template: &Template, field: &'static str, scope: &Scope<'_>) -> Result<u64, Trouble> {
    let value = template.value(scope)?;
    let wrong = || Trouble::Field { field, expects: "a whole number", found: kind_of(&value) };
    match &value {
        Json::Number(number) => number.as_u64().ok_or_else(wrong),
        Json::String(text) => text.trim().parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// A credential: the text as it is, so that a key of digits and underscores is not taken for a number.
pub fn credential(template: &Template, scope: &Scope<'_>) -> Result<String, Trouble> {
    let value = template.value_of(scope, Kinds::TEXT)?;
    Ok(value.as_str().map_or_else(|| python_text(&value), str::to_owned))
}

/// A text as Python's `float` reads it, as long as it is finite.
#[must_use]
pub fn python_float(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let underscores_are_inside = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'_')
        .all(|(at, _)| at > 0 && is_digit(bytes.get(at - 1)) && is_digit(bytes.get(at + 1)));
    if !underscores_are_inside || !bytes.iter().any(u8::is_ascii_digit) {
        return None;
    }
    text.replace('_', "").parse().ok().filter(|number: &f64| number.is_finite())
}
