//! What nobody wants any more is removed, by this process or the next, and with it what it took to do so.

use testkit::upstream::{Act, Object, SecretWay};

use super::habits;
use super::world::{HOUR, MINUTE, Plan, SECOND, THEIRS, World};

fn shop() -> Plan {
    Plan::of(habits(SecretWay::Answered))
}

#[tokio::test(start_paused = true)]
async fn switched_off_it_is_removed_and_nothing_of_others() {
    let world = World::start(shop()).await;
    world.shop().listen(0, THEIRS, "whsec_AAAA");
    world.pass(10 * SECOND).await;
    assert_eq!(world.subscriptions().len(), 2);
    world.configure(&Plan { subscribe: false, ..shop() }).await;
    world.pass(10 * SECOND).await;
    let urls: Vec<String> = world.subscriptions().into_iter().map(|own| own.url).collect();
    assert_eq!(urls, [THEIRS]);
    assert!(!world.kept().await.contains("manifest"), "the credentials went with it");
    world.rig.pass(25 * HOUR).await;
    assert_eq!(world.kept().await, "[]", "and in time everything else");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_gone_after_a_restart_is_unsubscribed_with_what_was_kept() {
    let world = World::start(shop()).await;
    world.pass(10 * SECOND).await;
    assert_eq!(world.subscriptions().len(), 1);
    let world = world.again(Plan { has_source: false, ..shop() }).await;
    world.pass(2 * MINUTE).await;
    assert!(world.subscriptions().is_empty());
    assert!(!world.kept().await.contains("manifest"));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_now_is_tried_again_and_told_to_a_person() {
    let world = World::start(shop()).await;
    world.pass(10 * SECOND).await;
    let mut faulty = shop();
    faulty.has_source = false;
    world.shop().close(true);
    world.configure(&faulty).await;
    world.pass(20 * MINUTE).await;
    assert_eq!(world.subscriptions().len(), 1);
    let open = world.rig.open().await;
    assert_eq!(open, [("subscription_failing".to_owned(), "source/shop/connection/default".to_owned())]);
    world.shop().close(false);
    world.pass(HOUR).await;
    assert!(world.subscriptions().is_empty());
    assert!(world.rig.open().await.is_empty());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_week_it_is_left_to_a_person_and_the_credentials_go() {
    let world = World::start(shop()).await;
    world.pass(10 * SECOND).await;
    world.shop().close(true);
    world.configure(&Plan { has_source: false, ..shop() }).await;
    for _ in 0..8 * 24 {
        world.rig.pass(HOUR).await;
    }
    assert_eq!(world.kept().await, "[]");
    let alerts = world.rig.alerts().await;
    assert!(alerts.iter().any(|alert| alert.detail.contains("sub_1")), "{alerts:?}");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_comes_back_goes_on_with_the_subscription_that_is_still_there() {
    let world = World::start(shop()).await;
    world.pass(10 * SECOND).await;
    let before = world.subscriptions();
    world.shop().close(true);
    world.configure(&Plan { has_source: false, ..shop() }).await;
    world.pass(MINUTE).await;
    world.shop().close(false);
    world.configure(&shop()).await;
    world.pass(5 * SECOND).await;
    assert_eq!(world.subscriptions(), before);
    world.act(Object::Orders, 1, Act::Create("open"));
    world.pass(5 * SECOND).await;
    assert_eq!(world.told().await.len(), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_nodes_on_one_store_one_subscribes_and_both_know_the_secret() {
    let one = World::start(shop()).await;
    let other = one.beside(shop()).await;
    one.pass(3 * HOUR).await;
    assert_eq!(one.visits("POST", "/hooks"), 1);
    one.shop().drop_subscriptions(0);
    one.check().await;
    other.check().await;
    let all = one.subscriptions();
    assert_eq!((all.len(), one.visits("POST", "/hooks")), (1, 2));
    assert!(one.hears("", &all[0].secret).await);
    one.pass(SECOND).await;
    assert!(other.hears("", &all[0].secret).await);
    other.stop().await;
}
