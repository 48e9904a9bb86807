//! Whatever is wrong with a request is told as a problem with a code, never as a 500.

use std::convert::Infallible;
use std::task::Poll;

use axum::body::Body;
use futures_util::stream;
use serde_json::json;

use crate::gateway::{Call, Gateway};

#[tokio::test]
async fn each_mistake_has_its_code_and_says_where_it_is() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let json = |path: &str, body: &str| Call::post(path).header("content-type", "application/json").bytes(body);
    let deep = format!("{{\"name\":\"deep\",\"tree\":{}{}}}", "[".repeat(500), "]".repeat(500));
    let large = format!("{{\"note\":\"{}\"}}", "x".repeat(2 << 20));
    let cases = [
        (Call::get("/api/v1/nothing"), 404, "no_such_route", "/openapi.json"),
        (Call::get("/api/v1/events/"), 404, "no_such_route", "GET"),
        (Call::new("PATCH", "/api/v1/events"), 405, "method_not_allowed", "PATCH"),
        (Call::get("/api/v1/events?limit=0"), 400, "invalid_parameter", "1 to 500"),
        (Call::get("/api/v1/events?limit=x"), 400, "invalid_parameter", "limit"),
        (Call::get("/api/v1/events?sorce=a"), 400, "invalid_parameter", "sorce"),
        (Call::get("/api/v1/events?since=yesterday"), 400, "invalid_parameter", "RFC 3339"),
        (Call::get("/api/v1/events?source=%ff"), 400, "invalid_parameter", ""),
        (Call::get("/api/v1/events?cursor=junk"), 400, "invalid_cursor", "again"),
        (Call::get("/api/v1/dead-letters?state=held"), 400, "invalid_parameter", "state"),
        (Call::get("/api/v1/events/nope"), 400, "invalid_parameter", "evt_"),
        (Call::get("/api/v1/events/%ff"), 400, "invalid_parameter", ""),
        (Call::get("/api/v1/events/evt_00000000000000000000000000"), 404, "not_found", "evt_0"),
        (Call::get("/api/v1/providers/nope"), 404, "not_found", "nope"),
        (Call::get("/docs/errors/nope"), 404, "not_found", "nope"),
        (json("/api/v1/replays", "{"), 400, "invalid_json", "line 1 column 1"),
        (json("/api/v1/replays", ""), 400, "invalid_json", "line 1"),
        (json("/api/v1/sources", &deep), 400, "json_too_deep", "line 1"),
        (json("/api/v1/replays", "{\"evnt_ids\":[]}"), 422, "invalid_body", "evnt_ids"),
        (json("/api/v1/replays", "{}"), 422, "replay_invalid", "filter"),
        (json("/api/v1/replays", "{\"event_ids\":[]}"), 422, "replay_invalid", ""),
        (json("/api/v1/replays", "{\"filter\":{},\"rate\":0}"), 422, "replay_invalid", ""),
        (json("/api/v1/replays", "{\"filter\":{},\"destination\":\"nope\"}"), 404, "not_found", "nope"),
        (json("/api/v1/api-keys", &large), 413, "body_too_large", ""),
        (json("/api/v1/api-keys", "{\"scopes\":[]}"), 422, "invalid_body", ""),
        (json("/api/v1/api-keys", "{\"scopes\":[\"root\"]}"), 422, "invalid_body", "root"),
        (Call::post("/api/v1/replays").bytes("{}"), 415, "unsupported_media_type", "application/json"),
        (
            Call::post("/api/v1/replays").json(&json!({})).header("idempotency-key", ""),
            400,
            "invalid_parameter",
            "Idempotency",
        ),
        (
            json("/api/v1/events", "{\"source\":\"github\",\"type\":\"a\",\"data\":1}"),
            422,
            "source_not_published",
            "publish",
        ),
        (json("/api/v1/events", "{\"source\":\"nope\",\"type\":\"a\",\"data\":1}"), 404, "not_found", "nope"),
        (json("/api/v1/events", "{\"source\":\"own\",\"type\":\"\",\"data\":1}"), 422, "invalid_body", ""),
        (json("/api/v1/events", "{\"source\":\"own\",\"type\":\"a\"}"), 422, "invalid_body", "data"),
    ];
    for (call, status, code, says) in cases {
        let answer = gateway.call(call).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{answer:?}");
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{says}: {answer:?}");
    }
}

#[tokio::test]
async fn a_panic_is_caught_and_told_a_sender_as_our_failure() {
    let gateway = Gateway::with_routes(api::Settings::default()).await;
    let broken = || {
        Body::from_stream(stream::poll_fn(|_| -> Poll<Option<Result<Vec<u8>, Infallible>>> { panic!("on purpose") }))
    };
    let hook = gateway.call_with_body("/in/hooks", broken()).await;
    assert_eq!((hook.status.as_u16(), hook.code().as_str()), (503, "overloaded"));
    assert!(hook.headers.contains_key("retry-after"));
    let call = gateway.call_with_body("/api/v1/replays", broken()).await;
    assert_eq!((call.status.as_u16(), call.code().as_str()), (500, "internal"));
    assert!(!String::from_utf8_lossy(&call.body).contains("on purpose"));
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let gateway = Gateway::start().await;
    let answer = gateway.call(Call::new("PATCH", "/api/v1/sources/github")).await;
    assert_eq!(answer.status, 405);
    let allow = answer.headers["allow"].to_str().expect("text").to_owned();
    for method in ["GET", "PUT", "DELETE"] {
        assert!(allow.contains(method), "{allow}");
    }
}

#[tokio::test]
async fn a_link_in_a_problem_leads_to_its_page() {
    let gateway = Gateway::start().await;
    let problem = gateway.call(Call::get("/api/v1/nothing")).await.json();
    let page = gateway.call(Call::get(problem["type"].as_str().expect("a link")).without_key()).await;
    assert_eq!(page.status, 200);
    assert!(page.body.starts_with(b"# `no_such_route`"));
}

#[tokio::test]
async fn on_loopback_only_local_names_are_served_but_webhooks_always() {
    let settings = api::Settings { loopback_only: true, ..api::Settings::default() };
    let gateway = Gateway::with_routes(settings).await;
    let host = |path: &str, uri: &str| Call::get(&format!("http://{uri}{path}"));
    for (uri, status) in [
        ("localhost:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]:8080", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
    ] {
        assert_eq!(gateway.call(host("/api/v1/events", uri)).await.status.as_u16(), status, "{uri}");
    }
    let hook = Call::post("http://tunnel.example/in/hooks").without_key().bytes("{}");
    assert_eq!(gateway.call(hook).await.status, 200);
}
