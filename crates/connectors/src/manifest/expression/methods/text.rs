//! Methods of texts.

mod parts;
mod shape;

use crate::manifest::expression::arguments::Given;
use crate::manifest::expression::checks::has_case;
use crate::manifest::expression::evaluate::Run;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::formatting::{Fields, braces};
use crate::manifest::expression::lexer::is_space;
use crate::manifest::expression::print::is_printable;
use crate::manifest::expression::value::{Text, Value};

pub(crate) use parts::lines;
pub(crate) use shape::{capitalized, centred, replaced};

pub(super) const NAMES: [&str; 45] = [
    "upper",
    "lower",
    "title",
    "capitalize",
    "swapcase",
    "casefold",
    "strip",
    "lstrip",
    "rstrip",
    "split",
    "rsplit",
    "splitlines",
    "join",
    "replace",
    "startswith",
    "endswith",
    "find",
    "rfind",
    "index",
    "rindex",
    "count",
    "format",
    "format_map",
    "zfill",
    "ljust",
    "rjust",
    "center",
    "isdigit",
    "isalpha",
    "isalnum",
    "isnumeric",
    "isdecimal",
    "isspace",
    "isupper",
    "islower",
    "istitle",
    "isascii",
    "isprintable",
    "isidentifier",
    "partition",
    "rpartition",
    "removeprefix",
    "removesuffix",
    "encode",
    "expandtabs",
];

pub(super) fn call<'a>(run: &mut Run<'a>, text: &Text<'a>, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    run.budget.text(text.as_str().len())?;
    match name {
        "split" | "rsplit" | "splitlines" | "partition" | "rpartition" | "join" => {
            parts::call(run, text, name, arguments)
        }
        "strip" | "lstrip" | "rstrip" | "zfill" | "ljust" | "rjust" | "center" | "replace" | "removeprefix"
        | "removesuffix" | "expandtabs" => shape::call(run, text, name, arguments),
        "startswith" | "endswith" => affix(text.as_str(), name, arguments),
        "find" | "rfind" | "index" | "rindex" | "count" => search(text.as_str(), name, arguments),
        "format" => format(run, text.as_str(), &arguments),
        "format_map" => {
            let [mapping] = arguments.bind_unnamed(name, 1)?;
            let mapping = mapping.unwrap_or(Value::None);
            let found = super::entries(&mapping)?;
            let named =
                |name: &str| found.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value.clone());
            braces(run, text.as_str(), &Fields { positional: &[], named: &named }).map(Value::from)
        }
        "encode" => {
            let [_encoding, _errors] = arguments.bind(name, ["encoding", "errors"], 0)?;
            Ok(Value::Bytes(text.as_str().as_bytes().into()))
        }
        _ => {
            let [] = arguments.bind_unnamed(name, 0)?;
            plain(text.as_str(), name)
        }
    }
}

fn format<'a>(run: &mut Run<'a>, text: &str, arguments: &Given<'a>) -> Eval<Value<'a>> {
    let named = |name: &str| arguments.named.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    braces(run, text, &Fields { positional: &arguments.positional, named: &named }).map(Value::from)
}

/// The methods without arguments.
fn plain<'a>(text: &str, name: &str) -> Eval<Value<'a>> {
    let all = |test: fn(char) -> bool| Ok(Value::Bool(!text.is_empty() && text.chars().all(test)));
    match name {
        "upper" => Ok(Value::from(text.to_uppercase())),
        "lower" => Ok(Value::from(text.to_lowercase())),
        "casefold" => Ok(Value::from(text.to_lowercase().replace('ß', "ss"))),
        "capitalize" => Ok(Value::from(capitalized(text))),
        "title" => Ok(Value::from(shape::titled(text))),
        "swapcase" => Ok(Value::from(shape::swapped(text))),
        "isdigit" | "isdecimal" => all(|c| c.is_ascii_digit() || (!c.is_ascii() && c.is_numeric())),
        "isnumeric" => all(char::is_numeric),
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isspace" => all(is_space),
        "isascii" => Ok(Value::Bool(text.is_ascii())),
        "isprintable" => Ok(Value::Bool(text.chars().all(is_printable))),
        "isupper" => Ok(Value::Bool(has_case(text, char::is_uppercase, char::is_lowercase))),
        "islower" => Ok(Value::Bool(has_case(text, char::is_lowercase, char::is_uppercase))),
        "istitle" => Ok(Value::Bool(has_case(text, char::is_uppercase, |_| false) && shape::titled(text) == text)),
        "isidentifier" => {
            let starts = text.starts_with(|c: char| c == '_' || c.is_alphabetic());
            Ok(Value::Bool(starts && text.chars().all(|c| c == '_' || c.is_alphanumeric())))
        }
        other => Err(Fault::unsupported(format!("calls `{other}` on a text"))),
    }
}

/// The part of a text between two optional bounds, in characters, and where it begins.
fn window<'t>(text: &'t str, start: Option<&Value<'_>>, end: Option<&Value<'_>>) -> Eval<Option<(&'t str, usize)>> {
    let (start, end) = (super::maybe_int(start)?, super::maybe_int(end)?);
    if start.is_none() && end.is_none() {
        return Ok(Some((text, 0)));
    }
    let length = i128::try_from(text.chars().count()).unwrap_or(i128::MAX);
    let bound = |value: i128| if value < 0 { (value + length).max(0) } else { value };
    let (start, end) = (bound(start.unwrap_or(0)), bound(end.unwrap_or(length)).min(length));
    if start > end {
        return Ok(None);
    }
    let offset = |at: i128| {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        text.char_indices().nth(at).map_or(text.len(), |(offset, _)| offset)
    };
    Ok(Some((&text[offset(start)..offset(end)], usize::try_from(start).unwrap_or_default())))
}

fn affix<'a>(text: &str, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [affix, start, end] = arguments.bind_unnamed(name, 1)?;
    let affixes = match affix.unwrap_or(Value::None) {
        Value::Tuple(items) => items.to_vec(),
        one => vec![one],
    };
    let window = window(text, start.as_ref(), end.as_ref())?;
    for affix in &affixes {
        let Value::Text(affix) = affix else {
            return Err(Fault::wrong_type(format!("calls `{name}` with a {}", affix.type_name())));
        };
        let holds = window.is_some_and(|(text, _)| {
            if name == "startswith" { text.starts_with(affix.as_str()) } else { text.ends_with(affix.as_str()) }
        });
        if holds {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn search<'a>(text: &str, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [wanted, start, end] = arguments.bind_unnamed(name, 1)?;
    let wanted = wanted.unwrap_or(Value::None);
    let wanted = wanted.as_str().ok_or_else(|| Fault::wrong_type(format!("calls `{name}` with what is no text")))?;
    let window = window(text, start.as_ref(), end.as_ref())?;
    let int = |count: usize| Value::Int(i128::try_from(count).unwrap_or(i128::MAX));
    if name == "count" {
        let count =
            |text: &str| if wanted.is_empty() { text.chars().count() + 1 } else { text.matches(wanted).count() };
        return Ok(int(window.map_or(0, |(text, _)| count(text))));
    }
    let found = window.and_then(|(text, offset)| {
        let at = if name.starts_with('r') { text.rfind(wanted) } else { text.find(wanted) };
        at.map(|at| offset + text[..at].chars().count())
    });
    match found {
        Some(at) => Ok(int(at)),
        None if name.ends_with("index") => Err(Fault::value("looks for the index of what is not in a text")),
        None => Ok(Value::Int(-1)),
    }
}
