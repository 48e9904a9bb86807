//! Calls and figures: kept, listed, bounded.

use std::time::Duration;

use domain::{Call, ConnectionName, Latencies, Purpose};

use super::world::{DAY, Open, SECOND, World, name, page};
use crate::read::{PAGE_MAX, Page};
use crate::watch::{CALLS_PER_CONNECTION, CallFilter, Figure, Series, Step};

pub(super) fn call(w: &World, source: &str, connection: &str) -> Call {
    Call {
        tenant: w.tenant.clone(),
        source: name(source),
        connection: name(connection),
        stream: Some("orders".into()),
        purpose: Purpose::Poll,
        method: "GET".into(),
        url: "https://api.example/orders".to_owned(),
        started_at: w.now,
        duration: Duration::from_millis(120),
        status: Some(200),
        error: None,
        bytes: 48_000,
        budget_left: Some(99),
    }
}

async fn urls(w: &World, filter: CallFilter) -> Vec<String> {
    let listed = w.store.calls(w.tenant.clone(), filter, Page::first(PAGE_MAX)).await.expect("calls");
    assert!(listed.next.is_none() && listed.searched_until.is_none());
    listed.rows.into_iter().map(|call| call.url).collect()
}

pub async fn calls_are_listed_by_every_filter_newest_first(open: impl Open) {
    let mut w = World::new(open).await;
    let mut all = Vec::new();
    for (url, source, connection, stream, purpose, status) in [
        ("a", "shop", "acme", Some("orders"), Purpose::Poll, Some(200)),
        ("b", "shop", "zeta", Some("orders"), Purpose::Enrich, Some(429)),
        ("c", "crm", "acme", Some("deals"), Purpose::Poll, None),
        ("d", "shop", "acme", None, Purpose::Token, Some(304)),
    ] {
        w.pass(SECOND);
        let stream = stream.map(Into::into);
        all.push(Call { url: url.to_owned(), stream, purpose, status, ..call(&w, source, connection) });
    }
    let foreign = Call { tenant: name("other"), ..call(&w, "shop", "acme") };
    all.push(foreign);
    w.store.record_calls(all).await.expect("record_calls");
    w.reopen().await;
    let (shop, acme) = (Some(name("shop")), Some(name::<ConnectionName>("acme")));
    let any = CallFilter::default;
    for (filter, expected) in [
        (any(), "dcba"),
        (CallFilter { source: shop.clone(), ..any() }, "dba"),
        (CallFilter { connection: acme.clone(), ..any() }, "dca"),
        (CallFilter { source: shop, connection: acme, ..any() }, "da"),
        (CallFilter { stream: Some("orders".to_owned()), ..any() }, "ba"),
        (CallFilter { purpose: Some(Purpose::Poll), ..any() }, "ca"),
        (CallFilter { failed: Some(true), ..any() }, "cb"),
        (CallFilter { failed: Some(false), ..any() }, "da"),
        (CallFilter { source: Some(name("nowhere")), ..any() }, ""),
    ] {
        assert_eq!(urls(&w, filter.clone()).await.concat(), expected, "{filter:?}");
    }
    let mut given = String::new();
    let mut page = Page::first(3);
    loop {
        let listed = w.store.calls(w.tenant.clone(), any(), page.clone()).await.expect("calls");
        given.extend(listed.rows.iter().map(|call| call.url.clone()));
        let Some(next) = listed.next else { break };
        page.after = Some(next);
    }
    assert_eq!(given, "dcba", "pages neither skip nor repeat");
}

pub async fn a_call_is_read_back_whole(open: impl Open) {
    let w = World::new(open).await;
    let answered = call(&w, "shop", "acme");
    let unanswered = Call {
        stream: None,
        status: None,
        error: Some("timeout".into()),
        bytes: 0,
        budget_left: None,
        ..answered.clone()
    };
    w.store.record_calls(vec![answered.clone(), unanswered.clone()]).await.expect("record_calls");
    let listed = w.store.calls(w.tenant.clone(), CallFilter::default(), page()).await.expect("calls");
    assert_eq!(listed.rows, [unanswered, answered]);
}

pub async fn of_each_connection_the_newest_calls_stay(open: impl Open) {
    let w = World::new(open).await;
    let kept = CALLS_PER_CONNECTION as usize;
    let of = |connection: &str, numbers: std::ops::Range<usize>| -> Vec<Call> {
        numbers.map(|number| Call { url: number.to_string(), ..call(&w, "shop", connection) }).collect()
    };
    w.store.record_calls(of("quiet", 0..1)).await.expect("record_calls");
    w.store.record_calls(of("busy", 0..kept)).await.expect("record_calls");
    w.store.record_calls(of("busy", kept..kept + 7)).await.expect("record_calls");
    let there = async |connection: &str| {
        let filter =
            CallFilter { source: Some(name("shop")), connection: Some(name(connection)), ..Default::default() };
        urls(&w, filter).await
    };
    let expected: Vec<String> = (7..kept + 7).rev().map(|number| number.to_string()).collect();
    assert_eq!(there("busy").await, expected);
    assert_eq!(there("quiet").await, ["0"]);
}

pub(super) fn figure(w: &World, object: &str, count: u64, millis: &[u64]) -> Figure {
    let mut latencies = Latencies::default();
    millis.iter().for_each(|millis| latencies.add(Duration::from_millis(*millis)));
    Figure {
        tenant: w.tenant.clone(),
        series: Series::Calls,
        object: object.into(),
        count,
        failed: count / 2,
        latencies,
    }
}

async fn counts(w: &World, step: Step, since: domain::Timestamp) -> Vec<(domain::Timestamp, String, u64, u64)> {
    let found = w.store.figures(w.tenant.clone(), Series::Calls, step, since).await.expect("figures");
    found.into_iter().map(|(at, figure)| (at, figure.object.to_string(), figure.count, figure.failed)).collect()
}

pub async fn figures_add_up_by_minute_and_by_hour(open: impl Open) {
    let mut w = World::new(open).await;
    let start = Step::Hour.floor(w.now);
    w.now = start;
    w.store.add_figures(w.now, vec![figure(&w, "shop", 4, &[10, 20]), figure(&w, "crm", 1, &[5])]).await.expect("add");
    w.pass(SECOND * 59);
    w.store.add_figures(w.now, vec![figure(&w, "shop", 2, &[30])]).await.expect("add");
    w.pass(SECOND);
    w.store.add_figures(w.now, vec![figure(&w, "shop", 1, &[])]).await.expect("add");
    for series in Series::ALL.into_iter().filter(|series| *series != Series::Calls) {
        let other = Figure { series, ..figure(&w, "shop", 9, &[]) };
        w.store.add_figures(w.now, vec![other.clone()]).await.expect("add");
        let found = w.store.figures(w.tenant.clone(), series, Step::Minute, start).await.expect("figures");
        assert_eq!(found, [(start + SECOND * 60, other)]);
    }
    w.reopen().await;
    let row = |at, object: &str, count, failed| (at, object.to_owned(), count, failed);
    let second = start + SECOND * 60;
    let mut minutes = counts(&w, Step::Minute, start).await;
    minutes.sort();
    assert_eq!(minutes, [row(start, "crm", 1, 0), row(start, "shop", 6, 3), row(second, "shop", 1, 0)]);
    assert_eq!(counts(&w, Step::Minute, second + SECOND).await, [row(second, "shop", 1, 0)], "from the step it is in");
    let mut hours = counts(&w, Step::Hour, start).await;
    hours.sort();
    assert_eq!(hours, [row(start, "crm", 1, 0), row(start, "shop", 7, 3)]);
    let found = w.store.figures(w.tenant.clone(), Series::Calls, Step::Hour, start).await.expect("figures");
    let shop = found.iter().find(|(_, figure)| &*figure.object == "shop").expect("it is there");
    assert_eq!(shop.1.latencies, figure(&w, "shop", 0, &[10, 20, 30]).latencies);
}

pub async fn figures_are_forgotten_with_age(open: impl Open) {
    let mut w = World::new(open).await;
    let start = w.now;
    w.store.add_figures(w.now, vec![figure(&w, "shop", 1, &[])]).await.expect("add");
    w.pass(DAY * 2);
    w.store.add_figures(w.now, vec![figure(&w, "shop", 1, &[])]).await.expect("add");
    assert_eq!(counts(&w, Step::Minute, start).await.len(), 1, "minutes go first");
    assert_eq!(counts(&w, Step::Hour, start).await.len(), 2);
    w.pass(DAY * 31);
    w.store.add_figures(w.now, vec![figure(&w, "shop", 1, &[])]).await.expect("add");
    assert_eq!(counts(&w, Step::Hour, start).await.len(), 2);
}
