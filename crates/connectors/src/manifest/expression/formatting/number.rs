//! Numbers as digits, before sign and padding.

/// A number's parts.
#[derive(Debug, Clone)]
pub(super) struct Number {
    pub negative: bool,
    pub prefix: &'static str,
    pub digits: String,
}

/// An integer in the base that the letter names.
pub(super) fn integer(value: i128, letter: char, alternate: bool) -> Number {
    let magnitude = value.unsigned_abs();
    let (prefix, digits) = match letter {
        'x' => ("0x", format!("{magnitude:x}")),
        'X' => ("0X", format!("{magnitude:X}")),
        'o' => ("0o", format!("{magnitude:o}")),
        'b' => ("0b", format!("{magnitude:b}")),
        _ => ("", magnitude.to_string()),
    };
    Number { negative: value < 0, prefix: if alternate { prefix } else { "" }, digits }
}

/// A float as the letter says: `f` fixed, `e` with an exponent, `g` whichever is shorter.
pub(super) fn float(value: f64, letter: char, precision: usize, alternate: bool) -> Number {
    let negative = value.is_sign_negative() && !value.is_nan();
    let magnitude = value.abs();
    let digits = if magnitude.is_nan() {
        "nan".to_owned()
    } else if magnitude.is_infinite() {
        "inf".to_owned()
    } else {
        match letter.to_ascii_lowercase() {
            'f' => fixed(magnitude, precision, alternate),
            'e' => scientific(magnitude, precision, alternate),
            _ => general(magnitude, precision.max(1), alternate),
        }
    };
    Number { negative, prefix: "", digits: if letter.is_ascii_uppercase() { digits.to_uppercase() } else { digits } }
}

fn fixed(value: f64, precision: usize, alternate: bool) -> String {
    let mut digits = format!("{value:.precision$}");
    if alternate && precision == 0 {
        digits.push('.');
    }
    digits
}

fn scientific(value: f64, precision: usize, alternate: bool) -> String {
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let point = if alternate && precision == 0 { "." } else { "" };
    format!("{mantissa}{point}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn general(value: f64, precision: usize, alternate: bool) -> String {
    let text = format!("{value:.*e}", precision - 1);
    let exponent: i32 = text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or_default();
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    if (-4..limit).contains(&exponent) {
        let decimals = usize::try_from(limit - 1 - exponent).unwrap_or_default();
        let text = fixed(value, decimals, alternate);
        return if alternate { text } else { without_zeros(&text).to_owned() };
    }
    let text = scientific(value, precision - 1, alternate);
    match text.split_once('e') {
        Some((mantissa, exponent)) if !alternate => format!("{}e{exponent}", without_zeros(mantissa)),
        _ => text,
    }
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}
