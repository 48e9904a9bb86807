//! When streams are read: what is due is read whatever else is due, however slow or wrong its source is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use domain::run::{RunKind, RunState};
use engine::spec::{PollBudget, PollSpec, Specs, StreamSpec};
use serde_json::json;
use testkit::faulty_store::{Death, Fate, Fates, FaultyStore, Refusal};

use crate::rig::{Rig, clock, memory};
use crate::shop::{Shop, specs};
use crate::streams::{World, every, reconciled};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn asked(world: &World, path: &str) -> usize {
    world.shop.state().asked.iter().filter(|(_, url)| url.contains(path)).count()
}

#[tokio::test(start_paused = true)]
async fn polls_that_take_longer_than_their_interval_put_no_reconciliation_off() {
    let spec = StreamSpec { reconcile: Some(reconciled(5 * MINUTE)), ..every(SECOND) };
    let world = World::start(&[("orders", spec)]).await;
    world.rig.pass(MINUTE).await;
    world.shop.state().takes = 3 * SECOND / 2;
    world.rig.pass(30 * MINUTE).await;
    let runs = world.runs(RunKind::Reconcile).await.len();
    assert!((5..=6).contains(&runs), "{runs} in half an hour");
    assert!(asked(&world, "/orders") > 30 * 30, "polls go on between them");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_an_interval_of_its_own_takes_nothing_from_the_budget_that_others_share() {
    let share = PollBudget { rate: "60/h".parse().expect("a rate"), at_least: SECOND, at_most: MINUTE, weight: 1.0 };
    let shared = StreamSpec { poll: Some(PollSpec::Budget(share)), ..StreamSpec::default() };
    let world = World::start(&[("orders", every(SECOND)), ("items", shared)]).await;
    world.rig.pass(30 * MINUTE).await;
    let (orders, items) = (asked(&world, "/orders"), asked(&world, "/items"));
    assert!(orders > 29 * 60, "{orders} of a poll each second");
    assert!((25..=31).contains(&items), "{items} of 60 an hour");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_from_the_future_hides_no_change_that_comes_after_it() {
    let world = World::start(&[("orders", every(10 * SECOND))]).await;
    world.rig.pass(15 * SECOND).await;
    let ahead = json!({ "id": 9, "updated_at": "2099-01-01T00:00:00Z", "note": "its clock was wrong" });
    world.shop.state().orders.insert(9, ahead);
    world.rig.pass(15 * SECOND).await;
    world.rig.pass(10 * MINUTE).await;
    world.shop.order(2, "afterwards");
    world.rig.pass(15 * SECOND).await;
    assert_eq!(world.types().await, ["orders.created orders/9", "orders.created orders/2"]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reconciliation_that_fails_is_tried_again_soon_and_told_if_it_goes_on() {
    let spec = StreamSpec { reconcile: Some(reconciled(24 * 60 * MINUTE)), ..StreamSpec::default() };
    let world = World::start(&[("orders", spec)]).await;
    world.rig.pass(MINUTE).await;
    world.shop.state().status = Some(403);
    world.rig.pass(24 * 60 * MINUTE).await;
    world.rig.pass(10 * MINUTE).await;
    let failed = world.runs(RunKind::Reconcile).await;
    assert!((3..20).contains(&failed.len()) && failed.iter().all(|run| run.state == RunState::Failed), "{failed:?}");
    assert_eq!(failing(&world).await, 1);
    world.shop.state().status = None;
    world.rig.pass(15 * MINUTE).await;
    assert_eq!(world.runs(RunKind::Reconcile).await.iter().filter(|run| run.state == RunState::Done).count(), 1);
    assert_eq!(failing(&world).await, 0);
    world.stop().await;
}

async fn failing(world: &World) -> usize {
    world.rig.open().await.iter().filter(|(kind, _)| kind == "stream_failing").count()
}

#[tokio::test(start_paused = true)]
async fn a_poll_waits_a_minute_for_an_answer_and_a_first_scan_as_long_as_a_report_takes() {
    let world = World::start(&[("orders", every(MINUTE))]).await;
    world.rig.pass(SECOND).await;
    let scan = world.shop.state().patience;
    world.rig.pass(MINUTE).await;
    assert_eq!((scan, world.shop.state().patience), (5 * MINUTE, MINUTE));
    world.stop().await;
}

/// Refuses to write runs down, once it is full.
#[derive(Default)]
struct Full {
    is_full: AtomicBool,
    refused: AtomicU64,
}

impl Fates for Full {
    fn next(&self, verb: &'static str) -> Fate {
        if verb != "put_run" || !self.is_full.load(Ordering::Relaxed) {
            return Fate::Happens;
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Fate::Refused(Refusal::DiskFull)
    }
}

#[tokio::test(start_paused = true)]
async fn a_reconciliation_that_cannot_be_begun_is_not_tried_without_end() {
    let (clock, full) = (clock(), Arc::new(Full::default()));
    let shop = Shop::new(&clock);
    shop.order(1, "there before");
    let store = FaultyStore::new(memory(), Arc::clone(&full) as _, Arc::new(Death::default()));
    let spec = StreamSpec { reconcile: Some(reconciled(MINUTE)), ..StreamSpec::default() };
    let specs = specs(&clock, &[("orders", spec)], None, "");
    let rig = Rig::reaching(Arc::new(store), Specs::default(), clock, Arc::clone(&shop) as _).await;
    rig.engine.configure(specs).await.expect("the specs are valid");
    rig.pass(30 * SECOND).await;
    full.is_full.store(true, Ordering::Relaxed);
    rig.pass(5 * MINUTE).await;
    let refused = full.refused.load(Ordering::Relaxed);
    assert!((3..20).contains(&refused), "{refused} tries in five minutes");
    let world = World { rig, shop };
    assert_eq!(failing(&world).await, 1);
    full.is_full.store(false, Ordering::Relaxed);
    world.rig.pass(2 * MINUTE).await;
    assert_eq!(failing(&world).await, 0);
    assert!(!world.runs(RunKind::Reconcile).await.is_empty());
    world.stop().await;
}
