//! What goes over the wire and comes back, as plain values: a request to send, the reply, or the network's excuse.
//! Neither ever shows a header's value, a query or a body in its `Debug`: secrets live there.

pub mod link;

use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value as Json;

pub use link::links;

use super::decode::json_document;

/// Longest URL that is sent. Servers refuse far shorter ones; without a bound a template could grow one at will.
pub const URL_BYTES_MAX: usize = 64 * 1024;
/// Longest value of a header that is sent, for the same reason.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Largest body that is sent: requests to sources are questions, not uploads.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One request to a source, complete: only the transport's own headers are missing.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.keys().map(http::HeaderName::as_str).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &plain_url(&self.url))
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// What a source answered. The JSON of its body is parsed at most once.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Where the answer came from in the end.
    pub url: String,
    json: OnceLock<Option<Json>>,
}

impl Reply {
    #[must_use]
    pub fn new(status: u16, headers: HeaderMap, body: Bytes, url: String) -> Self {
        Self { status, headers, body, url, json: OnceLock::new() }
    }

    /// The body as JSON, if it is any.
    #[must_use]
    pub fn json(&self) -> Option<&Json> {
        self.json.get_or_init(|| json_document(&self.body)).as_ref()
    }

    /// The body as JSON, taken out so that records need no copy; parsed once, gone afterwards.
    #[must_use]
    pub fn take_json(&mut self) -> Option<Json> {
        let _ = self.json();
        self.json.take().flatten()
    }

    /// A header's value, if it is there and readable.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Below 400: what the format takes for an answer that has records.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.status < 400
    }

    /// The URL without its query, its fragment and what stands before an `@`: fit for templates and messages.
    #[must_use]
    pub fn plain_url(&self) -> String {
        plain_url(&self.url)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("url", &self.plain_url())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// How the sending of a request ended.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    Reply(&'a Reply),
    /// No answer: what the transport says about it.
    Network(&'a str),
}

/// A URL without the parts that may hold secrets.
#[must_use]
pub fn plain_url(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = &url[..end];
    let Some(start) = url.find("://").map(|at| at + 3) else { return url.to_owned() };
    let authority_end = url[start..].find('/').map_or(url.len(), |at| start + at);
    match url[start..authority_end].rfind('@') {
        Some(at) => format!("{}{}", &url[..start], &url[start + at + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_query_fragment_and_user() {
        let table = [
            ("https://a.example/x?key=1#y", "https://a.example/x"),
            ("https://me:pw@a.example/x", "https://a.example/x"),
            ("https://me:p@w@a.example", "https://a.example"),
            ("https://a.example/users/@me", "https://a.example/users/@me"),
            ("https://a.example#frag?x", "https://a.example"),
            ("items", "items"),
        ];
        for (url, expected) in table {
            assert_eq!(plain_url(url), expected, "{url}");
        }
    }

    #[test]
    fn what_is_shown_of_a_request_and_a_reply_holds_no_secret() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer s3cret".parse().expect("a value"));
        let url = "https://u:s3cret@a.example/x?token=s3cret".to_owned();
        let body = Bytes::from_static(b"s3cret");
        let request = Request { method: Method::POST, url: url.clone(), headers: headers.clone(), body: body.clone() };
        let reply = Reply::new(200, headers, body, url);
        assert!(format!("{request:?}").contains("authorization"));
        assert!(!format!("{request:?} {reply:?} {:?}", Outcome::Reply(&reply)).contains("s3cret"));
    }

    #[test]
    fn a_body_is_parsed_once_and_may_be_taken() {
        let mut reply = Reply::new(200, HeaderMap::new(), Bytes::from_static(b"[1]"), String::new());
        assert_eq!(reply.json(), Some(&serde_json::json!([1])));
        assert_eq!(reply.take_json(), Some(serde_json::json!([1])));
        let reply = Reply::new(200, HeaderMap::new(), Bytes::from_static(b"{"), String::new());
        assert_eq!(reply.json(), None);
    }
}
