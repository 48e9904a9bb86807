//! Why a delivery failed or a request was rejected, in plain words: the likely cause, and what to do next.
//!
//! Rules are pure functions of facts that others gathered. A rule that is not sure says so, and one that knows nothing
//! says nothing. No secret and no payload is among the facts, so none can be in what is said.

pub mod delivery;
pub mod request;

use serde::Serialize;

/// How sure a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// It was seen: nothing else explains it.
    Certain,
    Likely,
    /// Worth a look.
    Possible,
}

impl Certainty {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

/// What one rule says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Stable name of the rule.
    pub rule: &'static str,
    pub certainty: Certainty,
    pub cause: String,
    pub next: String,
}

/// What a rule says before it is known which rule it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    certainty: Certainty,
    cause: String,
    next: String,
}

fn said(certainty: Certainty, cause: impl Into<String>, next: impl Into<String>) -> Option<Said> {
    Some(Said { certainty, cause: cause.into(), next: next.into() })
}

fn certain(cause: impl Into<String>, next: impl Into<String>) -> Option<Said> {
    said(Certainty::Certain, cause, next)
}

fn likely(cause: impl Into<String>, next: impl Into<String>) -> Option<Said> {
    said(Certainty::Likely, cause, next)
}

fn possible(cause: impl Into<String>, next: impl Into<String>) -> Option<Said> {
    said(Certainty::Possible, cause, next)
}

/// A rule with its name.
type Rule<Facts> = (&'static str, fn(&Facts) -> Option<Said>);

/// All that the rules say, the surest first; among equals the order of the rules.
fn judge<Facts>(rules: &[&[Rule<Facts>]], facts: &Facts) -> Vec<Diagnosis> {
    let speaking = rules.iter().copied().flatten().filter_map(|(rule, speak)| {
        speak(facts).map(|Said { certainty, cause, next }| Diagnosis { rule, certainty, cause, next })
    });
    let mut all: Vec<Diagnosis> = speaking.collect();
    all.sort_by_key(|diagnosis| diagnosis.certainty);
    all
}

/// The same; where nobody knows anything, what the last ones say.
fn judge_or<Facts>(rules: &[&[Rule<Facts>]], last: &[Rule<Facts>], facts: &Facts) -> Vec<Diagnosis> {
    let said = judge(rules, facts);
    if said.is_empty() { judge(&[last], facts) } else { said }
}

/// A duration as people say it.
fn in_words(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    let (number, unit) = match seconds {
        0 => (duration.as_millis().try_into().unwrap_or(u64::MAX), "millisecond"),
        1..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// Bytes as people say them.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes / 1_024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_and_sizes_are_told_in_words() {
        let words = [0, 1, 90, 600, 7_200, 200_000].map(|seconds| in_words(Duration::from_secs(seconds)));
        assert_eq!(words, ["0 milliseconds", "1 second", "90 seconds", "10 minutes", "2 hours", "2 days"]);
        assert_eq!([5, 20_480, 31_457_280].map(size), ["5 bytes", "20 KiB", "30 MiB"]);
    }

    #[test]
    fn the_surest_comes_first_and_equals_stay_in_order() {
        let rules: &[Rule<()>] =
            &[("a", |()| possible("", "")), ("b", |()| certain("", "")), ("c", |()| None), ("d", |()| certain("", ""))];
        let order: Vec<_> = judge(&[rules], &()).into_iter().map(|diagnosis| diagnosis.rule).collect();
        assert_eq!(order, ["b", "d", "a"]);
    }
}
