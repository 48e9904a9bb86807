//! Secrets that senders hand over: only while a person waits for one, once, and shown to nobody who need not see them.

use data_encoding::HEXLOWER;
use ring::hmac;
use serde_json::{Value, json};

use crate::gateway::{Answer, Call, Gateway};

const SECRET: &str = "9d2f6b1c8e4a7053b1d8f6a2c4e09b7d8f2b6d1c9e4a7053b1d8f6a2c4e09b7e";
const ATTACKER: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const TOKEN: &str = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl";

fn hand_over(path: &str, secret: &str) -> Call {
    Call::post(path).without_key().header("x-hook-secret", secret).bytes("{}")
}

fn event(path: &str, header: &str, prefix: &str, secret: &str) -> Call {
    let body = r#"{"events":[{"action":"changed","resource":{"gid":"1","resource_type":"task"}}]}"#;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    let signature = format!("{prefix}{}", HEXLOWER.encode(tag.as_ref()));
    Call::post(path).without_key().header("content-type", "application/json").header(header, signature).bytes(body)
}

fn asana(path: &str, secret: &str) -> Call {
    event(path, "x-hook-signature", "", secret)
}

async fn gateway(provider: &str) -> Gateway {
    let gateway = Gateway::start().await;
    let connections = json!({ "acme": {} });
    let source = json!({ "name": "hooks", "webhook": { "provider": provider }, "connections": connections });
    gateway.make("sources", source).await;
    gateway
}

async fn pair(gateway: &Gateway, wish: Value) -> Answer {
    gateway.call(Call::post("/api/v1/sources/hooks/pair").json(&wish)).await
}

async fn pairing(gateway: &Gateway) -> Value {
    gateway.call(Call::get("/api/v1/sources/hooks/pairing")).await.json()
}

async fn status(gateway: &Gateway, call: Call) -> u16 {
    gateway.call(call).await.status.as_u16()
}

#[tokio::test]
async fn threat_05_an_attacker_pairs_neither_before_nor_after_the_sender() {
    let gateway = gateway("asana").await;
    let before = gateway.call(hand_over("/in/hooks", ATTACKER)).await;
    assert_eq!((before.status.as_u16(), before.code().as_str()), (401, "ingest_rejected"));
    assert_eq!(status(&gateway, asana("/in/hooks", SECRET)).await, 401, "not paired yet");
    assert_eq!(pair(&gateway, json!({})).await.status, 200);
    let taken = gateway.call(hand_over("/in/hooks", SECRET)).await;
    assert_eq!((taken.status.as_u16(), &taken.headers["x-hook-secret"]), (200, &SECRET.parse().expect("a value")));
    let again = gateway.call(hand_over("/in/hooks", ATTACKER)).await;
    assert_eq!((again.status, &again.body), (before.status, &before.body), "the answer does not tell");
    assert!(!again.headers.contains_key("x-hook-secret"));
    assert_eq!(status(&gateway, asana("/in/hooks", SECRET)).await, 200);
    assert_eq!(status(&gateway, asana("/in/hooks", ATTACKER)).await, 401);
    let kept = gateway.call(Call::get("/api/v1/requests?reason=not_pairing")).await.json();
    assert_eq!(kept["data"].as_array().map(Vec::len), Some(2), "{kept}");
    assert_eq!(kept["data"][0]["body_bytes"], 0);
    assert!(!kept.to_string().contains(ATTACKER), "what was not believed is not shown either");
}

#[tokio::test]
async fn threat_05_of_two_secrets_that_come_at_once_one_is_taken() {
    let gateway = gateway("asana").await;
    assert_eq!(pair(&gateway, json!({})).await.status, 200);
    let secrets: Vec<String> = (0..8).map(|number| format!("{number:064}")).collect();
    let sent = secrets.iter().map(|secret| gateway.call(hand_over("/in/hooks", secret)));
    let taken = futures_util::future::join_all(sent).await.into_iter().filter(|answer| answer.status == 200).count();
    let paired = pairing(&gateway).await;
    assert_eq!((taken, paired["paired"].as_array().map(Vec::len)), (1, Some(1)), "{paired}");
}

#[tokio::test]
async fn waiting_is_for_one_account_and_ends_when_a_person_says_so() {
    let gateway = gateway("asana").await;
    let waiting = pair(&gateway, json!({ "connection": "acme", "minutes": 60 })).await.json();
    assert_eq!(waiting["waiting"][0]["connection"], "acme");
    assert_eq!(status(&gateway, hand_over("/in/hooks", SECRET)).await, 401, "the source itself does not wait");
    assert_eq!(status(&gateway, hand_over("/in/hooks/acme", SECRET)).await, 200);
    assert_eq!(status(&gateway, asana("/in/hooks/acme", SECRET)).await, 200);
    assert_eq!(pair(&gateway, json!({})).await.status, 200);
    assert_eq!(status(&gateway, Call::new("DELETE", "/api/v1/sources/hooks/pair")).await, 204);
    assert_eq!(status(&gateway, hand_over("/in/hooks", ATTACKER)).await, 401);
    let id = pairing(&gateway).await["paired"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(status(&gateway, Call::new("DELETE", &format!("/api/v1/sources/hooks/pairing/{id}"))).await, 204);
    assert_eq!(status(&gateway, asana("/in/hooks/acme", SECRET)).await, 401, "it is trusted no more");
    for (wish, code) in [
        (json!({ "minutes": 61 }), "invalid_body"),
        (json!({ "minutes": 0 }), "invalid_body"),
        (json!({ "connection": "nobody" }), "not_found"),
    ] {
        assert_eq!(pair(&gateway, wish.clone()).await.code(), code, "{wish}");
    }
    let github = Call::post("/api/v1/sources/github/pair").json(&json!({}));
    assert_eq!(gateway.call(github).await.code(), "pairing_not_offered");
}

#[tokio::test]
async fn a_secret_that_the_sender_wants_back_is_shown_once_and_to_an_admin_only() {
    let gateway = gateway("notion").await;
    assert_eq!(pair(&gateway, json!({})).await.status, 200);
    let token = json!({ "verification_token": TOKEN });
    assert_eq!(status(&gateway, Call::post("/in/hooks").without_key().json(&token)).await, 200);
    assert_eq!(status(&gateway, event("/in/hooks", "x-notion-signature", "sha256=", TOKEN)).await, 200);
    let shown = pairing(&gateway).await;
    assert!(!shown.to_string().contains(TOKEN), "listing never shows it");
    let path = format!("/api/v1/sources/hooks/pairing/{}/hand-back", shown["paired"][0]["id"].as_str().expect("an id"));
    let reader = gateway.key_of("default", &["read", "operate"]).await;
    assert_eq!(gateway.call(Call::post(&path).key(&reader)).await.code(), "forbidden");
    let back = gateway.call(Call::post(&path)).await;
    assert_eq!(
        (back.json(), &back.headers["cache-control"]),
        (json!({ "secret": TOKEN }), &"no-store".parse().expect("a value"))
    );
    assert_eq!(gateway.call(Call::post(&path)).await.code(), "state_refused");
    assert_eq!(pairing(&gateway).await["paired"][0]["hand_back_until"], Value::Null);
}

#[tokio::test]
async fn a_source_of_the_same_name_trusts_no_former_sender() {
    let gateway = gateway("asana").await;
    assert_eq!(pair(&gateway, json!({})).await.status, 200);
    assert_eq!(status(&gateway, hand_over("/in/hooks", SECRET)).await, 200);
    assert_eq!(status(&gateway, Call::new("DELETE", "/api/v1/sources/hooks")).await, 204);
    gateway.make("sources", json!({ "name": "hooks", "webhook": { "provider": "asana" } })).await;
    assert_eq!(status(&gateway, asana("/in/hooks", SECRET)).await, 401);
}
