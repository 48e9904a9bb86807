//! ISO 8601 texts, as strictly and as oddly as the reference's parser reads them.

use super::DateError;
use super::calendar::{self, DAY_MICROS, is_leap};
use super::moment::{Fields, Moment, Zone};

/// Reads a date or a date with a time and an offset. Any one character may stand between the two. Without an offset the
/// moment is naive.
pub(crate) fn parse(text: &str) -> Result<Moment, DateError> {
    let wrong = || DateError::new(format!("{text:?} is not an ISO 8601 date"));
    if !text.is_ascii() {
        return Err(wrong());
    }
    if let Some(moment) = usual(text.as_bytes()) {
        return Ok(moment);
    }
    any(text.as_bytes()).ok_or_else(wrong)
}

/// `YYYY-MM-DD?hh:mm:ss` with nothing, `Z`, or `.ffffff`, `+00:00` and the like after it; else the long way.
fn usual(text: &[u8]) -> Option<Moment> {
    if text.len() < 19 || text[4] != b'-' || text[7] != b'-' || text[13] != b':' || text[16] != b':' {
        return None;
    }
    let (mut micro, mut rest) = (0, &text[19..]);
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        micro = micros_of(&fraction[..length])?;
        rest = &fraction[length..];
    }
    let zone = match rest {
        [] => Zone::Naive,
        [b'Z'] => Zone::Utc,
        _ => return None,
    };
    let fields = Fields {
        year: digits(&text[..4])?,
        month: digits(&text[5..7])?,
        day: digits(&text[8..10])?,
        hour: digits(&text[11..13])?,
        minute: digits(&text[14..16])?,
        second: digits(&text[17..19])?,
        micro,
    };
    Moment::from_fields(fields, zone).ok()
}

fn any(text: &[u8]) -> Option<Moment> {
    let (day, at) = match common_date(text) {
        Some(((year, month, day), at)) => (Err((year, month, day)), at),
        None => uncommon_date(text).map(|(day, at)| (Ok(day), at))?,
    };
    let (time, zone) = if text.len() > at { time(&text[at + 1..])? } else { (0, Zone::Naive) };
    let day = match day {
        Ok(day) => day,
        Err((year, month, day)) => calendar::day_number(year, month, day)?,
    };
    Moment::checked(day * DAY_MICROS + time, zone).ok()
}

/// Python's `int()` of a few bytes: whitespace around and a sign are allowed, which the reference inherits.
fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    crate::manifest::expression::numbers::parse_int(text, 10).and_then(|value| i64::try_from(value).ok())
}

/// Digits only.
fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// A fraction of a second, cut to microseconds.
fn micros_of(fraction: &[u8]) -> Option<i64> {
    if fraction.is_empty() {
        return None;
    }
    let kept = &fraction[..fraction.len().min(6)];
    let missing = u32::try_from(6 - kept.len()).ok()?;
    Some(digits(kept)? * 10_i64.pow(missing))
}

/// `YYYY`, `YYYY-MM`, `YYYY-MM-DD` or `YYYYMMDD`, and where it ends.
fn common_date(text: &[u8]) -> Option<((i64, i64, i64), usize)> {
    let year = number(text.get(..4)?)?;
    if text.len() == 4 {
        return Some(((year, 1, 1), 4));
    }
    let dashed = text[4] == b'-';
    let mut at = 4 + usize::from(dashed);
    let month = number(text.get(at..at + 2)?)?;
    at += 2;
    if at >= text.len() {
        return dashed.then_some(((year, month, 1), at));
    }
    if dashed {
        if text[at] != b'-' {
            return None;
        }
        at += 1;
    }
    let day = number(text.get(at..at + 2)?)?;
    Some(((year, month, day), at + 2))
}

/// `YYYY-Www-D`, `YYYYWww`, `YYYY-DDD` and so on: the day's number, and where it ends.
fn uncommon_date(text: &[u8]) -> Option<(i64, usize)> {
    let year = number(text.get(..4)?)?;
    if !(1..=9999).contains(&year) {
        return None;
    }
    let dashed = text.get(4) == Some(&b'-');
    let mut at = 4 + usize::from(dashed);
    if text.get(at) != Some(&b'W') {
        let day = number(text.get(at..at + 3)?)?;
        let valid = day >= 1 && day <= 365 + i64::from(is_leap(year));
        return valid.then(|| (calendar::new_year(year) + day - 1, at + 3));
    }
    let week = number(text.get(at + 1..text.len().min(at + 3))?)?;
    at += 3;
    let mut day = 1;
    if text.len() > at {
        if (text[at] == b'-') != dashed {
            return None;
        }
        at += usize::from(dashed);
        day = number(text.get(at..at + 1)?)?;
        at += 1;
    }
    if !(1..54).contains(&week) || !(1..8).contains(&day) {
        return None;
    }
    let january_4 = calendar::new_year(year) + 3;
    let first = january_4 - calendar::weekday(january_4);
    Some((first + (week - 1) * 7 + day - 1, at))
}

/// Microseconds of the day, which may be a whole one, and the zone.
fn time(text: &[u8]) -> Option<(i64, Zone)> {
    if text.len() < 2 {
        return None;
    }
    let (mut parts, mut zone, mut at, mut colons) = ([0_i64; 4], Zone::Naive, 0, false);
    let mut part = 0;
    while at < text.len() && part < 5 {
        if matches!(text[at], b'-' | b'+' | b'Z' | b'z') {
            zone = offset(&text[at..])?;
            at = text.len();
            break;
        }
        if part == 1 && text[at] == b':' {
            colons = true;
            at += 1;
        } else if part == 2 && colons {
            if text[at] != b':' {
                return None;
            }
            at += 1;
        }
        if part < 3 {
            parts[part] = number(&text[at.min(text.len())..text.len().min(at + 2)])?;
            at += 2;
        } else if part == 3 && matches!(text[at], b'.' | b',') {
            let length = text[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if length > 0 {
                parts[3] = micros_of(&text[at + 1..at + 1 + length])?;
                at += 1 + length;
            }
        }
        part += 1;
    }
    let [hour, minute, second, micro] = parts;
    let midnight = hour == 24 && minute == 0 && second == 0 && micro == 0;
    let valid = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    (at >= text.len() && (midnight || valid)).then(|| (((hour * 60 + minute) * 60 + second) * 1_000_000 + micro, zone))
}

fn offset(text: &[u8]) -> Option<Zone> {
    if matches!(text, b"Z" | b"z") {
        return Some(Zone::Utc);
    }
    let sign = match text[0] {
        b'-' => -1,
        b'+' => 1,
        _ => return None,
    };
    let hours = number(text.get(1..3)?)?;
    let minutes = match text.len() {
        3 => 0,
        5 | 6 => number(&text[if text[3] == b':' { 4 } else { 3 }..])?,
        _ => return None,
    };
    let valid = (0..=59).contains(&minutes) && (0..=23).contains(&hours);
    let seconds = i32::try_from(sign * (hours * 60 + minutes) * 60).ok()?;
    valid.then_some(if seconds == 0 { Zone::Utc } else { Zone::Offset(seconds) })
}

/// The alternative notation of durations: a date with a time.
pub(crate) fn parse_extended(text: &str) -> Option<Moment> {
    let (date, _) = text.split_once('T')?;
    let has_day = !date.is_empty() && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    has_day.then(|| parse(text).ok()).flatten()
}
