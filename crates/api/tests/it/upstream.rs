//! Connections that are asked through the API, at a source on loopback: whether their credentials work, their streams,
//! their records, and what is left to be seen of every request. Time is the test's own where the source asks for some.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::wire::plain_url;
use engine::clock::{SharedClock, SystemClock};
use engine::spec::{ConnectionConfig, ConnectorSpec, SourceSpec, Specs};
use engine::transport::{HttpTransport, Transport, TransportOptions};
use serde_json::{Value, json};
use store::registry::ManagedBy;
use testkit::scripted::{Script, ScriptedSource, ScriptedTransport};
use testkit::sim_clock::SimClock;

use crate::gateway::{Answer, Call, Gateway};

const KEY: &str = "sk-live-123456";
const WRONG_KEY: &str = "sk-wrong-98765";
/// Some sources have their key in the path.
const PATH_KEY: &str = "path-key-4242";

const MANIFEST: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [orders] }
definitions:
  requester: &requester
    type: HttpRequester
    url_base: $BASE
    path: "{{ parameters['name'] }}"
    authenticator: { type: ApiKeyAuthenticator, header: X-Key, api_token: "{{ config['key'] }}" }
    error_handler: { type: DefaultErrorHandler, backoff_strategies: [{ type: WaitTimeFromHeader, header: Retry-After }] }
  retriever: &retriever
    type: SimpleRetriever
    record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
    requester: *requester
    paginator:
      type: DefaultPaginator
      page_token_option: { type: RequestOption, inject_into: request_parameter, field_name: page }
      pagination_strategy: { type: PageIncrement, page_size: 5, start_from_page: 1 }
streams:
  - { type: DeclarativeStream, name: orders, primary_key: id, $parameters: { name: orders }, retriever: *retriever }
  - { type: DeclarativeStream, name: limited, $parameters: { name: limited }, retriever: *retriever }
  - type: DeclarativeStream
    name: refused
    retriever:
      $ref: "#/definitions/retriever"
      requester: { $ref: "#/definitions/requester", path: "refused/{{ config['path_key'] }}" }
spec:
  type: Spec
  connection_specification:
    type: object
    required: [key]
    properties:
      key: { type: string, airbyte_secret: true }
      path_key: { type: string, airbyte_secret: true }
"##;

const SCRIPT: &str = r##"
data: { orders: { count: 12, each: { id: "{n}", total: "{n*10}" } } }
routes:
  - { on: GET /orders, when: { headers: { x-key: sk-live-123456 } }, reply: { pages: { of: orders, page: query.page, size: 5 } } }
  - { on: GET /orders, reply: { status: 401, json: { error: "the key sk-wrong-98765 is unknown" } } }
  - on: GET /limited
    per: route
    reply: [{ status: 429, headers: { Retry-After: "7" } }, { json: [{ id: 1 }] }, { status: 429, headers: { Retry-After: "3600" } }]
  - { on: GET /refused/path-key-4242, reply: { status: 403, json: { error: "not with path-key-4242" } } }
"##;

/// A gateway whose source `shop` asks `manifest`'s source, with a good key and, under `mistyped`, a bad one.
async fn gateway(manifest: &str, clock: SharedClock, transport: Arc<dyn Transport>) -> Gateway {
    let gateway = Gateway::reaching(SharedClock::clone(&clock), transport).await;
    let manifest = engine::connector::Named { name: "shop.yaml", text: manifest };
    let entropy = Arc::clone(gateway.engine.entropy());
    let connector = engine::connector::Connector::load(manifest, None, Arc::new(|_| None), &clock, &entropy);
    let config = |key: &str| ConnectionConfig::new(json!({ "key": key, "path_key": PATH_KEY }));
    let name = |name: &str| name.parse().expect("a name");
    let spec = ConnectorSpec {
        name: "./shop.yaml".to_owned(),
        overrides: None,
        connector: Arc::new(connector.unwrap_or_else(|error| panic!("{error}"))),
        configs: [(name("acme"), config(KEY)), (name("mistyped"), config(WRONG_KEY))].into(),
        streams: BTreeMap::new(),
        budget: None,
        normalize: false,
        subscribe: false,
    };
    let source = SourceSpec {
        tenant: domain::Tenant::default_tenant(),
        name: "shop".parse().expect("a name"),
        managed_by: ManagedBy::File,
        webhook: None,
        publish: false,
        connections: Default::default(),
        connector: Some(spec),
    };
    gateway.engine.configure(Specs { sources: vec![source], ..Specs::default() }).await.expect("the file is valid");
    gateway
}

/// With a source on loopback, and the time as it is.
async fn on_loopback() -> (Gateway, ScriptedSource) {
    let source = ScriptedSource::start(Script::parse(SCRIPT).expect("a script")).expect("a free port");
    let clock = SystemClock::shared();
    let transport = HttpTransport::new(SharedClock::clone(&clock), TransportOptions::default()).expect("roots");
    (gateway(&source.addressed(MANIFEST), clock, Arc::new(transport)).await, source)
}

/// With a source in this process, and the time as the test has it.
async fn in_own_time() -> (Gateway, Arc<ScriptedTransport>) {
    let source = ScriptedTransport::new(Script::parse(SCRIPT).expect("a script"));
    let clock: SharedClock = Arc::new(SimClock::starting_at(domain::Timestamp::from_secs(1_800_000_000)));
    (gateway(&source.addressed(MANIFEST), clock, Arc::clone(&source) as _).await, source)
}

async fn ask(gateway: &Gateway, connection: &str, what: &str) -> Answer {
    gateway.call(Call::get(&format!("/api/v1/sources/shop/connections/{connection}/{what}"))).await
}

async fn check(gateway: &Gateway, connection: &str) -> Value {
    gateway.call(Call::post(&format!("/api/v1/sources/shop/connections/{connection}/check"))).await.json()
}

fn no_secret_in(text: &str) {
    for secret in [KEY, WRONG_KEY, PATH_KEY] {
        assert!(!text.contains(secret), "'{secret}' in {text}");
    }
}

#[tokio::test]
async fn a_good_key_works_and_a_bad_one_says_why_without_showing_it() {
    let (gateway, _source) = on_loopback().await;
    assert_eq!(check(&gateway, "acme").await, json!({ "works": true }));
    let refused = check(&gateway, "mistyped").await;
    assert_eq!(refused["works"], false);
    let why = refused["why"].as_str().expect("a reason");
    assert!(why.contains("orders") && why.contains("401"), "{why}");
    no_secret_in(why);
    let unknown = gateway.call(Call::post("/api/v1/sources/shop/connections/nobody/check")).await;
    assert_eq!((unknown.status.as_u16(), unknown.code()), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn streams_and_their_first_records_are_read_live() {
    let (gateway, source) = on_loopback().await;
    let streams = ask(&gateway, "acme", "streams").await.json();
    let names: Vec<_> = streams["data"].as_array().expect("a list").iter().map(|stream| &stream["name"]).collect();
    assert_eq!(names, ["orders", "limited", "refused"]);
    assert_eq!(streams["data"][0]["source_defined_primary_key"], json!([["id"]]));
    assert_eq!(source.requests().len(), 0, "what the manifest says is not asked for");
    let read = ask(&gateway, "acme", "streams/orders/records?limit=7").await.json();
    assert_eq!(read["data"].as_array().map(Vec::len), Some(7), "{read}");
    assert_eq!((&read["data"][6], &read["more"]), (&json!({ "id": 7, "total": 70 }), &json!(true)));
    assert_eq!(source.requests().len(), 2, "no more pages than it takes");
    let all = ask(&gateway, "acme", "streams/orders/records?limit=1000").await.json();
    assert_eq!((all["data"].as_array().map(Vec::len), &all["more"]), (Some(12), &json!(false)));
    assert_eq!(ask(&gateway, "acme", "streams/nothing/records").await.code(), "not_found");
    assert_eq!(ask(&gateway, "acme", "streams/orders/records?limit=1001").await.code(), "invalid_parameter");
    let refused = ask(&gateway, "acme", "streams/refused/records").await;
    assert_eq!(refused.code(), "source_failed");
    no_secret_in(&String::from_utf8_lossy(&refused.body));
}

#[tokio::test]
async fn every_request_leaves_a_call_with_how_the_source_does_and_no_secret() {
    let (gateway, source) = on_loopback().await;
    ask(&gateway, "acme", "streams/orders/records?limit=12").await;
    check(&gateway, "mistyped").await;
    ask(&gateway, "acme", "streams/refused/records").await;
    let page = gateway
        .until("/api/v1/calls?source=shop", |page| page["data"].as_array().is_some_and(|data| data.len() == 5))
        .await;
    assert_eq!(source.requests().len(), 5);
    no_secret_in(&page.to_string());
    let calls = page["data"].as_array().expect("a list");
    let of = |name: &str, connection: &str| {
        let of = calls.iter().filter(|call| call["stream"] == name && call["connection"] == connection);
        of.map(|call| (call["purpose"].clone(), call["status"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(of("orders", "acme"), vec![(json!("read"), json!(200)); 3]);
    assert_eq!(of("orders", "mistyped"), [(json!("check"), json!(401))]);
    assert_eq!(of("refused", "acme"), [(json!("read"), json!(403))]);
    let url = calls[0]["url"].as_str().expect("a URL");
    assert_eq!(plain_url(url), url, "no query");
    gateway.engine.ledger().flush().await;
    let sources = gateway.call(Call::get("/api/v1/calls?source=shop")).await.json()["sources"].clone();
    assert_eq!((&sources[0]["calls"], &sources[0]["failed"]), (&json!(5), &json!(2)), "{sources}");
    assert_eq!(sources[0]["error_rate"], json!(0.4));
    assert!(sources[0]["p95_ms"].as_f64().is_some_and(|p95| p95 > 0.0), "{sources}");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_down_is_told_as_that_and_its_calls_have_no_status() {
    let (gateway, source) = in_own_time().await;
    source.down.store(true, std::sync::atomic::Ordering::SeqCst);
    let answer = ask(&gateway, "acme", "streams/orders/records").await;
    assert_eq!(answer.code(), "source_failed");
    assert_eq!(check(&gateway, "acme").await["works"], false);
    gateway.engine.ledger().flush().await;
    let calls = gateway.call(Call::get("/api/v1/calls?source=shop&failed=true")).await.json();
    let calls = calls["data"].as_array().expect("a list");
    assert!(!calls.is_empty() && calls.iter().all(|call| call["status"].is_null() && call["error"] == "network"));
}

#[tokio::test(start_paused = true)]
async fn a_short_wait_is_kept_and_a_long_one_is_told_to_whoever_asks() {
    let (gateway, _source) = in_own_time().await;
    let clock = SharedClock::clone(gateway.engine.clock());
    let began = clock.monotonic();
    let read = ask(&gateway, "acme", "streams/limited/records").await.json();
    assert_eq!(read["data"], json!([{ "id": 1 }]));
    let took = clock.monotonic() - began;
    assert!((Duration::from_secs(7)..Duration::from_secs(10)).contains(&took), "{took:?}");
    let began = clock.monotonic();
    let answer = ask(&gateway, "acme", "streams/limited/records").await;
    assert_eq!(answer.code(), "source_failed");
    assert!(clock.monotonic() - began < Duration::from_secs(60), "nobody waits for an hour");
}
