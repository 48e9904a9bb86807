//! Splitting and joining.

use crate::manifest::expression::arguments::Given;
use crate::manifest::expression::evaluate::Run;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::lexer::is_space;
use crate::manifest::expression::methods::int_of;
use crate::manifest::expression::value::{Text, Value};

pub(super) fn call<'a>(run: &mut Run<'a>, text: &Text<'a>, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    match name {
        "split" | "rsplit" => split(run, text, name == "rsplit", arguments),
        "splitlines" => {
            let [keep] = arguments.bind(name, ["keepends"], 0)?;
            let found = lines(text.as_str(), keep.is_some_and(|keep| keep.truth()));
            listed(run, found.into_iter().map(|line| part(text, line)).collect())
        }
        "join" => join(run, text.as_str(), arguments),
        _ => partition(text, name == "rpartition", arguments),
    }
}

fn listed<'a>(run: &mut Run<'a>, items: Vec<Value<'a>>) -> Eval<Value<'a>> {
    run.budget.spend(items.len())?;
    Ok(Value::list(items))
}

/// A part of a text, borrowed where the whole is.
fn part<'a>(whole: &Text<'a>, part: &str) -> Value<'a> {
    match whole {
        Text::Borrowed(text) => {
            let start = part.as_ptr() as usize - text.as_ptr() as usize;
            Value::from(&text[start..start + part.len()])
        }
        Text::Shared(_) => Value::from(part.to_owned()),
    }
}

fn split<'a>(run: &mut Run<'a>, text: &Text<'a>, from_right: bool, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [separator, most] = arguments.bind("split", ["sep", "maxsplit"], 0)?;
    let most = most.map(|most| int_of(&most)).transpose()?.unwrap_or(-1);
    let most = usize::try_from(most).unwrap_or(usize::MAX - 1);
    let inner = text.as_str();
    let mut parts: Vec<&str> = match separator.unwrap_or(Value::None) {
        Value::None => split_whitespace(inner, most, from_right),
        Value::Text(separator) if separator.as_str().is_empty() => {
            return Err(Fault::value("splits a text at an empty separator"));
        }
        Value::Text(separator) if from_right => inner.rsplitn(most + 1, separator.as_str()).collect(),
        Value::Text(separator) => inner.splitn(most + 1, separator.as_str()).collect(),
        other => return Err(Fault::wrong_type(format!("splits a text at a {}", other.type_name()))),
    };
    if from_right {
        parts.reverse();
    }
    let parts = parts.into_iter().map(|found| part(text, found)).collect();
    listed(run, parts)
}

/// Words between whitespace, at most so many cuts; from the right they come last first. What is left after the last cut
/// keeps the whitespace on its far side.
pub(crate) fn split_whitespace(text: &str, most: usize, from_right: bool) -> Vec<&str> {
    let trim = |text: &'_ str| if from_right { text.trim_end_matches(is_space).len() } else { 0 };
    let mut parts = Vec::new();
    let mut rest = if from_right { &text[..trim(text)] } else { text.trim_start_matches(is_space) };
    while !rest.is_empty() {
        if parts.len() == most {
            parts.push(rest);
            break;
        }
        if from_right {
            let start = rest.rfind(is_space).map_or(0, |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
            parts.push(&rest[start..]);
            rest = &rest[..start][..trim(&rest[..start])];
        } else {
            let end = rest.find(is_space).unwrap_or(rest.len());
            parts.push(&rest[..end]);
            rest = rest[end..].trim_start_matches(is_space);
        }
    }
    parts
}

/// Lines as Python cuts them: at every kind of line break that Unicode has.
pub(crate) fn lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let is_break = |c: char| {
        matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some(at) = rest.find(is_break) else {
            lines.push(rest);
            break;
        };
        let width =
            if rest[at..].starts_with("\r\n") { 2 } else { rest[at..].chars().next().map_or(1, char::len_utf8) };
        lines.push(if keep_ends { &rest[..at + width] } else { &rest[..at] });
        rest = &rest[at + width..];
    }
    lines
}

fn join<'a>(run: &mut Run<'a>, separator: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [items] = arguments.bind_unnamed("join", 1)?;
    let mut joined = String::new();
    for (at, item) in items.unwrap_or(Value::None).items()?.iter().enumerate() {
        let item = item.as_str().ok_or_else(|| Fault::wrong_type(format!("joins a {}", item.type_name())))?;
        if at > 0 {
            joined.push_str(separator);
        }
        joined.push_str(item);
        run.budget.spend(1)?;
        run.budget.text(joined.len() / 64)?;
    }
    run.budget.text(joined.len())?;
    Ok(Value::from(joined))
}

fn partition<'a>(text: &Text<'a>, from_right: bool, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [separator] = arguments.bind_unnamed("partition", 1)?;
    let separator = separator.unwrap_or(Value::None);
    let wanted = separator.as_str().ok_or_else(|| Fault::wrong_type("parts a text at what is no text"))?;
    if wanted.is_empty() {
        return Err(Fault::value("parts a text at an empty separator"));
    }
    let inner = text.as_str();
    let found = if from_right { inner.rsplit_once(wanted) } else { inner.split_once(wanted) };
    let empty = || Value::from("");
    Ok(Value::Tuple(match found {
        Some((left, right)) => [part(text, left), separator.clone(), part(text, right)].into(),
        None if from_right => [empty(), empty(), Value::Text(text.clone())].into(),
        None => [Value::Text(text.clone()), empty(), empty()].into(),
    }))
}
