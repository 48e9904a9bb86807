//! Conditional requests (RFC 9110 §13): a poll that took one request is sent again with the validators of its answer. A 304
//! is believed only of an answer that was read whole and of which every record was taken; whoever keeps the validators
//! sees to it that all of it was committed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connectors::manifest::wire::{Reply, Request};
use domain::Timestamp;
use domain::identity::Digest;
use http::header::{CACHE_CONTROL, DATE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use ring::digest::{Context, SHA256};

/// A source that says «not modified» of what it modified is asked in full after so many confirmations: that costs one
/// request in a hundred.
const CONFIRMATIONS_MAX: u32 = 100;
/// And after this time, which is as often as most streams are reconciled.
const BELIEVED_MAX: Duration = Duration::from_secs(3_600);
/// Longest validator that is sent back. Digests take 64 characters.
const VALIDATOR_BYTES_MAX: usize = 512;
/// A time of last change that is closer to the answer may stand for two states (RFC 9110 §8.8.2.2).
const SETTLED: Duration = Duration::from_secs(60);

/// What one answer is asked about by, and how long it was believed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Validators {
    /// All of the request that an answer can depend on.
    request: Digest,
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
    answered_at: Timestamp,
    confirmations: u32,
    /// Records of the answer that were taken.
    records: u64,
}

impl Validators {
    /// `None` if nothing of the answer may be asked about.
    fn of(key: Digest, request: &Request, reply: &Reply, now: Timestamp) -> Option<Self> {
        let is_plain = reply.status == StatusCode::OK.as_u16() && reply.url == request.url;
        let (etag, modified) = (etag(&reply.headers), modified(&reply.headers));
        if !is_plain || forbids(&reply.headers) || (etag.is_none() && modified.is_none()) {
            return None;
        }
        Some(Self { request: key, etag, modified, answered_at: now, confirmations: 0, records: 0 })
    }

    /// Whether it may be asked about once more.
    pub(crate) fn hold(&self, now: Timestamp) -> bool {
        self.confirmations < CONFIRMATIONS_MAX && now.since(self.answered_at) < BELIEVED_MAX
    }
}

/// The conditions under which one reading of a stream asks, and what becomes of them.
#[derive(Debug, Default)]
pub struct Conditions {
    known: Option<Validators>,
    course: Mutex<Course>,
}

#[derive(Debug, Default)]
struct Course {
    /// Pages that were asked for.
    pages: u32,
    /// The last request had a condition.
    is_conditional: bool,
    is_unmodified: bool,
    answer: Option<Validators>,
    extracted: u64,
    taken: u64,
    /// Records that no later reading wants either.
    passed: u64,
    /// Something of the answer would be seen by reading it again.
    spoilt: bool,
}

impl Conditions {
    /// `None`: everything is asked for in full.
    pub(crate) fn new(known: Option<Validators>) -> Self {
        Self { known, course: Mutex::default() }
    }

    /// Another page is asked for. `fits`: it is one whose answer says everything there is to know.
    pub(super) fn begin_page(&self, fits: bool) {
        let mut course = self.course();
        course.pages = course.pages.saturating_add(1);
        course.spoilt |= !fits;
    }

    /// Puts the conditions on a request, if it is the one whose answer is known; gives what the request is known by.
    pub(super) fn put_on(&self, request: &mut Request) -> Digest {
        let key = key(request);
        let mut course = self.course();
        course.is_conditional = false;
        let own = [IF_NONE_MATCH, IF_MODIFIED_SINCE].iter().any(|name| request.headers.contains_key(name));
        course.spoilt |= own || request.method != Method::GET;
        let known = self.known.as_ref().filter(|known| known.request == key && !course.spoilt && course.pages == 1);
        if let Some(known) = known {
            course.is_conditional = true;
            let pairs = [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.modified)];
            let values = pairs.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
            request.headers.extend(values);
        }
        key
    }

    /// Whether the answer says that the one before still holds.
    pub(super) fn confirms(&self, reply: &Reply) -> bool {
        let mut course = self.course();
        course.is_unmodified = course.is_conditional && reply.status == StatusCode::NOT_MODIFIED.as_u16();
        course.is_unmodified
    }

    /// An answer that the error handler let through.
    pub(super) fn answered(&self, key: Digest, request: &Request, reply: &Reply, now: Timestamp) {
        self.course().answer = Validators::of(key, request, reply, now);
    }

    /// Reading the answer again could show more than it did.
    pub(super) fn spoil(&self) {
        self.course().spoilt = true;
    }

    /// A record is older than what is wanted.
    pub(super) fn pass(&self) {
        self.course().passed += 1;
    }

    /// Records were in the answer, and were taken.
    pub(super) fn take(&self, extracted: u64, taken: u64) {
        let mut course = self.course();
        course.extracted += extracted;
        course.taken += taken;
    }

    /// Whether the source had nothing but what it had before.
    pub(crate) fn is_unmodified(&self) -> bool {
        self.course().is_unmodified
    }

    /// Records that the answer of before had.
    pub(crate) fn records(&self) -> u64 {
        self.known.as_ref().map_or(0, |known| known.records)
    }

    /// What the next reading may ask by, once all of this one is committed.
    pub(crate) fn outcome(&self) -> Option<Validators> {
        let course = self.course();
        if course.is_unmodified {
            let known = self.known.clone()?;
            return Some(Validators { confirmations: known.confirmations.saturating_add(1), ..known });
        }
        // Of several pages none says anything of the others, and each of them may move while another is read.
        let all_taken = course.extracted == course.taken + course.passed;
        let answer = course.answer.clone().filter(|_| course.pages == 1 && !course.spoilt && all_taken)?;
        Some(Validators { records: course.taken, ..answer })
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        // Counts and flags, each whole at any time.
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two requests with one key have one answer: method, address, every header (other credentials may see something else)
/// and body.
fn key(request: &Request) -> Digest {
    let mut context = Context::new(&SHA256);
    let mut headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    headers.sort_unstable();
    let head = [request.method.as_str().as_bytes(), request.url.as_bytes(), &*request.body];
    let pairs = headers.into_iter().flat_map(|(name, value)| [name.as_bytes(), value]);
    for part in head.into_iter().chain(pairs) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Digest(digest)
}

/// Strong or weak: a weak one says that the meaning is the same, and records are meaning.
fn etag(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(ETAG)?;
    let opaque = value.as_bytes().strip_prefix(b"W/").unwrap_or(value.as_bytes());
    let is_quoted = opaque.len() >= 2 && opaque.starts_with(b"\"") && opaque.ends_with(b"\"");
    let is_plain = is_quoted && !opaque[1..opaque.len() - 1].contains(&b'"');
    (is_plain && opaque.len() <= VALIDATOR_BYTES_MAX).then(|| value.clone())
}

/// Only one that was over when the answer was made: two changes within its second would be one otherwise.
fn modified(headers: &HeaderMap) -> Option<HeaderValue> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    let time = |name| headers.get(name).and_then(|value| parser.parse_timestamp(value.to_str().ok()?).ok());
    let age = Duration::try_from(time(DATE)?.duration_since(time(LAST_MODIFIED)?)).ok()?;
    headers.get(LAST_MODIFIED).filter(|_| age >= SETTLED).cloned()
}

/// Whether the source wants nothing of the answer kept, or says that it depends on more than the request.
fn forbids(headers: &HeaderMap) -> bool {
    let says = |name, word: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    says(CACHE_CONTROL, "no-store") || says(VARY, "*")
}

#[cfg(test)]
mod tests;
