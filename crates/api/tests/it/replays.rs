//! Replays through the API.

use serde_json::json;

use crate::gateway::{Call, Gateway};

#[tokio::test]
async fn a_replay_is_planned_run_seen_and_repeated_only_on_purpose() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let event = gateway.publish("order.created").await;
    let body = json!({ "filter": { "source": "own" }, "destination": "app", "dry_run": true });
    let plan = gateway.call(Call::post("/api/v1/replays").json(&body)).await;
    assert_eq!(plan.status, 200);
    assert_eq!(plan.json(), json!({ "events": 1, "exact": true, "routes": ["own-app"] }));
    assert_eq!(gateway.call(Call::get("/api/v1/replays")).await.ids().len(), 0, "a plan is no replay");

    let body = json!({ "event_ids": [event, event] });
    let start = || gateway.call(Call::post("/api/v1/replays").json(&body).header("idempotency-key", "r1"));
    let started = start().await;
    assert_eq!(started.status, 202, "{started:?}");
    assert_eq!(start().await.json()["id"], started.json()["id"]);
    let path = format!("/api/v1/replays/{}", started.json()["id"].as_str().expect("an id"));
    let done = gateway.until(&path, |replay| replay["state"] == "done").await;
    assert_eq!((&done["events_done"], &done["deliveries_made"]), (&json!(1), &json!(1)));
    let deliveries = format!("/api/v1/deliveries?replay={}", started.json()["id"].as_str().expect("an id"));
    assert_eq!(gateway.call(Call::get(&deliveries)).await.ids().len(), 1);
    assert_eq!(gateway.call(Call::get("/api/v1/replays")).await.ids().len(), 1);
    let cancelled = gateway.call(Call::post(&format!("{path}/cancel"))).await;
    assert_eq!(cancelled.json()["state"], "done", "what is done stays done");
    let made_up = json!({ "event_ids": [event, "evt_00000000000000000000000000"] });
    let refused = gateway.call(Call::post("/api/v1/replays").json(&made_up)).await;
    assert_eq!(refused.code(), "not_found", "nothing of it is begun");
    assert_eq!(gateway.call(Call::get("/api/v1/replays")).await.ids().len(), 1);
    let unknown = Call::post("/api/v1/replays/rpl_00000000000000000000000000/cancel");
    assert_eq!(gateway.call(unknown).await.code(), "not_found");
}

#[tokio::test]
async fn replays_are_read_page_by_page_to_the_last() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let body = json!({ "event_ids": [gateway.publish("order.created").await] });
    for _ in 0..3 {
        assert_eq!(gateway.call(Call::post("/api/v1/replays").json(&body)).await.status, 202);
    }
    let first = gateway.call(Call::get("/api/v1/replays?limit=2")).await;
    let next = first.json()["next"].as_str().expect("there are more").to_owned();
    let last = gateway.call(Call::get(&format!("/api/v1/replays?limit=2&cursor={next}"))).await;
    assert_eq!((first.ids().len(), last.ids().len(), &last.json()["next"]), (2, 1, &json!(null)));
    let whole = gateway.call(Call::get("/api/v1/replays?limit=3")).await;
    assert_eq!(([first.ids(), last.ids()].concat(), &whole.json()["next"]), (whole.ids(), &json!(null)));
    let wrong = gateway.call(Call::get(&format!("/api/v1/events?cursor={next}"))).await;
    assert_eq!(wrong.code(), "invalid_cursor");
}
