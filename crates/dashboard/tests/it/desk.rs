//! A dashboard over an engine of its own, and a browser that keeps its cookie.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use dashboard::{Desk, router};
use domain::request::InboundRequest;
use domain::{Tenant, Timestamp};
use engine::access::{Access, KeyText};
use engine::clock::{SharedClock, SystemClock};
use engine::entropy::SystemEntropy;
use engine::receive::Receipt;
use engine::spec::{SourceSpec, Specs, WebhookSpec};
use engine::transport::{EgressPolicy, HttpTransport, TransportOptions};
use engine::vault::{MasterKey, Vault};
use engine::{Engine, Parts};
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use store::keep::Retention;
use store::registry::{ApiKey, ManagedBy};
use store_sqlite::{OpenOptions, SqliteStore};
use tower::ServiceExt;

pub struct Browser {
    pub engine: Engine,
    pub access: Arc<Access>,
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

impl Browser {
    /// Nobody is logged in yet.
    pub async fn stranger() -> Self {
        let store = Arc::new(SqliteStore::open(OpenOptions::memory()).expect("a store in memory opens"));
        let clock: SharedClock = SystemClock::shared();
        let transport = HttpTransport::new(Arc::clone(&clock), TransportOptions::default()).expect("roots");
        let key = MasterKey::from_hex(&"0b".repeat(32)).expect("64 digits");
        let engine = Engine::start(Parts {
            store,
            clock: Arc::clone(&clock),
            entropy: SystemEntropy::shared(),
            transport: Arc::new(transport),
            policies: Arc::new(Arc::new(EgressPolicy::new(Vec::new(), Vec::new()))),
            vault: Arc::new(Vault::new(key)),
            retention: Retention::default(),
            in_flight_max: engine::dispatch::IN_FLIGHT_MAX,
            node: Default::default(),
        });
        let sources = vec![listens("open", "none")];
        engine.configure(Specs { sources, ..Specs::default() }).await.expect("it is valid");
        let access = Arc::new(Access::new(Arc::clone(engine.store()), clock));
        let desk = Desk { engine: engine.clone(), access: Arc::clone(&access), public_url: None, https: false };
        Self { engine, access, router: router(desk), cookie: None }
    }

    /// Someone who came in with a key of these scopes.
    pub async fn with(scopes: &[&str]) -> Self {
        let mut browser = Self::stranger().await;
        let key = browser.key(scopes).await;
        let answer = browser.post("/login", &format!("key={key}")).await;
        assert_eq!((answer.status, answer.location()), (303, "/"), "{}", answer.text);
        browser
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
        let request = Request::builder().method(Method::GET).uri(path);
        self.send(request, Body::empty()).await
    }

    /// A form of our own page.
    pub async fn post(&mut self, path: &str, form: &str) -> Answer {
        let request = Request::builder().method(Method::POST).uri(path).header("sec-fetch-site", "same-origin");
        self.send(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded"), form.to_owned().into()).await
    }

    pub async fn send(&mut self, mut request: http::request::Builder, body: Body) -> Answer {
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let request = request.body(body).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("it never fails");
        let (parts, body) = response.into_parts();
        if let Some(set) = parts.headers.get(SET_COOKIE).and_then(|value| value.to_str().ok()) {
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        let bytes = body.collect().await.expect("a body").to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text: String::from_utf8_lossy(&bytes).into() }
    }

    /// Takes in a webhook from anybody, and gives its event's id.
    pub async fn webhook(&self, body: &str) -> String {
        let request = InboundRequest {
            id: self.engine.new_request_id(),
            tenant: Tenant::default_tenant(),
            source: "open".parse().expect("a name"),
            connection: "".into(),
            method: "POST".into(),
            url: "http://localhost/in/open".into(),
            headers: vec![("content-type".into(), b"application/json"[..].into())],
            body: body.as_bytes().to_vec().into(),
            remote: "192.0.2.1".into(),
            received_at: self.engine.clock().now(),
        };
        match self.engine.receive(request).await {
            Receipt::Accepted { events, .. } => events[0].0.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

fn listens(name: &str, provider: &str) -> SourceSpec {
    let webhook = WebhookSpec {
        provider: provider.to_owned(),
        secrets: Vec::new(),
        settings: std::collections::BTreeMap::new(),
        dedupe_within: None,
        allow_from: None,
    };
    SourceSpec {
        tenant: Tenant::default_tenant(),
        name: name.parse().expect("a name"),
        managed_by: ManagedBy::File,
        webhook: Some(webhook),
        publish: false,
        connections: std::collections::BTreeMap::new(),
        connector: None,
    }
}
