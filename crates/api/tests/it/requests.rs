//! Requests that were refused: seen without their credentials, and judged again.

use serde_json::json;

use crate::gateway::{Call, Gateway};

#[tokio::test]
async fn a_rejected_request_is_shown_with_its_reason_and_without_credentials() {
    let gateway = Gateway::start().await;
    let hook = Call::post("/in/github?token=canary&a=b")
        .without_key()
        .header("x-hub-signature-256", "sha256=canary")
        .header("authorization", "Basic canary")
        .header("cookie", "a=canary")
        .header("x-github-event", "push")
        .bytes("{\"zen\":1}");
    assert_eq!(gateway.call(hook).await.status, 401);
    let list = gateway.call(Call::get("/api/v1/requests?verdict=rejected&source=github")).await;
    let row = list.json()["data"][0].clone();
    assert!(row["reason"]["code"].is_string() && row["reason"]["detail"].is_string(), "{row}");
    assert_eq!(row["url"], "http://localhost:8080/in/github?token=***&a=b");
    let detail = gateway.call(Call::get(&format!("/api/v1/requests/{}", row["id"].as_str().expect("an id")))).await;
    assert_eq!(detail.json()["data"], json!({ "zen": 1 }));
    for answer in [&list, &detail] {
        assert!(!String::from_utf8_lossy(&answer.body).contains("canary"), "{answer:?}");
    }
    let headers = detail.json()["headers"].clone();
    assert!(headers.as_array().is_some_and(|all| all.contains(&json!(["x-github-event", "push"]))), "{headers}");
}

#[tokio::test]
async fn a_request_becomes_an_event_once_its_source_is_right() {
    let gateway = Gateway::start().await;
    let source = |provider: &str, secret: serde_json::Value| {
        let mut webhook = json!({ "provider": provider });
        if !secret.is_null() {
            webhook["secret"] = secret;
        }
        Call::new("PUT", "/api/v1/sources/late").json(&json!({ "webhook": webhook }))
    };
    assert_eq!(gateway.call(source("github", json!("a secret that is wrong"))).await.status, 200);
    assert_eq!(gateway.call(Call::post("/in/late").without_key().bytes("{}")).await.status, 401);
    let id = gateway.call(Call::get("/api/v1/requests")).await.ids().remove(0);
    let again = || Call::post(&format!("/api/v1/requests/{id}/reverify"));
    assert_eq!(gateway.call(again()).await.json()["verdict"], "rejected");
    assert_eq!(gateway.call(source("none", serde_json::Value::Null)).await.status, 200);
    let accepted = gateway.call(again()).await.json();
    assert_eq!((&accepted["verdict"], accepted["events"].as_array().map(Vec::len)), (&json!("accepted"), Some(1)));
    assert_eq!(gateway.call(again()).await.code(), "conflict");
    assert_eq!(gateway.call(Call::get("/api/v1/events?source=late")).await.ids().len(), 1);
}
