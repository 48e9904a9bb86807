//! Events and deliveries as they are seen and moved.

use std::sync::atomic::Ordering;

use serde_json::json;

use crate::gateway::{Call, Gateway};

#[tokio::test]
async fn a_published_event_is_listed_shown_and_delivered() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let id = gateway.publish("order.created").await;
    let list = gateway.call(Call::get("/api/v1/events?source=own&type=order.*")).await;
    assert_eq!(list.ids(), [id.as_str()]);
    let row = &list.json()["data"][0];
    for (field, value) in [("type", "order.created"), ("origin", "published"), ("subject", "order/1")] {
        assert_eq!(row[field], value, "{row}");
    }
    assert!(row.get("data").is_none(), "a list shows no payloads");
    let path = format!("/api/v1/events/{id}");
    let event = gateway.until(&path, |event| event["deliveries"][0]["state"] == "delivered").await;
    assert_eq!(event["data"], json!({ "n": 1 }));
    let delivery = event["deliveries"][0]["id"].as_str().expect("an id");
    let detail = gateway.call(Call::get(&format!("/api/v1/deliveries/{delivery}"))).await.json();
    assert_eq!(detail["history"][0]["status"], 200);
    assert_eq!(detail["history"][0]["response"], "as told");
}

#[tokio::test]
async fn pages_give_every_event_once_and_only_for_their_own_filter() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let mut published = Vec::new();
    for number in 0..7 {
        published.push(gateway.publish(&format!("order.{number}")).await);
    }
    published.reverse();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = gateway.call(Call::get(&format!("/api/v1/events?source=own&limit=3{cursor}"))).await;
        seen.extend(page.ids());
        let Some(next) = page.json()["next"].as_str().map(str::to_owned) else { break };
        let other = gateway.call(Call::get(&format!("/api/v1/events?source=github&cursor={next}"))).await;
        assert_eq!(other.code(), "invalid_cursor");
        let list = gateway.call(Call::get(&format!("/api/v1/deliveries?cursor={next}"))).await;
        assert_eq!(list.code(), "invalid_cursor");
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, published);
}

#[tokio::test]
async fn a_payload_is_given_bit_for_bit_and_can_do_no_harm_in_a_browser() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let body = b"<script>alert(1)</script>\x00\xff\r\n".as_slice();
    let hook = Call::post("/in/hooks").without_key().header("content-type", "text/html").bytes(body);
    let taken = gateway.call(hook).await.json();
    let id = taken["events"][0]["id"].as_str().expect("an id");
    let payload = gateway.call(Call::get(&format!("/api/v1/events/{id}/payload"))).await;
    assert_eq!(payload.body, body);
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("x-content-type-options", "nosniff"),
        ("trireme-content-type", "text/html"),
    ] {
        assert_eq!(payload.headers[name], value);
    }
    assert!(payload.headers["content-disposition"].to_str().is_ok_and(|value| value.starts_with("attachment")));
}

#[tokio::test]
async fn a_dead_delivery_is_retried_and_only_what_its_state_allows_is_done() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    gateway.sink.status.store(500, Ordering::Relaxed);
    gateway.publish("order.created").await;
    let dead = gateway.until("/api/v1/dead-letters", |list| list["data"][0]["state"] == "dead").await;
    let id = dead["data"][0]["id"].as_str().expect("an id").to_owned();
    assert!(dead["data"][0]["cause"]["code"].is_string(), "{dead}");
    let act = |verb: &str| Call::post(&format!("/api/v1/deliveries/{id}/{verb}"));
    assert_eq!(gateway.call(act("cancel")).await.code(), "state_refused");
    gateway.sink.status.store(200, Ordering::Relaxed);
    assert_eq!(gateway.call(act("retry")).await.status, 200);
    let path = format!("/api/v1/deliveries/{id}");
    let delivery = gateway.until(&path, |delivery| delivery["state"] == "delivered").await;
    assert_eq!(delivery["history"].as_array().map(Vec::len), Some(2));
    assert_eq!(gateway.call(act("retry")).await.code(), "state_refused");
    let unknown = Call::post("/api/v1/deliveries/dlv_00000000000000000000000000/retry");
    assert_eq!(gateway.call(unknown).await.code(), "not_found");
}

#[tokio::test]
async fn publishing_under_one_key_makes_one_event() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let publish = |data: u8| {
        let event = json!({ "source": "own", "type": "order.paid", "data": data });
        gateway.call(Call::post("/api/v1/events").json(&event).header("idempotency-key", "order-1"))
    };
    let first = publish(1).await;
    assert_eq!((first.status.as_u16(), &first.json()["duplicate"]), (201, &json!(false)));
    let again = publish(1).await;
    assert_eq!((again.status.as_u16(), &again.json()["duplicate"]), (200, &json!(true)));
    assert_eq!(again.json()["id"], first.json()["id"]);
    assert_eq!(publish(2).await.code(), "idempotency_key_reused");
    assert_eq!(gateway.call(Call::get("/api/v1/events")).await.ids().len(), 1);
}
