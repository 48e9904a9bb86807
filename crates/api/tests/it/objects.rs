//! Sources, destinations and routes through the API.

use std::sync::Arc;

use connectors::provider::{Catalogue, Recipe};
use engine::spec::Specs;
use serde_json::{Value, json};

use crate::gateway::{Call, GITHUB_SECRET, Gateway};

#[tokio::test]
async fn what_the_file_defines_is_seen_but_changed_only_there() {
    let gateway = Gateway::start().await;
    let source = gateway.call(Call::get("/api/v1/sources/github")).await;
    let body = source.json();
    assert_eq!((&body["managed_by"], &body["url"]), (&json!("file"), &json!("/in/github")));
    assert!(!String::from_utf8_lossy(&source.body).contains(GITHUB_SECRET));
    let definition = json!({ "publish": true });
    let named = json!({ "name": "github", "publish": true });
    for call in [
        Call::new("PUT", "/api/v1/sources/github").json(&definition),
        Call::post("/api/v1/sources").json(&named),
        Call::new("DELETE", "/api/v1/sources/github"),
    ] {
        let answer = gateway.call(call).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (409, "managed_by_file"));
    }
}

#[tokio::test]
async fn objects_are_created_once_replaced_listed_and_removed() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    for (nouns, name) in [("sources", "own"), ("destinations", "app"), ("routes", "own-app")] {
        let path = format!("/api/v1/{nouns}/{name}");
        let shown = gateway.call(Call::get(&path)).await.json();
        assert_eq!((&shown["name"], &shown["managed_by"]), (&json!(name), &json!("api")), "{shown}");
        let names: Vec<Value> = gateway.call(Call::get(&format!("/api/v1/{nouns}"))).await.json()["data"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|row| row["name"].clone())
            .collect();
        assert!(names.contains(&json!(name)), "{names:?}");
        let mut definition = shown["definition"].clone();
        let same = gateway.call(Call::new("PUT", &path).json(&definition)).await;
        assert_eq!(same.status, 200, "what is shown can be written back: {same:?}");
        definition["name"] = json!(name);
        let taken = gateway.call(Call::post(&format!("/api/v1/{nouns}")).json(&definition)).await;
        assert_eq!(taken.code(), "conflict");
    }
    let needed = gateway.call(Call::new("DELETE", "/api/v1/destinations/app")).await;
    assert_eq!(needed.code(), "definition_invalid", "a route still needs it");
    for path in ["/api/v1/routes/own-app", "/api/v1/destinations/app", "/api/v1/sources/own"] {
        assert_eq!(gateway.call(Call::new("DELETE", path)).await.status, 204, "{path}");
        assert_eq!(gateway.call(Call::get(path)).await.code(), "not_found");
        assert_eq!(gateway.call(Call::new("DELETE", path)).await.code(), "not_found");
    }
}

#[tokio::test]
async fn a_source_that_could_not_be_read_as_it_says_is_refused_with_the_reason() {
    let gateway = Gateway::start().await;
    let cases = [
        (json!({ "budget": "60/h", "streams": { "customers": { "poll": "30s" } } }), "budget", "an interval of 1m"),
        (json!({ "streams": { "custmers": { "poll": "30s" } } }), "streams.custmers", "did you mean 'customers'?"),
        (json!({ "streams": { "customers": { "poll": "0s" } } }), "streams.customers.poll", "from 1s to 366d"),
        (
            json!({ "streams": { "customers": { "poll": { "cron": "*/10 * * * * *" } } } }),
            "streams.customers.poll.cron",
            "five fields",
        ),
        (
            json!({ "streams": { "customers": { "reconcile": { "every": "1h", "lookback": "1m", "grace": "1h" } } } }),
            "streams.customers.reconcile.grace",
            "old enough",
        ),
    ];
    for (mut body, field, says) in cases {
        body["connector"] = json!("stripe");
        body["config"] = json!({ "secret_key": "sk_test_made_up", "start_date": "2024-01-01T00:00:00Z" });
        let answer = gateway.call(Call::new("PUT", "/api/v1/sources/shop").json(&body)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "definition_invalid"), "{answer:?}");
        let errors = answer.json()["errors"].clone();
        let told = errors.as_array().expect("a list").iter().find(|error| error["field"] == field);
        let told = told.unwrap_or_else(|| panic!("{field} in {errors}"));
        assert!(told["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{says} in {told}");
        assert_eq!(gateway.call(Call::get("/api/v1/sources/shop")).await.code(), "not_found", "nothing was made");
    }
}

#[tokio::test]
async fn every_mistake_of_a_definition_is_told_at_once() {
    let gateway = Gateway::start().await;
    let body =
        json!({ "http": { "url": "http://169.254.169.254/", "unsigned": true }, "rate_limit": "fast", "retri": {} });
    let answer = gateway.call(Call::new("PUT", "/api/v1/destinations/bad").json(&body)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "definition_invalid"));
    let errors = answer.json()["errors"].clone();
    let fields: Vec<&str> = errors.as_array().expect("a list").iter().filter_map(|e| e["field"].as_str()).collect();
    for field in ["rate_limit", "retri", "http.url"] {
        assert!(fields.contains(&field), "{field} in {errors}");
    }
    assert_eq!(gateway.call(Call::get("/api/v1/destinations/bad")).await.code(), "not_found");
    let nameless = gateway.call(Call::post("/api/v1/sources").json(&json!({ "publish": true }))).await;
    assert_eq!(nameless.code(), "invalid_body");
    let odd = gateway.call(Call::post("/api/v1/sources").json(&json!({ "name": "a/b", "publish": true }))).await;
    assert!(odd.status.is_client_error(), "{odd:?}");
}

#[tokio::test]
async fn a_destination_is_paused_disabled_and_resumed_and_keeps_what_it_holds() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let act = |verb: &str| Call::post(&format!("/api/v1/destinations/app/{verb}"));
    let paused = gateway.call(act("pause").json(&json!({ "reason": "maintenance" }))).await.json();
    assert_eq!((&paused["state"], &paused["reason"]), (&json!("paused"), &json!("maintenance")));
    gateway.publish("order.created").await;
    let held = gateway.until("/api/v1/deliveries", |list| list["data"][0]["state"] == "held").await;
    let detail = gateway.call(Call::get("/api/v1/destinations/app")).await.json();
    assert_eq!(detail["backlog"]["held"], 1, "{detail}");
    assert_eq!(gateway.call(act("resume")).await.json()["state"], "active");
    let path = format!("/api/v1/deliveries/{}", held["data"][0]["id"].as_str().expect("an id"));
    gateway.until(&path, |delivery| delivery["state"] == "delivered").await;
    assert_eq!(gateway.call(act("disable").json(&json!({}))).await.json()["state"], "disabled");
    let alerts = gateway.call(Call::get("/api/v1/alerts?open=true")).await.json();
    assert_eq!(alerts["data"][0]["object"], "destination/app", "{alerts}");
    let resolve =
        || Call::post(&format!("/api/v1/alerts/{}/resolve", alerts["data"][0]["id"].as_str().expect("an id")));
    assert!(gateway.call(resolve()).await.json()["resolved_at"].is_string());
    assert_eq!(gateway.call(Call::get("/api/v1/alerts?open=true")).await.json()["data"], json!([]));
    assert_eq!(gateway.call(resolve()).await.code(), "not_found");
    let long = json!({ "reason": "x".repeat(501) });
    assert_eq!(gateway.call(act("pause").json(&long)).await.code(), "invalid_body");
    let unknown = Call::post("/api/v1/destinations/nope/resume");
    assert_eq!(gateway.call(unknown).await.code(), "not_found");
}

#[tokio::test]
async fn what_is_built_in_is_listed() {
    let gateway = Gateway::start().await;
    let providers = gateway.call(Call::get("/api/v1/providers?limit=500")).await.json();
    let names: Vec<&str> =
        providers["data"].as_array().expect("a list").iter().filter_map(|row| row["name"].as_str()).collect();
    assert!(names.contains(&"github") && names.is_sorted(), "{names:?}");
    let stripe = gateway.call(Call::get("/api/v1/providers/stripe")).await.json();
    assert_eq!(stripe["origin"], "built_in");
    assert_eq!(stripe["secrets"][0]["name"], "signing", "{stripe}");
    let nodes = gateway.call(Call::get("/api/v1/nodes")).await.json();
    assert_eq!((&nodes["data"][0]["name"], &nodes["data"][0]["ready"]), (&json!("local"), &json!(true)));
}

#[tokio::test]
async fn the_schema_of_recipes_is_handed_out_to_anyone() {
    let gateway = Gateway::start().await;
    let answer = gateway.call(Call::get("/schemas/provider.json").without_key()).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["else"]["$ref"]), (200, &json!("#/$defs/RecipeSpec")));
}

#[tokio::test]
async fn a_recipe_of_the_owner_is_listed_and_can_be_named() {
    let text = "provider: ours\ntitle: Ours\ndocs: https://ours.example\n\
        secrets: [{ role: token, about: a token }]\n\
        verify: { token: { key: token, from: { header: x-token } } }\n\
        event: { type: [[{ json: /type }]], type_otherwise: unknown }\n\
        facts: { as_of: 2026-01-31, source: https://ours.example }\n";
    let catalogue =
        Catalogue::with_own([Recipe::from_yaml("ours.yaml", text).expect("a recipe")]).expect("its own name");
    let gateway = Gateway::start().await;
    let source = json!({ "name": "mine", "webhook": { "provider": "ours", "secret": "hunter2" } });
    let refused = gateway.call(Call::post("/api/v1/sources").json(&source)).await;
    assert_eq!(refused.status, 422, "{refused:?}");

    let specs = Specs { catalogue: Arc::new(catalogue), ..Specs::default() };
    gateway.engine.configure(specs).await.expect("valid");
    gateway.make("sources", source).await;
    let ours = gateway.call(Call::get("/api/v1/providers/ours")).await.json();
    assert_eq!((&ours["origin"], &ours["secrets"][0]["name"]), (&json!("own"), &json!("token")));
    let listed = gateway.call(Call::get("/api/v1/providers?limit=500")).await.json();
    let names: Vec<_> = listed["data"].as_array().expect("a list").iter().map(|row| &row["name"]).collect();
    assert!(names.contains(&&json!("ours")) && names.contains(&&json!("github")), "{names:?}");

    gateway.engine.configure(Specs::default()).await.expect_err("a source of the API still names it");
    assert_eq!(gateway.call(Call::get("/api/v1/providers/ours")).await.status, 200, "nothing was changed");
}
