//! An engine on a simulated clock, with one signed source, one of its own, and destinations that answer as told.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use domain::breaker::BreakerPolicy;
use domain::ordering::{OnDead, Ordering as LaneOrdering};
use domain::request::InboundRequest;
use domain::retry::{Backoff, RetryPolicy};
use domain::{DeliveryState, Tenant, Timestamp};
use engine::clock::SharedClock;
use engine::entropy::SeededEntropy;
use engine::nodes::Identity;
use engine::publish::Publication;
use engine::receive::Receipt;
use engine::spec::{
    BodyMode, DestinationSpec, HttpSpec, OnStale, RoleSecret, RouteSpec, Secret, SourceSpec, Specs, Timeouts,
    WebhookSpec,
};
use engine::transport::{BodyEnd, EgressPolicy, OutboundRequest, OutboundResponse, SendError, Timings, Transport};
use engine::vault::{MasterKey, Vault};
use engine::{Engine, Parts};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};
use ring::hmac;
use store::Store;
use store::keep::Retention;
use store::read::{DeliveryFilter, DeliveryRow, Page};
use store::registry::{Alert, ManagedBy};
use store_sqlite::{OpenOptions, SqliteStore};
use testkit::sim_clock::SimClock;

pub const SECRET: &str = "It's a Secret to Everybody";

/// Short, so that a test need not let a season pass.
const RETENTION: Retention = Retention {
    events: DAYS_4,
    dead_letters: DAYS_4,
    requests: DAYS_4,
    identities: DAYS_4,
    idempotency: DAYS_4,
    audit: Duration::from_secs(6 * 60 * 60),
};
const DAYS_4: Duration = Duration::from_secs(4 * 24 * 60 * 60);

/// Answers every delivery with one status, and every GET with what is published.
pub struct Network {
    pub status: AtomicU16,
    pub sent: AtomicU64,
    /// Status and body.
    pub published: Mutex<(u16, Bytes)>,
    pub fetched: AtomicU64,
    /// The addresses that were got, in order.
    pub asked: Mutex<Vec<String>>,
    /// What stands at single addresses, whatever the method; they are counted as fetched too.
    pub answers: Mutex<BTreeMap<String, (u16, String)>>,
    /// What was said to those, in order: method, address, `authorization` and body.
    pub heard: Mutex<Vec<[String; 4]>>,
    /// Nobody answers.
    pub down: AtomicBool,
}

impl Network {
    fn new() -> Self {
        Self {
            status: AtomicU16::new(200),
            sent: AtomicU64::new(0),
            published: Mutex::new((503, Bytes::new())),
            fetched: AtomicU64::new(0),
            asked: Mutex::default(),
            answers: Mutex::default(),
            heard: Mutex::default(),
            down: AtomicBool::new(false),
        }
    }
}

impl Transport for Network {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        let url = request.target.url().to_owned();
        let answer = self.answers.lock().expect("nobody panicked").get(&url).cloned();
        let (status, body_head) = if let Some((status, body)) = answer {
            self.fetched.fetch_add(1, Ordering::SeqCst);
            let authorization = request.headers.get("authorization").map(|value| value.to_str().expect("a text"));
            let body_sent = String::from_utf8_lossy(&request.body).into_owned();
            let heard = [request.method.to_string(), url, authorization.unwrap_or_default().to_owned(), body_sent];
            self.heard.lock().expect("nobody panicked").push(heard);
            (status, Bytes::from(body))
        } else if request.method == Method::GET {
            self.fetched.fetch_add(1, Ordering::SeqCst);
            self.asked.lock().expect("nobody panicked").push(request.target.url().to_owned());
            self.published.lock().expect("nobody panicked").clone()
        } else {
            self.sent.fetch_add(1, Ordering::SeqCst);
            (self.status.load(Ordering::SeqCst), Bytes::new())
        };
        let response = answered(status, body_head);
        let down = self.down.load(Ordering::SeqCst);
        // As a network does it: others come in between.
        Box::pin(async move {
            tokio::task::yield_now().await;
            if down { Err(SendError::ConnectFailed("nobody listens".to_owned())) } else { Ok(response) }
        })
    }
}

/// What somebody answers, whole and without headers.
pub fn answered(status: u16, body: impl Into<Bytes>) -> OutboundResponse {
    OutboundResponse {
        status,
        headers: HeaderMap::new(),
        body_head: body.into(),
        body_end: BodyEnd::Complete,
        timings: Timings::default(),
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 443)),
        reused: false,
    }
}

pub struct Rig {
    pub engine: Engine,
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub network: Arc<Network>,
    requests: AtomicU64,
}

impl Rig {
    pub async fn start() -> Self {
        Self::with(memory(), specs()).await
    }

    /// On a store that an earlier process may have used.
    pub async fn with(store: Arc<dyn Store>, specs: Specs) -> Self {
        Self::at(store, specs, clock()).await
    }

    pub async fn at(store: Arc<dyn Store>, specs: Specs, clock: SharedClock) -> Self {
        let network = Arc::new(Network::new());
        let transport = Arc::clone(&network) as _;
        Self::on(store, specs, clock, network, transport).await
    }

    /// One whose requests all go another way than to the network of the rig.
    pub async fn reaching(
        store: Arc<dyn Store>,
        specs: Specs,
        clock: SharedClock,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Self::on(store, specs, clock, Arc::new(Network::new()), transport).await
    }

    /// One of several on the same store.
    pub async fn node(
        number: u64,
        store: Arc<dyn Store>,
        specs: Specs,
        clock: SharedClock,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Self::start_as(number, store, specs, clock, (Arc::new(Network::new()), transport)).await
    }

    /// The same, with a network of its own.
    pub async fn among(number: u64, store: Arc<dyn Store>, specs: Specs, clock: SharedClock) -> Self {
        let network = Arc::new(Network::new());
        let transport = Arc::clone(&network) as _;
        Self::start_as(number, store, specs, clock, (network, transport)).await
    }

    async fn on(
        store: Arc<dyn Store>,
        specs: Specs,
        clock: SharedClock,
        network: Arc<Network>,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Self::start_as(7, store, specs, clock, (network, transport)).await
    }

    async fn start_as(
        seed: u64,
        store: Arc<dyn Store>,
        specs: Specs,
        clock: SharedClock,
        (network, transport): (Arc<Network>, Arc<dyn Transport>),
    ) -> Self {
        let engine = Engine::start(Parts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            entropy: Arc::new(SeededEntropy::new(seed)),
            transport,
            policies: Arc::new(Arc::new(EgressPolicy::default())),
            vault: Arc::new(Vault::new(MasterKey::from_hex(&"0b".repeat(32)).expect("64 digits"))),
            retention: RETENTION,
            in_flight_max: engine::dispatch::IN_FLIGHT_MAX,
            node: Identity { name: format!("n{seed}").into(), ..Identity::default() },
        });
        engine.configure(specs).await.expect("the specs are valid");
        Self { engine, store, clock, network, requests: AtomicU64::new(0) }
    }

    pub fn answer(&self, status: u16) {
        self.network.status.store(status, Ordering::SeqCst);
    }

    pub async fn pass(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    pub async fn publish(&self) {
        self.publish_of(&Tenant::default_tenant()).await;
    }

    pub async fn publish_of(&self, tenant: &Tenant) {
        let publication = Publication {
            tenant: tenant.clone(),
            source: "own".parse().expect("a name"),
            event_type: "thing.changed".to_owned(),
            subject: None,
            data: Bytes::from_static(b"{}"),
            idempotency_key: None,
        };
        self.engine.publish(publication).await.expect("published");
    }

    pub fn publish_addresses(&self, status: u16, body: &str) {
        *self.network.published.lock().expect("nobody panicked") = (status, Bytes::from(body.to_owned()));
    }

    /// A request to the source `github`, signed with this secret.
    pub async fn webhook(&self, secret: &str) -> Receipt {
        self.webhook_from("192.0.2.1", secret).await
    }

    pub async fn webhook_from(&self, remote: &str, secret: &str) -> Receipt {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let body = Bytes::from(format!(r#"{{"number":{number}}}"#));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), &body);
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("x-github-event", "push".to_owned()),
            ("x-github-delivery", format!("delivery-{number}")),
            ("x-hub-signature-256", format!("sha256={}", HEXLOWER.encode(tag.as_ref()))),
        ];
        let headers = headers.map(|(name, value)| (name.into(), Bytes::from(value))).to_vec();
        let request = InboundRequest { remote: remote.into(), ..self.request("github", headers, body) };
        self.engine.receive(request).await
    }

    /// A request to a source, received now.
    pub fn request(&self, source: &str, headers: Vec<(Arc<str>, Bytes)>, body: Bytes) -> InboundRequest {
        InboundRequest {
            id: self.engine.new_request_id(),
            tenant: Tenant::default_tenant(),
            source: source.parse().expect("a name"),
            connection: "".into(),
            method: "POST".into(),
            url: format!("https://hooks.example/in/{source}").into(),
            headers,
            body,
            remote: "192.0.2.1".into(),
            received_at: self.clock.now(),
        }
    }

    /// Kinds and objects of the open alerts.
    pub async fn open(&self) -> Vec<(String, String)> {
        let alerts = self.alerts().await.into_iter().filter(|alert| alert.resolved_at.is_none());
        alerts.map(|alert| (alert.kind.to_string(), alert.object.to_string())).collect()
    }

    pub async fn alerts(&self) -> Vec<Alert> {
        self.store.alerts(Tenant::default_tenant(), false, Page::first(100)).await.expect("alerts").rows
    }

    pub async fn deliveries(&self, state: DeliveryState) -> Vec<DeliveryRow> {
        let filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::default() };
        self.store.deliveries(Tenant::default_tenant(), filter, Page::first(500)).await.expect("deliveries").rows
    }
}

pub fn clock() -> SharedClock {
    Arc::new(SimClock::starting_at(Timestamp::from_secs(1_800_000_000)))
}

pub fn memory() -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(OpenOptions::memory().inline()).expect("a store in memory opens"))
}

/// Sources `github` (signed) and `own` (published), destinations `app` and `crm`, and a route from `own` to `app`.
pub fn specs() -> Specs {
    let signing = RoleSecret::new(String::new(), Secret::new(SECRET.to_owned()));
    Specs {
        sources: vec![listening("github", "github", vec![signing]), source("own", None)],
        destinations: vec![destination("app"), destination("crm")],
        routes: vec![route("app")],
        ..Specs::default()
    }
}

/// A source that listens to a sender.
pub fn listening(name: &str, provider: &str, secrets: Vec<RoleSecret>) -> SourceSpec {
    let webhook = WebhookSpec {
        provider: provider.to_owned(),
        secrets,
        settings: BTreeMap::new(),
        dedupe_within: None,
        allow_from: None,
        reply: None,
    };
    source(name, Some(webhook))
}

pub fn source(name: &str, webhook: Option<WebhookSpec>) -> SourceSpec {
    SourceSpec {
        tenant: Tenant::default_tenant(),
        name: name.parse().expect("a name"),
        managed_by: ManagedBy::File,
        publish: webhook.is_none(),
        webhook,
        connections: BTreeMap::new(),
        connector: None,
    }
}

pub fn destination(name: &str) -> DestinationSpec {
    DestinationSpec {
        tenant: Tenant::default_tenant(),
        name: name.parse().expect("a name"),
        managed_by: ManagedBy::File,
        http: HttpSpec {
            url: format!("https://{name}.example/hook"),
            secrets: Vec::new(),
            headers: Vec::new(),
            body: BodyMode::Envelope,
            timeouts: Timeouts::default(),
            concurrency: 4,
        },
        retry: once(),
        rate_limit: None,
        breaker: BreakerPolicy::default(),
        paused: false,
    }
}

/// One try and no more.
pub fn once() -> RetryPolicy {
    RetryPolicy { backoff: Backoff::List(vec![Duration::from_secs(1)]), attempts: 1, jitter_percent: 0 }
}

/// From `own` to this destination, always under one name.
pub fn route(to: &str) -> RouteSpec {
    RouteSpec {
        tenant: Tenant::default_tenant(),
        name: "main".parse().expect("a name"),
        managed_by: ManagedBy::File,
        from: "own".parse().expect("a name"),
        to: to.parse().expect("a name"),
        connections: Vec::new(),
        assurance: None,
        when: None,
        enrich: Vec::new(),
        map: None,
        ordering: LaneOrdering::None,
        on_dead: OnDead::Continue,
        stale: OnStale::Deliver,
        retry: None,
        body: None,
    }
}
