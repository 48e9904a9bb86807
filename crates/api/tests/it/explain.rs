//! Why a delivery failed, why a request was rejected, and what a route would make of an event.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::gateway::{Call, GITHUB_SECRET, Gateway};

fn rules(explained: &Value) -> Vec<String> {
    let diagnoses = explained["diagnoses"].as_array().expect("a list");
    diagnoses.iter().map(|diagnosis| diagnosis["rule"].as_str().expect("a name").to_owned()).collect()
}

async fn explained(gateway: &Gateway, nouns: &str, id: &str) -> Value {
    gateway.call(Call::get(&format!("/api/v1/{nouns}/{id}/explain"))).await.json()
}

/// The delivery of a new event, once it is dead.
async fn dead(gateway: &Gateway, status: u16) -> String {
    gateway.sink.status.store(status, Ordering::Relaxed);
    let event = gateway.publish("order.created").await;
    let path = format!("/api/v1/events/{event}");
    let shown = gateway.until(&path, |event| event["deliveries"][0]["state"] == "dead").await;
    shown["deliveries"][0]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_dead_letter_is_explained_by_what_its_destination_answered() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    for (status, rule) in
        [(413, "body_too_large"), (301, "redirected"), (401, "unauthorized"), (415, "wrong_content_type")]
    {
        let id = dead(&gateway, status).await;
        let explained = explained(&gateway, "deliveries", &id).await;
        assert!(rules(&explained).contains(&rule.to_owned()), "{status}: {explained}");
        assert_eq!(explained["model_available"], false);
        let first = &explained["diagnoses"][0];
        assert!(first["cause"].is_string() && first["next"].is_string() && first["certainty"].is_string(), "{first}");
    }
    let asked = gateway.call(Call::post(&format!("/api/v1/deliveries/{}/explain", dead(&gateway, 500).await))).await;
    assert_eq!(asked.json()["model"]["problem"]["code"], "model_none", "{asked:?}");
}

#[tokio::test]
async fn what_was_delivered_needs_no_explanation_and_what_is_not_there_has_none() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let event = gateway.publish("order.created").await;
    let path = format!("/api/v1/events/{event}");
    let shown = gateway.until(&path, |event| event["deliveries"][0]["state"] == "delivered").await;
    let id = shown["deliveries"][0]["id"].as_str().expect("an id");
    assert_eq!(explained(&gateway, "deliveries", id).await["diagnoses"], json!([]));
    for path in ["deliveries/dlv_00000000000000000000000000", "requests/req_00000000000000000000000000"] {
        assert_eq!(gateway.call(Call::get(&format!("/api/v1/{path}/explain"))).await.code(), "not_found");
    }
}

fn signed(secret: &str, body: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = ring::hmac::sign(&key, body.as_bytes());
    format!("sha256={}", data_encoding::HEXLOWER.encode(tag.as_ref()))
}

/// A request to `source` signed with this secret over `signed_body`; gives what is said of its rejection.
async fn rejected(gateway: &Gateway, source: &str, secret: &str, signed_body: &str, body: &str) -> Value {
    let hook = Call::post(&format!("/in/{source}")).without_key().header("content-type", "application/json");
    let hook = hook.header("x-github-event", "push").header("x-github-delivery", body.len().to_string());
    let hook = hook.header("x-hub-signature-256", signed(secret, signed_body)).bytes(body);
    assert_eq!(gateway.call(hook).await.status, 401);
    let id = gateway.call(Call::get(&format!("/api/v1/requests?source={source}"))).await.ids().remove(0);
    explained(gateway, "requests", &id).await
}

#[tokio::test]
async fn a_wrong_signature_is_explained_by_what_would_have_been_right() {
    let gateway = Gateway::start().await;
    let hub = |secret: &str| json!({ "webhook": { "provider": "github", "secret": secret } });
    for (name, secret) in [("one", "canary of one\n"), ("two", "canary of two")] {
        let put = Call::new("PUT", &format!("/api/v1/sources/{name}")).json(&hub(secret));
        assert_eq!(gateway.call(put).await.status, 200);
    }
    let (compact, spaced) = (r#"{"a":1,"b":[2,3]}"#, r#"{ "a": 1, "b": [ 2, 3 ] }"#);
    let cases = [
        ("one", "canary of one", compact, compact, "secret_with_blanks"),
        ("github", "canary of two", compact, compact, "secret_of_another_source"),
        ("github", GITHUB_SECRET, compact, spaced, "body_rewritten"),
        ("github", GITHUB_SECRET, "{\n  \"a\": 1\n}", r#"{"a":1}"#, "body_rewritten"),
        ("github", "something else", compact, compact, "secret_never_fitted"),
    ];
    for (source, secret, signed_body, body, rule) in cases {
        let explained = rejected(&gateway, source, secret, signed_body, body).await;
        assert_eq!(rules(&explained), [rule], "{source} {explained}");
        assert!(!explained.to_string().contains("canary"), "no secret is shown: {explained}");
    }
    let late = Call::new("PUT", "/api/v1/sources/one").json(&hub("canary of one"));
    assert_eq!(gateway.call(late).await.status, 200);
    let id = gateway.call(Call::get("/api/v1/requests?source=one")).await.ids().remove(0);
    assert_eq!(
        rules(&explained(&gateway, "requests", &id).await),
        ["secret_fits_now"],
        "the secret was corrected meanwhile"
    );
    let explained = rejected(&gateway, "github", "something else", "{}", r#"{"livemode":false}"#).await;
    assert_eq!(rules(&explained), ["secret_never_fitted"], "nothing speaks of a test where nothing was ever accepted");
}

#[tokio::test]
async fn a_route_is_tried_with_changes_beside_what_it_made_before() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let put = json!({ "from": "own", "to": "app", "map": "{ 'n': data.n }" });
    assert_eq!(gateway.call(Call::new("PUT", "/api/v1/routes/own-app").json(&put)).await.status, 200);
    let event = gateway.publish("order.created").await;
    let path = format!("/api/v1/events/{event}");
    gateway.until(&path, |event| event["deliveries"][0]["state"] == "delivered").await;
    let tried = async |more: Value| {
        let mut wish = more;
        wish["event"] = json!(event);
        gateway.call(Call::post("/api/v1/routes/own-app/try").json(&wish)).await
    };
    let same = tried(json!({})).await.json();
    assert_eq!((&same["when"], &same["result"]["data"]), (&json!("passes"), &json!({ "n": 1 })), "{same}");
    assert_eq!((&same["before"]["state"], &same["before"]["made"]["data"]), (&json!("delivered"), &json!({ "n": 1 })));
    let changed = tried(json!({ "when": "data.n > 1", "map": "{ 'm': data.n + 1 }" })).await.json();
    assert_eq!((&changed["when"], &changed["result"]["data"]), (&json!("stopped"), &json!({ "m": 2 })), "{changed}");
    let whole = tried(json!({ "map": "" })).await.json();
    assert_eq!(whole["result"]["data"]["id"], json!(event), "without a map it is the envelope");
    let broken = tried(json!({ "when": "data.n >" })).await.json();
    assert!(broken["when"] == "failed" && broken["when_problem"].is_string(), "{broken}");
    let nothing = tried(json!({ "map": "data.absent" })).await.json();
    assert!(nothing.get("result").is_none() && nothing["result_problem"].is_string(), "{nothing}");
    let unknown = Call::post("/api/v1/routes/nobody/try").json(&json!({ "event": event }));
    assert_eq!(gateway.call(unknown).await.code(), "not_found");
}
