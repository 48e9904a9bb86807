//! Tells of every request that left for a source, after its end: one line of a book that somebody else keeps.

use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::wire::{Request, plain_url};
use domain::{Purpose, Timestamp};
use http::{HeaderMap, Method};

use super::wire::Undelivered;

/// One request and how it ended. Neither bodies nor queries.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `None` for what belongs to no stream.
    pub stream: Option<Arc<str>>,
    pub purpose: Purpose,
    pub method: Method,
    pub url: String,
    pub started_at: Timestamp,
    pub duration: Duration,
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<&'static str>,
    /// Of the answer's body, inflated.
    pub bytes: u64,
    pub budget_left: Option<u64>,
}

/// Keeps what was asked.
pub trait CallSink: Send + Sync {
    fn asked(&self, asked: Asked);
}

/// Nobody keeps it.
pub struct Unwritten;

impl CallSink for Unwritten {
    fn asked(&self, _: Asked) {}
}

/// What a request is for.
#[derive(Clone, Debug)]
pub(super) struct For {
    pub stream: Option<Arc<str>>,
    /// The stream whose reading takes it, if that is another one: of its parents, or of what makes it.
    pub sake: Option<Arc<str>>,
    pub purpose: Purpose,
    /// Its token is one of several with a quota each: what the answer says is left, is left of that one.
    pub is_counted_by_token: bool,
}

impl For {
    /// A token belongs to no stream, whichever needed it first.
    pub const TOKEN: Self = Self { stream: None, sake: None, purpose: Purpose::Token, is_counted_by_token: false };
}

/// A request under way.
pub(super) struct Asking {
    what: For,
    method: Method,
    url: String,
    started_at: Timestamp,
    began: Duration,
}

impl Asking {
    pub fn begin(what: For, request: &Request, started_at: Timestamp, began: Duration) -> Self {
        let (method, url) = (request.method.clone(), plain_url(&request.url));
        Self { what, method, url, started_at, began }
    }

    /// How it ended: status, headers and bytes of the answer, or why there is none.
    pub fn end(self, ended: Result<(u16, &HeaderMap, u64), &Undelivered>, now: Duration) -> Asked {
        let Self { what, method, url, started_at, began } = self;
        let For { stream, purpose, .. } = what;
        let duration = now.saturating_sub(began);
        let (status, error, bytes, budget_left) = match ended {
            Ok((status, headers, bytes)) => (Some(status), None, bytes, budget_left(headers)),
            Err(Undelivered::Network(_)) => (None, Some("network"), 0, None),
            Err(Undelivered::Refused(failure)) => (None, Some(failure.code), 0, None),
        };
        Asked { stream, purpose, method, url, started_at, duration, status, error, bytes, budget_left }
    }
}

/// What sources say is left, by the names that most of them use for it.
fn budget_left(headers: &HeaderMap) -> Option<u64> {
    let names = ["x-ratelimit-remaining", "ratelimit-remaining", "x-rate-limit-remaining"];
    names.into_iter().find_map(|name| headers.get(name)?.to_str().ok()?.trim().parse().ok())
}
