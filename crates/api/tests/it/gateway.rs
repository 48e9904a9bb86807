//! A gateway in this process: a store in memory, a transport that answers as it is told, and callers with keys.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use api::{App, FirstKey, Settings, ensure_first_key, router};
use axum::body::{Body, to_bytes};
use axum::{Router, response};
use bytes::Bytes;
use domain::{SourceName, Tenant, Timestamp};
use engine::clock::{Clock, SharedClock, SystemClock};
use engine::entropy::SystemEntropy;
use engine::spec::{RoleSecret, Secret, SourceSpec, Specs, WebhookSpec};
use engine::transport::{BodyEnd, EgressPolicy, OutboundRequest, OutboundResponse, SendError, Timings, Transport};
use engine::vault::{MasterKey, Vault};
use engine::{Engine, Parts};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use store::keep::Retention;
use store::registry::ManagedBy;
use store_sqlite::{OpenOptions, SqliteStore};
use tower::ServiceExt;

pub const GITHUB_SECRET: &str = "It's a Secret to Everybody";

/// Answers every delivery with one status.
pub struct Sink {
    pub status: AtomicU16,
}

impl Transport for Sink {
    fn send(&self, _: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        let response = OutboundResponse {
            status: self.status.load(Ordering::Relaxed),
            headers: HeaderMap::new(),
            body_head: Bytes::from_static(b"as told"),
            body_end: BodyEnd::Complete,
            timings: Timings::default(),
            peer: SocketAddr::from(([192, 0, 2, 1], 443)),
            reused: false,
        };
        Box::pin(async move { Ok(response) })
    }
}

pub struct Gateway {
    pub app: App,
    pub engine: Engine,
    pub sink: Arc<Sink>,
    router: Router,
    /// A key of the default tenant that may do everything.
    pub admin: String,
}

impl Gateway {
    pub async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        Self::on(SystemClock::shared(), settings).await
    }

    pub async fn on(clock: SharedClock, settings: Settings) -> Self {
        let sink = Arc::new(Sink { status: AtomicU16::new(200) });
        let transport = Arc::clone(&sink) as _;
        Self::of(clock, settings, OpenOptions::memory(), sink, transport).await
    }

    /// One whose requests all go another way than to the sink. Its store has no threads, so that the time can be the
    /// test's own.
    pub async fn reaching(clock: SharedClock, transport: Arc<dyn Transport>) -> Self {
        let sink = Arc::new(Sink { status: AtomicU16::new(200) });
        Self::of(clock, Settings::default(), OpenOptions::memory().inline(), sink, transport).await
    }

    async fn of(
        clock: SharedClock,
        settings: Settings,
        options: OpenOptions,
        sink: Arc<Sink>,
        transport: Arc<dyn Transport>,
    ) -> Self {
        let store = Arc::new(SqliteStore::open(options).expect("a store in memory opens"));
        let entropy = SystemEntropy::shared();
        let key = MasterKey::from_hex(&"0b".repeat(32)).expect("64 digits");
        let policy = EgressPolicy::new(vec!["127.0.0.0/8".parse().expect("a range")], Vec::new());
        let engine = Engine::start(Parts {
            store: Arc::clone(&store) as _,
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            transport,
            policies: Arc::new(Arc::new(policy)),
            vault: Arc::new(Vault::new(key)),
            retention: Retention::default(),
            in_flight_max: engine::dispatch::IN_FLIGHT_MAX,
            node: Default::default(),
        });
        engine.joined().await;
        engine.configure(file()).await.expect("the file is valid");
        let first = ensure_first_key(store.as_ref(), None, entropy.as_ref(), clock.now()).await;
        let Ok(FirstKey::Created(admin)) = first else { panic!("a new store has no key: {first:?}") };
        let app = App::new(engine.clone(), settings, None);
        Self { router: router(app.clone()), app, engine, sink, admin: admin.expose().to_owned() }
    }

    /// A gateway whose sources, destination and route tests can send through.
    pub async fn with_routes(settings: Settings) -> Self {
        let gateway = Self::with(settings).await;
        gateway.make("sources", json!({ "name": "hooks", "webhook": { "provider": "none" } })).await;
        gateway.make("sources", json!({ "name": "own", "publish": true })).await;
        let destination = json!({
            "name": "app",
            "http": { "url": "http://127.0.0.1:8123/hook", "unsigned": true },
            "retry": { "list": ["1s"], "attempts": 1 },
        });
        gateway.make("destinations", destination).await;
        gateway.make("routes", json!({ "from": "own", "to": "app" })).await;
        gateway
    }

    pub async fn make(&self, nouns: &str, definition: Value) {
        let answer = self.call(Call::post(&format!("/api/v1/{nouns}")).json(&definition)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    /// Calls as the admin, unless the call says otherwise.
    pub async fn call(&self, call: Call) -> Answer {
        Answer::read(self.send(call).await).await
    }

    /// A request whose body is not just bytes.
    pub async fn call_with_body(&self, path: &str, body: Body) -> Answer {
        let request = Request::post(path).header("authorization", format!("Bearer {}", self.admin));
        let request = request.header("content-type", "application/json").body(body).expect("a request");
        Answer::read(self.router.clone().oneshot(request).await.expect("the router never fails")).await
    }

    /// The response with its body unread: for streams.
    pub async fn send(&self, call: Call) -> response::Response {
        self.router.clone().oneshot(call.request(&self.admin)).await.expect("the router never fails")
    }

    /// Publishes an event to the source `own`; gives its id.
    pub async fn publish(&self, event_type: &str) -> String {
        let event = json!({ "source": "own", "type": event_type, "subject": "order/1", "data": { "n": 1 } });
        let answer = self.call(Call::post("/api/v1/events").json(&event)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Asks until the answer is as wished for; fails when it never is.
    pub async fn until(&self, path: &str, wished: impl Fn(&Value) -> bool) -> Value {
        let clock = SystemClock::new();
        let mut last = Value::Null;
        for _ in 0..1_000 {
            last = self.call(Call::get(path)).await.json();
            if wished(&last) {
                return last;
            }
            clock.sleep(Duration::from_millis(5)).await;
        }
        panic!("{path} never became as wished for: {last}");
    }

    /// A key of a tenant, kept as the command line would.
    pub async fn key_of(&self, tenant: &str, scopes: &[&str]) -> String {
        self.key_until(tenant, scopes, None).await
    }

    pub async fn key_until(&self, tenant: &str, scopes: &[&str], end: Option<Timestamp>) -> String {
        let app = &self.app;
        let text = engine::access::KeyText::generate(app.engine.entropy().as_ref());
        let key = store::registry::ApiKey {
            tenant: tenant.parse().expect("a name"),
            id: text.id().into(),
            hash: text.hash(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            note: String::new(),
            created_at: app.engine.clock().now(),
            expires_at: end,
            revoked_at: None,
            last_used_at: None,
        };
        app.engine.store().put_api_key(key).await.expect("the key is kept");
        text.text().expose().to_owned()
    }
}

/// What the configuration file of the tests says.
fn file() -> Specs {
    let signing = RoleSecret::new(String::new(), Secret::new(GITHUB_SECRET.to_owned()));
    let webhook = WebhookSpec {
        provider: "github".to_owned(),
        secrets: vec![signing],
        settings: Default::default(),
        dedupe_within: None,
        allow_from: None,
        reply: None,
    };
    let github = SourceSpec {
        tenant: Tenant::default_tenant(),
        name: "github".parse::<SourceName>().expect("a name"),
        managed_by: ManagedBy::File,
        webhook: Some(webhook),
        publish: false,
        connections: Default::default(),
        connector: None,
    };
    Specs { sources: vec![github], ..Specs::default() }
}

enum Key {
    Admin,
    None,
    Text(String),
}

/// One call of the API.
pub struct Call {
    method: Method,
    path: String,
    key: Key,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Call {
    pub fn new(method: &str, path: &str) -> Self {
        let method = method.parse().expect("a method");
        Self { method, path: path.to_owned(), key: Key::Admin, headers: Vec::new(), body: Vec::new() }
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    pub fn key(mut self, key: &str) -> Self {
        self.key = Key::Text(key.to_owned());
        self
    }

    pub fn without_key(mut self) -> Self {
        self.key = Key::None;
        self
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").bytes(body.to_string())
    }

    pub fn bytes(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    fn request(self, admin: &str) -> Request<Body> {
        let mut request = Request::builder().method(self.method).uri(self.path).header("host", "localhost:8080");
        let key = match &self.key {
            Key::Admin => Some(admin),
            Key::Text(text) => Some(text.as_str()),
            Key::None => None,
        };
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(Body::from(self.body)).expect("a request")
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    async fn read(response: response::Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a whole body");
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the problem that this answer must be.
    #[track_caller]
    pub fn code(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16(), "{body}");
        assert_eq!(body["type"], format!("/docs/errors/{}", body["code"].as_str().expect("a code")));
        body["code"].as_str().expect("a code").to_owned()
    }

    pub fn ids(&self) -> Vec<String> {
        let data = self.json()["data"].as_array().cloned().unwrap_or_default();
        data.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
    }
}
