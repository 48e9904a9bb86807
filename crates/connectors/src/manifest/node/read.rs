//! Reading typed values from nodes.

use std::sync::Arc;

use serde_json::Value as Json;

use super::tree::Value;
use super::{Node, Problem};

/// What can be read from a node: plain values here, and every component in its own family.
pub trait Read: Sized {
    fn read(node: &Node) -> Result<Self, Problem>;
}

impl Read for Node {
    fn read(node: &Node) -> Result<Self, Problem> {
        node.layers()?;
        Ok(node.clone())
    }
}

impl Read for String {
    fn read(node: &Node) -> Result<Self, Problem> {
        match node.layers()?.value() {
            Value::Text(text) => Ok(text.to_string()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(node.wrong("a text")),
        }
    }
}

impl Read for Arc<str> {
    fn read(node: &Node) -> Result<Self, Problem> {
        match node.layers()?.value() {
            Value::Text(text) => Ok(Self::clone(text)),
            _ => String::read(node).map(Into::into),
        }
    }
}

impl Read for bool {
    fn read(node: &Node) -> Result<Self, Problem> {
        match node.layers()?.value() {
            Value::Bool(flag) => Ok(*flag),
            _ => Err(node.wrong("true or false")),
        }
    }
}

impl Read for u64 {
    fn read(node: &Node) -> Result<Self, Problem> {
        let expects = "a whole number from 0";
        let Value::Number(number) = node.layers()?.value() else { return Err(node.wrong(expects)) };
        let rounded = number.as_f64().filter(|value| value.fract() == 0.0 && (0.0..9e15).contains(value));
        number.as_u64().or(rounded.map(|value| value as Self)).ok_or_else(|| node.wrong(expects))
    }
}

impl Read for u32 {
    fn read(node: &Node) -> Result<Self, Problem> {
        let value = u64::read(node)?;
        value.try_into().map_err(|_| node.wrong(format!("a whole number up to {}", Self::MAX)))
    }
}

impl Read for usize {
    fn read(node: &Node) -> Result<Self, Problem> {
        u64::read(node)?.try_into().map_err(|_| node.wrong("a smaller number"))
    }
}

impl Read for i64 {
    fn read(node: &Node) -> Result<Self, Problem> {
        match node.layers()?.value() {
            Value::Number(number) => number.as_i64().ok_or_else(|| node.wrong("a whole number")),
            _ => Err(node.wrong("a whole number")),
        }
    }
}

impl Read for f64 {
    fn read(node: &Node) -> Result<Self, Problem> {
        match node.layers()?.value() {
            Value::Number(number) => number.as_f64().ok_or_else(|| node.wrong("a number")),
            _ => Err(node.wrong("a number")),
        }
    }
}

impl Read for Json {
    fn read(node: &Node) -> Result<Self, Problem> {
        node.json()
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node) -> Result<Self, Problem> {
        node.items()?.iter().map(T::read).collect()
    }
}

impl<T: Read> Read for Arc<T> {
    fn read(node: &Node) -> Result<Self, Problem> {
        T::read(node).map(Self::new)
    }
}
