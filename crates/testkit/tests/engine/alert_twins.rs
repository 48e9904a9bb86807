//! The rules that are told where their cause is met: each opens one alert, resolves it when that is over, and says
//! nothing of the healthy twin of the same history.

use std::sync::Arc;
use std::time::Duration;

use domain::run::RunKind;
use domain::{DeliveryState, Tenant};
use engine::publish::Publication;
use engine::streams::Wish;

use crate::alert_rules::seen;
use crate::rig::{Rig, SECRET};
use crate::streams::{World, every, reconciled};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn what_goes_well_raises_nothing_at_all() {
    let rig = Rig::start().await;
    for _ in 0..50 {
        rig.publish().await;
        rig.webhook(SECRET).await;
        rig.pass(2 * MINUTE).await;
    }
    assert!(rig.deliveries(DeliveryState::Delivered).await.len() >= 50);
    assert!(rig.alerts().await.is_empty(), "{:?}", rig.alerts().await);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_is_gone_is_told_until_it_is_resumed_and_one_that_only_refuses_is_not() {
    for (status, expected) in [(410, 1), (404, 0)] {
        let rig = Rig::start().await;
        rig.answer(status);
        for _ in 0..5 {
            rig.publish().await;
            rig.pass(SECOND).await;
        }
        rig.pass(5 * MINUTE).await;
        assert_eq!(seen(&rig, "destination_disabled").await, (expected, expected == 1), "{status}");
        rig.answer(200);
        let app = "app".parse().expect("a name");
        rig.engine.resume(Tenant::default_tenant(), app).await.expect("resumed");
        rig.pass(5 * MINUTE).await;
        assert_eq!(seen(&rig, "destination_disabled").await, (expected, false), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_told_until_they_are_taken_and_a_source_that_fails_is_another_matter() {
    for (status, expected) in [(401, 1), (500, 0)] {
        let world = World::start(&[("orders", every(10 * SECOND))]).await;
        world.rig.pass(15 * SECOND).await;
        assert_eq!(seen(&world.rig, "credentials_refused").await, (0, false), "it takes them");
        world.shop.state().status = Some(status);
        world.rig.pass(10 * MINUTE).await;
        assert_eq!(seen(&world.rig, "credentials_refused").await, (expected, expected == 1), "{status}");
        world.shop.state().status = None;
        world.rig.pass(30 * MINUTE).await;
        assert_eq!(seen(&world.rig, "credentials_refused").await, (expected, false), "{status}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_told_until_a_run_finds_none_and_what_a_poll_told_is_none() {
    for (told_before, expected) in [(false, 1), (true, 0)] {
        let spec = engine::spec::StreamSpec { reconcile: Some(reconciled(24 * 60 * MINUTE)), ..Default::default() };
        let world = World::start(&[("orders", spec)]).await;
        let order = |wish| world.rig.engine.stream_orders().order(World::key("orders"), wish);
        let reconcile = || order(Wish::Reconcile { dry: false, deletes_confirmed: false });
        reconcile().await.expect("the first scan");
        world.rig.pass(20 * SECOND).await;
        world.shop.order(2, "new");
        world.rig.pass(5 * SECOND).await;
        if told_before {
            order(Wish::Poll).await.expect("a poll");
            world.rig.pass(5 * SECOND).await;
        }
        for _ in 0..2 {
            world.shop.order(if told_before { 2 } else { 3 }, "new");
            world.rig.pass(SECOND).await;
            if told_before {
                order(Wish::Poll).await.expect("a poll");
                world.rig.pass(5 * SECOND).await;
            }
            reconcile().await.expect("a run");
            world.rig.pass(5 * SECOND).await;
        }
        assert_eq!(seen(&world.rig, "gap_found").await, (expected, expected == 1), "{told_before}");
        reconcile().await.expect("a run that finds none");
        world.rig.pass(5 * SECOND).await;
        assert_eq!(seen(&world.rig, "gap_found").await, (expected, false), "{told_before}");
        assert!(world.runs(RunKind::Reconcile).await.len() >= 4);
        world.stop().await;
    }
}

async fn publish(rig: &Rig, data: serde_json::Value) {
    let publication = Publication {
        tenant: Tenant::default_tenant(),
        source: "own".parse().expect("a name"),
        event_type: "order.created".to_owned(),
        subject: None,
        data: data.to_string().into(),
        idempotency_key: None,
    };
    rig.engine.publish(publication).await.expect("it is taken");
}

#[tokio::test(start_paused = true)]
async fn a_changed_schema_is_told_once_by_its_severity_until_a_person_looked_and_a_new_field_is_not() {
    use serde_json::json;
    for (odd, kind) in [
        (json!({ "id": "a word", "total": 1 }), Some("schema_broken")),
        (json!({ "id": 1 }), Some("schema_changed")),
        (json!({ "id": 1, "total": 1, "note": "x" }), None),
    ] {
        let rig = Rig::start().await;
        for number in 0..40 {
            publish(&rig, json!({ "id": number, "total": number })).await;
            rig.pass(SECOND).await;
        }
        assert!(rig.alerts().await.is_empty(), "what it looks like is learned");
        for _ in 0..3 {
            publish(&rig, odd.clone()).await;
            rig.pass(5 * SECOND).await;
        }
        let alerts = rig.alerts().await;
        let kinds: Vec<&str> = alerts.iter().map(|alert| &*alert.kind).collect();
        assert_eq!(kinds, Vec::from_iter(kind), "{alerts:?}");
        for alert in &alerts {
            assert_eq!(&*alert.object, "source/own/type/order.created");
            let tenant = Tenant::default_tenant();
            rig.engine.dismiss_alert(&tenant, alert.id, "ann".into()).await.expect("asked").expect("it was open");
        }
        publish(&rig, odd).await;
        rig.pass(MINUTE).await;
        assert_eq!(rig.open().await, [], "it looks as it is known to look by now");
    }
}

#[tokio::test(start_paused = true)]
async fn signatures_that_fail_now_and_then_are_no_trouble_and_those_that_rise_are_one() {
    for (wrong_of_ten, expected) in [(1, 0), (5, 1)] {
        let rig = Arc::new(Rig::start().await);
        for number in 0..200 {
            rig.webhook(if number % 10 < wrong_of_ten { "wrong" } else { SECRET }).await;
            rig.pass(SECOND).await;
        }
        assert_eq!(seen(&rig, "signatures_failing").await, (expected, expected == 1), "{wrong_of_ten}");
        for _ in 0..200 {
            rig.webhook(SECRET).await;
            rig.pass(5 * SECOND).await;
        }
        assert_eq!(seen(&rig, "signatures_failing").await, (expected, false), "{wrong_of_ten}");
    }
}
