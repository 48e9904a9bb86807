//! Lanes: one after another, by version where both have one, else as accepted; and what stops and moves them.

use domain::ordering::OnDead;
use domain::{DeliveryId, DeliveryState};

use super::world::{Arrange, LEASE, Open, SECOND, Wait, World, ids};
use crate::dispatch::Claimed;
use crate::people::{HoldScope, Wish};

/// Delivers everything of `app` one by one and gives the order; each claim may give one only.
async fn drain(w: &mut World) -> Vec<DeliveryId> {
    let mut order = Vec::new();
    loop {
        let answer = w.claim(10).await;
        let [claimed] = &answer.claimed[..] else {
            assert!(answer.claimed.is_empty(), "only the head of a lane is given: {:?}", ids(&answer));
            return order;
        };
        order.push(claimed.id);
        let claimed = claimed.clone();
        w.settle(&claimed, DeliveryState::Delivered).await;
    }
}

async fn dead(w: &mut World, claimed: &Claimed, on_dead: OnDead) -> bool {
    let mut settlement = w.settlement(claimed, DeliveryState::Dead);
    settlement.on_dead = on_dead;
    w.settle_all(vec![settlement]).await[0].lane_moved
}

pub async fn who_waits_behind_a_backfilled_one_takes_it_along(open: impl Open) {
    let mut w = World::new(open).await;
    let head = w.owed_backfilled(Some(("orders/1", 1))).await;
    let other = w.owed_backfilled(Some(("orders/2", 1))).await;
    let behind = w.owed_backfilled(Some(("orders/2", 2))).await;
    assert!(w.claim_both(10, 0).await.claimed.is_empty());
    let event = w.event().about("orders/1").version(2);
    let delivery = w.to("app").in_lane(&event);
    let next = delivery.id;
    let accepted = w.accept(event.owing(delivery)).await;
    assert_eq!(accepted.waiting, [super::world::destination("app")], "its destination has something to send now");
    for expected in [head, next] {
        let claimed = w.claim_both(10, 0).await.claimed;
        assert_eq!(claimed.iter().map(|one| (one.id, one.backfill)).collect::<Vec<_>>(), [(expected, false)]);
        w.settle(&claimed[0], DeliveryState::Delivered).await;
    }
    assert!(w.claim_both(10, 0).await.claimed.is_empty(), "the other subject is still only backfilled");
    assert_eq!(drain(&mut w).await, [other, behind]);
}

pub async fn of_a_backfilled_one_and_another_the_earlier_version_still_goes_first(open: impl Open) {
    let mut w = World::new(open).await;
    let late = w.owed_in_lane("orders/1", Some(5)).await;
    let early = w.owed_backfilled(Some(("orders/1", 3))).await;
    let early_too = w.owed_in_lane("orders/1", Some(4)).await;
    let newer = w.owed_backfilled(Some(("orders/2", 5))).await;
    let older = w.owed_in_lane("orders/2", Some(3)).await;
    assert_eq!(ids(&w.claim_both(10, 0).await), [early, older], "nobody waits for a backfill");
    w.reopen().await;
    w.pass(LEASE);
    w.store.rescue_lapsed(w.now, 10).await.expect("rescue");
    let mut order = Vec::new();
    loop {
        let claimed = w.claim_both(10, 0).await.claimed;
        if claimed.is_empty() {
            break;
        }
        for one in &claimed {
            order.push(one.id);
            w.settle(one, DeliveryState::Delivered).await;
        }
    }
    assert_eq!(order, [early, older, early_too, newer, late]);
}

pub async fn one_after_another_as_accepted(open: impl Open) {
    let mut w = World::new(open).await;
    let mut owed = Vec::new();
    for _ in 0..4 {
        owed.push(w.owed_in_lane("orders/1", None).await);
    }
    assert!(!w.row(owed[0]).await.behind && w.row(owed[1]).await.behind);
    assert_eq!(w.row(owed[1]).await.due_at, None, "it does not wait for time");
    assert_eq!(drain(&mut w).await, owed);
}

pub async fn the_waiting_go_by_version_where_both_have_one(open: impl Open) {
    let mut w = World::new(open).await;
    let cases: [(&[Option<i64>], &[usize]); 5] = [
        (&[Some(3), Some(1), Some(2)], &[1, 2, 0]),
        (&[None, Some(2), Some(1)], &[0, 2, 1]),
        (&[Some(2), None, Some(1)], &[2, 0, 1]),
        (&[Some(1), Some(1), Some(1)], &[0, 1, 2]),
        (&[Some(5), None, Some(4), None, Some(3)], &[4, 2, 0, 1, 3]),
    ];
    for (case, (versions, order)) in cases.into_iter().enumerate() {
        let mut owed = Vec::new();
        for version in versions {
            owed.push(w.owed_in_lane(&format!("orders/{case}"), *version).await);
        }
        let expected: Vec<_> = order.iter().map(|index| owed[*index]).collect();
        assert_eq!(drain(&mut w).await, expected, "{versions:?}");
    }
}

pub async fn an_earlier_version_does_not_overtake_what_is_being_sent_or_was_tried(open: impl Open) {
    let mut w = World::new(open).await;
    let late = w.owed_in_lane("orders/1", Some(2)).await;
    let claimed = w.claim_one().await;
    let early = w.owed_in_lane("orders/1", Some(1)).await;
    assert!(w.row(early).await.behind, "the head is in flight");
    w.settle(&claimed, DeliveryState::Retrying).await;
    let earlier = w.owed_in_lane("orders/1", Some(0)).await;
    assert!(w.row(earlier).await.behind, "the head was tried");
    assert_eq!(drain(&mut w).await, [late, earlier, early]);
}

pub async fn what_comes_after_a_later_version_was_sent_is_stale(open: impl Open) {
    let mut w = World::new(open).await;
    for (version, stale) in [(5, false), (4, true), (5, false), (6, false), (5, true)] {
        w.owed_in_lane("orders/1", Some(version)).await;
        let claimed = w.claim_one().await;
        assert_eq!(claimed.stale, stale, "version {version}");
        w.settle(&claimed, DeliveryState::Delivered).await;
    }
    w.reopen().await;
    w.owed_in_lane("orders/1", Some(1)).await;
    assert!(w.claim_one().await.stale, "what was sent is remembered across a restart");
}

pub async fn what_was_not_sent_makes_nothing_stale(open: impl Open) {
    let mut w = World::new(open).await;
    w.owed_in_lane("orders/1", Some(9)).await;
    let claimed = w.claim_one().await;
    let mut settlement = w.settlement(&claimed, DeliveryState::Filtered);
    settlement.sent_version = None;
    w.settle_all(vec![settlement]).await;
    w.owed_in_lane("orders/1", Some(1)).await;
    assert!(!w.claim_one().await.stale);
}

pub async fn lanes_do_not_wait_for_one_another(open: impl Open) {
    let mut w = World::new(open).await;
    let one = w.owed_in_lane("orders/1", None).await;
    let two = w.owed_in_lane("orders/2", None).await;
    let free = w.owed().await;
    let event = w.event().of("shop", "x").about("orders/1");
    let delivery = w.to("app").in_lane(&event);
    let other_source = delivery.id;
    w.accept(event.owing(delivery)).await;
    assert_eq!(w.claimable().await, [one, two, free, other_source]);
}

pub async fn routes_of_one_destination_share_the_lane_of_a_subject(open: impl Open) {
    let mut w = World::new(open).await;
    let event = w.event().about("orders/1");
    let (first, second) = (w.to("app").in_lane(&event), w.to("app").by("other").in_lane(&event));
    let other = w.to("crm").in_lane(&event);
    let order = [first.id, second.id];
    w.accept(event.owing(first).owing(second).owing(other)).await;
    assert_eq!(drain(&mut w).await, order);
    let asks = vec![w.ask("crm", 5)];
    assert_eq!(w.claim_asks(asks).await[0].claimed.len(), 1, "another destination has a lane of its own");
}

pub async fn a_destination_in_order_is_one_lane_without_versions(open: impl Open) {
    let mut w = World::new(open).await;
    let mut owed = Vec::new();
    for (subject, version) in [("orders/1", 9), ("orders/2", 1), ("orders/1", 3)] {
        let event = w.event().about(subject).version(version);
        let delivery = w.to("app").in_order();
        owed.push(delivery.id);
        w.accept(event.owing(delivery)).await;
    }
    for expected in owed {
        let claimed = w.claim_one().await;
        assert_eq!((claimed.id, claimed.stale), (expected, false));
        w.settle(&claimed, DeliveryState::Delivered).await;
    }
}

pub async fn settling_tells_whether_the_next_became_due(open: impl Open) {
    let mut w = World::new(open).await;
    for _ in 0..3 {
        w.owed_in_lane("orders/1", None).await;
    }
    let claimed = w.claim_one().await;
    assert!(!w.settle(&claimed, DeliveryState::Retrying).await.lane_moved, "a retrying head keeps its lane");
    let claimed = w.claim_one().await;
    assert!(w.settle(&claimed, DeliveryState::Delivered).await.lane_moved);
    let claimed = w.claim_one().await;
    assert!(w.settle(&claimed, DeliveryState::Filtered).await.lane_moved);
    let claimed = w.claim_one().await;
    assert!(!w.settle(&claimed, DeliveryState::Delivered).await.lane_moved, "nobody was left");
}

pub async fn after_a_dead_head_the_next_goes_unless_it_blocks(open: impl Open) {
    let mut w = World::new(open).await;
    let first = w.owed_in_lane("orders/1", None).await;
    let second = w.owed_in_lane("orders/1", None).await;
    let claimed = w.claim_one().await;
    assert!(dead(&mut w, &claimed, OnDead::Continue).await);
    let claimed = w.claim_one().await;
    assert_eq!(claimed.id, second);
    let third = w.owed_in_lane("orders/1", None).await;
    assert!(!dead(&mut w, &claimed, OnDead::Block).await);
    assert!(w.claimable().await.is_empty(), "the lane stands still");
    assert!(w.row(third).await.behind);
    assert_eq!(w.state(first).await, DeliveryState::Dead);
    w.reopen().await;
    assert!(w.claimable().await.is_empty(), "also after a restart");
}

pub async fn a_blocking_dead_head_goes_first_when_it_is_retried(open: impl Open) {
    let mut w = World::new(open).await;
    let head = w.owed_in_lane("orders/1", Some(5)).await;
    let next = w.owed_in_lane("orders/1", Some(6)).await;
    let claimed = w.claim_one().await;
    dead(&mut w, &claimed, OnDead::Block).await;
    assert_eq!(w.store.retry(w.tenant.clone(), vec![head], w.now).await, Ok(vec![Wish::Done]));
    assert_eq!(drain(&mut w).await, [head, next]);
}

pub async fn a_blocking_dead_head_gives_way_when_it_is_cancelled(open: impl Open) {
    let mut w = World::new(open).await;
    let head = w.owed_in_lane("orders/1", None).await;
    let next = w.owed_in_lane("orders/1", None).await;
    let claimed = w.claim_one().await;
    dead(&mut w, &claimed, OnDead::Block).await;
    assert_eq!(w.store.cancel(w.tenant.clone(), vec![head], w.now).await, Ok(vec![Wish::Done]));
    assert_eq!(w.state(head).await, DeliveryState::Dead, "dead is final until it is retried");
    assert_eq!(drain(&mut w).await, [next]);
    let again = w.store.cancel(w.tenant.clone(), vec![head], w.now).await;
    assert_eq!(again, Ok(vec![Wish::Refused(DeliveryState::Dead)]), "it blocks nothing any more");
}

pub async fn a_dead_one_that_others_passed_joins_its_lane_again(open: impl Open) {
    let mut w = World::new(open).await;
    let first = w.owed_in_lane("orders/1", Some(1)).await;
    let second = w.owed_in_lane("orders/1", Some(2)).await;
    let third = w.owed_in_lane("orders/1", Some(3)).await;
    let claimed = w.claim_one().await;
    dead(&mut w, &claimed, OnDead::Continue).await;
    let in_flight = w.claim_one().await;
    assert_eq!(in_flight.id, second);
    w.store.retry(w.tenant.clone(), vec![first], w.now).await.expect("retry");
    assert!(w.row(first).await.behind, "the head is in flight");
    w.settle(&in_flight, DeliveryState::Delivered).await;
    let claimed = w.claim_one().await;
    assert_eq!((claimed.id, claimed.stale), (first, true), "the earliest version goes, and says that it is late");
    w.settle(&claimed, DeliveryState::Delivered).await;
    assert_eq!(drain(&mut w).await, [third]);
}

pub async fn a_cancelled_head_lets_the_next_go_and_a_cancelled_other_does_not(open: impl Open) {
    let mut w = World::new(open).await;
    let mut owed = Vec::new();
    for _ in 0..4 {
        owed.push(w.owed_in_lane("orders/1", None).await);
    }
    let in_flight = w.claim_one().await;
    let cancel = |ids: Vec<DeliveryId>| w.store.cancel(w.tenant.clone(), ids, w.now);
    assert_eq!(cancel(vec![owed[1]]).await, Ok(vec![Wish::Done]));
    assert!(w.claimable().await.is_empty(), "the head is still in flight");
    assert_eq!(cancel(vec![owed[0]]).await, Ok(vec![Wish::Done]));
    assert!(w.settle(&in_flight, DeliveryState::Delivered).await.fenced);
    assert_eq!(drain(&mut w).await, [owed[2], owed[3]]);
}

pub async fn many_of_a_lane_are_cancelled_together_and_the_first_of_the_others_goes(open: impl Open) {
    let mut w = World::new(open).await;
    let (mut owed, mut all_of_another) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        owed.push(w.owed_in_lane("orders/1", None).await);
    }
    for _ in 0..2 {
        all_of_another.push(w.owed_in_lane("orders/2", None).await);
    }
    let free = w.owed().await;
    let asked = vec![all_of_another[1], owed[3], owed[0], free, owed[1], all_of_another[0], owed[0]];
    let wishes = w.store.cancel(w.tenant.clone(), asked, w.now).await.expect("cancel");
    assert_eq!(wishes[..6], [Wish::Done; 6]);
    assert_eq!(wishes[6], Wish::Refused(DeliveryState::Cancelled), "asked for twice");
    assert_eq!(drain(&mut w).await, [owed[2], owed[4], owed[5]]);
    let later = w.owed_in_lane("orders/2", None).await;
    assert_eq!(drain(&mut w).await, [later], "a lane of which all were cancelled goes on");
}

pub async fn many_of_a_lane_are_retried_together_and_go_in_their_order(open: impl Open) {
    let mut w = World::new(open).await;
    let mut owed = Vec::new();
    for _ in 0..4 {
        owed.push(w.owed_in_lane("orders/1", None).await);
    }
    for expected in &owed[..3] {
        let claimed = w.claim_one().await;
        assert_eq!(claimed.id, *expected);
        dead(&mut w, &claimed, OnDead::Continue).await;
    }
    let asked = vec![owed[2], owed[0], owed[1], owed[0]];
    let wishes = w.store.retry(w.tenant.clone(), asked, w.now).await.expect("retry");
    assert_eq!(wishes[..3], [Wish::Done; 3]);
    assert_eq!(wishes[3], Wish::Refused(DeliveryState::Pending), "asked for twice");
    assert_eq!(drain(&mut w).await, owed);
}

pub async fn a_held_head_keeps_its_lane(open: impl Open) {
    let mut w = World::new(open).await;
    let head = w.owed_in_lane("orders/1", None).await;
    let next = w.owed_in_lane("orders/1", None).await;
    let scope = || HoldScope::Destination(super::world::name("app"));
    assert_eq!(w.store.hold(w.tenant.clone(), scope(), 10).await, Ok(2));
    let newcomer = w.owed_in_lane("orders/1", None).await;
    assert!(w.claimable().await.is_empty() && w.row(newcomer).await.behind);
    assert_eq!(w.store.resume(w.tenant.clone(), scope(), 10).await, Ok(2));
    assert_eq!(drain(&mut w).await, [head, next, newcomer]);
}

pub async fn a_lapsed_head_keeps_its_lane(open: impl Open) {
    let mut w = World::new(open).await;
    let head = w.owed_in_lane("orders/1", None).await;
    let next = w.owed_in_lane("orders/1", None).await;
    w.claim_one().await;
    w.pass(LEASE + SECOND);
    w.store.rescue_lapsed(w.now, 10).await.expect("rescue");
    assert_eq!(drain(&mut w).await, [head, next]);
}

pub async fn a_lane_of_many_gives_them_in_the_order_of_the_rule(open: impl Open) {
    let mut w = World::new(open).await;
    // Pseudo-random versions, some missing, against the rule itself.
    let mut waiting = Vec::new();
    let mut seed = 7u64;
    for sequence in 0..60 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let version = (seed >> 60 != 0).then(|| i64::try_from(seed >> 59).expect("small"));
        waiting.push((version, sequence, w.owed_in_lane("orders/1", version).await));
    }
    let mut expected = Vec::new();
    while !waiting.is_empty() {
        let keys: Vec<_> =
            waiting.iter().map(|(version, sequence, _)| (version.map(domain::Version::Number), *sequence)).collect();
        let head = domain::ordering::head(&keys).expect("some wait");
        expected.push(waiting.remove(head).2);
    }
    assert_eq!(drain(&mut w).await, expected);
}
