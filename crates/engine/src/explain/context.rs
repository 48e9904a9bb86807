//! What a model may be told: figures, our own codes, and values from lists of ours. Whatever somebody else wrote (payloads,
//! header values, answers, names, addresses, secrets) has no field here, so it cannot leave.

use domain::explain::delivery::{self, Standing};
use domain::explain::request::{self, Mode, Otherwise};
use serde_json::{Value, json};

/// Tries that are told; the newest say most.
const TRIES_MAX: usize = 10;
/// Content types that are told by name.
const CONTENT_TYPES: [&str; 6] = [
    "application/json",
    "application/cloudevents+json",
    "application/x-www-form-urlencoded",
    "application/xml",
    "text/plain",
    "multipart/form-data",
];
const ENCODINGS: [&str; 5] = ["gzip", "deflate", "br", "zstd", "identity"];
/// Headers whose presence is told; their values are not.
const HEADERS: [&str; 14] = [
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-real-ip",
    "cf-ray",
    "x-amzn-trace-id",
    "content-type",
    "content-encoding",
    "content-length",
    "transfer-encoding",
    "user-agent",
    "expect",
];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "HEAD", "OPTIONS"];

/// What may leave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context(Value);

impl Context {
    /// Whether there is nothing to ask about.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_null()
    }

    pub(super) fn text(&self) -> String {
        self.0.to_string()
    }

    pub(super) fn of_delivery(facts: &delivery::Facts) -> Self {
        let begin = facts.tries.len().saturating_sub(TRIES_MAX);
        let tries: Vec<Value> = facts.tries[begin..].iter().map(|tried| told(facts, tried)).collect();
        let minutes = facts.minutes.iter().map(|minute| json!([minute.tries, minute.failed]));
        let destination = &facts.destination;
        let standing = match destination.standing {
            Standing::Active => "active",
            Standing::Paused => "paused",
            Standing::Disabled => "disabled",
            Standing::Retired => "retired",
        };
        Self(json!({
            "kind": "delivery",
            "state": facts.state.as_str(),
            "cause": facts.cause.as_ref().map(|(code, _)| token(code)),
            "waits_behind_another": facts.behind,
            "tries": tries,
            "tries_in_all": facts.tries.len(),
            "destination": {
                "https": destination.https, "standing": standing, "breaker_open": destination.breaker_open,
                "signed": destination.signed, "first_byte_limit_s": destination.first_byte.as_secs(),
            },
            "body_bytes": facts.body_bytes,
            "content_type": one_of(&CONTENT_TYPES, essence(&facts.content_type)),
            "destination_minutes_tries_failed": minutes.collect::<Vec<_>>(),
            "rules_that_spoke": rules(&delivery::explain(facts)),
        }))
    }

    /// `is_listed`: everybody knows the provider by this name.
    pub(super) fn of_request(facts: &request::Facts, is_listed: bool) -> Self {
        let headers: Vec<&str> =
            HEADERS.into_iter().filter(|known| facts.headers.iter().any(|header| header == known)).collect();
        let otherwise: Vec<&str> = facts.otherwise.iter().map(kind_of).collect();
        let sent = facts.sent_at.map(|sent| (facts.received_at.as_micros() - sent.as_micros()) / 1_000_000);
        Self(json!({
            "kind": "request",
            "rejected_for": token(&facts.code),
            "waits_for_its_key": facts.pending,
            "provider": if is_listed { facts.provider.as_str() } else { "custom" },
            "method": one_of(&METHODS, &facts.method),
            "headers_present": headers,
            "headers_in_all": facts.headers.len(),
            "content_type": one_of(&CONTENT_TYPES, essence(&facts.content_type)),
            "content_encoding": one_of(&ENCODINGS, &facts.encoding),
            "body_bytes": facts.body_bytes,
            "seconds_between_signed_and_received": sent,
            "skews_of_others_s": facts.skews.iter().map(std::time::Duration::as_secs).collect::<Vec<_>>(),
            "says_of_itself": facts.mode.map(|mode| match mode { Mode::Test => "test", Mode::Live => "live" }),
            "source_accepted_before": facts.accepted_at.is_some(),
            "rejected_alike": facts.alike,
            "would_be_verified_with": otherwise,
            "rules_that_spoke": rules(&request::explain(facts)),
        }))
    }
}

fn told(facts: &delivery::Facts, tried: &delivery::Try) -> Value {
    json!({
        "outcome": token(&tried.outcome), "status": tried.status,
        "duration_ms": u64::try_from(tried.duration.as_millis()).unwrap_or(u64::MAX),
        "seconds_ago": facts.now.since(tried.at).as_secs(),
    })
}

fn kind_of(otherwise: &Otherwise) -> &'static str {
    match otherwise {
        Otherwise::Now => "what is configured now",
        Otherwise::SecretWithoutBlanks => "the same secret without blanks",
        Otherwise::SecretOfSource(_) => "the secret of another source",
        Otherwise::Url(_) => "another URL",
        Otherwise::Body(_) => "the same body written otherwise",
    }
}

fn rules(diagnoses: &[domain::explain::Diagnosis]) -> Vec<&'static str> {
    diagnoses.iter().map(|diagnosis| diagnosis.rule).collect()
}

/// A code of ours; anything that does not look like one is not told.
fn token(text: &str) -> &str {
    const CODE_BYTES_MAX: usize = 40;
    let is_code = text.len() <= CODE_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_code { text } else { "other" }
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// The entry of a list that the text is.
fn one_of<'l>(list: &[&'l str], text: &str) -> &'l str {
    if text.is_empty() {
        return "none";
    }
    list.iter().find(|known| known.eq_ignore_ascii_case(text)).copied().unwrap_or("other")
}

#[cfg(test)]
mod tests;
