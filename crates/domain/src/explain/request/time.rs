//! Rules about when a request was sent and when it came.

use std::time::Duration;

use super::super::{Rule, Said, certain, in_words, likely, possible};
use super::Facts;

pub(super) const RULES: &[Rule<Facts>] = &[
    ("clock_skew", clock_skew),
    ("our_clock_behind", our_clock_behind),
    ("sent_again_later", sent_again_later),
    ("replayed_request", replayed_request),
    ("timestamp_missing", timestamp_missing),
    ("timestamp_unreadable", timestamp_unreadable),
];

/// Requests that are off by the same: from so many on it is a clock.
const SKEWS_MIN: usize = 3;
/// How much the same may differ.
const SKEW_SPREAD: Duration = Duration::from_secs(90);
/// Beyond this it is no clock that nobody noticed.
const CLOCK_MAX: Duration = Duration::from_secs(26 * 60 * 60);

/// The smallest skew, if several are nearly the same.
fn steady(facts: &Facts) -> Option<Duration> {
    let (least, most) = (facts.skews.iter().min()?, facts.skews.iter().max()?);
    (facts.skews.len() >= SKEWS_MIN && most.saturating_sub(*least) <= SKEW_SPREAD && *most <= CLOCK_MAX)
        .then_some(*least)
}

fn clock_skew(facts: &Facts) -> Option<Said> {
    facts.is(&["timestamp_stale"])?;
    let by = steady(facts)?;
    likely(
        format!(
            "The last {} requests were all about {} old when they came: one of the two clocks is wrong, or \
                 something on the way holds them back.",
            facts.skews.len(),
            in_words(by)
        ),
        "Compare `date -u` on the gateway's machine with the real time and let NTP set it. If it is right, tell \
             the sender.",
    )
}

fn our_clock_behind(facts: &Facts) -> Option<Said> {
    facts.is(&["timestamp_in_future"])?;
    let by = facts.skew().map(|skew| format!(" by {}", in_words(skew))).unwrap_or_default();
    likely(
        format!("It was sent in the future{by}: the gateway's clock is behind, or the sender's is ahead."),
        "Compare `date -u` on the gateway's machine with the real time and let NTP set it. Then verify the request \
             again.",
    )
}

fn sent_again_later(facts: &Facts) -> Option<Said> {
    facts.is(&["timestamp_stale"])?;
    let skew = facts.skew().filter(|skew| *skew <= CLOCK_MAX)?;
    steady(facts).is_none().then_some(())?;
    possible(
        format!(
            "It was signed {} before it came: a queue or a proxy on the way held it, or it was sent again without \
                 being signed anew.",
            in_words(skew)
        ),
        "If it is wanted all the same, raise the source's tolerance if its provider has one, or fetch what it told \
             with a reconciliation.",
    )
}

fn replayed_request(facts: &Facts) -> Option<Said> {
    facts.is(&["timestamp_stale"])?;
    facts.skew().filter(|skew| *skew > CLOCK_MAX)?;
    likely(
        "It was signed more than a day before it came: an old request was sent once more, by somebody's test or by \
             an attacker.",
        "Nothing has to be done. To try a source, sign anew: `trireme send` does.",
    )
}

fn timestamp_missing(facts: &Facts) -> Option<Said> {
    facts.is(&["timestamp_missing"])?;
    likely(
        format!("The time that belongs to the signature is not there: {}.", facts.detail),
        "See whether a proxy drops the header, and whether the source names the right provider.",
    )
}

fn timestamp_unreadable(facts: &Facts) -> Option<Said> {
    facts.is(&["timestamp_unreadable"])?;
    certain(
        format!("The time that belongs to the signature cannot be read: {}.", facts.detail),
        "See whether the source names the right provider, and which unit its settings say (seconds or milliseconds).",
    )
}
