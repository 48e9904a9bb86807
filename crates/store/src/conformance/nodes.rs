//! Nodes: who lives, who is in charge of what, and what that permits.

use std::time::Duration;

use domain::charge::Charge;
use domain::identity::Digest;
use domain::{DeliveryState, Timestamp};

use super::world::{LEASE, Open, SECOND, World, name};
use crate::dispatch::{Ask, Claim, Lease, Owner};
use crate::nodes::{Charges, GONE_SHOWN_FOR, NodeSelf};

impl World {
    fn node(&self, owner: u64, started_at: Timestamp) -> NodeSelf {
        NodeSelf {
            owner: Owner(owner),
            name: format!("n{owner}").into(),
            address: "127.0.0.1:8080".into(),
            version: "1.2.3".into(),
            started_at,
            wanted: Digest::of(b"the same"),
            leaving: false,
        }
    }

    pub(super) async fn beats(&self, owner: u64) -> crate::nodes::Beat {
        let node = self.node(owner, Timestamp::from_secs(i64::try_from(owner).unwrap_or(0)));
        self.store.beat(node, LEASE, self.now).await.expect("beat")
    }

    fn destination(&self, called: &str) -> Charge {
        Charge::Destination(self.tenant.clone(), name(called))
    }

    async fn takes(&self, owner: u64, from: Vec<Charge>, most: u32) -> Charges {
        let lease = Lease { owner: Owner(owner), span: LEASE };
        self.store.take_charges(lease, from, most, self.now).await.expect("take_charges")
    }

    async fn holder(&self, charge: &Charge) -> Option<Owner> {
        self.store.charges().await.expect("charges").get(charge).map(|claim| claim.owner)
    }
}

pub async fn what_a_node_says_of_itself_is_listed_until_it_leaves(open: impl Open) {
    let mut w = World::new(open).await;
    let (first, second) = (w.node(7, w.now), w.node(3, w.now + SECOND));
    w.store.beat(first.clone(), LEASE, w.now).await.expect("beat");
    w.pass(SECOND);
    let beat = w.store.beat(second.clone(), LEASE, w.now).await.expect("beat");
    let told: Vec<_> = beat.nodes.iter().map(|node| (node.own.clone(), node.beat_at, node.left)).collect();
    assert_eq!(told, [(first, w.now - SECOND, LEASE - SECOND), (second.clone(), w.now, LEASE)]);
    let again = NodeSelf { leaving: true, wanted: Digest::of(b"other"), ..second };
    w.store.beat(again.clone(), LEASE, w.now).await.expect("beat");
    assert_eq!(w.store.nodes(w.now).await.expect("nodes")[1].own, again);
    w.store.leave(Owner(7)).await.expect("leave");
    let left: Vec<_> = w.store.nodes(w.now).await.expect("nodes").iter().map(|node| node.own.owner).collect();
    assert_eq!(left, [Owner(3)]);
}

pub async fn a_node_lives_as_long_as_its_lease_and_is_forgotten_later(open: impl Open) {
    let mut w = World::new(open).await;
    w.beats(1).await;
    w.takes(1, vec![w.destination("app")], 9).await;
    w.beats(2).await;
    w.pass(LEASE);
    let nodes = w.beats(3).await.nodes;
    assert!(!nodes[0].lives() && !nodes[1].lives() && nodes[2].lives(), "{nodes:?}");
    w.pass(GONE_SHOWN_FOR + SECOND);
    w.beats(3).await;
    let listed = |nodes: Vec<crate::nodes::Node>| nodes.iter().map(|node| node.own.owner.0).collect::<Vec<_>>();
    assert_eq!(listed(w.beats(3).await.nodes), [1, 3], "what one has is not forgotten");
    w.takes(3, vec![w.destination("app")], 9).await;
    w.beats(3).await;
    assert_eq!(listed(w.beats(3).await.nodes), [3]);
}

pub async fn a_charge_is_one_nodes_until_it_is_left_or_its_lease_is_over(open: impl Open) {
    let mut w = World::new(open).await;
    let (app, crm) = (w.destination("app"), w.destination("crm"));
    let both = || vec![app.clone(), crm.clone()];
    assert!(w.takes(1, both(), 9).await.is_empty(), "it has not said that it lives");
    w.beats(1).await;
    w.beats(2).await;
    let first = w.takes(1, both(), 1).await;
    assert_eq!(first.keys().collect::<Vec<_>>(), [&app], "no more than asked for, the first ones first");
    assert!(w.takes(1, vec![app.clone()], 9).await.is_empty(), "what one has is not taken again");
    let second = w.takes(2, both(), 9).await;
    assert_eq!(second.keys().collect::<Vec<_>>(), [&crm]);
    assert!(second[&crm].generation > first[&app].generation);
    // Leaving what is not one's own changes nothing.
    w.store.leave_charges(Owner(2), both()).await.expect("leave_charges");
    assert_eq!((w.holder(&app).await, w.holder(&crm).await), (Some(Owner(1)), None));
    w.takes(2, both(), 9).await;
    w.pass(LEASE - SECOND);
    w.beats(1).await;
    w.pass(SECOND * 2);
    assert!(w.takes(2, both(), 9).await.is_empty(), "its own lease is over");
    let after = w.takes(1, both(), 9).await;
    assert_eq!(after.keys().collect::<Vec<_>>(), [&crm]);
    assert!(after[&crm].generation > second[&crm].generation);
    w.store.leave(Owner(1)).await.expect("leave");
    assert!(w.store.charges().await.expect("charges").is_empty());
}

pub async fn charges_of_every_kind_and_tenant_are_told_apart(open: impl Open) {
    let w = World::new(open).await;
    w.beats(1).await;
    let replay = domain::ReplayId::from_uuid(uuid::Uuid::from_u128(7));
    let all = vec![
        w.destination("app"),
        Charge::Destination(name("zeta"), name("app")),
        Charge::Connection(w.tenant.clone(), name("shop"), name("acme")),
        Charge::Connection(w.tenant.clone(), name("shop"), name("other")),
        Charge::Replay(w.tenant.clone(), replay),
    ];
    assert_eq!(w.takes(1, all.clone(), 9).await.len(), all.len());
    w.store.leave_charges(Owner(1), vec![all[1].clone(), all[3].clone()]).await.expect("leave_charges");
    let left: Vec<Charge> = w.store.charges().await.expect("charges").into_keys().collect();
    let mut expected = vec![all[0].clone(), all[2].clone(), all[4].clone()];
    expected.sort();
    assert_eq!(left, expected);
}

pub async fn every_change_is_counted_for_those_who_look(open: impl Open) {
    let w = World::new(open).await;
    let before = w.beats(1).await;
    assert_eq!(w.beats(1).await, before, "nothing happened");
    w.takes(1, vec![w.destination("app")], 9).await;
    let taken = w.beats(1).await;
    assert!(taken.charged > before.charged && taken.configured == before.configured);
    w.store.leave_charges(Owner(1), vec![w.destination("app")]).await.expect("leave_charges");
    assert!(w.beats(1).await.charged > taken.charged);
    w.store.put_setting("handshakes/x".into(), "1".into()).await.expect("put_setting");
    let handed_over = w.beats(1).await;
    assert!(handed_over.configured > before.configured);
    let exchange = w.store.exchange_setting("handshakes/x".into(), Some("1".into()), "2".into());
    assert_eq!(exchange.await, Ok(true));
    let exchanged = w.beats(1).await;
    assert!(exchanged.configured > handed_over.configured);
    w.store.put_setting("subscription/x".into(), "1".into()).await.expect("put_setting");
    let set = w.beats(1).await;
    assert!(set.configured > exchanged.configured);
    w.store.put_setting("other".into(), "1".into()).await.expect("put_setting");
    assert_eq!(w.beats(1).await.configured, set.configured, "nobody keeps it in memory");
    let state = crate::people::DestinationState::Paused;
    let status = crate::people::DestinationStatus { state, since: w.now, reason: String::new() };
    w.store.set_destination_status(w.tenant.clone(), name("app"), status).await.expect("set_destination_status");
    assert!(w.beats(1).await.configured > set.configured);
}

pub async fn nothing_is_given_for_a_destination_that_passed_to_another(open: impl Open) {
    let mut w = World::new(open).await;
    let app = w.destination("app");
    w.beats(1).await;
    let ours = w.takes(1, vec![app.clone()], 1).await[&app];
    let delivery = w.owed().await;
    w.pass(LEASE);
    w.beats(2).await;
    let theirs = w.takes(2, vec![app.clone()], 1).await[&app];
    let ask = |claim: Claim, w: &World| vec![Ask { charge: Some(claim.generation), ..w.ask("app", 9) }];
    // It was paused meanwhile: it lives again, and believes that it is in charge.
    w.beats(1).await;
    let answer = w.claim_asks(ask(ours, &w)).await.remove(0);
    assert!(answer.fenced && answer.claimed.is_empty(), "{answer:?}");
    w.owner = Owner(2);
    let answer = w.claim_asks(ask(theirs, &w)).await.remove(0);
    assert!(!answer.fenced && answer.claimed[0].id == delivery, "{answer:?}");
}

pub async fn claims_hold_as_long_as_their_node_lives(open: impl Open) {
    let mut w = World::new(open).await;
    w.beats(1).await;
    let delivery = w.owed().await;
    let claimed = w.claim_one().await;
    let tenant = w.tenant.clone();
    let lost = |w: &World, owner: u64| {
        let (store, claims) = (w.store.clone(), vec![(tenant.clone(), delivery)]);
        async move { store.lost_claims(Owner(owner), claims).await.expect("lost_claims") }
    };
    for _ in 0..5 {
        w.pass(LEASE / 2);
        w.beats(1).await;
        assert_eq!(w.store.rescue_lapsed(w.now, 9).await, Ok(0));
    }
    assert_eq!((lost(&w, 1).await, lost(&w, 2).await), (vec![], vec![delivery]));
    w.pass(LEASE + Duration::from_micros(1));
    assert_eq!(w.store.rescue_lapsed(w.now, 9).await, Ok(1));
    assert_eq!(lost(&w, 1).await, [delivery]);
    assert!(w.settle(&claimed, DeliveryState::Delivered).await.fenced);
}
