//! `str.format`: fields in braces, by position or name, with attributes, items, a conversion and a specification.

use super::formatted;
use crate::manifest::expression::evaluate::Run;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::print::to_repr;
use crate::manifest::expression::value::{Text, Value};

/// The values of a format.
pub(crate) struct Fields<'f, 'a> {
    pub positional: &'f [Value<'a>],
    pub named: &'f dyn Fn(&str) -> Option<Value<'a>>,
}

/// How positions are given: none yet, counted, or written out. The last two do not mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbering {
    Open,
    Counted(usize),
    Written,
}

/// Formats a text; specifications may have fields too, one level deep.
pub(crate) fn braces<'a>(run: &mut Run<'a>, format: &str, fields: &Fields<'_, 'a>) -> Eval<String> {
    let mut numbering = Numbering::Open;
    level(run, format, fields, &mut numbering, 2)
}

fn level<'a>(
    run: &mut Run<'a>,
    format: &str,
    fields: &Fields<'_, 'a>,
    numbering: &mut Numbering,
    depth: usize,
) -> Eval<String> {
    if depth == 0 {
        return Err(Fault::value("formats with fields nested too deep"));
    }
    let mut text = String::new();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = rest.as_bytes()[at];
        let after = &rest[at + 1..];
        if after.as_bytes().first() == Some(&brace) {
            text.push(char::from(brace));
            rest = &after[1..];
            continue;
        }
        if brace == b'}' {
            return Err(Fault::value("formats with a single `}`"));
        }
        let end = field_end(after).ok_or_else(|| Fault::value("formats with a `{` that does not end"))?;
        text.push_str(&field(run, &after[..end], fields, numbering, depth)?);
        run.budget.text(text.len())?;
        rest = &after[end + 1..];
    }
    text.push_str(rest);
    Ok(text)
}

/// Where a field ends that may have others in it; brackets hide braces.
fn field_end(text: &str) -> Option<usize> {
    let (mut depth, mut bracket) = (1, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' if depth == 1 => bracket = true,
            b']' => bracket = false,
            b'{' if !bracket => depth += 1,
            b'}' if !bracket => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn field<'a>(
    run: &mut Run<'a>,
    field: &str,
    fields: &Fields<'_, 'a>,
    numbering: &mut Numbering,
    depth: usize,
) -> Eval<String> {
    let name_end = name_length(field);
    let (name, rest) = field.split_at(name_end);
    let value = look_up(run, name, fields, numbering)?;
    let (conversion, spec) = match rest.strip_prefix('!') {
        Some(rest) => {
            let conversion = rest.chars().next().ok_or_else(|| Fault::value("formats with an empty conversion"))?;
            let rest = &rest[conversion.len_utf8()..];
            match rest.strip_prefix(':') {
                Some(spec) => (Some(conversion), spec),
                None if rest.is_empty() => (Some(conversion), ""),
                None => return Err(Fault::value("formats with more than one conversion")),
            }
        }
        None => (None, rest.strip_prefix(':').unwrap_or("")),
    };
    let spec = level(run, spec, fields, numbering, depth - 1)
        .or_else(|fault| if spec.contains(['{', '}']) { Err(fault) } else { Ok(spec.to_owned()) })?;
    let value = match conversion {
        None => value,
        Some('s') => Value::from(run.str(&value)?),
        Some('r') => Value::from(to_repr(&value, &mut run.budget)?),
        Some('a') => Value::from(super::ascii(&to_repr(&value, &mut run.budget)?)),
        Some(other) => return Err(Fault::value(format!("formats with the conversion `{other}`, which there is not"))),
    };
    formatted(&value, &spec, &mut run.budget)
}

fn name_length(field: &str) -> usize {
    let mut bracket = false;
    for (at, byte) in field.bytes().enumerate() {
        match byte {
            b'[' => bracket = true,
            b']' => bracket = false,
            b'!' | b':' if !bracket => return at,
            _ => {}
        }
    }
    field.len()
}

fn look_up<'a>(run: &mut Run<'a>, name: &str, fields: &Fields<'_, 'a>, numbering: &mut Numbering) -> Eval<Value<'a>> {
    let first_end = name.find(['.', '[']).unwrap_or(name.len());
    let (first, mut rest) = name.split_at(first_end);
    let mut value = first_value(first, fields, numbering)?;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('.') {
            let end = inner.find(['.', '[']).unwrap_or(inner.len());
            value = run.attribute(&value, Text::Shared(inner[..end].into()))?;
            rest = &inner[end..];
        } else if let Some((key, tail)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            let index = key.bytes().all(|byte| byte.is_ascii_digit()).then(|| key.parse::<i128>().ok()).flatten();
            let key = index.map_or_else(|| Value::from(key.to_owned()), Value::Int);
            value = run.item(&value, &key)?;
            rest = tail;
        } else {
            return Err(Fault::value(format!("formats with the field {name:?}, which is no field")));
        }
    }
    Ok(value)
}

fn first_value<'a>(first: &str, fields: &Fields<'_, 'a>, numbering: &mut Numbering) -> Eval<Value<'a>> {
    let index = if first.is_empty() {
        let next = match *numbering {
            Numbering::Open => 0,
            Numbering::Counted(next) => next,
            Numbering::Written => return Err(Fault::value("formats with positions counted and written out")),
        };
        *numbering = Numbering::Counted(next + 1);
        Some(next)
    } else if first.bytes().all(|byte| byte.is_ascii_digit()) {
        if matches!(numbering, Numbering::Counted(_)) {
            return Err(Fault::value("formats with positions counted and written out"));
        }
        *numbering = Numbering::Written;
        Some(first.parse().unwrap_or(usize::MAX))
    } else {
        None
    };
    let found = match index {
        Some(index) => fields.positional.get(index).cloned(),
        None => (fields.named)(first),
    };
    found.ok_or_else(|| Fault::value(format!("formats with the field {first:?}, which has no value")))
}
