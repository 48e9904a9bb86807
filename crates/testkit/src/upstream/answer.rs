//! An answer of the shop, before a shell sends it: its head, its bytes, and whether they all arrive.

use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use domain::identity::Digest;
use serde_json::Value as Json;

/// What a shell has to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    pub ending: Ending,
    /// The visit it answers; [`Shop::went`](super::Shop::went) wants to know.
    pub visit: usize,
}

/// How much of an answer arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Whole,
    /// So many bytes of the body, then the connection breaks.
    Cut(usize),
    /// Not even a status.
    Silence,
}

impl Answer {
    pub(super) fn json(status: u16, body: &Json) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, body: body.to_string().into(), ending: Ending::Whole, visit: 0 }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), ending: Ending::Whole, visit: 0 }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.parse().ok().map(Duration::from_secs)
    }

    /// With its ETag; or, to the one who has it already, nothing but the word that it is the same.
    pub(super) fn conditional(self, known: Option<&str>) -> Self {
        let tag = format!("\"{}\"", &HEXLOWER.encode(&Digest::of(&self.body).0)[..16]);
        if known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag)) {
            return Self::empty(304).with("etag", tag);
        }
        self.with("etag", tag)
    }

    /// Its first half, which says that it is whole.
    pub(super) fn truncated(mut self) -> Self {
        self.body = self.body.slice(..self.body.len() / 2);
        self
    }

    /// Breaks off within its body.
    pub(super) fn cut(mut self) -> Self {
        self.ending = Ending::Cut(self.body.len() / 2);
        self
    }
}
