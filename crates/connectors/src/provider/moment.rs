//! Points in time as senders write them, and whether one lies within a window. Reads no clock.

use domain::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

use super::program::Time;
use super::refusal::{Code, Refusal};
use super::spec::TimeUnit;

/// Below it a whole number means seconds (until the year 5138), from it on milliseconds (since 1973).
const MILLIS_FROM: i64 = 100_000_000_000;

/// The moment that a text means in a unit.
pub(crate) fn read(text: &[u8], unit: TimeUnit) -> Option<Timestamp> {
    match unit {
        TimeUnit::S => whole(text).map(Timestamp::from_secs),
        TimeUnit::Ms => whole(text).map(Timestamp::from_millis),
        TimeUnit::Iso => iso(std::str::from_utf8(text).ok()?),
        TimeUnit::Auto => match whole(text) {
            Some(seconds) if seconds < MILLIS_FROM => Some(Timestamp::from_secs(seconds)),
            Some(millis) => Some(Timestamp::from_millis(millis)),
            None => read(text, TimeUnit::Iso).or_else(|| http_date(std::str::from_utf8(text).ok()?)),
        },
    }
}

/// RFC 3339, and what senders make of it: without an offset, or with ` UTC` in its place, UTC is meant.
fn iso(text: &str) -> Option<Timestamp> {
    const TO_THE_SECOND: usize = "2026-01-31T09:30:00".len();
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let local = text.strip_suffix(" UTC").unwrap_or(text);
    let fraction = local.get(TO_THE_SECOND..)?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let civil: civil::DateTime = local.parse().ok()?;
    let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
}

/// The date of HTTP's own headers, such as `Sat, 31 Jan 2026 09:30:00 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    let at = text.ends_with(" GMT").then(|| parser.parse_timestamp(text).ok()).flatten()?;
    Some(Timestamp::from_micros(at.as_microsecond()))
}

/// Digits only, without leading zeros: any other way would be a second spelling of the same time.
fn whole(text: &[u8]) -> Option<i64> {
    let first = matches!(text, [b'0'] | [b'1'..=b'9', ..]);
    let digits = first && text.len() <= 15 && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// How a moment is written in a unit.
pub(crate) fn write(at: Timestamp, unit: TimeUnit) -> String {
    match unit {
        TimeUnit::S | TimeUnit::Auto => at.as_secs().to_string(),
        TimeUnit::Ms => at.as_millis().to_string(),
        TimeUnit::Iso => at.to_string(),
    }
}

/// Refuses a moment outside of the window around `received_at`.
pub(crate) fn judge(text: Option<&[u8]>, time: &Time, received_at: Timestamp) -> Result<(), Refusal> {
    if time.advisory {
        return Ok(());
    }
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Err(Refusal::new(Code::TimestampMissing, "the request carries no timestamp"));
    };
    let Some(at) = read(text, time.unit) else {
        return Err(Refusal::new(Code::TimestampUnreadable, "the timestamp is not written as this sender writes it"));
    };
    if received_at.since(at) > time.past {
        let detail = format!(
            "sent {} s before it arrived; at most {} s are allowed",
            received_at.since(at).as_secs(),
            time.past.as_secs()
        );
        return Err(Refusal::new(Code::TimestampStale, detail));
    }
    if at.since(received_at) > time.future {
        let detail = format!(
            "dated {} s after it arrived; at most {} s are allowed: check this machine's clock",
            at.since(received_at).as_secs(),
            time.future.as_secs()
        );
        return Err(Refusal::new(Code::TimestampInFuture, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::provider::field::Field;

    #[test]
    fn moments_are_read_in_every_unit() {
        let at = Timestamp::from_secs(1_700_000_000);
        for (text, unit) in [
            ("1700000000", TimeUnit::S),
            ("1700000000000", TimeUnit::Ms),
            ("2023-11-14T22:13:20Z", TimeUnit::Iso),
            ("2023-11-14T23:13:20+01:00", TimeUnit::Iso),
            ("2023-11-14T22:13:20", TimeUnit::Iso),
            ("2023-11-14 22:13:20 UTC", TimeUnit::Iso),
            ("1700000000", TimeUnit::Auto),
            ("1700000000000", TimeUnit::Auto),
            ("2023-11-14T22:13:20Z", TimeUnit::Auto),
            ("Tue, 14 Nov 2023 22:13:20 GMT", TimeUnit::Auto),
        ] {
            assert_eq!(read(text.as_bytes(), unit), Some(at), "{text}");
        }
        for bad in [
            "",
            "01700000000",
            "-1",
            "+1",
            " 1",
            "1.0",
            "1e3",
            "9999999999999999",
            "yesterday",
            "2023-11-14",
            "2023-11-14T22:13",
            "2023-11-14T22:13:20+99:00",
            "Tue, 14 Nov 2023 22:13:20 +0000",
            "Wed, 14 Nov 2023 22:13:20 GMT",
        ] {
            assert_eq!(read(bad.as_bytes(), TimeUnit::Auto), None, "{bad}");
        }
    }

    #[test]
    fn the_window_has_two_sides_and_includes_its_edges() {
        let time = |advisory| Time {
            from: Field::Unset,
            unit: TimeUnit::S,
            past: Duration::from_secs(300),
            future: Duration::from_secs(60),
            advisory,
        };
        let now = Timestamp::from_secs(10_000);
        let verdict = |text: &str| judge(Some(text.as_bytes()), &time(false), now).map_err(|refusal| refusal.code);
        assert_eq!(verdict("9700"), Ok(()));
        assert_eq!(verdict("9699"), Err(Code::TimestampStale));
        assert_eq!(verdict("10060"), Ok(()));
        assert_eq!(verdict("10061"), Err(Code::TimestampInFuture));
        assert_eq!(verdict("soon"), Err(Code::TimestampUnreadable));
        assert_eq!(verdict(""), Err(Code::TimestampMissing));
        assert_eq!(judge(None, &time(true), now), Ok(()), "an advisory time refuses nothing");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0i64..4_000_000_000) {
            let at = Timestamp::from_secs(seconds);
            for unit in [TimeUnit::S, TimeUnit::Ms, TimeUnit::Iso, TimeUnit::Auto] {
                prop_assert_eq!(read(write(at, unit).as_bytes(), unit), Some(at));
            }
        }

        #[test]
        fn no_bytes_panic(text: Vec<u8>) {
            let _ = read(&text, TimeUnit::Auto);
        }
    }
}
