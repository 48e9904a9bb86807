//! Every figure of a run report, against a history that is written out by hand: who told what, when, and who did not.

use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use domain::run::{Run, RunFigures, RunKind, RunState};
use engine::receive::Receipt;
use engine::spec::{ReconcileSpec, RoleSecret, Secret, Specs, StreamSpec};
use engine::streams::Wish;
use ring::hmac;
use serde_json::{Value as Json, json};

use crate::rig::{Rig, clock, listening, memory};
use crate::shop::{GET, Shop, specs};
use crate::streams::{World, reconciled};

const SECOND: Duration = Duration::from_secs(1);
const KEY: &str = "bWFkZSB1cCBmb3IgdGhpcyB0ZXN0IG9ubHku";

/// Both streams are reconciled, and hear of their records by webhooks too.
pub async fn world() -> World {
    let clock = clock();
    let shop = Shop::new(&clock);
    let spec = StreamSpec {
        reconcile: Some(ReconcileSpec { grace: Some(60 * SECOND), ..reconciled(86_400 * SECOND) }),
        ..StreamSpec::default()
    };
    let mut specs = specs(&clock, &[("orders", spec.clone()), ("items", spec)], None, GET);
    let secret = RoleSecret::new(String::new(), Secret::new(format!("whsec_{KEY}")));
    specs.sources[0].webhook = listening("shop", "standard-webhooks", vec![secret]).webhook;
    specs.sources[0].publish = false;
    let rig = Rig::reaching(memory(), Specs::default(), clock, std::sync::Arc::clone(&shop) as _).await;
    shop.order(1, "there before");
    (1..=3).for_each(|id| shop.item(id, "there before"));
    rig.engine.configure(specs).await.expect("the specs are valid");
    World { rig, shop }
}

/// A webhook about a record, as it was when it changed.
pub async fn hook(world: &World, topic: &str, data: &Json) {
    let body = json!({ "type": topic, "data": data }).to_string();
    let (id, seconds) = (format!("{topic}-{}-{}", data["id"], data["note"]), world.rig.clock.now().as_secs());
    let key = BASE64.decode(KEY.as_bytes()).expect("base64");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), format!("{id}.{seconds}.{body}").as_bytes());
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", format!("v1,{}", BASE64.encode(tag.as_ref()))),
    ];
    let headers = headers.map(|(name, value)| (name.into(), Bytes::from(value))).to_vec();
    let receipt = world.rig.engine.receive(world.rig.request("shop", headers, Bytes::from(body))).await;
    assert!(matches!(receipt, Receipt::Accepted { .. }), "{receipt:?}");
}

async fn hooked(world: &World, topic: &str, id: u64, after: u64) {
    let (stream, _) = topic.split_once('.').expect("a topic");
    let record = {
        let state = world.shop.state();
        if stream == "order" { state.orders[&id].clone() } else { state.items[&id].clone() }
    };
    world.rig.pass(Duration::from_secs(after)).await;
    hook(world, topic, &record).await;
}

/// Nothing is compared before the first complete scan.
pub async fn first_scan(world: &World, stream: &str) -> Run {
    let wish = Wish::Reconcile { dry: false, deletes_confirmed: false };
    world.rig.engine.stream_orders().order(World::key(stream), wish).await.expect("a run");
    world.rig.pass(20 * SECOND).await;
    let scans = world.runs(RunKind::Backfill).await;
    scans.into_iter().find(|run| &*run.key.stream == stream).expect("it was scanned")
}

async fn reconcile(world: &World, stream: &str, dry: bool) -> Run {
    let wish = Wish::Reconcile { dry, deletes_confirmed: false };
    let begun = world.rig.engine.stream_orders().order(World::key(stream), wish).await.expect("a run");
    world.rig.pass(SECOND).await;
    let run = world.rig.store.run(begun.key.tenant.clone(), begun.id).await.expect("a store").expect("the run");
    assert_eq!((run.state, run.kind), (RunState::Done, RunKind::Reconcile), "{run:?}");
    run
}

/// The share that webhooks told, and half and nearly all of their delays in whole seconds.
fn trust(run: &Run) -> (f64, Option<u64>, Option<u64>) {
    let trust = run.trust.expect("there was something to judge by");
    let seconds = |delay: Option<Duration>| delay.map(|delay| delay.as_secs_f64().round() as u64);
    (trust.caught, seconds(trust.delay_p50), seconds(trust.delay_p99))
}

#[tokio::test(start_paused = true)]
async fn every_figure_of_a_stream_with_versions_is_as_its_history_says() {
    let world = world().await;
    let scan = first_scan(&world, "orders").await;
    let first = RunFigures { requests: 1, pages: 1, seen: 1, ..RunFigures::default() };
    assert_eq!(scan.figures, first);

    world.shop.order(2, "told after three seconds");
    hooked(&world, "order.created", 2, 3).await;
    world.shop.order(3, "told after ten");
    hooked(&world, "order.created", 3, 10).await;
    world.shop.order(4, "told by nobody");
    world.shop.order(5, "told too late");
    let late = world.shop.state().orders[&5].clone();
    // Its time of change stays: no version says that it changed.
    world.shop.state().orders.get_mut(&1).expect("it was there before")["note"] = json!("changed in silence");
    world.rig.pass(90 * SECOND).await;
    world.shop.order(6, "too young to be missed");
    world.rig.pass(10 * SECOND).await;

    // 2 and 3 are known; 1, 4 and 5 are missed; 6 waits.
    let expected = RunFigures { requests: 1, pages: 1, seen: 6, matched: 2, missed: 3, young: 1, changed: 1, ..first };
    let dry = reconcile(&world, "orders", true).await;
    assert_eq!(dry.figures, expected, "it only reports");
    assert_eq!(trust(&dry), (0.4, Some(3), Some(10)), "2 of 5");
    let run = reconcile(&world, "orders", false).await;
    assert_eq!(run.figures, RunFigures { told: 3, ..expected });
    assert_eq!(trust(&run), (0.4, Some(3), Some(10)), "2 of 5");

    hook(&world, "order.created", &late).await;
    world.rig.pass(90 * SECOND).await;
    let run = reconcile(&world, "orders", false).await;
    // All but 6 are known by now, and of what was missed before one was told after all.
    let expected =
        RunFigures { requests: 1, pages: 1, seen: 6, matched: 5, missed: 1, told: 1, late: 1, ..RunFigures::default() };
    assert_eq!(run.figures, expected);
    assert_eq!(trust(&run).0, 2.0 / 6.0, "2 of 6: what came that late was not caught");
    let expected = RunFigures { requests: 1, pages: 1, seen: 6, matched: 6, ..RunFigures::default() };
    assert_eq!(reconcile(&world, "orders", false).await.figures, expected, "nothing is counted twice");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn every_figure_of_a_stream_without_versions_is_as_its_history_says() {
    let world = world().await;
    let scan = first_scan(&world, "items").await;
    let first = RunFigures { requests: 1, pages: 1, seen: 3, ..RunFigures::default() };
    assert_eq!(scan.figures, first);

    world.shop.item(4, "told");
    hooked(&world, "item.created", 4, 3).await;
    world.shop.item(3, "changed and told");
    hooked(&world, "item.updated", 3, 3).await;
    world.shop.item(5, "told by nobody");
    world.shop.item(1, "changed in silence");
    world.shop.state().items.remove(&2);
    world.rig.pass(10 * SECOND).await;

    // 3 and 4 are known; 1 and 5 are missed, and that 2 is gone: it is asked for by its id, which is a second request.
    let expected = RunFigures { requests: 2, pages: 1, seen: 4, matched: 2, missed: 3, deleted: 1, ..first };
    let dry = reconcile(&world, "items", true).await;
    assert_eq!(dry.figures, expected, "it only reports");
    assert_eq!(trust(&dry), (0.4, None, None), "2 of 5, and no record says when it changed");
    let run = reconcile(&world, "items", false).await;
    assert_eq!(run.figures, RunFigures { told: 3, ..expected });
    assert_eq!(trust(&run), (0.4, None, None));

    world.rig.pass(90 * SECOND).await;
    world.shop.item(6, "too new, but nothing says so");
    let run = reconcile(&world, "items", false).await;
    let expected =
        RunFigures { requests: 1, pages: 1, seen: 5, matched: 4, missed: 1, told: 1, ..RunFigures::default() };
    assert_eq!(run.figures, expected, "without a time of change nothing is too young");
    assert_eq!(trust(&run).0, 0.4, "of those that are there 2, 2 that were missed before, and 1 that is now");
    world.stop().await;
}
