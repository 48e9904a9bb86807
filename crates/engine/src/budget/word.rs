//! What a source's answer says of its budget, in the headers that sources use for it: `Retry-After` (RFC 9110 §10.2.3),
//! `RateLimit` (draft-ietf-httpapi-ratelimit-headers), and the `X-RateLimit-*` that came before.

use std::time::Duration;

use domain::Timestamp;
use domain::budget::Word;
use http::HeaderMap;

use crate::deliver::retry_after;

/// A 429 that does not say for how long.
const STOP_DEFAULT: Duration = Duration::from_secs(1);
/// A source that wants more than this is stopped for so long and asked again.
const STOP_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A reset beyond this many seconds is a time, not a span.
const SPAN_MAX: f64 = 100_000_000.0;

/// What the answer says, if anything.
#[must_use]
pub fn read(status: u16, headers: &HeaderMap, now: Timestamp) -> Option<Word> {
    // Some refuse whoever asks too often with 403, and prolong it for those who ask on.
    if let Some(wait) = retry_after(headers, now).filter(|_| status >= 400) {
        return Some(stop(wait, now));
    }
    let left = left(headers, now);
    match (status, left) {
        (429 | 503, Some((0, until))) => Some(stop(until.since(now), now)),
        // It is another limit that was reached than the one of which something is left.
        (429, _) => Some(stop(STOP_DEFAULT, now)),
        (_, left) => left.map(|(requests, until)| Word::Left { requests, until: until.min(now + STOP_MAX) }),
    }
}

/// Nothing for so long.
#[must_use]
pub fn stop(wait: Duration, now: Timestamp) -> Word {
    Word::Stop { until: now + wait.min(STOP_MAX) }
}

fn left(headers: &HeaderMap, now: Timestamp) -> Option<(u64, Timestamp)> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(found) = text("ratelimit").and_then(|value| policy(value, now)) {
        return Some(found);
    }
    ["ratelimit", "x-ratelimit", "x-rate-limit"].into_iter().find_map(|prefix| {
        let requests: f64 = text(&format!("{prefix}-remaining"))?.split(',').next()?.trim().parse().ok()?;
        let until = moment(text(&format!("{prefix}-reset"))?, now)?;
        Some((requests.max(0.0) as u64, until))
    })
}

/// `"default";r=50;t=30`, and the older `limit=100, remaining=50, reset=30`.
fn policy(value: &str, now: Timestamp) -> Option<(u64, Timestamp)> {
    let part = |names: [&str; 2]| {
        value.split([';', ',']).find_map(|part| {
            let (name, value) = part.split_once('=')?;
            names.contains(&name.trim()).then(|| value.trim().parse::<f64>().ok())?
        })
    };
    let (requests, seconds) = (part(["r", "remaining"])?, part(["t", "reset"])?);
    Some((requests.max(0.0) as u64, now + Duration::try_from_secs_f64(seconds).ok()?))
}

/// Seconds from now, seconds or milliseconds since 1970, or a date.
fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(number) = text.trim().parse::<f64>() {
        let span = |seconds: f64| Duration::try_from_secs_f64(seconds).ok();
        return Some(match number {
            number if number < SPAN_MAX => now + span(number)?,
            number if number < SPAN_MAX * 1_000.0 => Timestamp::EPOCH + span(number)?,
            number => Timestamp::EPOCH + span(number / 1_000.0)?,
        });
    }
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn told(status: u16, pairs: &[(&'static str, &'static str)]) -> Option<Word> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)));
        read(status, &headers.collect(), NOW)
    }

    #[test]
    fn every_usual_spelling_is_understood() {
        let left = |requests, seconds| Some(Word::Left { requests, until: NOW + Duration::from_secs(seconds) });
        for (expected, pairs) in [
            (None, &[][..]),
            (None, &[("x-ratelimit-remaining", "5")]),
            (left(5, 30), &[("x-ratelimit-remaining", "5"), ("x-ratelimit-reset", "30")]),
            (left(5, 30), &[("x-ratelimit-remaining", "5"), ("x-ratelimit-reset", "1800000030")]),
            (left(5, 30), &[("x-rate-limit-remaining", "5.0"), ("x-rate-limit-reset", "1800000030000")]),
            (left(0, 30), &[("ratelimit-remaining", "0"), ("ratelimit-reset", "30")]),
            (left(50, 30), &[("ratelimit", "\"default\";r=50;t=30")]),
            (left(50, 30), &[("ratelimit", "limit=100, remaining=50, reset=30")]),
            (None, &[("ratelimit", "nonsense"), ("x-ratelimit-remaining", "many"), ("x-ratelimit-reset", "soon")]),
        ] {
            assert_eq!(told(200, pairs), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_refusal_stops_all_until_it_says() {
        let stop = |seconds| Some(Word::Stop { until: NOW + Duration::from_secs(seconds) });
        assert_eq!(told(429, &[("retry-after", "7")]), stop(7));
        assert_eq!(told(429, &[]), stop(1));
        assert_eq!(told(429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9")]), stop(9));
        assert_eq!(told(503, &[("retry-after", "2")]), stop(2));
        assert_eq!(told(503, &[]), None);
        // Of this limit something is left: it is not the one that was reached.
        let left = Some(Word::Left { requests: 4_990, until: NOW + Duration::from_secs(3_000) });
        assert_eq!(told(503, &[("x-ratelimit-remaining", "4990"), ("x-ratelimit-reset", "3000")]), left);
        assert_eq!(told(429, &[("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "3000")]), stop(1));
        for status in [400, 403, 404, 500, 502] {
            assert_eq!(told(status, &[("retry-after", "60"), ("x-ratelimit-remaining", "9")]), stop(60), "{status}");
            assert_eq!(told(status, &[]), None, "{status}");
        }
        assert_eq!(told(202, &[("retry-after", "60")]), None, "what is made meanwhile");
        assert_eq!(told(429, &[("retry-after", "999999999")]), stop(86_400));
    }
}
