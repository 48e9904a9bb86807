//! Lengths, patterns and formats of texts.

use jiff::civil::{Date, Time};
use serde_json::{Map, Value as Json};

use super::Weight;
use super::number::limit;
use crate::manifest::request::fields::pattern;

/// Tells what is wrong with a text, in the words that the schema has for people where it has any.
pub(super) fn check(schema: &Map<String, Json>, text: &str, mut tell: impl FnMut(String, Weight)) {
    let length = text.chars().count();
    if limit(schema, "minLength").is_some_and(|least| length < least) {
        tell(format!("must have at least {} characters", schema["minLength"]), Weight::Error);
    }
    if limit(schema, "maxLength").is_some_and(|most| length > most) {
        tell(format!("must have at most {} characters", schema["maxLength"]), Weight::Error);
    }
    if let Some(written) = schema.get("pattern").and_then(Json::as_str) {
        match pattern(written, false) {
            Ok(compiled) if compiled.is_match(text) => {}
            Ok(_) => tell(format!("must look like {}", example(schema).unwrap_or(written)), Weight::Error),
            Err(_) => tell("has a pattern that cannot be judged here".to_owned(), Weight::Doubt),
        }
    }
    let format = schema.get("format").and_then(Json::as_str);
    if let Some(expects) = format.and_then(|format| expected(format, text)) {
        tell(format!("should be {expects}"), Weight::Doubt);
    }
}

/// What the schema says for people instead of its pattern.
fn example(schema: &Map<String, Json>) -> Option<&str> {
    let described = schema.get("pattern_descriptor").and_then(Json::as_str);
    described.or_else(|| schema.get("examples")?.get(0)?.as_str())
}

/// What a format expects, if the text is not that.
fn expected(format: &str, text: &str) -> Option<&'static str> {
    let (is_right, expects) = match format {
        "date" => (is_date(text), "a date such as 2024-12-31"),
        "date-time" => (is_date_time(text), "a date and time such as 2024-12-31T00:00:00Z"),
        "uri" | "url" => (url::Url::parse(text).is_ok(), "a URL such as https://api.example.com"),
        "email" => (text.contains('@'), "an e-mail address"),
        _ => return None,
    };
    (!is_right).then_some(expects)
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<Date>().is_ok()
}

fn is_date_time(text: &str) -> bool {
    let Some((date, rest)) = text.split_once(['T', 't', ' ']) else { return false };
    let zone = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    is_date(date) && rest[..zone].parse::<Time>().is_ok()
}
