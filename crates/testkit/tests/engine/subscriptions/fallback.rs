//! While a subscription works, polls rest; while none does, they tell what changes. A route cannot tell the difference.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::Origin;
use domain::run::RunState;
use engine::spec::{ReconcileSpec, Schedule};
use engine::subscriptions::{Covering, ViewState};
use serde_json::Value as Json;
use testkit::upstream::{Act, Deletes, Habits, HookHabits, Manifest, Object, SecretWay};

use super::habits;
use super::world::{HOUR, MINUTE, Plan, SECOND, World};

fn polled() -> Plan {
    Plan::of(habits(SecretWay::Answered)).polling(10 * SECOND)
}

#[tokio::test(start_paused = true)]
async fn polls_rest_while_a_subscription_works() {
    let world = World::start(polled()).await;
    world.pass(MINUTE).await;
    let before = world.visits("GET", "/orders");
    assert!((1..=3).contains(&before), "the first scan, and what came before it could rest: {before}");
    world.act(Object::Orders, 1, Act::Create("open"));
    world.pass(30 * MINUTE).await;
    assert_eq!(world.visits("GET", "/orders"), before);
    assert_eq!(world.told().await, [("order.created".into(), "order/1".into(), Origin::Native)]);
    let stream = world.stream().await;
    assert_eq!((stream.covering, stream.next_at), (Some(Covering::Covers), None));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_word_of_webhooks_or_of_the_object_streams_are_polled() {
    let unsupported = Plan { manifest: polled().manifest.without_subscriptions(), ..polled() };
    let untold = Plan { manifest: polled().manifest.without_events(Object::Orders), ..polled() };
    for (plan, covering) in [(unsupported, Covering::Unsupported), (untold, Covering::NotTold)] {
        let world = World::start(plan).await;
        world.pass(MINUTE).await;
        world.act(Object::Orders, 1, Act::Create("open"));
        world.pass(15 * SECOND).await;
        let told = world.told().await;
        let polls = told.iter().filter(|(_, _, origin)| *origin == Origin::Virtual).count();
        assert_eq!((polls, world.stream().await.covering), (1, Some(covering)), "{told:?}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn refused_it_is_polled_told_to_a_person_and_tried_again() {
    let world = World::start(Plan { has_source: false, ..polled() }).await;
    world.shop().refuse_subscriptions(true);
    world.configure(&polled()).await;
    world.pass(MINUTE).await;
    world.act(Object::Orders, 1, Act::Create("open"));
    world.pass(15 * SECOND).await;
    assert_eq!(world.told().await, [("order.created".into(), "order/1".into(), Origin::Virtual)]);
    assert_eq!(world.rig.open().await[0].0, "subscription_failing");
    let view = world.view();
    let problem = view[0].problem.as_ref().expect("it says why");
    assert_eq!((view[0].state, problem.code.as_str()), (ViewState::Failing, "subscription_refused"));
    let tries = world.visits("POST", "/hooks");
    assert!((2..=5).contains(&tries), "it backs off: {tries}");
    world.shop().refuse_subscriptions(false);
    world.pass(10 * MINUTE).await;
    assert_eq!(world.view()[0].state, ViewState::Working);
    assert!(world.rig.open().await.is_empty(), "resolved when it works");
    assert_eq!(world.stream().await.covering, Some(Covering::Covers));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn back_and_forth_nothing_is_lost_and_nothing_told_twice() {
    for lookback in [None, Some(2 * HOUR)] {
        let reconcile = ReconcileSpec { schedule: Schedule::Every(HOUR), lookback, grace: None, max_deletes: None };
        let mut plan = polled();
        plan.streams[0].1.reconcile = Some(reconcile);
        let world = World::start(plan).await;
        world.pass(MINUTE).await;
        let mut id = 0;
        let mut happen = |world: &World| {
            id += 1;
            world.act(Object::Orders, id, Act::Create("open"));
        };
        for _ in 0..3 {
            happen(&world);
            world.pass(70 * MINUTE).await;
            // Lost on their way: nobody tells these, and the subscription is gone soon after.
            world.shop().disable_subscriptions(0);
            happen(&world);
            world.pass(SECOND).await;
            world.shop().drop_subscriptions(0);
            world.shop().refuse_subscriptions(true);
            world.check().await;
            world.pass(MINUTE).await;
            assert_eq!(world.stream().await.covering, Some(Covering::Failing));
            happen(&world);
            world.pass(5 * MINUTE).await;
            world.shop().refuse_subscriptions(false);
            happen(&world);
            world.check().await;
            world.pass(MINUTE).await;
            assert_eq!(world.stream().await.covering, Some(Covering::Covers));
        }
        world.pass(3 * HOUR).await;
        let told = world.told().await;
        let subjects: BTreeSet<&str> = told.iter().map(|(_, subject, _)| subject.as_str()).collect();
        assert_eq!((told.len(), subjects.len()), (id as usize, id as usize), "{lookback:?}: {told:?}");
        let origins: BTreeSet<&str> = told.iter().map(|(_, _, origin)| origin.as_str()).collect();
        assert!(origins.contains("native") && origins.contains("virtual"), "both ways told some: {origins:?}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_checkpoint_does_not_fall_behind_while_polls_rest() {
    let reconcile =
        ReconcileSpec { schedule: Schedule::Every(HOUR), lookback: Some(2 * HOUR), grace: None, max_deletes: None };
    let mut plan = polled();
    plan.streams[0].1.reconcile = Some(reconcile);
    let world = World::start(plan).await;
    world.act(Object::Orders, 1, Act::Create("open"));
    world.pass(MINUTE).await;
    let before = world.stream().await.state;
    for id in 2..7 {
        world.act(Object::Orders, id, Act::Create("open"));
        world.pass(HOUR).await;
    }
    assert_ne!(world.stream().await.state, before, "the window moves along");
    world.stop().await;
}

/// A shop that loses every webhook, and lists what is gone beside what is there.
fn fed(precision: Duration, lookback: Option<Duration>) -> Plan {
    let reconcile = ReconcileSpec { schedule: Schedule::Every(HOUR), lookback, grace: None, max_deletes: None };
    let hooks = HookHabits { lost: 100, ..HookHabits::default() };
    let habits = Habits { deletes: Deletes::Feed, precision, hooks, ..habits(SecretWay::Given) };
    let mut plan = Plan::of(habits).polling(10 * SECOND);
    plan.streams[0].1.reconcile = Some(reconcile);
    plan
}

/// Two orders are there before the gateway is, and half an hour later polls rest.
async fn resting(plan: Plan) -> World {
    let world = World::start(Plan { has_source: false, ..plan.clone() }).await;
    for id in [1, 2] {
        world.act(Object::Orders, id, Act::Create("open"));
    }
    world.pass(MINUTE).await;
    world.configure(&plan).await;
    world.pass(30 * MINUTE).await;
    assert_eq!((world.stream().await.covering, world.told().await), (Some(Covering::Covers), Vec::new()));
    world
}

#[tokio::test(start_paused = true)]
async fn while_polls_rest_a_deletion_that_no_webhook_told_is_found_once_it_is_old_enough() {
    for lookback in [None, Some(10 * MINUTE)] {
        let world = resting(fed(Duration::from_micros(1), lookback)).await;
        world.act(Object::Orders, 1, Act::Delete);
        // A minute before the source is compared: its webhook may still be on its way.
        world.pass(29 * MINUTE).await;
        world.act(Object::Orders, 2, Act::Delete);
        world.pass(10 * MINUTE).await;
        let gone = |subject: &str| ("order.deleted".to_owned(), subject.to_owned(), Origin::Reconciled);
        assert_eq!(world.told().await, [gone("order/1")], "{lookback:?}");
        let figures = world.reconciliations().await[0].figures;
        assert_eq!((figures.missed, figures.deleted, figures.young), (1, 1, 1), "{lookback:?}");
        world.pass(HOUR).await;
        assert_eq!(world.told().await, [gone("order/1"), gone("order/2")], "{lookback:?}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_polls_rest_what_went_and_came_within_one_tick_is_there_in_the_end() {
    for lookback in [None, Some(10 * MINUTE)] {
        let world = resting(fed(SECOND, lookback)).await;
        for act in [Act::Change("paid"), Act::Delete, Act::Create("sent")] {
            world.act(Object::Orders, 1, act);
        }
        world.pass(HOUR).await;
        let told = world.told().await;
        let last = told.last().map(|(kind, _, origin)| (kind.as_str(), *origin));
        assert_eq!(last, Some(("order.created", Origin::Reconciled)), "{lookback:?}: {told:?}");
        assert_eq!(world.delivered().last().map(|last| last["data"]["status"].clone()), Some(Json::from("sent")));
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_polls_rest_a_reconciliation_that_cannot_read_what_is_gone_says_so() {
    let mut plan = fed(Duration::from_micros(1), None);
    let text = plan.manifest.text().replace("deleted/orders", "deleted/nothing");
    plan.manifest = Manifest::read(&text);
    let world = World::start(plan).await;
    world.pass(MINUTE).await;
    world.reconcile().await;
    world.pass(MINUTE).await;
    let run = &world.reconciliations().await[0];
    assert_eq!(run.state, RunState::Failed, "{run:?}");
    assert!(run.problem.as_ref().is_some_and(|problem| problem.contains("404")), "{run:?}");
    world.stop().await;
}

/// What a destination can see of a change that is not about when, by whom, and in which order it was told.
fn seen(message: &Json) -> [Json; 4] {
    ["type", "subject", "action", "data"].map(|field| message[field].clone())
}

#[tokio::test(start_paused = true)]
async fn a_route_cannot_tell_the_ways_apart() {
    let changes = [Act::Create("open"), Act::Change("paid"), Act::Delete];
    let mut by_way = Vec::new();
    for subscribes in [true, false] {
        let manifest = polled().manifest;
        let manifest = if subscribes { manifest } else { manifest.without_subscriptions() };
        let world = World::start(Plan { manifest, ..polled() }).await;
        world.pass(MINUTE).await;
        for act in changes {
            world.act(Object::Orders, 1, act);
            world.pass(30 * SECOND).await;
        }
        let origin = if subscribes { Origin::Native } else { Origin::Virtual };
        assert!(world.told().await.iter().all(|(_, _, own)| *own == origin), "{:?}", world.told().await);
        by_way.push(world.delivered().iter().map(seen).collect::<Vec<_>>());
        world.stop().await;
    }
    assert_eq!(by_way[0].len(), changes.len());
    // Of what is deleted there is no record to fetch: the sender's own words are all that there is.
    assert_eq!(by_way[0][..2], by_way[1][..2]);
    let named = |seen: &[Json; 4]| [seen[0].clone(), seen[1].clone(), seen[2].clone()];
    assert_eq!(named(&by_way[0][2]), named(&by_way[1][2]));
}
