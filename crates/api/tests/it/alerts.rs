//! Alerts by the API: who looks after one, and whether people can be told.

use std::sync::atomic::Ordering;

use domain::Tenant;
use domain::alert::Severity;
use engine::spec::{AlertingSpec, ChannelSpec, Secret, Specs, Way};
use serde_json::{Value, json};

use crate::gateway::{Call, Gateway};

async fn open(gateway: &Gateway) -> Value {
    gateway.call(Call::get("/api/v1/alerts?open=true")).await.json()["data"].clone()
}

#[tokio::test]
async fn an_alert_says_what_it_is_and_who_looks_after_it() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let why = json!({ "reason": "it moved" });
    let disabled = gateway.call(Call::post("/api/v1/destinations/app/disable").json(&why)).await;
    assert_eq!(disabled.status, 200);
    let alert = open(&gateway).await[0].clone();
    assert_eq!([&alert["kind"], &alert["severity"], &alert["state"]], ["destination_disabled", "critical", "open"]);
    assert_eq!(
        [&alert["cause"], &alert["acknowledged_by"]],
        [&json!("destination_disabled/destination/app"), &Value::Null]
    );
    assert!(alert["advice"].as_str().is_some_and(|advice| advice.ends_with('.')), "{alert}");
    let act = |act: &str| {
        let id = alert["id"].as_str().expect("an id");
        Call::post(&format!("/api/v1/alerts/{id}/{act}")).json(&json!({}))
    };
    let known = gateway.call(act("acknowledge")).await.json();
    assert_eq!(known["state"], "acknowledged");
    let by = known["acknowledged_by"].as_str().expect("a key").to_owned();
    assert!(!by.is_empty() && gateway.call(act("acknowledge")).await.json() == known, "the first stays");
    let resolved = gateway.call(act("resolve")).await.json();
    assert_eq!([&resolved["state"], &resolved["resolved_by"]], [&json!("resolved"), &json!(by)]);
    assert_eq!(gateway.call(act("acknowledge")).await.code(), "not_found");
    assert_eq!(open(&gateway).await, json!([]));
}

#[tokio::test]
async fn alerts_are_read_page_by_page_to_the_last() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    for name in ["one", "two", "three"] {
        let http = json!({ "url": "https://app.example/hook", "unsigned": true });
        gateway.make("destinations", json!({ "name": name, "http": http })).await;
        let disable =
            Call::post(&format!("/api/v1/destinations/{name}/disable")).json(&json!({ "reason": "it moved" }));
        assert_eq!(gateway.call(disable).await.status, 200);
    }
    for open in ["", "&open=true"] {
        let first = gateway.call(Call::get(&format!("/api/v1/alerts?limit=2{open}"))).await;
        let next = first.json()["next"].as_str().expect("there are more").to_owned();
        let last = gateway.call(Call::get(&format!("/api/v1/alerts?limit=2{open}&cursor={next}"))).await;
        assert_eq!((first.ids().len(), last.ids().len(), &last.json()["next"]), (2, 1, &Value::Null));
        let whole = gateway.call(Call::get(&format!("/api/v1/alerts?limit=3{open}"))).await;
        assert_eq!(([first.ids(), last.ids()].concat(), &whole.json()["next"]), (whole.ids(), &Value::Null));
        for other in ["replays?", if open.is_empty() { "alerts?open=true&" } else { "alerts?" }] {
            let wrong = gateway.call(Call::get(&format!("/api/v1/{other}cursor={next}"))).await;
            assert_eq!(wrong.code(), "invalid_cursor", "{other}");
        }
    }
}

#[tokio::test]
async fn channels_are_listed_without_their_secrets_and_a_test_says_what_came_back() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.call(Call::get("/api/v1/alert-channels")).await.json()["data"], json!([]));
    let test = || Call::post("/api/v1/alert-channels/team/test").json(&json!({}));
    assert_eq!(gateway.call(test()).await.code(), "not_found");
    let way = Way::Slack(Secret::new("https://hooks.example/services/hidden-key".to_owned()));
    let team = ChannelSpec { name: "team".parse().expect("a name"), least: Severity::Warning, way };
    let alerting = AlertingSpec { channels: vec![team], ..AlertingSpec::standard(Tenant::default_tenant()) };
    let specs = Specs { alerting: vec![alerting], ..Specs::default() };
    gateway.engine.configure(specs).await.expect("valid");
    let channels = gateway.call(Call::get("/api/v1/alert-channels")).await.json()["data"].clone();
    let expected = json!([{ "name": "team", "way": "slack", "severity": "warning", "waiting": 0, "sent_at": null, "problem": null }]);
    assert_eq!(channels, expected);
    let tested = gateway.call(test()).await.json();
    assert_eq!(tested, json!({ "said": "200 as told", "complaint": null }));
    gateway.sink.status.store(404, Ordering::Relaxed);
    let answer = gateway.call(test()).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (502, "channel_failed".to_owned()));
    let told = answer.json().to_string();
    assert!(told.contains("Slack answered 404 as told (refused)") && !told.contains("hidden-key"), "{told}");
    let other = gateway.key_of("other", &["admin"]).await;
    assert_eq!(gateway.call(test().key(&other)).await.code(), "not_found", "it is another tenant's");
}
