//! A depot whose answers a test gives, address by address, and a manifest that lets errors of some pass: lists in
//! partitions, in pages, up to an hour ago, and with names that are not unique.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::run::{Run, RunKind, StreamKey};
use domain::{ConnectionName, Tenant};
use engine::clock::SharedClock;
use engine::connector::{Connector, ConnectorError, Named};
use engine::entropy::{SeededEntropy, SharedEntropy};
use engine::spec::{ConnectionConfig, ConnectorSpec, SourceSpec, Specs, StreamSpec};
use engine::streams::Wish;
use engine::transport::{OutboundRequest, OutboundResponse, SendError, Transport};
use futures_util::future::BoxFuture;
use serde_json::{Value as Json, json};
use store::read::{EventFilter, Page};
use store::reading::RunFilter;

use crate::rig::{Rig, answered, clock, memory, source};

/// Answers by path and query; what nobody has given is not there.
#[derive(Default)]
struct Depot(Mutex<BTreeMap<String, (u16, Json)>>);

impl Transport for Depot {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        let address = request.target.url().trim_start_matches("https://depot.example").to_owned();
        let answers = self.0.lock().expect("nobody panicked");
        let (status, body) = answers.get(&address).cloned().unwrap_or((404, json!({})));
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(answered(status, Bytes::from(body.to_string())))
        })
    }
}

const MANIFEST: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [shelves] }
definitions:
  requester:
    type: HttpRequester
    url_base: "https://depot.example"
    error_handler:
      type: DefaultErrorHandler
      response_filters: [{ type: HttpResponseFilter, http_codes: [403, 404, 500], action: IGNORE }]
  selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [data] } }
  shelves:
    type: DeclarativeStream
    name: shelves
    primary_key: id
    retriever:
      type: SimpleRetriever
      record_selector: { $ref: "#/definitions/selector" }
      requester: { $ref: "#/definitions/requester", path: shelves }
  by_shelf:
    type: SubstreamPartitionRouter
    parent_stream_configs:
      - { type: ParentStreamConfig, stream: { $ref: "#/definitions/shelves" }, parent_key: id, partition_field: shelf }
streams:
  - $ref: "#/definitions/shelves"
  - type: DeclarativeStream
    name: parts
    primary_key: id
    retriever:
      type: SimpleRetriever
      record_selector: { $ref: "#/definitions/selector" }
      requester: { $ref: "#/definitions/requester", path: "parts/{{ stream_partition.shelf }}" }
      partition_router: { $ref: "#/definitions/by_shelf" }
  - type: DeclarativeStream
    name: labels
    primary_key: id
    transformations:
      - { type: AddFields, fields: [{ path: [shelf], value: "{{ stream_partition.shelf }}" }] }
    retriever:
      type: SimpleRetriever
      record_selector: { $ref: "#/definitions/selector" }
      requester: { $ref: "#/definitions/requester", path: "labels/{{ stream_partition.shelf }}" }
      partition_router: { $ref: "#/definitions/by_shelf" }
  - type: DeclarativeStream
    name: entries
    primary_key: id
    retriever:
      type: SimpleRetriever
      record_selector: { $ref: "#/definitions/selector" }
      requester: { $ref: "#/definitions/requester", path: entries }
      paginator:
        type: DefaultPaginator
        page_token_option: { type: RequestOption, inject_into: request_parameter, field_name: page }
        pagination_strategy:
          type: CursorPagination
          cursor_value: "{{ response['next'] }}"
          stop_condition: "{{ not response.get('next') }}"
  - type: DeclarativeStream
    name: drawers
    primary_key: id
    retriever:
      type: SimpleRetriever
      record_selector: { $ref: "#/definitions/selector" }
      requester: { $ref: "#/definitions/requester", path: drawers }
      paginator:
        type: DefaultPaginator
        page_token_option: { type: RequestOption, inject_into: request_parameter, field_name: page }
        pagination_strategy: { type: PageIncrement, page_size: 10, start_from_page: 1, inject_on_first_request: true }
  - type: DeclarativeStream
    name: settled
    primary_key: id
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: updated_at
      datetime_format: "%Y-%m-%dT%H:%M:%SZ"
      start_datetime: "2020-01-01T00:00:00Z"
      end_datetime: "{{ (now_utc() - duration('$LAG')).strftime('%Y-%m-%dT%H:%M:%SZ') }}"
    retriever:
      type: SimpleRetriever
      record_selector: { $ref: "#/definitions/selector" }
      requester: { $ref: "#/definitions/requester", path: settled }
metadata:
  trireme:
    streams:
      settled: { deletes: scan }
      $SAYS
"##;

/// The manifest; `says` is what it says of more streams, and `lag` how far `settled` is behind now.
pub fn load(clock: &SharedClock, says: &str, lag: &str) -> Result<Connector, ConnectorError> {
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(3));
    let text = MANIFEST.replace("$SAYS", says).replace("$LAG", lag);
    Connector::load(Named { name: "depot.yaml", text: &text }, None, Arc::new(|_| None), clock, &entropy)
}

pub struct World {
    pub rig: Rig,
    depot: Arc<Depot>,
}

impl World {
    /// One stream, of a depot that answers so from the beginning.
    pub async fn start(stream: (&str, StreamSpec), lag: &str, answers: &[(&str, Json)]) -> Self {
        let (clock, depot) = (clock(), Arc::new(Depot::default()));
        let connector = load(&clock, "", lag).unwrap_or_else(|error| panic!("{error}"));
        let spec = ConnectorSpec {
            name: "./depot.yaml".to_owned(),
            overrides: None,
            connector: Arc::new(connector),
            configs: BTreeMap::from([(ConnectionName::default_connection(), ConnectionConfig::new(json!({})))]),
            streams: BTreeMap::from([(Arc::from(stream.0), stream.1)]),
            budget: None,
            normalize: false,
            subscribe: false,
        };
        let depot_spec = SourceSpec { connector: Some(spec), ..source("depot", None) };
        let specs = Specs { sources: vec![depot_spec], ..Specs::default() };
        let rig = Rig::reaching(memory(), Specs::default(), clock, Arc::clone(&depot) as _).await;
        let world = Self { rig, depot };
        answers.iter().for_each(|(address, body)| world.answer(address, 200, body));
        world.rig.engine.configure(specs).await.expect("the specs are valid");
        world
    }

    pub fn answer(&self, address: &str, status: u16, body: &Json) {
        self.depot.0.lock().expect("nobody panicked").insert(address.to_owned(), (status, body.clone()));
    }

    /// Has a stream read as wished; gives how that ended.
    pub async fn order(&self, stream: &str, wish: Wish) -> Run {
        let key = StreamKey {
            tenant: Tenant::default_tenant(),
            source: "depot".parse().expect("a name"),
            connection: ConnectionName::default_connection(),
            stream: stream.into(),
        };
        let run = self.rig.engine.stream_orders().order(key, wish).await.expect("a run");
        self.rig.pass(Duration::from_secs(1)).await;
        self.rig.store.run(Tenant::default_tenant(), run.id).await.expect("runs").expect("it is there")
    }

    pub async fn runs(&self, kind: RunKind) -> Vec<Run> {
        let filter = RunFilter { kind: Some(kind), ..RunFilter::default() };
        self.rig.store.runs(Tenant::default_tenant(), filter, Page::first(100)).await.expect("runs").rows
    }

    /// Type and subject of every event, in the order of their texts.
    pub async fn types(&self) -> Vec<String> {
        let listed = self.rig.store.events(Tenant::default_tenant(), EventFilter::default(), Page::first(500)).await;
        let text = |row: &store::read::EventRow| {
            let subject = row.event.subject.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{} {subject}", row.event.event_type)
        };
        let mut types: Vec<String> = listed.expect("events").rows.iter().map(text).collect();
        types.sort_unstable();
        types
    }

    pub async fn stop(&self) {
        self.rig.engine.stop(Duration::from_secs(60)).await;
    }
}

/// A page of records with these ids.
pub fn page(ids: &[u64], next: Option<u64>) -> Json {
    let records: Vec<Json> = ids.iter().map(|id| json!({ "id": id })).collect();
    json!({ "data": records, "next": next })
}
