//! Python's numbers as texts, and texts as numbers.

use super::lexer::is_space;

/// `repr()` of a float: the shortest digits that read back the same, with an exponent below 1e-4 and from 1e16 on.
pub(crate) fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        let mut text = format!("{value}");
        if !text.contains('.') {
            text.push_str(".0");
        }
        return text;
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Python's `int()` of a text: whitespace around it, a sign, and single underscores between digits are allowed.
pub(crate) fn parse_int(text: &str, radix: u32) -> Option<i128> {
    let text = text.trim_matches(is_space);
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits, prefixed) = match (radix, digits.get(..2).map(str::to_ascii_lowercase).as_deref()) {
        (0 | 16, Some("0x")) => (16, &digits[2..], true),
        (0 | 8, Some("0o")) => (8, &digits[2..], true),
        (0 | 2, Some("0b")) => (2, &digits[2..], true),
        (0, _) => (10, digits, false),
        (radix, _) => (radix, digits, false),
    };
    let digits = if prefixed { digits.strip_prefix('_').unwrap_or(digits) } else { digits };
    let underscored = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    if digits.is_empty() || underscored || !(2..=36).contains(&radix) || digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(&digits.replace('_', ""), radix).ok()?;
    Some(if negative { -value } else { value })
}

/// Python's `float()` of a text.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim_matches(is_space);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let known = ["inf", "infinity", "nan"].iter().any(|name| unsigned.eq_ignore_ascii_case(name));
        return known.then(|| text.parse().ok()).flatten();
    }
    let bytes = text.as_bytes();
    let between_digits =
        |at: usize| at > 0 && bytes[at - 1].is_ascii_digit() && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
    if !text.match_indices('_').all(|(at, _)| between_digits(at)) {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// Python's `int()` of a float that is finite and not absurd.
#[expect(clippy::cast_possible_truncation, reason = "out of range it saturates, and callers check what matters")]
pub(crate) fn truncated(value: f64) -> i128 {
    value as i128
}

/// An amount of a unit in microseconds, as Python's timedelta rounds it: whole exactly, the fraction half to even.
pub(crate) fn scaled(amount: f64, unit: i128) -> Option<i128> {
    if !amount.is_finite() || amount.abs() > 1e15 {
        return None;
    }
    let whole = truncated(amount);
    #[expect(clippy::cast_precision_loss, reason = "a unit is at most a week of microseconds")]
    let fraction = (amount.fract() * unit as f64).round_ties_even();
    Some(whole.checked_mul(unit)? + truncated(fraction))
}
