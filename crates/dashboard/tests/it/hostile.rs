//! What strangers sent, wherever it is shown: text, and never anything else.

use domain::DeliveryState;
use serde_json::json;
use store::registry::ObjectKind;

use crate::desk::Browser;
use crate::world::HOSTILE;

/// Pages that show something of an event, a request or a delivery.
async fn paths(browser: &mut Browser) -> Vec<String> {
    let data = json!({ HOSTILE: HOSTILE });
    let broken = browser.publishes("broken", Some(HOSTILE), &data).await;
    let event = browser.publishes(HOSTILE, Some(HOSTILE), &data).await;
    let headers = [("content-type", HOSTILE), (HOSTILE, HOSTILE), ("x-plain", HOSTILE), ("user-agent", HOSTILE)];
    let open = match browser.arrives("open", &headers, HOSTILE).await {
        engine::receive::Receipt::Accepted { events, .. } => events[0].0.to_string(),
        other => panic!("{other:?}"),
    };
    browser.arrives("signed", &headers, HOSTILE).await;
    browser.until(DeliveryState::Delivered, 1).await;
    browser.until(DeliveryState::Dead, 1).await;
    browser.learned("own", "hostile", vec![json!({ HOSTILE: HOSTILE }); 40]).await;
    let tenant = domain::Tenant::default_tenant();
    let page = store::read::Page::first(1);
    let requests = browser.engine.store().requests(tenant, Default::default(), page).await.expect("read");
    let shown = [
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
        "/schemas/show?source=own&of=event&name=hostile",
        "/alerts",
        "/try",
        "/keys",
        "/audit",
    ];
    let own = [
        format!("/events/{event}"),
        format!("/events/{broken}"),
        format!("/events/{open}"),
        format!("/try?route=own-app&event={event}"),
        format!("/try?route=own-app&event={broken}"),
        format!("/requests/{}", requests.rows[0].request.id),
    ];
    shown.iter().map(|path| (*path).to_owned()).chain(own).collect()
}

fn is_inert(path: &str, text: &str) {
    assert!(!text.contains("<script>alert") && !text.contains("<img src=x"), "{path}: {text}");
    // Neither does an attribute end where its value does not.
    assert!(!text.contains("</pre></textarea>"), "{path}: {text}");
}

#[tokio::test]
async fn threat_26_no_page_shows_what_strangers_sent_as_anything_but_text() {
    let mut browser = Browser::furnished(&["admin"]).await;
    let mut shows = 0;
    for path in paths(&mut browser).await {
        let answer = browser.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        is_inert(&path, &answer.text);
        shows += usize::from(answer.text.contains("&lt;script&gt;alert(1)"));
    }
    assert!(shows >= 8, "only {shows} pages show it at all");
}

#[tokio::test]
async fn threat_26_what_an_address_or_a_form_says_is_text_too() {
    let mut browser = Browser::furnished(&["admin"]).await;
    browser.publishes("broken", None, &json!({})).await;
    let typed: String = HOSTILE.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for path in [
        "/events?q={}",
        "/events?type={}",
        "/dead-letters?cause={}",
        "/requests?reason={}",
        "/now?span={}",
        "/sources?done={}",
    ] {
        is_inert(path, &browser.get(&path.replace("{}", &typed)).await.text);
    }
    let tried = browser.post("/try", &format!("route=own-app&when={typed}&map={typed}")).await;
    assert!(tried.status == 200 && tried.text.contains("&lt;script&gt;"), "{}", tried.text);
    is_inert("/try", &tried.text);
    let made = browser.post("/keys", &format!("scope=read&note={typed}")).await;
    assert!(made.status == 200 && made.text.contains("&lt;script&gt;"), "{}", made.text);
    is_inert("/keys", &made.text);
}

#[tokio::test]
async fn threat_24_no_page_shows_a_secret() {
    let mut browser = Browser::furnished(&["admin"]).await;
    let canary = "canary-4242424242424242";
    let app = json!({ "http": { "url": format!("https://app.example/{canary}?token={canary}"), "unsigned": true, "headers": { "x-key": canary } } });
    browser.put(ObjectKind::Destination, "second", app).await;
    let signed = json!({ "webhook": { "provider": "github", "secret": canary } });
    browser.put(ObjectKind::Source, "third", signed).await;
    browser
        .arrives("third", &[("authorization", canary), ("x-hub-signature-256", canary), ("cookie", canary)], "{}")
        .await;
    let page = store::read::Page::first(1);
    let requests = browser.engine.store().requests(domain::Tenant::default_tenant(), Default::default(), page).await;
    let request = format!("/requests/{}", requests.expect("read").rows[0].request.id);
    for path in ["/sources", "/sources/third", "/endpoints/third", "/destinations", "/requests", request.as_str()] {
        let answer = browser.get(path).await;
        assert!(answer.status == 200 && !answer.text.contains(canary), "{path}: {}", answer.text);
    }
    // Its address is part of a definition, which those see who may change it; what stands in its headers is a secret.
    assert!(!browser.get("/destinations/second").await.text.contains(&format!("x-key\": \"{canary}")));
}
