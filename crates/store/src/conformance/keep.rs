//! Retention: what goes, what never does, in bounded rounds; and closing.

use domain::ordering::OnDead;
use domain::{DeliveryId, DeliveryState};

use super::world::{Arrange, DAY, Open, SECOND, World, code, digest};
use crate::intake::RejectedBounds;
use crate::keep::{Pruned, Retention};
use crate::people::Wish;

const KEPT: Retention = Retention {
    events: DAY.saturating_mul(2),
    dead_letters: DAY.saturating_mul(10),
    requests: DAY,
    identities: DAY.saturating_mul(5),
    idempotency: DAY,
    audit: DAY,
};

async fn prune(w: &World, limit: u32) -> Pruned {
    w.store.prune(KEPT, w.now, limit).await.expect("prune")
}

/// Prunes until there is no more, and gives how much that was.
async fn prune_all(w: &World) -> Pruned {
    let mut total = Pruned::default();
    for _ in 0..100 {
        let round = prune(w, 50).await;
        total.events += round.events;
        total.deliveries += round.deliveries;
        total.requests += round.requests;
        total.identities += round.identities;
        if !round.more {
            return total;
        }
    }
    panic!("it never ends");
}

/// Accepts an event whose delivery ends in `state`.
async fn ended(w: &mut World, state: DeliveryState) -> DeliveryId {
    let id = w.owed().await;
    let claimed = w.claim_one().await;
    assert_eq!(claimed.id, id);
    let mut settlement = w.settlement(&claimed, state);
    settlement.due = w.now + if state.is_open() { 100 * DAY } else { SECOND };
    w.settle_all(vec![settlement]).await;
    id
}

pub async fn old_events_go_with_all_that_is_theirs(open: impl Open) {
    let mut w = World::new(open).await;
    let id = ended(&mut w, DeliveryState::Delivered).await;
    let event = w.row(id).await.event;
    w.pass(2 * DAY);
    assert_eq!(prune_all(&w).await.events, 0, "it is just old enough to stay");
    let young = w.owed().await;
    w.pass(SECOND);
    let pruned = prune_all(&w).await;
    assert_eq!((pruned.events, pruned.deliveries), (1, 1));
    assert!(w.detail(event).await.is_none());
    assert!(w.store.delivery(w.tenant.clone(), id).await.expect("delivery").is_none());
    assert_eq!(w.state(young).await, DeliveryState::Pending);
    assert_eq!(prune_all(&w).await, Pruned::default());
}

pub async fn nothing_with_an_open_delivery_goes(open: impl Open) {
    let mut w = World::new(open).await;
    let mut open = Vec::new();
    for state in [DeliveryState::Retrying, DeliveryState::Pending, DeliveryState::Held] {
        open.push(ended(&mut w, state).await);
    }
    let in_flight = w.owed().await;
    let claimed = w.claim_one().await;
    w.pass(100 * DAY);
    assert_eq!(prune_all(&w).await.events, 0);
    for id in open.iter().chain([&in_flight]) {
        assert!(w.state(*id).await.is_open());
    }
    w.settle(&claimed, DeliveryState::Delivered).await;
    assert_eq!(prune_all(&w).await.events, 1, "what is settled now goes now");
}

pub async fn dead_letters_stay_their_own_time(open: impl Open) {
    let mut w = World::new(open).await;
    let id = ended(&mut w, DeliveryState::Dead).await;
    w.pass(10 * DAY);
    assert_eq!(prune_all(&w).await.events, 0);
    assert_eq!(w.state(id).await, DeliveryState::Dead);
    w.pass(2 * SECOND);
    assert_eq!(prune_all(&w).await.events, 1);
}

pub async fn a_lane_that_stood_still_for_a_dead_letter_goes_on_when_that_goes(open: impl Open) {
    let mut w = World::new(open).await;
    w.owed_in_lane("orders/1", None).await;
    let claimed = w.claim_one().await;
    let mut settlement = w.settlement(&claimed, DeliveryState::Dead);
    settlement.on_dead = OnDead::Block;
    w.settle_all(vec![settlement]).await;
    w.pass(10 * DAY + 2 * SECOND);
    let behind = w.owed_in_lane("orders/1", None).await;
    assert!(w.claim(1).await.claimed.is_empty());
    prune_all(&w).await;
    assert_eq!(w.claim_one().await.id, behind);
}

pub async fn a_dead_letter_is_retried_in_its_lane_although_that_was_forgotten(open: impl Open) {
    let mut w = World::new(open).await;
    let dead = w.owed_in_lane("orders/1", Some(1)).await;
    let claimed = w.claim_one().await;
    w.settle(&claimed, DeliveryState::Dead).await;
    w.pass(8 * DAY);
    assert_eq!(prune_all(&w).await.events, 0, "only what the lane remembered is gone");
    assert_eq!(w.store.retry(w.tenant.clone(), vec![dead], w.now).await, Ok(vec![Wish::Done]));
    let claimed = w.claim_one().await;
    assert_eq!((claimed.id, claimed.lane.is_some()), (dead, true));
    let next = w.owed_in_lane("orders/1", Some(2)).await;
    assert!(w.row(next).await.behind, "it waits behind the retried one");
    assert!(w.settle(&claimed, DeliveryState::Delivered).await.lane_moved);
    assert_eq!(w.claim_one().await.id, next);
}

pub async fn one_from_the_future_keeps_none_of_the_others(open: impl Open) {
    let mut w = World::new(open).await;
    let ahead = w.event().with(|event| event.received_at = event.received_at + 5_000 * DAY);
    let ahead_id = ahead.event.id;
    w.accept(ahead).await;
    for _ in 0..5 {
        let event = w.event();
        w.accept(event).await;
    }
    w.pass(3 * DAY);
    assert_eq!(prune_all(&w).await.events, 5);
    assert!(w.detail(ahead_id).await.is_some());
}

pub async fn a_round_is_bounded_and_says_that_there_is_more(open: impl Open) {
    let mut w = World::new(open).await;
    for _ in 0..25 {
        let event = w.event();
        w.accept(event).await;
    }
    w.pass(3 * DAY);
    let mut events = 0;
    for round in 0..3 {
        let pruned = prune(&w, 10).await;
        assert!(pruned.events <= 10);
        assert_eq!(pruned.more, round < 2, "round {round}");
        events += pruned.events;
    }
    assert_eq!(events, 25);
}

pub async fn identities_outlive_their_events_and_go_with_age(open: impl Open) {
    let mut w = World::new(open).await;
    let first = w.event().message("m1");
    let id = first.event.id;
    w.accept(first).await;
    w.pass(3 * DAY);
    let pruned = prune_all(&w).await;
    assert_eq!((pruned.events, pruned.identities), (1, 0));
    let again = w.event().message("m1");
    let accepted = w.accept(again).await;
    assert!(accepted.duplicate && accepted.id == id, "known although its event is gone");
    w.pass(3 * DAY);
    assert_eq!(prune_all(&w).await.identities, 1);
    let anew = w.event().message("m1");
    assert!(!w.accept(anew).await.duplicate);
}

pub async fn requests_go_by_age_but_never_pending_ones(open: impl Open) {
    let mut w = World::new(open).await;
    let bounds = RejectedBounds { count_max: 1, bytes_max: 1_000_000 };
    let rejected = w.rejected("signature", b"a");
    let mut pending = w.rejected("key", b"b");
    pending.verdict = domain::request::Verdict::Pending;
    pending.due = Some(w.now);
    let ids = [rejected.request.id, pending.request.id];
    w.store.keep_requests(vec![rejected, pending], bounds).await.expect("keep_requests");
    w.pass(DAY + SECOND);
    assert_eq!(prune_all(&w).await.requests, 1);
    let there = |id| w.store.request(w.tenant.clone(), id);
    assert!(there(ids[0]).await.expect("request").is_none());
    assert!(there(ids[1]).await.expect("request").is_some());
    // What went by age does not count towards the bound any more.
    let next = w.rejected("signature", b"c");
    let id = next.request.id;
    w.store.keep_requests(vec![next], bounds).await.expect("keep_requests");
    assert!(w.store.request(w.tenant.clone(), id).await.expect("request").is_some());
}

pub async fn kept_answers_go_with_age(open: impl Open) {
    use crate::registry::Idempotency;
    let mut w = World::new(open).await;
    let begin = async |w: &World| w.store.begin_idempotent(w.tenant.clone(), "key".into(), digest("a"), w.now).await;
    assert_eq!(begin(&w).await, Ok(Idempotency::Fresh));
    let answer = Some((200, bytes::Bytes::new()));
    w.store.finish_idempotent(w.tenant.clone(), "key".into(), answer).await.expect("finish");
    w.pass(DAY + SECOND);
    prune_all(&w).await;
    assert_eq!(begin(&w).await, Ok(Idempotency::Fresh));
}

pub async fn the_tail_does_not_go_backwards_when_the_newest_events_go(open: impl Open) {
    let mut w = World::new(open).await;
    for _ in 0..3 {
        let event = w.event();
        w.accept(event).await;
    }
    let position = w.store.tail_position(w.tenant.clone()).await.expect("tail_position");
    w.pass(3 * DAY);
    assert_eq!(prune_all(&w).await.events, 3);
    w.reopen().await;
    let event = w.event();
    let id = event.event.id;
    w.accept(event).await;
    let filter = crate::read::EventFilter::default();
    let tail = w.store.events_after(w.tenant.clone(), filter, super::world::from(position, 10)).await.expect("tail");
    assert_eq!(tail.events.iter().map(|(_, event)| event.id).collect::<Vec<_>>(), [id]);
}

pub async fn figures_grow_with_the_work(open: impl Open) {
    let mut w = World::new(open).await;
    let before = w.store.stats();
    w.owed().await;
    w.store.ping().await.expect("it would be committed");
    let after = w.store.stats();
    assert!(after.statements > before.statements && after.commits > before.commits);
    assert!(after.committed > before.committed);
}

pub async fn a_closed_store_says_so(open: impl Open) {
    let mut w = World::new(open).await;
    let id = w.owed().await;
    w.store.close().await.expect("close");
    w.store.close().await.expect("closing twice is closing");
    assert_eq!(code(w.store.ping().await), "store_closed");
    assert_eq!(code(w.store.delivery(w.tenant.clone(), id).await.map(drop)), "store_closed");
    assert_eq!(code(w.store.settle(vec![], w.now).await), "store_closed");
    assert_eq!(code(w.store.leave(w.owner).await), "store_closed");
}
