//! Attributes and methods of dates, times and durations.

use crate::manifest::expression::arguments::Given;
use crate::manifest::expression::dates::{self, Moment, Period, Zone, calendar};
use crate::manifest::expression::evaluate::Run;
use crate::manifest::expression::fault::{Eval, Fault};
use crate::manifest::expression::print::{delta_parts, write_clock, write_date, write_iso};
use crate::manifest::expression::value::Value;

pub(super) const MOMENT_NAMES: [&str; 22] = [
    "strftime",
    "isoformat",
    "date",
    "time",
    "timetz",
    "timestamp",
    "weekday",
    "isoweekday",
    "isocalendar",
    "toordinal",
    "replace",
    "astimezone",
    "utcoffset",
    "tzname",
    "dst",
    "ctime",
    "strptime",
    "fromtimestamp",
    "utcfromtimestamp",
    "fromisoformat",
    "timetuple",
    "utctimetuple",
];
pub(super) const DATE_NAMES: [&str; 11] = [
    "strftime",
    "isoformat",
    "weekday",
    "isoweekday",
    "isocalendar",
    "toordinal",
    "replace",
    "ctime",
    "fromtimestamp",
    "fromisoformat",
    "timetuple",
];

fn int<'a>(value: impl Into<i128>) -> Option<Value<'a>> {
    Some(Value::Int(value.into()))
}

pub(super) fn property<'a>(object: &Value<'a>, name: &str) -> Option<Value<'a>> {
    match object {
        Value::Moment(moment) => moment_property(*moment, name),
        Value::Date(day) if matches!(name, "year" | "month" | "day") => moment_property(Moment::midnight(*day), name),
        Value::Time(micros) if matches!(name, "hour" | "minute" | "second" | "microsecond") => {
            moment_property(Moment { wall: *micros, zone: Zone::Naive }, name)
        }
        Value::Delta(micros) => delta_property(*micros, name),
        Value::Period(period) => match name {
            "years" => Some(whole(period.years)),
            "months" => Some(whole(period.months)),
            "tdelta" => Some(Value::Delta(period.micros)),
            _ => delta_property(period.micros, name),
        },
        _ => None,
    }
}

/// A decimal number of Python's prints without a point where it is whole.
fn whole<'a>(value: f64) -> Value<'a> {
    if value.fract() == 0.0 {
        return Value::Int(crate::manifest::expression::numbers::truncated(value));
    }
    Value::Float(value)
}

fn moment_property<'a>(moment: Moment, name: &str) -> Option<Value<'a>> {
    let fields = moment.fields();
    match name {
        "year" => int(fields.year),
        "month" => int(fields.month),
        "day" => int(fields.day),
        "hour" => int(fields.hour),
        "minute" => int(fields.minute),
        "second" => int(fields.second),
        "microsecond" => int(fields.micro),
        "fold" => int(0),
        "min" => Some(Value::Moment(Moment::midnight(calendar::DAY_MIN))),
        "max" => {
            let end = Moment::midnight(calendar::DAY_MAX);
            Some(Value::Moment(Moment { wall: end.wall + calendar::DAY_MICROS - 1, ..end }))
        }
        "resolution" => Some(Value::Delta(1)),
        "tzinfo" if moment.zone() == Zone::Naive => Some(Value::None),
        "tzinfo" => Some(Value::from(dates::zone_name(moment))),
        _ => None,
    }
}

fn delta_property<'a>(micros: i128, name: &str) -> Option<Value<'a>> {
    let (days, seconds, micros) = delta_parts(micros);
    match name {
        "days" => int(days),
        "seconds" => int(seconds),
        "microseconds" => int(micros),
        _ => None,
    }
}

pub(super) fn call<'a>(_run: &mut Run<'a>, object: &Value<'a>, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    match object {
        Value::Moment(moment) => call_moment(*moment, name, arguments),
        Value::Date(day) => call_date(*day, name, arguments),
        Value::Time(micros) => call_time(*micros, name, arguments),
        Value::Period(period) if name == "totimedelta" => totimedelta(*period, arguments),
        Value::Delta(micros) | Value::Period(Period { micros, .. }) => {
            let [] = arguments.bind_unnamed(name, 0)?;
            #[expect(clippy::cast_precision_loss, reason = "Python divides as floats here too")]
            Ok(Value::Float(*micros as f64 / 1e6))
        }
        other => Err(Fault::wrong_type(format!("calls `{name}` on a {}", other.type_name()))),
    }
}

fn text_of<'v>(value: Option<&'v Value<'_>>) -> Eval<&'v str> {
    value.and_then(Value::as_str).ok_or_else(|| Fault::wrong_type("formats a date with what is no text"))
}

fn call_moment<'a>(moment: Moment, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    match name {
        "strftime" => {
            let [format] = arguments.bind(name, ["format"], 1)?;
            Ok(Value::from(dates::strftime(moment, text_of(format.as_ref())?)))
        }
        "isoformat" => isoformat(moment, arguments),
        "replace" => replace(moment, arguments),
        "strptime" => {
            let [text, format] = arguments.bind_unnamed(name, 2)?;
            let format = format.unwrap_or(Value::None);
            super::moment_of(&text.unwrap_or(Value::None), text_of(Some(&format))?).map(Value::Moment)
        }
        "fromtimestamp" | "utcfromtimestamp" => fromtimestamp(name, arguments),
        "fromisoformat" => {
            let [text] = arguments.bind_unnamed(name, 1)?;
            let text = text.unwrap_or(Value::None);
            dates::iso::parse(text_of(Some(&text))?).map(Value::Moment).map_err(super::date_fault)
        }
        "astimezone" => {
            let [zone] = arguments.bind(name, ["tz"], 0)?;
            match zone.as_ref().and_then(Value::as_str) {
                Some("UTC") | None => Ok(Value::Moment(moment.in_utc())),
                Some(_) => Err(Fault::unsupported("changes the zone of a date to another than UTC")),
            }
        }
        _ => {
            let [] = arguments.bind_unnamed(name, 0)?;
            plain_moment(moment, name)
        }
    }
}

/// The methods without arguments.
fn plain_moment<'a>(moment: Moment, name: &str) -> Eval<Value<'a>> {
    let naive = moment.zone() == Zone::Naive;
    Ok(match name {
        "date" => Value::Date(moment.day()),
        "time" => Value::Time(moment.time()),
        "timestamp" => Value::Float(moment.seconds()),
        "utcoffset" | "dst" | "tzname" if naive => Value::None,
        "utcoffset" => Value::Delta(i128::from(moment.offset_seconds()) * 1_000_000),
        "tzname" => Value::from(dates::zone_name(moment)),
        "ctime" => Value::from(dates::strftime(moment, "%a %b %e %H:%M:%S %Y")),
        "weekday" | "isoweekday" | "isocalendar" | "toordinal" => day_number(moment.day(), name),
        other => return Err(Fault::unsupported(format!("calls `{other}` on a date"))),
    })
}

fn day_number<'a>(day: i64, name: &str) -> Value<'a> {
    let weekday = calendar::weekday(day);
    let value = match name {
        "weekday" => weekday,
        "isoweekday" => weekday + 1,
        "toordinal" => day - calendar::DAY_MIN + 1,
        _ => {
            let (year, week) = calendar::iso_week(day);
            return Value::Tuple([year, week, weekday + 1].map(|part| Value::Int(part.into())).into());
        }
    };
    Value::Int(value.into())
}

fn call_date<'a>(day: i64, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    match name {
        "strftime" => {
            let [format] = arguments.bind(name, ["format"], 1)?;
            Ok(Value::from(dates::strftime(Moment::midnight(day), text_of(format.as_ref())?)))
        }
        "replace" => match replace(Moment::midnight(day), arguments)? {
            Value::Moment(moment) => Ok(Value::Date(moment.day())),
            other => Ok(other),
        },
        "fromisoformat" | "fromtimestamp" => match call_moment(Moment::midnight(day), name, arguments)? {
            Value::Moment(moment) => Ok(Value::Date(moment.day())),
            other => Ok(other),
        },
        _ => {
            let [] = arguments.bind_unnamed(name, 0)?;
            if name == "isoformat" {
                let mut text = String::new();
                write_date(day, &mut text);
                return Ok(Value::from(text));
            }
            plain_moment(Moment::midnight(day), name)
        }
    }
}

fn call_time<'a>(micros: i64, name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    if name == "strftime" {
        let [format] = arguments.bind(name, ["format"], 1)?;
        // Python takes January 1, 1900 for a time's date.
        let day = calendar::new_year(1900);
        let moment = Moment { wall: day * calendar::DAY_MICROS + micros, zone: Zone::Naive };
        return Ok(Value::from(dates::strftime(moment, text_of(format.as_ref())?)));
    }
    let [] = arguments.bind(name, [], 0)?;
    let mut text = String::new();
    write_clock(micros, &mut text);
    Ok(Value::from(text))
}

fn isoformat<'a>(moment: Moment, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [separator, spec] = arguments.bind("isoformat", ["sep", "timespec"], 0)?;
    let separator = separator.as_ref().map_or(Ok("T"), |separator| text_of(Some(separator)))?;
    let mut characters = separator.chars();
    let (Some(separator), None) = (characters.next(), characters.next()) else {
        return Err(Fault::wrong_type("separates date and time by more or less than one character"));
    };
    let spec = spec.as_ref().map_or(Ok("auto"), |spec| text_of(Some(spec)))?;
    let fraction = moment.wall.rem_euclid(1_000_000);
    let clock = match spec {
        "auto" => {
            let mut text = String::new();
            write_iso(moment, separator, &mut text);
            return Ok(Value::from(text));
        }
        "hours" => dates::strftime(moment, "%H"),
        "minutes" => dates::strftime(moment, "%H:%M"),
        "seconds" => dates::strftime(moment, "%H:%M:%S"),
        "milliseconds" => format!("{}.{:03}", dates::strftime(moment, "%H:%M:%S"), fraction / 1000),
        "microseconds" => dates::strftime(moment, "%H:%M:%S.%f"),
        other => return Err(Fault::value(format!("writes a time to {other:?}"))),
    };
    let mut whole = String::new();
    write_iso(Moment { wall: 0, ..moment }, 'T', &mut whole);
    let mut text = String::new();
    write_date(moment.day(), &mut text);
    text.push(separator);
    text.push_str(&clock);
    // The offset is what follows 1970-01-01T00:00:00.
    text.push_str(&whole[19..]);
    Ok(Value::from(text))
}

fn replace<'a>(moment: Moment, mut arguments: Given<'a>) -> Eval<Value<'a>> {
    let zone = arguments.named.iter().position(|(name, _)| name == "tzinfo");
    let zone = match zone.map(|at| arguments.named.remove(at).1) {
        None => moment.zone(),
        Some(Value::None) => Zone::Naive,
        Some(Value::Text(name)) if name.as_str() == "UTC" => Zone::Utc,
        Some(_) => return Err(Fault::unsupported("gives a date another zone than UTC")),
    };
    let names = ["year", "month", "day", "hour", "minute", "second", "microsecond"];
    let bound = arguments.bind("replace", names, 0)?;
    let mut fields = moment.fields();
    let slots = [
        &mut fields.year,
        &mut fields.month,
        &mut fields.day,
        &mut fields.hour,
        &mut fields.minute,
        &mut fields.second,
        &mut fields.micro,
    ];
    for (slot, value) in slots.into_iter().zip(bound) {
        if let Some(value) = value {
            *slot = i64::try_from(super::int_of(&value)?).map_err(|_| Fault::value("is no part of a date"))?;
        }
    }
    Moment::from_fields(fields, zone).map(Value::Moment).map_err(super::date_fault)
}

fn fromtimestamp<'a>(name: &str, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [seconds, zone] = arguments.bind(name, ["timestamp", "tz"], 1)?;
    let seconds = seconds.unwrap_or(Value::None);
    let seconds = seconds.as_float().ok_or_else(|| Fault::wrong_type("makes a date of what is no number"))?;
    let moment = Moment::from_seconds(seconds).map_err(super::date_fault)?;
    let aware = matches!(zone, Some(Value::Text(_)));
    Ok(Value::Moment(if aware { moment } else { Moment { zone: Zone::Naive, ..moment } }))
}

fn totimedelta<'a>(period: Period, arguments: Given<'a>) -> Eval<Value<'a>> {
    let [start, end] = arguments.bind("totimedelta", ["start", "end"], 0)?;
    let given = |value: Option<Value<'a>>| match value {
        Some(Value::Moment(moment)) => Some(moment),
        Some(Value::Date(day)) => Some(Moment::midnight(day)),
        _ => None,
    };
    let (moment, moved) = match (given(start), given(end)) {
        (Some(start), None) => (start, period.after(start)),
        (None, Some(end)) => (end, period.before(end)),
        _ => return Err(Fault::value("needs one start or one end to count a duration from")),
    };
    let moved = moved.map_err(super::date_fault)?;
    Ok(Value::Delta(i128::from((moved.wall - moment.wall).abs())))
}
