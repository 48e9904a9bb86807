//! `http`: an endpoint that gets signed messages.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};

use super::reader::{At, Fields};
use super::secret::SECRET_MARKER;
use super::tree::shown_key;
use super::{Context, secret};
use crate::sign::{SECRETS_MAX, Signer};
use crate::spec::{BodyMode, CONCURRENCY_DEFAULT, CONCURRENCY_MAX, HttpSpec, Secret, Timeouts};
use crate::transport::{EgressPolicy, EgressRefused, Target};

/// Longest that one try may take: a receiver that works longer than this has to answer first and work after.
const TIMEOUT_MAX: Duration = Duration::from_secs(5 * 60);
/// Shorter than this, a healthy receiver across the world would time out.
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// Headers of the owner's own that go with every message; each is sent with every try.
const HEADERS_MAX: usize = 32;

/// Headers that say how a message travels, or that we write ourselves.
const HEADERS_RESERVED: [&str; 9] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
];
const HEADER_PREFIXES_RESERVED: [&str; 2] = ["webhook-", "trireme-"];

pub(super) const BODIES: [(&str, BodyMode); 3] =
    [("envelope", BodyMode::Envelope), ("raw", BodyMode::Raw), ("cloudevents", BodyMode::Cloudevents)];

pub(super) fn http(at: &At<'_>, context: &Context) -> Option<HttpSpec> {
    let mut fields = at.fields()?;
    let url = fields.require("url", "the address that gets the messages, as url: https://app.example/hooks");
    let url = url.and_then(|at| url_of(&at, &context.egress));
    let secrets = signing(&mut fields);
    let headers = fields.take("headers").map(|at| headers(&at)).unwrap_or_default();
    let body = fields.take("body").and_then(|at| at.choice(&BODIES)).unwrap_or_default();
    let timeouts = fields.take("timeouts").and_then(|at| timeouts(&at)).unwrap_or_default();
    let concurrency = fields.take("concurrency").and_then(|at| at.integer(1..=CONCURRENCY_MAX));
    fields.finish();
    let concurrency = concurrency.unwrap_or(CONCURRENCY_DEFAULT);
    Some(HttpSpec { url: url?, secrets, headers, body, timeouts, concurrency })
}

/// Judged as far as that goes without asking a name server; the address is judged again whenever it is dialled.
pub(super) fn url_of(at: &At<'_>, policy: &Arc<EgressPolicy>) -> Option<String> {
    let text = at.text()?;
    if !text.is_expanded() && text.as_str().contains(SECRET_MARKER) {
        secret::refuse_marker(at, "a part of an address");
        return None;
    }
    let refused = match Target::parse(text.as_str(), policy) {
        Ok(_) => return Some(text.as_str().to_owned()),
        Err(refused) => refused,
    };
    if text.as_str().contains('@') || !text.is_plain() {
        at.findings().hide(at.node());
    }
    let message = match &refused {
        EgressRefused::NotAUrl { .. } | EgressRefused::Scheme { .. } if text.is_expanded() || !text.is_plain() => {
            format!("'{}' is not an http or https URL", at.shown(text))
        }
        EgressRefused::Address { kind, .. } if text.is_expanded() => {
            format!("'{}' is not at a public address ({kind})", at.shown(text))
        }
        EgressRefused::Address { host, address, kind, .. } if *host == address.to_string() => {
            format!("{host} is not a public address ({kind})")
        }
        EgressRefused::Address { host, address, kind, .. } => {
            format!("{host} is {address}, which is not a public address ({kind})")
        }
        other => other.to_string(),
    };
    let help = match &refused {
        EgressRefused::Address { .. } if text.is_expanded() => {
            "if you mean it, add its range to egress.allow".to_owned()
        }
        EgressRefused::Address { net, .. } => format!("if you mean it, add egress: {{ allow: [\"{net}\"] }}"),
        _ => "write it as https://app.example/hooks".to_owned(),
    };
    at.error(EgressRefused::CODE, message, help);
    None
}

/// Messages are signed unless the owner says in so many words that they are not.
fn signing(fields: &mut Fields<'_>) -> Vec<Secret> {
    let unsigned = fields.take("unsigned");
    let is_unsigned = unsigned.as_ref().and_then(At::flag).unwrap_or(false);
    match (fields.take("secret"), unsigned) {
        (Some(secret), Some(unsigned)) if is_unsigned => {
            unsigned.error("conflict", "'unsigned: true' and a 'secret' are given", "keep the one that you mean");
            keys(&secret)
        }
        (Some(secret), _) => keys(&secret),
        (None, Some(unsigned)) if is_unsigned => {
            let message = "messages to this destination are not signed: it cannot tell them from forged ones";
            unsigned.warning("unsigned", message, "give it a 'secret' when the receiver can check signatures");
            Vec::new()
        }
        (None, _) => {
            let message = "there is no 'secret' to sign messages with";
            let help = "add secret: \"${APP_SECRET}\", made by: echo whsec_$(openssl rand -base64 32); or write unsigned: true";
            fields.at().error("missing_key", message, help);
            Vec::new()
        }
    }
}

pub(super) fn keys(at: &At<'_>) -> Vec<Secret> {
    let secrets = secret::one_or_many(at, SECRETS_MAX).into_iter();
    secrets.filter(|(secret, at)| is_key(at, secret)).map(|(secret, _)| secret).collect()
}

fn is_key(at: &At<'_>, secret: &Secret) -> bool {
    let refused = Signer::new(std::iter::once(secret.expose())).err();
    if let Some(problem) = &refused {
        at.error("secret_unusable", problem.to_string(), "");
    }
    refused.is_none()
}

fn headers(at: &At<'_>) -> Vec<(String, Secret)> {
    let entries = at.named_entries::<String>();
    if entries.len() > HEADERS_MAX {
        let message = format!("{} headers, at most {HEADERS_MAX} are allowed", entries.len());
        at.error("too_many", message, "remove what the receiver does not need");
    }
    if entries.iter().any(|(_, value)| value.is_null()) {
        // Which one is not said: it may be a value that lost its name.
        at.error("empty", "one of these headers has no value", "write each as 'name: value'");
    }
    let mut seen = BTreeSet::new();
    let whole = entries.iter().filter(|(_, value)| !value.is_null());
    whole.filter_map(|(name, at)| header(name, at, &mut seen)).collect()
}

fn header(name: &str, at: &At<'_>, seen: &mut BTreeSet<String>) -> Option<(String, Secret)> {
    let Ok(parsed) = name.parse::<HeaderName>() else {
        let shown = shown_key(name);
        at.error_at_key(
            "invalid_name",
            format!("'{shown}' is not the name of a header"),
            "use letters, digits and '-'",
        );
        return None;
    };
    let name = parsed.as_str();
    let is_reserved =
        HEADERS_RESERVED.contains(&name) || HEADER_PREFIXES_RESERVED.iter().any(|prefix| name.starts_with(prefix));
    if is_reserved {
        at.error_at_key("reserved", format!("the header '{name}' is written by Trireme itself"), "choose another name");
    }
    if !seen.insert(name.to_owned()) {
        at.error_at_key(
            "duplicate_key",
            format!("the header '{name}' is given twice"),
            "case makes no difference in headers",
        );
    }
    let value = secret::secret(at)?;
    if HeaderValue::from_str(value.expose()).is_err() {
        at.error("invalid_value", "the value holds characters that no header may", "remove line breaks and controls");
    }
    Some((name.to_owned(), value))
}

fn timeouts(at: &At<'_>) -> Option<Timeouts> {
    let standard = Timeouts::default();
    let mut fields = at.fields()?;
    let mut part = |key| {
        let at = fields.take(key)?;
        at.duration(TIMEOUT_MIN..=TIMEOUT_MAX)
    };
    let (connect, first_byte, total) = (part("connect"), part("first_byte"), part("total"));
    fields.finish();
    let total = total.unwrap_or_else(|| standard.total.max(first_byte.unwrap_or_default()));
    for (key, value) in [("connect", connect), ("first_byte", first_byte)] {
        if value.is_some_and(|value| value > total) {
            let message = format!("'{key}' is longer than 'total': it could never run out");
            at.error("conflict", message, format!("make '{key}' shorter or 'total' longer"));
        }
    }
    Some(Timeouts {
        connect: connect.unwrap_or(standard.connect).min(total),
        first_byte: first_byte.unwrap_or(standard.first_byte).min(total),
        total,
    })
}
