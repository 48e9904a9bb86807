//! The live tail: followed, resumed, ended.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use domain::Timestamp;
use engine::clock::{Clock, SystemClock, timeout};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::gateway::{Call, Gateway};

/// Long enough for any machine; only a broken tail takes it.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Follower {
    bytes: BodyDataStream,
    text: String,
}

impl Follower {
    pub async fn of(gateway: &Gateway, call: Call) -> Self {
        let response = gateway.send(call).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let body: Body = response.into_body();
        Self { bytes: body.into_data_stream(), text: String::new() }
    }

    /// The next message: its id and data. `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            let (id, data) = self.any().await?;
            if let (Some(id), Some(data)) = (id, data) {
                return Some((id, data));
            }
        }
    }

    /// The next message of any kind.
    async fn any(&mut self) -> Option<(Option<String>, Option<Value>)> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let (message, rest) = (message.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let data = field("data:").map(|data| serde_json::from_str(data).expect("JSON"));
                return Some((field("id:").map(str::to_owned), data));
            }
            let chunk = timeout(&SystemClock::new(), PATIENCE, self.bytes.next()).await.expect("something in time")?;
            self.text.push_str(std::str::from_utf8(&chunk.expect("bytes")).expect("text"));
        }
    }
}

#[tokio::test]
async fn a_tail_tells_events_as_they_come_and_goes_on_exactly_where_it_was_cut() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    gateway.publish("before").await;
    let mut tail = Follower::of(&gateway, Call::get("/api/v1/events/stream?source=own")).await;
    let mut published = Vec::new();
    for name in ["one", "two", "three"] {
        published.push(gateway.publish(name).await);
    }
    let (first, event) = tail.next().await.expect("an event");
    assert_eq!((&event["id"], &event["type"]), (&json!(published[0]), &json!("one")));
    assert!(event.get("data").is_none(), "payloads only when asked for");
    drop(tail);
    let resume = Call::get("/api/v1/events/stream?payload=true").header("last-event-id", &first);
    let mut tail = Follower::of(&gateway, resume).await;
    for (id, name) in published.iter().zip(["one", "two", "three"]).skip(1) {
        let (_, event) = tail.next().await.expect("an event");
        assert_eq!((&event["id"], &event["type"], &event["data"]), (&json!(id), &json!(name), &json!({ "n": 1 })));
    }
    let again = format!("/api/v1/events/stream?type=three&after={first}");
    let (_, event) = Follower::of(&gateway, Call::get(&again)).await.next().await.expect("an event");
    assert_eq!(event["type"], "three", "a position stays right under another filter");
}

/// Every wait takes a five hundredth of its time.
struct HurriedClock(SystemClock);

impl Clock for HurriedClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(duration / 500)
    }
}

#[tokio::test]
async fn a_tail_that_finds_nothing_still_tells_how_far_it_got() {
    let gateway = Gateway::on(Arc::new(HurriedClock(SystemClock::new())), api::Settings::default()).await;
    gateway.make("sources", json!({ "name": "own", "publish": true })).await;
    let mut tail = Follower::of(&gateway, Call::get("/api/v1/events/stream?type=nothing")).await;
    assert_eq!(tail.any().await, Some((None, None)), "a heartbeat has nothing new to tell");
    gateway.publish("passed").await;
    let position = loop {
        if let (Some(id), None) = tail.any().await.expect("it goes on") {
            break id;
        }
    };
    assert_eq!(tail.any().await, Some((None, None)), "told once");
    gateway.publish("next").await;
    let resume = Call::get("/api/v1/events/stream").header("last-event-id", &position);
    let (_, event) = Follower::of(&gateway, resume).await.next().await.expect("an event");
    assert_eq!(event["type"], "next", "what was passed over is not looked at again");
}

#[tokio::test]
async fn a_payload_with_line_breaks_is_one_message() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let mut tail = Follower::of(&gateway, Call::get("/api/v1/events/stream?payload=true")).await;
    let hook = Call::post("/in/hooks").without_key().bytes("{\r\n\"a\":\n1}");
    assert_eq!(gateway.call(hook).await.status, 200);
    let (_, event) = tail.next().await.expect("an event");
    assert_eq!(event["data"], json!({ "a": 1 }));
}

#[tokio::test]
async fn tails_are_bounded_and_their_positions_checked() {
    let limits = api::Limits { tails_max: 1, ..api::Limits::default() };
    let gateway = Gateway::with(api::Settings { limits, ..api::Settings::default() }).await;
    let junk = Call::get("/api/v1/events/stream").header("last-event-id", "junk");
    assert_eq!(gateway.call(junk).await.code(), "invalid_cursor");
    let open = gateway.send(Call::get("/api/v1/events/stream")).await;
    assert_eq!(open.status(), 200);
    let full = gateway.call(Call::get("/api/v1/events/stream")).await;
    assert_eq!((full.status.as_u16(), full.code().as_str()), (429, "too_many_streams"));
    drop(open);
    assert_eq!(gateway.send(Call::get("/api/v1/events/stream")).await.status(), 200);
}

#[tokio::test]
async fn a_tail_ends_when_the_gateway_stops() {
    let gateway = Gateway::start().await;
    let mut tail = Follower::of(&gateway, Call::get("/api/v1/events/stream")).await;
    gateway.engine.stopping().cancel();
    assert!(tail.next().await.is_none());
}
