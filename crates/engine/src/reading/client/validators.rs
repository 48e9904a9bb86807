//! Conditional requests (RFC 9110 §13): what a poll was answered before is asked for again with its validator, so that a
//! source that knows nothing newer says only that. Many sources do not count such answers.

use std::sync::{Mutex, PoisonError};

use connectors::manifest::wire::{Reply, Request};
use domain::Purpose;
use http::header::{CACHE_CONTROL, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use rustc_hash::FxHashMap;

/// Bytes of answers that one connection keeps: a few pages. There may be thousands of connections.
const BYTES_MAX: usize = 128 * 1024;

/// The answers of one connection that can be asked about.
#[derive(Default)]
pub(in super::super) struct Validators(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    by_url: FxHashMap<String, Known>,
    bytes: usize,
    uses: u64,
}

struct Known {
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
    reply: Reply,
    used: u64,
}

impl Validators {
    /// The request as it is to be sent: with what is known of its answer, if it is one that comes again and again.
    pub fn conditional(&self, request: &Request, purpose: Purpose) -> Request {
        let mut request = request.clone();
        if !comes_again(&request, purpose) {
            return request;
        }
        let mut kept = self.kept();
        kept.uses += 1;
        let uses = kept.uses;
        if let Some(known) = kept.by_url.get_mut(&request.url) {
            known.used = uses;
            put(&mut request.headers, IF_NONE_MATCH, known.etag.as_ref());
            // Where both are sent the other one counts, but some sources look at this one only.
            put(&mut request.headers, IF_MODIFIED_SINCE, known.modified.as_ref());
        }
        request
    }

    /// The answer as it is to be read: the one of before, if the source says that it still holds.
    pub fn answered(&self, request: &Request, purpose: Purpose, reply: Reply) -> Reply {
        if !comes_again(request, purpose) {
            return reply;
        }
        let mut kept = self.kept();
        if reply.status == StatusCode::NOT_MODIFIED.as_u16() {
            return match kept.by_url.get(&request.url) {
                Some(known) => copy(&known.reply),
                None => reply,
            };
        }
        kept.forget(&request.url);
        if reply.status == StatusCode::OK.as_u16() {
            kept.keep(request, &reply);
        }
        reply
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Entries are put in and taken out whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, request: &Request, reply: &Reply) {
        let (etag, modified) = (reply.headers.get(ETAG).cloned(), reply.headers.get(LAST_MODIFIED).cloned());
        let forbidden = reply.headers.get(CACHE_CONTROL).is_some_and(|value| value.as_bytes().starts_with(b"no-store"));
        let size = size(&request.url, reply);
        if forbidden || size > BYTES_MAX || (etag.is_none() && modified.is_none()) {
            return;
        }
        while self.bytes + size > BYTES_MAX {
            let oldest = self.by_url.iter().min_by_key(|(_, known)| known.used).map(|(url, _)| url.clone());
            match oldest {
                Some(url) => self.forget(&url),
                None => break,
            }
        }
        let known = Known { etag, modified, reply: copy(reply), used: self.uses };
        self.bytes += size;
        self.by_url.insert(request.url.clone(), known);
    }

    fn forget(&mut self, url: &str) {
        if let Some(known) = self.by_url.remove(url) {
            self.bytes = self.bytes.saturating_sub(size(url, &known.reply));
        }
    }
}

/// The body is shared, not copied.
fn copy(reply: &Reply) -> Reply {
    Reply::new(reply.status, reply.headers.clone(), reply.body.clone(), reply.url.clone())
}

fn size(url: &str, reply: &Reply) -> usize {
    url.len()
        + reply.body.len()
        + reply.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
}

/// Only what is asked again as it was, and by us: a person who reads wants the source's own answer.
fn comes_again(request: &Request, purpose: Purpose) -> bool {
    request.method == Method::GET && matches!(purpose, Purpose::Poll | Purpose::Reconcile)
}

/// The manifest's own win.
fn put(headers: &mut HeaderMap, name: http::HeaderName, value: Option<&HeaderValue>) {
    if let Some(value) = value {
        headers.entry(name).or_insert_with(|| value.clone());
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn request(url: &str) -> Request {
        Request { method: Method::GET, url: url.to_owned(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    fn reply(status: u16, etag: &'static str, body: &str) -> Reply {
        let headers = HeaderMap::from_iter([(ETAG, HeaderValue::from_static(etag))]);
        Reply::new(status, headers, Bytes::from(body.to_owned()), "https://a.example".to_owned())
    }

    #[test]
    fn what_still_holds_is_read_as_it_was() {
        let validators = Validators::default();
        let first = validators.conditional(&request("https://a.example/1"), Purpose::Poll);
        assert!(first.headers.is_empty());
        validators.answered(&first, Purpose::Poll, reply(200, "\"one\"", "body"));
        let again = validators.conditional(&request("https://a.example/1"), Purpose::Poll);
        assert_eq!(again.headers[IF_NONE_MATCH], "\"one\"");
        let read = validators.answered(&again, Purpose::Poll, reply(304, "\"one\"", ""));
        assert_eq!((read.status, &read.body[..]), (200, &b"body"[..]));
        assert!(validators.conditional(&request("https://a.example/2"), Purpose::Poll).headers.is_empty());
        assert!(validators.conditional(&request("https://a.example/1"), Purpose::Read).headers.is_empty());
    }

    #[test]
    fn what_changed_replaces_it_and_what_failed_forgets_it() {
        let validators = Validators::default();
        let asked = request("https://a.example/1");
        for (status, etag, expected) in
            [(200, "\"one\"", Some("\"one\"")), (200, "\"two\"", Some("\"two\"")), (500, "\"x\"", None)]
        {
            validators.answered(&asked, Purpose::Poll, reply(status, etag, "body"));
            let next = validators.conditional(&asked, Purpose::Poll);
            assert_eq!(next.headers.get(IF_NONE_MATCH).map(|value| value.to_str().expect("a text")), expected);
        }
    }

    #[test]
    fn little_is_kept_of_the_latest() {
        let validators = Validators::default();
        let body = "x".repeat(BYTES_MAX / 4);
        for number in 0..20 {
            validators.answered(&request(&number.to_string()), Purpose::Poll, reply(200, "\"one\"", &body));
        }
        validators.answered(&request("large"), Purpose::Poll, reply(200, "\"one\"", &"x".repeat(BYTES_MAX)));
        let kept = validators.kept();
        assert!(kept.by_url.len() == 3 && kept.by_url.contains_key("19") && kept.bytes <= BYTES_MAX);
    }
}
