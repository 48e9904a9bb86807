//! Instant endpoints: from an empty gateway to a verified source.

use domain::DeliveryState;
use engine::receive::Receipt;
use serde_json::json;

use crate::desk::Browser;

/// Makes one by the button, and gives its path.
async fn made(browser: &mut Browser) -> String {
    let answer = browser.post("/endpoints", "").await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.location().trim_end_matches("?done=made").to_owned()
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().expect("a name")
}

#[tokio::test]
async fn a_newcomer_is_led_to_an_address_and_sees_what_comes() {
    let mut browser = Browser::with(&["admin"]).await;
    let empty = browser.get("/now").await.text;
    assert!(empty.contains("No event has come yet") && empty.contains("action=\"/endpoints\""), "{empty}");
    let path = made(&mut browser).await;
    let name = name_of(&path).to_owned();
    let waiting = browser.get(&path).await.text;
    let url = format!("http://gateway.example/in/{name}");
    for expected in
        ["Waiting for the first request", &format!("curl -X POST {url}"), "data-live=\"/events/live?source="]
    {
        assert!(waiting.contains(expected), "{expected}: {waiting}");
    }
    let receipt = browser.arrives(&name, &[("x-any", "thing")], "not even JSON").await;
    let Receipt::Accepted { events, reply: None, delay } = receipt else { panic!("{receipt:?}") };
    assert!(delay.is_zero() && browser.get(&path).await.text.contains(&events[0].0.to_string()));
    let event = browser.get(&format!("/events/{}", events[0].0)).await.text;
    for expected in [&format!("curl -X POST {url} "), "-H 'x-any: thing'", "--data-raw 'not even JSON'"] {
        assert!(event.contains(expected), "{expected}: {event}");
    }
    assert!(!browser.get("/now").await.text.contains("No event has come yet"));
    assert!(browser.get("/sources").await.text.contains(&name));
}

#[tokio::test]
async fn two_endpoints_have_names_that_nobody_guesses_from_one_another() {
    let mut browser = Browser::with(&["admin"]).await;
    let (one, other) = (made(&mut browser).await, made(&mut browser).await);
    let differing = one.chars().zip(other.chars()).filter(|(one, other)| one != other).count();
    assert!(differing >= 15, "{one} {other}");
}

#[tokio::test]
async fn its_reply_is_what_was_set_and_given_only_for_what_was_accepted() {
    let mut browser = Browser::with(&["admin"]).await;
    let path = made(&mut browser).await;
    let form = "status=418&delay=2s&headers=X-Kind%3A+teapot%0D%0Acontent-type%3A+text/x-tea&body=a%0D%0Ab";
    assert_eq!(browser.post(&format!("{path}/reply"), form).await.location(), format!("{path}?done=saved"));
    let receipt = browser.arrives(name_of(&path), &[], "{}").await;
    let Receipt::Accepted { events, reply: Some(reply), delay } = receipt else { panic!("{receipt:?}") };
    assert_eq!((events.len(), reply.status, reply.body.as_slice(), delay.as_secs()), (1, 418, &b"a\nb"[..], 2));
    assert_eq!(reply.headers[0], ("x-kind".to_owned(), "teapot".to_owned()));
    let shown = browser.get(&path).await.text;
    assert!(
        shown.contains("value=\"418\"") && shown.contains("x-kind: teapot") && shown.contains("value=\"2s\""),
        "{shown}"
    );
    for (wrong, told) in [
        ("status=99", "200"),
        ("status=x", "A status is a number"),
        ("delay=1h", "30s"),
        ("headers=set-cookie%3A+a%3Db", "set-cookie"),
        ("headers=nothing", "a line of its own"),
        ("headers=x%3A+a%00b", "characters"),
    ] {
        let answer = browser.post(&format!("{path}/reply"), wrong).await;
        assert!(answer.status == 400 && answer.text.contains(told), "{wrong}: {}", answer.text);
    }
    assert_eq!(browser.post(&format!("{path}/reply"), "plain=yes&status=418").await.status, 303);
    assert!(matches!(browser.arrives(name_of(&path), &[], "{}").await, Receipt::Accepted { reply: None, .. }));
}

#[tokio::test]
async fn once_its_sender_is_chosen_only_that_one_is_believed() {
    let mut browser = Browser::with(&["admin"]).await;
    let path = made(&mut browser).await;
    browser.arrives(name_of(&path), &[], "{}").await;
    let asked = browser.get(&format!("{path}?sender=github")).await.text;
    assert!(asked.contains("name=\"secret.signing\"") && asked.contains("Take only what GitHub sent"), "{asked}");
    let without = browser.post(&format!("{path}/sender"), "provider=github").await;
    assert!(without.status == 400 && without.text.contains("secret"), "{}", without.text);
    let chosen = browser.post(&format!("{path}/sender"), "provider=github&secret.signing=canary-secret").await;
    assert_eq!(chosen.location(), format!("{path}?done=verified"), "{}", chosen.text);
    assert!(matches!(browser.arrives(name_of(&path), &[], "{}").await, Receipt::Rejected { .. }));
    let shown = browser.get(&path).await.text;
    assert!(shown.contains("It accepts what GitHub signed") && !shown.contains("canary-secret"), "{shown}");
    assert!(shown.contains("/events/evt_"), "what came before stays: {shown}");
    let told = browser.post(&format!("{path}/reply"), "status=202").await;
    assert!(told.status == 400 && told.text.contains("verified hears"), "{}", told.text);
}

#[tokio::test]
async fn it_can_be_routed_and_removed_and_what_is_more_than_one_cannot_be_changed_here() {
    let mut browser = Browser::furnished(&["admin"]).await;
    let path = made(&mut browser).await;
    let name = name_of(&path).to_owned();
    assert!(browser.get(&path).await.text.contains(&format!("/try?from={name}")));
    assert_eq!(browser.post("/routes", &format!("from={name}&to=app&when=&map=")).await.status, 303);
    browser.arrives(&name, &[], "{}").await;
    browser.until(DeliveryState::Delivered, 1).await;
    let used = browser.post(&format!("{path}/remove"), "").await;
    assert!(used.status == 400 && used.text.contains("there is no source"), "{}", used.text);
    let other = made(&mut browser).await;
    assert_eq!(browser.post(&format!("{other}/remove"), "").await.location(), "/sources?done=removed");
    assert_eq!(browser.get(&other).await.status, 404);
    for (source, status) in [("open", 409), ("own", 409), ("nothing", 404)] {
        assert_eq!(browser.post(&format!("/endpoints/{source}/reply"), "status=202").await.status, status, "{source}");
    }
    let definition = json!({ "webhook": { "provider": "none", "reply": { "status": 204 } }, "publish": true });
    browser.put(store::registry::ObjectKind::Source, "both", definition).await;
    assert_eq!(browser.post("/endpoints/both/reply", "status=202").await.status, 409);
}
