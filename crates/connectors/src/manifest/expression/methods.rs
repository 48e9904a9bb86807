//! Attributes and methods of the values' types, by Python's names.

mod date;
mod dict;
mod list;
mod text;

pub(crate) use text::{capitalized, centred, lines, replaced};

use super::arguments::Given;
use super::dates::{DateError, Moment, strptime};
use super::evaluate::{Run, mapping_property};
use super::fault::{Eval, Fault};
use super::value::{Callable, Value, View};

/// An attribute that is a value of its own, not a method.
pub(crate) fn property<'a>(object: &Value<'a>, name: &str) -> Option<Value<'a>> {
    match object {
        Value::Moment(_) | Value::Date(_) | Value::Time(_) | Value::Delta(_) | Value::Period(_) => {
            date::property(object, name)
        }
        Value::Mapping(mapping) => mapping_property(*mapping, name),
        Value::Loop(state) => loop_property(state, name),
        Value::Callable(callable) => match (&**callable, name) {
            (Callable::Cycler(items, at), "current") => Some(items[*at.borrow()].clone()),
            _ => None,
        },
        Value::Tuple(items) if items.len() == 2 && name == "grouper" => Some(items[0].clone()),
        Value::Tuple(items) if items.len() == 2 && name == "list" => Some(items[1].clone()),
        Value::Bool(_) | Value::Int(_) => match name {
            "real" | "numerator" => object.as_int().map(Value::Int),
            "imag" => Some(Value::Int(0)),
            "denominator" => Some(Value::Int(1)),
            _ => None,
        },
        Value::Float(value) => match name {
            "real" => Some(Value::Float(*value)),
            "imag" => Some(Value::Float(0.0)),
            _ => None,
        },
        _ => None,
    }
}

fn loop_property<'a>(state: &super::value::Loop<'a>, name: &str) -> Option<Value<'a>> {
    let count = |value: usize| i128::try_from(value).ok().map(Value::Int);
    let length = state.items.len();
    let neighbour =
        |at: Option<usize>| Some(at.and_then(|at| state.items.get(at).cloned()).unwrap_or_else(Value::nothing));
    match name {
        "index" => count(state.index + 1),
        "index0" => count(state.index),
        "revindex" => count(length - state.index),
        "revindex0" => count(length - state.index - 1),
        "first" => Some(Value::Bool(state.index == 0)),
        "last" => Some(Value::Bool(state.index + 1 == length)),
        "length" => count(length),
        "depth" => count(state.depth + 1),
        "depth0" => count(state.depth),
        "previtem" => neighbour(state.index.checked_sub(1)),
        "nextitem" => neighbour(Some(state.index + 1)),
        _ => None,
    }
}

/// Whether the type has a method of that name.
pub(crate) fn exists(object: &Value<'_>, name: &str) -> bool {
    let names: &[&str] = match object {
        Value::Text(_) => &text::NAMES,
        Value::Array(_) | Value::List(_) => &list::NAMES,
        Value::Tuple(_) => &["index", "count"],
        Value::Dict(_) => &dict::NAMES,
        Value::Mapping(_) => &dict::NAMES,
        Value::Moment(_) => &date::MOMENT_NAMES,
        Value::Date(_) => &date::DATE_NAMES,
        Value::Time(_) => &["isoformat", "strftime"],
        Value::Delta(_) => &["total_seconds"],
        Value::Period(_) => &["totimedelta", "total_seconds"],
        Value::Bool(_) | Value::Int(_) => &["bit_length", "conjugate", "as_integer_ratio", "bit_count"],
        Value::Float(_) => &["is_integer", "conjugate"],
        Value::Bytes(_) => &["decode", "hex"],
        Value::Loop(_) => &["cycle", "changed"],
        Value::Callable(callable) if matches!(**callable, Callable::Cycler(..)) => &["next", "reset"],
        _ => &[],
    };
    names.contains(&name)
}

pub(crate) fn call<'a>(run: &mut Run<'a>, object: &Value<'a>, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    match object {
        Value::Text(text) => text::call(run, text, name, arguments),
        Value::Array(_) | Value::List(_) | Value::Tuple(_) => list::call(run, object, name, arguments),
        Value::Dict(_) | Value::Mapping(_) => dict::call(run, object, name, arguments),
        Value::Moment(_) | Value::Date(_) | Value::Time(_) | Value::Delta(_) | Value::Period(_) => {
            date::call(run, object, name, arguments)
        }
        Value::Bytes(bytes) => call_bytes(bytes, name, arguments),
        Value::Loop(state) => call_loop(run, state, name, arguments),
        Value::Callable(callable) => call_cycler(callable, name, arguments),
        other => call_number(other, name, arguments),
    }
}

fn call_bytes<'a>(bytes: &[u8], name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    if name == "hex" {
        let [] = arguments.bind(name, [], 0)?;
        return Ok(Value::from(data_encoding::HEXLOWER.encode(bytes)));
    }
    let [_encoding, _errors] = arguments.bind(name, ["encoding", "errors"], 0)?;
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::value("decodes bytes that are not UTF-8"))?;
    Ok(Value::from(text.to_owned()))
}

fn call_loop<'a>(
    run: &mut Run<'a>,
    state: &super::value::Loop<'a>,
    name: &str,
    arguments: Given<'a>,
) -> Eval<Value<'a>> {
    let values = arguments.positional;
    if name == "cycle" {
        return match values.len() {
            0 => Err(Fault::wrong_type("cycles through nothing")),
            length => Ok(values[state.index % length].clone()),
        };
    }
    values.iter().try_for_each(|value| run.may_hold(None, value))?;
    let same = |last: &Vec<Value<'a>>| {
        last.len() == values.len() && last.iter().zip(&values).all(|(last, value)| super::compare::equal(last, value))
    };
    let changed = !state.changed.borrow().as_ref().is_some_and(same);
    if changed {
        state.changed.replace(Some(values));
    }
    Ok(Value::Bool(changed))
}

fn call_cycler<'a>(callable: &Callable<'a>, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind(name, [], 0)?;
    let Callable::Cycler(items, at) = callable else { return Err(Fault::wrong_type("calls a function's method")) };
    if name == "reset" {
        at.replace(0);
        return Ok(Value::None);
    }
    let index = at.replace_with(|at| (*at + 1) % items.len());
    Ok(items[index].clone())
}

fn call_number<'a>(object: &Value<'a>, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind_unnamed(name, 0)?;
    let whole = object.as_int();
    Ok(match (name, whole, object) {
        ("conjugate", Some(value), _) => Value::Int(value),
        ("conjugate", None, value) => value.clone(),
        ("bit_length", Some(value), _) => Value::Int(i128::from(128 - value.unsigned_abs().leading_zeros())),
        ("bit_count", Some(value), _) => Value::Int(value.unsigned_abs().count_ones().into()),
        ("as_integer_ratio", Some(value), _) => Value::Tuple([Value::Int(value), Value::Int(1)].into()),
        ("is_integer", _, Value::Float(value)) => Value::Bool(value.fract() == 0.0 && value.is_finite()),
        _ => return Err(Fault::wrong_type(format!("calls `{name}` on a {}", object.type_name()))),
    })
}

/// The keys and values of a mapping; anything else is a wrong type.
pub(crate) fn entries<'a>(value: &Value<'a>) -> Eval<Vec<(Value<'a>, Value<'a>)>> {
    match value {
        Value::Dict(dict) | Value::Namespace(dict) => Ok(dict.borrow().entries.clone()),
        Value::Mapping(mapping) => Ok(mapping.entries()),
        Value::Undefined(_) => Err(Fault::wrong_type("uses something undefined as a mapping")),
        other => Err(Fault::wrong_type(format!("uses a {} as a mapping", other.type_name()))),
    }
}

/// What `dict()` takes: a mapping, or pairs.
pub(crate) fn pairs<'a>(value: &Value<'a>) -> Eval<Vec<(Value<'a>, Value<'a>)>> {
    if value.is_mapping() {
        return entries(value);
    }
    value
        .items()?
        .into_iter()
        .map(|pair| {
            let pair = pair.items()?;
            match <[Value<'a>; 2]>::try_from(pair) {
                Ok([key, value]) => Ok((key, value)),
                Err(pair) => Err(Fault::value(format!("makes an entry of {} values", pair.len()))),
            }
        })
        .collect()
}

/// The keys, values or items of a mapping, as `.keys()` and so on give them.
pub(crate) fn view<'a>(value: &Value<'a>, view: View) -> Eval<Value<'a>> {
    let items = entries(value)?.into_iter().map(|(key, value)| match view {
        View::Keys => key,
        View::Values => value,
        View::Items => Value::Tuple([key, value].into()),
    });
    Ok(Value::View(view, items.collect()))
}

pub(crate) fn date_fault(error: DateError) -> Box<Fault> {
    Fault::value(error.to_string())
}

/// A text read with a format of Python's own.
pub(crate) fn moment_of(value: &Value<'_>, format: &str) -> Eval<Moment> {
    let text = value.as_str().ok_or_else(|| Fault::wrong_type("reads as a date what is no text"))?;
    strptime(text, format).map_err(date_fault)
}

/// An integer argument; a float or a text is a wrong type.
pub(crate) fn int_of(value: &Value<'_>) -> Eval<i128> {
    match value {
        Value::Undefined(_) => Err(Fault::wrong_type("counts with something undefined")),
        other => other.as_int().ok_or_else(|| Fault::wrong_type(format!("counts with a {}", other.type_name()))),
    }
}

/// An integer argument that may be left out or none.
pub(crate) fn maybe_int(value: Option<&Value<'_>>) -> Eval<Option<i128>> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(value) => int_of(value).map(Some),
    }
}

/// A count for a width or a number of parts, held within what a text may be.
pub(crate) fn size_of(value: i128) -> usize {
    usize::try_from(value.max(0)).unwrap_or(usize::MAX).min(super::budget::TEXT_BYTES_MAX + 1)
}
