//! Every page and every form, with keys of every scope: nobody sees or does what the API would not let them.

use http::header::CONTENT_SECURITY_POLICY;

use crate::desk::{Answer, Browser};

/// Largest page, in bytes: what a phone far away loads in a moment.
const PAGE_BYTES_MAX: usize = 100 * 1024;

/// A path, and which scope it asks for; `{event}` and the like stand for what the world has.
const PAGES: [(&str, &str); 26] = [
    ("/now", "read"),
    ("/now?span=7d", "read"),
    ("/events", "read"),
    ("/events/{event}", "read"),
    ("/events/{event}/payload", "read"),
    ("/sources", "read"),
    ("/sources/own", "read"),
    ("/sources/shop?span=24h", "read"),
    ("/runs/{run}", "read"),
    ("/endpoints/{endpoint}", "read"),
    ("/routes", "read"),
    ("/routes/own-app", "read"),
    ("/destinations", "read"),
    ("/destinations/app", "read"),
    ("/dead-letters", "read"),
    ("/dead-letters?destination=app", "read"),
    ("/requests", "read"),
    ("/requests/{request}", "read"),
    ("/schemas", "read"),
    ("/schemas/show?source=own&of=event&name=order", "read"),
    ("/schemas/schema.json?source=own&of=event&name=order", "read"),
    ("/alerts", "read"),
    ("/dead-letters/plan", "operate"),
    ("/try?route=own-app", "operate"),
    ("/keys", "admin"),
    ("/audit", "admin"),
];

/// Where forms go, with a body that would do.
const FORMS: [(&str, &str, &str); 27] = [
    ("/events/{event}/replay", "operate", ""),
    ("/deliveries/{delivery}/retry", "operate", ""),
    ("/deliveries/{delivery}/cancel", "operate", ""),
    ("/deliveries/{delivery}/ask", "operate", ""),
    ("/sources/shop/check", "operate", "connection=default"),
    ("/sources/shop/poll", "operate", "connection=default&stream=orders"),
    ("/sources/shop/reconcile", "operate", "connection=default&stream=orders&wish=dry_run"),
    ("/destinations/app/pause", "operate", ""),
    ("/destinations/app/disable", "operate", ""),
    ("/destinations/app/resume", "operate", ""),
    ("/dead-letters/retry", "operate", ""),
    ("/requests/reverify", "operate", "source=signed&reason=signature_missing"),
    ("/requests/{request}/reverify", "operate", ""),
    ("/requests/{request}/ask", "operate", ""),
    ("/alerts/{alert}/acknowledge", "operate", ""),
    ("/alerts/{alert}/resolve", "operate", ""),
    ("/alerts/channels/team/test", "operate", ""),
    ("/schemas/forget", "operate", "source=own&of=event&name=order"),
    ("/try", "operate", "route=own-app"),
    ("/routes", "admin", "route=own-app"),
    ("/endpoints", "admin", ""),
    ("/endpoints/{endpoint}/reply", "admin", "status=202"),
    ("/endpoints/{endpoint}/sender", "admin", "provider=none"),
    ("/endpoints/{endpoint}/remove", "admin", ""),
    ("/keys", "admin", "scope=read"),
    ("/keys/{key}/revoke", "admin", ""),
    ("/audit/export", "admin", ""),
];

/// What each scope includes.
const SCOPES: [(&str, &[&str]); 4] = [
    ("ingest:publish", &[]),
    ("read", &["read"]),
    ("operate", &["read", "operate"]),
    ("admin", &["read", "operate", "admin"]),
];

/// One thing of each noun, by the word that stands for it.
async fn belongings(browser: &mut Browser) -> Vec<(&'static str, String)> {
    let tenant = domain::Tenant::default_tenant();
    browser.engine.disable(tenant.clone(), "app".parse().expect("a name"), "gone".to_owned()).await.expect("disabled");
    browser.engine.resume(tenant.clone(), "app".parse().expect("a name")).await.expect("resumed");
    let event = browser.publishes("broken", Some("order/1"), &serde_json::json!({ "a": 1 })).await;
    browser.until(domain::DeliveryState::Dead, 1).await;
    let detail = browser.engine.store().event(tenant.clone(), event.parse().expect("an id")).await.expect("read");
    let delivery = detail.expect("it is there").deliveries[0].id.to_string();
    browser.arrives("signed", &[], "{}").await;
    let first = store::read::Page::first(1);
    let requests = browser.engine.store().requests(tenant.clone(), Default::default(), first).await.expect("read");
    let key = domain::StreamKey {
        tenant: tenant.clone(),
        source: "shop".parse().expect("a name"),
        connection: domain::ConnectionName::default_connection(),
        stream: "orders".into(),
    };
    let run = browser.engine.order_stream(key, engine::streams::Wish::Poll).await.expect("it is read");
    browser.learned("own", "order", [serde_json::json!({ "a": 1 })]).await;
    let endpoint = browser.engine.make_endpoint(tenant.clone()).await.expect("made");
    let page = store::read::Page::first(10);
    let alerts = browser.engine.store().alerts(tenant.clone(), false, page).await.expect("read").rows;
    let other = browser.key(&["read"]).await;
    let key = other.split('_').nth(1).expect("an id").to_owned();
    vec![
        ("{event}", event),
        ("{delivery}", delivery),
        ("{request}", requests.rows[0].request.id.to_string()),
        ("{run}", run.id.to_string()),
        ("{endpoint}", endpoint.to_string()),
        ("{alert}", alerts[0].id.to_string()),
        ("{key}", key),
    ]
}

fn named(path: &str, belongings: &[(&'static str, String)]) -> String {
    belongings.iter().fold(path.to_owned(), |path, (word, name)| path.replace(word, name))
}

fn is_safe(path: &str, answer: &Answer) {
    let policy = answer.headers.get(CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    assert!(
        policy.is_some_and(|policy| policy.starts_with("default-src 'none'") && !policy.contains("unsafe")),
        "{path}"
    );
    assert!(answer.text.len() <= PAGE_BYTES_MAX, "{path} has {} bytes", answer.text.len());
    assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
}

#[tokio::test]
async fn every_page_asks_for_its_scope() {
    let mut browser = Browser::furnished(&["admin"]).await;
    let belongings = belongings(&mut browser).await;
    for (scope, included) in SCOPES {
        browser.enter(&[scope]).await;
        for (path, needed) in PAGES {
            let (path, allowed) = (named(path, &belongings), included.contains(&needed));
            let answer = browser.get(&path).await;
            assert_eq!(answer.status, if allowed { 200 } else { 403 }, "{scope} at {path}: {}", answer.text);
            is_safe(&path, &answer);
        }
    }
}

#[tokio::test]
async fn a_reader_is_offered_no_form_and_can_post_none() {
    let mut browser = Browser::furnished(&["read"]).await;
    let belongings = belongings(&mut browser).await;
    for (path, _) in PAGES.iter().filter(|(_, needed)| *needed == "read") {
        let path = named(path, &belongings);
        let text = browser.get(&path).await.text;
        let forms: Vec<&str> =
            text.split("method=\"post\" action=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(forms.iter().all(|action| *action == "/logout"), "{path}: {forms:?}");
    }
    for (path, needed, body) in FORMS {
        let path = named(path, &belongings);
        assert_eq!(browser.post(&path, body).await.status, 403, "{path} needs {needed}");
    }
}

#[tokio::test]
async fn whoever_operates_changes_no_configuration() {
    let mut browser = Browser::furnished(&["operate"]).await;
    let belongings = belongings(&mut browser).await;
    for (path, needed, body) in FORMS {
        let path = named(path, &belongings);
        let refused = browser.post(&path, body).await.status == 403;
        assert_eq!(refused, needed == "admin", "{path}");
    }
}

#[tokio::test]
async fn threat_27_no_form_is_taken_from_elsewhere() {
    let mut browser = Browser::furnished(&["admin"]).await;
    let belongings = belongings(&mut browser).await;
    for (path, _, body) in FORMS {
        let path = named(path, &belongings);
        let form = http::Request::post(&path).header("sec-fetch-site", "cross-site");
        let form = form.header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(browser.send(form, body.into()).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_so() {
    let mut browser = Browser::furnished(&["admin"]).await;
    for path in [
        "/sources/nothing",
        "/routes/nothing",
        "/destinations/nothing",
        "/endpoints/nothing",
        "/endpoints/own",
        "/events/evt_01h455vb4pex5vsknk084sn02q",
        "/requests/req_01h455vb4pex5vsknk084sn02q",
        "/runs/run_01h455vb4pex5vsknk084sn02q",
        "/try?route=nothing",
    ] {
        let answer = browser.get(path).await;
        assert!(answer.status == 404 && answer.text.contains("There is no such"), "{path}: {}", answer.text);
    }
}
