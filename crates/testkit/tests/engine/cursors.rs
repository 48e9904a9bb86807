//! Cursors of dates: what is read by a parent overlaps and ends as what is read itself, and a record's time is read as its
//! cursor is written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::{ConnectionName, Timestamp};
use engine::connector::{Connector, Named};
use engine::entropy::{SeededEntropy, SharedEntropy};
use engine::spec::{ConnectionConfig, ConnectorSpec, SourceSpec, Specs, Start, StreamSpec};
use engine::transport::{OutboundRequest, OutboundResponse, SendError, Transport};
use futures_util::future::BoxFuture;
use serde_json::{Value as Json, json};
use store::read::{EventFilter, Page};

use crate::rig::{Rig, answered, clock, memory, source};
use crate::streams::every;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Answers by path, whatever the query is, and notes what it was asked.
struct Board {
    answers: BTreeMap<&'static str, Json>,
    asked: Mutex<Vec<String>>,
}

impl Transport for Board {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        let address = request.target.url().trim_start_matches("https://board.example").to_owned();
        let path = address.split('?').next().unwrap_or_default();
        let body = self.answers.get(path).cloned().unwrap_or_else(|| json!({ "data": [] }));
        self.asked.lock().expect("nobody panicked").push(address);
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(answered(200, Bytes::from(body.to_string())))
        })
    }
}

const MANIFEST: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [orders] }
definitions:
  requester: { type: HttpRequester, url_base: "https://board.example" }
  selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [data] } }
  cursor:
    type: DatetimeBasedCursor
    cursor_field: updated
    datetime_format: "$FORMAT"
    start_datetime: { type: MinMaxDatetime, datetime: "2020-01-01T00:00:00Z", datetime_format: "%Y-%m-%dT%H:%M:%SZ" }
    start_time_option: { type: RequestOption, inject_into: request_parameter, field_name: since }
  projects:
    type: DeclarativeStream
    name: projects
    primary_key: id
    incremental_sync: { $ref: "#/definitions/cursor" }
    retriever:
      type: SimpleRetriever
      record_selector: { $ref: "#/definitions/selector" }
      requester: { $ref: "#/definitions/requester", path: projects }
streams:
  - type: DeclarativeStream
    name: orders
    primary_key: id
    incremental_sync: { $ref: "#/definitions/cursor" }
    retriever:
      type: SimpleRetriever
      record_selector: { $ref: "#/definitions/selector" }
      requester: { $ref: "#/definitions/requester", path: orders }
  - type: DeclarativeStream
    name: tasks
    primary_key: id
    incremental_sync: { $ref: "#/definitions/cursor" }
    retriever:
      type: SimpleRetriever
      record_selector: { $ref: "#/definitions/selector" }
      requester: { $ref: "#/definitions/requester", path: "tasks/{{ stream_partition.project }}" }
      partition_router:
        type: SubstreamPartitionRouter
        parent_stream_configs:
          - type: ParentStreamConfig
            stream: { $ref: "#/definitions/projects" }
            parent_key: id
            partition_field: project
            incremental_dependency: true
"##;

/// A gateway that reads one stream of a board whose times are written in a format.
async fn reading(format: &str, stream: (&str, StreamSpec), answers: &[(&'static str, Json)]) -> (Rig, Arc<Board>) {
    let clock = clock();
    let board = Arc::new(Board { answers: answers.iter().cloned().collect(), asked: Mutex::default() });
    let (text, entropy) = (MANIFEST.replace("$FORMAT", format), SeededEntropy::new(3));
    let entropy: SharedEntropy = Arc::new(entropy);
    let named = Named { name: "board.yaml", text: &text };
    let connector = Connector::load(named, None, Arc::new(|_| None), &clock, &entropy);
    let spec = ConnectorSpec {
        name: "./board.yaml".to_owned(),
        overrides: None,
        connector: Arc::new(connector.unwrap_or_else(|error| panic!("{error}"))),
        configs: BTreeMap::from([(ConnectionName::default_connection(), ConnectionConfig::new(json!({})))]),
        streams: BTreeMap::from([(Arc::from(stream.0), stream.1)]),
        budget: None,
        normalize: false,
        subscribe: false,
    };
    let sources = vec![SourceSpec { connector: Some(spec), ..source("board", None) }];
    let rig = Rig::reaching(memory(), Specs::default(), clock, Arc::clone(&board) as _).await;
    rig.engine.configure(Specs { sources, ..Specs::default() }).await.expect("the specs are valid");
    (rig, board)
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_goes_on_from_where_it_was_overlaps_and_does_not_run_ahead() {
    let began = clock().now();
    let projects = json!({ "data": [
        { "id": 1, "updated": began.to_string() },
        { "id": 2, "updated": "2099-01-01T00:00:00Z" },
    ] });
    let spec = StreamSpec { overlap: MINUTE, ..every(10 * MINUTE) };
    let (rig, board) = reading("%Y-%m-%dT%H:%M:%SZ", ("tasks", spec), &[("/projects", projects)]).await;
    rig.pass(35 * MINUTE).await;
    let asked = board.asked.lock().expect("nobody panicked").clone();
    let since = |address: &String| {
        let text = address.strip_prefix("/projects?since=")?.replace("%3A", ":");
        Some(text.parse::<Timestamp>().expect("a time"))
    };
    let since: Vec<Timestamp> = asked.iter().filter_map(since).collect();
    assert!(since.len() >= 3, "{asked:?}");
    for at in &since[1..] {
        assert!(*at <= rig.clock.now() - MINUTE, "what comes a little late is read: {asked:?}");
        assert!(*at >= began - MINUTE, "it goes on from where it was: {asked:?}");
    }
    rig.engine.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_records_time_is_read_as_its_cursor_is_written() {
    let now = clock().now();
    let (old, new) = (now - 40 * DAY, now - 3 * DAY);
    let civil = |at: Timestamp| at.to_string();
    let day = |at: Timestamp| civil(at)[..10].to_owned();
    let numbers = |at: Timestamp| civil(at)[..19].replace(['-', ':', 'T'], "");
    let cases: [(&str, Json, Json); 6] = [
        ("%Y%m%d", json!(day(old).replace('-', "")), json!(day(new).replace('-', ""))),
        ("%Y%m%d%H%M%S", json!(numbers(old)), json!(numbers(new))),
        ("%s_as_float", json!(old.as_secs() as f64 + 0.5), json!(new.as_secs() as f64 + 0.5)),
        ("%epoch_microseconds", json!(old.as_micros()), json!(new.as_micros())),
        ("%ms", json!(old.as_millis()), json!(new.as_millis())),
        ("%Y-%m-%dT%H:%M:%SZ", json!(civil(old)), json!(civil(new))),
    ];
    for (format, old_text, new_text) in cases {
        let orders = json!({ "data": [{ "id": 1, "updated": old_text }, { "id": 2, "updated": new_text }] });
        let spec = StreamSpec { start: Start::Since(now - 10 * DAY), ..every(10 * MINUTE) };
        let (rig, _) = reading(format, ("orders", spec), &[("/orders", orders)]).await;
        rig.pass(MINUTE).await;
        let events = rig.store.events(domain::Tenant::default_tenant(), EventFilter::default(), Page::first(10)).await;
        let told: Vec<_> =
            events.expect("events").rows.iter().map(|row| (row.event.subject.clone(), row.event.occurred_at)).collect();
        let [(subject, Some(at))] = &told[..] else { panic!("{format}: {told:?}") };
        assert_eq!(subject.as_ref().map(domain::Subject::as_str), Some("orders/2"), "{format}");
        assert!(new.since(*at) < DAY && at.since(new) < Duration::from_secs(1), "{format}: {at} for {new}");
        rig.engine.stop(MINUTE).await;
    }
}
