//! What becomes of a rendered text: read as a literal, held to the kinds that a place accepts, and told as JSON.

use serde_json::{Map, Number, Value as Json};

use super::budget::{Budget, NESTING_MAX};
use super::fault::Eval;
use super::literal;
use super::print::to_str;
use super::value::{Text, Value};

/// Which kinds of value a place accepts. Where the value is of another kind, its text is taken instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    pub const ANY: Self = Self(u8::MAX);
    pub const TEXT: Self = Self(1);
    /// A boolean is an integer too.
    pub const INTEGER: Self = Self(2 | 8);
    pub const FLOAT: Self = Self(4);
    pub const BOOLEAN: Self = Self(8);
    pub const LIST: Self = Self(16);
    pub const OBJECT: Self = Self(32);
    /// What request parameters, headers and forms accept: `5` stays the text it is.
    pub const TEXT_OR_LIST: Self = Self(1 | 16);

    fn accept(self, value: &Value<'_>) -> bool {
        let kind = match value {
            Value::Text(_) => 1,
            Value::Int(_) => 2,
            Value::Float(_) => 4,
            Value::Bool(_) => 8,
            Value::List(_) | Value::Array(_) => 16,
            Value::Dict(_) | Value::Mapping(_) => 32,
            _ => 0,
        };
        self == Self::ANY || self.0 & kind != 0
    }
}

/// What a template rendered: one value that was not yet made a text, or a text.
pub(crate) enum Rendered<'a> {
    Value(Value<'a>),
    Text(String),
}

impl<'a> Rendered<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Value(Value::Undefined(_)) => true,
            Self::Value(value) => value.as_str().is_some_and(str::is_empty),
            Self::Text(text) => text.is_empty(),
        }
    }

    /// The value that the text means, if it means one of these kinds, else the text.
    pub(crate) fn settled(self, kinds: Kinds, budget: &mut Budget) -> Eval<Value<'a>> {
        let value = match self {
            Self::Text(text) => return Ok(settled_text(Text::Shared(text.into()), kinds)),
            Self::Value(Value::Text(text)) => return Ok(settled_text(text, kinds)),
            Self::Value(value) => value,
        };
        // The text of these reads back as the same value, so it need not be made.
        if kinds.accept(&value) && reads_back(&value, 0) {
            return Ok(value);
        }
        Ok(settled_text(Text::Shared(to_str(&value, budget)?.into()), kinds))
    }
}

fn settled_text<'a>(text: Text<'a>, kinds: Kinds) -> Value<'a> {
    match literal::read(text.as_str()) {
        Some(value) if kinds.accept(&value) => value,
        _ => Value::Text(text),
    }
}

/// Whether printing a value and reading the text as a literal gives the same value.
fn reads_back(value: &Value<'_>, depth: usize) -> bool {
    if depth > NESTING_MAX / 2 {
        return false;
    }
    let inner = |value: &Value<'_>| matches!(value, Value::Text(_)) || reads_back(value, depth + 1);
    match value {
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Array(_) | Value::Mapping(_) => true,
        Value::Float(value) => value.is_finite(),
        Value::List(items) => items.borrow().iter().all(inner),
        Value::Tuple(items) => items.iter().all(inner),
        Value::Dict(dict) => dict.borrow().entries.iter().all(|(key, value)| inner(key) && inner(value)),
        _ => false,
    }
}

/// Whether a condition with this value does not hold.
pub(crate) fn means_false(value: &Value<'_>) -> bool {
    match value {
        Value::Text(text) => {
            matches!(text.as_str(), "False" | "false" | "{}" | "[]" | "()" | "" | "0" | "0.0")
        }
        Value::Tuple(items) | Value::Set(items) => items.is_empty(),
        Value::List(_) | Value::Array(_) | Value::Dict(_) | Value::Mapping(_) => value.length() == Some(0),
        Value::Bytes(_) => false,
        other => !other.truth(),
    }
}

/// A value as JSON. What JSON has no kind for becomes a list or its text; an integer of more than 64 bits its digits.
pub(crate) fn to_json(value: Value<'_>) -> Json {
    match value {
        Value::None | Value::Undefined(_) => Json::Null,
        Value::Bool(value) => Json::Bool(value),
        Value::Int(value) => match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => Json::from(value),
            (_, Ok(value)) => Json::from(value),
            _ => Json::String(value.to_string()),
        },
        Value::Float(value) => {
            Number::from_f64(value).map_or_else(|| Json::String(super::numbers::float_text(value)), Json::Number)
        }
        Value::Text(Text::Borrowed(text)) => Json::String(text.to_owned()),
        Value::Text(Text::Shared(text)) => Json::String(text.as_ref().to_owned()),
        Value::Array(items) => Json::Array(items.to_vec()),
        Value::Mapping(super::value::Mapping::Object(object)) => Json::Object(object.clone()),
        Value::Mapping(mapping) => object(mapping.entries()),
        Value::Dict(dict) => object(dict.borrow().entries.clone()),
        Value::List(items) => Json::Array(items.borrow().iter().cloned().map(to_json).collect()),
        Value::Tuple(items) | Value::Set(items) => Json::Array(items.iter().cloned().map(to_json).collect()),
        other => Json::String(to_str(&other, &mut Budget::new()).unwrap_or_default()),
    }
}

fn object(entries: Vec<(Value<'_>, Value<'_>)>) -> Json {
    let key = |key: Value<'_>| match key {
        Value::Text(text) => text.as_str().to_owned(),
        Value::None => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        other => to_str(&other, &mut Budget::new()).unwrap_or_default(),
    };
    Json::Object(entries.into_iter().map(|(name, value)| (key(name), to_json(value))).collect::<Map<_, _>>())
}
