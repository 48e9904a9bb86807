//! Subscriptions of our own at a source: the scripted shop, asked and heard on simulated time.

mod fallback;
mod leaving;
mod nodes;
mod places;
mod repair;
mod world;

use domain::{ConnectionName, Origin};
use engine::subscriptions::ViewState;
use testkit::upstream::{Act, Habits, Object, SecretWay, SubscriptionHabits};
use world::{HOUR, MINUTE, Plan, SECOND, World};

pub(crate) fn habits(secret: SecretWay) -> Habits {
    Habits { subscriptions: SubscriptionHabits { secret, ..SubscriptionHabits::default() }, ..Habits::default() }
}

#[tokio::test(start_paused = true)]
async fn it_subscribes_and_what_comes_verifies_whoever_makes_the_secret() {
    for way in [SecretWay::Answered, SecretWay::Given, SecretWay::Asked, SecretWay::App] {
        let world = World::start(Plan::of(habits(way))).await;
        world.pass(10 * SECOND).await;
        let made = world.subscriptions();
        assert_eq!(made.len(), 1, "{way:?}");
        assert_eq!(made[0].url, "https://hooks.example/in/shop");
        world.act(Object::Orders, 1, Act::Create("open"));
        world.pass(5 * SECOND).await;
        assert_eq!(world.told().await, [("order.created".into(), "order/1".into(), Origin::Native)], "{way:?}");
        assert!(!world.heard_from_a_stranger().await, "{way:?}: another secret");
        let view = world.view();
        assert_eq!((view.len(), view[0].state, view[0].id.as_deref()), (1, ViewState::Working, Some(&*made[0].id)));
        assert_eq!((view[0].since.is_some(), view[0].checked_at.is_some(), &view[0].problem), (true, true, &None));
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn there_is_never_a_second_one_for_the_same_place() {
    let world = World::start(Plan::of(habits(SecretWay::Answered))).await;
    world.pass(3 * HOUR).await;
    assert_eq!(world.subscriptions().len(), 1);
    assert_eq!(world.visits("POST", "/hooks"), 1);
    assert!(world.visits("GET", "/hooks") >= 3, "it is looked after every hour");
    let before = world.subscriptions();
    let world = world.again(Plan::of(habits(SecretWay::Answered))).await;
    world.pass(2 * MINUTE).await;
    assert_eq!(world.subscriptions(), before, "the next process takes it over");
    world.act(Object::Orders, 1, Act::Create("open"));
    world.pass(5 * SECOND).await;
    assert_eq!(world.told().await.len(), 1, "and knows its secret");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_connections_have_one_each_and_neither_speaks_for_the_other() {
    let accounts = vec!["acme".to_owned(), "blue".to_owned()];
    for way in [SecretWay::Answered, SecretWay::Given, SecretWay::Asked] {
        let world = World::start(Plan::of(Habits { accounts: accounts.clone(), ..habits(way) })).await;
        world.pass(10 * SECOND).await;
        let urls: Vec<String> = world.subscriptions().into_iter().map(|own| own.url).collect();
        assert_eq!(urls, ["https://hooks.example/in/shop/acme", "https://hooks.example/in/shop/blue"]);
        world.act_at(1, Object::Orders, 7, Act::Create("open"));
        world.pass(5 * SECOND).await;
        let events = world.events().await;
        let blue: ConnectionName = "blue".parse().expect("a name");
        assert_eq!(events.iter().map(|event| &event.connection).collect::<Vec<_>>(), [&blue]);
        let of_acme = world.subscriptions()[0].secret.clone();
        assert!(world.hears("acme", &of_acme).await);
        assert!(!world.hears("blue", &of_acme).await, "{way:?}: the secret of one account is not that of another");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_comes_later_is_subscribed_and_one_that_goes_is_not_any_more() {
    let accounts = vec!["acme".to_owned(), "blue".to_owned()];
    let shop = Habits { accounts, ..habits(SecretWay::Answered) };
    let only_acme = Plan { connections: vec!["acme"], ..Plan::of(shop.clone()) };
    let world = World::start(only_acme.clone()).await;
    world.pass(10 * SECOND).await;
    assert_eq!(world.subscriptions().len(), 1);
    world.configure(&Plan::of(shop)).await;
    world.pass(10 * SECOND).await;
    assert_eq!(world.subscriptions().len(), 2);
    world.configure(&only_acme).await;
    world.pass(10 * SECOND).await;
    let left: Vec<usize> = world.subscriptions().iter().map(|own| own.account).collect();
    assert_eq!(left, [0]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_prolonged_before_it_ends() {
    let mut shop = habits(SecretWay::Given);
    shop.subscriptions.expire_after = Some(40 * MINUTE);
    let world = World::start(Plan::of(shop)).await;
    world.pass(10 * SECOND).await;
    let before: Vec<String> = world.subscriptions().into_iter().map(|own| own.id).collect();
    world.pass(5 * HOUR).await;
    let after: Vec<String> = world.subscriptions().into_iter().map(|own| own.id).collect();
    assert_eq!((before.len(), &before), (1, &after), "the same one, five hours later");
    assert!(world.visits("POST", "/hooks/sub_1/renew") >= 14);
    assert!(world.view()[0].renews_at.is_some());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_kept_in_plain() {
    for way in [SecretWay::Answered, SecretWay::Given, SecretWay::Asked] {
        let world = World::start(Plan::of(habits(way))).await;
        world.pass(10 * SECOND).await;
        let secret = world.subscriptions()[0].secret.clone();
        let kept = world.kept().await;
        assert!(kept.contains("sub_1"), "it is kept: {kept}");
        assert!(!kept.contains(secret.trim_start_matches("whsec_")), "{way:?}");
        assert!(!kept.contains("key-acme"), "nor are the credentials");
        assert!(!format!("{:?}", world.view()).contains(&secret));
        world.stop().await;
    }
}
