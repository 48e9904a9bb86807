//! Requests: what is known of one that was not accepted, and all rules about why.

mod other;
mod signature;
#[cfg(test)]
mod tests;
mod time;

use std::time::Duration;

use super::{Diagnosis, Rule, Said, judge_or, possible};
use crate::Timestamp;

/// Something else by which the request would have been verified. Whoever gathers the facts tries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// As it is: the source was configured otherwise when it came.
    Now,
    /// With a secret of the source, less or more the blanks at its ends.
    SecretWithoutBlanks,
    /// With a secret that another source has.
    SecretOfSource(String),
    /// If it had come to this URL.
    Url(String),
    /// If the body were written so.
    Body(Rewritten),
}

/// How a body was probably written before something on the way wrote it anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewritten {
    /// Without blanks between the tokens.
    CompactJson,
    /// Indented by two blanks.
    IndentedJson,
    /// With a line break at its end, or without.
    LastLineBreak,
    /// With other line breaks.
    LineBreaks,
}

impl Rewritten {
    pub const ALL: [Self; 4] = [Self::CompactJson, Self::IndentedJson, Self::LastLineBreak, Self::LineBreaks];
}

/// Whether what a request carries says that it is a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Test,
    Live,
}

/// All that rules about a request may look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// It waits for its key and was not rejected.
    pub pending: bool,
    pub code: String,
    pub detail: String,
    pub source: String,
    pub provider: String,
    pub method: String,
    pub received_at: Timestamp,
    /// What the request says of when it was sent.
    pub sent_at: Option<Timestamp>,
    /// Names of its headers, lower case.
    pub headers: Vec<String>,
    /// Its content type and its content encoding.
    pub content_type: String,
    pub encoding: String,
    pub body_bytes: u64,
    /// It says so of itself.
    pub mode: Option<Mode>,
    /// What it says so as, such as `livemode`.
    pub mode_field: String,
    pub otherwise: Vec<Otherwise>,
    /// When the source last accepted something.
    pub accepted_at: Option<Timestamp>,
    /// How far the last few requests of the source that were rejected for their time were off.
    pub skews: Vec<Duration>,
    /// How often the source's requests were rejected for the same reason of late, this one included.
    pub alike: u64,
}

impl Facts {
    fn is(&self, codes: &[&str]) -> Option<()> {
        codes.contains(&self.code.as_str()).then_some(())
    }

    fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|header| header == name)
    }

    /// Something on the way left its traces.
    fn passed_a_proxy(&self) -> bool {
        const TRACES: [&str; 8] = [
            "via",
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-real-ip",
            "cf-ray",
            "x-amzn-trace-id",
            "x-envoy-external-address",
        ];
        TRACES.iter().any(|trace| self.has_header(trace))
    }

    /// How far apart both clocks and the way took them.
    fn skew(&self) -> Option<Duration> {
        let sent = self.sent_at?;
        Some(if sent < self.received_at { self.received_at.since(sent) } else { sent.since(self.received_at) })
    }
}

pub(super) const RULES: &[&[Rule<Facts>]] = &[signature::RULES, time::RULES, other::RULES];

/// What the rules say of a request, the surest first.
#[must_use]
pub fn explain(facts: &Facts) -> Vec<Diagnosis> {
    judge_or(RULES, &[("rejected_otherwise", rejected_otherwise)], facts)
}

/// What is said where no other rule knows more.
fn rejected_otherwise(facts: &Facts) -> Option<Said> {
    (!facts.code.is_empty()).then_some(())?;
    let detail = if facts.detail.is_empty() { String::new() } else { format!(": {}", facts.detail) };
    possible(
        format!("It was rejected for `{}`{detail}.", facts.code),
        "See what the source's provider wants of a request (`trireme providers show NAME`), and compare it with the \
             headers that came.",
    )
}
