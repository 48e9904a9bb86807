//! What an unquoted word means: YAML 1.1 as the reference implementation's loader reads it, because manifests were
//! written against it. `on`, `no` and `1_000` are not texts there, `1e3` and `0o17` are.
//!
//! Two things are read otherwise, for every manifest that the reference accepts means the same: a date stays the text
//! it was written as (there it is an object that no field takes), and an infinite number stays a text.

use serde_json::Number;

use super::tree::Value;

/// The value of a plain scalar.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::Text(text.into()), Value::Number),
    }
}

/// A number that a tag asks for, whatever it looks like.
pub(super) fn float(text: &str) -> Option<Number> {
    let cleaned = text.replace('_', "");
    cleaned.parse::<f64>().ok().and_then(Number::from_f64)
}

/// The number that a plain scalar is, if it is one.
pub(super) fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let is_negative = text.starts_with('-');
    whole(digits).map(|value| signed(value, is_negative)).or_else(|| fraction(text, digits))
}

fn signed(value: u64, is_negative: bool) -> Number {
    match i64::try_from(value) {
        Ok(value) if is_negative => (-value).into(),
        _ if is_negative => Number::from_f64(-(value as f64)).unwrap_or_else(|| 0.into()),
        _ => value.into(),
    }
}

/// Binary, octal by a leading zero, decimal, hexadecimal, and base 60 by colons.
fn whole(digits: &str) -> Option<u64> {
    if let Some(bits) = digits.strip_prefix("0b") {
        return radix(bits, 2);
    }
    if let Some(nibbles) = digits.strip_prefix("0x") {
        return radix(nibbles, 16);
    }
    if digits == "0" {
        return Some(0);
    }
    if let Some(octal) = digits.strip_prefix('0') {
        return radix(octal, 8);
    }
    if digits.contains(':') {
        return base_60(digits);
    }
    radix(digits, 10)
}

fn radix(digits: &str, radix: u32) -> Option<u64> {
    let cleaned = digits.replace('_', "");
    let is_clean = !cleaned.is_empty() && cleaned.chars().all(|c| c.is_digit(radix));
    is_clean.then(|| u64::from_str_radix(&cleaned, radix).ok()).flatten()
}

/// `1:30` is 90: every part after the first is one or two digits below 60.
fn base_60(digits: &str) -> Option<u64> {
    let mut parts = digits.split(':');
    let mut value = radix(parts.next()?, 10)?;
    for part in parts {
        let is_short = part.len() == 1 || part.len() == 2 && part.as_bytes()[0] < b'6';
        if !is_short || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        value = value.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    Some(value)
}

/// `1:30.5` is 90.5.
fn base_60_fraction(before: &str, after: &str, is_negative: bool) -> Option<Number> {
    let whole = base_60(before)?;
    if !after.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        return None;
    }
    let number = float(&format!("{whole}.{after}0"))?.as_f64()?;
    Number::from_f64(if is_negative { -number } else { number })
}

/// A decimal point is needed, and a sign in the exponent: `1e3` and `1.0e3` are texts.
fn fraction(text: &str, digits: &str) -> Option<Number> {
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], Some(&digits[at + 1..])),
        None => (digits, None),
    };
    let (before, after) = mantissa.split_once('.')?;
    if exponent.is_none() && before.contains(':') {
        return base_60_fraction(before, after, digits.len() < text.len() && text.starts_with('-'));
    }
    let are_digits = |part: &str| part.chars().all(|c| c.is_ascii_digit() || c == '_');
    let has_begin = if before.is_empty() {
        after.starts_with(|c: char| c.is_ascii_digit()) && digits.len() == text.len()
    } else {
        before.starts_with(|c: char| c.is_ascii_digit())
    };
    let has_sign = exponent.is_none_or(|exponent| {
        exponent.strip_prefix(['-', '+']).is_some_and(|e| !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit()))
    });
    let is_number = has_begin && has_sign && are_digits(before) && are_digits(after);
    is_number.then(|| float(text)).flatten()
}
