//! Alerts, where a person sees them.

use domain::{Tenant, Timestamp};
use store::registry::Alert;

use crate::desk::Browser;

/// Raises one as long after the first ones as it has a higher number.
async fn raise(browser: &Browser, number: u32, kind: &str, object: &str) {
    let id = format!("alr_01h455vb4pex5vsknk084s{number:04}").parse().expect("an id");
    let at = Timestamp::from_secs(1_700_000_000 + i64::from(number));
    let alert = Alert::new(id, Tenant::default_tenant(), kind.into(), object.into(), format!("detail {number}."), at);
    browser.engine.store().raise_alert(alert).await.expect("raised");
}

async fn resolve(browser: &Browser, kind: &str, object: &str) {
    let at = browser.engine.clock().now();
    let store = browser.engine.store();
    let resolved = store.resolve_alert(Tenant::default_tenant(), kind.into(), object.into(), None, at).await;
    assert!(resolved.expect("resolved"), "it was open");
}

fn place(page: &str, text: &str) -> usize {
    page.find(text).unwrap_or_else(|| panic!("{text}: {page}"))
}

#[tokio::test]
async fn the_worst_stands_first_and_what_somebody_looks_after_last() {
    let mut browser = Browser::with(&["operate"]).await;
    browser.webhook("{}").await;
    raise(&browser, 0, "dead_letters", "route/a/destination/taken").await;
    raise(&browser, 1, "breaker_open", "destination/worst").await;
    for number in 2..9 {
        raise(&browser, number, "schema_changed", &format!("source/s/type/t{number}")).await;
    }
    let taken = browser.post("/alerts/alr_01h455vb4pex5vsknk084s0000/acknowledge", "").await;
    assert_eq!(taken.status, 303, "{}", taken.text);
    let now = browser.get("/now").await.text;
    assert!(place(&now, "detail 1.") < place(&now, "detail 8."), "the worst is first");
    assert!(now.contains("4 more, and all alerts") && !now.contains("detail 0."), "{now}");
    let all = browser.get("/alerts").await.text;
    assert!(place(&all, "detail 1.") < place(&all, "detail 8.") && place(&all, "detail 2.") < place(&all, "detail 0."));
}

#[tokio::test]
async fn what_is_open_is_shown_however_much_came_and_went_since() {
    let mut browser = Browser::with(&["operate"]).await;
    raise(&browser, 0, "breaker_open", "destination/app").await;
    for number in 1..=60 {
        raise(&browser, number, "silence", "source/shop").await;
        resolve(&browser, "silence", "source/shop").await;
    }
    let page = browser.get("/alerts").await.text;
    assert!(place(&page, "detail 0.") < place(&page, "detail 60."), "{page}");
    assert!(page.contains("/alerts/alr_01h455vb4pex5vsknk084s0000/resolve") && page.len() < 100 * 1024);
}
