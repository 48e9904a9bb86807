//! Arithmetic: numbers, texts and lists, dates and durations. A kind that an operator does not know is a wrong type.

use std::rc::Rc;

use super::budget::Budget;
use super::dates::{Moment, Period, Zone, calendar};
use super::fault::{Eval, Fault};
use super::formatting;
use super::numbers;
use super::syntax::Binary;
use super::value::{Text, Value};

/// The most items that a repeated or joined list may have.
const ITEMS_MAX: usize = 100_000;

pub(crate) fn binary<'a>(
    operator: Binary,
    left: &Value<'a>,
    right: &Value<'a>,
    budget: &mut Budget,
) -> Eval<Value<'a>> {
    if let (Binary::Remainder, Value::Text(format)) = (operator, left) {
        return formatting::percent(format.as_str(), right, budget).map(Value::from);
    }
    if let Some(undefined) = [left, right].into_iter().find(|value| value.is_undefined()) {
        return Err(undefined.undefined_fault());
    }
    if let (Some(left), Some(right)) = (left.as_int(), right.as_int()) {
        return integers(operator, left, right);
    }
    if let (Some(left), Some(right)) = (left.as_float(), right.as_float()) {
        return floats(operator, left, right).map(Value::Float);
    }
    let result = match operator {
        Binary::Add => add(left, right, budget)?,
        Binary::Subtract => subtract(left, right)?,
        Binary::Multiply => multiply(left, right, budget)?,
        Binary::Divide | Binary::FloorDivide | Binary::Remainder => divide(operator, left, right)?,
        Binary::Power => None,
    };
    result.ok_or_else(|| Fault::wrong_type(format!("computes with a {} and a {}", left.type_name(), right.type_name())))
}

pub(crate) fn negative<'a>(value: &Value<'a>) -> Eval<Value<'a>> {
    Ok(match value {
        Value::Float(value) => Value::Float(-value),
        Value::Delta(micros) => Value::Delta(-micros),
        Value::Period(period) => Value::Period(period.negated()),
        other => match other.as_int() {
            Some(value) => Value::Int(value.checked_neg().ok_or_else(too_large)?),
            None => return Err(unary_fault(other)),
        },
    })
}

pub(crate) fn positive<'a>(value: &Value<'a>) -> Eval<Value<'a>> {
    match value {
        Value::Float(_) | Value::Delta(_) => Ok(value.clone()),
        other => other.as_int().map(Value::Int).ok_or_else(|| unary_fault(other)),
    }
}

fn unary_fault(value: &Value<'_>) -> Box<Fault> {
    if value.is_undefined() {
        return value.undefined_fault();
    }
    Fault::wrong_type(format!("gives a sign to a {}", value.type_name()))
}

fn too_large() -> Box<Fault> {
    Fault::limit("computes an integer of more than 128 bits")
}

fn by_zero() -> Box<Fault> {
    Fault::value("divides by zero")
}

#[expect(clippy::cast_precision_loss, reason = "Python's true division rounds to a float too")]
fn integers<'a>(operator: Binary, left: i128, right: i128) -> Eval<Value<'a>> {
    let value = match operator {
        Binary::Add => left.checked_add(right),
        Binary::Subtract => left.checked_sub(right),
        Binary::Multiply => left.checked_mul(right),
        Binary::Divide if right == 0 => return Err(by_zero()),
        Binary::Divide => return Ok(Value::Float(left as f64 / right as f64)),
        Binary::FloorDivide | Binary::Remainder if right == 0 => return Err(by_zero()),
        Binary::FloorDivide => left
            .checked_div(right)
            .map(|quotient| quotient - i128::from(left % right != 0 && (left < 0) != (right < 0))),
        Binary::Remainder => {
            left.checked_rem(right).map(|rest| if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest })
        }
        Binary::Power if right < 0 => return floats(operator, left as f64, right as f64).map(Value::Float),
        Binary::Power => u32::try_from(right).ok().and_then(|exponent| left.checked_pow(exponent)),
    };
    value.map(Value::Int).ok_or_else(too_large)
}

fn floats(operator: Binary, left: f64, right: f64) -> Eval<f64> {
    let divides = matches!(operator, Binary::Divide | Binary::FloorDivide | Binary::Remainder);
    if divides && right == 0.0 {
        return Err(by_zero());
    }
    Ok(match operator {
        Binary::Add => left + right,
        Binary::Subtract => left - right,
        Binary::Multiply => left * right,
        Binary::Divide => left / right,
        Binary::FloorDivide => {
            let quotient = (left - modulo(left, right)) / right;
            if quotient == 0.0 { 0.0_f64.copysign(left / right) } else { quotient.round() }
        }
        Binary::Remainder => modulo(left, right),
        Binary::Power if left == 0.0 && right < 0.0 => return Err(by_zero()),
        Binary::Power if left < 0.0 && right.fract() != 0.0 => {
            return Err(Fault::unsupported("computes a complex number"));
        }
        Binary::Power => left.powf(right),
    })
}

/// The remainder with the divisor's sign.
fn modulo(left: f64, right: f64) -> f64 {
    let rest = left % right;
    if rest == 0.0 {
        0.0_f64.copysign(right)
    } else if (rest < 0.0) == (right < 0.0) {
        rest
    } else {
        rest + right
    }
}

fn add<'a>(left: &Value<'a>, right: &Value<'a>, budget: &mut Budget) -> Eval<Option<Value<'a>>> {
    Ok(Some(match (left, right) {
        (Value::Text(left), Value::Text(right)) => {
            budget.text(left.as_str().len() + right.as_str().len())?;
            Value::from([left.as_str(), right.as_str()].concat())
        }
        (Value::Tuple(left), Value::Tuple(right)) => {
            Value::Tuple(joined(left.to_vec(), right.to_vec(), budget)?.into())
        }
        (left, right) if left.is_list() && right.is_list() => {
            Value::list(joined(left.items()?, right.items()?, budget)?)
        }
        (Value::Moment(moment), Value::Delta(delta)) | (Value::Delta(delta), Value::Moment(moment)) => {
            later(*moment, *delta)?
        }
        (Value::Date(day), Value::Delta(delta)) | (Value::Delta(delta), Value::Date(day)) => days_later(*day, *delta)?,
        (Value::Delta(left), Value::Delta(right)) => delta(left + right)?,
        (date @ (Value::Moment(_) | Value::Date(_)), Value::Period(period))
        | (Value::Period(period), date @ (Value::Moment(_) | Value::Date(_))) => shifted(date, *period, true)?,
        (Value::Period(left), Value::Period(right)) => Value::Period(sum(*left, *right)),
        (Value::Period(period), Value::Delta(delta)) | (Value::Delta(delta), Value::Period(period)) => {
            Value::Period(sum(*period, exact(*delta)))
        }
        _ => return Ok(None),
    }))
}

fn subtract<'a>(left: &Value<'a>, right: &Value<'a>) -> Eval<Option<Value<'a>>> {
    Ok(Some(match (left, right) {
        (Value::Moment(a), Value::Moment(b)) if (a.zone() == Zone::Naive) == (b.zone() == Zone::Naive) => {
            delta(i128::from(a.micros()) - i128::from(b.micros()))?
        }
        (Value::Moment(moment), Value::Delta(delta)) => later(*moment, -delta)?,
        (Value::Date(left), Value::Date(right)) => delta(i128::from((left - right) * calendar::DAY_MICROS))?,
        (Value::Date(day), Value::Delta(delta)) => {
            // Python takes the days of the duration first, and only then turns their sign.
            let days = delta.div_euclid(calendar::DAY_MICROS.into());
            days_later(*day, -days * i128::from(calendar::DAY_MICROS))?
        }
        (Value::Delta(left), Value::Delta(right)) => delta(left - right)?,
        (date @ (Value::Moment(_) | Value::Date(_)), Value::Period(period)) => shifted(date, *period, false)?,
        (Value::Period(left), Value::Period(right)) => Value::Period(sum(*left, right.negated())),
        (Value::Period(period), Value::Delta(delta)) => Value::Period(sum(*period, exact(-delta))),
        (Value::Delta(delta), Value::Period(period)) => Value::Period(sum(exact(*delta), period.negated())),
        (Value::Set(left), Value::Set(right)) => {
            let kept = left.iter().filter(|item| !right.iter().any(|other| super::compare::equal(item, other)));
            Value::Set(kept.cloned().collect())
        }
        _ => return Ok(None),
    }))
}

fn multiply<'a>(left: &Value<'a>, right: &Value<'a>, budget: &mut Budget) -> Eval<Option<Value<'a>>> {
    let (value, times) = match (left.as_float(), right.as_float()) {
        (None, Some(_)) => (left, right),
        (Some(_), None) => (right, left),
        _ => return Ok(None),
    };
    if let Value::Delta(micros) = value {
        return scaled(*micros, times).map(Some);
    }
    let Some(count) = times.as_int() else { return Ok(None) };
    let repeat = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
    Ok(Some(match value {
        Value::Text(text) => {
            budget.text(text.as_str().len().saturating_mul(repeat))?;
            Value::from(text.as_str().repeat(repeat))
        }
        Value::Tuple(items) => Value::Tuple(repeated(items.to_vec(), repeat, budget)?.into()),
        list if list.is_list() => Value::list(repeated(list.items()?, repeat, budget)?),
        Value::Period(period) => {
            let micros = period.micros.checked_mul(count).ok_or_else(too_large)?;
            #[expect(clippy::cast_precision_loss, reason = "a count of months that floats cannot hold is no duration")]
            let factor = count as f64;
            Value::Period(Period { years: period.years * factor, months: period.months * factor, micros })
        }
        _ => return Ok(None),
    }))
}

fn divide<'a>(operator: Binary, left: &Value<'a>, right: &Value<'a>) -> Eval<Option<Value<'a>>> {
    let Value::Delta(micros) = left else { return Ok(None) };
    #[expect(clippy::cast_precision_loss, reason = "Python divides durations as floats")]
    let value = match (operator, right) {
        (_, Value::Delta(0)) => return Err(by_zero()),
        (Binary::Divide, Value::Delta(other)) => Value::Float(*micros as f64 / *other as f64),
        (Binary::FloorDivide, Value::Delta(other)) => Value::Int(floor_div(*micros, *other)),
        (Binary::Remainder, Value::Delta(other)) => Value::Delta(micros - floor_div(*micros, *other) * other),
        (Binary::Divide, other) => match (other.as_int(), other.as_float()) {
            (Some(0), _) => return Err(by_zero()),
            (Some(count), _) => Value::Delta(rounded_div(*micros, count)),
            (None, Some(0.0)) => return Err(by_zero()),
            (None, Some(factor)) => delta(numbers::truncated((*micros as f64 / factor).round_ties_even()))?,
            _ => return Ok(None),
        },
        (Binary::FloorDivide, other) => match other.as_int() {
            Some(0) => return Err(by_zero()),
            Some(count) => Value::Delta(floor_div(*micros, count)),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn floor_div(left: i128, right: i128) -> i128 {
    let quotient = left / right;
    quotient - i128::from(left % right != 0 && (left < 0) != (right < 0))
}

/// Divided and rounded half to even.
fn rounded_div(left: i128, right: i128) -> i128 {
    let quotient = floor_div(left, right);
    let twice = ((left - quotient * right) * 2).abs();
    let up = twice > right.abs() || (twice == right.abs() && quotient % 2 != 0);
    quotient + i128::from(up)
}

fn scaled<'a>(micros: i128, times: &Value<'_>) -> Eval<Value<'a>> {
    if let Some(count) = times.as_int() {
        return delta(micros.checked_mul(count).ok_or_else(too_large)?);
    }
    #[expect(clippy::cast_precision_loss, reason = "Python goes through a ratio; at these sizes it is the same")]
    let product = micros as f64 * times.as_float().unwrap_or(f64::NAN);
    if !product.is_finite() {
        return Err(Fault::value("computes a duration that is not finite"));
    }
    delta(numbers::truncated(product.round_ties_even()))
}

fn joined<'a>(mut left: Vec<Value<'a>>, right: Vec<Value<'a>>, budget: &mut Budget) -> Eval<Vec<Value<'a>>> {
    check_items(left.len() + right.len(), budget)?;
    left.extend(right);
    Ok(left)
}

fn repeated<'a>(items: Vec<Value<'a>>, times: usize, budget: &mut Budget) -> Eval<Vec<Value<'a>>> {
    check_items(items.len().saturating_mul(times), budget)?;
    Ok(std::iter::repeat_n(items, times).flatten().collect())
}

fn check_items(count: usize, budget: &mut Budget) -> Eval<()> {
    if count > ITEMS_MAX {
        return Err(Fault::limit(format!("makes a list of more than {ITEMS_MAX} items")));
    }
    budget.spend(count)
}

fn delta<'a>(micros: i128) -> Eval<Value<'a>> {
    super::dates::checked_delta(micros).map(Value::Delta).map_err(|error| Fault::value(error.to_string()))
}

fn later<'a>(moment: Moment, delta: i128) -> Eval<Value<'a>> {
    moment.plus(delta).map(Value::Moment).map_err(|error| Fault::value(error.to_string()))
}

/// A date so much later: the parts of a day do not count.
fn days_later<'a>(day: i64, delta: i128) -> Eval<Value<'a>> {
    let days = i128::from(day) + delta.div_euclid(calendar::DAY_MICROS.into());
    match i64::try_from(days) {
        Ok(days) if (calendar::DAY_MIN..=calendar::DAY_MAX).contains(&days) => Ok(Value::Date(days)),
        _ => Err(Fault::value("computes a date outside of the years 1 to 9999")),
    }
}

fn exact(micros: i128) -> Period {
    Period { years: 0.0, months: 0.0, micros }
}

fn sum(left: Period, right: Period) -> Period {
    Period { years: left.years + right.years, months: left.months + right.months, micros: left.micros + right.micros }
}

fn shifted<'a>(date: &Value<'a>, period: Period, later: bool) -> Eval<Value<'a>> {
    let months_only = Period { micros: 0, ..period };
    let moment = match date {
        Value::Moment(moment) => *moment,
        Value::Date(day) => Moment { wall: day * calendar::DAY_MICROS, zone: Zone::Naive },
        other => return Err(unary_fault(other)),
    };
    let moved = if later { months_only.after(moment) } else { months_only.before(moment) };
    let moved = moved.map_err(|error| Fault::value(error.to_string()))?;
    let moved = if matches!(date, Value::Date(_)) { Value::Date(moved.day()) } else { Value::Moment(moved) };
    let exact = Value::Delta(period.micros);
    let result = if later { add(&moved, &exact, &mut Budget::new())? } else { subtract(&moved, &exact)? };
    result.ok_or_else(|| Fault::value("computes a date that is none"))
}

/// Texts one after another.
pub(crate) fn concat<'a>(parts: &[Value<'a>], budget: &mut Budget) -> Eval<Value<'a>> {
    let mut text = String::new();
    for part in parts {
        super::print::write_str(part, &mut text, budget)?;
    }
    Ok(Value::Text(Text::Shared(Rc::from(text))))
}
