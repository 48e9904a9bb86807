//! Two facts about one record that look alike, and are told as two all the same.

use std::time::Duration;

use engine::streams::Wish;

use crate::figures::{first_scan, hook, world};
use crate::rig::Rig;
use crate::shop::GET;
use crate::streams::{World, every};

const SECOND: Duration = Duration::from_secs(1);

async fn poll(rig: &Rig, stream: &str) {
    rig.engine.stream_orders().order(World::key(stream), Wish::Poll).await.expect("it is polled");
    rig.pass(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_a_record_is_gone_is_no_sighting_of_its_last_state_though_both_have_one_version() {
    let world = world().await;
    first_scan(&world, "orders").await;
    world.shop.order(2, "there");
    let record = world.shop.state().orders[&2].clone();
    poll(&world.rig, "orders").await;
    hook(&world, "order.deleted", &record).await;
    world.rig.pass(SECOND).await;
    assert_eq!(world.types().await, ["orders.created orders/2", "orders.deleted orders/2"]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_and_goes_twice_without_a_version_is_told_four_times() {
    let world = World::with(&[("items", every(10 * SECOND))], None, GET).await;
    world.rig.pass(5 * SECOND).await;
    for _ in 0..2 {
        world.shop.item(2, "the same each time");
        world.rig.pass(20 * SECOND).await;
        world.shop.state().items.remove(&2);
        world.rig.pass(20 * SECOND).await;
    }
    let there_and_gone = ["item.created item/2", "item.deleted item/2"];
    assert_eq!(world.types().await, [there_and_gone, there_and_gone].concat());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_read_within_the_tick_of_its_version_is_read_again_right_after_it() {
    let world = World::start(&[("orders", every(3_600 * SECOND))]).await;
    world.rig.pass(20 * SECOND).await;
    world.shop.order(2, "first");
    world.rig.engine.stream_orders().order(World::key("orders"), Wish::Poll).await.expect("it is polled");
    world.rig.pass(Duration::from_millis(100)).await;
    world.shop.order(2, "second, in the same second");
    world.rig.pass(3 * SECOND).await;
    assert_eq!(world.types().await, ["orders.created orders/2", "orders.updated orders/2"], "an hour before the next");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_a_source_lists_later_than_its_time_says_is_in_the_next_window_and_told_once() {
    let world = World::start(&[("orders", every(10 * SECOND))]).await;
    world.rig.pass(95 * SECOND).await;
    world.shop.order(3, "it was not listed for a while");
    let late = world.shop.state().orders.remove(&3).expect("it was just put");
    world.rig.pass(2 * SECOND).await;
    world.shop.order(2, "the cursor goes on to this");
    world.rig.pass(10 * SECOND).await;
    assert_eq!(world.types().await, ["orders.created orders/2"]);
    world.shop.state().orders.insert(3, late);
    world.rig.pass(60 * SECOND).await;
    assert_eq!(world.types().await, ["orders.created orders/2", "orders.created orders/3"]);
    world.stop().await;
}
