//! A dashboard over an engine of its own, and a browser that keeps its cookie.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use dashboard::{Desk, router};
use domain::request::InboundRequest;
use domain::{DeliveryState, Tenant, Timestamp};
use engine::access::{Access, KeyText};
use engine::clock::{Clock, SharedClock, SystemClock};
use engine::entropy::SystemEntropy;
use engine::explain::{Model, ModelSpec};
use engine::nodes::Identity;
use engine::publish::Publication;
use engine::receive::Receipt;
use engine::transport::EgressPolicy;
use engine::vault::{MasterKey, Vault};
use engine::{Engine, Parts};
use http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use store::keep::Retention;
use store::read::{DeliveryFilter, Page};
use store::registry::{ApiKey, ObjectKind};
use store_sqlite::{OpenOptions, SqliteStore};
use tower::ServiceExt;

use crate::world::{MODEL, World, file};

pub struct Browser {
    pub engine: Engine,
    pub access: Arc<Access>,
    pub world: Arc<World>,
    router: Router,
    pub cookie: Option<String>,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn location(&self) -> &str {
        self.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

fn model() -> Arc<Model> {
    Model::new(ModelSpec { url: MODEL.to_owned(), model: "small".to_owned(), key: None, per_hour: 10 })
}

impl Browser {
    /// Nobody is logged in yet.
    pub async fn stranger() -> Self {
        let store = SqliteStore::open(OpenOptions::memory()).expect("a store in memory opens");
        Self::node("local", Arc::new(store), SystemClock::shared()).await
    }

    /// The same at the node of this name, on a store that others may share.
    pub async fn node(name: &str, store: Arc<SqliteStore>, clock: SharedClock) -> Self {
        let (entropy, world) = (SystemEntropy::shared(), World::new());
        let key = MasterKey::from_hex(&"0b".repeat(32)).expect("64 digits");
        let engine = Engine::start(Parts {
            store,
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            transport: Arc::clone(&world) as _,
            policies: Arc::new(Arc::new(EgressPolicy::new(Vec::new(), Vec::new()))),
            vault: Arc::new(Vault::new(key)),
            retention: Retention::default(),
            in_flight_max: engine::dispatch::IN_FLIGHT_MAX,
            node: Identity { name: name.into(), ..Identity::default() },
        });
        engine.joined().await;
        engine.configure(file(&clock, &entropy)).await.expect("it is valid");
        let access = Arc::new(Access::new(Arc::clone(engine.store()), clock));
        let desk = Desk {
            engine: engine.clone(),
            access: Arc::clone(&access),
            public_url: None,
            https: false,
            model: Some(model()),
        };
        Self { engine, access, world, router: router(desk), cookie: None }
    }

    /// The same gateway where senders and people are told this address, which begins with https.
    pub fn over_https(mut self, public_url: &str) -> Self {
        let (engine, access) = (self.engine.clone(), Arc::clone(&self.access));
        let desk = Desk { engine, access, public_url: Some(public_url.to_owned()), https: true, model: None };
        self.router = router(desk);
        self
    }

    /// Someone who came in with a key of these scopes.
    pub async fn with(scopes: &[&str]) -> Self {
        let mut browser = Self::stranger().await;
        browser.enter(scopes).await;
        browser
    }

    /// The same, where there is something of everything: see [`furnish`](Self::furnish).
    pub async fn furnished(scopes: &[&str]) -> Self {
        let browser = Self::with(scopes).await;
        browser.furnish().await;
        browser
    }

    pub async fn enter(&mut self, scopes: &[&str]) {
        let key = self.key(scopes).await;
        let answer = self.post("/login", &format!("key={key}")).await;
        assert_eq!((answer.status, answer.location()), (303, "/"), "{}", answer.text);
    }

    /// Sources `own` and `signed`, the destination `app`, and a route from `own` that makes a dead letter of every
    /// event of the type `broken`.
    pub async fn furnish(&self) {
        let own = json!({ "publish": true });
        let signed = json!({ "webhook": { "provider": "github", "secret": "a secret of the sender" } });
        let app = json!({ "http": { "url": "https://app.example/hook", "unsigned": true }, "retry": { "fibonacci": "1s", "attempts": 1 } });
        let route = json!({ "from": "own", "to": "app", "map": "type = 'broken' ? $number('x') : { 'it': data }" });
        self.put(ObjectKind::Source, "own", own).await;
        self.put(ObjectKind::Source, "signed", signed).await;
        self.put(ObjectKind::Destination, "app", app).await;
        self.put(ObjectKind::Route, "own-app", route).await;
    }

    pub async fn put(&self, kind: ObjectKind, name: &str, definition: Value) {
        let tenant = Tenant::default_tenant();
        self.engine.put_object(kind, tenant, name, definition, true).await.expect("it can be put");
    }

    pub async fn key(&self, scopes: &[&str]) -> String {
        let text = KeyText::generate(self.engine.entropy().as_ref());
        let key = ApiKey {
            tenant: Tenant::default_tenant(),
            id: text.id().into(),
            hash: text.hash(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            note: String::new(),
            created_at: Timestamp::EPOCH,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        };
        self.engine.store().put_api_key(key).await.expect("kept");
        text.text().expose().to_owned()
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let request = Request::builder().method(Method::GET).uri(path).header(HOST, "gateway.example");
        self.send(request, Body::empty()).await
    }

    /// A form of our own page.
    pub async fn post(&mut self, path: &str, form: &str) -> Answer {
        let request = Request::builder().method(Method::POST).uri(path).header("sec-fetch-site", "same-origin");
        self.send(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded"), form.to_owned().into()).await
    }

    pub async fn send(&mut self, request: http::request::Builder, body: Body) -> Answer {
        let response = self.open(request, body).await;
        let (parts, body) = response.into_parts();
        if let Some(set) = parts.headers.get(SET_COOKIE).and_then(|value| value.to_str().ok()) {
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        let bytes = body.collect().await.expect("a body").to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text: String::from_utf8_lossy(&bytes).into() }
    }

    /// The answer with its body unread: for streams.
    pub async fn open(&self, mut request: http::request::Builder, body: Body) -> Response {
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let request = request.body(body).expect("a request");
        self.router.clone().oneshot(request).await.expect("it never fails")
    }

    /// Takes in a webhook from anybody, and gives its event's id.
    pub async fn webhook(&self, body: &str) -> String {
        match self.arrives("open", &[("content-type", "application/json")], body).await {
            Receipt::Accepted { events, .. } => events[0].0.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// A request as it comes in at a source.
    pub async fn arrives(&self, source: &str, headers: &[(&str, &str)], body: &str) -> Receipt {
        let header = |(name, value): &(&str, &str)| ((*name).into(), Bytes::copy_from_slice(value.as_bytes()));
        let request = InboundRequest {
            id: self.engine.new_request_id(),
            tenant: Tenant::default_tenant(),
            source: source.parse().expect("a name"),
            connection: "".into(),
            method: "POST".into(),
            url: format!("http://localhost/in/{source}").into(),
            headers: headers.iter().map(header).collect(),
            body: body.as_bytes().to_vec().into(),
            remote: "192.0.2.1".into(),
            received_at: self.engine.clock().now(),
        };
        self.engine.receive(request).await
    }

    /// An event of one's own, and its id.
    pub async fn publishes(&self, event_type: &str, subject: Option<&str>, data: &Value) -> String {
        let publication = Publication {
            tenant: Tenant::default_tenant(),
            source: "own".parse().expect("a name"),
            event_type: event_type.to_owned(),
            subject: subject.map(str::to_owned),
            data: data.to_string().into(),
            idempotency_key: None,
        };
        self.engine.publish(publication).await.expect("it is taken").id.to_string()
    }

    /// Until so many deliveries are in a state; fails when they never are.
    pub async fn until(&self, state: DeliveryState, count: usize) {
        for _ in 0..2_000 {
            if self.count(state).await >= count {
                return;
            }
            SystemClock::new().sleep(Duration::from_millis(5)).await;
        }
        panic!("there never were {count} deliveries {}", state.as_str());
    }

    pub async fn count(&self, state: DeliveryState) -> usize {
        let filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::default() };
        let page = Page::first(store::read::PAGE_MAX);
        let listed = self.engine.store().deliveries(Tenant::default_tenant(), filter, page).await;
        listed.expect("a list").rows.len()
    }
}
