//! Two tenants and every route: nobody does what their scopes do not say, and nobody reaches the other's things.

use std::collections::BTreeSet;

use engine::access::{Scope, Scopes};
use engine::entropy::uuid_v7;
use serde_json::{Value, json};

use crate::gateway::{Call, Gateway};

struct Operation {
    method: String,
    path: String,
    scope: Scope,
}

/// Every route that needs a key, from the table that serves and documents them.
fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(api::openapi::document()).expect("JSON");
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let Some(scope) = operation["security"][0]["api_key"][0].as_str() else { continue };
            let scope = Scope::ALL.into_iter().find(|known| known.as_str() == scope).expect("a scope");
            operations.push(Operation { method: method.to_uppercase(), path: path.clone(), scope });
        }
    }
    assert!(operations.len() > 35, "{}", operations.len());
    operations
}

/// One thing of each noun, all of the default tenant.
async fn belongings(gateway: &Gateway) -> Vec<(&'static str, String)> {
    let event = gateway.publish("canary.created").await;
    let path = format!("/api/v1/events/{event}");
    let shown = gateway.until(&path, |event| event["deliveries"][0]["state"] == "delivered").await;
    let delivery = shown["deliveries"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(gateway.call(Call::post("/in/github").without_key().bytes("canary")).await.status, 401);
    let request = gateway.call(Call::get("/api/v1/requests")).await.ids().remove(0);
    let body = json!({ "event_ids": [event] });
    let replay = gateway.call(Call::post("/api/v1/replays").json(&body)).await.json()["id"].clone();
    let made = gateway.call(Call::post("/api/v1/api-keys").json(&json!({ "scopes": ["read"] }))).await.json();
    let gone = json!({ "name": "gone", "http": { "url": "http://127.0.0.1:8123/gone", "unsigned": true } });
    assert_eq!(gateway.call(Call::post("/api/v1/destinations").json(&gone)).await.status, 201);
    let disable = Call::post("/api/v1/destinations/gone/disable").json(&json!({ "reason": "canary" }));
    assert_eq!(gateway.call(disable).await.status, 200);
    let alert = gateway.call(Call::get("/api/v1/alerts?open=true")).await.ids().remove(0);
    let listener = gateway.call(Call::new("PUT", "/api/v1/listeners/ear").json(&json!({ "source": "own" }))).await;
    assert_eq!(listener.status, 200, "{listener:?}");
    let run = run_of_default(gateway).await;
    let text = |value: &Value| value.as_str().expect("an id").to_owned();
    vec![
        ("/events/", event),
        ("/deliveries/", delivery),
        ("/requests/", request),
        ("/replays/", text(&replay)),
        ("/sources/", "own".into()),
        ("/destinations/", "app".into()),
        ("/routes/", "own-app".into()),
        ("/providers/", "github".into()),
        ("/api-keys/", text(&made["id"])),
        ("/alerts/", alert),
        ("/alert-channels/", "team".into()),
        ("/runs/", run),
        ("/event/", shape_of_default(gateway).await),
        ("/listeners/", "ear".into()),
    ]
}

/// The name of a type of events of `own`, whose shape was learned.
async fn shape_of_default(gateway: &Gateway) -> String {
    use store::shapes::{ShapeHead, ShapeKey, ShapeOf, ShapeRow};
    let (tenant, source) = (domain::Tenant::default_tenant(), "own".parse().expect("a name"));
    let (key, at) = (ShapeKey { tenant, source, of: ShapeOf::Event, name: "learned".into() }, domain::Timestamp::EPOCH);
    let head = ShapeHead { key, version: 1, seen: 1, first_at: at, last_at: at, changed_at: None };
    let row = ShapeRow { head, shape: Default::default(), generation: 0 };
    gateway.engine.store().save_shape(row, Vec::new()).await.expect("it is kept");
    "learned".to_owned()
}

async fn run_of_default(gateway: &Gateway) -> String {
    let key = domain::StreamKey {
        tenant: domain::Tenant::default_tenant(),
        source: "own".parse().expect("a name"),
        connection: domain::ConnectionName::default_connection(),
        stream: "canary".into(),
    };
    let run = domain::run::Run {
        id: domain::RunId::from_uuid(uuid_v7(&**gateway.engine.entropy(), gateway.engine.clock().now())),
        key,
        kind: domain::run::RunKind::Poll,
        dry: false,
        state: domain::run::RunState::Done,
        started_at: gateway.engine.clock().now(),
        finished_at: Some(gateway.engine.clock().now()),
        figures: Default::default(),
        trust: None,
        problem: None,
    };
    gateway.engine.store().put_run(run.clone()).await.expect("the run is kept");
    run.id.to_string()
}

fn call(operation: &Operation, belongings: &[(&'static str, String)]) -> Call {
    let mut path = operation.path.replace("{source}", "own").replace("{of}", "event");
    for (noun, id) in belongings {
        if path.contains(&format!("{noun}{{")) {
            path = path.replace("{id}", id).replace("{name}", id);
        }
    }
    path = path.replace("{connection}", "default").replace("{stream}", "orders");
    assert!(!path.contains('{'), "nothing belongs into {path}");
    let call = Call::new(&operation.method, &path);
    if operation.method == "POST" || operation.method == "PUT" { call.json(&json!({})) } else { call }
}

#[tokio::test]
async fn every_route_opens_only_to_keys_with_its_scope() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let belongings = belongings(&gateway).await;
    for has in Scope::ALL {
        let key = gateway.key_of("bystander", &[has.as_str()]).await;
        let scopes = Scopes::parse(&[has.as_str().to_owned()]);
        for operation in operations() {
            let response = gateway.send(call(&operation, &belongings).key(&key)).await;
            let (status, place) = (response.status().as_u16(), format!("{} {}", operation.method, operation.path));
            assert_eq!(status == 403, !scopes.allow(operation.scope), "{place} with {}: {status}", has.as_str());
            assert_ne!(status, 401, "{place}");
        }
    }
    for operation in operations() {
        let answer = gateway.call(call(&operation, &belongings).without_key()).await;
        assert_eq!(answer.code(), "unauthorized", "{} {}", operation.method, operation.path);
    }
}

#[tokio::test]
async fn no_route_shows_or_changes_what_belongs_to_another_tenant() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let belongings = belongings(&gateway).await;
    let other = gateway.key_of("other", &["admin"]).await;
    let before = everything(&gateway).await;
    let mut made = Vec::new();
    for operation in operations() {
        let place = format!("{} {}", operation.method, operation.path);
        if operation.path.ends_with("/stream") {
            continue;
        }
        let answer = gateway.call(call(&operation, &belongings).key(&other)).await;
        let shared = ["/api/v1/providers", "/api/v1/nodes"].iter().any(|path| operation.path.starts_with(path));
        if operation.path.contains('{') && !shared {
            // Creating one's own thing of the same name is no reach into another's.
            let own = operation.method == "PUT" || made.contains(&operation.path);
            if operation.method == "PUT" && answer.status.is_success() {
                made.push(operation.path.clone());
            }
            assert!(own || answer.status.is_client_error(), "{place}: {answer:?}");
        }
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("canary"), "{place}: {text}");
        if operation.path.starts_with("/api/v1/audit") {
            assert_eq!(whose_log(&text), BTreeSet::from([other.split('_').nth(1).expect("an id")]), "{place}: {text}");
        } else if operation.method == "GET" && !operation.path.contains('{') && !shared {
            let data = answer.json()["data"].as_array().cloned().unwrap_or_default();
            let own_key = operation.path.ends_with("/api-keys");
            assert_eq!(data.len(), usize::from(own_key), "{place}: {text}");
        }
    }
    assert_eq!(everything(&gateway).await, before);
}

/// Who stands in a log, as it is listed or exported.
fn whose_log(text: &str) -> BTreeSet<&str> {
    let named = text.split("\"who_id\":\"").skip(1);
    named.filter_map(|rest| rest.split('"').next()).collect()
}

/// What the default tenant sees of its own.
async fn everything(gateway: &Gateway) -> Vec<Value> {
    let mut all = Vec::new();
    for noun in ["events", "deliveries", "requests", "replays", "sources", "destinations", "routes", "listeners"] {
        let path = format!("/api/v1/{noun}");
        let settled = |list: &Value| list["data"].as_array().is_some_and(|rows| rows.iter().all(is_settled));
        all.push(gateway.until(&path, settled).await);
    }
    let mut keys = gateway.call(Call::get("/api/v1/api-keys")).await.json();
    for key in keys["data"].as_array_mut().expect("a list") {
        key["last_used_at"] = Value::Null;
    }
    all.push(keys);
    all.push(gateway.call(Call::get("/api/v1/audit?limit=500")).await.json());
    all
}

fn is_settled(row: &Value) -> bool {
    !["running", "pending", "in_flight"].iter().any(|state| row["state"] == *state)
}
