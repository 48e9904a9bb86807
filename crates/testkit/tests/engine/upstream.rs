//! Connections that are asked: one reader for all who ask, tokens got once, rotated secrets that outlive a restart, jobs
//! that a source runs, and pages with the position behind them.

mod listed;
mod shown;
mod slicing;
mod tokens;
mod waits;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{ConnectionName, Purpose, Tenant};
use engine::clock::SharedClock;
use engine::connector::{Connector, Named};
use engine::entropy::{SeededEntropy, SharedEntropy};
use engine::reading::{Closed, Wanted};
use engine::spec::{ConnectionConfig, ConnectorSpec, SourceSpec, Specs};
use engine::upstream::{Account, Ended, Page, Taker};
use futures_util::future::{BoxFuture, join, join_all};
use serde_json::{Value as Json, json};
use store::Store;
use store_sqlite::{OpenOptions, SqliteStore};
use testkit::scripted::{Script, ScriptedTransport};

use crate::rig::{Rig, memory, source};

/// An engine with one source that has a connector, and the account to ask it for.
struct Asking {
    rig: Rig,
    upstream: Arc<ScriptedTransport>,
    account: Account,
}

impl Asking {
    async fn start(manifest: &str, script: &str, config: Json) -> Self {
        Self::on(memory(), None, manifest, script, config).await
    }

    /// On a store, and at a time, that an earlier process may have left.
    async fn on(store: Arc<dyn Store>, clock: Option<SharedClock>, manifest: &str, script: &str, config: Json) -> Self {
        let upstream = ScriptedTransport::new(Script::parse(script).unwrap_or_else(|error| panic!("{error}")));
        let clock = clock.unwrap_or_else(crate::rig::clock);
        let specs = specs(&upstream.addressed(manifest), config, &clock);
        let rig = Rig::reaching(store, specs, clock, Arc::clone(&upstream) as _).await;
        Self { rig, upstream, account: account() }
    }

    async fn read(&self, stream: &str, state: Json) -> (Pages, Ended) {
        let pages = Pages::default();
        let wanted = Wanted { name: stream.to_owned(), state, ..Wanted::default() };
        let upstream = self.rig.engine.upstream(&self.account).await.expect("it opens");
        let ended = upstream.pages(Purpose::Poll, wanted, &pages).await;
        (pages, ended)
    }

    async fn records(&self, stream: &str) -> Vec<Json> {
        let read = self.rig.engine.read_records(&self.account, stream, 1_000).await;
        read.unwrap_or_else(|error| panic!("{error}")).records
    }

    /// Requests to this path, so far.
    fn asked(&self, path: &str) -> usize {
        self.upstream.requests().iter().filter(|request| request["path"] == path).count()
    }
}

fn account() -> Account {
    Account {
        tenant: Tenant::default_tenant(),
        source: "shop".parse().expect("a name"),
        connection: ConnectionName::default_connection(),
    }
}

fn specs(manifest: &str, config: Json, clock: &SharedClock) -> Specs {
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(3));
    let manifest = Named { name: "shop.yaml", text: manifest };
    let connector = Connector::load(manifest, None, Arc::new(|_| None), clock, &entropy);
    let spec = ConnectorSpec {
        name: "./shop.yaml".to_owned(),
        overrides: None,
        connector: Arc::new(connector.unwrap_or_else(|error| panic!("{error}"))),
        configs: BTreeMap::from([(ConnectionName::default_connection(), ConnectionConfig::new(config))]),
        streams: BTreeMap::new(),
        budget: None,
        normalize: false,
        subscribe: false,
    };
    Specs { sources: vec![SourceSpec { connector: Some(spec), ..source("shop", None) }], ..Specs::default() }
}

/// Keeps the pages that it is given.
#[derive(Default)]
struct Pages(Mutex<Vec<Page>>);

impl Pages {
    fn kept(&self) -> Vec<Page> {
        self.0.lock().expect("nobody panicked").clone()
    }

    fn ids(&self) -> Vec<i64> {
        let pages = self.kept();
        pages.iter().flat_map(|page| &page.records).filter_map(|record| record["id"].as_i64()).collect()
    }

    fn last_state(&self) -> Option<Json> {
        self.kept().into_iter().filter_map(|page| page.state).next_back()
    }
}

impl Taker for Pages {
    fn take(&self, page: Page) -> BoxFuture<'_, Result<(), Closed>> {
        self.0.lock().expect("nobody panicked").push(page);
        Box::pin(async { Ok(()) })
    }
}

/// Streams behind OAuth; the refresh token changes with each use.
const OAUTH: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [items] }
streams:
  - type: DeclarativeStream
    name: items
    retriever:
      type: SimpleRetriever
      record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
      requester:
        type: HttpRequester
        url_base: $BASE
        path: items
        authenticator:
          type: OAuthAuthenticator
          token_refresh_endpoint: $BASE/token
          client_id: "{{ config['id'] }}"
          client_secret: "{{ config['secret'] }}"
          refresh_token: "{{ config['refresh_token'] }}"
          refresh_token_updater: { refresh_token_config_path: [refresh_token], access_token_config_path: [access_token], token_expiry_date_config_path: [expires] }
spec:
  type: Spec
  connection_specification:
    type: object
    required: [id, secret, refresh_token]
    properties:
      id: { type: string }
      secret: { type: string, airbyte_secret: true }
      refresh_token: { type: string, airbyte_secret: true }
      access_token: { type: string, airbyte_secret: true }
      expires: { type: string }
"##;

/// The source takes each refresh token once, and each access token as long as it is the latest.
const ROTATING: &str = r##"
routes:
  - { on: POST /token, when: { form: { refresh_token: r-0 } }, reply: [{ json: { access_token: a-1, refresh_token: r-1, expires_in: 3600 } }, { status: 400, json: { error: invalid_grant } }] }
  - { on: POST /token, when: { form: { refresh_token: r-1 } }, reply: [{ json: { access_token: a-2, refresh_token: r-2, expires_in: 3600 } }, { status: 400, json: { error: invalid_grant } }] }
  - { on: GET /items, when: { headers: { authorization: Bearer a-1 } }, reply: { json: [{ id: 1 }] } }
  - { on: GET /items, when: { headers: { authorization: Bearer a-2 } }, reply: { json: [{ id: 2 }] } }
  - { on: GET /items, reply: { status: 401, json: {} } }
"##;

fn credentials() -> Json {
    json!({ "id": "me", "secret": "client-secret", "refresh_token": "r-0" })
}

#[tokio::test(start_paused = true)]
async fn fifty_readings_at_once_get_one_token_and_later_ones_get_none() {
    let asking = Asking::start(OAUTH, ROTATING, credentials()).await;
    let all = join_all((0..50).map(|_| asking.records("items"))).await;
    assert!(all.iter().all(|records| *records == [json!({ "id": 1 })]), "{all:?}");
    assert_eq!((asking.asked("/token"), asking.asked("/items")), (1, 50));
    asking.records("items").await;
    assert_eq!(asking.asked("/token"), 1, "it is kept");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_once_for_all_shortly_before_its_end() {
    let asking = Asking::start(OAUTH, ROTATING, credentials()).await;
    asking.records("items").await;
    asking.rig.pass(Duration::from_secs(3_580)).await;
    let all = join_all((0..50).map(|_| asking.records("items"))).await;
    assert!(all.iter().all(|records| *records == [json!({ "id": 2 })]), "{all:?}");
    assert_eq!(asking.asked("/token"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_refresh_token_is_sealed_and_outlives_a_restart() {
    let store = memory();
    let before = Asking::on(Arc::clone(&store), None, OAUTH, ROTATING, credentials()).await;
    assert_eq!(before.records("items").await, [json!({ "id": 1 })]);
    let kept = store.setting("rotated/default/shop/default".into()).await.expect("the store answers");
    let sealed = String::from_utf8(kept.expect("it was kept").to_vec()).expect("text");
    assert!(!sealed.contains("r-1") && !sealed.contains("a-1") && !sealed.contains("r-0"), "{sealed}");
    let clock = Arc::clone(&before.rig.clock);
    before.rig.engine.stopping().cancel();
    clock.sleep(Duration::from_secs(4_000)).await;
    // The source refuses r-0 from now on; only whoever has r-1 gets on. Its owner edited another field meanwhile.
    let rest = ROTATING.replace("[{ json: { access_token: a-1", "[{ status: 400 }, { json: { access_token: a-1");
    let config = json!({ "id": "me", "secret": "client-secret", "refresh_token": "r-0", "note": "edited" });
    let after = Asking::on(store, Some(clock), OAUTH, &rest, config).await;
    assert_eq!(after.records("items").await, [json!({ "id": 2 })]);
    assert_eq!(after.asked("/token"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_one_node_was_given_for_a_refresh_token_the_others_take_over_also_if_all_ask_at_once() {
    let shared = OpenOptions { shared: true, ..OpenOptions::memory().inline() };
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(shared).expect("a store in memory opens"));
    let third = "  - { on: POST /token, when: { form: { refresh_token: r-2 } }, reply: [{ json: { access_token: a-3, \
                 refresh_token: r-3, expires_in: 3600 } }, { status: 400, json: { error: invalid_grant } }] }\n  \
                 - { on: GET /items, when: { headers: { authorization: Bearer a-3 } }, reply: { json: [{ id: 3 }] } }\n";
    let script = ROTATING.replace("routes:\n", &format!("routes:\n{third}"));
    let upstream = ScriptedTransport::new(Script::parse(&script).unwrap_or_else(|error| panic!("{error}")));
    let clock = crate::rig::clock();
    let mut nodes = Vec::new();
    for number in 1..=2 {
        let specs = specs(&upstream.addressed(OAUTH), credentials(), &clock);
        let transport = Arc::clone(&upstream) as _;
        let rig = Rig::node(number, Arc::clone(&store), specs, Arc::clone(&clock), transport).await;
        nodes.push(Asking { rig, upstream: Arc::clone(&upstream), account: account() });
    }
    let [first, second] = &nodes[..] else { panic!("two") };
    assert_eq!(
        (first.records("items").await, second.records("items").await),
        (vec![json!({ "id": 1 })], vec![json!({ "id": 1 })])
    );
    assert_eq!(first.asked("/token"), 1, "what is there is used");
    clock.sleep(Duration::from_secs(3_700)).await;
    assert_eq!(first.records("items").await, [json!({ "id": 2 })]);
    assert_eq!(second.records("items").await, [json!({ "id": 2 })], "its own refresh token is used up");
    assert_eq!(first.asked("/token"), 2);
    clock.sleep(Duration::from_secs(3_700)).await;
    let (one, two) = join(first.records("items"), second.records("items")).await;
    assert_eq!((one, two), (vec![json!({ "id": 3 })], vec![json!({ "id": 3 })]), "one of both was refused");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_that_its_owner_writes_anew_is_the_one_that_counts() {
    let store = memory();
    let before = Asking::on(Arc::clone(&store), None, OAUTH, ROTATING, credentials()).await;
    before.records("items").await;
    let mut config = credentials();
    config["refresh_token"] = json!("r-1");
    let script = ROTATING.replace("a-1, refresh_token: r-1", "wrong, refresh_token: r-9");
    let after = Asking::on(store, Some(Arc::clone(&before.rig.clock)), OAUTH, &script, config).await;
    assert_eq!(after.records("items").await, [json!({ "id": 2 })]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_source_revoked_between_two_readings_is_renewed_and_one_that_is_new_is_not() {
    let script = ROTATING.replace(
        "- { on: GET /items, when: { headers: { authorization: Bearer a-1 } }, reply: { json: [{ id: 1 }] } }",
        "- { on: GET /items, when: { headers: { authorization: Bearer a-1 } }, reply: [{ json: [{ id: 1 }] }, { status: 401, json: {} }] }",
    );
    let asking = Asking::start(OAUTH, &script, credentials()).await;
    assert_eq!(asking.records("items").await, [json!({ "id": 1 })]);
    assert_eq!(asking.records("items").await, [json!({ "id": 2 })]);
    assert_eq!((asking.asked("/token"), asking.asked("/items")), (2, 3));
    let refusing = ROTATING.replace("Bearer a-1", "Bearer none").replace("Bearer a-2", "Bearer none");
    let asking = Asking::start(OAUTH, &refusing, credentials()).await;
    let error = asking.rig.engine.read_records(&asking.account, "items", 10).await.expect_err("401");
    assert_eq!((error.code(), asking.asked("/token")), ("source_failed", 1), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_kept_until_its_definition_changes() {
    let asking = Asking::start(OAUTH, ROTATING, credentials()).await;
    let engine = &asking.rig.engine;
    let get = || async { engine.upstream(&asking.account).await.expect("it opens") };
    let first = get().await;
    let manifest = asking.upstream.addressed(OAUTH);
    engine.configure(specs(&manifest, credentials(), &asking.rig.clock)).await.expect("valid");
    assert!(Arc::ptr_eq(&first, &get().await), "the same definition, read again");
    let mut config = credentials();
    config["note"] = json!("new");
    engine.configure(specs(&manifest, config, &asking.rig.clock)).await.expect("valid");
    let second = get().await;
    assert!(!Arc::ptr_eq(&first, &second));
    let unused = Arc::downgrade(&second);
    drop((first, second));
    engine.configure(Specs::default()).await.expect("valid");
    assert!(unused.upgrade().is_none(), "what is defined no more is let go");
    assert!(engine.upstream(&asking.account).await.is_err());
}

const SLICED: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [days] }
definitions:
  requester: { type: HttpRequester, url_base: $BASE, path: days }
metadata:
  trireme:
    streams:
      days: { get: { requester: { $ref: "#/definitions/requester", path: "days/{{ stream_slice['id'] }}" }, record: [day] } }
streams:
  - type: DeclarativeStream
    name: days
    retriever:
      type: SimpleRetriever
      record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
      requester: { $ref: "#/definitions/requester" }
      paginator:
        type: DefaultPaginator
        page_token_option: { type: RequestOption, inject_into: request_parameter, field_name: page }
        pagination_strategy: { type: PageIncrement, page_size: 2, start_from_page: 1 }
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: day
      datetime_format: "%Y-%m-%d"
      cursor_granularity: P1D
      step: P3D
      start_datetime: "2024-01-01"
      end_datetime: "2024-01-06"
      start_time_option: { type: RequestOption, inject_into: request_parameter, field_name: since }
      end_time_option: { type: RequestOption, inject_into: request_parameter, field_name: until }
concurrency_level: { type: ConcurrencyLevel, default_concurrency: 1 }
spec: { type: Spec, connection_specification: { type: object, properties: {} } }
"##;

const DAYS: &str = r##"
data: { days: { count: 6, start: "2023-12-31T00:00:00Z", every: 86400, each: { id: "{n}", day: "{date}" } } }
routes:
  - { on: GET /days/1, reply: { json: { day: { id: 1 } } } }
  - { on: GET /days/2, reply: { status: 410 } }
  - { on: GET /days/3, reply: { status: 403, json: {} } }
  - { on: GET /days/4, reply: { json: { other: {} } } }
  - { on: GET /days, reply: { pages: { of: days, where: [{ field: day, from: query.since, to: query.until }], page: query.page, size: 2 } } }
"##;

#[tokio::test(start_paused = true)]
async fn the_last_page_of_a_slice_brings_the_position_behind_it() {
    let asking = Asking::start(SLICED, DAYS, json!({})).await;
    let (pages, ended) = asking.read("days", Json::Null).await;
    assert_eq!(ended, Ended::Whole);
    let came: Vec<(usize, Option<String>)> = pages
        .kept()
        .iter()
        .map(|page| {
            (page.records.len(), page.state.as_ref().map(|state| state["day"].as_str().unwrap_or("?").to_owned()))
        })
        .collect();
    let state = |day: &str| Some(day.to_owned());
    assert_eq!(
        came,
        [(2, None), (1, state("2024-01-03")), (2, None), (1, state("2024-01-06")), (0, state("2024-01-06"))]
    );
    let (again, ended) = asking.read("days", pages.last_state().expect("a state")).await;
    assert_eq!((again.ids(), ended), (vec![6], Ended::Whole), "what has the cursor's own value may have changed since");
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_fails_gives_whole_pages_and_no_position_beyond_them() {
    let broken = DAYS.replace(
        "  - { on: GET /days, reply",
        "  - { on: GET /days, when: { query: { since: \"2024-01-04\", page: \"2\" } }, reply: { truncate_to: 9, json: [{ id: 6 }] } }\n  - { on: GET /days, reply",
    );
    let asking = Asking::start(SLICED, &broken, json!({})).await;
    let (pages, ended) = asking.read("days", Json::Null).await;
    assert!(matches!(&ended, Ended::Failed(_)), "{ended:?}");
    assert_eq!(pages.ids(), [1, 2, 3, 4, 5]);
    assert_eq!(pages.last_state().expect("a state")["day"], "2024-01-03");
    let (_, ended) = asking.read("nights", Json::Null).await;
    assert!(matches!(&ended, Ended::Failed(failure) if failure.code == "stream_unread"), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn one_record_is_found_or_gone_and_everything_else_is_a_failure() {
    let asking = Asking::start(SLICED, DAYS, json!({})).await;
    let upstream = asking.rig.engine.upstream(&asking.account).await.expect("it opens");
    let get = |id: &'static str| upstream.record(Purpose::Enrich, "days", id);
    assert_eq!(get("1").await, Ok(Some(json!({ "id": 1 }))));
    assert_eq!((get("2").await, get("none").await), (Ok(None), Ok(None)));
    assert_eq!(get("3").await.expect_err("403").status, Some(403));
    assert_eq!(get("4").await.expect_err("no record").code, "record_missing");
    asking.upstream.down.store(true, Ordering::SeqCst);
    assert_eq!(get("1").await.expect_err("down").status, None);
    let missing = upstream.record(Purpose::Enrich, "nights", "1").await;
    assert_eq!(missing.expect_err("nothing is said of it").code, "get_missing");
}

const JOBS: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [rows] }
streams:
  - type: DeclarativeStream
    name: rows
    retriever:
      type: AsyncRetriever
      polling_job_timeout: 1
      status_mapping: { type: AsyncJobStatusMap, running: [running], completed: [ready], failed: [broken], timeout: [lapsed] }
      status_extractor: { type: DpathExtractor, field_path: [status] }
      download_target_extractor: { type: DpathExtractor, field_path: [url] }
      record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
      creation_requester: { type: HttpRequester, url_base: $BASE, path: jobs, http_method: POST }
      polling_requester: { type: HttpRequester, url_base: $BASE, path: "jobs/{{ creation_response['id'] }}" }
      abort_requester: { type: HttpRequester, url_base: $BASE, path: "jobs/{{ creation_response['id'] }}/abort", http_method: POST }
      delete_requester: { type: HttpRequester, url_base: $BASE, path: "jobs/{{ creation_response['id'] }}", http_method: DELETE }
      download_requester: { type: HttpRequester, url_base: "{{ download_target }}" }
      download_decoder: { type: JsonlDecoder }
spec: { type: Spec, connection_specification: { type: object, properties: {} } }
"##;

/// A script in which job `n` is told about as in the `n`th list.
fn jobs(told: &[&str]) -> String {
    let created: Vec<String> = (1..=told.len()).map(|number| format!("{{ json: {{ id: j{number} }} }}")).collect();
    let mut script = format!("routes:\n  - {{ on: POST /jobs, per: route, reply: [{}] }}\n", created.join(", "));
    for (number, told) in told.iter().enumerate() {
        script += &format!("  - {{ on: GET /jobs/j{}, per: route, reply: {told} }}\n", number + 1);
    }
    script
        + "  - { on: \"POST /jobs/{id}/abort\", reply: { json: {} } }\n  - { on: \"DELETE /jobs/{id}\", reply: { json: {} } }\n  - { on: GET /file, reply: { text: \"{\\\"id\\\": 1}\\n{\\\"id\\\": 2}\\n\" } }\n"
}

const READY: &str = "{ json: { status: ready, url: $BASE/file } }";

#[tokio::test(start_paused = true)]
async fn a_job_is_created_asked_about_downloaded_and_deleted() {
    let told = format!("[{{ json: {{ status: running }} }}, {{ json: {{ status: running }} }}, {READY}]");
    let asking = Asking::start(JOBS, &jobs(&[&told]), json!({})).await;
    let began = asking.rig.clock.monotonic();
    let (pages, ended) = asking.read("rows", Json::Null).await;
    assert_eq!((pages.ids(), ended), (vec![1, 2], Ended::Whole));
    let took = asking.rig.clock.monotonic() - began;
    assert!((Duration::from_secs(10)..Duration::from_secs(12)).contains(&took), "two pauses, not {took:?}");
    let asked: Vec<String> = asking
        .upstream
        .requests()
        .iter()
        .map(|r| format!("{} {}", r["method"].as_str().unwrap_or("?"), r["path"].as_str().unwrap_or("?")))
        .collect();
    assert_eq!(asked, ["POST /jobs", "GET /jobs/j1", "GET /jobs/j1", "GET /jobs/j1", "GET /file", "DELETE /jobs/j1"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_failed_is_created_anew_and_three_that_failed_end_the_stream() {
    let failed = "[{ json: { status: broken } }]";
    let asking = Asking::start(JOBS, &jobs(&[failed, &format!("[{READY}]")]), json!({})).await;
    let (pages, ended) = asking.read("rows", Json::Null).await;
    assert_eq!((pages.ids(), ended), (vec![1, 2], Ended::Whole));
    let asking = Asking::start(JOBS, &jobs(&[failed, failed, failed, &format!("[{READY}]")]), json!({})).await;
    let (pages, ended) = asking.read("rows", Json::Null).await;
    assert!(matches!(&ended, Ended::Failed(failure) if failure.code == "job_failed"), "{ended:?}");
    assert_eq!((pages.ids(), asking.asked("/jobs")), (vec![], 3));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_never_ends_is_aborted_and_created_anew() {
    let asking = Asking::start(JOBS, &jobs(&["{ json: { status: running } }", &format!("[{READY}]")]), json!({})).await;
    let began = asking.rig.clock.monotonic();
    let (pages, ended) = asking.read("rows", Json::Null).await;
    assert_eq!((pages.ids(), ended), (vec![1, 2], Ended::Whole));
    assert_eq!((asking.asked("/jobs/j1/abort"), asking.asked("/jobs/j2/abort")), (1, 0));
    let took = asking.rig.clock.monotonic() - began;
    assert!((Duration::from_secs(60)..Duration::from_secs(75)).contains(&took), "a minute, not {took:?}");
}
