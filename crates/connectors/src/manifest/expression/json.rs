//! Values as JSON texts, as Python's `json.dumps` writes them.

use super::budget::{Budget, NESTING_MAX};
use super::compare;
use super::fault::{Eval, Fault};
use super::numbers::float_text;
use super::value::{Mapping, Value};

/// How a JSON text is laid out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    pub sort_keys: bool,
    /// What a level is indented with; everything is on one line without it.
    pub indent: Option<String>,
}

pub(crate) fn dumps(value: &Value<'_>, layout: &Layout, budget: &mut Budget) -> Eval<String> {
    let mut text = String::new();
    write(value, layout, 0, &mut text, budget)?;
    Ok(text)
}

fn write(value: &Value<'_>, layout: &Layout, depth: usize, text: &mut String, budget: &mut Budget) -> Eval<()> {
    budget.spend(1)?;
    if depth > NESTING_MAX {
        return Err(Fault::limit(format!("writes JSON nested deeper than {NESTING_MAX} levels")));
    }
    match value {
        Value::None => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => text.push_str(&value.to_string()),
        Value::Float(value) => text.push_str(&number(*value)),
        Value::Text(inner) => quote(inner.as_str(), text),
        Value::Array(_) | Value::List(_) | Value::Tuple(_) => {
            write_items(&value.items()?, layout, depth, text, budget)?;
        }
        Value::Dict(dict) => write_entries(dict.borrow().entries.clone(), layout, depth, text, budget)?,
        Value::Mapping(Mapping::Object(_) | Mapping::Empty | Mapping::Headers { links: true, .. }) => {
            write_entries(super::methods::entries(value)?, layout, depth, text, budget)?;
        }
        other => return Err(Fault::wrong_type(format!("writes a {} as JSON", other.type_name()))),
    }
    budget.text(text.len() / 8)
}

fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        value => float_text(value),
    }
}

fn write_items(items: &[Value<'_>], layout: &Layout, depth: usize, text: &mut String, budget: &mut Budget) -> Eval<()> {
    text.push('[');
    for (at, item) in items.iter().enumerate() {
        separate(at, layout, depth + 1, text);
        write(item, layout, depth + 1, text, budget)?;
    }
    if !items.is_empty() {
        new_line(layout, depth, text);
    }
    text.push(']');
    Ok(())
}

fn write_entries<'a>(
    mut entries: Vec<(Value<'a>, Value<'a>)>,
    layout: &Layout,
    depth: usize,
    text: &mut String,
    budget: &mut Budget,
) -> Eval<()> {
    if layout.sort_keys {
        let keyed = entries.iter().map(|(key, value)| (key.clone(), Value::Tuple([key.clone(), value.clone()].into())));
        entries = compare::sorted(keyed.collect(), false, budget)?
            .into_iter()
            .filter_map(|pair| match pair {
                Value::Tuple(pair) => Some((pair[0].clone(), pair[1].clone())),
                _ => None,
            })
            .collect();
    }
    text.push('{');
    for (at, (key, value)) in entries.iter().enumerate() {
        separate(at, layout, depth + 1, text);
        write_key(key, text)?;
        text.push_str(": ");
        write(value, layout, depth + 1, text, budget)?;
    }
    if !entries.is_empty() {
        new_line(layout, depth, text);
    }
    text.push('}');
    Ok(())
}

fn separate(at: usize, layout: &Layout, depth: usize, text: &mut String) {
    if at > 0 {
        text.push_str(if layout.indent.is_some() { "," } else { ", " });
    }
    new_line(layout, depth, text);
}

fn new_line(layout: &Layout, depth: usize, text: &mut String) {
    if let Some(indent) = &layout.indent {
        text.push('\n');
        text.push_str(&indent.repeat(depth));
    }
}

fn write_key(key: &Value<'_>, text: &mut String) -> Eval<()> {
    let name = match key {
        Value::Text(name) => name.as_str().to_owned(),
        Value::None => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => number(*value),
        other => return Err(Fault::wrong_type(format!("writes a {} as a key of JSON", other.type_name()))),
    };
    quote(&name, text);
    Ok(())
}

/// A JSON text of ASCII only.
fn quote(inner: &str, text: &mut String) {
    text.push('"');
    for character in inner.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            ' '..='~' => text.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    text.push('"');
}
