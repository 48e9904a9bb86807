//! First scans that a person has made once more, and deletions that one has confirmed.

use std::time::Duration;

use domain::Origin;
use domain::run::{RunKind, RunState};
use engine::spec::Start;
use engine::streams::Wish;

use crate::streams::{World, every};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

impl World {
    async fn ordered(&self, wish: Wish) {
        self.rig.engine.stream_orders().order(Self::key("items"), wish).await.expect("a run");
        self.rig.pass(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_backfill_that_breaks_off_swallows_nothing() {
    let world = World::start(&[("items", every(10 * SECOND))]).await;
    world.shop.item(2, "there before too");
    world.rig.pass(15 * SECOND).await;
    world.shop.state().status = Some(400);
    world.ordered(Wish::Backfill(Start::All)).await;
    assert_eq!(world.runs(RunKind::Backfill).await[0].state, RunState::Failed);
    world.shop.item(1, "changed meanwhile");
    world.shop.item(3, "made meanwhile");
    world.rig.pass(60 * SECOND).await;
    world.shop.state().status = None;
    world.rig.pass(HOUR).await;
    let expected = [
        ("item.updated".into(), "item/1".into(), Origin::Virtual),
        ("item.created".into(), "item/3".into(), Origin::Backfill),
    ];
    assert_eq!(world.told().await, expected, "as it was ordered, by whoever made the scan in the end");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_tells_nothing_of_what_is_new_to_it_tells_what_changed_since_it_was_known() {
    let world = World::start(&[("items", every(HOUR))]).await;
    world.rig.pass(15 * SECOND).await;
    world.shop.item(1, "changed");
    world.shop.item(2, "made");
    world.ordered(Wish::Backfill(Start::Now)).await;
    assert_eq!(world.told().await, [("item.updated".into(), "item/1".into(), Origin::Virtual)]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_scan_tells_nothing_twice_and_its_order_ends_with_it() {
    let world = World::start(&[("items", every(HOUR))]).await;
    world.rig.pass(15 * SECOND).await;
    world.ordered(Wish::Backfill(Start::All)).await;
    assert_eq!(world.types().await, Vec::<String>::new(), "it is known");
    world.shop.item(2, "made");
    assert!(world.rig.store.forget_checkpoint(World::key("items")).await.expect("it is forgotten"));
    world.ordered(Wish::Poll).await;
    assert_eq!(world.types().await, Vec::<String>::new(), "this one tells as the stream's configuration says: nothing");
    world.stop().await;
}

/// Thirty items that are not listed any more, and cannot be asked for.
async fn emptied() -> World {
    let world = World::start(&[("items", every(HOUR))]).await;
    (2..=30).for_each(|id| world.shop.item(id, "x"));
    world.rig.pass(15 * SECOND).await;
    world.shop.state().items.clear();
    world
}

/// State, deletions, and whether a person is waited for.
async fn reconciled(world: &World, deletes_confirmed: bool) -> (RunState, u64, bool) {
    world.ordered(Wish::Reconcile { dry: false, deletes_confirmed }).await;
    let run = world.runs(RunKind::Reconcile).await.remove(0);
    let waits = world.rig.open().await.iter().any(|(kind, _)| kind == "deletes_waiting");
    (run.state, run.figures.deleted, waits)
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_run_is_the_second_scan_after_one_that_waited() {
    let world = emptied().await;
    assert_eq!(reconciled(&world, false).await, (RunState::Waiting, 0, true));
    assert_eq!(reconciled(&world, true).await, (RunState::Done, 30, false));
    assert_eq!(world.told().await.len(), 30);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_run_that_is_the_first_without_them_waits_for_another() {
    let world = emptied().await;
    assert_eq!(reconciled(&world, true).await, (RunState::Waiting, 0, true));
    let run = world.runs(RunKind::Reconcile).await.remove(0);
    assert!(run.problem.as_deref().is_some_and(|why| why.contains("once more")), "{run:?}");
    assert_eq!(reconciled(&world, true).await, (RunState::Done, 30, false));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_is_no_scan_that_a_deletion_could_be_confirmed_by() {
    let world = emptied().await;
    world.ordered(Wish::Reconcile { dry: true, deletes_confirmed: false }).await;
    assert_eq!(reconciled(&world, true).await.1, 0);
    world.stop().await;
}
