//! A scripted source: lists of records that come at times known beforehand, each asked for by the time of the last change.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::Timestamp;
use engine::clock::SharedClock;
use engine::entropy::{Entropy, SeededEntropy};
use engine::transport::{BodyEnd, OutboundRequest, OutboundResponse, SendError, Timings, Transport};
use futures_util::future::BoxFuture;
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value as Json, json};

/// What an answer takes.
const LATENCY: Duration = Duration::from_millis(20);

pub struct Source {
    clock: SharedClock,
    /// By list: when each of its records came, in order.
    lists: Vec<Vec<Timestamp>>,
    /// It answers ETags, and 304 to the one who has it.
    validates: bool,
    visits: Mutex<Vec<Visit>>,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    pub at: Timestamp,
    pub in_full: bool,
}

impl Source {
    pub fn new(clock: SharedClock, lists: Vec<Vec<Timestamp>>, validates: bool) -> Arc<Self> {
        Arc::new(Self { clock, lists, validates, visits: Mutex::default() })
    }

    /// All requests from a time on.
    pub fn visits_since(&self, since: Timestamp) -> Vec<Visit> {
        self.visits().iter().filter(|visit| visit.at >= since).copied().collect()
    }

    /// Records of all lists that came in a time.
    pub fn records_between(&self, since: Timestamp, until: Timestamp) -> u64 {
        let all = self.lists.iter().flatten();
        all.filter(|at| **at >= since && **at < until).count() as u64
    }

    /// The record of a list with this number, as its webhook has it too.
    pub fn record(&self, list: usize, number: usize) -> Json {
        json!({ "id": number, "updated_at": self.lists[list][number] })
    }

    fn answer(&self, request: &OutboundRequest) -> OutboundResponse {
        let now = self.clock.now();
        let found =
            records_of(request.target.url()).and_then(|(list, since)| Some((self.lists.get(list)?, list, since)));
        let (status, body) = match found {
            Some((times, list, since)) => {
                let (first, last) = (times.partition_point(|at| *at < since), times.partition_point(|at| *at <= now));
                let listed: Vec<Json> = (first..last).map(|number| self.record(list, number)).collect();
                (200, Json::from(listed).to_string())
            }
            None => (404, "{}".to_owned()),
        };
        let mut headers = HeaderMap::new();
        let digest = domain::identity::Digest::of(body.as_bytes());
        let tag = format!("\"{}\"", &data_encoding::HEXLOWER.encode(&digest.0)[..16]);
        let is_known = self.validates && request.headers.get(IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
        if self.validates
            && let Ok(tag) = HeaderValue::from_str(&tag)
        {
            headers.insert(ETAG, tag);
        }
        self.visits().push(Visit { at: now, in_full: !is_known });
        let (status, body) = if is_known { (304, Bytes::new()) } else { (status, Bytes::from(body)) };
        OutboundResponse {
            status,
            headers,
            body_head: body,
            body_end: BodyEnd::Complete,
            timings: Timings::default(),
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 443)),
            reused: true,
        }
    }

    fn visits(&self) -> MutexGuard<'_, Vec<Visit>> {
        // Only ever added to.
        self.visits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Source {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        Box::pin(async move {
            let response = self.answer(&request);
            self.clock.sleep(LATENCY).await;
            Ok(response)
        })
    }
}

/// The list that an address is of, and since when its records are asked for.
fn records_of(url: &str) -> Option<(usize, Timestamp)> {
    let url: url::Url = url.parse().ok()?;
    let list = url.path().trim_matches('/').strip_suffix("/orders")?.parse().ok()?;
    let since = url.query_pairs().find(|(name, _)| name == "since").and_then(|(_, value)| value.parse().ok());
    Some((list, since.unwrap_or(Timestamp::EPOCH)))
}

/// When things happen that happen so often an hour, each whenever it likes.
pub fn poisson(seed: u64, per_hour: f64, from: Timestamp, span: Duration) -> Vec<Timestamp> {
    let entropy = SeededEntropy::new(seed);
    let (mut at, mut times) = (from, Vec::new());
    loop {
        let hours = -(1.0 - entropy.unit()).max(f64::MIN_POSITIVE).ln() / per_hour;
        at = at + Duration::from_secs_f64((hours * 3_600.0).min(1e9)).max(Duration::from_micros(1));
        if at >= from + span {
            return times;
        }
        times.push(at);
    }
}
