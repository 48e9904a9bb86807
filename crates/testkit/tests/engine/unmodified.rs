//! Polls that ask only whether something changed: what they save, and that nothing wrong is believed for long.

use std::time::Duration;

use domain::budget::{Allowance, Counting};
use domain::run::RunKind;
use domain::{Tenant, Timestamp};
use engine::spec::{BudgetScope, BudgetSpec, StreamSpec};
use engine::streams::Wish;
use store::reading::Progress;

use crate::shop::{FREE, GET, Validates};
use crate::streams::{World, every, reconciled};

const SECOND: Duration = Duration::from_secs(1);

async fn world(streams: &[(&str, StreamSpec)], validates: Validates) -> World {
    let world = World::start(streams).await;
    world.shop.state().validates = validates;
    world
}

impl World {
    fn unmodified(&self) -> usize {
        self.shop.state().unmodified.len()
    }

    /// Requests that were answered in full.
    fn full(&self) -> usize {
        self.shop.asked() - self.unmodified()
    }

    async fn progress(&self) -> Progress {
        let rows = self.rig.store.checkpoints(Tenant::default_tenant(), None).await.expect("checkpoints");
        rows[0].progress
    }
}

#[tokio::test(start_paused = true)]
async fn what_did_not_change_is_only_said_to_be_so() {
    let world = world(&[("items", every(10 * SECOND))], Validates::ETag).await;
    world.rig.pass(95 * SECOND).await;
    // The scan, and the poll whose answer the others ask about.
    assert_eq!((world.full(), world.unmodified()), (2, 8));
    world.shop.item(1, "changed");
    world.rig.pass(10 * SECOND).await;
    assert_eq!(world.types().await, ["item.updated item/1"]);
    assert_eq!((world.full(), world.unmodified()), (3, 8));
    world.rig.pass(10 * SECOND).await;
    assert_eq!((world.full(), world.unmodified()), (3, 9), "the new answer is asked about");
    let progress = world.progress().await;
    // The first scan is no poll, and the last poll may not be written down yet.
    let in_full = progress.requests - progress.unmodified;
    assert!(
        in_full == 2 && progress.unmodified >= 8 && progress.changes == 1,
        "and what it was is shown: {progress:?}"
    );
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_with_a_cursor_is_asked_about_until_its_question_moves() {
    let world = world(&[("orders", every(10 * SECOND))], Validates::ETag).await;
    world.rig.pass(60 * SECOND).await;
    let quiet = world.unmodified();
    assert!(quiet >= 3, "{quiet}");
    for note in ["a", "b", "c"] {
        world.shop.order(2, note);
        world.rig.pass(20 * SECOND).await;
    }
    let expected = ["orders.created orders/2", "orders.updated orders/2", "orders.updated orders/2"];
    assert_eq!(world.types().await, expected);
    world.rig.pass(60 * SECOND).await;
    assert!(world.unmodified() > quiet);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_time_of_last_change_counts_once_it_is_a_minute_old() {
    let world = world(&[("items", every(10 * SECOND))], Validates::LastModified).await;
    world.rig.pass(58 * SECOND).await;
    assert_eq!(world.unmodified(), 0);
    world.rig.pass(60 * SECOND).await;
    assert!(world.unmodified() >= 4, "{}", world.unmodified());
    world.shop.item(1, "changed");
    world.rig.pass(10 * SECOND).await;
    world.shop.item(1, "and once more");
    world.rig.pass(10 * SECOND).await;
    assert_eq!(world.types().await, ["item.updated item/1", "item.updated item/1"]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn half_an_answer_under_the_validator_of_the_whole_is_never_asked_about() {
    let world = world(&[("items", every(10 * SECOND))], Validates::ETag).await;
    world.rig.pass(35 * SECOND).await;
    world.shop.item(2, "new");
    world.shop.state().cut_short = 2;
    world.rig.pass(60 * SECOND).await;
    assert_eq!(world.types().await, ["item.created item/2"]);
    let after = world.unmodified();
    world.rig.pass(30 * SECOND).await;
    assert!(world.unmodified() > after, "and what was whole afterwards is");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_lies_is_found_out() {
    for (interval, at_most) in [(SECOND, 110 * SECOND), (600 * SECOND, 4_300 * SECOND)] {
        let world = world(&[("items", every(interval))], Validates::ETag).await;
        world.rig.pass(interval * 2).await;
        world.shop.state().lies = true;
        world.shop.item(1, "changed");
        let step = at_most / 100;
        let mut waited = Duration::ZERO;
        while world.types().await.is_empty() {
            world.rig.pass(step).await;
            waited += step;
            assert!(waited <= at_most, "it is still believed after {waited:?}");
        }
        assert!(world.unmodified() >= 4, "it did lie");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_a_reason_to_ask_asks_in_full() {
    let spec = StreamSpec { reconcile: Some(reconciled(10_000 * SECOND)), ..every(60 * SECOND) };
    let world = world(&[("items", spec)], Validates::ETag).await;
    world.rig.pass(200 * SECOND).await;
    world.shop.state().lies = true;
    let orders = world.rig.engine.stream_orders().clone();
    let reconcile = Wish::Reconcile { dry: false, deletes_confirmed: false };
    for (note, wish) in [("hinted", None), ("polled", Some(Wish::Poll)), ("reconciled", Some(reconcile))] {
        world.rig.pass(125 * SECOND).await;
        let before = world.types().await.len();
        world.shop.item(1, note);
        match wish {
            Some(wish) => drop(orders.order(World::key("items"), wish).await.expect("it is polled")),
            None => orders.hint(World::key("items"), false),
        }
        world.rig.pass(SECOND).await;
        assert_eq!(world.types().await.len(), before + 1, "{note}");
    }
    world.rig.pass(59 * SECOND).await;
    world.shop.item(1, "after a run of another kind");
    let before = world.types().await.len();
    orders.order(World::key("items"), reconcile).await.expect("a run");
    world.rig.pass(SECOND).await;
    world.shop.item(1, "which its poll asks about in full");
    world.rig.pass(60 * SECOND).await;
    assert_eq!(world.types().await.len(), before + 2);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hint_whose_poll_failed_is_not_answered_by_what_was_known_before() {
    let world = world(&[("items", every(60 * SECOND))], Validates::ETag).await;
    world.rig.pass(200 * SECOND).await;
    world.shop.state().lies = true;
    world.shop.item(1, "changed");
    world.shop.state().status = Some(500);
    world.rig.engine.stream_orders().hint(World::key("items"), false);
    world.rig.pass(SECOND).await;
    world.shop.state().status = None;
    world.rig.pass(600 * SECOND).await;
    assert_eq!(world.types().await, ["item.updated item/1"]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_missing_from_two_lists_that_were_read() {
    let world = world(&[("items", every(10 * SECOND))], Validates::ETag).await;
    world.shop.item(2, "b");
    world.rig.pass(35 * SECOND).await;
    world.shop.state().items.remove(&2);
    world.rig.pass(20 * SECOND).await;
    assert_eq!(world.types().await, ["item.deleted item/2"]);
    assert!(world.unmodified() > 0);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_asks_once_in_full() {
    let world = world(&[("items", every(10 * SECOND))], Validates::ETag).await;
    world.rig.pass(45 * SECOND).await;
    let before = world.full();
    let spec = StreamSpec { overlap: 99 * SECOND, ..every(10 * SECOND) };
    let specs = crate::shop::specs(&world.shop.clock, &[("items", spec)], None, GET);
    world.rig.engine.configure(specs).await.expect("another definition");
    world.rig.pass(30 * SECOND).await;
    assert_eq!(world.full(), before + 1, "as a start or another definition does");
    world.stop().await;
}

/// Requests of the busiest minute, and all of them, in ten minutes of polls every 3 s under 10 requests a minute.
async fn under_a_budget(free: bool) -> (usize, usize) {
    let allowance = Allowance { rate: "10/m".parse().expect("a rate"), counting: Counting::Moving };
    let budget = BudgetSpec { allowance, scope: BudgetScope::Connection };
    let get = if free { format!("{GET} {FREE}") } else { GET.to_owned() };
    let world = World::with(&[("items", every(3 * SECOND))], Some(budget), &get).await;
    world.shop.state().validates = Validates::ETag;
    for round in 0..20 {
        world.shop.item(1, &format!("{}", round / 4));
        world.rig.pass(30 * SECOND).await;
    }
    let (busiest, all) = {
        let state = world.shop.state();
        let free = if free { state.unmodified.clone() } else { Vec::new() };
        let counted: Vec<Timestamp> = state.asked.iter().map(|(at, _)| *at).filter(|at| !free.contains(at)).collect();
        let within =
            |first: &Timestamp| counted.iter().filter(|at| *at >= first && at.since(*first) < 60 * SECOND).count();
        (counted.iter().map(within).max().unwrap_or_default(), state.asked.len())
    };
    assert_eq!(world.runs(RunKind::Poll).await.len(), 4, "each change is told");
    world.stop().await;
    (busiest, all)
}

#[tokio::test(start_paused = true)]
async fn a_budget_pays_for_what_counts_and_for_nothing_else() {
    let (busiest, all) = under_a_budget(false).await;
    assert!(busiest <= 10 && (90..=101).contains(&all), "{busiest} in a minute, {all} in all");
    let (busiest, all) = under_a_budget(true).await;
    assert!(busiest <= 10 && all >= 180, "{busiest} in a minute, {all} in all");
}
