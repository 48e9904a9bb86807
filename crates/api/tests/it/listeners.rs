//! Listeners: what is heard, what counts as handled, who may.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::gateway::{Answer, Call, Gateway};
use crate::tail::Follower;

async fn open(gateway: &Gateway, wish: Value) -> Answer {
    gateway.call(Call::new("PUT", "/api/v1/listeners/ear").json(&wish)).await
}

fn hear(generation: &Value, more: &str) -> Call {
    Call::get(&format!("/api/v1/listeners/ear/stream?generation={generation}{more}"))
}

async fn handled(gateway: &Gateway, generation: &Value, position: &str) -> Answer {
    let body = json!({ "generation": generation, "position": position });
    gateway.call(Call::post("/api/v1/listeners/ear/handled").json(&body)).await
}

#[tokio::test]
async fn what_was_not_handled_is_heard_again_and_what_was_is_not() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    gateway.publish("before").await;
    let opened = open(&gateway, json!({ "source": "own" })).await.json();
    let generation = &opened["generation"];
    let mut ear = Follower::of(&gateway, hear(generation, "")).await;
    assert_eq!(ear.place().await, opened["position"], "it begins where the listener stands");
    let ids = [gateway.publish("one").await, gateway.publish("two").await, gateway.publish("three").await];
    let (first, event) = ear.next().await.expect("an event");
    assert_eq!((&event["id"], &event["type"]), (&json!(ids[0]), &json!("one")), "what came before is not heard");
    let body = BASE64.decode(event["message"]["body_base64"].as_str().expect("a body").as_bytes()).expect("base64");
    let envelope: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((&envelope["id"], &envelope["data"]), (&json!(ids[0]), &json!({ "n": 1 })));
    assert!(event["message"]["id"].as_str().is_some_and(|id| id.starts_with("msg_")), "{event}");
    assert_eq!(handled(&gateway, generation, &first).await.json()["position"], first);
    drop(ear);
    let mut ear = Follower::of(&gateway, hear(generation, "")).await;
    let (second, event) = ear.next().await.expect("an event");
    assert_eq!(event["id"], json!(ids[1]));
    let again = Follower::of(&gateway, hear(generation, "")).await.next().await.expect("an event").1;
    assert_eq!(again["message"]["id"], event["message"]["id"], "the same message, however often it is heard");
    assert_eq!(handled(&gateway, generation, &second).await.status, 200);
    let shown = gateway.call(Call::get("/api/v1/listeners/ear")).await.json();
    assert_eq!((&shown["position"], &shown["source"]), (&json!(second), &json!("own")));
    assert!(shown["expires_at"].as_str() > shown["seen_at"].as_str(), "{shown}");
}

#[tokio::test]
async fn only_the_newest_holder_hears_and_moves_it() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let first = open(&gateway, json!({ "source": "own" })).await.json()["generation"].clone();
    let mut ear = Follower::of(&gateway, hear(&first, "")).await;
    gateway.publish("one").await;
    let (position, _) = ear.next().await.expect("an event");
    let second = open(&gateway, json!({ "source": "own" })).await.json();
    assert!(second["generation"].as_u64() > first.as_u64());
    gateway.publish("two").await;
    assert_eq!(ear.next().await, None, "the former one hears nothing more");
    assert_eq!(handled(&gateway, &first, &position).await.code(), "listener_taken");
    assert_eq!(gateway.call(hear(&first, "")).await.code(), "listener_taken");
    let (_, event) = Follower::of(&gateway, hear(&second["generation"], "")).await.next().await.expect("an event");
    assert_eq!(event["type"], "one", "it goes on where it stood");
    assert_eq!(gateway.call(Call::new("DELETE", "/api/v1/listeners/ear")).await.status, 204);
    for call in [hear(&second["generation"], ""), Call::new("DELETE", "/api/v1/listeners/ear")] {
        assert_eq!(gateway.call(call).await.code(), "not_found");
    }
    assert_eq!(handled(&gateway, &second["generation"], &position).await.code(), "not_found");
}

#[tokio::test]
async fn filters_bodies_and_an_earlier_begin_are_as_wished() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let hook = Call::post("/in/hooks").without_key().header("x-their-signature", "abc").bytes("{\"a\": 1}");
    assert_eq!(gateway.call(hook).await.status, 200);
    gateway.publish("two").await;
    let since = json!({ "source": "hooks", "since": "2020-01-01T00:00:00Z" });
    let generation = open(&gateway, since).await.json()["generation"].clone();
    let mut ear = Follower::of(&gateway, hear(&generation, "&body=raw")).await;
    let (_, event) = ear.next().await.expect("an event");
    assert_eq!(
        (&event["source"], &event["message"]["body_base64"]),
        (&json!("hooks"), &json!(BASE64.encode(b"{\"a\": 1}")))
    );
    let headers = event["message"]["headers"].as_array().expect("headers");
    assert!(headers.contains(&json!(["x-their-signature", "abc"])), "{headers:?}");
    assert!(!headers.iter().any(|header| header[0] == "host"), "{headers:?}");
    let wrong = gateway.call(hear(&generation, "&body=wrong")).await;
    assert_eq!(wrong.code(), "invalid_parameter");
    assert_eq!(handled(&gateway, &generation, "junk").await.code(), "invalid_cursor");
    assert_eq!(open(&gateway, json!({ "source": "nobody" })).await.code(), "not_found");
    for wish in [json!({ "type": "x".repeat(10_000) }), json!({ "subject": "a\nb" }), json!({ "type": "" })] {
        assert_eq!(open(&gateway, wish).await.code(), "invalid_body", "what is kept has a limit");
    }
}

#[tokio::test]
async fn a_tenant_has_only_so_many() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    for number in 0..100 {
        let call = Call::new("PUT", &format!("/api/v1/listeners/ear-{number}")).json(&json!({}));
        assert_eq!(gateway.call(call).await.status, 200, "{number}");
    }
    assert_eq!(open(&gateway, json!({})).await.code(), "too_many_listeners");
    let known = gateway.call(Call::new("PUT", "/api/v1/listeners/ear-7").json(&json!({}))).await;
    assert_eq!(known.status, 200, "one that is there can still be taken over");
    let listed = gateway.call(Call::get("/api/v1/listeners")).await.json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(100));
}

#[tokio::test]
async fn a_tail_of_a_route_or_destination_tells_what_is_owed_along_it() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    gateway.make("sources", json!({ "name": "other", "publish": true })).await;
    let path = "/api/v1/events/stream?since=2020-01-01T00:00:00Z";
    let event = json!({ "source": "other", "type": "elsewhere", "data": {} });
    assert_eq!(gateway.call(Call::post("/api/v1/events").json(&event)).await.status, 201);
    let owed = gateway.publish("owed").await;
    for filter in ["&destination=app", "&route=own-app", "&destination=app&route=own-app"] {
        let mut tail = Follower::of(&gateway, Call::get(&format!("{path}{filter}"))).await;
        let (_, event) = tail.next().await.expect("an event");
        assert_eq!((&event["id"], &event["deliveries"][0]["destination"]), (&json!(owed), &json!("app")), "{filter}");
    }
    let (_, first) = Follower::of(&gateway, Call::get(path)).await.next().await.expect("an event");
    assert_eq!(
        (&first["type"], first.get("deliveries")),
        (&json!("elsewhere"), None),
        "it begins with the earlier ones"
    );
    let (_, event) =
        Follower::of(&gateway, Call::get(&format!("{path}&deliveries=true"))).await.next().await.expect("one");
    assert_eq!(event["deliveries"], json!([]));
}
