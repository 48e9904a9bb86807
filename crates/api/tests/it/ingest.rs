//! Ingest through the router: what senders are answered.

use api::{Limits, Settings};
use data_encoding::HEXLOWER;
use ring::hmac;
use serde_json::json;

use crate::gateway::{Call, GITHUB_SECRET, Gateway};

fn github(body: &str, secret: &str) -> Call {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = format!("sha256={}", HEXLOWER.encode(hmac::sign(&key, body.as_bytes()).as_ref()));
    Call::post("/in/github")
        .without_key()
        .header("content-type", "application/json")
        .header("x-github-event", "push")
        .header("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
        .header("x-hub-signature-256", signature)
        .bytes(body)
}

#[tokio::test]
async fn a_signed_webhook_is_taken_once_and_its_retry_told_so() {
    let gateway = Gateway::start().await;
    let first = gateway.call(github("{\"a\":1}", GITHUB_SECRET)).await;
    assert_eq!(first.status, 200, "{first:?}");
    let again = gateway.call(github("{\"a\":1}", GITHUB_SECRET)).await.json();
    let id = &first.json()["events"][0]["id"];
    assert_eq!(again, json!({ "events": [{ "id": id, "duplicate": true }] }));
}

/// That the time taken tells no more than the bytes do is measured and not asserted, because a busy machine differs from
/// itself: `cargo bench --package bench --bench timing`, whose figures are in docs/performance.md.
#[tokio::test]
async fn threat_02_whatever_is_wrong_with_a_signature_is_answered_with_the_same_bytes() {
    let gateway = Gateway::start().await;
    let first = gateway.call(github("{}", "wrong")).await;
    assert_eq!((first.status.as_u16(), first.code().as_str()), (401, "ingest_rejected"));
    let unsigned = Call::post("/in/github").without_key().bytes("{}");
    for call in [unsigned, github("", "x")] {
        let answer = gateway.call(call).await;
        assert_eq!((answer.status, &answer.body, &answer.headers), (first.status, &first.body, &first.headers));
    }
}

#[tokio::test]
async fn threat_14_unknown_addresses_are_answered_alike_whatever_they_look_like() {
    let gateway = Gateway::start().await;
    let first = gateway.call(Call::post("/in/nope").without_key().bytes("{}")).await;
    assert_eq!((first.status.as_u16(), first.code().as_str()), (404, "ingest_not_found"));
    for path in ["/in/own", "/in/", "/in", "/in/a/b/c", "/t/other/in/github", "/t/x", "/in/%00", "/in/github/"] {
        let answer = gateway.call(Call::post(path).without_key().bytes("{}")).await;
        assert_eq!((answer.status, &answer.body), (first.status, &first.body), "{path}");
    }
}

#[tokio::test]
async fn methods_that_no_sender_uses_are_refused() {
    let gateway = Gateway::with_routes(Settings::default()).await;
    for method in ["DELETE", "TRACE", "BREW"] {
        let answer = gateway.call(Call::new(method, "/in/hooks").without_key()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (405, "method_not_allowed"), "{method}");
        assert!(answer.headers.contains_key("allow"));
    }
    for method in ["GET", "HEAD", "OPTIONS"] {
        let answer = gateway.call(Call::new(method, "/in/hooks").without_key()).await;
        assert_eq!(answer.status, 405, "{method} is no handshake of this source");
        assert_eq!(answer.headers["allow"], "POST, PUT, PATCH", "{method}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_the_request_kept_without_it() {
    let limits = Limits { body_bytes_max: 1_000, ..Limits::default() };
    let gateway = Gateway::with_routes(Settings { limits, ..Settings::default() }).await;
    let fits = gateway.call(Call::post("/in/hooks").without_key().bytes("x".repeat(1_000))).await;
    assert_eq!(fits.status, 200);
    let answer = gateway.call(Call::post("/in/hooks").without_key().bytes("x".repeat(1_001))).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "body_too_large"));
    let kept = gateway.call(Call::get("/api/v1/requests?reason=body_too_large")).await.json();
    assert_eq!((&kept["data"][0]["verdict"], &kept["data"][0]["body_bytes"]), (&json!("rejected"), &json!(0)));
    let junk = gateway.call(Call::post("/in/nope").without_key().bytes("x".repeat(1_001))).await;
    assert_eq!(junk.status, 413);
    assert_eq!(gateway.call(Call::get("/api/v1/requests")).await.ids().len(), 1, "nothing is kept for strangers");
}

#[tokio::test]
async fn without_room_a_sender_is_told_to_come_back_and_never_that_it_did_wrong() {
    let limits = Limits { ingest_in_flight_max: 0, ..Limits::default() };
    let gateway = Gateway::with_routes(Settings { limits, ..Settings::default() }).await;
    let answer = gateway.call(Call::post("/in/hooks").without_key().bytes("{}")).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "overloaded"));
    assert_eq!(answer.headers["retry-after"], "1");
    let limits = Limits { ingest_bytes_max: 10, ..Limits::default() };
    let gateway = Gateway::with_routes(Settings { limits, ..Settings::default() }).await;
    let answer = gateway.call(Call::post("/in/hooks").without_key().bytes("more than ten")).await;
    assert_eq!(answer.code(), "overloaded");
    assert_eq!(gateway.call(Call::post("/in/hooks").without_key().bytes("ten")).await.status, 200);
}

#[tokio::test]
async fn a_store_that_is_closed_is_our_failure_and_not_the_senders() {
    let gateway = Gateway::with_routes(Settings::default()).await;
    gateway.engine.store().close().await.expect("closed");
    let answer = gateway.call(Call::post("/in/hooks").without_key().bytes("{}")).await;
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains_key("retry-after"));
    let read = gateway.call(Call::get("/api/v1/events")).await;
    assert_eq!(read.status, 503);
    assert_eq!(gateway.call(Call::get("/readyz").without_key()).await.status, 503);
    assert_eq!(gateway.call(Call::get("/healthz").without_key()).await.status, 200);
}
