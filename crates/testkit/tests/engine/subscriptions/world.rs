//! A gateway that subscribes at the scripted shop, and the way back on which the shop's webhooks come.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use domain::request::InboundRequest;
use domain::run::{Run, RunKind, StreamKey};
use domain::{ConnectionName, Event, Origin, SourceName, Tenant};
use engine::clock::SharedClock;
use engine::connector::{Connector, Named};
use engine::entropy::{SeededEntropy, SharedEntropy};
use engine::receive::Receipt;
use engine::spec::{
    ConnectionConfig, ConnectorSpec, PollSpec, RoleSecret, RouteSpec, Schedule, Secret, SourceSpec, Specs, StreamSpec,
    WebhookSpec,
};
use engine::streams::{StreamView, Wish};
use engine::subscriptions::SubscriptionView;
use engine::transport::{OutboundRequest, OutboundResponse, SendError, Transport};
use futures_util::future::BoxFuture;
use ring::hmac;
use serde_json::{Value as Json, json};
use store::Store;
use store::read::{EventFilter, Page};
use store::reading::RunFilter;
use store_sqlite::{OpenOptions, SqliteStore};
use testkit::faulty_store::{Fate, Fates, FaultyStore, Stall};
use testkit::upstream::{
    APP_SECRET, Act, Habits, Hook, Manifest, Object, SHOP, Script, SecretWay, Shop, ShopTransport, Subscription,
};

use crate::rig::{Rig, answered, clock, destination, memory, route, source};

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(60 * 60);
/// Where a stranger's webhooks go.
pub const THEIRS: &str = "https://somebody.example/hook";

/// How the gateway is configured.
#[derive(Clone)]
pub struct Plan {
    pub habits: Habits,
    /// Names of the accounts that it knows.
    pub connections: Vec<&'static str>,
    pub subscribe: bool,
    pub manifest: Manifest,
    pub public_url: &'static str,
    /// It is the only source; else there is none.
    pub has_source: bool,
    pub streams: Vec<(&'static str, StreamSpec)>,
}

impl Plan {
    pub fn of(habits: Habits) -> Self {
        let connections = if habits.accounts.len() > 1 { vec!["acme", "blue"] } else { Vec::new() };
        Self {
            manifest: Manifest::of(&habits),
            habits,
            connections,
            subscribe: true,
            public_url: "https://hooks.example",
            has_source: true,
            streams: Vec::new(),
        }
    }

    pub fn polling(self, interval: Duration) -> Self {
        let spec = StreamSpec { poll: Some(PollSpec::On(Schedule::Every(interval))), ..StreamSpec::default() };
        Self { streams: vec![("orders", spec)], ..self }
    }

    /// What a person gives, where the secret is the app's.
    fn app_secret(&self) -> Vec<RoleSecret> {
        let secret = RoleSecret::new(String::new(), Secret::new(APP_SECRET.to_owned()));
        if self.habits.subscriptions.secret == SecretWay::App { vec![secret] } else { Vec::new() }
    }

    pub fn specs(&self, clock: &SharedClock) -> Specs {
        if !self.has_source {
            return Specs::default();
        }
        let config = |account: &str| ConnectionConfig::new(json!({ "base_url": SHOP, "key": Shop::key_of(account) }));
        let names = || self.connections.iter().map(|name| name.parse::<ConnectionName>().expect("a name"));
        let mut configs: BTreeMap<ConnectionName, ConnectionConfig> =
            names().map(|name| (name.clone(), config(name.as_str()))).collect();
        if configs.is_empty() {
            configs.insert(ConnectionName::default_connection(), config("acme"));
        }
        let entropy: SharedEntropy = Arc::new(SeededEntropy::new(3));
        let text = self.manifest.text();
        let named = Named { name: "shop.yaml", text: &text };
        let connector = Connector::load(named, None, Arc::new(|_| None), clock, &entropy);
        let connector = ConnectorSpec {
            name: "./shop.yaml".to_owned(),
            overrides: None,
            connector: Arc::new(connector.unwrap_or_else(|error| panic!("{error}"))),
            configs,
            streams: self.streams.iter().map(|(name, spec)| (Arc::from(*name), spec.clone())).collect(),
            budget: None,
            normalize: true,
            subscribe: self.subscribe,
        };
        let webhook = WebhookSpec {
            provider: "standard-webhooks".to_owned(),
            secrets: self.app_secret(),
            settings: BTreeMap::new(),
            dedupe_within: None,
            allow_from: None,
            reply: None,
        };
        let shop = SourceSpec {
            publish: false,
            connections: names().map(|name| (name, Vec::new())).collect(),
            connector: Some(connector),
            ..source("shop", Some(webhook).filter(|_| self.subscribe))
        };
        Specs {
            public_url: Some(self.public_url.into()),
            sources: vec![shop],
            destinations: vec![destination("app")],
            routes: vec![RouteSpec { from: "shop".parse().expect("a name"), ..route("app") }],
            ..Specs::default()
        }
    }
}

/// The destination: remembers what came.
#[derive(Default)]
pub struct Sink(Mutex<Vec<Json>>);

impl Transport for Sink {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        let body = serde_json::from_slice(&request.body).expect("a message is JSON");
        self.0.lock().expect("nobody panicked").push(body);
        let response = answered(200, Bytes::new());
        Box::pin(async move { Ok(response) })
    }
}

/// What several nodes have in common.
pub struct Shared {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    shop: Arc<Mutex<Shop>>,
}

impl Shared {
    pub fn of(habits: &Habits) -> Self {
        let clock = clock();
        let shop = Shop::new(1, habits.clone(), Script::default(), clock.now());
        let store = SqliteStore::open(OpenOptions { shared: true, ..OpenOptions::memory().inline() });
        let store = Arc::new(store.expect("a store in memory opens"));
        Self { store, clock, shop: Arc::new(Mutex::new(shop)) }
    }
}

struct Fine;

impl Fates for Fine {
    fn next(&self, _verb: &'static str) -> Fate {
        Fate::Happens
    }
}

fn stall(stands_still: &Arc<AtomicBool>, clock: &SharedClock) -> Stall {
    let (stands_still, clock) = (Arc::clone(stands_still), Arc::clone(clock));
    Arc::new(move || {
        let (stands_still, clock) = (Arc::clone(&stands_still), Arc::clone(&clock));
        Box::pin(async move {
            while stands_still.load(Ordering::SeqCst) {
                clock.sleep(SECOND).await;
            }
        })
    })
}

pub struct World {
    pub rig: Rig,
    shop: Arc<Mutex<Shop>>,
    sink: Arc<Sink>,
}

impl World {
    pub async fn start(plan: Plan) -> Self {
        let clock = clock();
        let shop = Shop::new(1, plan.habits.clone(), Script::default(), clock.now());
        Self::on(memory(), clock, Arc::new(Mutex::new(shop)), Arc::default(), plan).await
    }

    async fn on(
        store: Arc<dyn Store>,
        clock: SharedClock,
        shop: Arc<Mutex<Shop>>,
        sink: Arc<Sink>,
        plan: Plan,
    ) -> Self {
        let transport = ShopTransport::new(Arc::clone(&shop), Arc::clone(&clock), 5, Arc::clone(&sink) as _);
        let specs = plan.specs(&clock);
        let rig = Rig::reaching(store, specs, clock, Arc::new(transport)).await;
        Self { rig, shop, sink }
    }

    /// The process ends where it stands, and another one starts on its store.
    pub async fn again(self, plan: Plan) -> Self {
        let Self { rig, shop, sink } = self;
        let (store, clock) = (Arc::clone(&rig.store), Arc::clone(&rig.clock));
        drop(rig);
        Self::on(store, clock, shop, sink, plan).await
    }

    /// One of several nodes; what it asks of the store waits while it stands still.
    pub async fn node(number: u64, shared: &Shared, stands_still: &Arc<AtomicBool>, plan: &Plan) -> Self {
        let (clock, sink) = (Arc::clone(&shared.clock), Arc::<Sink>::default());
        let store = FaultyStore::new(Arc::clone(&shared.store), Arc::new(Fine), Arc::default()).beside_others();
        let store = Arc::new(store.stalled_by(stall(stands_still, &clock)));
        let transport =
            ShopTransport::new(Arc::clone(&shared.shop), Arc::clone(&clock), number, Arc::clone(&sink) as _);
        let rig = Rig::node(number, store, plan.specs(&clock), clock, Arc::new(transport)).await;
        Self { rig, shop: Arc::clone(&shared.shop), sink }
    }

    /// A second process on the same store.
    pub async fn beside(&self, plan: Plan) -> Self {
        let (store, clock) = (Arc::clone(&self.rig.store), Arc::clone(&self.rig.clock));
        Self::on(store, clock, Arc::clone(&self.shop), Arc::clone(&self.sink), plan).await
    }

    pub async fn configure(&self, plan: &Plan) {
        self.rig.engine.configure(plan.specs(&self.rig.clock)).await.expect("the specs are valid");
    }

    pub async fn stop(&self) {
        assert!(self.rig.engine.stop(HOUR).await, "it stops");
    }

    pub fn shop(&self) -> std::sync::MutexGuard<'_, Shop> {
        self.shop.lock().expect("nobody panicked")
    }

    pub fn act(&self, object: Object, id: u64, act: Act) {
        self.act_at(0, object, id, act);
    }

    pub fn act_at(&self, account: usize, object: Object, id: u64, act: Act) {
        let now = self.rig.clock.now();
        self.shop().act(account, object, id, act, now);
    }

    /// Lets time pass; what the shop sends meanwhile comes in.
    pub async fn pass(&self, time: Duration) {
        let until = self.rig.clock.now() + time;
        while self.rig.clock.now() < until {
            let step = until.since(self.rig.clock.now()).min(SECOND);
            self.rig.clock.sleep(step).await;
            let now = self.rig.clock.now();
            let due = self.shop().due(now);
            for hook in due {
                let number = hook.number;
                let taken = self.take(hook).await;
                self.shop().told(number, Some(if taken { 200 } else { 401 }), now);
            }
        }
    }

    async fn take(&self, hook: Hook) -> bool {
        let connection = hook.url.split_once("/in/shop").map_or("", |(_, rest)| rest.trim_start_matches('/'));
        let headers = hook.headers.into_iter().map(|(name, value)| (name.into(), Bytes::from(value))).collect();
        let request = InboundRequest {
            connection: connection.into(),
            url: hook.url.as_str().into(),
            ..self.rig.request("shop", headers, hook.body)
        };
        matches!(self.rig.engine.receive(request).await, Receipt::Accepted { .. })
    }

    /// Whether a webhook to this connection passes that is signed with this secret.
    pub async fn hears(&self, connection: &str, secret: &str) -> bool {
        let now = self.rig.clock.now().as_secs();
        let body = Bytes::from(json!({ "type": "greeting", "data": { "id": now } }).to_string());
        let id = format!("greeting-{connection}-{now}-{}", secret.len());
        let key = BASE64.decode(secret.trim_start_matches("whsec_").as_bytes()).expect("base64");
        let signed = [format!("{id}.{now}.").as_bytes(), &body].concat();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-id", id),
            ("webhook-timestamp", now.to_string()),
            ("webhook-signature", format!("v1,{}", BASE64.encode(tag.as_ref()))),
        ];
        let url = format!("https://hooks.example/in/shop/{connection}");
        self.take(Hook { url, headers, body, number: 0 }).await
    }

    pub async fn heard_from_a_stranger(&self) -> bool {
        self.hears("", &format!("whsec_{}", BASE64.encode(&[9; 32]))).await
    }

    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.shop().subscriptions().to_vec()
    }

    /// Requests of this method to this path.
    pub fn visits(&self, method: &str, path: &str) -> usize {
        let shop = self.shop();
        let path_of = |target: &str| target.split('?').next().unwrap_or_default().to_owned();
        let visits = shop.ledger().visits().iter();
        visits.filter(|visit| visit.method == method && path_of(&visit.target) == path).count()
    }

    pub async fn events(&self) -> Vec<Arc<Event>> {
        let listed = self.rig.store.events(Tenant::default_tenant(), EventFilter::default(), Page::first(500)).await;
        let mut rows = listed.expect("events").rows;
        rows.reverse();
        rows.into_iter().map(|row| Arc::clone(&row.event)).collect()
    }

    /// Type, subject and origin of every event, oldest first.
    pub async fn told(&self) -> Vec<(String, String, Origin)> {
        let told = |event: &Arc<Event>| {
            let subject = event.subject.as_ref().map(ToString::to_string).unwrap_or_default();
            (event.event_type.to_string(), subject, event.origin)
        };
        self.events().await.iter().map(told).collect()
    }

    /// What the destination got, in order.
    pub fn delivered(&self) -> Vec<Json> {
        self.sink.0.lock().expect("nobody panicked").clone()
    }

    pub fn view(&self) -> Vec<SubscriptionView> {
        self.rig.engine.subscriptions(&Tenant::default_tenant(), &shop_name()).expect("there is one")
    }

    pub async fn check(&self) -> Vec<SubscriptionView> {
        let checked = self.rig.engine.check_subscriptions(&Tenant::default_tenant(), &shop_name()).await;
        checked.expect("there is one")
    }

    pub async fn stream(&self) -> StreamView {
        let views = self.rig.engine.streams(&Tenant::default_tenant()).await.expect("streams");
        views.into_iter().find(|view| &*view.key.stream == "orders").expect("it is configured")
    }

    pub async fn reconcile(&self) -> RunKind {
        let key = StreamKey {
            tenant: Tenant::default_tenant(),
            source: shop_name(),
            connection: ConnectionName::default_connection(),
            stream: "orders".into(),
        };
        let wish = Wish::Reconcile { dry: false, deletes_confirmed: false };
        self.rig.engine.stream_orders().order(key, wish).await.expect("it begins").kind
    }

    /// Reconciliations that have ended, the first first.
    pub async fn reconciliations(&self) -> Vec<Run> {
        let filter = RunFilter { kind: Some(RunKind::Reconcile), ..RunFilter::default() };
        let listed = self.rig.store.runs(Tenant::default_tenant(), filter, Page::first(100)).await.expect("runs");
        listed.rows.into_iter().rev().filter(|run| run.finished_at.is_some()).collect()
    }

    /// Everything that the store has of the one connection's subscriptions.
    pub async fn kept(&self) -> String {
        let mut all = String::new();
        for name in ["subscriptions", "subscription/default/shop/default", "subscription-kit/default/shop/default"] {
            let setting = self.rig.store.setting(name.into()).await.expect("the store answers").unwrap_or_default();
            all.push_str(&String::from_utf8_lossy(&setting));
        }
        all
    }
}

fn shop_name() -> SourceName {
    "shop".parse().expect("a name")
}
