//! Threat 19: two gateways that deliver to each other stop by themselves.

use serde_json::json;

use crate::api::Api;
use crate::gateway::Home;
use crate::oracle::panics;
use crate::setup::{Setup, no_breaker, quick_retries};
use crate::sink::DESTINATION_SECRET;
use crate::wait::until;

/// Gateways in a row that a message may pass.
const HOPS_MAX: usize = 8;

fn half(other: &str) -> Setup {
    let there = json!({ "retry": quick_retries(5), "breaker": no_breaker() });
    Setup::new()
        .source_of("start", &json!({ "publish": true }))
        .source_of("loop", &json!({ "webhook": { "provider": "standard-webhooks", "secret": DESTINATION_SECRET } }))
        .destination_at("other", other, &there)
        .route("start", "other", &json!({}))
        .route("loop", "other", &json!({}))
}

#[test]
fn threat_19_two_gateways_pointed_at_each_other_stop() {
    let placeholder = json!({});
    let (left, right) = (Home::new(&placeholder), Home::new(&placeholder));
    left.configure(half(&format!("http://{}/in/loop", right.address)).value());
    right.configure(half(&format!("http://{}/in/loop", left.address)).value());
    let gateways = [left.start(), right.start()];
    let apis = [Api { address: left.address }, Api { address: right.address }];
    let message = json!({ "source": "start", "type": "ball", "data": { "hello": "there" } });
    let published = apis[0].post("/api/v1/events", &message);
    assert_eq!(published.status, 201, "{}", published.text());
    let dead = || apis.iter().flat_map(|api| api.all("/api/v1/dead-letters")).collect::<Vec<_>>();
    until("the message is stopped", || !dead().is_empty());
    until("both gateways rest", || apis.iter().all(Api::is_quiet));
    let stopped = dead();
    let events: usize = apis.iter().map(|api| api.events().len()).sum();
    drop(gateways);
    eprintln!("loop of gateways: {events} events, then stopped by {}", stopped[0]["cause"]);
    assert_eq!((stopped.len(), stopped[0]["cause"]["code"].as_str()), (1, Some("hop_limit")));
    assert_eq!(events, HOPS_MAX + 1, "one per hop, and the first");
    assert!(panics(&left.log()).is_empty() && panics(&right.log()).is_empty());
}
