//! A small shop whose records a test changes: lists, one record by its id, validators; and a manifest that reads it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use domain::{ConnectionName, Timestamp};
use engine::clock::SharedClock;
use engine::connector::{Connector, Named};
use engine::entropy::{SeededEntropy, SharedEntropy};
use engine::spec::{BudgetSpec, ConnectionConfig, ConnectorSpec, SourceSpec, Specs, StreamSpec};
use engine::transport::{BodyEnd, OutboundRequest, OutboundResponse, SendError, Timings, Transport};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use serde_json::{Value as Json, json};

use crate::rig::source;

/// A shop: `/orders?since=` by the time of change, `/items` whole, `/items/{id}`.
pub struct Shop {
    pub clock: SharedClock,
    pub state: Mutex<State>,
}

#[derive(Default)]
pub struct State {
    pub orders: BTreeMap<u64, Json>,
    pub items: BTreeMap<u64, Json>,
    pub asked: Vec<(Timestamp, String)>,
    /// What was delivered to anybody.
    pub delivered: Vec<Json>,
    /// Answers this status to everything.
    pub status: Option<u16>,
    pub headers: Vec<(&'static str, String)>,
}

impl Shop {
    pub fn new(clock: &SharedClock) -> Arc<Self> {
        Arc::new(Self { clock: Arc::clone(clock), state: Mutex::default() })
    }

    pub fn order(&self, id: u64, note: &str) {
        let at = jiff::Timestamp::from_microsecond(self.clock.now().as_micros()).expect("a time");
        let at = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        self.state().orders.insert(id, json!({ "id": id, "updated_at": at, "note": note }));
    }

    pub fn item(&self, id: u64, note: &str) {
        self.state().items.insert(id, json!({ "id": id, "note": note }));
    }

    pub fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }

    pub fn asked(&self) -> usize {
        self.state().asked.len()
    }

    fn answer(&self, url: &str) -> (u16, Json) {
        let url: url::Url = url.parse().expect("an address");
        let state = self.state();
        if let Some(status) = state.status {
            return (status, json!({ "error": "as the test says" }));
        }
        match url.path().strip_prefix("/items/") {
            Some(id) => match state.items.get(&id.parse().expect("a number")) {
                Some(item) => (200, item.clone()),
                None => (404, json!({})),
            },
            None if url.path() == "/items" => (200, state.items.values().cloned().collect()),
            None => {
                let since = url.query_pairs().find(|(name, _)| name == "since").map(|(_, value)| value.into_owned());
                let since = since.unwrap_or_default();
                let new = state.orders.values().filter(|order| order["updated_at"].as_str() >= Some(since.as_str()));
                (200, new.cloned().collect())
            }
        }
    }
}

impl Transport for Shop {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        let url = request.target.url().to_owned();
        let (status, body) = if request.method == http::Method::POST {
            let body = serde_json::from_slice(&request.body).expect("a message is JSON");
            self.state().delivered.push(body);
            (200, json!({}))
        } else {
            self.state().asked.push((self.clock.now(), url.clone()));
            self.answer(&url)
        };
        let named = |(name, value): &(&'static str, String)| {
            (http::HeaderName::from_static(name), value.parse().expect("a value"))
        };
        let headers: HeaderMap = self.state().headers.iter().map(named).collect();
        let response = OutboundResponse {
            status,
            headers,
            body_head: Bytes::from(body.to_string()),
            body_end: BodyEnd::Complete,
            timings: Timings::default(),
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 443)),
            reused: false,
        };
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(response)
        })
    }
}

const MANIFEST: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [orders] }
definitions:
  requester: { type: HttpRequester, url_base: "https://shop.example" }
  selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
streams:
  - type: DeclarativeStream
    name: orders
    primary_key: id
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: updated_at
      datetime_format: "%Y-%m-%dT%H:%M:%SZ"
      start_datetime: "2020-01-01T00:00:00Z"
      start_time_option: { type: RequestOption, inject_into: request_parameter, field_name: since }
    retriever:
      type: SimpleRetriever
      record_selector: { $ref: "#/definitions/selector" }
      requester: { $ref: "#/definitions/requester", path: orders }
  - type: DeclarativeStream
    name: items
    primary_key: id
    retriever:
      type: SimpleRetriever
      record_selector: { $ref: "#/definitions/selector" }
      requester: { $ref: "#/definitions/requester", path: items }
metadata:
  trireme:
    streams:
      items:
        object: item
        deletes: scan
        $GET
"##;

pub const GET: &str = "get: { requester: { type: HttpRequester, url_base: 'https://shop.example', path: \"items/{{ stream_slice['id'] }}\" } }";

pub fn specs(clock: &SharedClock, streams: &[(&str, StreamSpec)], budget: Option<BudgetSpec>, get: &str) -> Specs {
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(3));
    let manifest = MANIFEST.replace("$GET", get);
    let named = Named { name: "shop.yaml", text: &manifest };
    let connector = Connector::load(named, None, Arc::new(|_| None), clock, &entropy);
    let spec = ConnectorSpec {
        name: "./shop.yaml".to_owned(),
        overrides: None,
        connector: Arc::new(connector.unwrap_or_else(|error| panic!("{error}"))),
        configs: BTreeMap::from([(ConnectionName::default_connection(), ConnectionConfig::new(json!({})))]),
        streams: streams.iter().map(|(name, spec)| (Arc::from(*name), spec.clone())).collect(),
        budget,
        normalize: false,
        subscribe: false,
    };
    Specs { sources: vec![SourceSpec { connector: Some(spec), ..source("shop", None) }], ..Specs::default() }
}
