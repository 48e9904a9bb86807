//! What may stand after `is`: the tests of the template language.

use super::arguments::Given;
use super::budget::Budget;
use super::compare;
use super::fault::Eval;
use super::syntax::Binary;
use super::value::{Mapping, Value};
use super::{filters, operators, print};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    Boolean,
    Callable,
    Defined,
    DivisibleBy,
    Equal,
    Escaped,
    Even,
    False,
    Filter,
    Float,
    GreaterOrEqual,
    Greater,
    In,
    Integer,
    Iterable,
    LessOrEqual,
    Less,
    Lower,
    Mapping,
    NotEqual,
    None,
    Number,
    Odd,
    SameAs,
    Sequence,
    Text,
    Test,
    True,
    Undefined,
    Upper,
}

impl Check {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "callable" => Self::Callable,
            "defined" => Self::Defined,
            "divisibleby" => Self::DivisibleBy,
            "eq" | "==" | "equalto" => Self::Equal,
            "escaped" => Self::Escaped,
            "even" => Self::Even,
            "false" => Self::False,
            "filter" => Self::Filter,
            "float" => Self::Float,
            "ge" | ">=" => Self::GreaterOrEqual,
            "gt" | ">" | "greaterthan" => Self::Greater,
            "in" => Self::In,
            "integer" => Self::Integer,
            "iterable" => Self::Iterable,
            "le" | "<=" => Self::LessOrEqual,
            "lt" | "<" | "lessthan" => Self::Less,
            "lower" => Self::Lower,
            "mapping" => Self::Mapping,
            "ne" | "!=" => Self::NotEqual,
            "none" => Self::None,
            "number" => Self::Number,
            "odd" => Self::Odd,
            "sameas" => Self::SameAs,
            "sequence" => Self::Sequence,
            "string" => Self::Text,
            "test" => Self::Test,
            "true" => Self::True,
            "undefined" => Self::Undefined,
            "upper" => Self::Upper,
            _ => return None,
        })
    }

    /// Whether the value passes.
    pub(crate) fn holds<'a>(self, value: &Value<'a>, arguments: Given<'a>, budget: &mut Budget) -> Eval<bool> {
        if let Some(other) = self.other(&arguments)? {
            return self.compares(value, &other, budget);
        }
        let [] = arguments.bind("test", [], 0)?;
        Ok(match self {
            Self::Boolean => matches!(value, Value::Bool(_)),
            // Something undefined has a way of being called, if only to fail.
            Self::Callable => matches!(value, Value::Callable(_) | Value::Loop(_) | Value::Undefined(_)),
            Self::Defined => !value.is_undefined(),
            Self::Even => is_remainder(value, 0, budget)?,
            Self::Odd => is_remainder(value, 1, budget)?,
            Self::False => matches!(value, Value::Bool(false)),
            Self::True => matches!(value, Value::Bool(true)),
            Self::Filter => named(value, |name| filters::Filter::named(name).is_some())?,
            Self::Test => named(value, |name| Self::named(name).is_some())?,
            Self::Float => matches!(value, Value::Float(_)),
            Self::Integer => matches!(value, Value::Int(_)),
            Self::Number => value.as_float().is_some(),
            Self::Iterable => is_iterable(value),
            Self::Sequence => is_sequence(value),
            Self::Lower => has_case(&print::to_str(value, budget)?, char::is_lowercase, char::is_uppercase),
            Self::Upper => has_case(&print::to_str(value, budget)?, char::is_uppercase, char::is_lowercase),
            Self::Mapping => value.is_mapping(),
            Self::None => matches!(value, Value::None),
            Self::Text => value.as_str().is_some(),
            Self::Undefined => value.is_undefined(),
            _ => false,
        })
    }

    /// The second value of the tests that compare two.
    fn other<'a>(self, arguments: &Given<'a>) -> Eval<Option<Value<'a>>> {
        let parameter = match self {
            Self::DivisibleBy => "num",
            Self::SameAs => "other",
            Self::In => "seq",
            Self::Equal | Self::NotEqual | Self::Greater | Self::GreaterOrEqual | Self::Less | Self::LessOrEqual => {
                let [other] = arguments.clone().bind_unnamed("test", 1)?;
                return Ok(other);
            }
            _ => return Ok(None),
        };
        let [other] = arguments.clone().bind("test", [parameter], 1)?;
        Ok(other)
    }

    fn compares<'a>(self, value: &Value<'a>, other: &Value<'a>, budget: &mut Budget) -> Eval<bool> {
        let ordering = |budget: &mut Budget| compare::order(value, other, budget);
        Ok(match self {
            Self::DivisibleBy => {
                let rest = operators::binary(Binary::Remainder, value, other, budget)?;
                compare::equal(&rest, &Value::Int(0))
            }
            Self::SameAs => same(value, other),
            Self::In => compare::contains(other, value, budget)?,
            Self::Equal => compare::equal(value, other),
            Self::NotEqual => !compare::equal(value, other),
            Self::Greater => ordering(budget)?.is_some_and(std::cmp::Ordering::is_gt),
            Self::GreaterOrEqual => ordering(budget)?.is_some_and(std::cmp::Ordering::is_ge),
            Self::Less => ordering(budget)?.is_some_and(std::cmp::Ordering::is_lt),
            _ => ordering(budget)?.is_some_and(std::cmp::Ordering::is_le),
        })
    }
}

fn is_remainder(value: &Value<'_>, expected: i128, budget: &mut Budget) -> Eval<bool> {
    let rest = operators::binary(Binary::Remainder, value, &Value::Int(2), budget)?;
    Ok(compare::equal(&rest, &Value::Int(expected)))
}

fn named(value: &Value<'_>, known: impl Fn(&str) -> bool) -> Eval<bool> {
    super::mappings::hashable(value)?;
    Ok(value.as_str().is_some_and(known))
}

/// Python's `is`, as far as it is not chance: small values are one and the same.
fn same<'a>(value: &Value<'a>, other: &Value<'a>) -> bool {
    match (value, other) {
        (Value::None, Value::None) => true,
        (Value::Bool(value), Value::Bool(other)) => value == other,
        (Value::Int(value), Value::Int(other)) => value == other && (-5..=256).contains(value),
        (Value::Array(value), Value::Array(other)) => std::ptr::eq(*value, *other),
        (Value::Mapping(Mapping::Object(value)), Value::Mapping(Mapping::Object(other))) => {
            std::ptr::eq(*value, *other)
        }
        (Value::List(value), Value::List(other)) => std::rc::Rc::ptr_eq(value, other),
        (Value::Dict(value), Value::Dict(other)) => std::rc::Rc::ptr_eq(value, other),
        (Value::Text(value), Value::Text(other)) => value.as_str() == other.as_str(),
        _ => false,
    }
}

pub(crate) fn is_iterable(value: &Value<'_>) -> bool {
    !matches!(
        value,
        Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::Moment(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::Delta(_)
            | Value::Period(_)
            | Value::Ellipsis
            | Value::Callable(_)
            | Value::Namespace(_)
    )
}

fn is_sequence(value: &Value<'_>) -> bool {
    let subscriptable = matches!(value, Value::Text(_) | Value::Tuple(_) | Value::Bytes(_) | Value::Undefined(_));
    subscriptable || value.is_list() || value.is_mapping()
}

/// Python's `islower` and `isupper`: some cased character, and none of the other case.
pub(crate) fn has_case(text: &str, wanted: fn(char) -> bool, other: fn(char) -> bool) -> bool {
    text.chars().any(wanted) && !text.chars().any(other)
}
