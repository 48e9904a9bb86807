//! How one value is cast to the type that a schema gives it.

use serde_json::{Map, Number, Value as Json};

use crate::manifest::expression::printed;

/// What a schema's type does with a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cast {
    to: To,
    /// Null is one of the types, and stays null.
    keeps_null: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum To {
    /// No type, or more than one: the value stays.
    #[default]
    Nothing,
    Text,
    Float,
    Integer,
    Boolean,
    /// A plain value becomes the only element of a list.
    List,
}

impl Cast {
    pub(super) fn of(schema: &Json) -> Self {
        let Json::Object(schema) = schema else { return Self::default() };
        match schema.get("type") {
            Some(Json::String(name)) => Self { to: To::named(name, schema), keeps_null: false },
            Some(Json::Array(types)) => {
                let mut names = types.iter().filter(|name| *name != "null");
                let to = match (names.next().and_then(Json::as_str), names.next()) {
                    (Some(name), None) => To::named(name, schema),
                    _ => To::Nothing,
                };
                Self { to, keeps_null: types.iter().any(|name| name == "null") }
            }
            _ => Self::default(),
        }
    }

    pub(super) fn is_none(self) -> bool {
        self.to == To::Nothing
    }

    pub(super) fn apply(self, value: &mut Json) {
        if value.is_null() && self.keeps_null {
            return;
        }
        let cast = match (self.to, &*value) {
            (To::Nothing, _) | (To::Text, Json::String(_)) | (To::Boolean, Json::Bool(_)) => None,
            (To::Text, other) => printed(other).map(Json::String),
            (To::Float, other) => float(other),
            (To::Integer, other) => integer(other),
            (To::Boolean, other) => boolean(other),
            (To::List, Json::Array(_) | Json::Object(_)) => None,
            (To::List, _) => Some(Json::Array(vec![value.take()])),
        };
        if let Some(cast) = cast {
            *value = cast;
        }
    }
}

impl To {
    fn named(name: &str, schema: &Map<String, Json>) -> Self {
        match name {
            "string" => Self::Text,
            "number" => Self::Float,
            "integer" => Self::Integer,
            "boolean" => Self::Boolean,
            "array" if wraps(schema.get("items")) => Self::List,
            _ => Self::Nothing,
        }
    }
}

/// Whether elements are plain values. A single type that is not written as a list does not count, an odd corner of the
/// reference implementation.
fn wraps(items: Option<&Json>) -> bool {
    const PLAIN: [&str; 5] = ["string", "number", "integer", "boolean", "null"];
    match items {
        None => true,
        Some(Json::Object(items)) => match items.get("type") {
            None => true,
            Some(Json::Array(types)) => {
                types.iter().all(|name| name.as_str().is_some_and(|name| PLAIN.contains(&name)))
            }
            Some(Json::String(name)) => name.is_empty(),
            Some(_) => false,
        },
        Some(_) => false,
    }
}

fn float(value: &Json) -> Option<Json> {
    let float = match value {
        Json::Number(number) if number.is_f64() => return None,
        Json::Number(number) => number.as_f64()?,
        Json::Bool(flag) => f64::from(u8::from(*flag)),
        Json::String(text) => without_underscores(text.trim())?.parse().ok()?,
        Json::Null | Json::Array(_) | Json::Object(_) => return None,
    };
    // What is no number in JSON is written as null.
    Some(Number::from_f64(float).map_or(Json::Null, Json::Number))
}

fn integer(value: &Json) -> Option<Json> {
    match value {
        Json::Number(number) => {
            let float = number.as_f64().filter(|_| number.is_f64())?.trunc();
            // What does not fit is left as the float that it is.
            match float {
                _ if (-9.2e18..9.2e18).contains(&float) => Some((float as i64).into()),
                _ if (0.0..1.8e19).contains(&float) => Some((float as u64).into()),
                _ => None,
            }
        }
        Json::Bool(flag) => Some(u8::from(*flag).into()),
        Json::String(text) => {
            let digits = without_underscores(text.trim())?;
            let signed = digits.parse::<i64>().ok().map(Json::from);
            signed.or_else(|| digits.parse::<u64>().ok().map(Json::from))
        }
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Underscores may stand between digits of a number.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let fits = |at: usize| is_digit(at.checked_sub(1)) && is_digit(at.checked_add(1));
    let all_fit = bytes.iter().enumerate().all(|(at, byte)| *byte != b'_' || fits(at));
    all_fit.then(|| text.replace('_', ""))
}

fn boolean(value: &Json) -> Option<Json> {
    Some(Json::Bool(match value {
        Json::String(text) => match text.to_lowercase().trim() {
            "y" | "yes" | "t" | "true" | "on" | "1" => true,
            "n" | "no" | "f" | "false" | "off" | "0" => false,
            _ => return None,
        },
        Json::Null => false,
        Json::Bool(flag) => *flag,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::Array(items) => !items.is_empty(),
        Json::Object(fields) => !fields.is_empty(),
    }))
}
