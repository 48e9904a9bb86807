//! Every button, through HTTP, to what it does.

use std::sync::atomic::Ordering;

use domain::{DeliveryState, Tenant};
use engine::receive::Receipt;
use serde_json::json;
use store::people::DestinationState;
use store::read::{EventFilter, Page};
use store::registry::ObjectKind;

use crate::desk::{Answer, Browser};

fn went_to(answer: &Answer, path: &str) {
    assert_eq!((answer.status, answer.location()), (303, path), "{}", answer.text);
}

async fn state_of(browser: &Browser) -> Option<(DestinationState, String)> {
    let all = browser.engine.store().destination_statuses().await.expect("read");
    let own = all.into_iter().find(|(_, name, _)| name.as_str() == "app");
    own.map(|(_, _, status)| (status.state, status.reason))
}

#[tokio::test]
async fn a_destination_is_paused_with_a_reason_and_resumed() {
    let mut browser = Browser::furnished(&["operate"]).await;
    let paused = browser.post("/destinations/app/pause", "reason=a+deploy&back=/destinations").await;
    went_to(&paused, "/destinations?done=paused");
    assert_eq!(state_of(&browser).await, Some((DestinationState::Paused, "a deploy".to_owned())));
    let list = browser.get(paused.location()).await.text;
    assert!(list.contains(">paused</span>") && list.contains("Resume") && list.contains("Paused: what it is owed"));
    browser.publishes("held", None, &json!({})).await;
    browser.until(DeliveryState::Held, 1).await;
    let one = browser.get("/destinations/app").await.text;
    assert!(one.contains("a deploy") && one.contains("1 held"), "{one}");
    went_to(&browser.post("/destinations/app/resume", "").await, "/destinations/app?done=resumed");
    browser.until(DeliveryState::Delivered, 1).await;
    let evil = browser.post("/destinations/app/disable", "back=//evil.example").await;
    went_to(&evil, "/destinations/app?done=disabled");
    assert_eq!(browser.post("/destinations/app/pause", "reason=a%0Ab").await.status, 400);
}

#[tokio::test]
async fn a_failure_is_explained_and_a_model_is_asked_on_a_wish_and_shown_as_text() {
    let mut browser = Browser::furnished(&["operate"]).await;
    browser.world.status.store(413, Ordering::SeqCst);
    let event = browser.publishes("refused", None, &json!({})).await;
    browser.until(DeliveryState::Dead, 1).await;
    let page = browser.get(&format!("/events/{event}")).await.text;
    assert!(page.contains("data-rule=\"body_too_large\"") && page.contains("<strong>Next: </strong>"), "{page}");
    let ask = page.split("action=\"").filter_map(|rest| rest.split('"').next()).find(|path| path.ends_with("/ask"));
    let ask = ask.expect("a model can be asked").to_owned();
    let answered = browser.post(&ask, "").await;
    assert_eq!(answered.status, 200, "{}", answered.text);
    assert!(
        answered.text.contains("What the model small guesses") && answered.text.contains("data-rule"),
        "{}",
        answered.text
    );
    assert!(!answered.text.contains("<script>"), "only ever text");
    browser.arrives("signed", &[("x-forwarded-for", "192.0.2.7")], "{}").await;
    let list = browser.get("/requests").await.text;
    let request = list.split("/requests/").filter_map(|rest| rest.split('"').next()).find(|id| id.starts_with("req_"));
    let page = browser.get(&format!("/requests/{}", request.expect("it is listed"))).await.text;
    assert!(page.contains("data-rule=\"signature_stripped_by_proxy\""), "{page}");
}

#[tokio::test]
async fn an_event_says_what_when_let_through_and_what_it_stopped() {
    let mut browser = Browser::furnished(&["operate"]).await;
    for (name, when) in [("passes", "data.total > 40"), ("stops", "data.total > 50")] {
        browser.put(ObjectKind::Route, name, json!({ "from": "own", "to": "app", "when": when })).await;
    }
    let event = browser.publishes("order.paid", None, &json!({ "total": 42 })).await;
    browser.until(DeliveryState::Filtered, 1).await;
    browser.until(DeliveryState::Delivered, 2).await;
    let page = browser.get(&format!("/events/{event}")).await.text;
    assert_eq!(page.matches("let through").count(), 1, "a route without a when has nothing to say: {page}");
    assert!(
        page.contains("<code>data.total &gt; 40</code>") && page.contains("`when` did not let it through"),
        "{page}"
    );
    let tenant = Tenant::default_tenant();
    let other = json!({ "from": "own", "to": "app", "when": "data.total > 1000" });
    browser.engine.put_object(ObjectKind::Route, tenant, "passes", other, false).await.expect("it can be changed");
    let page = browser.get(&format!("/events/{event}")).await.text;
    let shown = page.split("let through").nth(1).and_then(|rest| rest.split("</p>").next()).expect("it is shown");
    assert!(
        shown.contains("data.total &gt; 1000") && shown.contains("when of now, which may have been another then"),
        "{shown}"
    );
}

#[tokio::test]
async fn dead_letters_are_grouped_planned_and_tried_again() {
    let mut browser = Browser::furnished(&["operate"]).await;
    for number in 0..3 {
        browser.publishes("broken", None, &json!({ "number": number })).await;
    }
    browser.until(DeliveryState::Dead, 3).await;
    browser.world.status.store(500, Ordering::SeqCst);
    browser.publishes("refused", None, &json!({})).await;
    browser.until(DeliveryState::Dead, 4).await;
    let list = browser.get("/dead-letters").await.text;
    assert!(list.contains("expression_failed") && list.contains(">3</span>") && list.contains(">1</span>"), "{list}");
    let plan = browser.get("/dead-letters/plan?cause=expression_failed").await.text;
    assert!(plan.contains("Try 3 again") && plan.contains("at the rate that it allows"), "{plan}");
    assert_eq!(browser.count(DeliveryState::Dead).await, 4, "a plan does nothing");
    browser.world.status.store(200, Ordering::SeqCst);
    let refused = plan.split("name=\"until\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a time");
    let form = format!("cause=refused&until={}", refused.replace(':', "%3A").replace('+', "%2B"));
    went_to(&browser.post("/dead-letters/retry", &form).await, "/dead-letters?done=retried&count=1");
    browser.until(DeliveryState::Delivered, 1).await;
    assert_eq!(browser.count(DeliveryState::Dead).await, 3);
    let too_late = "until=2001-01-01T00%3A00%3A00Z";
    went_to(&browser.post("/dead-letters/retry", too_late).await, "/dead-letters?done=retried&count=0");
}

#[tokio::test]
async fn one_delivery_is_tried_again_or_cancelled() {
    let mut browser = Browser::furnished(&["operate"]).await;
    browser.world.status.store(500, Ordering::SeqCst);
    let event = browser.publishes("refused", None, &json!({})).await;
    browser.until(DeliveryState::Dead, 1).await;
    let shown = browser.get(&format!("/events/{event}")).await.text;
    let id = shown.split("/deliveries/").nth(1).and_then(|rest| rest.split('/').next()).expect("a delivery").to_owned();
    assert!(shown.contains("Try again") && shown.contains("<strong>500</strong>"), "{shown}");
    browser.world.status.store(200, Ordering::SeqCst);
    let cancelled = browser.post(&format!("/deliveries/{id}/cancel"), "").await;
    assert!(cancelled.status == 400 && cancelled.text.contains("this one is dead"), "{}", cancelled.text);
    let again = browser.post(&format!("/deliveries/{id}/retry"), "").await;
    went_to(&again, &format!("/events/{event}?done=again"));
    browser.until(DeliveryState::Delivered, 1).await;
    let shown = browser.get(&format!("/events/{event}")).await.text;
    assert!(shown.contains("try 2") && !shown.contains("Try again"), "{shown}");
}

#[tokio::test]
async fn a_rejected_request_is_judged_again_by_the_secret_of_now() {
    let mut browser = Browser::furnished(&["admin"]).await;
    let body = r#"{"zen":"x"}"#;
    let signature = "sha256=d1fbc1e2d6a2ed7a4d2eaa1d3a3a0b0b2b1f7b1cbb3e0c0a3e0b8c9f6d3f5a11";
    let headers = [("x-github-event", "ping"), ("x-github-delivery", "1"), ("x-hub-signature-256", signature)];
    assert!(matches!(browser.arrives("signed", &headers, body).await, Receipt::Rejected { .. }));
    let list = browser.get("/requests").await.text;
    assert!(list.contains("signature mismatch") && list.contains("Judge again"), "{list}");
    let id = list.split("/requests/req_").nth(1).and_then(|rest| rest.split('"').next()).expect("a request");
    let path = format!("/requests/req_{id}");
    let one = browser.get(&path).await.text;
    assert!(one.contains("x-github-event") && !one.contains(signature) && one.contains("***"), "{one}");
    went_to(&browser.post(&format!("{path}/reverify"), "").await, &path);
    // Once nothing has to be signed, what was rejected is accepted.
    let tenant = Tenant::default_tenant();
    let open = json!({ "webhook": { "provider": "none" } });
    let put = browser.engine.put_object(ObjectKind::Source, tenant, "signed", open, false);
    put.await.expect("it can be put");
    let all = browser.post("/requests/reverify", "source=signed&reason=signature_mismatch").await;
    went_to(&all, "/requests?source=signed&done=reverified&count=1");
    assert!(browser.get("/events?source=signed").await.text.contains("/events/evt_"));
}

#[tokio::test]
async fn requests_that_are_judged_again_are_accepted_in_the_order_in_which_they_came() {
    let mut browser = Browser::furnished(&["admin"]).await;
    let bodies: Vec<_> = (0..5).map(|number| format!(r#"{{"number":{number}}}"#)).collect();
    for body in &bodies {
        let headers = [("x-github-event", "ping"), ("x-hub-signature-256", "sha256=00")];
        assert!(matches!(browser.arrives("signed", &headers, body).await, Receipt::Rejected { .. }));
    }
    let open = json!({ "webhook": { "provider": "none" } });
    let put = browser.engine.put_object(ObjectKind::Source, Tenant::default_tenant(), "signed", open, false);
    put.await.expect("it can be put");
    let reason = browser.get("/requests").await.text;
    let reason = reason.split("reason=").nth(1).and_then(|rest| rest.split(['"', '&']).next()).expect("a reason");
    let all = browser.post("/requests/reverify", &format!("source=signed&reason={reason}")).await;
    went_to(&all, "/requests?source=signed&done=reverified&count=5");
    let stored = browser.engine.store().events_after(Tenant::default_tenant(), EventFilter::default(), Page::first(10));
    let accepted: Vec<_> = stored.await.expect("read").events;
    let payloads: Vec<_> = accepted.iter().map(|(_, event)| String::from_utf8_lossy(&event.payload)).collect();
    assert_eq!(payloads, bodies);
}

#[tokio::test]
async fn a_connection_is_checked_and_a_stream_read() {
    let mut browser = Browser::furnished(&["operate"]).await;
    let page = browser.get("/sources/shop").await.text;
    for expected in ["Streams", "orders", "Compare, dry run", "Budget", "5000/h", "Check credentials"] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    went_to(&browser.post("/sources/shop/check", "connection=default").await, "/sources/shop?done=works");
    let ordered = browser.post("/sources/shop/poll", "connection=default&stream=orders").await;
    assert!(ordered.location().starts_with("/runs/run_"), "{}", ordered.location());
    assert!(browser.get(ordered.location()).await.text.contains("of orders"));
    browser.world.shop_status.store(401, Ordering::SeqCst);
    let refused = browser.post("/sources/shop/check", "connection=default").await;
    assert!(refused.status == 502 && refused.text.contains("does not accept it"), "{}", refused.text);
    let unknown = browser.post("/sources/shop/poll", "connection=default&stream=ordres").await;
    assert!(
        unknown.status == 404 && unknown.text.contains("did you mean &#39;orders&#39;")
            || unknown.text.contains("did you mean 'orders'"),
        "{}",
        unknown.text
    );
    let unheard = "connection=default&stream=orders&wish=drop";
    assert_eq!(browser.post("/sources/shop/reconcile", unheard).await.status, 400);
}

#[tokio::test]
async fn a_route_is_tried_on_an_event_and_saved() {
    let mut browser = Browser::furnished(&["admin"]).await;
    let event = browser.publishes("order.paid", Some("orders/7"), &json!({ "total": 42 })).await;
    browser.until(DeliveryState::Delivered, 1).await;
    let delivered = browser.count(DeliveryState::Delivered).await;
    let tried = async |browser: &mut Browser, when: &str, map: &str| {
        let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let form = format!("route=own-app&event={event}&when={}&map={}", escape(when), escape(map));
        let answer = browser.post("/try", &form).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text
    };
    let through = tried(&mut browser, "data.total > 40", "{ 'sum': data.total }").await;
    assert!(through.contains("goes through") && through.contains("&quot;sum&quot;: 42"), "{through}");
    let stopped = tried(&mut browser, "data.total > 50", "{ 'sum': data.total }").await;
    assert!(stopped.contains("filtered") && stopped.contains("What would be sent"), "{stopped}");
    let unreadable = tried(&mut browser, "data.", "").await;
    assert!(unreadable.contains("when failed") && unreadable.contains("line 1"), "{unreadable}");
    let failing = tried(&mut browser, "", "$number('x')").await;
    assert!(failing.contains("goes through") && failing.contains("`map`"), "{failing}");
    assert_eq!(browser.count(DeliveryState::Delivered).await, delivered, "trying sends nothing");
    let route = || {
        let topology = browser.engine.topology();
        topology.route("default", "own-app").map(|route| (route.spec.when.clone(), route.spec.map.clone()))
    };
    assert_eq!(route().expect("it is there").0, None, "trying saves nothing");
    let saved = browser.post("/routes", "route=own-app&when=data.total+%3E+40&map=").await;
    went_to(&saved, "/routes/own-app?done=saved");
    let topology = browser.engine.topology();
    let spec = &topology.route("default", "own-app").expect("it is there").spec;
    assert_eq!((spec.when.as_deref(), spec.map.as_deref()), (Some("data.total > 40"), None));
    let wrong = browser.post("/routes", "route=own-app&when=data.&map=").await;
    assert!(wrong.status == 400, "{}", wrong.text);
    let new = browser.post("/routes", "from=open&to=app&when=&map=").await;
    went_to(&new, "/routes/open-app?done=saved");
    assert_eq!(browser.post("/routes", "from=open&to=app&when=&map=").await.status, 409);
    let panel = browser.post("/try", "from=open&to=app&name=second&when=&map=").await.text;
    assert!(panel.contains("name=\"name\" value=\"second\"") && panel.contains("name: &quot;second&quot;"), "{panel}");
    let second = browser.post("/routes", "from=open&to=app&name=second&when=&map=").await;
    went_to(&second, "/routes/second?done=saved");
    let kept = browser.post("/routes", "route=second&name=third&when=&map=").await;
    went_to(&kept, "/routes/second?done=saved");
    assert!(browser.engine.topology().route("default", "open-app").is_some(), "the first of the pair is as it was");
}

#[tokio::test]
async fn a_route_is_tried_on_events_of_its_own_source_alone() {
    let mut browser = Browser::furnished(&["operate"]).await;
    let own = browser.publishes("order.paid", None, &json!({ "total": 42 })).await;
    let opened = browser.webhook(r#"{"opened":7}"#).await;
    let changed = browser.post("/try", &format!("from=open&to=app&event={own}&when=&map=")).await.text;
    assert!(!changed.contains(&own) && changed.contains(&opened), "{changed}");
    assert!(changed.contains("data-events=\"open\"") && changed.contains("&quot;opened&quot;: 7"), "{changed}");
    let none = browser.post("/try", &format!("from=signed&to=app&event={own}&when=&map=")).await.text;
    assert!(none.contains("No event to try it on") && !none.contains(&own), "{none}");
}

#[tokio::test]
async fn a_key_is_shown_once_opens_what_it_may_and_ends_at_once() {
    let mut browser = Browser::furnished(&["admin"]).await;
    let made = browser.post("/keys", "scope=read&note=the+shop&days=30").await;
    let text = made.text.split("trk_").nth(1).and_then(|rest| rest.split('<').next()).expect("a key");
    let text = format!("trk_{text}");
    let list = browser.get("/keys").await.text;
    assert!(list.contains("the shop") && !list.contains(&text), "{list}");
    let other = browser.access.caller(Some(&text)).await.expect("asked").expect("it opens");
    assert!(other.scopes.allow(engine::access::Scope::Read) && !other.scopes.allow(engine::access::Scope::Operate));
    let id = other.key;
    went_to(&browser.post(&format!("/keys/{id}/revoke"), "").await, "/keys");
    assert!(browser.access.caller(Some(&text)).await.expect("asked").is_none());
    assert_eq!(browser.post("/keys/nothing/revoke", "").await.status, 404);
}

#[tokio::test]
async fn nobody_locks_themselves_out_by_a_click() {
    let mut browser = Browser::furnished(&["admin"]).await;
    let own = browser.engine.store().api_keys(None).await.expect("keys")[0].id.to_string();
    let revoke = format!("/keys/{own}/revoke");
    let list = browser.get("/keys").await.text;
    assert!(!list.contains(&revoke) && list.contains("come in with another admin key"), "{list}");
    let refused = browser.post(&revoke, "").await;
    assert!(refused.status == 400 && refused.text.contains(&format!("trireme key revoke {own}")), "{}", refused.text);
    assert_eq!(browser.get("/keys").await.status, 200, "it still opens");
    browser.enter(&["admin"]).await;
    assert!(browser.get("/keys").await.text.contains(&revoke), "another one may");
    went_to(&browser.post(&revoke, "").await, "/keys");
}

#[tokio::test]
async fn a_key_that_would_open_nothing_is_not_made() {
    let mut browser = Browser::furnished(&["admin"]).await;
    let long = "x".repeat(201);
    for (form, says) in [
        ("scope=read&days=0", "expires_at: must be in the future"),
        ("scope=read&note=a%0Ab", "note: use at most 200 bytes"),
        (&format!("scope=read&note={long}"), "note: use at most 200 bytes"),
    ] {
        let answer = browser.post("/keys", form).await;
        assert!(answer.status == 400 && answer.text.contains(says), "{form}: {}", answer.text);
    }
    assert_eq!(browser.engine.store().api_keys(None).await.expect("keys").len(), 1, "the one they came in with");
}
