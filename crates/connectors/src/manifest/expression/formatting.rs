//! Texts with places for values: `%` and `str.format`, with Python's directives.

mod braces;
mod number;
mod spec;

pub(crate) use braces::{Fields, braces};
pub(crate) use spec::formatted;

use super::budget::Budget;
use super::fault::{Eval, Fault};
use super::numbers;
use super::print::{to_repr, to_str};
use super::value::Value;
use number::Number;

/// The widest field and the most digits that a format may ask for.
pub(super) const WIDTH_MAX: usize = 10_000;

/// `format % values`.
pub(crate) fn percent<'a>(format: &str, values: &Value<'a>, budget: &mut Budget) -> Eval<String> {
    let mut source = Source { values, next: 0, keyed: false };
    let mut text = String::with_capacity(format.len());
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = directive(&rest[at + 1..], &mut source, &mut text, budget)?;
        budget.text(text.len())?;
    }
    text.push_str(rest);
    source.check_all_used()?;
    Ok(text)
}

/// The values of a `%`, taken one by one or by their keys.
struct Source<'v, 'a> {
    values: &'v Value<'a>,
    next: usize,
    keyed: bool,
}

impl<'a> Source<'_, 'a> {
    fn next(&mut self) -> Eval<Value<'a>> {
        let value = match self.values {
            Value::Tuple(items) => items.get(self.next).cloned(),
            single if self.next == 0 => Some(single.clone()),
            _ => None,
        };
        self.next += 1;
        value.ok_or_else(|| Fault::wrong_type("formats with fewer values than the format has places"))
    }

    fn keyed(&mut self, key: &str) -> Eval<Value<'a>> {
        self.keyed = true;
        let found = match self.values {
            Value::Mapping(mapping) => mapping.get(key),
            Value::Dict(dict) => dict
                .borrow()
                .entries
                .iter()
                .find(|(known, _)| known.as_str() == Some(key))
                .map(|(_, value)| value.clone()),
            Value::Undefined(_) => return Err(self.values.undefined_fault()),
            _ => return Err(Fault::wrong_type("formats by keys with what is no mapping")),
        };
        found.ok_or_else(|| Fault::value(format!("formats with the key {key:?}, which is not there")))
    }

    fn int(&mut self) -> Eval<i128> {
        self.next()?.as_int().ok_or_else(|| Fault::wrong_type("formats with `*` and what is no integer"))
    }

    fn check_all_used(&self) -> Eval<()> {
        let left = match self.values {
            Value::Tuple(items) => self.next < items.len(),
            // Whatever has items counts as a mapping here, even if it is none.
            Value::Mapping(_) | Value::Dict(_) | Value::Array(_) | Value::List(_) | Value::Undefined(_) => false,
            _ => self.next == 0 && !self.keyed,
        };
        if left { Err(Fault::wrong_type("formats with more values than the format has places")) } else { Ok(()) }
    }
}

/// The flags, width and precision of a directive.
#[derive(Debug, Clone, Copy, Default)]
struct Directive {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

fn directive<'f>(
    format: &'f str,
    source: &mut Source<'_, '_>,
    text: &mut String,
    budget: &mut Budget,
) -> Eval<&'f str> {
    let mut rest = format;
    let mut key = None;
    if let Some(inner) = rest.strip_prefix('(') {
        let end = matching_parenthesis(inner).ok_or_else(incomplete)?;
        key = Some(&inner[..end]);
        rest = &inner[end + 1..];
    }
    let mut flags = Directive::default();
    rest = read_flags(rest, &mut flags);
    rest = read_width(rest, &mut flags, source)?;
    rest = read_precision(rest, &mut flags, source)?;
    rest = rest.strip_prefix(['h', 'l', 'L']).unwrap_or(rest);
    let letter = rest.chars().next().ok_or_else(incomplete)?;
    let rest = &rest[letter.len_utf8()..];
    if letter == '%' {
        text.push('%');
        return Ok(rest);
    }
    let value = match key {
        Some(key) => source.keyed(key)?,
        None => source.next()?,
    };
    let written = written(letter, flags, &value, budget)?;
    text.push_str(&written);
    Ok(rest)
}

fn incomplete() -> Box<Fault> {
    Fault::value("formats with an incomplete format")
}

fn matching_parenthesis(text: &str) -> Option<usize> {
    let mut depth = 1;
    text.char_indices().find_map(|(at, character)| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        (depth == 0).then_some(at)
    })
}

fn read_flags<'f>(format: &'f str, flags: &mut Directive) -> &'f str {
    let length = format.bytes().take_while(|byte| b"-+ 0#".contains(byte)).count();
    for flag in format[..length].bytes() {
        match flag {
            b'-' => flags.left = true,
            b'+' => flags.plus = true,
            b' ' => flags.space = true,
            b'0' => flags.zero = true,
            _ => flags.alternate = true,
        }
    }
    &format[length..]
}

fn read_width<'f>(format: &'f str, flags: &mut Directive, source: &mut Source<'_, '_>) -> Eval<&'f str> {
    if let Some(rest) = format.strip_prefix('*') {
        let width = source.int()?;
        flags.left |= width < 0;
        flags.width = bounded(width.unsigned_abs())?;
        return Ok(rest);
    }
    let (width, rest) = digits(format)?;
    flags.width = width.unwrap_or(0);
    Ok(rest)
}

fn read_precision<'f>(format: &'f str, flags: &mut Directive, source: &mut Source<'_, '_>) -> Eval<&'f str> {
    let Some(rest) = format.strip_prefix('.') else { return Ok(format) };
    if let Some(rest) = rest.strip_prefix('*') {
        flags.precision = Some(bounded(source.int()?.max(0).unsigned_abs())?);
        return Ok(rest);
    }
    let (precision, rest) = digits(rest)?;
    flags.precision = Some(precision.unwrap_or(0));
    Ok(rest)
}

pub(super) fn bounded(number: u128) -> Eval<usize> {
    match usize::try_from(number) {
        Ok(number) if number <= WIDTH_MAX => Ok(number),
        _ => Err(Fault::limit(format!("formats wider than {WIDTH_MAX} characters"))),
    }
}

pub(super) fn digits(text: &str) -> Eval<(Option<usize>, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 {
        return Ok((None, text));
    }
    Ok((Some(bounded(text[..length].parse().unwrap_or(u128::MAX))?), &text[length..]))
}

fn written(letter: char, flags: Directive, value: &Value<'_>, budget: &mut Budget) -> Eval<String> {
    let text = match letter {
        's' => to_str(value, budget)?,
        'r' => to_repr(value, budget)?,
        'a' => ascii(&to_repr(value, budget)?),
        'c' => character(value)?,
        'd' | 'i' | 'u' | 'o' | 'x' | 'X' => return Ok(number_text(&integer(letter, flags, value)?, flags)),
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let value = real(value)?;
            let number = number::float(value, letter, flags.precision.unwrap_or(6), flags.alternate);
            return Ok(number_text(&number, flags));
        }
        other => return Err(Fault::value(format!("formats with `%{other}`, which there is not"))),
    };
    let kept: String = match flags.precision {
        Some(precision) if letter != 'c' => text.chars().take(precision).collect(),
        _ => text,
    };
    Ok(padded(kept, flags.width, flags.left))
}

fn padded(text: String, width: usize, left: bool) -> String {
    let missing = " ".repeat(width.saturating_sub(text.chars().count()));
    if left { text + &missing } else { missing + &text }
}

fn number_text(number: &Number, flags: Directive) -> String {
    let sign = match (number.negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    let length = sign.len() + number.prefix.len() + number.digits.len();
    let zeros = if flags.zero && !flags.left { "0".repeat(flags.width.saturating_sub(length)) } else { String::new() };
    padded([sign, number.prefix, &zeros, &number.digits].concat(), flags.width, flags.left)
}

fn integer(letter: char, flags: Directive, value: &Value<'_>) -> Eval<Number> {
    let whole = match value {
        Value::Float(value) if "diu".contains(letter) => {
            if !value.is_finite() {
                return Err(Fault::value("formats what is not finite as an integer"));
            }
            numbers::truncated(*value)
        }
        Value::Undefined(_) if "diu".contains(letter) => return Err(value.undefined_fault()),
        other => other
            .as_int()
            .ok_or_else(|| Fault::wrong_type(format!("formats a {} with `%{letter}`", other.type_name())))?,
    };
    let mut number = number::integer(whole, letter, flags.alternate);
    let digits = flags.precision.unwrap_or(0);
    number.digits = "0".repeat(digits.saturating_sub(number.digits.len())) + &number.digits;
    Ok(number)
}

fn real(value: &Value<'_>) -> Eval<f64> {
    match value {
        Value::Undefined(_) => Err(value.undefined_fault()),
        other => {
            other.as_float().ok_or_else(|| Fault::wrong_type(format!("formats a {} as a number", other.type_name())))
        }
    }
}

fn character(value: &Value<'_>) -> Eval<String> {
    let character = match value {
        Value::Text(text) if text.as_str().chars().count() == 1 => return Ok(text.as_str().to_owned()),
        other => other.as_int().ok_or_else(|| Fault::wrong_type("formats with `%c` what is no character"))?,
    };
    let character = u32::try_from(character).ok().and_then(char::from_u32);
    character.map(String::from).ok_or_else(|| Fault::value("formats with `%c` what is no character"))
}

/// With everything but ASCII escaped.
fn ascii(text: &str) -> String {
    text.chars()
        .map(|character| match u32::from(character) {
            0..=0x7f => character.to_string(),
            code @ 0x80..=0xff => format!("\\x{code:02x}"),
            code @ 0x100..=0xffff => format!("\\u{code:04x}"),
            code => format!("\\U{code:08x}"),
        })
        .collect()
}
