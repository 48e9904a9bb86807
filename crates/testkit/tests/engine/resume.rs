//! First scans that are broken off half-way: where they go on, and what that costs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::run::{Run, RunKind, RunState};
use domain::{ConnectionName, Tenant};
use engine::clock::SharedClock;
use engine::connector::{Connector, Named};
use engine::entropy::{SeededEntropy, SharedEntropy};
use engine::spec::{ConnectionConfig, ConnectorSpec, PollSpec, Schedule, SourceSpec, Specs, Start, StreamSpec};
use engine::streams::RunPlace;
use engine::transport::{OutboundRequest, OutboundResponse, SendError, Transport};
use futures_util::future::BoxFuture;
use serde_json::{Value as Json, json};
use store::Store;
use store::read::{EventFilter, Page};
use store::reading::RunFilter;
use store_sqlite::{OpenOptions, SqliteStore};

use crate::rig::{Rig, answered, clock, memory, source};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const PAGES: u64 = 200;
const PAGE: u64 = 5;

/// Lists records by their numbers, a page a second, each behind the one whose number is asked for.
struct Ledger {
    clock: SharedClock,
    asked: Mutex<Vec<u64>>,
    /// Places that it does not know any more.
    forgotten: Mutex<bool>,
}

impl Transport for Ledger {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        let url: url::Url = request.target.url().parse().expect("an address");
        let after = url.query_pairs().find(|(name, _)| name == "after").and_then(|(_, after)| after.parse().ok());
        let after: u64 = after.unwrap_or(0);
        Box::pin(async move {
            self.clock.sleep(SECOND).await;
            self.asked.lock().expect("nobody panicked").push(after);
            let refused = after > 0 && *self.forgotten.lock().expect("nobody panicked");
            let ids = (after + 1)..=(after + PAGE).min(PAGES * PAGE);
            let next = (after + PAGE < PAGES * PAGE).then_some(after + PAGE);
            let data: Vec<Json> = ids.map(|id| json!({ "id": id })).collect();
            Ok(answered(
                if refused { 400 } else { 200 },
                Bytes::from(json!({ "data": data, "next": next }).to_string()),
            ))
        })
    }
}

const MANIFEST: &str = r#"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [entries] }
streams:
  - type: DeclarativeStream
    name: entries
    primary_key: id
    retriever:
      type: SimpleRetriever
      record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [data] } }
      requester: { type: HttpRequester, url_base: "https://ledger.example", path: entries }
      paginator:
        type: DefaultPaginator
        page_token_option: { type: RequestOption, inject_into: request_parameter, field_name: after }
        pagination_strategy:
          type: CursorPagination
          cursor_value: "{{ response['next'] }}"
          stop_condition: "{{ not response.get('next') }}"
metadata: { trireme: { streams: { entries: { $SAYS } } } }
"#;

fn specs(clock: &SharedClock, says: &str, interval: Duration) -> Specs {
    specs_of(clock, &MANIFEST.replace("$SAYS", says), interval)
}

fn specs_of(clock: &SharedClock, text: &str, interval: Duration) -> Specs {
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(3));
    let named = Named { name: "ledger.yaml", text };
    let connector = Connector::load(named, None, Arc::new(|_| None), clock, &entropy);
    let poll = Some(PollSpec::On(Schedule::Every(interval)));
    let spec = ConnectorSpec {
        name: "./ledger.yaml".to_owned(),
        overrides: None,
        connector: Arc::new(connector.unwrap_or_else(|error| panic!("{error}"))),
        configs: [(ConnectionName::default_connection(), ConnectionConfig::new(json!({})))].into(),
        streams: [(Arc::from("entries"), StreamSpec { start: Start::All, poll, ..StreamSpec::default() })].into(),
        budget: None,
        subscribe: false,
        normalize: false,
    };
    Specs { sources: vec![SourceSpec { connector: Some(spec), ..source("ledger", None) }], ..Specs::default() }
}

/// What became of a scan that was broken off.
struct Resumed {
    /// What was asked for after the death.
    asked: Vec<u64>,
    told: u64,
    /// The newest first.
    runs: Vec<Run>,
}

/// Scans until half of it is read, dies, starts again on the same store, and scans to the end.
async fn broken_off(says: &str, interval: Duration, meanwhile: impl FnOnce(&Ledger)) -> Resumed {
    let (clock, folder) = (clock(), tempfile::tempdir().expect("a temporary folder"));
    let open = || {
        let file = OpenOptions::file(folder.path().join("t.db")).inline();
        let store = SqliteStore::open(OpenOptions { disk_reserve_bytes: 0, ..file });
        Arc::new(store.expect("the store opens")) as Arc<dyn Store>
    };
    let ledger = Arc::new(Ledger { clock: Arc::clone(&clock), asked: Mutex::default(), forgotten: Mutex::new(false) });
    let rig = Rig::reaching(open(), specs(&clock, says, interval), Arc::clone(&clock), Arc::clone(&ledger) as _).await;
    rig.pass(SECOND * 100).await;
    rig.engine.stop(Duration::ZERO).await;
    drop(rig);
    let before = std::mem::take(&mut *ledger.asked.lock().expect("nobody panicked"));
    assert!((90..=101).contains(&before.len()), "{} pages were read", before.len());
    meanwhile(&ledger);
    let rig = Rig::reaching(open(), specs(&clock, says, interval), Arc::clone(&clock), Arc::clone(&ledger) as _).await;
    rig.pass(SECOND * 900).await;
    let filter = RunFilter { kind: Some(RunKind::Backfill), ..RunFilter::default() };
    let runs = rig.store.runs(Tenant::default_tenant(), filter, Page::first(10)).await.expect("runs").rows;
    let told = told(&*rig.store).await;
    rig.engine.stop(Duration::ZERO).await;
    let asked = ledger.asked.lock().expect("nobody panicked").clone();
    Resumed { asked, told, runs }
}

async fn told(store: &dyn Store) -> u64 {
    let (mut count, mut page) = (0, Page::first(500));
    loop {
        let listed = store.events(Tenant::default_tenant(), EventFilter::default(), page).await.expect("events");
        count += listed.rows.len() as u64;
        match listed.next {
            Some(next) => page = Page { after: Some(next), ..Page::first(500) },
            None => return count,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_scan_with_durable_pages_goes_on_where_it_was_and_counts_what_was_before() {
    let Resumed { asked, told, runs } = broken_off("pages: durable", HOUR, |_| {}).await;
    assert!((99..=111).contains(&asked.len()), "only what was left was asked for: {} pages", asked.len());
    assert!(asked[0] >= 85 * PAGE, "it went on at {}", asked[0]);
    assert_eq!(told, PAGES * PAGE, "each was told once");
    let figures: Vec<_> = runs.iter().map(|run| (run.state, run.figures.pages, run.figures.seen)).collect();
    assert_eq!(figures.len(), 2);
    assert_eq!(figures[0], (RunState::Done, PAGES, PAGES * PAGE), "the second run counts all of it");
    assert_eq!(figures[1].0, RunState::Interrupted);
}

#[tokio::test(start_paused = true)]
async fn any_other_scan_begins_anew_and_tells_nothing_twice() {
    let Resumed { asked, told, .. } = broken_off("object: entry", HOUR, |_| {}).await;
    assert_eq!((asked.len() as u64, asked[0], told), (PAGES, 0, PAGES * PAGE));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_the_source_forgot_is_forgotten_too() {
    let forget = |ledger: &Ledger| *ledger.forgotten.lock().expect("nobody panicked") = true;
    let Resumed { asked, .. } = broken_off("pages: durable", SECOND * 60, forget).await;
    let anew = asked.iter().position(|after| *after == 0).expect("it begins with the slice");
    assert!(asked[0] > 0 && anew <= 6, "refused once, the next scan began with the slice: {asked:?}");
}

/// Where the scan of the ledger is.
async fn place(rig: &Rig) -> Option<RunPlace> {
    rig.engine.streams(&Tenant::default_tenant()).await.expect("streams").remove(0).run
}

#[tokio::test(start_paused = true)]
async fn how_far_a_scan_has_come_can_be_seen_while_it_goes_on() {
    let clock = clock();
    let ledger = Arc::new(Ledger { clock: Arc::clone(&clock), asked: Mutex::default(), forgotten: Mutex::new(false) });
    let regions = "partition_router: { type: ListPartitionRouter, values: [north, south], cursor_field: region }";
    let text = MANIFEST.replace("      paginator:\n", &format!("      {regions}\n      paginator:\n"));
    let one_by_one = "concurrency_level: { type: ConcurrencyLevel, default_concurrency: 1 }\nstreams:\n";
    let text = text.replace("streams:\n", one_by_one).replace("$SAYS", "object: entry");
    let specs = specs_of(&clock, &text, HOUR);
    let rig = Rig::reaching(memory(), specs, Arc::clone(&clock), Arc::clone(&ledger) as _).await;
    let mut slices = Vec::new();
    for seconds in [50, 200] {
        rig.pass(SECOND * seconds).await;
        let place = place(&rig).await.expect("it goes on");
        let asked = ledger.asked.lock().expect("nobody panicked").len() as u64;
        assert!((asked - 2..=asked).contains(&place.figures.pages), "{place:?} of {asked}");
        assert_eq!((place.kind, place.figures.seen), (RunKind::Backfill, place.figures.pages * PAGE));
        let runs = rig.store.runs(Tenant::default_tenant(), RunFilter::default(), Page::first(10)).await;
        assert_eq!(runs.expect("runs").rows[0].id, place.run);
        slices.push(place.slice);
    }
    assert_eq!(slices, [json!({ "region": "north" }), json!({ "region": "south" })]);
    rig.pass(SECOND * 400).await;
    assert_eq!(place(&rig).await, None, "it has ended");
    rig.engine.stop(Duration::ZERO).await;
}

#[test]
fn numbered_pages_are_not_durable_and_saying_so_is_refused() {
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(3));
    let cursor = MANIFEST.find("type: CursorPagination").expect("it is there");
    let end = MANIFEST[cursor..].find("metadata").expect("it is there") + cursor;
    let counted = format!("{}type: OffsetIncrement\n          page_size: 5\n{}", &MANIFEST[..cursor], &MANIFEST[end..]);
    let text = counted.replace("$SAYS", "pages: durable");
    let named = Named { name: "ledger.yaml", text: &text };
    let refused = Connector::load(named, None, Arc::new(|_| None), &clock(), &entropy).expect_err("it is refused");
    assert!(refused.to_string().contains("numbers the pages of 'entries'"), "{refused}");
}
