//! A result as JSON text, written without recursion and never longer than allowed.

use bytes::Bytes;
use jsonata_core::value::JValue;

use super::error::ExpressionError;
use super::weight::{NESTING_MAX, over_limit};
use super::{ExpressionErrorKind, Limits};

/// What is still to be written.
enum Task<'a> {
    Value(&'a JValue, usize),
    Field(&'a str, &'a JValue, usize),
    Text(&'static str),
}

/// `None` where the language says "nothing". A function is no result.
pub(super) fn to_json(value: &JValue, limits: &Limits) -> Result<Option<Bytes>, ExpressionError> {
    if value.is_undefined() {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(256);
    let mut tasks = vec![Task::Value(value, 0)];
    while let Some(task) = tasks.pop() {
        match task {
            Task::Text(text) => out.extend_from_slice(text.as_bytes()),
            Task::Field(name, value, depth) => {
                text(&mut out, name)?;
                out.push(b':');
                tasks.push(Task::Value(value, depth));
            }
            Task::Value(value, depth) => write(&mut out, &mut tasks, value, depth)?,
        }
        if out.len() > limits.result_bytes {
            let words = format!("a result of more than {} bytes", limits.result_bytes);
            return Err(ExpressionError::failed(over_limit(&words)));
        }
    }
    Ok(Some(out.into()))
}

fn write<'a>(
    out: &mut Vec<u8>,
    tasks: &mut Vec<Task<'a>>,
    value: &'a JValue,
    depth: usize,
) -> Result<(), ExpressionError> {
    if depth > NESTING_MAX {
        return Err(ExpressionError::failed(over_limit(&format!("a result of more than {NESTING_MAX} levels"))));
    }
    match value {
        // Nothing inside of an array has to stay an item: the language keeps the place as null.
        JValue::Null | JValue::Undefined => out.extend_from_slice(b"null"),
        JValue::Bool(true) => out.extend_from_slice(b"true"),
        JValue::Bool(false) => out.extend_from_slice(b"false"),
        JValue::Number(value) => number(out, *value)?,
        JValue::String(value) => text(out, value)?,
        JValue::Array(items) => {
            out.push(b'[');
            tasks.push(Task::Text("]"));
            for (at, item) in items.iter().enumerate().rev() {
                tasks.push(Task::Value(item, depth + 1));
                if at > 0 {
                    tasks.push(Task::Text(","));
                }
            }
        }
        JValue::Object(fields) => {
            out.push(b'{');
            tasks.push(Task::Text("}"));
            let mut shown = fields.iter().filter(|(_, field)| !field.is_undefined()).rev().peekable();
            while let Some((name, field)) = shown.next() {
                tasks.push(Task::Field(name, field, depth + 1));
                if shown.peek().is_some() {
                    tasks.push(Task::Text(","));
                }
            }
        }
        JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => {
            return Err(ExpressionError::of(
                ExpressionErrorKind::Failed,
                "the result holds a function, which is no JSON".to_owned(),
                Some("call it, or leave it out".to_owned()),
            ));
        }
    }
    Ok(())
}

/// Integers as integers, as the language prints them; others in the shortest form that reads back the same.
fn number(out: &mut Vec<u8>, value: f64) -> Result<(), ExpressionError> {
    const EXACT_MAX: f64 = (1u64 << 53) as f64;
    let written = if value.fract() == 0.0 && value.abs() <= EXACT_MAX {
        serde_json::to_writer(out, &(value as i64))
    } else if value.is_finite() {
        serde_json::to_writer(out, &value)
    } else {
        return Err(ExpressionError::failed(over_limit("the result holds a number that JSON cannot write")));
    };
    written.map_err(ExpressionError::root)
}

fn text(out: &mut Vec<u8>, text: &str) -> Result<(), ExpressionError> {
    serde_json::to_writer(out, text).map_err(ExpressionError::root)
}
