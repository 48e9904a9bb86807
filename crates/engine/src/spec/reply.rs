//! What a source that takes anything answers, where its owner says so.

use std::time::Duration;

/// An answer of the owner's own, given only once the event is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplySpec {
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// How long the sender waits for it: to see what a slow receiver does to it.
    pub delay: Duration,
}

impl Default for ReplySpec {
    fn default() -> Self {
        Self { status: 200, headers: Vec::new(), body: String::new(), delay: Duration::ZERO }
    }
}
