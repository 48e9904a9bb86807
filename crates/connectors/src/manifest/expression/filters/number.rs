//! Numbers: converting, rounding, sizes for people.

use crate::manifest::expression::arguments::Given;
use crate::manifest::expression::evaluate::Run;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::methods::int_of;
use crate::manifest::expression::numbers;
use crate::manifest::expression::value::Value;

pub(super) fn abs<'a>(_run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind_unnamed("abs", 0)?;
    match value {
        Value::Float(value) => Ok(Value::Float(value.abs())),
        Value::Delta(micros) => Ok(Value::Delta(micros.abs())),
        Value::Undefined(_) => Err(Fault::wrong_type("takes the size of something undefined")),
        other => match other.as_int().and_then(i128::checked_abs) {
            Some(value) => Ok(Value::Int(value)),
            None => Err(Fault::wrong_type(format!("takes the size of a {}", other.type_name()))),
        },
    }
}

/// Python's `int()`, then `int(float())`, then the default.
pub(super) fn int<'a>(_run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [default, base] = arguments.bind("int", ["default", "base"], 0)?;
    let base = base.map(|base| int_of(&base)).transpose()?.unwrap_or(10);
    let default = default.unwrap_or(Value::Int(0));
    let parsed = match &value {
        Value::Undefined(_) => return Err(value.undefined_fault()),
        Value::Text(text) => u32::try_from(base).ok().and_then(|base| numbers::parse_int(text.as_str(), base)),
        Value::Float(float) if float.is_infinite() => return Err(Fault::value("makes an integer of infinity")),
        Value::Float(float) if float.is_nan() => return Ok(default),
        Value::Float(float) => Some(numbers::truncated(*float)),
        other => other.as_int(),
    };
    if let Some(parsed) = parsed {
        return Ok(Value::Int(parsed));
    }
    let float = value.as_str().and_then(numbers::parse_float).filter(|float| float.is_finite());
    Ok(float.map_or(default, |float| Value::Int(numbers::truncated(float))))
}

pub(super) fn float<'a>(_run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [default] = arguments.bind("float", ["default"], 0)?;
    let parsed = match &value {
        Value::Undefined(_) => return Err(value.undefined_fault()),
        Value::Text(text) => numbers::parse_float(text.as_str()),
        other => other.as_float(),
    };
    Ok(parsed.map_or_else(|| default.unwrap_or(Value::Float(0.0)), Value::Float))
}

pub(super) fn round<'a>(_run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [precision, method] = arguments.bind("round", ["precision", "method"], 0)?;
    let method = method.unwrap_or_else(|| Value::from("common"));
    let method = method.as_str().filter(|method| ["common", "ceil", "floor"].contains(method));
    let method = method.ok_or_else(|| Fault::value("rounds by a method that there is not"))?.to_owned();
    let precision = precision.map(|precision| int_of(&precision)).transpose()?.unwrap_or(0).clamp(-400, 400);
    let precision = i32::try_from(precision).unwrap_or_default();
    let number = value.as_float().ok_or_else(|| match value {
        Value::Undefined(_) if method != "common" => value.undefined_fault(),
        _ => Fault::wrong_type(format!("rounds a {}", value.type_name())),
    })?;
    if method == "common" {
        return Ok(match value.as_int() {
            Some(whole) => Value::Int(rounded_int(whole, precision)),
            None => Value::Float(rounded(number, precision)?),
        });
    }
    let scale = 10_f64.powi(precision);
    let scaled = if method == "ceil" { (number * scale).ceil() } else { (number * scale).floor() };
    if !scaled.is_finite() {
        return Err(Fault::value("rounds what is not finite"));
    }
    Ok(Value::Float(scaled / scale))
}

/// To tens and so on, half to even; digits after the point an integer has none of.
fn rounded_int(value: i128, precision: i32) -> i128 {
    let Some(unit) = 10_i128.checked_pow(precision.min(0).unsigned_abs()) else { return 0 };
    let rest = value.rem_euclid(unit);
    let down = value - rest;
    let up = rest * 2 > unit || (rest * 2 == unit && (down / unit) % 2 != 0);
    if up { down + unit } else { down }
}

/// Correctly rounded to so many decimals, half to even in the decimal expansion.
fn rounded(value: f64, precision: i32) -> Eval<f64> {
    if !value.is_finite() {
        return Ok(value);
    }
    if precision >= 0 {
        let decimals = usize::try_from(precision).unwrap_or_default();
        return format!("{value:.decimals$}").parse().map_err(|_| Fault::value("rounds what is no number"));
    }
    let unit = 10_f64.powi(-precision);
    let result = (value / unit).round_ties_even() * unit;
    Ok(if unit.is_finite() { result } else { 0.0 })
}

pub(super) fn filesizeformat<'a>(_run: &mut Run<'a>, value: Value<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [binary] = arguments.bind("filesizeformat", ["binary"], 0)?;
    let binary = super::flag(binary.as_ref());
    let bytes = match &value {
        Value::Text(text) => {
            numbers::parse_float(text.as_str()).ok_or_else(|| Fault::value("sizes what is no number"))?
        }
        Value::Undefined(_) => return Err(value.undefined_fault()),
        other => other.as_float().ok_or_else(|| Fault::wrong_type(format!("sizes a {}", other.type_name())))?,
    };
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    if bytes == 1.0 {
        return Ok(Value::from("1 Byte"));
    }
    if bytes < base {
        return Ok(Value::from(format!("{} Bytes", numbers::truncated(bytes))));
    }
    let infix = if binary { "i" } else { "" };
    let letters = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
    let mut unit = base;
    let mut name = letters[0];
    for letter in letters {
        (unit, name) = (unit * base, letter);
        if bytes < unit {
            break;
        }
    }
    let name = if binary { name.to_uppercase() } else { name.to_owned() };
    Ok(Value::from(format!("{:.1} {name}{infix}B", base * bytes / unit)))
}
