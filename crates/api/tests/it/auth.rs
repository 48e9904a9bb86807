//! Who gets in.

use crate::gateway::{Call, Gateway};

#[tokio::test]
async fn every_key_that_does_not_open_is_answered_alike() {
    let gateway = Gateway::start().await;
    let mut wrong_secret = gateway.admin.clone();
    wrong_secret.replace_range(wrong_secret.len() - 4.., "0000");
    let expired = gateway.key_until("default", &["admin"], Some(gateway.engine.clock().now())).await;
    let unknown = format!("trk_{}_{}", "a".repeat(16), "b".repeat(52));
    let first = gateway.call(Call::get("/api/v1/events").without_key()).await;
    assert_eq!((first.status.as_u16(), first.code().as_str()), (401, "unauthorized"));
    for key in ["", "x", "trk_", &unknown, &wrong_secret, &expired] {
        let answer = gateway.call(Call::get("/api/v1/events").key(key)).await;
        assert_eq!((answer.status, &answer.body), (first.status, &first.body), "{key}");
        assert_eq!(answer.headers, first.headers);
    }
    let two = Call::get("/api/v1/events").header("authorization", format!("Bearer {}", gateway.admin));
    assert_eq!(gateway.call(two).await.status, 401, "two credentials are none");
    let basic = Call::get("/api/v1/events").without_key().header("authorization", format!("Basic {}", gateway.admin));
    assert_eq!(gateway.call(basic).await.status, 401);
    assert_eq!(gateway.call(Call::get("/api/v1/events")).await.status, 200);
}

#[tokio::test]
async fn open_routes_need_no_key_and_say_nothing_that_needs_one() {
    let gateway = Gateway::start().await;
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/openapi.json", 200),
        ("/", 200),
        ("/docs/errors/not_found", 200),
    ] {
        let answer = gateway.call(Call::get(path).without_key()).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("github-secret"));
        for (name, value) in [("x-content-type-options", "nosniff"), ("cache-control", "no-store")] {
            assert_eq!(answer.headers[name], value, "{path}");
        }
        assert!(
            answer.headers["content-security-policy"].to_str().is_ok_and(|csp| csp.starts_with("default-src 'none'"))
        );
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn when_keys_were_used_is_written_back() {
    let gateway = Gateway::start().await;
    gateway.call(Call::get("/api/v1/events")).await;
    gateway.app.access.write_back().await.expect("written");
    let keys = gateway.call(Call::get("/api/v1/api-keys")).await.json();
    assert!(keys["data"][0]["last_used_at"].is_string(), "{keys}");
}
