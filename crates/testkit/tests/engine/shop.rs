//! A small shop whose records a test changes: lists, one record by its id, validators; and a manifest that reads it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::identity::Digest;
use domain::{ConnectionName, Timestamp};
use engine::clock::SharedClock;
use engine::connector::{Connector, Named};
use engine::entropy::{SeededEntropy, SharedEntropy};
use engine::spec::{BudgetSpec, ConnectionConfig, ConnectorSpec, SourceSpec, Specs, StreamSpec};
use engine::transport::{OutboundRequest, OutboundResponse, SendError, Transport};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use serde_json::{Value as Json, json};

use crate::rig::{answered, source};

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
    /// The status for a record that there is none of, if not 404.
    pub gone: Option<u16>,
    /// Answers this status to everything.
    pub status: Option<u16>,
    pub headers: Vec<(&'static str, String)>,
    pub validates: Validates,
    /// The last answer of each address, and since when it is so.
    seen: BTreeMap<String, (Json, Timestamp)>,
    /// Requests that were answered 304.
    pub unmodified: Vec<Timestamp>,
    /// What is answered to everything, byte by byte.
    pub raw: Option<&'static str>,
    /// The next answers are cut short, under the validator of the whole.
    pub cut_short: usize,
    /// How long the last request would have waited for its answer.
    pub patience: Duration,
    /// How long it takes to answer.
    pub takes: Duration,
    /// Nothing ever changes, it says to everybody who asks whether it did.
    pub lies: bool,
}

/// How a shop says what state an answer is of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Validates {
    #[default]
    Nothing,
    ETag,
    /// The time of its last change, in whole seconds.
    LastModified,
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
                None => (state.gone.unwrap_or(404), json!({})),
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

impl Shop {
    /// What the answer can be asked about by.
    fn validators(&self, url: &str, body: &Json) -> Vec<(&'static str, String)> {
        let mut state = self.state();
        let seen = state.seen.entry(url.to_owned()).or_insert_with(|| (body.clone(), self.clock.now()));
        if seen.0 != *body {
            *seen = (body.clone(), self.clock.now());
        }
        let (number, changed_at) = (Digest::of(body.to_string().as_bytes()).0[0], seen.1);
        match state.validates {
            Validates::Nothing => Vec::new(),
            Validates::ETag => vec![("etag", format!("\"{number}\""))],
            Validates::LastModified => {
                vec![("last-modified", http_date(changed_at)), ("date", http_date(self.clock.now()))]
            }
        }
    }

    fn conditional(
        &self,
        asked: &HeaderMap,
        validators: &[(&'static str, String)],
        status: u16,
        body: String,
    ) -> (u16, String) {
        let mut state = self.state();
        let names = [("if-none-match", "etag"), ("if-modified-since", "last-modified")];
        let holds = |(condition, name): &(&str, &str)| {
            let value = asked.get(*condition).and_then(|value| value.to_str().ok());
            value.is_some_and(|value| state.lies || validators.iter().any(|(own, now)| own == name && now == value))
        };
        if status == 200 && names.iter().any(holds) {
            state.unmodified.push(self.clock.now());
            return (304, String::new());
        }
        if state.cut_short > 0 {
            state.cut_short -= 1;
            return (status, body[..body.len() / 2].to_owned());
        }
        (status, body)
    }
}

fn http_date(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(time.as_micros()).expect("a time");
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

impl Transport for Shop {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        let url = request.target.url().to_owned();
        let (status, body) = if request.method == http::Method::POST {
            let body = serde_json::from_slice(&request.body).expect("a message is JSON");
            self.state().delivered.push(body);
            (200, json!({}))
        } else {
            self.state().patience = request.limits.first_byte;
            self.state().asked.push((self.clock.now(), url.clone()));
            self.answer(&url)
        };
        let validators = self.validators(&url, &body);
        let (status, body) = self.conditional(&request.headers, &validators, status, body.to_string());
        let body = self.state().raw.filter(|_| request.method == http::Method::GET).map_or(body, str::to_owned);
        let named = |(name, value): &(&'static str, String)| {
            (http::HeaderName::from_static(name), value.parse().expect("a value"))
        };
        let headers: HeaderMap = self.state().headers.iter().chain(&validators).map(named).collect();
        let response = OutboundResponse { headers, ..answered(status, Bytes::from(body)) };
        let takes = self.state().takes;
        Box::pin(async move {
            tokio::task::yield_now().await;
            if !takes.is_zero() {
                self.clock.sleep(takes).await;
            }
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
    free_unmodified: $FREE
    provider: standard-webhooks
    streams:
      orders:
        events:
          - { type: order.created, action: created, id: [data, id], version: [data, updated_at] }
          - { type: order.deleted, action: deleted, id: [data, id], version: [data, updated_at] }
      items:
        object: item
        deletes: scan
        $GET
        events:
          - { type: item.created, action: created, id: [data, id] }
          - { type: item.updated, action: updated, id: [data, id] }
"##;

pub const GET: &str = "get: { requester: { type: HttpRequester, url_base: 'https://shop.example', path: \"items/{{ stream_slice['id'] }}\" } }";

/// In what a test says of the items, that 304s are free.
pub const FREE: &str = "# 304s are free";

/// In what a test says of the items, that orders are listed that changed within two days, and gone if they are not listed.
pub const RECENT: &str = "# orders of two days";

pub fn specs(clock: &SharedClock, streams: &[(&str, StreamSpec)], budget: Option<BudgetSpec>, get: &str) -> Specs {
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(3));
    let free = if get.contains(FREE) { "true" } else { "false" };
    let mut manifest = MANIFEST.replace("$GET", get).replace("$FREE", free);
    if get.contains(RECENT) {
        let start = "\"{{ day_delta(-2, format='%Y-%m-%dT%H:%M:%SZ') }}\"";
        manifest = manifest.replace("\"2020-01-01T00:00:00Z\"", start);
        manifest = manifest.replace("      orders:\n", "      orders:\n        deletes: scan\n");
    }
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
