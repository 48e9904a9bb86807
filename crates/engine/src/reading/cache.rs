//! Answers kept for the rest of a run, because a parent's pages are asked for by each of its children. Bounded by bytes:
//! what does not fit is asked for again, which costs a request and nothing else.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use connectors::manifest::wire::{Reply, Request};
use http::{HeaderMap, Method};
use rustc_hash::FxBuildHasher;

/// Most bytes of kept answers: some hundred pages of parents.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// What an answer costs beside its body and headers.
const OVERHEAD_BYTES: usize = 512;

/// Stream, method, URL, headers and body: as long as one of them differs, so may the answer.
type Key = Box<[u8]>;

/// An answer without what was made of it: each reader takes its JSON apart.
struct Kept {
    headers: HeaderMap,
    body: Bytes,
    url: String,
}

#[derive(Default)]
struct Shelf {
    answers: HashMap<Key, (Kept, usize), FxBuildHasher>,
    /// In the order of arrival; the oldest leaves first.
    order: VecDeque<Key>,
    bytes: usize,
}

/// The answers of one run.
#[derive(Default)]
pub(super) struct Cache {
    shelf: Mutex<Shelf>,
}

impl Cache {
    /// The answer to the same request, if there was one.
    pub fn get(&self, name: &str, request: &Request) -> Option<Reply> {
        let key = key(name, request)?;
        let shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, _) = shelf.answers.get(&key)?;
        Some(Reply::new(200, kept.headers.clone(), kept.body.clone(), kept.url.clone()))
    }

    /// Keeps a plain success; anything else may be another answer next time.
    pub fn put(&self, name: &str, request: &Request, reply: &Reply) {
        let Some(key) = key(name, request).filter(|_| reply.status == 200) else { return };
        let bytes = key.len() * 2 + reply.body.len() + OVERHEAD_BYTES;
        if bytes > BYTES_MAX / 4 {
            return;
        }
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = Kept { headers: reply.headers.clone(), body: reply.body.clone(), url: reply.url.clone() };
        if shelf.answers.insert(key.clone(), (kept, bytes)).is_none() {
            shelf.order.push_back(key);
            shelf.bytes += bytes;
        }
        while shelf.bytes > BYTES_MAX
            && let Some(oldest) = shelf.order.pop_front()
        {
            let left = shelf.answers.remove(&oldest).map_or(0, |(_, bytes)| bytes);
            shelf.bytes = shelf.bytes.saturating_sub(left);
        }
    }
}

/// Only questions are kept; a request that does something must be sent each time.
fn key(name: &str, request: &Request) -> Option<Key> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return None;
    }
    let mut key = Vec::with_capacity(name.len() + request.url.len() + 256);
    key.extend_from_slice(name.as_bytes());
    key.push(b'\n');
    key.extend_from_slice(request.method.as_str().as_bytes());
    key.push(b' ');
    key.extend_from_slice(request.url.as_bytes());
    // The order of headers with different names means nothing.
    let mut headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    headers.sort_by_key(|(name, _)| *name);
    for (name, value) in headers {
        key.push(b'\n');
        key.extend_from_slice(name.as_bytes());
        key.push(b':');
        key.extend_from_slice(value);
    }
    key.extend_from_slice(b"\n\n");
    key.extend_from_slice(&request.body);
    Some(key.into())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn get(url: &str) -> Request {
        Request { method: Method::GET, url: url.to_owned(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    fn reply(status: u16, bytes: usize) -> Reply {
        Reply::new(status, HeaderMap::new(), Bytes::from(vec![b' '; bytes]), "http://x/".to_owned())
    }

    #[test]
    fn the_same_question_is_answered_from_memory_and_another_is_not() {
        let cache = Cache::default();
        cache.put("s", &get("http://a/1"), &reply(200, 10));
        assert!(cache.get("s", &get("http://a/1")).is_some());
        assert!(cache.get("s", &get("http://a/2")).is_none());
        let mut other = get("http://a/1");
        other.headers.insert("authorization", HeaderValue::from_static("x"));
        assert!(cache.get("s", &other).is_none());
    }

    #[test]
    fn failures_and_requests_that_do_something_are_not_kept() {
        let cache = Cache::default();
        cache.put("s", &get("http://a/1"), &reply(404, 10));
        assert!(cache.get("s", &get("http://a/1")).is_none());
        let post = Request { method: Method::POST, ..get("http://a/1") };
        cache.put("s", &post, &reply(200, 10));
        assert!(cache.get("s", &post).is_none());
    }

    #[test]
    fn the_oldest_answers_leave_when_the_bound_is_reached() {
        let cache = Cache::default();
        for page in 0..40 {
            cache.put("s", &get(&format!("http://a/{page}")), &reply(200, 1024 * 1024));
        }
        assert!(cache.get("s", &get("http://a/0")).is_none());
        assert!(cache.get("s", &get("http://a/39")).is_some());
        assert!(cache.shelf.lock().unwrap().bytes <= BYTES_MAX);
        cache.put("s", &get("http://a/huge"), &reply(200, BYTES_MAX));
        assert!(cache.get("s", &get("http://a/huge")).is_none() && cache.get("s", &get("http://a/39")).is_some());
    }
}
