//! `settle`: where every end of a try leads, what it leaves behind, and who may not settle.

use domain::{DeliveryState, Timestamp};

use super::world::{Arrange, Open, SECOND, Wait, World, as_claimed, code};
use crate::dispatch::{Cause, RESPONSE_BYTES_MAX};

pub async fn every_end_of_a_try_leads_where_it_says(open: impl Open) {
    let mut w = World::new(open).await;
    let ends = [
        DeliveryState::Delivered,
        DeliveryState::Filtered,
        DeliveryState::Dead,
        DeliveryState::Pending,
        DeliveryState::Retrying,
        DeliveryState::Held,
    ];
    for born in [false, true] {
        for end in ends {
            let mut delivery = w.to("app");
            if born {
                delivery = delivery.born(w.lease());
            }
            let id = delivery.id;
            let event = w.event().owing(delivery);
            let accepted = w.accept(event.clone()).await;
            let claimed = if born { as_claimed(&event, id, accepted.claims[0].1) } else { w.claim_one().await };
            let mut settlement = w.settlement(&claimed, end);
            settlement.due = w.now + SECOND;
            settlement.cause = Some(Cause { code: "why".into(), detail: "because".to_owned() });
            let settled = w.settle_all(vec![settlement]).await;
            assert!(!settled[0].fenced && !settled[0].lane_moved);
            let row = w.row(id).await;
            let at = Some(w.now + SECOND);
            let waits = matches!(end, DeliveryState::Pending | DeliveryState::Retrying);
            assert_eq!((row.state, row.attempts, row.behind), (end, 1, false), "born {born}");
            assert_eq!(row.finished_at, if end.is_open() { None } else { at }, "{end:?}");
            assert_eq!(row.due_at, if waits { at } else { None }, "{end:?}");
            assert_eq!(row.cause.map(|cause| cause.detail).as_deref(), Some("because"));
            let given = w.claim(10).await;
            assert_eq!(given.next_due.is_some(), waits, "{end:?} is found again if and only if it waits");
            w.store.cancel(w.tenant.clone(), vec![id], w.now).await.expect("cancel");
        }
    }
}

pub async fn attempts_are_kept_whole_and_in_order(open: impl Open) {
    let mut w = World::new(open).await;
    let id = w.owed().await;
    let claimed = w.claim_one().await;
    let mut settlement = w.settlement(&claimed, DeliveryState::Retrying);
    let mut attempt = w.attempt("read_timeout");
    attempt.status = None;
    attempt.error = Some("no answer within 10 s".to_owned());
    attempt.first_byte_us = None;
    attempt.number = 77;
    attempt.response = vec![b'x'; RESPONSE_BYTES_MAX + 1].into();
    settlement.attempt = Some(attempt.clone());
    w.settle_all(vec![settlement]).await;
    let claimed = w.claim_one().await;
    w.settle(&claimed, DeliveryState::Delivered).await;
    let kept = w.attempts(id).await;
    attempt.number = 1;
    attempt.response.truncate(RESPONSE_BYTES_MAX);
    assert_eq!(kept[0], attempt);
    assert_eq!((kept.len(), kept[1].number, &*kept[1].outcome), (2, 2, "delivered"));
}

pub async fn a_try_that_was_not_made_leaves_no_trace(open: impl Open) {
    let mut w = World::new(open).await;
    let id = w.owed().await;
    let claimed = w.claim_one().await;
    let mut settlement = w.settlement(&claimed, DeliveryState::Pending);
    settlement.attempt = None;
    settlement.attempts = 0;
    w.settle_all(vec![settlement]).await;
    let row = w.row(id).await;
    assert_eq!((row.state, row.attempts), (DeliveryState::Pending, 0));
    assert!(w.attempts(id).await.is_empty());
}

pub async fn only_the_claim_that_took_it_may_settle(open: impl Open) {
    let mut w = World::new(open).await;
    let id = w.owed().await;
    let claimed = w.claim_one().await;
    let mut other_generation = w.settlement(&claimed, DeliveryState::Delivered);
    other_generation.claim.generation += 1;
    let mut other_owner = w.settlement(&claimed, DeliveryState::Delivered);
    other_owner.claim.owner = crate::dispatch::Owner(77);
    let mut other_tenant = w.settlement(&claimed, DeliveryState::Delivered);
    other_tenant.tenant = super::world::name("other");
    let own = w.settlement(&claimed, DeliveryState::Retrying);
    let twice = w.settlement(&claimed, DeliveryState::Dead);
    let settled = w.settle_all(vec![other_generation, other_owner, other_tenant, own, twice]).await;
    assert_eq!(settled.iter().map(|one| one.fenced).collect::<Vec<_>>(), [true, true, true, false, true]);
    assert_eq!(w.state(id).await, DeliveryState::Retrying);
    assert_eq!(w.attempts(id).await.len(), 1);
}

pub async fn a_try_that_ends_after_its_delivery_was_cancelled_is_told_and_moves_nothing(open: impl Open) {
    let mut w = World::new(open).await;
    let id = w.owed().await;
    let claimed = w.claim_one().await;
    w.store.cancel(w.tenant.clone(), vec![id], w.now).await.expect("cancel");
    assert!(w.settle(&claimed, DeliveryState::Delivered).await.fenced);
    assert_eq!((w.state(id).await, w.row(id).await.attempts), (DeliveryState::Cancelled, 0));
    assert_eq!(w.attempts(id).await.len(), 1, "it may have arrived");
    w.store.retry(w.tenant.clone(), vec![id], w.now).await.expect("retry");
    assert!(w.settle(&claimed, DeliveryState::Delivered).await.fenced);
    let again = w.claim_one().await;
    w.settle(&again, DeliveryState::Delivered).await;
    let numbers: Vec<_> = w.attempts(id).await.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [1, 2], "an end that comes after the retry is nobody's any more");
}

pub async fn a_try_cannot_end_in_flight(open: impl Open) {
    let mut w = World::new(open).await;
    w.owed().await;
    let claimed = w.claim_one().await;
    let settlement = w.settlement(&claimed, DeliveryState::InFlight);
    assert_eq!(code(w.store.settle(vec![settlement], w.now).await), "store_refused");
    assert!(!w.settle(&claimed, DeliveryState::Delivered).await.fenced, "the claim is still good");
}

pub async fn waiting_for_ever_is_still_waiting(open: impl Open) {
    let mut w = World::new(open).await;
    let id = w.owed().await;
    let claimed = w.claim_one().await;
    let mut settlement = w.settlement(&claimed, DeliveryState::Pending);
    settlement.due = Timestamp::NEVER;
    w.settle_all(vec![settlement]).await;
    let row = w.row(id).await;
    assert_eq!((row.state, row.behind), (DeliveryState::Pending, false));
    assert!(w.claim(10).await.claimed.is_empty());
}
