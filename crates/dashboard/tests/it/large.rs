//! Many of everything: no page grows with what there is.

use domain::DeliveryState;
use serde_json::json;
use store::registry::ObjectKind;

use crate::desk::Browser;

const PAGE_BYTES_MAX: usize = 100 * 1024;
const EVENTS: usize = 1_200;
const OBJECTS: usize = 130;

async fn filled() -> Browser {
    let browser = Browser::furnished(&["admin"]).await;
    for number in 0..OBJECTS {
        let name = format!("a-name-that-is-rather-long-as-names-go-in-large-houses-{number:03}");
        browser.put(ObjectKind::Source, &name, json!({ "webhook": { "provider": "none" } })).await;
        let app = json!({ "http": { "url": "https://app.example/hook", "unsigned": true } });
        browser.put(ObjectKind::Destination, &name, app).await;
        let long = format!("data.field = '{}'", "x".repeat(3_000));
        browser.put(ObjectKind::Route, &name, json!({ "from": "open", "to": name, "when": long })).await;
    }
    let subject = format!("orders/{}", "9".repeat(240));
    for number in 0..EVENTS {
        browser.publishes("broken", Some(&subject), &json!({ "number": number })).await;
        if number % 2 == 0 {
            browser.arrives("signed", &[("x-long", &"y".repeat(2_000))], "{}").await;
        }
    }
    let wide = |number: usize| -> serde_json::Value {
        let name = |field: usize| format!("{field:03} {}", "<".repeat(190));
        (0..300).map(|field| (name(field), json!({ "in": if number == 39 { json!("x") } else { json!(1) } }))).collect()
    };
    browser.learned("own", "large", (0..40).map(wide)).await;
    browser.publishes("large", Some(&subject), &json!({ "text": "z".repeat(2_000_000) })).await;
    browser.until(DeliveryState::Dead, store::read::PAGE_MAX as usize).await;
    browser.until(DeliveryState::Delivered, 1).await;
    browser
}

#[tokio::test]
async fn a_page_is_no_larger_where_each_letter_takes_six_and_each_bracket_a_line() {
    let mut browser = Browser::furnished(&["operate"]).await;
    browser.put(ObjectKind::Route, "whole", json!({ "from": "own", "to": "app", "map": "data" })).await;
    let nested = |depth: usize| {
        let inner = (0..4_000).map(|_| json!(1)).collect::<serde_json::Value>();
        (0..depth).fold(inner, |value, _| json!([value]))
    };
    for data in [json!("\"".repeat(18_000)), nested(3), nested(100)] {
        let event = browser.publishes("wide", None, &data).await;
        browser.arrives("signed", &[], &data.to_string()).await;
        let page = store::read::Page::first(1);
        let requests =
            browser.engine.store().requests(domain::Tenant::default_tenant(), Default::default(), page).await;
        let request = requests.expect("read").rows.remove(0).request.id;
        for path in
            [format!("/events/{event}"), format!("/try?route=whole&event={event}"), format!("/requests/{request}")]
        {
            let answer = browser.get(&path).await;
            assert_eq!(answer.status, 200, "{path}");
            assert!(answer.text.len() <= PAGE_BYTES_MAX, "{path} has {} bytes", answer.text.len());
            assert!(answer.text.len() > 3_000, "{path} shows something of it: {}", answer.text);
        }
    }
    browser.until(DeliveryState::Delivered, 6).await;
}

#[tokio::test]
async fn every_page_stays_below_its_size_with_thousands_of_rows() {
    let mut browser = filled().await;
    let found = browser.get("/events?type=large").await.text;
    let large =
        found.split("/events/evt_").nth(1).and_then(|rest| rest.split('"').next()).expect("an event").to_owned();
    let event = format!("/events/evt_{large}");
    let tried = format!("/try?route=own-app&event=evt_{large}");
    let paths = [
        "/now",
        "/events",
        "/sources",
        "/sources/own",
        "/routes",
        "/routes/own-app",
        "/destinations",
        "/destinations/app",
        "/dead-letters",
        "/dead-letters?destination=app",
        "/dead-letters/plan",
        "/requests",
        "/schemas",
        "/schemas/show?source=own&of=event&name=large",
        "/alerts",
        "/audit",
        "/keys",
        "/try",
        event.as_str(),
        tried.as_str(),
    ];
    for path in paths {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert!(answer.text.len() <= PAGE_BYTES_MAX, "{path} has {} bytes", answer.text.len());
    }
    assert!(browser.get("/dead-letters").await.text.contains("expression_failed"));
    let more = browser.get("/sources").await.text;
    let next = more.split("/sources?after=").nth(1).and_then(|rest| rest.split('"').next()).expect("a next page");
    assert!(browser.get(&format!("/sources?after={next}")).await.text.contains("rather-long"));
}
