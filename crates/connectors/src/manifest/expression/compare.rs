//! Equality and order of values: equality never fails, order fails between kinds that have none.

use std::cmp::Ordering;
use std::rc::Rc;

use super::budget::Budget;
use super::dates::Zone;
use super::fault::{Eval, Fault};
use super::value::{Mapping, Value};

/// `left == right`.
pub(crate) fn equal<'a>(left: &Value<'a>, right: &Value<'a>) -> bool {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => left.as_str() == right.as_str(),
        (Value::None, Value::None)
        | (Value::Undefined(_), Value::Undefined(_))
        | (Value::Ellipsis, Value::Ellipsis) => true,
        (Value::Tuple(left), Value::Tuple(right)) => equal_items(left, right),
        (Value::Moment(left), Value::Moment(right)) => {
            (left.zone() == Zone::Naive) == (right.zone() == Zone::Naive) && left.micros() == right.micros()
        }
        (Value::Date(left), Value::Date(right)) | (Value::Time(left), Value::Time(right)) => left == right,
        (Value::Delta(left), Value::Delta(right)) => left == right,
        (Value::Bytes(left), Value::Bytes(right)) => left == right,
        (Value::Period(left), Value::Period(right)) => {
            left.years * 12.0 + left.months == right.years * 12.0 + right.months && left.micros == right.micros
        }
        (Value::Period(period), Value::Delta(delta)) | (Value::Delta(delta), Value::Period(period)) => {
            !period.has_months() && period.micros == *delta
        }
        (Value::Set(left), Value::Set(right)) => {
            left.len() == right.len() && left.iter().all(|item| right.iter().any(|other| equal(item, other)))
        }
        (Value::Callable(left), Value::Callable(right)) => Rc::ptr_eq(left, right),
        (Value::Namespace(left), Value::Namespace(right)) => Rc::ptr_eq(left, right),
        (left, right) if left.is_list() && right.is_list() => match (left.items(), right.items()) {
            (Ok(left), Ok(right)) => equal_items(&left, &right),
            _ => false,
        },
        (left, right) if left.is_mapping() && right.is_mapping() => equal_mappings(left, right),
        (left, right) => compare_numbers(left, right) == Some(Some(Ordering::Equal)),
    }
}

fn equal_items<'a>(left: &[Value<'a>], right: &[Value<'a>]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
}

fn equal_mappings<'a>(left: &Value<'a>, right: &Value<'a>) -> bool {
    let foreign = |value: &Value<'_>| matches!(value, Value::Mapping(Mapping::Record(_) | Mapping::Headers { .. }));
    if foreign(left) != foreign(right) {
        return false;
    }
    let entries = |value: &Value<'a>| super::methods::entries(value).unwrap_or_default();
    let (left, right) = (entries(left), entries(right));
    left.len() == right.len()
        && left
            .iter()
            .all(|(key, value)| right.iter().any(|(other_key, other)| equal(key, other_key) && equal(value, other)))
}

/// Both as numbers, if they are numbers; the inner `None` is a comparison with NaN.
fn compare_numbers<'a>(left: &Value<'a>, right: &Value<'a>) -> Option<Option<Ordering>> {
    if let (Some(left), Some(right)) = (left.as_int(), right.as_int()) {
        return Some(Some(left.cmp(&right)));
    }
    Some(left.as_float()?.partial_cmp(&right.as_float()?))
}

/// The order of two values; `None` where a NaN has none. Kinds without an order between them are a wrong type.
pub(crate) fn order<'a>(left: &Value<'a>, right: &Value<'a>, budget: &mut Budget) -> Eval<Option<Ordering>> {
    budget.spend(1)?;
    if let Some(ordering) = compare_numbers(left, right) {
        return Ok(ordering);
    }
    if let Some(undefined) = [left, right].into_iter().find(|value| value.is_undefined()) {
        return Err(undefined.undefined_fault());
    }
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Ok(Some(left.as_str().cmp(right.as_str()))),
        (Value::Tuple(left), Value::Tuple(right)) => order_items(left, right, budget),
        (left, right) if left.is_list() && right.is_list() => order_items(&left.items()?, &right.items()?, budget),
        (Value::Moment(a), Value::Moment(b)) if (a.zone() == Zone::Naive) == (b.zone() == Zone::Naive) => {
            Ok(Some(a.micros().cmp(&b.micros())))
        }
        (Value::Date(left), Value::Date(right)) | (Value::Time(left), Value::Time(right)) => Ok(Some(left.cmp(right))),
        (Value::Delta(left), Value::Delta(right)) => Ok(Some(left.cmp(right))),
        (Value::Bytes(left), Value::Bytes(right)) => Ok(Some(left.cmp(right))),
        _ => Err(Fault::wrong_type(format!("orders a {} and a {}", left.type_name(), right.type_name()))),
    }
}

fn order_items<'a>(left: &[Value<'a>], right: &[Value<'a>], budget: &mut Budget) -> Eval<Option<Ordering>> {
    for (left, right) in left.iter().zip(right) {
        budget.spend(1)?;
        if !equal(left, right) {
            return order(left, right, budget);
        }
    }
    Ok(Some(left.len().cmp(&right.len())))
}

/// `left < right`.
pub(crate) fn less<'a>(left: &Value<'a>, right: &Value<'a>, budget: &mut Budget) -> Eval<bool> {
    Ok(order(left, right, budget)? == Some(Ordering::Less))
}

/// Sorted as Python sorts: stably, comparing with `<` only, the first failure ending it.
pub(crate) fn sorted<'a>(
    mut keyed: Vec<(Value<'a>, Value<'a>)>,
    reverse: bool,
    budget: &mut Budget,
) -> Eval<Vec<Value<'a>>> {
    let mut fault = None;
    if reverse {
        keyed.reverse();
    }
    keyed.sort_by(|(left, _), (right, _)| {
        if fault.is_some() {
            return Ordering::Equal;
        }
        match (less(left, right, budget), less(right, left, budget)) {
            (Ok(true), _) => Ordering::Less,
            (Ok(false), Ok(true)) => Ordering::Greater,
            (Ok(false), Ok(false)) => Ordering::Equal,
            (Err(error), _) | (_, Err(error)) => {
                fault = Some(error);
                Ordering::Equal
            }
        }
    });
    if reverse {
        keyed.reverse();
    }
    match fault {
        Some(fault) => Err(fault),
        None => Ok(keyed.into_iter().map(|(_, value)| value).collect()),
    }
}

/// `item in container`.
pub(crate) fn contains<'a>(container: &Value<'a>, item: &Value<'a>, budget: &mut Budget) -> Eval<bool> {
    match container {
        Value::Text(text) => match item {
            Value::Text(part) => Ok(text.as_str().contains(part.as_str())),
            other => Err(Fault::wrong_type(format!("looks for a {} in a text", other.type_name()))),
        },
        Value::Mapping(mapping) => {
            super::mappings::hashable(item)?;
            Ok(item.as_str().is_some_and(|key| mapping.get(key).is_some()))
        }
        Value::Dict(dict) => {
            super::mappings::hashable(item)?;
            budget.spend(dict.borrow().entries.len())?;
            Ok(dict.borrow().entries.iter().any(|(key, _)| equal(key, item)))
        }
        other => {
            let items = other.items()?;
            budget.spend(items.len())?;
            Ok(items.iter().any(|found| equal(found, item)))
        }
    }
}
