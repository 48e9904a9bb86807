//! Who gets in, and what a page elsewhere cannot make a browser do.

use axum::body::Body;
use http::Request;

use store::read::Page;

use crate::desk::Browser;

const PAGES: [&str; 4] = ["/now", "/events", "/events/evt_01h455vb4pex5vsknk084sn02q", "/alerts"];

#[tokio::test]
async fn a_stranger_is_asked_for_a_key_and_sees_nothing() {
    let mut browser = Browser::stranger().await;
    for path in PAGES {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.location().starts_with("/login?to=/"), "{path}");
    }
    assert_eq!(browser.get("/events/live").await.status, 303);
    let wrong = browser.post("/login", "key=trk_admin_0000000000000000000000000000000000").await;
    assert_eq!((wrong.status, browser.cookie.clone()), (401, None), "{}", wrong.text);
    browser.cookie = Some("trireme=bm90IGEgc2VhbA".to_owned());
    assert_eq!(browser.get("/now").await.status, 303, "a made-up cookie opens nothing");
}

#[tokio::test]
async fn whoever_comes_in_by_plain_http_where_cookies_need_https_is_told_so() {
    let mut browser = Browser::stranger().await.over_https("https://hooks.example");
    let key = browser.key(&["read"]).await;
    let answer = browser.post("/login", &format!("key={key}&to=/events?q%3Da%2520b")).await;
    assert_eq!((answer.status, answer.location()), (303, "/login?to=/events%3Fq%3Da%2520b&fresh=1"));
    let cookie = browser.cookie.take();
    assert!(cookie.as_ref().is_some_and(|cookie| cookie.starts_with("__Host-trireme=")));
    let dropped = browser.get(answer.location()).await;
    assert_eq!(dropped.status, 200);
    assert!(dropped.text.contains("cookies need https"), "{}", dropped.text);
    assert!(dropped.text.contains("<a href=\"https://hooks.example\">"), "{}", dropped.text);
    browser.cookie = cookie;
    let kept = browser.get(answer.location()).await;
    assert_eq!((kept.status, kept.location()), (303, "/events?q=a%20b"));
    assert_eq!(browser.get("/login?to=//evil.example&fresh=1").await.location(), "/");
    browser.cookie = None;
    assert!(!browser.get("/login?to=/events").await.text.contains("need https"), "nobody gave a key yet");
}

#[tokio::test]
async fn a_revoked_key_ends_its_sessions_at_once() {
    let mut browser = Browser::with(&["read"]).await;
    assert_eq!(browser.get("/now").await.status, 200);
    let keys = browser.engine.store().api_keys(None).await.expect("keys");
    assert!(browser.access.revoke(&keys[0].tenant, &keys[0].id).await.expect("asked"));
    assert_eq!(browser.get("/now").await.status, 303);
}

#[tokio::test]
async fn whoever_leaves_is_a_stranger_again() {
    let mut browser = Browser::with(&["read"]).await;
    assert_eq!(browser.post("/logout", "").await.location(), "/login");
    assert_eq!(browser.get("/now").await.status, 303);
}

#[tokio::test]
async fn threat_27_a_form_elsewhere_changes_nothing() {
    let mut browser = Browser::with(&["admin"]).await;
    let id = browser.webhook("{}").await;
    let path = format!("/events/{id}/replay");
    for (name, value) in [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "null")] {
        let form = Request::post(&path).header("host", "localhost").header(name, value);
        assert_eq!(browser.send(form, Body::empty()).await.status, 403, "{name}: {value}");
    }
    assert_eq!(browser.send(Request::post(&path), Body::empty()).await.status, 403, "nobody says where it stands");
    let tenant = domain::Tenant::default_tenant();
    assert_eq!(browser.engine.store().replays(tenant.clone(), Page::first(10)).await.expect("replays").rows, []);
    assert_eq!(browser.post(&path, "").await.status, 303);
    assert_eq!(browser.engine.store().replays(tenant, Page::first(10)).await.expect("replays").rows.len(), 1);
}

#[tokio::test]
async fn a_link_from_elsewhere_asks_once_more_with_its_cookie() {
    let mut browser = Browser::stranger().await;
    let link = Request::get("/events").header("sec-fetch-site", "cross-site");
    let answer = browser.send(link, Body::empty()).await;
    assert!(answer.status == 200 && answer.text.contains("http-equiv=\"refresh\""), "{}", answer.text);
}

#[tokio::test]
async fn whose_session_ended_before_a_button_was_pressed_comes_in_at_the_start_and_nothing_was_done() {
    let mut browser = Browser::stranger().await;
    let pressed = browser.post("/alerts/alr_01h455vb4pex5vsknk084sn02q/resolve", "").await;
    assert_eq!((pressed.status, pressed.location()), (303, "/login"), "a form's address is no page");
}

#[tokio::test]
async fn scopes_hold_here_too() {
    let mut publisher = Browser::with(&["ingest:publish"]).await;
    for path in PAGES {
        assert_eq!(publisher.get(path).await.status, 403, "{path}");
    }
    let mut reader = Browser::with(&["read"]).await;
    let id = reader.webhook("{}").await;
    assert_eq!(reader.get(&format!("/events/{id}")).await.status, 200);
    assert_eq!(reader.post(&format!("/events/{id}/replay"), "").await.status, 403);
}
