//! What a gateway is surrounded by: a shop whose API answers, and a destination that answers as it is told. No socket
//! is opened.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::Tenant;
use engine::clock::SharedClock;
use engine::connector::{Connector, Named};
use engine::entropy::SharedEntropy;
use engine::spec::{
    BudgetScope, BudgetSpec, ConnectorSpec, ReconcileSpec, Schedule, SourceSpec, Specs, StreamSpec, WebhookSpec,
};
use engine::transport::{BodyEnd, OutboundRequest, OutboundResponse, SendError, Timings, Transport};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use store::registry::ManagedBy;

/// Whatever a page shows of it must be text.
pub const HOSTILE: &str = "\"></pre></textarea></title><script>alert(1)</script><img src=x onerror=alert(1)>'&";

const MANIFEST: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [orders] }
streams:
  - type: DeclarativeStream
    name: orders
    primary_key: id
    retriever:
      type: SimpleRetriever
      record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
      requester: { type: HttpRequester, url_base: "https://shop.example", path: orders }
"##;

/// Both ends of the gateway.
pub struct World {
    /// What the destination answers.
    pub status: AtomicU16,
    /// What the shop answers.
    pub shop_status: AtomicU16,
}

impl World {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { status: AtomicU16::new(200), shop_status: AtomicU16::new(200) })
    }
}

/// Where a model is asked.
pub const MODEL: &str = "https://models.example/v1";

/// What a model answers that means no good.
fn completion() -> String {
    serde_json::json!({ "choices": [{ "message": { "content": HOSTILE } }] }).to_string()
}

impl Transport for World {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        let (status, body) = match request.target.url().starts_with("https://shop.example") {
            true => (self.shop_status.load(Ordering::SeqCst), r#"[{"id":1},{"id":2}]"#.to_owned()),
            false if request.target.url().starts_with(MODEL) => (200, completion()),
            false => (self.status.load(Ordering::SeqCst), HOSTILE.to_owned()),
        };
        let response = OutboundResponse {
            status,
            headers: HeaderMap::new(),
            body_head: Bytes::from(body),
            body_end: BodyEnd::Complete,
            timings: Timings::default(),
            peer: SocketAddr::from(([192, 0, 2, 1], 443)),
            reused: false,
        };
        Box::pin(async move { Ok(response) })
    }
}

/// What the configuration file says: a source that takes anything, and a shop whose orders are compared every hour.
pub fn file(clock: &SharedClock, entropy: &SharedEntropy) -> Specs {
    let connector =
        Connector::load(Named { name: "shop.yaml", text: MANIFEST }, None, Arc::new(|_| None), clock, entropy);
    let hour = Duration::from_secs(60 * 60);
    let reconcile = ReconcileSpec {
        schedule: Schedule::Every(hour),
        lookback: None,
        grace: Some(Duration::ZERO),
        max_deletes: None,
    };
    let shop = ConnectorSpec {
        name: "./shop.yaml".to_owned(),
        overrides: None,
        connector: Arc::new(connector.unwrap_or_else(|error| panic!("{error}"))),
        configs: BTreeMap::new(),
        streams: [(Arc::from("orders"), StreamSpec { reconcile: Some(reconcile), ..StreamSpec::default() })].into(),
        budget: Some(BudgetSpec { allowance: "5000/h".parse().expect("a rate"), scope: BudgetScope::Source }),
        normalize: false,
        subscribe: false,
    };
    let webhook = WebhookSpec {
        provider: "none".to_owned(),
        secrets: Vec::new(),
        settings: BTreeMap::new(),
        dedupe_within: None,
        allow_from: None,
        reply: None,
    };
    let source = |name: &str, webhook, connector| SourceSpec {
        tenant: Tenant::default_tenant(),
        name: name.parse().expect("a name"),
        managed_by: ManagedBy::File,
        webhook,
        publish: false,
        connections: BTreeMap::new(),
        connector,
    };
    Specs { sources: vec![source("open", Some(webhook), None), source("shop", None, Some(shop))], ..Specs::default() }
}
