//! A silent failure makes noise: what opens an alert, what counts it on, and what resolves it.

use std::sync::Arc;
use std::time::Duration;

use domain::retry::{Backoff, RetryPolicy};
use domain::{DeliveryState, Tenant};
use engine::spec::Specs;
use store::registry::Alert;
use store_sqlite::{OpenOptions, SqliteStore};

use crate::rig::{Rig, SECRET, memory, route, specs};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const DEAD: (&str, &str) = ("dead_letters", "route/main/destination/app");

fn is(open: &[(String, String)], expected: &[(&str, &str)]) -> bool {
    open.iter().map(|(kind, object)| (kind.as_str(), object.as_str())).eq(expected.iter().copied())
}

async fn only(rig: &Rig) -> Alert {
    let mut alerts = rig.alerts().await;
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    alerts.remove(0)
}

#[tokio::test(start_paused = true)]
async fn dead_letters_of_a_route_are_one_alert_with_their_count_until_none_is_left() {
    let alerting = crate::alert_rules::without("delivery_failing");
    let rig = Rig::with(memory(), Specs { alerting, ..specs() }).await;
    rig.answer(500);
    for _ in 0..7 {
        rig.publish().await;
    }
    rig.pass(SECOND).await;
    assert!(is(&rig.open().await, &[DEAD]), "{:?}", rig.open().await);
    rig.pass(MINUTE).await;
    let alert = only(&rig).await;
    assert_eq!((alert.count, alert.resolved_at), (7, None), "{alert:?}");
    assert!(alert.detail.contains("'main'") && alert.detail.contains("'app'"), "{}", alert.detail);
    rig.answer(200);
    let dead = rig.deliveries(DeliveryState::Dead).await;
    let ids: Vec<_> = dead.iter().map(|row| row.id).collect();
    rig.engine.retry(Tenant::default_tenant(), ids[1..].to_vec()).await.expect("retried");
    rig.pass(MINUTE).await;
    assert!(is(&rig.open().await, &[DEAD]), "one is left");
    rig.engine.retry(Tenant::default_tenant(), ids[..1].to_vec()).await.expect("retried");
    rig.pass(MINUTE).await;
    assert!(only(&rig).await.resolved_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_person_resolves_an_alert_and_its_cause_opens_it_again() {
    let rig = Rig::start().await;
    rig.answer(500);
    rig.publish().await;
    rig.pass(SECOND).await;
    let id = only(&rig).await.id;
    let other: Tenant = "other".parse().expect("a name");
    assert!(rig.engine.dismiss_alert(&other, id, "ann".into()).await.expect("asked").is_none(), "it is not theirs");
    let tenant = Tenant::default_tenant();
    let resolved = rig.engine.dismiss_alert(&tenant, id, "ann".into()).await.expect("asked").expect("it was open");
    assert!(resolved.resolved_at.is_some() && rig.open().await.is_empty());
    assert!(
        rig.engine.dismiss_alert(&tenant, id, "ann".into()).await.expect("asked").is_none(),
        "it is resolved already"
    );
    rig.publish().await;
    rig.pass(SECOND).await;
    assert!(is(&rig.open().await, &[DEAD]));
}

#[tokio::test(start_paused = true)]
async fn failing_signatures_are_one_alert_however_many_fail() {
    let store = memory();
    let rig = Rig::with(Arc::clone(&store), specs()).await;
    for _ in 0..4 {
        rig.webhook("wrong").await;
    }
    rig.pass(SECOND).await;
    assert!(rig.open().await.is_empty(), "four may be a stranger's");
    for _ in 0..100 {
        rig.webhook("wrong").await;
    }
    rig.pass(MINUTE).await;
    assert!(is(&rig.open().await, &[("signatures_failing", "source/github")]));
    assert_eq!(only(&rig).await.count, 100, "one alert, however many fail");
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_stays_open_is_told_after_a_minute_and_resolved_when_it_closes() {
    let mut specs = specs();
    let ever = RetryPolicy { backoff: Backoff::List(vec![SECOND]), attempts: 10_000, jitter_percent: 0 };
    specs.destinations[0].retry = ever;
    specs.alerting = crate::alert_rules::without("delivery_failing");
    let rig = Rig::with(memory(), specs).await;
    rig.answer(500);
    for _ in 0..20 {
        rig.publish().await;
    }
    rig.pass(50 * SECOND).await;
    assert!(rig.open().await.is_empty(), "a restart takes that long");
    rig.pass(15 * SECOND).await;
    assert!(is(&rig.open().await, &[("breaker_open", "destination/app")]), "{:?}", rig.open().await);
    rig.pass(10 * MINUTE).await;
    assert_eq!(only(&rig).await.count, 1);
    rig.answer(200);
    rig.pass(3 * MINUTE).await;
    assert!(only(&rig).await.resolved_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_a_route_owes_where_it_leads_no_more_is_told_until_it_leads_there_again() {
    let mut before = specs();
    let later = RetryPolicy { backoff: Backoff::List(vec![MINUTE]), attempts: 5, jitter_percent: 0 };
    before.destinations[0].retry = later;
    let rig = Rig::with(memory(), before.clone()).await;
    rig.answer(500);
    for _ in 0..3 {
        rig.publish().await;
    }
    rig.pass(SECOND).await;
    rig.answer(200);
    let mut moved = before.clone();
    moved.routes = vec![route("crm")];
    rig.engine.configure(moved).await.expect("valid");
    rig.pass(2 * MINUTE).await;
    assert_eq!(rig.deliveries(DeliveryState::Held).await.len(), 3);
    assert!(is(&rig.open().await, &[("route_moved", "route/main/destination/app")]), "{:?}", rig.open().await);
    rig.engine.configure(before).await.expect("valid");
    rig.pass(2 * MINUTE).await;
    assert_eq!(rig.deliveries(DeliveryState::Delivered).await.len(), 3);
    assert!(only(&rig).await.resolved_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_told_of_before_retention_removes_them() {
    let rig = Rig::start().await;
    rig.answer(500);
    rig.publish().await;
    rig.pass(DAY * 11 / 4).await;
    assert!(is(&rig.open().await, &[DEAD]));
    rig.pass(DAY / 2).await;
    assert!(is(&rig.open().await, &[("dead_letters_expiring", "destination/app"), DEAD]), "{:?}", rig.open().await);
    rig.pass(DAY).await;
    assert!(rig.open().await.is_empty(), "nothing is left: {:?}", rig.open().await);
}

#[tokio::test(start_paused = true)]
async fn an_alert_of_an_earlier_process_is_resolved_when_its_object_returns() {
    let store = memory();
    let mut later = specs();
    later.destinations[0].retry = RetryPolicy { backoff: Backoff::List(vec![DAY]), attempts: 5, jitter_percent: 0 };
    let mut without = later.clone();
    without.routes.clear();
    let rig = Rig::with(Arc::clone(&store), later.clone()).await;
    rig.answer(500);
    rig.publish().await;
    rig.pass(SECOND).await;
    rig.engine.configure(without).await.expect("valid");
    rig.pass(SECOND).await;
    assert!(is(&rig.open().await, &[("retired_with_open_deliveries", "route/main")]), "{:?}", rig.open().await);
    // Nothing of the first process is asked any more.
    let rig = Rig::at(store, later, Arc::clone(&rig.clock)).await;
    rig.pass(SECOND).await;
    assert!(only(&rig).await.resolved_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_told_without_any_traffic_and_resolved_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = OpenOptions::file(folder.path().join("full.db")).inline();
    let store = |disk_reserve_bytes| {
        Arc::new(SqliteStore::open(OpenOptions { disk_reserve_bytes, ..file.clone() }).expect("it opens"))
    };
    let mut empty = specs();
    empty.sources.truncate(0);
    empty.routes.truncate(0);
    empty.destinations = vec![];
    let first = Rig::with(store(0), empty.clone()).await;
    first.engine.stop(SECOND).await;
    let rig = Rig::with(store(u64::MAX), empty.clone()).await;
    rig.pass(2 * MINUTE).await;
    assert!(is(&rig.open().await, &[("disk_reserve", "store")]), "{:?}", rig.open().await);
    let clock = Arc::clone(&rig.clock);
    rig.engine.stop(SECOND).await;
    let rig = Rig::at(store(0), empty, clock).await;
    rig.pass(MINUTE).await;
    assert!(only(&rig).await.resolved_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_good_signature_ends_the_alert_of_an_earlier_process() {
    let store = memory();
    let rig = Rig::with(Arc::clone(&store), specs()).await;
    for _ in 0..5 {
        rig.webhook("wrong").await;
    }
    rig.pass(SECOND).await;
    assert_eq!(rig.open().await.len(), 1);
    let rig = Rig::at(store, specs(), Arc::clone(&rig.clock)).await;
    rig.webhook(SECRET).await;
    rig.pass(SECOND).await;
    assert!(only(&rig).await.resolved_at.is_some());
}
