//! `str()` and `repr()` of values, as Python prints them: what templates render is made of these texts.

use std::fmt::Write as _;

use super::budget::{Budget, NESTING_MAX};
use super::dates::{Moment, Period, Zone};
use super::fault::{Eval, Fault};
use super::numbers::float_text;
use super::value::{Callable, Value, View};

const DAY: i128 = 86_400_000_000;

/// Appends `str(value)`.
pub(crate) fn write_str(value: &Value<'_>, text: &mut String, budget: &mut Budget) -> Eval<()> {
    match value {
        Value::Undefined(_) => {}
        Value::Text(inner) => text.push_str(inner.as_str()),
        Value::Moment(moment) => write_iso(*moment, ' ', text),
        Value::Date(day) => write_date(*day, text),
        Value::Time(micros) => write_clock(*micros, text),
        Value::Delta(micros) => write_delta(*micros, text),
        Value::Period(period) => write_period(period, text),
        other => return write_repr(other, text, 0, budget),
    }
    budget.text(text.len())
}

/// `str(value)`.
pub(crate) fn to_str(value: &Value<'_>, budget: &mut Budget) -> Eval<String> {
    let mut text = String::new();
    write_str(value, &mut text, budget)?;
    Ok(text)
}

/// `repr(value)`.
pub(crate) fn to_repr(value: &Value<'_>, budget: &mut Budget) -> Eval<String> {
    let mut text = String::new();
    write_repr(value, &mut text, 0, budget)?;
    Ok(text)
}

fn write_repr(value: &Value<'_>, text: &mut String, depth: usize, budget: &mut Budget) -> Eval<()> {
    budget.spend(1)?;
    if depth > NESTING_MAX {
        return Err(Fault::limit(format!("prints a value that nests deeper than {NESTING_MAX} levels")));
    }
    match value {
        Value::Undefined(_) => text.push_str("Undefined"),
        Value::None => text.push_str("None"),
        Value::Bool(value) => text.push_str(if *value { "True" } else { "False" }),
        Value::Int(value) => put(text, format_args!("{value}")),
        Value::Float(value) => text.push_str(&float_text(*value)),
        Value::Text(inner) => write_quoted(inner.as_str(), text),
        Value::Array(_) | Value::List(_) => write_items("[", &value.items()?, "]", text, depth, budget)?,
        Value::Tuple(items) => {
            write_items("(", items, if items.len() == 1 { ",)" } else { ")" }, text, depth, budget)?;
        }
        Value::Set(items) if items.is_empty() => text.push_str("set()"),
        Value::Set(items) => write_items("{", items, "}", text, depth, budget)?,
        Value::Mapping(mapping) => write_entries(&mapping.entries(), text, depth, budget)?,
        Value::Dict(dict) => write_entries(&dict.borrow().entries, text, depth, budget)?,
        Value::View(view, items) => {
            let open = match view {
                View::Keys => "dict_keys([",
                View::Values => "dict_values([",
                View::Items => "dict_items([",
            };
            write_items(open, items, "])", text, depth, budget)?;
        }
        other => write_other(other, text, depth, budget)?,
    }
    budget.text(text.len())
}

/// What rarely stands inside of another value.
fn write_other(value: &Value<'_>, text: &mut String, depth: usize, budget: &mut Budget) -> Eval<()> {
    match value {
        Value::Moment(moment) => write_moment(*moment, text),
        Value::Date(day) => {
            let (year, month, day) = super::dates::calendar::civil(*day);
            put(text, format_args!("datetime.date({year}, {month}, {day})"));
        }
        Value::Time(micros) => {
            let fields = Moment { wall: *micros, zone: Zone::Naive }.fields();
            text.push_str("datetime.time(");
            write_clock_fields(fields.hour, fields.minute, fields.second, fields.micro, text);
            text.push(')');
        }
        Value::Delta(micros) => write_delta_repr(*micros, text),
        Value::Period(period) => {
            let (days, seconds, micros) = delta_parts(period.micros);
            let (years, months) = (period.years.trunc(), period.months.trunc());
            put(
                text,
                format_args!("isodate.duration.Duration({days}, {seconds}, {micros}, years={years}, months={months})"),
            );
        }
        Value::Bytes(bytes) => write_bytes(bytes, text),
        Value::Ellipsis => text.push_str("Ellipsis"),
        Value::Namespace(dict) => {
            text.push_str("<Namespace ");
            write_entries(&dict.borrow().entries, text, depth, budget)?;
            text.push('>');
        }
        Value::Loop(state) => put(text, format_args!("<LoopContext {}/{}>", state.index + 1, state.items.len())),
        Value::Callable(callable) => match &**callable {
            Callable::Defined(definition, _) => put(text, format_args!("<Macro '{}'>", definition.name)),
            Callable::Caller(..) => text.push_str("<Macro 'caller'>"),
            _ => return Err(unprintable("a function that is not called")),
        },
        _ => return Err(unprintable("a generator: append `| list`")),
    }
    Ok(())
}

/// Python prints an address in memory for these, which nothing can rely on.
fn unprintable(what: &str) -> Box<Fault> {
    Fault::unsupported(format!("prints {what}"))
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a text cannot fail.
    let _ = text.write_fmt(arguments);
}

fn write_items(
    open: &str,
    items: &[Value<'_>],
    close: &str,
    text: &mut String,
    depth: usize,
    budget: &mut Budget,
) -> Eval<()> {
    text.push_str(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            text.push_str(", ");
        }
        write_repr(item, text, depth + 1, budget)?;
    }
    text.push_str(close);
    Ok(())
}

fn write_entries(entries: &[(Value<'_>, Value<'_>)], text: &mut String, depth: usize, budget: &mut Budget) -> Eval<()> {
    text.push('{');
    for (at, (key, value)) in entries.iter().enumerate() {
        if at > 0 {
            text.push_str(", ");
        }
        write_repr(key, text, depth + 1, budget)?;
        text.push_str(": ");
        write_repr(value, text, depth + 1, budget)?;
    }
    text.push('}');
    Ok(())
}

/// `repr()` of a text: single quotes unless only double quotes save escapes.
fn write_quoted(inner: &str, text: &mut String) {
    let quote = if inner.contains('\'') && !inner.contains('"') { '"' } else { '\'' };
    text.push(quote);
    for character in inner.chars() {
        match character {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\\' => text.push_str("\\\\"),
            c if c == quote => {
                text.push('\\');
                text.push(c);
            }
            ' '..='~' => text.push(character),
            c if is_printable(c) => text.push(c),
            c => match u32::from(c) {
                code @ 0..=0xff => put(text, format_args!("\\x{code:02x}")),
                code @ 0x100..=0xffff => put(text, format_args!("\\u{code:04x}")),
                code => put(text, format_args!("\\U{code:08x}")),
            },
        }
    }
    text.push(quote);
}

/// Whether Python prints a character as it is. The standard library knows, but only tells it of a text's later
/// characters without also escaping combining marks.
pub(crate) fn is_printable(character: char) -> bool {
    let mut buffer = [b'a'; 5];
    let length = character.encode_utf8(&mut buffer[1..]).len();
    let Ok(text) = std::str::from_utf8(&buffer[..=length]) else { return false };
    matches!(character, '\'' | '"' | '\\') || text.escape_debug().nth(1) != Some('\\')
}

fn write_bytes(bytes: &[u8], text: &mut String) {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    text.push('b');
    text.push(quote);
    for byte in bytes {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            byte if char::from(*byte) == quote => {
                text.push('\\');
                text.push(quote);
            }
            b' '..=b'~' => text.push(char::from(*byte)),
            byte => put(text, format_args!("\\x{byte:02x}")),
        }
    }
    text.push(quote);
}

/// `isoformat()` with a separator of one's own.
pub(crate) fn write_iso(moment: Moment, separator: char, text: &mut String) {
    write_date(moment.day(), text);
    text.push(separator);
    write_clock(moment.time(), text);
    if moment.zone() != Zone::Naive {
        let seconds = moment.offset_seconds();
        text.push(if seconds < 0 { '-' } else { '+' });
        let seconds = seconds.abs();
        put(text, format_args!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60));
        if seconds % 60 != 0 {
            put(text, format_args!(":{:02}", seconds % 60));
        }
    }
}

pub(crate) fn write_date(day: i64, text: &mut String) {
    let (year, month, day) = super::dates::calendar::civil(day);
    put(text, format_args!("{year:04}-{month:02}-{day:02}"));
}

pub(crate) fn write_clock(micros: i64, text: &mut String) {
    let seconds = micros / 1_000_000;
    put(text, format_args!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    if micros % 1_000_000 != 0 {
        put(text, format_args!(".{:06}", micros % 1_000_000));
    }
}

fn write_clock_fields(hour: i64, minute: i64, second: i64, micro: i64, text: &mut String) {
    put(text, format_args!("{hour}, {minute}"));
    if second != 0 || micro != 0 {
        put(text, format_args!(", {second}"));
    }
    if micro != 0 {
        put(text, format_args!(", {micro}"));
    }
}

fn write_moment(moment: Moment, text: &mut String) {
    let fields = moment.fields();
    put(text, format_args!("datetime.datetime({}, {}, {}, ", fields.year, fields.month, fields.day));
    write_clock_fields(fields.hour, fields.minute, fields.second, fields.micro, text);
    write_zone(", tzinfo=", moment.zone(), text);
    text.push(')');
}

/// A zone as Python prints it, after what introduces it; nothing of a naive one.
pub(crate) fn write_zone(before: &str, zone: Zone, text: &mut String) {
    if zone == Zone::Naive {
        return;
    }
    text.push_str(before);
    match zone {
        Zone::Naive => {}
        Zone::Utc => text.push_str("datetime.timezone.utc"),
        Zone::NamedUtc => text.push_str("<UTC>"),
        Zone::Offset(seconds) => {
            text.push_str("datetime.timezone(");
            write_delta_repr(i128::from(seconds) * 1_000_000, text);
            text.push(')');
        }
    }
}

/// Days, seconds and microseconds of a duration, the latter two never negative.
pub(crate) fn delta_parts(micros: i128) -> (i128, i128, i128) {
    let rest = micros.rem_euclid(DAY);
    (micros.div_euclid(DAY), rest / 1_000_000, rest % 1_000_000)
}

fn write_delta(micros: i128, text: &mut String) {
    let (days, seconds, micros) = delta_parts(micros);
    if days != 0 {
        put(text, format_args!("{days} day{}, ", if days.abs() == 1 { "" } else { "s" }));
    }
    put(text, format_args!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    if micros != 0 {
        put(text, format_args!(".{micros:06}"));
    }
}

fn write_delta_repr(micros: i128, text: &mut String) {
    let (days, seconds, micros) = delta_parts(micros);
    let parts = [("days", days), ("seconds", seconds), ("microseconds", micros)];
    let parts: Vec<String> =
        parts.iter().filter(|(_, value)| *value != 0).map(|(name, value)| format!("{name}={value}")).collect();
    put(text, format_args!("datetime.timedelta({})", if parts.is_empty() { "0".to_owned() } else { parts.join(", ") }));
}

fn write_period(period: &Period, text: &mut String) {
    if period.years != 0.0 {
        put(text, format_args!("{} years, ", period.years.trunc()));
    }
    if period.months != 0.0 {
        put(text, format_args!("{} month{}, ", period.months.trunc(), if period.months <= 1.0 { "" } else { "s" }));
    }
    write_delta(period.micros, text);
}
