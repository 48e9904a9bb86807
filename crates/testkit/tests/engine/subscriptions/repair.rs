//! What the source lost, disabled or never told of is made good.

use testkit::upstream::{Act, Object, SecretWay};

use super::habits;
use super::world::{HOUR, MINUTE, Plan, SECOND, THEIRS, World};

#[tokio::test(start_paused = true)]
async fn a_reconciliation_finds_a_missing_subscription_and_makes_another() {
    let world = World::start(Plan::of(habits(SecretWay::Answered)).polling(10 * SECOND)).await;
    world.pass(MINUTE).await;
    let former = world.subscriptions()[0].clone();
    world.shop().drop_subscriptions(0);
    world.pass(MINUTE).await;
    assert!(world.subscriptions().is_empty(), "nobody has looked yet");
    world.reconcile().await;
    world.pass(5 * SECOND).await;
    let now = world.subscriptions();
    assert_eq!(now.len(), 1);
    assert_ne!(now[0].secret, former.secret);
    world.act(Object::Orders, 1, Act::Create("open"));
    world.pass(5 * SECOND).await;
    assert_eq!(world.told().await.len(), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_former_secret_counts_for_a_day_and_a_strangers_never() {
    for way in [SecretWay::Answered, SecretWay::Given, SecretWay::Asked] {
        let world = World::start(Plan::of(habits(way))).await;
        world.pass(10 * SECOND).await;
        let former = world.subscriptions()[0].secret.clone();
        world.shop().drop_subscriptions(0);
        world.check().await;
        let now = world.subscriptions()[0].secret.clone();
        assert_ne!(former, now, "{way:?}");
        assert!(world.hears("", &former).await, "{way:?}: it may have been on its way");
        world.pass(SECOND).await;
        assert!(world.hears("", &now).await, "{way:?}");
        assert!(!world.heard_from_a_stranger().await);
        world.rig.pass(25 * HOUR).await;
        assert!(!world.hears("", &former).await, "{way:?}: its time is over");
        assert!(world.hears("", &now).await);
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_the_source_disabled_is_made_anew_and_others_are_left_alone() {
    let world = World::start(Plan::of(habits(SecretWay::Given))).await;
    world.pass(10 * SECOND).await;
    world.shop().listen(0, THEIRS, "whsec_AAAA");
    world.shop().disable_subscriptions(0);
    world.pass(61 * MINUTE).await;
    let all = world.subscriptions();
    let shown: Vec<(&str, bool)> = all.iter().map(|own| (own.url.as_str(), own.active)).collect();
    assert_eq!(shown, [(THEIRS, false), ("https://hooks.example/in/shop", true)]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_changed_takes_the_subscription_along() {
    let world = World::start(Plan::of(habits(SecretWay::Given))).await;
    world.pass(10 * SECOND).await;
    let moved = Plan { public_url: "https://new.example", ..Plan::of(habits(SecretWay::Given)) };
    world.configure(&moved).await;
    world.pass(10 * SECOND).await;
    let urls: Vec<String> = world.subscriptions().into_iter().map(|own| own.url).collect();
    assert_eq!(urls, ["https://new.example/in/shop"]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_leads_to_one_subscription_that_works() {
    for way in [SecretWay::Answered, SecretWay::Given, SecretWay::Asked, SecretWay::App] {
        let world = World::start(Plan { has_source: false, ..Plan::of(habits(way)) }).await;
        world.shop().lose_next_creation();
        world.configure(&Plan::of(habits(way))).await;
        world.pass(10 * MINUTE).await;
        works_once(&world, way).await;
        let made_again = usize::from(way == SecretWay::Answered);
        assert_eq!(world.visits("POST", "/hooks"), 1 + made_again, "{way:?}: what can be adopted is");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_the_sources_answer_and_our_word_of_it_leads_to_one_subscription_that_works() {
    for way in [SecretWay::Answered, SecretWay::Given, SecretWay::Asked, SecretWay::App] {
        let world = World::start(Plan { has_source: false, ..Plan::of(habits(way)) }).await;
        world.shop().lose_next_creation();
        world.configure(&Plan::of(habits(way))).await;
        // The shop has made it, and nobody knows.
        world.pass(2 * SECOND).await;
        assert_eq!(world.subscriptions().len(), 1, "{way:?}");
        let world = world.again(Plan::of(habits(way))).await;
        world.pass(3 * MINUTE).await;
        works_once(&world, way).await;
        world.stop().await;
    }
}

async fn works_once(world: &World, way: SecretWay) {
    assert_eq!(world.subscriptions().len(), 1, "{way:?}");
    world.act(Object::Orders, 1, Act::Create("open"));
    world.pass(5 * SECOND).await;
    assert_eq!(world.told().await.len(), 1, "{way:?}");
    assert!(world.rig.open().await.is_empty(), "{way:?}: {:?}", world.rig.alerts().await);
}

#[tokio::test(start_paused = true)]
async fn one_of_ours_that_nobody_knows_the_secret_of_is_replaced() {
    for way in [SecretWay::Answered, SecretWay::Given] {
        let world = World::start(Plan { has_source: false, ..Plan::of(habits(way)) }).await;
        world.shop().listen(0, "https://hooks.example/in/shop", "whsec_AAAA");
        world.configure(&Plan::of(habits(way))).await;
        world.pass(10 * SECOND).await;
        let all = world.subscriptions();
        assert_eq!((all.len(), all[0].id.as_str()), (1, "sub_2"), "{way:?}");
        world.stop().await;
    }
}
