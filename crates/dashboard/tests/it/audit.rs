//! The audit log as the dashboard leaves it and shows it: what its forms do, who comes in and who is turned away.

use std::convert::Infallible;
use std::task::Poll;

use axum::body::Body;
use domain::Tenant;
use domain::audit::{Entry, Outcome};
use futures_util::stream;
use http::Request;
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::PrometheusBuilder;
use store::audit::AuditFilter;
use store::read::{PAGE_MAX, Page};

use crate::desk::Browser;

/// What stands in the log, newest first; what the file did is left out.
async fn entries(browser: &Browser) -> Vec<Entry> {
    let (tenant, page) = (Tenant::default_tenant(), Page::first(PAGE_MAX));
    let listed = browser.engine.store().audit(tenant, AuditFilter::default(), page).await.expect("a list");
    listed.rows.into_iter().filter(|entry| &*entry.note.action != "file.apply").collect()
}

fn told(entry: &Entry) -> String {
    let note = &entry.note;
    format!("{} {} {} {}", note.who.kind.as_str(), note.action, note.object, note.outcome.as_str())
}

async fn all_told(browser: &Browser) -> Vec<String> {
    entries(browser).await.iter().map(told).collect()
}

#[tokio::test]
async fn who_comes_in_who_is_turned_away_and_who_leaves_is_written_down() {
    let mut browser = Browser::stranger().await;
    let wrong = browser.post("/login", "key=trk_admin_0000000000000000000000000000000000").await;
    assert_eq!(wrong.status, 401);
    browser.enter(&["read"]).await;
    assert_eq!(browser.post("/logout", "").await.location(), "/login");
    let expected = [
        "session session.end dashboard done",
        "session session.begin dashboard done",
        "unknown session.begin dashboard refused",
    ];
    assert_eq!(all_told(&browser).await, expected);
    let all = entries(&browser).await;
    let keys = browser.engine.store().api_keys(None).await.expect("keys");
    assert_eq!((&all[0].note.who.id, &all[1].note.who.id), (&keys[0].id, &keys[0].id));
    assert!(all.iter().all(|entry| !entry.note.detail.contains("trk_")), "a key stands in the log");
    assert_eq!(browser.post("/logout", "").await.location(), "/login");
    assert_eq!(entries(&browser).await.len(), 3, "nobody was there to leave");
}

#[tokio::test]
async fn a_storm_of_wrong_keys_is_a_few_entries() {
    let mut browser = Browser::stranger().await;
    for number in 0..40 {
        assert_eq!(browser.post("/login", &format!("key=trk_x_{number:032}")).await.status, 401);
    }
    assert_eq!(entries(&browser).await.len(), 10);
}

#[tokio::test]
async fn what_a_form_does_is_written_down_once_with_how_it_ended() {
    let mut browser = Browser::furnished(&["admin"]).await;
    assert_eq!(browser.post("/destinations/app/pause", "reason=whsec_not_for_the_log").await.status, 303);
    assert_eq!(browser.post("/destinations/nothing/resume", "").await.status, 404);
    let made = browser.post("/keys", "scope=read&note=mine").await;
    assert_eq!(made.status, 200);
    let key = made.text.split("trk_").nth(1).and_then(|rest| rest.split('_').next()).expect("it is shown");
    assert_eq!(browser.post("/endpoints", "").await.status, 303);
    assert_eq!(browser.post("/try", "route=own-app").await.status, 200);
    let expected = [
        "session endpoint.create",
        &format!("session key.create key/{key} done"),
        "session destination.resume destination/nothing failed",
        "session destination.pause destination/app done",
        "session session.begin dashboard done",
    ];
    let all = all_told(&browser).await;
    assert_eq!(all.len(), expected.len(), "trying something out changes nothing: {all:#?}");
    for (told, expected) in all.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told} is not {expected}");
    }
    let all = entries(&browser).await;
    assert!(all.iter().all(|entry| !entry.note.detail.contains("whsec_")), "what a form says stands in the log");
    assert!(all[..4].iter().all(|entry| entry.note.began.is_some()), "it was begun before it was done");
}

#[tokio::test]
async fn an_entry_says_to_what_it_was_done_and_how_much_of_it() {
    let mut browser = Browser::furnished(&["admin"]).await;
    browser.publishes("broken", None, &serde_json::json!({})).await;
    browser.until(domain::DeliveryState::Dead, 1).await;
    browser.arrives("signed", &[], "{}").await;
    browser.learned("own", "order.paid", vec![serde_json::json!({ "id": 1 }); 3]).await;
    let stream = "connection=default&stream=orders";
    assert_eq!(browser.post("/sources/shop/reconcile", &format!("{stream}&wish=dry_run")).await.status, 303);
    assert_eq!(browser.post("/sources/shop/poll", "connection=default&stream=ordres").await.status, 404);
    assert_eq!(browser.post("/sources/shop/check", "connection=default").await.status, 303);
    assert_eq!(browser.post("/dead-letters/retry", "route=own-app&cause=expression_failed").await.status, 303);
    assert_eq!(browser.post("/requests/reverify", "source=signed&reason=signature_missing").await.status, 303);
    assert_eq!(browser.post("/schemas/forget", "source=own&of=event&name=order.paid").await.status, 303);
    assert_eq!(browser.post("/routes", "from=open&to=app&when=&map=").await.status, 303);
    let made = browser.post("/endpoints", "").await;
    let endpoint = made.location().trim_start_matches("/endpoints/").trim_end_matches("?done=made").to_owned();
    let all = entries(&browser).await;
    let endpoint = format!("endpoint.create source/{endpoint} ");
    let expected = [
        endpoint.as_str(),
        "route.put route/open-app ",
        "schema.forget source/own/event/order.paid ",
        "requests.reverify requests 0 of source/signed reason/signature_missing",
        "dead_letters.retry deliveries 1 of route/own-app cause/expression_failed",
        "connection.check source/shop/connection/default ",
        "stream.poll source/shop 404",
        "stream.reconcile source/shop/connection/default/stream/orders dry_run run/run_",
    ];
    let told = |entry: &Entry| format!("{} {} {}", entry.note.action, entry.note.object, entry.note.detail);
    for (entry, expected) in all.iter().zip(expected) {
        assert!(told(entry).starts_with(expected), "{} is not {expected}", told(entry));
    }
}

#[tokio::test]
async fn a_form_that_panics_is_counted_and_written_down_as_failed() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let mut browser = Browser::furnished(&["admin"]).await;
    let form = Request::post("/destinations/app/pause").header("sec-fetch-site", "same-origin");
    let form = form.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let broken = stream::poll_fn(|_| -> Poll<Option<Result<Vec<u8>, Infallible>>> { panic!("on purpose") });
    let answer = browser.send(form, Body::from_stream(broken)).await;
    assert_eq!(answer.status, 500, "{}", answer.text);
    assert!(!answer.text.contains("on purpose"), "{}", answer.text);
    let counted = recorder.handle().render();
    assert!(counted.contains("trireme_http_panics_total{place=\"dashboard\"} 1"), "{counted}");
    assert_eq!(all_told(&browser).await[0], "session destination.pause destination/app failed");
}

#[tokio::test]
async fn what_a_key_may_not_do_here_is_written_down_and_not_done() {
    let mut browser = Browser::furnished(&["read"]).await;
    assert_eq!(browser.post("/destinations/app/pause", "").await.status, 403);
    let all = entries(&browser).await;
    assert_eq!(told(&all[0]), "session destination.pause destination/app refused");
    assert_eq!(&*all[0].note.detail, "the key has not got the scope 'operate'");
    assert_eq!(all[0].note.outcome, Outcome::Refused);
    let statuses = browser.engine.store().destination_statuses().await.expect("statuses");
    assert!(statuses.is_empty(), "{statuses:?}");
}

#[tokio::test]
async fn the_page_shows_filters_and_gives_all_of_it_away_to_admins_only() {
    let mut browser = Browser::furnished(&["admin"]).await;
    assert_eq!(browser.post("/destinations/app/pause", "").await.status, 303);
    assert_eq!(browser.post("/destinations/app/resume", "").await.status, 303);
    let page = browser.get("/audit").await;
    assert_eq!(page.status, 200);
    for text in ["unbroken", "destination.pause", "destination.resume", "session.begin", "file.apply"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let page = browser.get("/audit?action=destination.pause&who=session&outcome=done").await.text;
    assert!(page.contains("destination.pause") && !page.contains("destination.resume"), "{page}");
    assert_eq!(browser.get("/audit?outcome=nothing").await.status, 400);
    let export = browser.post("/audit/export", "").await;
    assert_eq!((export.status, &export.headers["content-type"]), (200, &"application/x-ndjson".parse().expect("one")));
    assert!(export.text.lines().last().is_some_and(|line| line.contains("\"end\"")), "it is whole");
    browser.enter(&["operate"]).await;
    assert_eq!(browser.get("/audit").await.status, 403);
    assert_eq!(browser.post("/audit/export", "").await.status, 403);
}
