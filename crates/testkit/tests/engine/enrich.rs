//! Records fetched for events: by whom, how often, and what becomes of an event whose record cannot be had.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connectors::manifest::extension::OneRecord;
use connectors::manifest::node::{Document, Read as _};
use domain::DeliveryState;
use engine::publish::Publication;
use engine::spec::{EnrichSpec, EnrichWay, OnEnrichError, RequestSpec, RouteSpec, SourceSpec, Specs};
use serde_json::{Value as Json, json};

use crate::rig::{Rig, clock, destination, memory, once, route, source};
use crate::shop::{GET, Shop, specs};

const SECOND: Duration = Duration::from_secs(1);

struct World {
    rig: Rig,
    shop: Arc<Shop>,
}

fn item() -> EnrichSpec {
    EnrichSpec {
        name: "item".into(),
        way: EnrichWay::Stream("items".into()),
        source: None,
        connection: None,
        id: "data.item".to_owned(),
        max_age: None,
        on_error: OnEnrichError::Retry,
        confirm: false,
    }
}

impl World {
    /// A source with the shop's connector whose events are published, and a route that fetches.
    async fn start(enrich: Vec<EnrichSpec>, own: impl FnOnce(RouteSpec) -> RouteSpec) -> Self {
        Self::routed(|route| vec![own(RouteSpec { enrich, ..route })]).await
    }

    async fn routed(own: impl FnOnce(RouteSpec) -> Vec<RouteSpec>) -> Self {
        let clock = clock();
        let shop = Shop::new(&clock);
        let Specs { mut sources, .. } = specs(&clock, &[], None, GET);
        let connector = sources.pop().and_then(|source| source.connector);
        let app = RouteSpec { from: "shop".parse().expect("a name"), ..route("app") };
        let specs = Specs {
            sources: vec![SourceSpec { connector, publish: true, ..source("shop", None) }],
            destinations: vec![engine::spec::DestinationSpec { retry: once(), ..destination("app") }],
            routes: own(app),
            ..Specs::default()
        };
        shop.item(7, "an item");
        let rig = Rig::reaching(memory(), specs, clock, Arc::clone(&shop) as _).await;
        Self { rig, shop }
    }

    async fn publish(&self, data: Json) {
        let publication = Publication {
            tenant: domain::Tenant::default_tenant(),
            source: "shop".parse().expect("a name"),
            event_type: "order.paid".to_owned(),
            subject: None,
            data: Bytes::from(data.to_string()),
            idempotency_key: None,
        };
        self.rig.engine.publish(publication).await.expect("published");
    }

    fn delivered(&self) -> Vec<Json> {
        self.shop.state().delivered.clone()
    }

    /// The records that are kept beside the body of the one delivery; null where there are none.
    async fn kept(&self) -> Json {
        let id = self.rig.deliveries(DeliveryState::Delivered).await[0].id;
        let detail = self.rig.store.delivery(domain::Tenant::default_tenant(), id).await.expect("delivery");
        let prepared = detail.and_then(|detail| detail.prepared).expect("it was prepared");
        prepared.enriched.map_or(Json::Null, |records| serde_json::from_slice(&records).expect("JSON"))
    }

    async fn stop(self) {
        self.rig.engine.stop(SECOND * 60).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_stands_under_its_name_for_map_and_in_the_envelope() {
    let map = Some("{ 'note': enriched.item.note, 'paid': data.paid }".to_owned());
    let world = World::start(vec![item()], |route| RouteSpec { map, ..route }).await;
    world.publish(json!({ "item": 7, "paid": true })).await;
    world.rig.pass(SECOND).await;
    assert_eq!(world.delivered(), [json!({ "note": "an item", "paid": true })]);
    assert_eq!(world.kept().await, json!({ "item": { "id": 7, "note": "an item" } }), "what map was given is kept");
    world.stop().await;
    let world = World::start(vec![item()], |route| route).await;
    world.publish(json!({ "item": 7 })).await;
    world.rig.pass(SECOND).await;
    world.publish(json!({ "none": 7 })).await;
    world.rig.pass(SECOND).await;
    let records: Vec<Json> = world.delivered().iter().map(|body| body["enriched"]["item"].clone()).collect();
    assert_eq!(records, [json!({ "id": 7, "note": "an item" }), json!(null)], "no id, no record");
    world.stop().await;
}

/// A record that is asked for as the route says.
fn asked_at(path: &str) -> EnrichSpec {
    let written = json!({ "requester": { "type": "HttpRequester", "url_base": "https://shop.example", "path": path } });
    let one = OneRecord::read(&Document::from_json(&written).root()).expect("a request");
    let way = EnrichWay::Request(RequestSpec { written: Arc::new(written), one: Arc::new(one) });
    EnrichSpec { way, max_age: Some(60 * SECOND), ..item() }
}

#[tokio::test(start_paused = true)]
async fn routes_that_ask_for_other_things_under_one_name_each_get_their_own() {
    let world = World::routed(|route| {
        let asks = |name: &str, path: &str| {
            let name = name.parse().expect("a name");
            RouteSpec { name, enrich: vec![asked_at(path)], ..route.clone() }
        };
        vec![asks("one", "items/{{ stream_slice['id'] }}"), asks("other", "items/1{{ stream_slice['id'] }}")]
    });
    let world = world.await;
    world.shop.item(17, "another");
    for _ in 0..2 {
        world.publish(json!({ "item": 7 })).await;
        world.rig.pass(SECOND).await;
    }
    let mut notes: Vec<String> =
        world.delivered().iter().map(|body| body["enriched"]["item"]["note"].to_string()).collect();
    notes.sort();
    assert_eq!(notes, ["\"an item\"", "\"an item\"", "\"another\"", "\"another\""]);
    assert_eq!(world.shop.asked(), 2, "one request for each, which the second event shares");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn records_that_are_kept_have_a_bound_and_an_envelope_has_them_itself() {
    let map = Some("{ 'length': $length(enriched.item.note) }".to_owned());
    let world = World::start(vec![item()], |route| RouteSpec { map, ..route }).await;
    world.shop.item(8, &"x".repeat(70_000));
    world.publish(json!({ "item": 8 })).await;
    world.rig.pass(SECOND).await;
    assert_eq!(world.delivered(), [json!({ "length": 70_000 })]);
    let kept = world.kept().await["item"].as_str().map(str::to_owned);
    assert!(kept.is_some_and(|kept| kept.ends_with("bytes of JSON, too large to be kept")));
    world.stop().await;
    let world = World::start(vec![item()], |route| route).await;
    world.publish(json!({ "item": 7 })).await;
    world.rig.pass(SECOND).await;
    assert_eq!((world.delivered().len(), world.kept().await), (1, json!(null)));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_when_keeps_out_fetches_nothing() {
    let when = Some("data.paid".to_owned());
    let world = World::start(vec![item()], |route| RouteSpec { when, ..route }).await;
    world.publish(json!({ "item": 7, "paid": false })).await;
    world.rig.pass(SECOND).await;
    assert_eq!((world.shop.asked(), world.rig.deliveries(DeliveryState::Filtered).await.len()), (0, 1));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_events_about_one_record_that_come_at_once_cost_one_request() {
    let world = World::start(vec![item()], |route| route).await;
    for _ in 0..100 {
        world.publish(json!({ "item": 7 })).await;
    }
    world.rig.pass(SECOND).await;
    assert_eq!((world.delivered().len(), world.shop.asked()), (100, 1));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_over_a_second_cost_one_more_for_none_may_have_a_record_from_before_it() {
    let world = World::start(vec![item()], |route| route).await;
    for number in 0..100 {
        world.shop.item(7, if number == 99 { "changed" } else { "an item" });
        world.publish(json!({ "item": 7, "number": number })).await;
        world.rig.pass(Duration::from_millis(10)).await;
    }
    world.rig.pass(SECOND).await;
    assert_eq!((world.delivered().len(), world.shop.asked()), (100, 2));
    let last = world.delivered().into_iter().find(|body| body["data"]["number"] == 99).expect("it was delivered");
    assert_eq!(last["enriched"]["item"]["note"], "changed");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn with_a_max_age_a_hundred_over_a_second_cost_one_request() {
    let world = World::start(vec![EnrichSpec { max_age: Some(SECOND * 2), ..item() }], |route| route).await;
    for _ in 0..100 {
        world.publish(json!({ "item": 7 })).await;
        world.rig.pass(Duration::from_millis(10)).await;
    }
    world.rig.pass(SECOND).await;
    assert_eq!((world.delivered().len(), world.shop.asked()), (100, 1));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_is_kept_for_its_max_age_and_no_longer() {
    let world = World::start(vec![EnrichSpec { max_age: Some(SECOND * 10), ..item() }], |route| route).await;
    for (note, after) in [("an item", 0), ("not seen yet", 9), ("seen", 2)] {
        world.rig.pass(SECOND * after).await;
        world.shop.item(7, note);
        world.publish(json!({ "item": 7 })).await;
        world.rig.pass(Duration::from_millis(10)).await;
    }
    let notes: Vec<Json> = world.delivered().iter().map(|body| body["enriched"]["item"]["note"].clone()).collect();
    assert_eq!(notes, [json!("an item"), json!("an item"), json!("seen")]);
    assert_eq!(world.shop.asked(), 2);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_from_before_its_event_is_never_served() {
    let world = World::start(vec![item()], |route| route).await;
    world.publish(json!({ "item": 7 })).await;
    world.rig.pass(SECOND).await;
    world.shop.item(7, "changed");
    world.publish(json!({ "item": 7 })).await;
    world.rig.pass(SECOND).await;
    let notes: Vec<Json> = world.delivered().iter().map(|body| body["enriched"]["item"]["note"].clone()).collect();
    assert_eq!(notes, [json!("an item"), json!("changed")]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn confirm_asks_for_each_delivery() {
    let world = World::start(vec![EnrichSpec { confirm: true, ..item() }], |route| route).await;
    for _ in 0..5 {
        world.publish(json!({ "item": 7 })).await;
    }
    world.rig.pass(SECOND).await;
    assert_eq!((world.delivered().len(), world.shop.asked()), (5, 5));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_a_try_a_dead_letter_or_a_null_as_the_route_says() {
    let failing = async |on_error| {
        let world = World::start(vec![EnrichSpec { on_error, ..item() }], |route| route).await;
        world.shop.state().status = Some(403);
        world.publish(json!({ "item": 7 })).await;
        world.rig.pass(SECOND).await;
        world
    };
    let world = failing(OnEnrichError::Retry).await;
    let dead = world.rig.deliveries(DeliveryState::Dead).await;
    let cause = dead[0].cause.as_ref().map(|cause| (&*cause.code, cause.detail.contains("enrich.item")));
    assert_eq!((dead[0].attempts, cause), (1, Some(("enrich_failed", true))), "its one try is used up");
    assert_eq!(world.delivered(), Vec::<Json>::new());
    world.stop().await;
    let world = failing(OnEnrichError::DeadLetter).await;
    let dead = world.rig.deliveries(DeliveryState::Dead).await;
    assert_eq!((dead.len(), dead[0].attempts), (1, 0));
    world.stop().await;
    let world = failing(OnEnrichError::DeliverWithout).await;
    assert_eq!(world.delivered()[0]["enriched"]["item"], json!(null));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_prepared_is_sent_again_as_it_was() {
    let world = World::start(vec![item()], |route| RouteSpec { retry: Some(twice()), ..route }).await;
    world.shop.state().status = Some(500);
    world.publish(json!({ "item": 7 })).await;
    world.rig.pass(SECOND).await;
    world.shop.state().status = None;
    world.rig.pass(SECOND * 3_600).await;
    assert_eq!(world.delivered()[0]["enriched"]["item"]["note"], json!("an item"), "the next try had it");
    world.stop().await;
}

fn twice() -> domain::retry::RetryPolicy {
    domain::retry::RetryPolicy { attempts: 5, ..once() }
}

#[tokio::test(start_paused = true)]
async fn that_there_is_no_record_is_said_once_and_not_asked_again() {
    for gone in [404, 410] {
        let world = World::start(vec![item()], |route| route).await;
        world.shop.state().gone = Some(gone);
        world.publish(json!({ "item": 8 })).await;
        world.rig.pass(SECOND).await;
        assert_eq!(world.delivered().len(), 1, "{gone}");
        assert_eq!((world.delivered()[0]["enriched"]["item"].clone(), world.shop.asked()), (Json::Null, 1), "{gone}");
        world.stop().await;
    }
}
