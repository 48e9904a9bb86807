//! The live list: kept alive and watched over however busy the gateway is, whichever node accepts, and told at once
//! where it cannot go on.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use domain::Timestamp;
use engine::clock::{SharedClock, SystemClock, timeout};
use engine::tail::HEARTBEAT;
use futures_util::StreamExt;
use http::Request;
use store_sqlite::{OpenOptions, SqliteStore};
use testkit::sim_clock::SimClock;

use crate::desk::Browser;

/// Longer than a heartbeat; only a broken stream takes it.
const PATIENCE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

struct Follower {
    bytes: BodyDataStream,
    text: String,
}

impl Follower {
    async fn of(browser: &Browser, path: &str) -> Self {
        let response = browser.open(Request::get(path), Body::empty()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no", "nginx would keep it back");
        Self { bytes: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next message; `None` when the stream has ended.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let (message, rest) = (message.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(message);
            }
            let chunk = timeout(&SystemClock::new(), PATIENCE, self.bytes.next()).await.expect("something in time")?;
            self.text.push_str(std::str::from_utf8(&chunk.expect("bytes")).expect("text"));
        }
    }

    /// The same, past the sign that every stream begins with; gives both.
    async fn begun(browser: &Browser, path: &str) -> (Self, String) {
        let mut list = Self::of(browser, path).await;
        let sign = list.next().await.expect("a sign");
        assert!(sign.starts_with("event: sign\n"), "{sign}");
        (list, sign)
    }

    async fn read_out(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// A time and a store of the test's own; the store may be several nodes'.
pub fn ground() -> (SharedClock, Arc<SqliteStore>) {
    let store = SqliteStore::open(OpenOptions { shared: true, ..OpenOptions::memory().inline() });
    let clock = Arc::new(SimClock::starting_at(Timestamp::from_secs(1_800_000_000)));
    (clock, Arc::new(store.expect("a store in memory opens")))
}

/// What is awaited, and how long that took, while a webhook comes every second.
async fn while_busy<T>(browser: &Browser, awaited: impl Future<Output = T>) -> (T, Duration) {
    let clock = browser.engine.clock();
    let began = clock.monotonic();
    let busy = async {
        for number in 0..60 {
            browser.webhook(&format!("{{\"number\":{number}}}")).await;
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
async fn a_silent_list_is_kept_alive_however_much_others_send() {
    let (clock, store) = ground();
    let mut browser = Browser::node("n1", store, clock).await;
    browser.enter(&["read"]).await;
    let (mut list, _) = Follower::begun(&browser, "/events/live?type=nothing").await;
    for _ in 0..2 {
        let (sign, took) = while_busy(&browser, list.next()).await;
        let sign = sign.expect("it goes on");
        assert!(sign.contains("heartbeat") && sign.contains("id:"), "with how far it got: {sign}");
        assert!(took > HEARTBEAT - SECOND && took < HEARTBEAT + SECOND, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_takes_its_lists_along_however_much_is_sent() {
    let (clock, store) = ground();
    let mut browser = Browser::node("n1", store, clock).await;
    for path in ["/events/live", "/events/live?type=nothing"] {
        browser.enter(&["read"]).await;
        let (mut list, _) = Follower::begun(&browser, path).await;
        let keys = browser.engine.store().api_keys(None).await.expect("keys");
        let own = keys.iter().find(|key| key.revoked_at.is_none()).expect("the one they came in with");
        assert!(browser.access.revoke(&own.tenant, &own.id).await.expect("asked"));
        let ((), took) = while_busy(&browser, list.read_out()).await;
        assert!(took < HEARTBEAT + SECOND, "{path}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_node_accepts_is_listed_too() {
    let (clock, store) = ground();
    let mut browser = Browser::node("n1", Arc::clone(&store), Arc::clone(&clock)).await;
    let other = Browser::node("n2", store, Arc::clone(&clock)).await;
    browser.enter(&["read"]).await;
    let (mut list, _) = Follower::begun(&browser, "/events/live").await;
    let began = clock.monotonic();
    let sent = async {
        clock.sleep(SECOND * 3).await;
        other.webhook("{}").await
    };
    let (event, told) = tokio::join!(sent, list.next());
    assert!(told.as_deref().is_some_and(|told| told.contains(&event)), "{event}: {told:?}");
    assert!(clock.monotonic() - began < SECOND * 5, "it need not wait for a heartbeat");
}

#[tokio::test]
async fn a_quiet_list_says_where_it_stands_before_anything_comes() {
    let browser = Browser::with(&["read"]).await;
    browser.webhook("{}").await;
    let (list, sign) = Follower::begun(&browser, "/events/live").await;
    drop(list);
    let missed = browser.webhook("{}").await;
    let place = sign.lines().find_map(|line| line.strip_prefix("id: ")).expect("a place to go on from");
    assert!(sign.contains("data: "), "without data a browser shows the id to no script: {sign}");
    let (mut list, again) = Follower::begun(&browser, &format!("/events/live?from={place}")).await;
    assert_eq!(again, sign, "it begins there");
    assert!(list.next().await.is_some_and(|told| told.contains(&missed)), "nothing is missing in between");
}

#[tokio::test]
async fn a_place_that_is_none_is_told_at_once() {
    let mut browser = Browser::with(&["read"]).await;
    browser.webhook("{}").await;
    let junk = browser.get("/events/live?from=junk").await;
    assert_eq!(junk.status, 400, "{}", junk.text);
    let request = Request::get("/events/live").header("last-event-id", "junk");
    assert_eq!(browser.send(request, Body::empty()).await.status, 400);
    let (mut list, _) = Follower::begun(&browser, "/events/live?from=0").await;
    assert!(list.next().await.is_some_and(|told| told.contains("evt_")), "a good one goes on from there");
}
