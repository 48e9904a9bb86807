//! Streams through the API: read on demand, seen, reconciled, with their runs, gaps and budgets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use engine::clock::{SharedClock, SystemClock};
use engine::connector::{Connector, Named};
use engine::spec::{BudgetScope, BudgetSpec, ConnectorSpec, ReconcileSpec, Schedule, SourceSpec, Specs, StreamSpec};
use engine::transport::{BodyEnd, OutboundRequest, OutboundResponse, SendError, Timings, Transport};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use serde_json::{Value, json};
use store::registry::ManagedBy;

use crate::gateway::{Answer, Call, Gateway};

const MANIFEST: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [orders] }
definitions:
  retriever: &retriever
    type: SimpleRetriever
    record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
    requester: { type: HttpRequester, url_base: "https://shop.example", path: orders }
streams:
  - type: DeclarativeStream
    name: orders
    primary_key: id
    retriever: *retriever
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: updated_at
      datetime_format: "%Y-%m-%dT%H:%M:%SZ"
      start_datetime: "2020-01-01T00:00:00Z"
      start_time_option: { type: RequestOption, inject_into: request_parameter, field_name: since }
  - { type: DeclarativeStream, name: logs, retriever: *retriever }
  - { type: DeclarativeStream, name: odd, primary_key: id, retriever: { type: CustomRetriever, class_name: shop.Odd } }
"##;

/// The place of the stream that is read.
const ORDERS: &str = "/api/v1/sources/shop/connections/default/streams/orders";

/// Orders by their times of change, which lie in the past.
struct Shop {
    orders: Mutex<BTreeMap<u32, &'static str>>,
    status: AtomicU16,
}

impl Shop {
    fn put(&self, id: u32, updated_at: &'static str) {
        self.orders.lock().expect("nobody panicked").insert(id, updated_at);
    }

    fn since(&self, url: &str) -> Value {
        let url: url::Url = url.parse().expect("an address");
        let since = url.query_pairs().find(|(name, _)| name == "since").map(|(_, value)| value.into_owned());
        let since = since.unwrap_or_default();
        let orders = self.orders.lock().expect("nobody panicked");
        let new = orders.iter().filter(|(_, at)| **at >= since.as_str());
        new.map(|(id, at)| json!({ "id": id, "updated_at": at })).collect()
    }
}

impl Transport for Shop {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        let status = self.status.load(Ordering::SeqCst);
        let body = if status == 200 { self.since(request.target.url()) } else { json!({ "error": "as told" }) };
        let response = OutboundResponse {
            status,
            headers: HeaderMap::new(),
            body_head: Bytes::from(body.to_string()),
            body_end: BodyEnd::Complete,
            timings: Timings::default(),
            peer: SocketAddr::from(([192, 0, 2, 1], 443)),
            reused: false,
        };
        Box::pin(async move { Ok(response) })
    }
}

const NEW_YEAR: &str = "0 0 1 1 *";

/// A gateway whose source `shop` has two orders, and whose stream is reconciled once a year: nothing happens by itself
/// while a test runs.
async fn gateway() -> (Gateway, Arc<Shop>) {
    let clock = SystemClock::shared();
    let orders = [(1, "2024-05-01T09:00:00Z"), (2, "2024-05-02T09:00:00Z")].into();
    let shop = Arc::new(Shop { orders: Mutex::new(orders), status: AtomicU16::new(200) });
    let gateway = Gateway::reaching(SharedClock::clone(&clock), Arc::clone(&shop) as _).await;
    let manifest = Named { name: "shop.yaml", text: MANIFEST };
    let connector = Connector::load(manifest, None, Arc::new(|_| None), &clock, gateway.engine.entropy());
    let schedule = Schedule::Cron(NEW_YEAR.parse().expect("a crontab"));
    let (grace, max_deletes) = (Some(std::time::Duration::ZERO), None);
    let reconcile = ReconcileSpec { schedule, lookback: None, grace, max_deletes };
    let spec = ConnectorSpec {
        name: "./shop.yaml".to_owned(),
        overrides: None,
        connector: Arc::new(connector.unwrap_or_else(|error| panic!("{error}"))),
        configs: BTreeMap::new(),
        streams: [(Arc::from("orders"), StreamSpec { reconcile: Some(reconcile), ..StreamSpec::default() })].into(),
        budget: Some(BudgetSpec { allowance: "5000/h".parse().expect("a rate"), scope: BudgetScope::Source }),
        normalize: false,
        subscribe: false,
    };
    let source = |name: &str, connector| SourceSpec {
        tenant: domain::Tenant::default_tenant(),
        name: name.parse().expect("a name"),
        managed_by: ManagedBy::File,
        webhook: None,
        publish: true,
        connections: Default::default(),
        connector,
    };
    let sources = vec![source("shop", Some(spec)), source("mute", None)];
    gateway.engine.configure(Specs { sources, ..Specs::default() }).await.expect("the file is valid");
    (gateway, shop)
}

async fn order(gateway: &Gateway, what: &str, body: Value) -> Answer {
    gateway.call(Call::post(&format!("{ORDERS}/{what}")).json(&body)).await
}

/// The run that an answer tells of, as it is at its end.
async fn ended(gateway: &Gateway, answer: &Answer) -> Value {
    assert_eq!(answer.status, 202, "{answer:?}");
    let begun = answer.json();
    assert_eq!(begun["state"], "running", "{begun}");
    let path = format!("/api/v1/runs/{}", begun["id"].as_str().expect("an id"));
    gateway.until(&path, |run| run["state"] != "running").await
}

#[tokio::test]
async fn a_stream_is_scanned_then_reconciled_and_its_gaps_are_listed() {
    let (gateway, shop) = gateway().await;
    let early = order(&gateway, "reconcile", json!({ "dry_run": true })).await;
    assert_eq!(early.code(), "state_refused", "there is nothing to compare with");

    let scanned = ended(&gateway, &gateway.call(Call::post(&format!("{ORDERS}/poll"))).await).await;
    assert_eq!((&scanned["kind"], &scanned["state"]), (&json!("backfill"), &json!("done")), "{scanned}");
    assert_eq!((&scanned["figures"]["seen"], &scanned["figures"]["told"]), (&json!(2), &json!(0)), "{scanned}");

    shop.put(3, "2024-05-03T09:00:00Z");
    let dry = ended(&gateway, &order(&gateway, "reconcile", json!({ "dry_run": true })).await).await;
    assert_eq!((&dry["dry_run"], &dry["figures"]["missed"]), (&json!(true), &json!(1)), "{dry}");
    assert_eq!((&dry["gaps"][0]["subject"], &dry["gaps"][0]["event"]), (&json!("orders/3"), &Value::Null));
    assert_eq!(gateway.call(Call::get("/api/v1/events")).await.ids(), Vec::<String>::new(), "it only reports");

    let path = format!("{ORDERS}/reconcile");
    let once = || gateway.call(Call::post(&path).json(&json!({})).header("idempotency-key", "r1"));
    let told = ended(&gateway, &once().await).await;
    assert_eq!(once().await.json()["id"], told["id"], "the same wish is one run");
    assert_eq!((&told["figures"]["missed"], &told["figures"]["matched"]), (&json!(1), &json!(2)), "{told}");
    assert_eq!(told["trust"], json!({ "caught": 0.0 }), "no webhook told anything");
    let gap = &told["gaps"][0];
    assert_eq!((&gap["action"], &gap["version"]), (&json!("created"), &json!("2024-05-03T09:00:00.000000Z")), "{gap}");
    let event = gateway.call(Call::get(&format!("/api/v1/events/{}", gap["event"].as_str().expect("an id")))).await;
    assert_eq!(event.json()["origin"], "reconciled");

    let again = ended(&gateway, &order(&gateway, "backfill", json!({ "start": "all" })).await).await;
    assert_eq!((&again["kind"], &again["figures"]["matched"]), (&json!("backfill"), &json!(3)), "{again}");
    let runs = |query: &str| Call::get(&format!("/api/v1/runs?{query}"));
    for (query, count) in [("", 4), ("source=shop&kind=reconcile", 2), ("kind=poll", 0), ("state=failed", 0)] {
        assert_eq!(gateway.call(runs(query)).await.ids().len(), count, "{query}");
    }
    let first = gateway.call(runs("stream=orders&limit=3")).await;
    let next = first.json()["next"].as_str().expect("there is one more").to_owned();
    let rest = gateway.call(runs(&format!("stream=orders&limit=3&cursor={next}"))).await;
    assert_eq!(rest.ids(), [scanned["id"].as_str().expect("an id")], "newest first");
}

#[tokio::test]
async fn a_stream_shows_how_reading_it_goes_and_a_budget_what_it_cost() {
    let (gateway, shop) = gateway().await;
    let before = gateway.call(Call::get(ORDERS)).await.json();
    assert_eq!(before["definition"]["reconcile"]["cron"], NEW_YEAR, "{before}");
    assert!(before["next_reconcile_at"].is_string() && before["baseline_at"].is_null(), "{before}");
    assert_eq!((&before["polls"], &before["running"]), (&json!(0), &json!(false)));

    let poll = async || {
        let begun = gateway.call(Call::post(&format!("{ORDERS}/poll"))).await;
        ended(&gateway, &begun).await
    };
    poll().await;
    shop.put(4, "2024-06-01T09:00:00Z");
    assert_eq!(poll().await["figures"]["told"], 1);
    poll().await;
    // The first was the first scan, which is no poll.
    let counted = |shown: &Value| shown["polls"] == 2;
    let shown = gateway.until(ORDERS, counted).await;
    for (figure, value) in [("empty", 1), ("failed", 0), ("changes", 1), ("requests", 2), ("failures_in_a_row", 0)] {
        assert_eq!(shown[figure], value, "{figure}: {shown}");
    }
    assert_eq!(shown["state"], json!({ "updated_at": "2024-06-01T09:00:00Z" }));
    assert_eq!((&shown["requests_per_change"], shown["waste"].as_f64()), (&json!(2.0), Some(0.5)), "{shown}");
    assert!(shown["lag_seconds"].as_f64().is_some_and(|lag| lag < 60.0), "{shown}");

    shop.status.store(403, Ordering::SeqCst);
    let failed = poll().await;
    assert_eq!(failed["state"], "failed");
    assert!(failed["problem"].as_str().is_some_and(|problem| problem.contains("403")), "{failed}");
    gateway.until(ORDERS, |shown| shown["failures_in_a_row"] == 1 && shown["failed"] == 1).await;

    let listed = gateway.call(Call::get("/api/v1/streams?source=shop")).await.json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(gateway.call(Call::get("/api/v1/streams?connection=acme")).await.json()["data"], json!([]));
    let budgets = gateway.call(Call::get("/api/v1/budgets")).await.json();
    let budget = &budgets["data"][0];
    assert_eq!(
        (&budget["scope"], &budget["limit"], &budget["window"]),
        (&json!("source/shop"), &json!("5000/h"), &json!("moving"))
    );
    assert_eq!(
        (&budget["by_purpose"], &budget["waiting"]),
        (&json!({ "backfill": 1, "poll": 3 }), &json!(0)),
        "{budget}"
    );
    assert!(budget["used"].as_u64().is_some_and(|used| used >= 4), "what is reserved counts: {budget}");
}

#[tokio::test]
async fn what_could_tell_nothing_is_refused_with_the_reason() {
    let (gateway, _shop) = gateway().await;
    let at = |source: &str, connection: &str, stream: &str| {
        Call::post(&format!("/api/v1/sources/{source}/connections/{connection}/streams/{stream}/poll"))
    };
    let backfill = |body: Value| Call::post(&format!("{ORDERS}/backfill")).json(&body);
    let reconcile = |body: Value| Call::post(&format!("{ORDERS}/reconcile")).json(&body);
    for (call, code, says) in [
        (at("nope", "default", "orders"), "not_found", "nope"),
        (at("shop", "acme", "orders"), "not_found", "acme"),
        (at("shop", "default", "ordesr"), "not_found", "ordesr"),
        (at("mute", "default", "orders"), "no_connector", "mute"),
        (at("shop", "default", "logs"), "poll_blind", "neither a cursor nor a primary key"),
        (at("shop", "default", "odd"), "stream_unusable", "CustomRetriever"),
        (backfill(json!({})), "invalid_body", "start"),
        (backfill(json!({ "start": "then" })), "invalid_body", "neither now, all, nor a time"),
        (reconcile(json!({ "dry": true })), "invalid_body", "dry_run"),
        (Call::get("/api/v1/runs?kind=none"), "invalid_parameter", "backfill"),
        (Call::get("/api/v1/runs?state=none"), "invalid_parameter", "waiting"),
        (Call::get("/api/v1/runs/run_00000000000000000000000000"), "not_found", "run_0"),
        (Call::get("/api/v1/sources/shop/connections/default/streams/logs"), "not_found", "not configured"),
    ] {
        let answer = gateway.call(call).await;
        assert_eq!(answer.code(), code, "{answer:?}");
        let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(detail.contains(says), "{code}: {detail}");
    }
    assert_eq!(gateway.call(Call::get("/api/v1/runs")).await.ids().len(), 0, "nothing was begun");
}
