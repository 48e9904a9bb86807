//! How much ingest there may be at once, and the small texts that every request would otherwise allocate anew.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use engine::clock::SharedClock;
use engine::receive::Receipt;
use http::{HeaderName, Method};
use rustc_hash::FxHashMap;

use crate::problem::Code;

/// Header names remembered per thread: senders use few, and junk must not grow memory.
const NAMES_MAX: usize = 512;

/// Answers that wait because their source's owner wants it so: each holds a connection, which real senders need.
const SLOWED_MAX: usize = 256;

/// The room for requests under way, by number and by bytes of their bodies.
#[derive(Clone)]
pub struct IngestGate(Arc<Room>);

struct Room {
    in_flight: AtomicUsize,
    in_flight_max: usize,
    bytes: AtomicUsize,
    bytes_max: usize,
    slowed: AtomicUsize,
    methods: [(Method, Arc<str>); 6],
}

impl IngestGate {
    #[must_use]
    pub fn new(in_flight_max: usize, bytes_max: usize) -> Self {
        let methods = [Method::POST, Method::PUT, Method::PATCH, Method::GET, Method::HEAD, Method::OPTIONS];
        let methods = methods.map(|method| {
            let text = method.as_str().into();
            (method, text)
        });
        Self(Arc::new(Room {
            in_flight: AtomicUsize::new(0),
            in_flight_max,
            bytes: AtomicUsize::new(0),
            bytes_max,
            slowed: AtomicUsize::new(0),
            methods,
        }))
    }

    /// A place for one more request, or `None` when all are taken.
    #[must_use]
    pub fn enter(&self) -> Option<IngestPermit> {
        take(&self.0.in_flight, 1, self.0.in_flight_max).then(|| IngestPermit { room: Arc::clone(&self.0), bytes: 0 })
    }

    /// Lets an answer wait that is meant to be slow, as long as few do. The event is committed and counts already.
    pub async fn slow_down(&self, clock: &SharedClock, receipt: &Receipt) {
        let Receipt::Accepted { delay, .. } = receipt else { return };
        if delay.is_zero() || !take(&self.0.slowed, 1, SLOWED_MAX) {
            return;
        }
        let _slowed = Slowed(Arc::clone(&self.0));
        clock.sleep(*delay).await;
    }

    /// The method's name, shared.
    #[must_use]
    pub fn method_text(&self, method: &Method) -> Arc<str> {
        let known = self.0.methods.iter().find(|(known, _)| known == method);
        known.map_or_else(|| method.as_str().into(), |(_, text)| Arc::clone(text))
    }

    /// The header's name, shared within a thread.
    #[must_use]
    pub fn header_name(&self, name: &HeaderName) -> Arc<str> {
        thread_local! {
            static NAMES: RefCell<FxHashMap<HeaderName, Arc<str>>> = RefCell::default();
        }
        NAMES.with_borrow_mut(|names| {
            if let Some(text) = names.get(name) {
                return Arc::clone(text);
            }
            let text: Arc<str> = name.as_str().into();
            if names.len() < NAMES_MAX {
                names.insert(name.clone(), Arc::clone(&text));
            }
            text
        })
    }
}

fn take(counter: &AtomicUsize, amount: usize, max: usize) -> bool {
    let taken = counter.fetch_add(amount, Ordering::Relaxed);
    let fits = taken.saturating_add(amount) <= max;
    if !fits {
        counter.fetch_sub(amount, Ordering::Relaxed);
    }
    fits
}

/// One answer that waits, until it or its sender goes.
struct Slowed(Arc<Room>);

impl Drop for Slowed {
    fn drop(&mut self) {
        self.0.slowed.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The place of one request, given back when dropped.
pub struct IngestPermit {
    room: Arc<Room>,
    bytes: usize,
}

impl IngestPermit {
    /// Room for more bytes of the body; `false` when there is none.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let fits = take(&self.room.bytes, bytes, self.room.bytes_max);
        if fits {
            self.bytes += bytes;
        }
        fits
    }
}

impl Drop for IngestPermit {
    fn drop(&mut self) {
        self.room.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.room.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of a refusal: the same bytes for every request.
pub fn constant_body(code: Code) -> Bytes {
    let detail = match code {
        Code::IngestRejected => "The request could not be verified. The owner of this address can see why.",
        Code::IngestNotFound => "No source listens at this address.",
        Code::MethodNotAllowed => "Webhooks are sent here by the methods in Allow.",
        Code::BodyTooLarge => "The body is larger than is taken here.",
        Code::BodyTimeout => "The body did not arrive in time; send it again.",
        Code::BodyIncomplete => "The connection ended before the whole body had arrived.",
        _ => "Send it again after the time in Retry-After.",
    };
    code.because(detail).body().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_by_number_and_bytes_and_given_back() {
        let gate = IngestGate::new(2, 10);
        let mut one = gate.enter().expect("room");
        let mut two = gate.enter().expect("room");
        assert!(gate.enter().is_none());
        assert!(one.grow(6) && !two.grow(5) && two.grow(4));
        drop(one);
        assert!(two.grow(6) && !two.grow(1) && !two.grow(usize::MAX));
        drop(two);
        let mut all: Vec<_> = std::iter::from_fn(|| gate.enter()).collect();
        assert_eq!(all.len(), 2);
        assert!(all[0].grow(10));
    }

    #[test]
    fn names_are_shared_and_junk_is_not_remembered_for_ever() {
        let gate = IngestGate::new(1, 1);
        let name = HeaderName::from_static("x-github-event");
        assert!(Arc::ptr_eq(&gate.header_name(&name), &gate.header_name(&name)));
        for number in 0..NAMES_MAX * 2 {
            let junk = HeaderName::try_from(format!("x-junk-{number}")).expect("a name");
            assert_eq!(&*gate.header_name(&junk), junk.as_str());
        }
        assert!(Arc::ptr_eq(&gate.method_text(&Method::POST), &gate.method_text(&Method::POST)));
    }
}
