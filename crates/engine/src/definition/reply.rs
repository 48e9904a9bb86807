//! `webhook.reply`: what a source that takes anything answers.

use std::collections::BTreeSet;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};
use connectors::provider::{Recipe, Settings};
use domain::Assurance;

use super::reader::At;
use super::secret::{SECRET_MARKER, refuse_marker};
use super::tree::shown_key;
use crate::spec::ReplySpec;

/// Senders read a few kilobytes of an answer at most.
const BODY_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 16;
/// Most senders have hung up by then.
pub const DELAY_MAX: Duration = Duration::from_secs(30);

/// Headers that say how an answer travels, that we write ourselves, or that would act on a browser's own session here.
const RESERVED: [&str; 11] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "date",
    "set-cookie",
    "content-security-policy",
    "x-content-type-options",
];

/// A sender whose requests are verified hears what its recipe says: only one that nobody verifies can be told anything.
pub(super) fn reply(at: &At<'_>, recipe: Option<&Recipe>) -> Option<ReplySpec> {
    let mut fields = at.fields()?;
    let status = fields.take("status").and_then(|at| at.integer(200..=599));
    let headers = fields.take("headers").map(|at| headers(&at)).unwrap_or_default();
    let body = fields.take("body").and_then(|at| body(&at));
    let delay = fields.take("delay").and_then(|at| at.duration(Duration::ZERO..=DELAY_MAX));
    fields.finish();
    let takes_anything = recipe.is_none_or(|recipe| recipe.assurance(&Settings::default()) == Ok(Assurance::None));
    if !takes_anything {
        let message = "a sender that is verified hears what its recipe says";
        at.error_at_key("conflict", message, "remove 'reply', or write provider: none");
    }
    let standard = ReplySpec::default();
    Some(ReplySpec {
        status: status.and_then(|status| u16::try_from(status).ok()).unwrap_or(standard.status),
        headers,
        body: body.unwrap_or_default(),
        delay: delay.unwrap_or_default(),
    })
}

fn body(at: &At<'_>) -> Option<String> {
    let text = at.text()?.as_str();
    if text.len() > BODY_BYTES_MAX {
        let message = format!("the body has {} bytes, at most {BODY_BYTES_MAX} are allowed", text.len());
        at.error("too_large", message, "senders look at the status, and hardly at more");
    }
    Some(text.to_owned())
}

fn headers(at: &At<'_>) -> Vec<(String, String)> {
    let entries = at.named_entries::<String>();
    if entries.len() > HEADERS_MAX {
        let message = format!("{} headers, at most {HEADERS_MAX} are allowed", entries.len());
        at.error("too_many", message, "remove what the sender does not need");
    }
    let mut seen = BTreeSet::new();
    entries.iter().filter_map(|(name, at)| header(name, at, &mut seen)).collect()
}

fn header(name: &str, at: &At<'_>, seen: &mut BTreeSet<String>) -> Option<(String, String)> {
    let Ok(parsed) = name.parse::<HeaderName>() else {
        let message = format!("'{}' is not the name of a header", shown_key(name));
        at.error_at_key("invalid_name", message, "use letters, digits and '-'");
        return None;
    };
    let name = parsed.as_str();
    if RESERVED.contains(&name) {
        at.error_at_key("reserved", format!("the header '{name}' is not for an answer to set"), "leave it out");
    }
    if !seen.insert(name.to_owned()) {
        at.error_at_key("duplicate_key", format!("the header '{name}' is given twice"), "case makes no difference");
    }
    let value = at.text()?.as_str();
    if value == SECRET_MARKER {
        refuse_marker(at, "a value");
        return None;
    }
    if HeaderValue::from_str(value).is_err() {
        at.error("invalid_value", "the value holds characters that no header may", "remove line breaks and controls");
    }
    Some((name.to_owned(), value.to_owned()))
}
