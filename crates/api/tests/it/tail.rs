//! The live tail: followed, resumed, ended.

use std::sync::Arc;
use std::sync::atomic::AtomicU16;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use domain::Timestamp;
use engine::clock::{Clock, SystemClock, timeout};
use engine::tail::HEARTBEAT;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use testkit::sim_clock::SimClock;

use crate::gateway::{Call, Gateway, Sink};

/// Long enough for any machine, and for a heartbeat; only a broken tail takes it.
const PATIENCE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

pub struct Follower {
    bytes: BodyDataStream,
    text: String,
}

impl Follower {
    pub async fn of(gateway: &Gateway, call: Call) -> Self {
        let response = gateway.send(call).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no", "nginx would keep it back");
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

    /// What it begins with: the id of the place where it stands, before anything came.
    pub async fn place(&mut self) -> String {
        match self.any().await {
            Some((Some(id), None)) => id,
            other => panic!("it does not say where it begins: {other:?}"),
        }
    }

    /// Until the stream ends.
    async fn read_out(&mut self) {
        while self.any().await.is_some() {}
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

#[tokio::test]
async fn a_quiet_tail_that_is_cut_goes_on_without_a_hole() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    gateway.publish("before").await;
    let place = Follower::of(&gateway, Call::get("/api/v1/events/stream")).await.place().await;
    gateway.publish("between").await;
    let resume = || Call::get("/api/v1/events/stream").header("last-event-id", &place);
    let mut tail = Follower::of(&gateway, resume()).await;
    assert_eq!(tail.place().await, place, "it stands where it was told to");
    assert_eq!(tail.next().await.expect("an event").1["type"], "between");
    let since = Call::get("/api/v1/events/stream?since=2020-01-01T00:00:00Z");
    let earlier = Follower::of(&gateway, since).await.place().await;
    let resume = Call::get("/api/v1/events/stream").header("last-event-id", &earlier);
    assert_eq!(Follower::of(&gateway, resume).await.next().await.expect("an event").1["type"], "before");
}

/// Its time goes by five hundred times as fast, the wall clock aside.
struct HurriedClock(SystemClock);

impl Clock for HurriedClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic() * 500
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
    tail.place().await;
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

/// A gateway in a time of its own.
async fn in_its_own_time() -> Gateway {
    let clock = Arc::new(SimClock::starting_at(Timestamp::from_secs(1_800_000_000)));
    let gateway = Gateway::reaching(clock, Arc::new(Sink { status: AtomicU16::new(200) })).await;
    gateway.make("sources", json!({ "name": "own", "publish": true })).await;
    gateway
}

/// What is awaited, and how long that took, while somebody publishes every second.
async fn while_busy<T>(gateway: &Gateway, awaited: impl Future<Output = T>) -> (T, Duration) {
    let clock = gateway.engine.clock();
    let began = clock.monotonic();
    let busy = async {
        for _ in 0..60 {
            gateway.publish("other").await;
            clock.sleep(SECOND).await;
        }
    };
    tokio::select! {
        biased;
        found = awaited => (found, clock.monotonic() - began),
        () = busy => panic!("not in a minute"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_tail_gets_its_heartbeats_however_much_others_publish() {
    let gateway = in_its_own_time().await;
    let mut tail = Follower::of(&gateway, Call::get("/api/v1/events/stream?type=nothing")).await;
    tail.place().await;
    for _ in 0..2 {
        let (sign, took) = while_busy(&gateway, tail.any()).await;
        let (id, data) = sign.expect("it goes on");
        assert!(id.is_some() && data.is_none(), "how far it got, and nothing else: {id:?} {data:?}");
        assert!(took > HEARTBEAT - SECOND && took < HEARTBEAT + SECOND, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_ends_takes_its_tails_along_however_much_is_published() {
    let gateway = in_its_own_time().await;
    for filter in ["", "?type=nothing"] {
        let made = gateway.call(Call::post("/api/v1/api-keys").json(&json!({ "scopes": ["read"] }))).await.json();
        let (key, id) = (made["key"].as_str().expect("a key"), made["id"].as_str().expect("an id"));
        let soon = gateway.engine.clock().now() + SECOND * 5;
        let expiring = gateway.key_until("default", &["read"], Some(soon)).await;
        let path = format!("/api/v1/events/stream{filter}");
        let mut revoked = Follower::of(&gateway, Call::get(&path).key(key)).await;
        let mut expired = Follower::of(&gateway, Call::get(&path).key(&expiring)).await;
        // Both are under way.
        tokio::join!(revoked.place(), expired.place());
        assert_eq!(gateway.call(Call::new("DELETE", &format!("/api/v1/api-keys/{id}"))).await.status, 204);
        let ended = async { tokio::join!(revoked.read_out(), expired.read_out()) };
        let (_, took) = while_busy(&gateway, ended).await;
        assert!(took < HEARTBEAT + SECOND, "{filter}: {took:?}");
    }
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
