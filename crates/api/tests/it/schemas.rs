//! What events look like: learned, told when it changes, exported, forgotten.

use serde_json::{Value, json};

use crate::gateway::{Call, Gateway};

const CREATED: &str = "/api/v1/schemas/own/event/order%2Fcreated";

async fn publish(gateway: &Gateway, data: Value) {
    let event = json!({ "source": "own", "type": "order/created", "data": data });
    assert_eq!(gateway.call(Call::post("/api/v1/events").json(&event)).await.status, 201);
}

async fn learned(orders: u64) -> Gateway {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    for number in 0..orders {
        publish(&gateway, json!({ "id": number, "state": "open" })).await;
    }
    gateway.until(CREATED, |schema| schema["seen"] == orders).await;
    gateway
}

#[tokio::test]
async fn what_events_look_like_is_learned_and_handed_out_as_a_json_schema() {
    let gateway = learned(40).await;
    let list = gateway.call(Call::get("/api/v1/schemas?source=own")).await.json();
    let row = &list["data"][0];
    assert_eq!((&row["of"], &row["name"], &row["version"]), (&json!("event"), &json!("order/created"), &json!(1)));
    let detail = gateway.call(Call::get(CREATED)).await.json();
    assert_eq!((&detail["learned"], &detail["partial"]), (&json!(true), &json!(false)), "{detail}");
    assert_eq!(detail["changes"], json!([]));
    let answer = gateway.call(Call::get(&format!("{CREATED}/schema.json"))).await;
    assert_eq!(answer.headers["content-type"], "application/schema+json");
    let schema = answer.json();
    assert_eq!(schema, detail["schema"]);
    assert_eq!(schema["required"], json!(["id", "state"]));
    assert_eq!(schema["properties"]["state"], json!({ "type": "string", "enum": ["open"] }));
}

#[tokio::test]
async fn a_change_is_kept_with_what_showed_it_and_raises_an_alert_and_the_event_is_delivered_all_the_same() {
    let gateway = learned(40).await;
    publish(&gateway, json!({ "id": "a word", "state": "open", "more": [1] })).await;
    let detail = gateway.until(CREATED, |schema| schema["version"] == 2).await;
    let changes = detail["changes"].as_array().expect("a list");
    let told: Vec<_> =
        changes.iter().map(|change| (&change["severity"], &change["pointer"], &change["change"])).collect();
    let more = (&json!("compatible"), &json!("/more"), &json!("field_added"));
    let id = (&json!("breaking"), &json!("/id"), &json!("kind_added"));
    assert_eq!(told, [more, id]);
    assert_eq!(changes[1]["example"], "\"a word\"");
    assert_eq!(changes[1]["summary"], "/id is string where it was integer");
    let event = format!("/api/v1/events/{}", changes[1]["event"].as_str().expect("an id"));
    let event = gateway.call(Call::get(&event)).await.json();
    assert_eq!(event["data"]["id"], "a word", "{event}");
    let alerts = gateway.until("/api/v1/alerts?open=true", |alerts| alerts["data"][0].is_object()).await;
    let alert = &alerts["data"][0];
    let object = "source/own/type/order/created";
    assert_eq!((&alert["kind"], &alert["object"]), (&json!("schema_broken"), &json!(object)), "{alerts}");
    assert!(alert["detail"].as_str().is_some_and(|text| text.starts_with("breaking change: /id is string")), "{alert}");
    let delivered = "/api/v1/deliveries?state=delivered&limit=500";
    gateway.until(delivered, |list| list["data"].as_array().is_some_and(|rows| rows.len() == 41)).await;
}

#[tokio::test]
async fn a_change_that_nobody_need_care_about_raises_no_alert() {
    let gateway = learned(40).await;
    publish(&gateway, json!({ "id": 41, "state": "open", "more": 1 })).await;
    gateway.until(CREATED, |schema| schema["version"] == 2).await;
    assert_eq!(gateway.call(Call::get("/api/v1/alerts")).await.json()["data"], json!([]));
}

#[tokio::test]
async fn what_was_learned_is_forgotten_when_a_person_says_so_and_is_learned_anew() {
    let gateway = learned(3).await;
    assert_eq!(gateway.call(Call::new("DELETE", CREATED)).await.status, 204);
    for path in [CREATED, "/api/v1/schemas/own/stream/order", "/api/v1/schemas/nobody/event/x"] {
        assert_eq!(gateway.call(Call::get(path)).await.code(), "not_found", "{path}");
    }
    assert_eq!(gateway.call(Call::new("DELETE", CREATED)).await.code(), "not_found");
    assert_eq!(gateway.call(Call::get("/api/v1/schemas/own/thing/x")).await.code(), "invalid_parameter");
    publish(&gateway, json!({ "id": "a word" })).await;
    let again = gateway.until(CREATED, |schema| schema["seen"] == 1).await;
    assert_eq!((&again["version"], &again["learned"]), (&json!(1), &json!(false)), "{again}");
}
