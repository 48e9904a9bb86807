//! Times as sources and configs write them when they mean the end of a token or of a quota: seconds since 1970, or a
//! date with or without time and zone.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

/// Digits of a number of seconds; one with more is something else.
const DIGITS_MAX: usize = 10;

/// The time that a value says, without a zone in UTC.
pub(super) fn read(value: &Json) -> Option<Timestamp> {
    match value {
        Json::Number(number) => seconds(&number.as_u64()?.to_string()),
        Json::String(text) => parse(text.trim()),
        _ => None,
    }
}

pub(super) fn parse(text: &str) -> Option<Timestamp> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return seconds(text);
    }
    if !text.contains(':') {
        let date: Date = text.parse().ok()?;
        return in_utc(date.to_datetime(jiff::civil::Time::midnight()));
    }
    let zoned: Option<Timestamp> = text.parse().ok();
    let naive = || text.parse::<DateTime>().ok().and_then(in_utc);
    let spaced = || text.strip_suffix(" UTC").or_else(|| text.strip_suffix(" GMT"))?.parse().ok().and_then(in_utc);
    zoned.or_else(naive).or_else(spaced).or_else(|| rfc2822::DateTimeParser::new().parse_timestamp(text).ok())
}

fn seconds(text: &str) -> Option<Timestamp> {
    if text.len() > DIGITS_MAX { None } else { Timestamp::from_second(text.parse().ok()?).ok() }
}

fn in_utc(moment: DateTime) -> Option<Timestamp> {
    moment.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// A time as the format writes it into the config: `2026-01-02T03:04:05.600000+00:00`, fractions only if there are any.
pub(super) fn print(at: Timestamp) -> String {
    let format =
        if at.as_microsecond() % 1_000_000 == 0 { "%Y-%m-%dT%H:%M:%S+00:00" } else { "%Y-%m-%dT%H:%M:%S%.6f+00:00" };
    at.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_in_every_form_that_sources_write() {
        let table = [
            (json!(1_700_000_000), Some("2023-11-14T22:13:20Z")),
            (json!("1700000000"), Some("2023-11-14T22:13:20Z")),
            (json!("2023-03-14"), Some("2023-03-14T00:00:00Z")),
            (json!("2023-03-14T15:09:26"), Some("2023-03-14T15:09:26Z")),
            (json!("2023-03-14 15:09:26"), Some("2023-03-14T15:09:26Z")),
            (json!("2023-03-14T15:09:26.5+02:00"), Some("2023-03-14T13:09:26.5Z")),
            (json!("2023-03-14 15:09:26 UTC"), Some("2023-03-14T15:09:26Z")),
            (json!("Tue, 14 Mar 2023 15:09:26 GMT"), Some("2023-03-14T15:09:26Z")),
            (json!("17000000000"), None),
            (json!(-5), None),
            (json!("15:09"), None),
            (json!("soon"), None),
            (json!(null), None),
        ];
        for (value, expected) in table {
            assert_eq!(read(&value).map(|at| at.to_string()).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn a_time_is_written_as_the_format_writes_it() {
        let print = |micros| print(Timestamp::from_microsecond(micros).expect("a time"));
        assert_eq!(print(1_700_000_000_000_000), "2023-11-14T22:13:20+00:00");
        assert_eq!(print(1_700_000_000_050_000), "2023-11-14T22:13:20.050000+00:00");
    }
}
