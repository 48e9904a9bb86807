//! Several nodes on one store: one of them looks after the subscription, and all of them know its secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::upstream::{Act, Object, SecretWay};

use super::habits;
use super::world::{HOUR, MINUTE, Plan, SECOND, Shared, World};

fn plan() -> Plan {
    Plan::of(habits(SecretWay::Answered))
}

async fn nodes(shared: &Shared) -> ([World; 2], Arc<AtomicBool>) {
    let first_stands_still = Arc::new(AtomicBool::new(false));
    let first = World::node(1, shared, &first_stands_still, &plan()).await;
    let second = World::node(2, shared, &Arc::new(AtomicBool::new(false)), &plan()).await;
    ([first, second], first_stands_still)
}

#[tokio::test(start_paused = true)]
async fn every_node_learns_the_secret_of_a_subscription_by_itself_and_of_the_one_in_its_place() {
    let shared = Shared::of(&plan().habits);
    let (nodes, _) = nodes(&shared).await;
    nodes[0].pass(MINUTE).await;
    assert_eq!(nodes[0].visits("POST", "/hooks"), 1, "one of them subscribes");
    for round in 1..=2 {
        let own = nodes[0].subscriptions()[0].clone();
        for node in &nodes {
            assert!(node.hears("", &own.secret).await, "round {round}");
            assert!(!node.heard_from_a_stranger().await);
            nodes[0].pass(SECOND).await;
        }
        nodes[0].shop().drop_subscriptions(0);
        nodes[0].pass(HOUR + MINUTE).await;
        assert_eq!(nodes[0].visits("POST", "/hooks"), 1 + round, "it was found missing, and made again once");
    }
    for node in &nodes {
        node.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stood_still_while_it_subscribed_does_not_undo_what_the_next_one_did() {
    let shared = Shared::of(&plan().habits);
    let stands_still = Arc::new(AtomicBool::new(false));
    let first = World::node(1, &shared, &stands_still, &plan()).await;
    while first.visits("POST", "/hooks") == 0 {
        shared.clock.sleep(Duration::from_millis(1)).await;
    }
    // The shop has made it, and its answer is not written down.
    stands_still.store(true, Ordering::SeqCst);
    let second = World::node(2, &shared, &Arc::new(AtomicBool::new(false)), &plan()).await;
    second.pass(5 * MINUTE).await;
    let now = second.subscriptions();
    assert_eq!((now.len(), now[0].id.as_str()), (1, "sub_2"), "nobody knows the secret of the first");
    assert!(second.kept().await.contains("sub_2"));

    stands_still.store(false, Ordering::SeqCst);
    second.pass(2 * MINUTE).await;
    assert!(second.kept().await.contains("sub_2") && !second.kept().await.contains("sub_1"));
    assert_eq!(second.subscriptions(), now);
    for node in [&first, &second] {
        assert!(node.hears("", &now[0].secret).await);
        second.pass(SECOND).await;
    }
    second.act(Object::Orders, 1, Act::Create("open"));
    second.pass(5 * SECOND).await;
    assert_eq!(second.told().await.iter().filter(|(kind, ..)| kind == "order.created").count(), 1);
    for node in [&first, &second] {
        node.stop().await;
    }
}

async fn list(shared: &Shared) -> String {
    let kept = shared.store.setting("subscriptions".into()).await.expect("the store answers").unwrap_or_default();
    String::from_utf8(kept.to_vec()).expect("text")
}

/// Tells a node of these connections, and lets it put them on its list. No time passes, so that it hears of nothing that
/// another one did.
async fn tell(node: &World, connections: Vec<&'static str>) {
    node.configure(&Plan { connections, ..plan() }).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_node_puts_on_the_list_of_connections_takes_none_off_that_another_put_there() {
    let shared = Shared::of(&plan().habits);
    let nowhere = Plan { has_source: false, ..plan() };
    let nodes = [
        World::node(1, &shared, &Arc::default(), &nowhere).await,
        World::node(2, &shared, &Arc::default(), &nowhere).await,
    ];
    tell(&nodes[0], vec!["acme"]).await;
    tell(&nodes[1], vec!["blue"]).await;
    assert_eq!(list(&shared).await, r#"[["default","shop","acme"],["default","shop","blue"]]"#);
    for node in &nodes {
        node.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_connections_that_cannot_be_read_is_left_as_it_is() {
    for damaged in ["", "no list", r#"[["default","shop"]]"#, r#"[["default","shop","no name"]]"#] {
        let shared = Shared::of(&plan().habits);
        let node = World::node(1, &shared, &Arc::default(), &Plan { has_source: false, ..plan() }).await;
        shared.store.put_setting("subscriptions".into(), damaged.into()).await.expect("put_setting");
        tell(&node, vec!["acme"]).await;
        assert_eq!(list(&shared).await, damaged);
        node.stop().await;
    }
}
