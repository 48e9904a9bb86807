//! The audit log through the API: what leaves an entry, who reads it, and that it holds.

use domain::audit::{Line, Verifier};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::gateway::{Call, Gateway};

async fn entries(gateway: &Gateway, query: &str) -> Vec<Value> {
    let answer = gateway.call(Call::get(&format!("/api/v1/audit?{query}"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["data"].as_array().expect("a list").clone()
}

fn told(entry: &Value) -> String {
    let text = |at: &str| entry[at].as_str().unwrap_or_default().to_owned();
    format!("{} {} {}", text("action"), text("object"), text("outcome"))
}

#[tokio::test]
async fn what_was_done_and_what_failed_stand_in_the_log_once_with_who_did_it() {
    let gateway = Gateway::with_routes(Default::default()).await;
    let pause = Call::post("/api/v1/destinations/app/pause").json(&json!({ "reason": "maintenance" }));
    assert_eq!(gateway.call(pause).await.status, 200);
    assert_eq!(gateway.call(Call::post("/api/v1/destinations/none/resume")).await.status, 404);
    let all = entries(&gateway, "limit=9").await;
    let expected = [
        "destination.resume destination/none failed",
        "destination.pause destination/app done",
        "route.create route/own-app done",
        "destination.create destination/app done",
        "source.create source/own done",
        "source.create source/hooks done",
        "file.apply file done",
    ];
    assert_eq!(all.iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!(all[0]["detail"], "404 not_found");
    assert_eq!(all[1]["who"], "key");
    assert!(gateway.admin.contains(all[1]["who_id"].as_str().expect("an id")), "{}", all[1]);
    assert!(all[1]["began"].as_u64() < all[1]["sequence"].as_u64());
    let begun = entries(&gateway, "outcome=begun").await;
    assert!(begun.is_empty(), "all of it has ended: {begun:?}");
}

#[tokio::test]
async fn a_key_is_told_by_its_name_and_never_by_its_text() {
    let gateway = Gateway::start().await;
    let made = gateway.call(Call::post("/api/v1/api-keys").json(&json!({ "scopes": ["read"] }))).await.json();
    let (id, text) = (made["id"].as_str().expect("an id"), made["key"].as_str().expect("shown once"));
    let path = format!("/api/v1/api-keys/{id}");
    assert_eq!(gateway.call(Call::new("DELETE", &path)).await.status, 204);
    let all = entries(&gateway, "action=key.*").await;
    let expected = [format!("key.revoke key/{id} done"), format!("key.create key/{id} done")];
    assert_eq!(all.iter().map(told).collect::<Vec<_>>(), expected);
    let export = gateway.call(Call::get("/api/v1/audit/export")).await;
    assert!(!String::from_utf8_lossy(&export.body).contains(text), "the key stands in the log");
}

#[tokio::test]
async fn what_a_key_may_not_do_is_written_down_a_few_times_and_then_by_number() {
    let gateway = Gateway::start().await;
    let reader = gateway.key_of("default", &["read"]).await;
    for _ in 0..30 {
        let call = Call::post("/api/v1/destinations/app/pause").key(&reader);
        assert_eq!(gateway.call(call).await.status, 403);
    }
    let refused = entries(&gateway, "outcome=refused").await;
    assert_eq!(refused.len(), 10);
    assert_eq!(told(&refused[0]), "destination.pause destination/app refused");
    assert_eq!(gateway.call(Call::get("/api/v1/audit").key(&reader)).await.status, 403);
    assert_eq!(gateway.call(Call::get("/api/v1/audit/export").key(&reader)).await.status, 403);
    let exports = entries(&gateway, "action=audit.export").await;
    assert_eq!(exports.len(), 1, "that somebody wanted the whole log is told");
}

#[tokio::test]
async fn many_calls_at_once_make_one_whole_chain_and_its_export_holds() {
    let gateway = Gateway::start().await;
    let call = |number: usize| gateway.call(Call::post(&format!("/api/v1/destinations/none-{number}/resume")));
    for answer in join_all((0..40).map(call)).await {
        assert_eq!(answer.status, 404);
    }
    let export = gateway.call(Call::get("/api/v1/audit/export")).await;
    assert_eq!(export.status, 200);
    let (mut verifier, mut is_over) = (Verifier::new(None), false);
    for line in String::from_utf8_lossy(&export.body).lines() {
        let line = Line::parse(line).expect("a line of an export");
        is_over = matches!(line, Line::End { .. });
        verifier.line(line).expect("names");
    }
    assert!(is_over, "the last line says that it is whole");
    let verdict = verifier.finish();
    assert!(verdict.holds(), "{verdict:?}");
    assert!(verdict.entries >= 81, "each call is two entries, and the export is one: {}", verdict.entries);
    let exports = entries(&gateway, "action=audit.export").await;
    assert_eq!(exports.len(), 1);
}
