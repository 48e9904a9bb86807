//! The format's own functions: the time, dates and durations, the greatest and smallest, and a few for texts.

use jiff::tz::TimeZone;

use super::arguments::Given;
use super::compare::less;
use super::dates::{self, Format, Moment, Period, Zone, calendar};
use super::evaluate::Run;
use super::fault::{Eval, Fault};
use super::methods::{date_fault, moment_of};
use super::numbers;
use super::value::Value;

type Function = for<'a> fn(&mut Run<'a>, Given<'a>) -> Eval<Value<'a>>;

/// One of the format's functions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Macro {
    function: Function,
    /// Whether its result depends on the time or on chance.
    pub(crate) impure: bool,
}

impl Macro {
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (function, impure): (Function, bool) = match name {
            "now_utc" => (now_utc, true),
            "today_utc" => (today_utc, true),
            "today_with_timezone" => (today_with_timezone, true),
            "day_delta" => (day_delta, true),
            "generate_uuid" => (generate_uuid, true),
            "timestamp" => (timestamp, false),
            "str_to_datetime" => (str_to_datetime, false),
            "format_datetime" => (format_datetime, false),
            "duration" => (duration, false),
            "max" => (max, false),
            "min" => (min, false),
            "sanitize_url" => (sanitize_url, false),
            "camel_case_to_snake_case" => (camel_case_to_snake_case, false),
            _ => return None,
        };
        Some(Self { function, impure })
    }

    pub(crate) fn call<'a>(self, run: &mut Run<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
        run.budget.spend(10)?;
        (self.function)(run, arguments)
    }
}

fn now(run: &Run<'_>) -> Moment {
    Moment::from_timestamp(run.scope.now())
}

fn now_utc<'a>(run: &mut Run<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("now_utc", [], 0)?;
    Ok(Value::Moment(now(run)))
}

fn today_utc<'a>(run: &mut Run<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("today_utc", [], 0)?;
    Ok(Value::Date(now(run).day()))
}

fn today_with_timezone<'a>(run: &mut Run<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [name] = arguments.bind("today_with_timezone", ["timezone"], 1)?;
    let name = name.as_ref().and_then(Value::as_str).ok_or_else(|| Fault::value("names a time zone by no text"))?;
    let zone =
        TimeZone::get(name).map_err(|_| Fault::value(format!("names the time zone {name:?}, which there is not")))?;
    let local = zone.to_datetime(run.scope.now()).date();
    let day = calendar::day_number(local.year().into(), local.month().into(), local.day().into());
    day.map(Value::Date).ok_or_else(|| Fault::value("is evaluated outside of the years 1 to 9999"))
}

fn timestamp<'a>(_run: &mut Run<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [value] = arguments.bind("timestamp", ["dt"], 1)?;
    match value.unwrap_or(Value::None) {
        Value::Float(value) => whole(value).map(Value::Int),
        value => match value.as_int() {
            Some(value) => Ok(Value::Int(value)),
            None => Ok(Value::Float(iso(&value)?.seconds())),
        },
    }
}

/// Python's `int()` of a float.
pub(crate) fn whole(value: f64) -> Eval<i128> {
    if !value.is_finite() {
        return Err(Fault::Other("template_value", "makes an integer of what is not finite".to_owned()).into());
    }
    Ok(numbers::truncated(value))
}

/// A text as a moment in UTC; without an offset it is taken for UTC.
fn iso(value: &Value<'_>) -> Eval<Moment> {
    let text = match value {
        Value::Text(text) => text.as_str(),
        Value::Undefined(_) => return Err(value.undefined_fault()),
        // The reference counts characters before it looks at the type.
        other if other.length().is_some_and(|length| length < 4) => {
            return Err(Fault::value("reads a date that is too short"));
        }
        other => return Err(Fault::wrong_type(format!("reads a {} as a date", other.type_name()))),
    };
    let moment = dates::iso::parse(text).map_err(date_fault)?;
    let moment = Moment::checked(moment.micros(), Zone::NamedUtc).map_err(date_fault)?;
    Ok(moment)
}

fn str_to_datetime<'a>(_run: &mut Run<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [value] = arguments.bind("str_to_datetime", ["s"], 1)?;
    iso(&value.unwrap_or(Value::None)).map(Value::Moment)
}

fn day_delta<'a>(run: &mut Run<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [days, format] = arguments.bind("day_delta", ["num_days", "format"], 1)?;
    let days = days.as_ref().and_then(Value::as_float);
    let days = days.ok_or_else(|| Fault::wrong_type("counts days with what is no number"))?;
    let format = match &format {
        None => "%Y-%m-%dT%H:%M:%S.%f%z",
        Some(Value::Text(format)) => format.as_str(),
        Some(_) => return Err(Fault::wrong_type("formats a date with what is no text")),
    };
    let micros = numbers::scaled(days, 86_400_000_000).ok_or_else(|| Fault::value("counts too many days"))?;
    let moment = now(run).plus(micros).map_err(date_fault)?;
    Ok(Value::from(dates::strftime(moment, format)))
}

fn duration<'a>(_run: &mut Run<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [text] = arguments.bind("duration", ["datestring"], 1)?;
    let text = text.unwrap_or(Value::None);
    let text = text.as_str().ok_or_else(|| Fault::wrong_type("reads as a duration what is no text"))?;
    let period = Period::parse(text).map_err(date_fault)?;
    Ok(if period.has_months() { Value::Period(period) } else { Value::Delta(period.micros()) })
}

fn format_datetime<'a>(_run: &mut Run<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [value, format, input] = arguments.bind("format_datetime", ["dt", "format", "input_format"], 2)?;
    let (value, format) = (value.unwrap_or(Value::None), format.unwrap_or(Value::None));
    if let Value::Moment(moment) = value {
        let format = format.as_str().ok_or_else(|| Fault::wrong_type("formats a date with what is no text"))?;
        return Ok(Value::from(dates::strftime(moment, format)));
    }
    let input = input.filter(Value::truth);
    let input_text = input
        .as_ref()
        .map(|input| input.as_str().ok_or_else(|| Fault::wrong_type("reads a date with a format that is no text")));
    let moment = match (value.as_int(), input_text.transpose()?) {
        (Some(number), input) => Format::new(input.unwrap_or("%s")).parse(&number.to_string()).map_err(date_fault)?,
        (None, Some(input)) => moment_of(&value, input)?,
        (None, None) => iso(&value)?,
    };
    let moment = if moment.zone() == Zone::Naive { Moment { zone: Zone::NamedUtc, ..moment } } else { moment };
    let format = match &format {
        Value::Text(format) => format.as_str(),
        Value::Undefined(_) => return Err(Fault::wrong_type("formats a date with something undefined")),
        _ => return Err(Fault::wrong_type("formats a date with what is no text")),
    };
    Ok(Value::from(Format::new(format).write(moment)))
}

/// The items to compare: those of the one argument, or the arguments.
fn compared<'a>(name: &str, arguments: Given<'a>) -> Eval<Vec<Value<'a>>> {
    if let Some((named, _)) = arguments.named.first() {
        return Err(Fault::wrong_type(format!("calls `{name}` with {named:?}, which it does not know")));
    }
    let items = match &arguments.positional[..] {
        [] => return Err(Fault::wrong_type(format!("calls `{name}` without a value"))),
        [one] => one.items()?,
        _ => arguments.positional,
    };
    if items.is_empty() { Err(Fault::value(format!("calls `{name}` with nothing to compare"))) } else { Ok(items) }
}

fn max<'a>(run: &mut Run<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    best(compared("max", arguments)?, |best, item| less(best, item, &mut run.budget))
}

fn min<'a>(run: &mut Run<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    best(compared("min", arguments)?, |best, item| less(item, best, &mut run.budget))
}

fn best<'a>(items: Vec<Value<'a>>, mut better: impl FnMut(&Value<'a>, &Value<'a>) -> Eval<bool>) -> Eval<Value<'a>> {
    let mut items = items.into_iter();
    let mut best = items.next().unwrap_or(Value::None);
    for item in items {
        if better(&best, &item)? {
            best = item;
        }
    }
    Ok(best)
}

fn sanitize_url<'a>(run: &mut Run<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [value] = arguments.bind("sanitize_url", ["value"], 1)?;
    match value.unwrap_or(Value::None) {
        Value::Text(text) => {
            run.budget.text(text.as_str().len())?;
            Ok(Value::from(super::quoting::quoted(text.as_str(), "").replace("%20", "+")))
        }
        Value::Undefined(_) => Err(Fault::wrong_type("quotes something undefined")),
        other => Err(Fault::wrong_type(format!("quotes a {}", other.type_name()))),
    }
}

fn camel_case_to_snake_case<'a>(run: &mut Run<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [value] = arguments.bind("camel_case_to_snake_case", ["value"], 1)?;
    let value = value.unwrap_or(Value::None);
    let text = value.as_str().ok_or_else(|| Fault::wrong_type("changes the case of what is no text"))?;
    run.budget.text(text.len() * 2)?;
    let mut snake = String::with_capacity(text.len() + 4);
    for (at, character) in text.char_indices() {
        if at > 0 && character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character);
    }
    Ok(Value::from(snake.to_lowercase()))
}

/// A random UUID of the scope's seed: the same seed draws the same ones in the same order.
fn generate_uuid<'a>(run: &mut Run<'a>, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [] = arguments.bind("generate_uuid", [], 0)?;
    let mut input = run.scope.seed().to_be_bytes().to_vec();
    input.extend(run.draws.to_be_bytes());
    run.draws += 1;
    let digest = ring::digest::digest(&ring::digest::SHA256, &input);
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    Ok(Value::from([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")))
}
