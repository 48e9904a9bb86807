//! `claim_due` and `rescue_lapsed`: who may try what, and for how long.

use domain::DeliveryState;

use super::world::{Arrange, LEASE, Open, SECOND, Wait, World, ids};
use crate::dispatch::{Ask, Owner, Prepared, PreparedDelivery};

pub async fn what_is_due_is_given_oldest_first_and_once(open: impl Open) {
    let mut w = World::new(open).await;
    let mut owed = Vec::new();
    for _ in 0..5 {
        owed.push(w.owed().await);
        w.pass(SECOND);
    }
    let first = w.claim(2).await;
    assert_eq!(ids(&first), owed[..2]);
    assert!(first.more);
    let rest = w.claim(10).await;
    assert_eq!(ids(&rest), owed[2..]);
    assert!(!rest.more && rest.next_due.is_none());
    assert!(w.claimable().await.is_empty(), "each is given once");
    let generations: std::collections::HashSet<_> =
        first.claimed.iter().chain(&rest.claimed).map(|claimed| claimed.claim).collect();
    assert_eq!(generations.len(), 5, "each claim is one of its own");
}

pub async fn a_claim_carries_all_that_a_try_needs(open: impl Open) {
    let mut w = World::new(open).await;
    let event = w.event().about("orders/1").version(4).carrying(b"bytes");
    let delivery = w.to("app").by("shop-app").in_lane(&event);
    let (sent, id, lane) = (event.event.clone(), delivery.id, delivery.lane.clone());
    w.accept(event.owing(delivery)).await;
    let claimed = w.claim_one().await;
    assert_eq!((claimed.id, claimed.claim.owner), (id, w.owner));
    assert_eq!((claimed.route.as_str(), claimed.destination.as_str()), ("shop-app", "app"));
    assert_eq!(*claimed.event, *sent);
    assert_eq!((claimed.lane, claimed.attempts, claimed.stale), (lane, 0, false));
    assert!(claimed.prepared.is_none() && claimed.replay.is_none());
    assert_eq!(w.state(id).await, DeliveryState::InFlight);
}

pub async fn asks_are_answered_in_order_and_apart(open: impl Open) {
    let mut w = World::new(open).await;
    for to in ["app", "crm", "crm"] {
        let delivery = w.to(to);
        let event = w.event().owing(delivery);
        w.accept(event).await;
    }
    let asks = vec![w.ask("crm", 1), w.ask("nobody", 5), w.ask("app", 5)];
    let answers = w.claim_asks(asks).await;
    assert_eq!(answers.iter().map(|answer| answer.claimed.len()).collect::<Vec<_>>(), [1, 0, 1]);
    assert_eq!(answers.iter().map(|answer| answer.more).collect::<Vec<_>>(), [true, false, false]);
}

pub async fn backfilled_ones_are_given_after_all_others_and_into_room_of_their_own(open: impl Open) {
    let mut w = World::new(open).await;
    let mut old = Vec::new();
    for _ in 0..4 {
        old.push(w.owed_backfilled(None).await);
    }
    w.pass(SECOND);
    let new = [w.owed().await, w.owed().await, w.owed().await];
    let first = w.claim_both(2, 2).await;
    assert_eq!(ids(&first), [new[0], new[1], old[0], old[1]]);
    assert_eq!(first.claimed.iter().map(|one| one.backfill).collect::<Vec<_>>(), [false, false, true, true]);
    assert_eq!((first.more, first.more_backfill), (true, true));
    let second = w.claim_both(5, 0).await;
    assert_eq!((ids(&second), second.more, second.more_backfill, second.next_due), (vec![new[2]], false, false, None));
    w.settle(&first.claimed[2], DeliveryState::Retrying).await;
    assert!(w.claim_both(5, 0).await.claimed.is_empty(), "a retry does not change what it is");
    let rest = w.claim_both(0, 5).await;
    let mut given = ids(&rest);
    given.sort();
    assert_eq!((given, rest.more, rest.more_backfill), (vec![old[0], old[2], old[3]], false, false));
    w.reopen().await;
    w.pass(LEASE);
    w.store.rescue_lapsed(w.now, 10).await.expect("rescue");
    let again = w.claim_both(10, 10).await;
    assert_eq!(again.claimed.iter().filter(|one| one.backfill).count(), 4, "also after a restart");
}

pub async fn when_a_backfilled_one_is_due_is_told_with_the_others(open: impl Open) {
    let mut w = World::new(open).await;
    w.owed_backfilled(None).await;
    let claimed = w.claim_both(0, 1).await.claimed.remove(0);
    let mut settlement = w.settlement(&claimed, DeliveryState::Retrying);
    settlement.due = w.now + 10 * SECOND;
    w.settle_all(vec![settlement]).await;
    let early = w.claim_both(1, 1).await;
    assert_eq!((early.claimed.len(), early.more_backfill, early.next_due), (0, false, Some(w.now + 10 * SECOND)));
    w.owed().await;
    let claimed = w.claim_one().await;
    let mut settlement = w.settlement(&claimed, DeliveryState::Retrying);
    settlement.due = w.now + 5 * SECOND;
    w.settle_all(vec![settlement]).await;
    assert_eq!(w.claim_both(1, 1).await.next_due, Some(w.now + 5 * SECOND), "whichever is first");
}

pub async fn a_backfilled_one_that_a_person_retries_goes_with_the_others(open: impl Open) {
    let mut w = World::new(open).await;
    let id = w.owed_backfilled(None).await;
    let claimed = w.claim_both(0, 1).await.claimed.remove(0);
    w.settle(&claimed, DeliveryState::Dead).await;
    w.store.retry(w.tenant.clone(), vec![id], w.now).await.expect("retry");
    assert_eq!(ids(&w.claim_both(1, 0).await), [id]);
}

pub async fn payloads_are_bounded_but_one_is_always_given(open: impl Open) {
    let mut w = World::new(open).await;
    for _ in 0..4 {
        let delivery = w.to("app");
        let event = w.event().carrying(&[7; 100]).owing(delivery);
        w.accept(event).await;
    }
    let bounded = |w: &World, bytes_max| vec![Ask { bytes_max, ..w.ask("app", 10) }];
    let one = w.claim_asks(bounded(&w, 1)).await.remove(0);
    assert_eq!((one.claimed.len(), one.more), (1, true));
    let two = w.claim_asks(bounded(&w, 150)).await.remove(0);
    assert_eq!((two.claimed.len(), two.more), (2, true), "it stops once the bound is passed");
}

pub async fn what_is_due_later_is_told_and_given_then(open: impl Open) {
    let mut w = World::new(open).await;
    let id = w.owed().await;
    let claimed = w.claim_one().await;
    let mut settlement = w.settlement(&claimed, DeliveryState::Retrying);
    settlement.due = w.now + 10 * SECOND;
    w.settle_all(vec![settlement]).await;
    let early = w.claim(10).await;
    assert!(early.claimed.is_empty() && !early.more);
    assert_eq!(early.next_due, Some(w.now + 10 * SECOND));
    assert_eq!(w.row(id).await.due_at, early.next_due);
    w.pass(10 * SECOND);
    let then = w.claim_one().await;
    assert_eq!((then.id, then.attempts), (id, 1));
}

pub async fn held_ones_are_not_given(open: impl Open) {
    let mut w = World::new(open).await;
    let delivery = w.to("app").held();
    let event = w.event().owing(delivery);
    w.accept(event).await;
    let answer = w.claim(10).await;
    assert!(answer.claimed.is_empty() && !answer.more && answer.next_due.is_none());
}

pub async fn prepared_bytes_come_with_every_later_try(open: impl Open) {
    let mut w = World::new(open).await;
    let id = w.owed().await;
    let claimed = w.claim_one().await;
    let prepared = |body: &'static [u8]| Prepared {
        content_type: "application/json".into(),
        body: bytes::Bytes::from_static(body),
        stale: true,
        enriched: None,
    };
    let fetched =
        |body| Prepared { enriched: Some(bytes::Bytes::from_static(br#"{"customer":{}}"#)), ..prepared(body) };
    let keep = |claim, body| PreparedDelivery { tenant: w.tenant.clone(), id, claim, prepared: fetched(body) };
    let mut wrong = claimed.claim;
    wrong.generation += 1;
    let batch = vec![keep(wrong, b"stolen"), keep(claimed.claim, b"ours")];
    let kept = w.store.keep_prepared(batch).await.expect("keep_prepared");
    assert_eq!(kept.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true]);
    assert_eq!(super::world::code(kept[0].clone()), "claim_fenced");
    w.settle(&claimed, DeliveryState::Retrying).await;
    assert_eq!(w.claim_one().await.prepared, Some(prepared(b"ours")), "what was fetched is not sent");
    let detail = w.store.delivery(w.tenant.clone(), id).await.expect("delivery").expect("it is there");
    assert_eq!(detail.prepared, Some(fetched(b"ours")));
}

pub async fn a_lapsed_lease_is_a_try_of_unknown_end_that_counts(open: impl Open) {
    let mut w = World::new(open).await;
    let id = w.owed().await;
    let claimed = w.claim_one().await;
    w.pass(LEASE - SECOND);
    assert_eq!(w.store.rescue_lapsed(w.now, 10).await.expect("rescue"), 0);
    w.pass(SECOND);
    assert_eq!(w.store.rescue_lapsed(w.now, 10).await.expect("rescue"), 1);
    let row = w.row(id).await;
    assert_eq!((row.state, row.attempts), (DeliveryState::Retrying, 1));
    let attempts = w.attempts(id).await;
    assert_eq!((attempts.len(), &*attempts[0].outcome, attempts[0].number), (1, "unknown", 1));
    let next = w.claim_one().await;
    assert_eq!((next.id, next.attempts), (id, 1));
    assert!(next.claim.generation > claimed.claim.generation);
    assert!(w.settle(&claimed, DeliveryState::Delivered).await.fenced, "the late one is fenced");
    assert!(!w.settle(&next, DeliveryState::Delivered).await.fenced);
    let numbers: Vec<_> = w.attempts(id).await.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [1, 2]);
}

pub async fn rescue_takes_no_more_than_it_was_told(open: impl Open) {
    let mut w = World::new(open).await;
    for _ in 0..3 {
        w.owed().await;
    }
    w.claim(10).await;
    w.pass(LEASE);
    assert_eq!(w.store.rescue_lapsed(w.now, 2).await.expect("rescue"), 2);
    assert_eq!(w.store.rescue_lapsed(w.now, 2).await.expect("rescue"), 1);
    assert_eq!(w.store.rescue_lapsed(w.now, 2).await.expect("rescue"), 0);
}

pub async fn a_lease_does_not_lapse_while_its_node_beats_and_others_do(open: impl Open) {
    let mut w = World::new(open).await;
    let mine = w.owed().await;
    w.claim_one().await;
    w.owner = Owner(99);
    let theirs = w.owed().await;
    w.claim_one().await;
    w.pass(LEASE - SECOND);
    w.beats(1).await;
    w.pass(2 * SECOND);
    w.store.rescue_lapsed(w.now, 10).await.expect("rescue");
    assert_eq!(w.state(mine).await, DeliveryState::InFlight);
    assert_eq!(w.state(theirs).await, DeliveryState::Retrying);
}

pub async fn claims_end_with_their_process(open: impl Open) {
    let mut w = World::new(open).await;
    let (first, second) = (w.owed().await, w.owed().await);
    let claimed = w.claim_one().await;
    w.settle(&claimed, DeliveryState::Retrying).await;
    w.claim(10).await;
    w.reopen().await;
    w.pass(LEASE);
    w.store.rescue_lapsed(w.now, 10).await.expect("rescue");
    let mut again = w.claimable().await;
    again.sort();
    let mut both = [first, second];
    both.sort();
    assert_eq!(again, both);
}
