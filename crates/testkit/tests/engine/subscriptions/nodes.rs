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
