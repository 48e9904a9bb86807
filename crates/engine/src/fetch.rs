//! Fetches the keys that senders publish, or that their APIs give out, through the transport and its address rules. One
//! request at a time for each address, remembered for a while whatever came of it, and so many in a minute and no more.

mod ask;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connectors::provider::{FetchedKeys, KeyDocument, Pending};
use domain::Timestamp;
use http::{HeaderMap, Method};
use zeroize::Zeroizing;

use crate::clock::SharedClock;
use crate::telemetry;
use crate::transport::{BodyEnd, EgressPolicy, Limits, OutboundRequest, OutboundResponse, Target, Transport};

/// How long keys are used before they are fetched again: publishers rotate them with days of overlap.
const KEPT_FOR: Duration = Duration::from_secs(60 * 60);
/// A document that lacks a key is fetched again at most so often, however many names are asked for.
const RENEWED_AFTER: Duration = Duration::from_secs(60);
/// How long a failure is remembered, so that a sender that is down is not asked for every request.
const FAILURE_KEPT_FOR: Duration = Duration::from_secs(30);
/// Most fetches begun in a minute from addresses that never gave a key: senders have a handful of addresses, a stranger
/// can make up any number. One that did is bounded by itself, so that no stranger keeps a known key from being renewed.
const FETCHES_PER_MINUTE: u32 = 30;
/// Most addresses remembered at once.
const ADDRESSES_MAX: usize = 128;
/// The largest document: key sets have a few kilobytes.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// The sender of the webhook waits meanwhile, so all of it fits into the shortest deadlines of senders.
const LIMITS: Limits = Limits {
    connect: Duration::from_millis(1_500),
    first_byte: Duration::from_millis(1_500),
    body: Duration::from_secs(1),
    total: Duration::from_millis(2_500),
    body_bytes: DOCUMENT_BYTES_MAX,
};

/// Why a key is not at hand after it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFetched {
    /// The address holds no key, and will not by waiting.
    Absent,
    /// Nobody answered, or not now.
    Unreachable,
    /// Enough was fetched in this minute.
    Spent,
}

pub struct KeyFetcher {
    transport: Arc<dyn Transport>,
    clock: SharedClock,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    addresses: HashMap<String, Address>,
    /// Access tokens by where and for whom they are given, until when they are used.
    tokens: HashMap<String, (Arc<Zeroizing<String>>, Timestamp)>,
    minute: Option<Timestamp>,
    begun: u32,
}

#[derive(Default)]
struct Address {
    /// Held while it is fetched, so that all who wait share one fetch.
    gate: Arc<tokio::sync::Mutex<()>>,
    found: Option<(Arc<KeyDocument>, Timestamp)>,
    failed: Option<(NotFetched, Timestamp)>,
}

impl Address {
    /// What is forgotten first: addresses that never gave a key, and of each kind those that were tried longest ago.
    fn worth(&self) -> (bool, Timestamp) {
        let found = self.found.as_ref().map(|(_, at)| *at);
        (found.is_some(), found.max(self.failed.map(|(_, at)| at)).unwrap_or(Timestamp::EPOCH))
    }
}

impl FetchedKeys for KeyFetcher {
    fn document(&self, url: &str, kid: Option<&str>) -> Option<Arc<KeyDocument>> {
        let now = self.clock.now();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (document, at) = known.addresses.get(url)?.found.as_ref()?;
        let age = now.since(*at);
        let complete = kid.is_none_or(|kid| document.has(kid));
        let fresh = if complete { age < KEPT_FOR } else { age < RENEWED_AFTER };
        fresh.then(|| Arc::clone(document))
    }
}

impl KeyFetcher {
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, clock: SharedClock) -> Self {
        Self { transport, clock, known: Mutex::default() }
    }

    /// Fetches a key that a judgement waits for. Afterwards the same judgement finds it.
    pub async fn fetch(&self, wanted: &Pending, policy: &Arc<EgressPolicy>) -> Result<(), NotFetched> {
        let asked_at = self.clock.now();
        let at = wanted.address();
        let gate = self.gate(&at);
        let _one = gate.lock().await;
        if let Some(known) = self.known_since(&at, asked_at) {
            return known;
        }
        self.spend(&at)?;
        let fetched = match &wanted.request {
            None => self.get(wanted, policy).await,
            Some(request) => self.ask(&wanted.key_url, request, policy).await,
        };
        telemetry::key_fetched(fetched.is_ok());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let address = known.addresses.entry(at.into_owned()).or_default();
        let now = self.clock.now();
        match fetched {
            Ok(document) => {
                address.found = Some((Arc::new(document), now));
                address.failed = None;
                Ok(())
            }
            Err(failure) => {
                address.failed = Some((failure, now));
                Err(failure)
            }
        }
    }

    fn gate(&self, url: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.addresses.len() >= ADDRESSES_MAX && !known.addresses.contains_key(url) {
            let least = known.addresses.iter().min_by_key(|(_, address)| address.worth());
            if let Some(least) = least.map(|(url, _)| url.clone()) {
                known.addresses.remove(&least);
            }
        }
        Arc::clone(&known.addresses.entry(url.to_owned()).or_default().gate)
    }

    /// What somebody else fetched while this one waited, or a failure that is still remembered.
    fn known_since(&self, url: &str, asked_at: Timestamp) -> Option<Result<(), NotFetched>> {
        let now = self.clock.now();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let address = known.addresses.get(url)?;
        if address.found.as_ref().is_some_and(|(_, at)| *at >= asked_at || now.since(*at) < RENEWED_AFTER) {
            return Some(Ok(()));
        }
        let (failure, at) = address.failed?;
        (now.since(at) < FAILURE_KEPT_FOR).then_some(Err(failure))
    }

    fn spend(&self, url: &str) -> Result<(), NotFetched> {
        let now = self.clock.now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.addresses.get(url).is_some_and(|address| address.found.is_some()) {
            return Ok(());
        }
        if known.minute.is_none_or(|minute| now.since(minute) >= Duration::from_secs(60)) {
            (known.minute, known.begun) = (Some(now), 0);
        }
        if known.begun == FETCHES_PER_MINUTE {
            return Err(NotFetched::Spent);
        }
        known.begun += 1;
        Ok(())
    }

    async fn get(&self, wanted: &Pending, policy: &Arc<EgressPolicy>) -> Result<KeyDocument, NotFetched> {
        let target = Target::parse(&wanted.key_url, policy).map_err(|_| NotFetched::Absent)?;
        let request = OutboundRequest {
            method: Method::GET,
            target: Arc::new(target),
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
            limits: LIMITS,
        };
        let response = self.transport.send(request).await.map_err(|_| NotFetched::Unreachable)?;
        let OutboundResponse { status, body_head, body_end, .. } = response;
        match (status, body_end) {
            (200, BodyEnd::Complete) => KeyDocument::read(wanted.format, &body_head).map_err(|_| NotFetched::Absent),
            (200, BodyEnd::TimedOut | BodyEnd::Broken) | (408 | 429 | 500..=599, _) => Err(NotFetched::Unreachable),
            // Longer than any document of keys, moved, or not there: redirects are not followed.
            _ => Err(NotFetched::Absent),
        }
    }
}
