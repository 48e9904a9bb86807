//! What a source answered to what an extension asked. Reads replies whose errors were judged already (by the requester's
//! handler), and says of anything unexpected what was missing; never shows a body.

use serde_json::Value as Json;

use super::meaning::{at, text_at};
use super::{OneRecord, SecretOf, Sign, StreamExtension, Webhooks};
use crate::manifest::auth::Secret;
use crate::manifest::wire::Reply;

/// Subscriptions of one list that are read: a list of more is another one than was asked for.
const LISTED_MAX: usize = 10_000;
/// There is no such record, or no longer.
const GONE: [u16; 2] = [404, 410];

/// A subscription that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    pub id: String,
    /// What signs, where the answer has it.
    pub secret: Option<Secret>,
}

/// A subscription that a list names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub id: String,
    pub url: String,
    /// False: it is there, but the source sends nothing.
    pub is_active: bool,
}

/// Why an answer is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("{url} refused with status {status}")]
    Refused { status: u16, url: String },
    #[error("{url} answered {status}, but without {what} at {place}: check where the manifest looks for it")]
    Missing { what: &'static str, place: String, status: u16, url: String },
    #[error("{url} listed more than {LISTED_MAX} subscriptions")]
    TooMany { url: String },
}

impl AnswerError {
    /// Stable, for machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "answer_refused",
            Self::Missing { .. } => "answer_incomplete",
            Self::TooMany { .. } => "subscriptions_too_many",
        }
    }

    /// Whether the same request may do better later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Refused { status: 408 | 425 | 429 | 500.., .. })
    }
}

/// That something was ended or prolonged. What is gone already is ended, too.
pub fn done(reply: &Reply, gone_is_fine: bool) -> Result<(), AnswerError> {
    if gone_is_fine && GONE.contains(&reply.status) { Ok(()) } else { accepted(reply) }
}

impl StreamExtension {
    /// The record that was made, if the source shows it.
    pub fn created(&self, reply: Reply) -> Result<Option<Json>, AnswerError> {
        written(reply, self.create.as_ref())
    }

    /// The record as it is now, if the source shows it; many answer an update with nothing.
    pub fn updated(&self, reply: Reply) -> Result<Option<Json>, AnswerError> {
        written(reply, self.update.as_ref())
    }
}

fn written(reply: Reply, one: Option<&OneRecord>) -> Result<Option<Json>, AnswerError> {
    accepted(&reply)?;
    if reply.body.is_empty() {
        return Ok(None);
    }
    record(reply, one.map_or(&[], |one| &one.record)).map(Some)
}

impl OneRecord {
    /// The record that was asked for; `None` only where the source says that there is none, or no longer.
    pub fn found(&self, reply: Reply) -> Result<Option<Json>, AnswerError> {
        let says_gone = |sign: &Sign| reply.json().is_some_and(|body| sign.holds(body));
        if Self::is_gone(reply.status) || self.gone.as_ref().is_some_and(says_gone) {
            return Ok(None);
        }
        record(reply, &self.record).map(Some)
    }

    /// Whether a status says that there is no such record. Anything else is no proof of absence.
    #[must_use]
    pub fn is_gone(status: u16) -> bool {
        GONE.contains(&status)
    }
}

impl Webhooks {
    /// The subscription that was made.
    pub fn subscribed(&self, reply: &Reply) -> Result<Subscribed, AnswerError> {
        let body = json(reply)?;
        let id = need(reply, body, &self.subscribe.id, "a subscription's id")?;
        let secret = match &self.subscribe.secret {
            SecretOf::Answer(path) => Some(Secret::new(need(reply, body, path, "a secret")?)),
            SecretOf::Ours | SecretOf::Asked { .. } | SecretOf::App => None,
        };
        Ok(Subscribed { id, secret })
    }

    /// The secret that was asked for after the subscription.
    pub fn told_secret(&self, reply: &Reply) -> Result<Secret, AnswerError> {
        let path = match &self.subscribe.secret {
            SecretOf::Asked { at, .. } => at.as_slice(),
            SecretOf::Ours | SecretOf::Answer(_) | SecretOf::App => &[],
        };
        need(reply, json(reply)?, path, "a secret").map(Secret::new)
    }

    /// The subscriptions of a list. One without an id cannot be kept; one without a URL is none of ours.
    pub fn listed(&self, reply: &Reply) -> Result<Vec<Standing>, AnswerError> {
        let Some(list) = &self.list else { return Ok(Vec::new()) };
        let found = at(json(reply)?, &list.records).and_then(Json::as_array);
        let found = found.ok_or_else(|| missing(reply, "a list of subscriptions", &list.records))?;
        if found.len() > LISTED_MAX {
            return Err(AnswerError::TooMany { url: reply.plain_url() });
        }
        let standing = |item: &Json| {
            let (id, url) = (text_at(item, &list.id)?, text_at(item, &list.url)?);
            let is_active = list.active.as_ref().is_none_or(|sign| sign.holds(item));
            Some(Standing { id, url, is_active })
        };
        Ok(found.iter().filter_map(standing).collect())
    }
}

fn accepted(reply: &Reply) -> Result<(), AnswerError> {
    if reply.is_ok() {
        return Ok(());
    }
    Err(AnswerError::Refused { status: reply.status, url: reply.plain_url() })
}

fn json(reply: &Reply) -> Result<&Json, AnswerError> {
    accepted(reply)?;
    reply.json().ok_or_else(|| missing(reply, "JSON", &[]))
}

fn need(reply: &Reply, body: &Json, path: &[String], what: &'static str) -> Result<String, AnswerError> {
    text_at(body, path).ok_or_else(|| missing(reply, what, path))
}

/// The object at the path, moved out of the reply.
fn record(mut reply: Reply, path: &[String]) -> Result<Json, AnswerError> {
    accepted(&reply)?;
    let mut found = reply.take_json().unwrap_or_default();
    for name in path {
        found = match (&mut found, name.parse::<usize>()) {
            (Json::Array(items), Ok(index)) => items.get_mut(index).map(Json::take).unwrap_or_default(),
            (found, _) => found.get_mut(name.as_str()).map(Json::take).unwrap_or_default(),
        };
    }
    if found.is_object() { Ok(found) } else { Err(missing(&reply, "a record", path)) }
}

fn missing(reply: &Reply, what: &'static str, path: &[String]) -> AnswerError {
    let place = if path.is_empty() { "its top".to_owned() } else { path.join(".") };
    AnswerError::Missing { what, place, status: reply.status, url: reply.plain_url() }
}
