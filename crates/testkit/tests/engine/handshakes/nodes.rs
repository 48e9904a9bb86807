//! Two nodes on one store: a secret is taken once, what one trusts no more the other does not bring back, and nothing
//! that came to one of them gets lost.

use std::time::Duration;

use domain::Tenant;
use engine::handshakes::{PAIRING_DEFAULT, SourceHandshakes};
use engine::receive::Receipt;
use futures_util::future::join;

use super::{SECRET, URL, ask, name, proposals, send, signed, specs};
use crate::in_step::InStep;
use crate::rig::{Rig, clock};

/// Longer than one node needs to find what another has done.
const SOON: Duration = Duration::from_secs(8);
const OTHER: &str = "another-secret-of-sufficient-length";

async fn nodes(in_step: &InStep, secret: Option<&str>) -> [Rig; 2] {
    let ([first, second], clock) = (in_step.both(), clock());
    let first = Rig::among(1, first, specs(secret), clock.clone()).await;
    [first, Rig::among(2, second, specs(secret), clock).await]
}

async fn wait(node: &Rig) {
    let waits = node.engine.open_pairing(&Tenant::default_tenant(), &name(), None, PAIRING_DEFAULT).await;
    waits.expect("it waits");
}

async fn offer(node: &Rig, secret: &str) -> bool {
    match send(node, &[("x-new-secret", secret)], "{}").await {
        Receipt::Handshake(_) => true,
        Receipt::Rejected { .. } => false,
        other => panic!("{other:?}"),
    }
}

async fn trusts(node: &Rig, secret: &str) -> bool {
    matches!(signed(node, secret, r#"{"id":1}"#).await, Receipt::Accepted { .. })
}

async fn state(node: &Rig) -> SourceHandshakes {
    node.engine.pairings(&Tenant::default_tenant(), &name()).await.expect("a source that pairs").state
}

#[tokio::test(start_paused = true)]
async fn threat_05_of_two_nodes_that_wait_for_a_secret_one_takes_the_first_and_neither_another() {
    for at_once in [false, true] {
        let in_step = InStep::new();
        let [first, second] = nodes(&in_step, None).await;
        wait(&first).await;
        first.pass(SOON).await;
        assert_eq!(state(&second).await.open.len(), 1, "both wait");
        in_step.meet();
        let (one, other) = if at_once {
            join(offer(&first, SECRET), offer(&second, OTHER)).await
        } else {
            (offer(&first, SECRET).await, offer(&second, OTHER).await)
        };
        assert!(one != other, "at once: {at_once}, both were answered {one}");
        let (taken, refused) = if one { (SECRET, OTHER) } else { (OTHER, SECRET) };
        first.pass(SOON).await;
        for node in [&first, &second] {
            assert!(trusts(node, taken).await && !trusts(node, refused).await, "at once: {at_once}");
            assert_eq!((state(node).await.paired.len(), state(node).await.open.len()), (1, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn threat_05_a_secret_that_one_node_trusts_no_more_is_not_brought_back_by_what_another_does() {
    for at_once in [false, true] {
        let in_step = InStep::new();
        let [first, second] = nodes(&in_step, None).await;
        wait(&first).await;
        assert!(offer(&first, SECRET).await);
        first.pass(SOON).await;
        assert!(trusts(&first, SECRET).await && trusts(&second, SECRET).await, "both know it");
        in_step.meet();
        let (tenant, source) = (Tenant::default_tenant(), name());
        let id = state(&first).await.paired[0].id;
        let unpaired = first.engine.unpair(&tenant, &source, Some(id));
        // The second has not heard of it.
        if at_once {
            join(async { unpaired.await.expect("it is trusted no more") }, wait(&second)).await;
        } else {
            unpaired.await.expect("it is trusted no more");
            wait(&second).await;
            assert!(!trusts(&second, SECRET).await, "it has read what it changed");
        }
        first.pass(SOON).await;
        for node in [&first, &second] {
            assert!(!trusts(node, SECRET).await, "at once: {at_once}");
            assert_eq!((state(node).await.paired.len(), state(node).await.open.len()), (0, 1), "at once: {at_once}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_that_come_to_two_nodes_at_once_wait_for_a_person_both() {
    let in_step = InStep::new();
    let [first, second] = nodes(&in_step, Some(SECRET)).await;
    first.pass(SOON).await;
    in_step.meet();
    let (one, other) = (format!("{URL}1"), format!("{URL}2"));
    join(ask(&first, &one), ask(&second, &other)).await;
    first.pass(SOON).await;
    for node in [&first, &second] {
        let mut noted: Vec<String> = proposals(node).await.into_iter().map(|proposal| proposal.url).collect();
        noted.sort();
        assert_eq!(noted, [one.clone(), other.clone()]);
    }
}
