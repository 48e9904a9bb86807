//! Sources that want one subscription for each of several things: each is looked after by itself, and polls rest only
//! while all of them work.

use engine::subscriptions::{Covering, ViewState};
use testkit::upstream::{Act, HookHabits, Object, SecretWay, SubscriptionHabits};

use super::habits;
use super::world::{MINUTE, Plan, SECOND, World};

fn by_object(secret: SecretWay) -> Plan {
    let mut habits = habits(secret);
    habits.subscriptions = SubscriptionHabits { by_object: true, ..habits.subscriptions };
    habits.hooks = HookHabits { customers: true, ..habits.hooks };
    Plan::of(habits).polling(10 * SECOND)
}

/// The objects that are subscribed to, each with its subscription's id.
fn places(world: &World) -> Vec<(String, String)> {
    let own = world.subscriptions();
    let mut places: Vec<(String, String)> =
        own.into_iter().map(|own| (own.object.unwrap_or_default(), own.id)).collect();
    places.sort();
    places
}

fn shown(world: &World) -> Vec<(String, ViewState)> {
    let of = |place: &serde_json::Map<String, serde_json::Value>| place["object"].as_str().expect("a text").to_owned();
    let mut shown: Vec<_> = world.view().iter().map(|view| (of(&view.place), view.state)).collect();
    shown.sort();
    shown
}

fn named(customers: ViewState, orders: ViewState) -> [(String, ViewState); 2] {
    [("customer".to_owned(), customers), ("order".to_owned(), orders)]
}

#[tokio::test(start_paused = true)]
async fn each_place_has_one_and_what_comes_of_each_verifies() {
    for way in [SecretWay::Answered, SecretWay::Given, SecretWay::Asked, SecretWay::App] {
        let world = World::start(by_object(way)).await;
        world.pass(MINUTE).await;
        let objects: Vec<String> = places(&world).into_iter().map(|(object, _)| object).collect();
        assert_eq!(objects, ["customer", "order"], "{way:?}");
        assert_eq!(shown(&world), named(ViewState::Working, ViewState::Working), "{way:?}");
        for object in Object::ALL {
            world.act(object, 1, Act::Create("open"));
        }
        world.pass(5 * SECOND).await;
        let mut told: Vec<String> = world.told().await.into_iter().map(|(kind, ..)| kind).collect();
        told.sort();
        assert_eq!(told, ["customer.created", "order.created"], "{way:?}");
        assert_eq!(world.visits("POST", "/hooks"), 2);
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_place_that_is_lost_is_made_again_and_the_other_left_alone() {
    for way in [SecretWay::Answered, SecretWay::Given] {
        let world = World::start(by_object(way)).await;
        world.pass(MINUTE).await;
        let before = places(&world);
        world.shop().drop_subscription(0, &before[0].1);
        world.check().await;
        let after = places(&world);
        assert_eq!((after.len(), &after[1]), (2, &before[1]), "{way:?}");
        assert_ne!(after[0], before[0], "{way:?}");
        for object in Object::ALL {
            world.act(object, 1, Act::Create("open"));
        }
        world.pass(5 * SECOND).await;
        assert_eq!(world.told().await.len(), 2, "{way:?}: both secrets count");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_one_place_fails_the_connection_is_polled_and_the_other_says_that_it_works() {
    let world = World::start(by_object(SecretWay::Given)).await;
    world.pass(MINUTE).await;
    assert_eq!(world.stream().await.covering, Some(Covering::Covers));
    let customers = places(&world)[0].1.clone();
    world.shop().drop_subscription(0, &customers);
    world.shop().refuse_subscriptions(true);
    world.check().await;
    assert_eq!(shown(&world), named(ViewState::Failing, ViewState::Working));
    assert_eq!(world.stream().await.covering, Some(Covering::Failing));
    let before = world.visits("GET", "/orders");
    world.pass(MINUTE).await;
    assert!(world.visits("GET", "/orders") >= before + 5, "polls have taken over");
    world.shop().refuse_subscriptions(false);
    world.check().await;
    assert_eq!(shown(&world), named(ViewState::Working, ViewState::Working));
    assert_eq!(world.stream().await.covering, Some(Covering::Covers));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_wanted_no_more_is_given_up_and_the_other_stays() {
    let world = World::start(by_object(SecretWay::Given)).await;
    world.pass(MINUTE).await;
    let before = places(&world);
    let plan = by_object(SecretWay::Given);
    world.configure(&Plan { manifest: plan.manifest.clone().subscribing_only(Object::Orders), ..plan }).await;
    world.pass(MINUTE).await;
    assert_eq!(places(&world), before[1..]);
    assert_eq!(world.view().len(), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_at_one_place_leads_to_one_subscription_there() {
    for way in [SecretWay::Answered, SecretWay::Given, SecretWay::Asked, SecretWay::App] {
        let world = World::start(Plan { has_source: false, ..by_object(way) }).await;
        world.shop().lose_next_creation();
        world.configure(&by_object(way)).await;
        world.pass(10 * MINUTE).await;
        assert_eq!(places(&world).len(), 2, "{way:?}");
        assert_eq!(shown(&world), named(ViewState::Working, ViewState::Working), "{way:?}");
        world.stop().await;
    }
}
