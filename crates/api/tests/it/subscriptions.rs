//! The two routes of subscriptions: how each stands, in every state, and having them looked after.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU16;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::{ConnectionName, Timestamp};
use engine::clock::SharedClock;
use engine::connector::{Connector, Named};
use engine::spec::{ConnectionConfig, ConnectorSpec, SourceSpec, Specs, WebhookSpec};
use serde_json::{Value, json};
use store::registry::ManagedBy;
use testkit::sim_clock::SimClock;
use testkit::upstream::{Habits, Manifest, SHOP, Script, Shop, ShopTransport};

use crate::gateway::{Call, Gateway, Sink};

const LIST: &str = "/api/v1/sources/shop/subscriptions";
const CHECK: &str = "/api/v1/sources/shop/subscriptions/check";

struct World {
    gateway: Gateway,
    clock: SharedClock,
    shop: Arc<Mutex<Shop>>,
}

impl World {
    /// A gateway that knows of no shop yet.
    async fn start() -> Self {
        let clock: SharedClock = Arc::new(SimClock::starting_at(Timestamp::from_secs(1_800_000_000)));
        let shop = Shop::new(1, Habits::default(), Script::default(), clock.now());
        let shop = Arc::new(Mutex::new(shop));
        let nowhere = Arc::new(Sink { status: AtomicU16::new(200) });
        let transport = ShopTransport::new(Arc::clone(&shop), Arc::clone(&clock), 5, nowhere);
        let gateway = Gateway::reaching(Arc::clone(&clock), Arc::new(transport)).await;
        Self { gateway, clock, shop }
    }

    fn shop(&self) -> MutexGuard<'_, Shop> {
        self.shop.lock().expect("nobody panicked")
    }

    fn source(&self, manifest: &Manifest, subscribe: bool) -> SourceSpec {
        let text = manifest.text();
        let named = Named { name: "shop.yaml", text: &text };
        let connector = Connector::load(named, None, Arc::new(|_| None), &self.clock, self.gateway.engine.entropy());
        let config = ConnectionConfig::new(json!({ "base_url": SHOP, "key": Shop::key_of("acme") }));
        let connector = ConnectorSpec {
            name: "./shop.yaml".to_owned(),
            overrides: None,
            connector: Arc::new(connector.unwrap_or_else(|error| panic!("{error}"))),
            configs: [(ConnectionName::default_connection(), config)].into(),
            streams: BTreeMap::new(),
            budget: None,
            normalize: true,
            subscribe,
        };
        let webhook = WebhookSpec {
            provider: "standard-webhooks".to_owned(),
            secrets: Vec::new(),
            settings: BTreeMap::new(),
            dedupe_within: None,
            allow_from: None,
            reply: None,
        };
        SourceSpec {
            tenant: domain::Tenant::default_tenant(),
            name: "shop".parse().expect("a name"),
            managed_by: ManagedBy::File,
            webhook: Some(webhook).filter(|_| subscribe),
            publish: false,
            connections: BTreeMap::new(),
            connector: Some(connector),
        }
    }

    async fn configure(&self, sources: Vec<SourceSpec>) {
        let specs = Specs { public_url: Some("https://hooks.example".into()), sources, ..Specs::default() };
        self.gateway.engine.configure(specs).await.expect("the specs are valid");
    }

    async fn subscribe(&self) {
        self.configure(vec![self.source(&Manifest::of(&Habits::default()), true)]).await;
    }

    /// The one subscription, by either route.
    async fn one(&self, call: Call) -> Value {
        let answer = self.gateway.call(call).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let listed = answer.json();
        assert_eq!((listed["data"].as_array().map(Vec::len), &listed["next"]), (Some(1), &Value::Null), "{listed}");
        listed["data"][0].clone()
    }

    async fn listed(&self) -> Value {
        self.one(Call::get(LIST)).await
    }

    async fn checked(&self) -> Value {
        self.one(Call::post(CHECK)).await
    }

    /// Waits until it stands so, for ten minutes of the test's time.
    async fn becomes(&self, state: &str) -> Value {
        for _ in 0..600 {
            let shown = self.listed().await;
            if shown["state"] == state {
                return shown;
            }
            self.clock.sleep(Duration::from_secs(1)).await;
        }
        panic!("it never becomes {state}: {}", self.listed().await);
    }

    async fn stop(&self) {
        assert!(self.gateway.engine.stop(Duration::from_secs(3_600)).await, "it stops");
    }
}

#[tokio::test(start_paused = true)]
async fn a_working_one_says_where_it_is_and_never_its_secret() {
    let world = World::start().await;
    world.subscribe().await;
    let working = world.becomes("working").await;
    let secret = world.shop().subscriptions()[0].secret.clone();
    for shown in [working, world.checked().await] {
        assert_eq!((&shown["id"], &shown["url"]), (&json!("sub_1"), &json!("https://hooks.example/in/shop")));
        assert_eq!((&shown["connection"], &shown["place"]), (&json!("default"), &json!({})));
        for time in ["since", "checked_at"] {
            assert!(shown[time].as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()), "{time}: {shown}");
        }
        assert_eq!((&shown["problem"], &shown["renews_at"]), (&Value::Null, &Value::Null), "{shown}");
        assert!(!shown.to_string().contains(secret.trim_start_matches("whsec_")), "{shown}");
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_check_finds_what_is_lost_says_why_it_cannot_be_made_again_and_makes_it_when_it_can() {
    let world = World::start().await;
    world.subscribe().await;
    world.becomes("working").await;
    world.shop().drop_subscriptions(0);
    world.shop().refuse_subscriptions(true);
    assert_eq!(world.listed().await["state"], "working", "nobody has looked since");
    let failing = world.checked().await;
    assert_eq!((&failing["state"], &failing["id"]), (&json!("failing"), &Value::Null), "{failing}");
    let problem = &failing["problem"];
    assert_eq!(problem["code"], "subscription_refused", "{failing}");
    assert!(problem["message"].as_str().is_some_and(|message| message.contains("403")), "{failing}");
    assert!(problem["since"].is_string(), "{failing}");
    assert_eq!(world.listed().await["state"], "failing", "the list says the same");
    world.shop().refuse_subscriptions(false);
    let working = world.checked().await;
    assert_eq!(
        (&working["state"], &working["id"], &working["problem"]),
        (&json!("working"), &json!("sub_2"), &Value::Null)
    );
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_answered_yet_is_pending_and_one_that_nobody_wants_is_leaving() {
    let world = World::start().await;
    world.shop().lose_next_creation();
    world.subscribe().await;
    let pending = world.becomes("pending").await;
    assert_eq!((&pending["id"], &pending["problem"]), (&Value::Null, &Value::Null), "{pending}");
    world.becomes("working").await;
    world.shop().close(true);
    world.configure(vec![world.source(&Manifest::of(&Habits::default()), false)]).await;
    let leaving = world.becomes("leaving").await;
    assert!(leaving["id"].is_string(), "it is still there: {leaving}");
    world.shop().close(false);
    let checked = world.gateway.call(Call::post(CHECK)).await;
    assert_eq!((checked.status.as_u16(), checked.json()["data"].clone()), (200, json!([])), "and now it is not");
    assert!(world.shop().subscriptions().is_empty());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_cannot_be_subscribed_to_says_so() {
    let world = World::start().await;
    let manifest = Manifest::of(&Habits::default()).without_subscriptions();
    world.configure(vec![world.source(&manifest, true)]).await;
    for shown in [world.listed().await, world.checked().await] {
        assert_eq!((&shown["state"], &shown["id"]), (&json!("unsupported"), &Value::Null), "{shown}");
    }
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_source_no_subscriptions_and_none_of_another_tenant() {
    let world = World::start().await;
    world.subscribe().await;
    world.becomes("working").await;
    let other = world.gateway.key_of("other", &["read", "operate"]).await;
    for call in [
        Call::get("/api/v1/sources/none/subscriptions"),
        Call::post("/api/v1/sources/none/subscriptions/check"),
        Call::get(LIST).key(&other),
        Call::post(CHECK).key(&other),
    ] {
        let answer = world.gateway.call(call).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (404, "not_found".to_owned()), "{answer:?}");
    }
    world.stop().await;
}
