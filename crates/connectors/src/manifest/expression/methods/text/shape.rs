//! Trimming, padding, replacing and changing case.

use crate::manifest::expression::arguments::Given;
use crate::manifest::expression::evaluate::Run;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::lexer::is_space;
use crate::manifest::expression::methods::{int_of, size_of};
use crate::manifest::expression::value::{Text, Value};

pub(super) fn call<'a>(run: &mut Run<'a>, text: &Text<'a>, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    let inner = text.as_str();
    match name {
        "strip" | "lstrip" | "rstrip" => strip(inner, name, arguments),
        "replace" => replace(run, inner, arguments),
        "removeprefix" | "removesuffix" => {
            let [affix] = arguments.bind_unnamed(name, 1)?;
            let affix = affix.unwrap_or(Value::None);
            let affix = text_of(&affix, name)?;
            let rest = if name == "removeprefix" { inner.strip_prefix(affix) } else { inner.strip_suffix(affix) };
            Ok(Value::from(rest.unwrap_or(inner).to_owned()))
        }
        "zfill" => {
            let [width] = arguments.bind_unnamed(name, 1)?;
            let width = size_of(int_of(&width.unwrap_or(Value::None))?);
            run.budget.text(width)?;
            let (sign, digits) = inner.split_at(usize::from(inner.starts_with(['+', '-'])));
            let missing = "0".repeat(width.saturating_sub(inner.chars().count()));
            Ok(Value::from([sign, &missing, digits].concat()))
        }
        "expandtabs" => {
            let [size] = arguments.bind(name, ["tabsize"], 0)?;
            expand_tabs(run, inner, size.map(|size| int_of(&size)).transpose()?.unwrap_or(8))
        }
        _ => pad(run, inner, name, arguments),
    }
}

fn text_of<'v>(value: &'v Value<'_>, name: &str) -> Eval<&'v str> {
    value.as_str().ok_or_else(|| Fault::wrong_type(format!("calls `{name}` with a {}", value.type_name())))
}

fn strip<'a>(text: &str, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [characters] = arguments.bind_unnamed(name, 0)?;
    let characters = characters.filter(|value| !matches!(value, Value::None));
    let characters = characters.as_ref().map(|characters| text_of(characters, name)).transpose()?;
    let unwanted = |c: char| characters.map_or_else(|| is_space(c), |characters| characters.contains(c));
    let text = if name == "rstrip" { text } else { text.trim_start_matches(unwanted) };
    let text = if name == "lstrip" { text } else { text.trim_end_matches(unwanted) };
    Ok(Value::from(text.to_owned()))
}

fn replace<'a>(run: &mut Run<'a>, text: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [old, new, count] = arguments.bind_unnamed("replace", 2)?;
    let (old, new) = (old.unwrap_or(Value::None), new.unwrap_or(Value::None));
    let count = count.map(|count| int_of(&count)).transpose()?.unwrap_or(-1);
    replaced(run, text, text_of(&old, "replace")?, text_of(&new, "replace")?, count)
}

/// Replaced at most so often; a negative count is no bound.
pub(crate) fn replaced<'a>(run: &mut Run<'a>, text: &str, old: &str, new: &str, count: i128) -> Eval<Value<'a>> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let places = if old.is_empty() { text.chars().count() + 1 } else { text.matches(old).take(count).count() };
    run.budget.text(text.len().saturating_add(places.min(count).saturating_mul(new.len())))?;
    Ok(Value::from(text.replacen(old, new, count)))
}

fn pad<'a>(run: &mut Run<'a>, text: &str, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [width, fill] = arguments.bind_unnamed(name, 1)?;
    let width = size_of(int_of(&width.unwrap_or(Value::None))?);
    let fill = match &fill {
        None => ' ',
        Some(fill) => {
            let mut characters = text_of(fill, name)?.chars();
            match (characters.next(), characters.next()) {
                (Some(fill), None) => fill,
                _ => return Err(Fault::wrong_type("pads with more or less than one character")),
            }
        }
    };
    run.budget.text(width.saturating_mul(fill.len_utf8()))?;
    if name == "center" {
        return Ok(Value::from(centred(text, width, fill)));
    }
    let missing: String = std::iter::repeat_n(fill, width.saturating_sub(text.chars().count())).collect();
    Ok(Value::from(if name == "ljust" { [text, &missing].concat() } else { [&missing, text].concat() }))
}

fn expand_tabs<'a>(run: &mut Run<'a>, text: &str, size: i128) -> Eval<Value<'a>> {
    let size = size_of(size);
    let mut expanded = String::with_capacity(text.len());
    let mut column = 0;
    for character in text.chars() {
        match character {
            '\t' if size == 0 => {}
            '\t' => {
                let spaces = size - column % size;
                run.budget.text(spaces)?;
                expanded.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            other => {
                expanded.push(other);
                column = if matches!(other, '\n' | '\r') { 0 } else { column + 1 };
            }
        }
    }
    run.budget.text(expanded.len())?;
    Ok(Value::from(expanded))
}

/// In the middle; an odd space goes to the left where the width is odd.
pub(crate) fn centred(text: &str, width: usize, fill: char) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let left = missing / 2 + (missing & width & 1);
    let fill = |count: usize| std::iter::repeat_n(fill, count);
    fill(left).chain(text.chars()).chain(fill(missing - left)).collect()
}

/// The first character large, the others small.
pub(crate) fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => title_case(first) + &characters.as_str().to_lowercase(),
        None => String::new(),
    }
}

/// A character as it begins a word: of what becomes several letters, only the first is large.
fn title_case(character: char) -> String {
    match character {
        'Ǆ' | 'ǅ' | 'ǆ' => 'ǅ'.to_string(),
        'Ǉ' | 'ǈ' | 'ǉ' => 'ǈ'.to_string(),
        'Ǌ' | 'ǋ' | 'ǌ' => 'ǋ'.to_string(),
        'Ǳ' | 'ǲ' | 'ǳ' => 'ǲ'.to_string(),
        other => {
            let mut large = other.to_uppercase();
            large.next().into_iter().chain(large.flat_map(char::to_lowercase)).collect()
        }
    }
}

/// Every word's first character large.
pub(super) fn titled(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut in_word = false;
    for character in text.chars() {
        if in_word {
            titled.extend(character.to_lowercase());
        } else {
            titled.push_str(&title_case(character));
        }
        in_word = character.is_alphabetic();
    }
    titled
}

pub(super) fn swapped(text: &str) -> String {
    let swap = |c: char| -> String {
        if c.is_uppercase() {
            c.to_lowercase().collect()
        } else if c.is_lowercase() {
            c.to_uppercase().collect()
        } else {
            c.to_string()
        }
    };
    text.chars().map(swap).collect()
}
