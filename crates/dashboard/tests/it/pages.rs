//! What the pages show.

use axum::body::Body;
use http::Request;
use http::header::CONTENT_SECURITY_POLICY;

use crate::desk::Browser;

#[tokio::test]
async fn an_event_is_listed_and_shown_with_what_was_proved() {
    let mut browser = Browser::with(&["read"]).await;
    let id = browser.webhook(r#"{"hello":"world"}"#).await;
    let list = browser.get("/events").await.text;
    assert!(list.contains(&id) && list.contains(">none</span>"), "{list}");
    let one = browser.get(&format!("/events/{id}")).await.text;
    for expected in
        ["Assurance", "anyone who knows the address could have sent it", "&quot;hello&quot;: &quot;world&quot;"]
    {
        assert!(one.contains(expected), "{expected}: {one}");
    }
}

#[tokio::test]
async fn the_filter_stands_in_the_address() {
    let mut browser = Browser::with(&["read"]).await;
    let (kept, other) = (browser.webhook(r#"{"a":"needle"}"#).await, browser.webhook(r#"{"a":"hay"}"#).await);
    let found = browser.get("/events?q=needle&source=open").await.text;
    assert!(found.contains(&kept) && !found.contains(&other), "{found}");
    assert!(found.contains(r#"value="needle""#));
    assert!(browser.get("/events?source=nothing").await.text.contains("No events here"));
    assert_eq!(browser.get("/events?source=%20%21").await.status, 400);
}

#[tokio::test]
async fn threat_26_what_strangers_sent_is_text() {
    let mut browser = Browser::with(&["read"]).await;
    let attack = r#"{"x":"</pre><script>alert(1)</script><img src=x onerror=alert(1)>\" onmouseover=\"alert(1)"}"#;
    let id = browser.webhook(attack).await;
    let answer = browser.get(&format!("/events/{id}")).await;
    assert!(!answer.text.contains("<script>alert") && !answer.text.contains("<img src=x"), "{}", answer.text);
    let policy = answer.headers.get(CONTENT_SECURITY_POLICY).expect("a policy").to_str().expect("text");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let searched = browser.get("/events?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await.text;
    assert!(!searched.contains("<script>alert"), "{searched}");
}

#[tokio::test]
async fn everything_a_page_loads_is_here() {
    let mut browser = Browser::with(&["read"]).await;
    let page = browser.get("/now").await.text;
    let paths: Vec<&str> = page.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert!(paths.len() >= 3, "{page}");
    for path in paths {
        let asset = browser.send(Request::get(path), Body::empty()).await;
        assert_eq!(asset.status, 200, "{path}");
        assert!(asset.headers["cache-control"].to_str().expect("text").starts_with("public"));
    }
    assert!(!page.contains("https://"), "nothing comes from elsewhere: {page}");
    assert!(page.len() < 100 * 1024);
}
