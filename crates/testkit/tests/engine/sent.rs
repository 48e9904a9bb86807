//! What a destination was sent, and when: the time that it asks for is kept, and what never left is not taken for sent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use connectors::provider::{Catalogue, Recipe};
use domain::ordering::Ordering as LaneOrdering;
use domain::retry::{Backoff, RetryPolicy};
use domain::{DeliveryState, Timestamp};
use engine::clock::SharedClock;
use engine::receive::Receipt;
use engine::spec::{OnStale, RouteSpec, Specs};
use engine::transport::{OutboundRequest, OutboundResponse, SendError, Transport};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http::header::{HeaderValue, RETRY_AFTER};

use crate::rig::{Rig, answered, clock, destination, listening, memory, route, specs};

/// How long the first request takes to be answered well; the second is refused at once, and for how long.
const SLOW: Duration = Duration::from_millis(300);
const SILENCE: Duration = Duration::from_secs(8);

/// Answers the first request late, the second with 429, and all others with 200.
struct Limiter {
    clock: SharedClock,
    asked: AtomicU64,
    at: Mutex<Vec<Timestamp>>,
}

impl Transport for Limiter {
    fn send(&self, _: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        self.at.lock().expect("nobody panicked").push(self.clock.now());
        let mut headers = HeaderMap::new();
        let status = if number == 1 { 429 } else { 200 };
        if number == 1 {
            headers.insert(RETRY_AFTER, HeaderValue::from(SILENCE.as_secs()));
        }
        Box::pin(async move {
            if number == 0 {
                self.clock.sleep(SLOW).await;
            }
            Ok(OutboundResponse { headers, ..answered(status, Bytes::new()) })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_silence_that_was_asked_for_outlasts_an_answer_that_was_under_way() {
    let clock = clock();
    let limiter = Arc::new(Limiter { clock: Arc::clone(&clock), asked: AtomicU64::new(0), at: Mutex::default() });
    let mut specs = specs();
    specs.destinations[0].http.concurrency = 2;
    specs.destinations[0].retry =
        RetryPolicy { backoff: Backoff::List(vec![Duration::from_secs(1)]), attempts: 3, jitter_percent: 0 };
    let rig = Rig::reaching(memory(), specs, Arc::clone(&clock), Arc::clone(&limiter) as _).await;
    for _ in 0..6 {
        rig.publish().await;
    }
    rig.pass(Duration::from_secs(30)).await;
    let at = limiter.at.lock().expect("nobody panicked").clone();
    assert_eq!(at.len(), 7, "six, and one of them twice");
    assert!(at[2..].iter().all(|at_| at_.since(at[1]) >= SILENCE), "{at:?}");
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 6);
}

const VERSIONED: &str = r#"
provider: versioned
title: Versions
docs: https://example.com/docs
setup: ["Enter {url}."]
methods: [POST]
verify: none
event:
  type:
    - [{ json: /type }]
  type_otherwise: request
  id:
    - [{ json: /id }]
  subject:
    - { object: { const: order }, id: { json: /order }, version: { number: { json: /v } } }
facts: { as_of: 2026-11-20, source: https://example.com/docs }
"#;

fn versioned() -> Specs {
    let recipe = Recipe::from_yaml("versioned.yaml", VERSIONED).expect("a recipe");
    let catalogue = Catalogue::with_own([recipe]).expect("no other is called so");
    let route = RouteSpec {
        from: "orders".parse().expect("a name"),
        ordering: LaneOrdering::Subject,
        stale: OnStale::Drop,
        assurance: Some(domain::Assurance::None),
        ..route("app")
    };
    Specs {
        catalogue: Arc::new(catalogue),
        sources: vec![listening("orders", "versioned", Vec::new())],
        destinations: vec![destination("app")],
        routes: vec![route],
        ..Specs::default()
    }
}

async fn order(rig: &Rig, version: u64) {
    let body = format!(r#"{{"type":"order.updated","id":"{version}","order":"1","v":{version}}}"#);
    let headers = vec![("content-type".into(), Bytes::from_static(b"application/json"))];
    let receipt = rig.engine.receive(rig.request("orders", headers, Bytes::from(body))).await;
    assert!(matches!(receipt, Receipt::Accepted { .. }), "{receipt:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stale_after_a_version_that_never_left() {
    let rig = Rig::with(memory(), versioned()).await;
    rig.network.down.store(true, Ordering::SeqCst);
    order(&rig, 5).await;
    rig.pass(Duration::from_secs(10)).await;
    assert_eq!(rig.deliveries(DeliveryState::Dead).await.len(), 1);
    rig.network.down.store(false, Ordering::SeqCst);
    order(&rig, 3).await;
    rig.pass(Duration::from_secs(10)).await;
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 1, "what came before was never sent");
    order(&rig, 2).await;
    rig.pass(Duration::from_secs(10)).await;
    assert_eq!(rig.deliveries(DeliveryState::Filtered).await.len(), 1, "an older one than was sent is stale");
}
