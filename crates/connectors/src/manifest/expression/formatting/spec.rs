//! The specification of one field: `[[fill]align][sign][#][0][width][,][.precision][type]`.

use super::number::{self, Number};
use super::{bounded, digits};
use crate::manifest::expression::budget::Budget;
use crate::manifest::expression::dates;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::numbers;
use crate::manifest::expression::print::to_str;
use crate::manifest::expression::value::Value;

#[derive(Debug, Clone, Copy)]
struct Spec {
    fill: char,
    align: Option<char>,
    sign: char,
    alternate: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

/// `format(value, spec)`.
pub(crate) fn formatted(value: &Value<'_>, spec: &str, budget: &mut Budget) -> Eval<String> {
    match value {
        Value::Moment(moment) if !spec.is_empty() => return Ok(dates::strftime(*moment, spec)),
        Value::Date(day) if !spec.is_empty() => return Ok(dates::strftime(dates::Moment::midnight(*day), spec)),
        _ if spec.is_empty() => return to_str(value, budget),
        _ => {}
    }
    let read = read(spec)?;
    let text = match value {
        Value::Text(text) => return text_field(text.as_str(), read),
        Value::Bool(_) | Value::Int(_) => int_field(value.as_int().unwrap_or_default(), read)?,
        Value::Float(value) => float_field(*value, read)?,
        other => return Err(Fault::wrong_type(format!("formats a {} with {spec:?}", other.type_name()))),
    };
    budget.text(text.len())?;
    Ok(text)
}

fn read(spec: &str) -> Eval<Spec> {
    let mut read = Spec {
        fill: ' ',
        align: None,
        sign: '-',
        alternate: false,
        width: 0,
        grouping: None,
        precision: None,
        kind: None,
    };
    let aligns = |c: char| "<>=^".contains(c);
    let mut characters = spec.chars();
    let (first, second) = (characters.next(), characters.next());
    let mut rest = spec;
    if let (Some(fill), Some(align)) = (first, second.filter(|c| aligns(*c))) {
        (read.fill, read.align) = (fill, Some(align));
        rest = &spec[fill.len_utf8() + 1..];
    } else if let Some(align) = first.filter(|c| aligns(*c)) {
        read.align = Some(align);
        rest = &spec[1..];
    }
    if let Some(sign) = rest.chars().next().filter(|c| "+- ".contains(*c)) {
        read.sign = sign;
        rest = &rest[1..];
    }
    if let Some(tail) = rest.strip_prefix('#') {
        (read.alternate, rest) = (true, tail);
    }
    if rest.starts_with('0') && read.align.is_none() {
        (read.fill, read.align) = ('0', Some('='));
        rest = &rest[1..];
    }
    let (width, tail) = digits(rest)?;
    (read.width, rest) = (width.unwrap_or(0), tail);
    if let Some(grouping) = rest.chars().next().filter(|c| ",_".contains(*c)) {
        read.grouping = Some(grouping);
        rest = &rest[1..];
    }
    if let Some(tail) = rest.strip_prefix('.') {
        let (precision, tail) = digits(tail)?;
        read.precision = Some(precision.ok_or_else(|| Fault::value("formats with a precision without digits"))?);
        rest = tail;
    }
    let mut kinds = rest.chars();
    read.kind = kinds.next();
    if kinds.next().is_some() {
        return Err(Fault::value(format!("formats with {spec:?}, which is no format")));
    }
    bounded(read.width as u128)?;
    Ok(read)
}

fn unknown(kind: char, name: &str) -> Box<Fault> {
    Fault::value(format!("formats a {name} with `{kind}`, which there is not"))
}

fn text_field(text: &str, spec: Spec) -> Eval<String> {
    match spec {
        Spec { kind: Some(kind), .. } if kind != 's' => return Err(unknown(kind, "str")),
        Spec { align: Some('='), .. } | Spec { alternate: true, .. } | Spec { grouping: Some(_), .. } => {
            return Err(Fault::value("formats a text as only numbers are formatted"));
        }
        Spec { sign: '+' | ' ', .. } => return Err(Fault::value("formats a text with a sign")),
        _ => {}
    }
    let kept: String = text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect();
    Ok(aligned("", &kept, spec, '<'))
}

fn int_field(value: i128, spec: Spec) -> Eval<String> {
    let kind = spec.kind.unwrap_or('d');
    if "eEfFgG%".contains(kind) {
        #[expect(clippy::cast_precision_loss, reason = "Python converts to a float too")]
        return float_field(value as f64, spec);
    }
    if spec.precision.is_some() {
        return Err(Fault::value("formats an integer with a precision"));
    }
    let mut number = match kind {
        'd' | 'n' | 'b' | 'o' | 'x' | 'X' => number::integer(value, kind, spec.alternate),
        'c' => {
            let character = u32::try_from(value).ok().and_then(char::from_u32);
            let character = character.ok_or_else(|| Fault::value("formats as a character what is none"))?;
            return Ok(aligned("", &character.to_string(), spec, '<'));
        }
        other => return Err(unknown(other, "int")),
    };
    group(&mut number, if kind == 'd' { 3 } else { 4 }, spec);
    Ok(number_field(&number, "", spec))
}

fn float_field(value: f64, spec: Spec) -> Eval<String> {
    let precision = spec.precision.unwrap_or(6);
    let (mut number, suffix) = match spec.kind {
        Some(kind @ ('e' | 'E' | 'f' | 'F' | 'g' | 'G')) => (number::float(value, kind, precision, spec.alternate), ""),
        Some('n') => (number::float(value, 'g', precision, spec.alternate), ""),
        Some('%') => (number::float(value * 100.0, 'f', precision, spec.alternate), "%"),
        Some(other) => return Err(unknown(other, "float")),
        None => (plain_float(value, spec), ""),
    };
    group(&mut number, 3, spec);
    Ok(number_field(&number, suffix, spec))
}

/// Without a type: as it is printed, or with so many digits and at least one after the point.
fn plain_float(value: f64, spec: Spec) -> Number {
    let Some(precision) = spec.precision else {
        let text = numbers::float_text(value.abs());
        return Number { negative: value.is_sign_negative() && !value.is_nan(), prefix: "", digits: text };
    };
    let mut number = number::float(value, 'g', precision, spec.alternate);
    if value.is_finite() && !number.digits.contains(['.', 'e']) {
        let exponent = number.digits.len();
        if exponent >= precision.max(1) {
            number = number::float(value, 'e', precision.max(1) - 1, spec.alternate);
            if let Some((mantissa, exponent)) = number.digits.split_once('e') {
                let mantissa = if mantissa.contains('.') {
                    mantissa.trim_end_matches('0').trim_end_matches('.')
                } else {
                    mantissa
                };
                number.digits = format!("{mantissa}e{exponent}");
            }
        } else {
            number.digits.push_str(".0");
        }
    }
    number
}

fn group(number: &mut Number, size: usize, spec: Spec) {
    let Some(separator) = spec.grouping else { return };
    let whole = number.digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(number.digits.len());
    let (whole, rest) = number.digits.split_at(whole);
    let mut whole = whole.to_owned();
    if spec.fill == '0' && spec.align == Some('=') {
        let taken = rest.len() + number.prefix.len() + usize::from(number.negative || spec.sign != '-');
        while whole.len() + (whole.len() - 1) / size + taken < spec.width {
            whole.insert(0, '0');
        }
    }
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(size) {
            grouped.push(separator);
        }
        grouped.push(digit);
    }
    number.digits = grouped + rest;
}

fn number_field(number: &Number, suffix: &str, spec: Spec) -> String {
    let sign = match (number.negative, spec.sign) {
        (true, _) => "-",
        (false, '+') => "+",
        (false, ' ') => " ",
        _ => "",
    };
    aligned(&[sign, number.prefix].concat(), &(number.digits.clone() + suffix), spec, '>')
}

fn aligned(head: &str, body: &str, spec: Spec, default: char) -> String {
    let missing = spec.width.saturating_sub(head.len() + body.chars().count());
    let (before, between, after) = match spec.align.unwrap_or(default) {
        '<' => (0, 0, missing),
        '^' => (missing / 2, 0, missing - missing / 2),
        '=' => (0, missing, 0),
        _ => (missing, 0, 0),
    };
    let fill = |count: usize| std::iter::repeat_n(spec.fill, count);
    fill(before).chain(head.chars()).chain(fill(between)).chain(body.chars()).chain(fill(after)).collect()
}
