//! Requests that were refused: seen without their credentials, and judged again.

use domain::{EventId, Tenant};
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

#[tokio::test]
async fn a_token_in_a_header_of_any_name_is_neither_shown_nor_kept_with_an_event() {
    let gateway = Gateway::start().await;
    let webhook = json!({ "webhook": { "provider": "strapi", "secret": "canary-4711", "header": "X-From-Cms" } });
    assert_eq!(gateway.call(Call::new("PUT", "/api/v1/sources/cms").json(&webhook)).await.status, 200);
    let hook = || Call::post("/in/cms").without_key().header("x-from-cms", "canary-4711").header("x-deck", "upper");
    let unreadable = hook().header("content-encoding", "gzip").bytes("this is not packed");
    assert_eq!(gateway.call(unreadable).await.status, 401);
    let accepted = gateway.call(hook().json(&json!({ "event": "entry.create" }))).await.json();
    let event: EventId = accepted["events"][0]["id"].as_str().expect("an id").parse().expect("an id");
    let kept = gateway.engine.store().event(Tenant::default_tenant(), event).await.expect("read").expect("there");
    let head = String::from_utf8_lossy(&kept.event.head).into_owned();
    assert!(head.contains("x-from-cms: ***") && head.contains("x-deck: upper"), "{head}");

    let list = gateway.call(Call::get("/api/v1/requests?verdict=rejected&source=cms")).await;
    let path = format!("/api/v1/requests/{}", list.ids().remove(0));
    let detail = gateway.call(Call::get(&path)).await;
    assert!(detail.json()["headers"].as_array().is_some_and(|all| all.contains(&json!(["x-deck", "upper"]))));
    assert_eq!(gateway.call(Call::new("DELETE", "/api/v1/sources/cms")).await.status, 204);
    let of_no_source = gateway.call(Call::get(&path)).await;
    for answer in [&list, &detail, &of_no_source] {
        assert_eq!(answer.status, 200);
        assert!(!String::from_utf8_lossy(&answer.body).contains("canary"), "{answer:?}");
    }
}
