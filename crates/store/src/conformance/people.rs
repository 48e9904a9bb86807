//! What people decide: retry and cancel in every state, hold and resume, the state of a destination.

use domain::{DeliveryId, DeliveryState};

use super::world::{Arrange, Open, SECOND, Wait, World, as_claimed, name};
use crate::dispatch::{Cause, Prepared, PreparedDelivery};
use crate::people::{DestinationState, DestinationStatus, HoldScope, Wish};
use crate::read::DeliveryFilter;

/// A delivery in each state there is.
async fn one_of_each(w: &mut World) -> Vec<(DeliveryId, DeliveryState)> {
    let mut all = Vec::new();
    for state in DeliveryState::ALL {
        let mut delivery = w.to("app");
        if state == DeliveryState::Held {
            delivery = delivery.held();
        } else if state != DeliveryState::Pending {
            delivery = delivery.born(w.lease());
        }
        let id = delivery.id;
        let event = w.event().owing(delivery);
        let accepted = w.accept(event.clone()).await;
        match state {
            DeliveryState::Pending | DeliveryState::Held | DeliveryState::InFlight => {}
            DeliveryState::Cancelled => drop(w.store.cancel(w.tenant.clone(), vec![id], w.now).await.expect("cancel")),
            end => {
                let claimed = as_claimed(&event, id, accepted.claims[0].1);
                let mut settlement = w.settlement(&claimed, end);
                settlement.due = w.now + SECOND;
                w.settle_all(vec![settlement]).await;
            }
        }
        assert_eq!(w.state(id).await, state);
        all.push((id, state));
    }
    all
}

pub async fn dead_and_cancelled_ones_are_retried_and_no_others(open: impl Open) {
    let mut w = World::new(open).await;
    for (id, state) in one_of_each(&mut w).await {
        let wish = w.store.retry(w.tenant.clone(), vec![id], w.now).await.expect("retry")[0];
        if matches!(state, DeliveryState::Dead | DeliveryState::Cancelled) {
            assert_eq!((wish, w.state(id).await), (Wish::Done, DeliveryState::Pending));
        } else {
            assert_eq!((wish, w.state(id).await), (Wish::Refused(state), state));
        }
    }
}

pub async fn open_ones_are_cancelled_and_no_others(open: impl Open) {
    let mut w = World::new(open).await;
    for (id, state) in one_of_each(&mut w).await {
        let wish = w.store.cancel(w.tenant.clone(), vec![id], w.now).await.expect("cancel")[0];
        if state.is_open() {
            assert_eq!((wish, w.state(id).await), (Wish::Done, DeliveryState::Cancelled));
            assert_eq!(w.row(id).await.finished_at, Some(w.now));
        } else {
            assert_eq!((wish, w.state(id).await), (Wish::Refused(state), state));
        }
    }
    assert!(w.claimable().await.is_empty());
}

pub async fn wishes_are_answered_in_order_and_unknown_ones_are_told(open: impl Open) {
    let mut w = World::new(open).await;
    let known = w.owed().await;
    let unknown = DeliveryId::from_uuid(w.uuid());
    let wishes = w.store.cancel(w.tenant.clone(), vec![unknown, known, known], w.now).await.expect("cancel");
    assert_eq!(wishes, [Wish::NotFound, Wish::Done, Wish::Refused(DeliveryState::Cancelled)]);
    assert_eq!(w.store.retry(w.tenant.clone(), vec![unknown], w.now).await, Ok(vec![Wish::NotFound]));
}

pub async fn wishes_for_many_are_answered_each_by_its_state(open: impl Open) {
    let mut w = World::new(open).await;
    let all = one_of_each(&mut w).await;
    let unknown = DeliveryId::from_uuid(w.uuid());
    let ids: Vec<DeliveryId> = all.iter().map(|(id, _)| *id).chain([unknown]).collect();
    let wishes = w.store.retry(w.tenant.clone(), ids.clone(), w.now).await.expect("retry");
    let may = |state| matches!(state, DeliveryState::Dead | DeliveryState::Cancelled);
    let expected = all.iter().map(|(_, state)| if may(*state) { Wish::Done } else { Wish::Refused(*state) });
    assert_eq!(wishes, expected.chain([Wish::NotFound]).collect::<Vec<_>>());
    let wishes = w.store.cancel(w.tenant.clone(), ids, w.now).await.expect("cancel");
    // Those that were retried are open again.
    let is_open = |state: DeliveryState| state.is_open() || may(state);
    let expected = all.iter().map(|(_, state)| if is_open(*state) { Wish::Done } else { Wish::Refused(*state) });
    assert_eq!(wishes, expected.chain([Wish::NotFound]).collect::<Vec<_>>());
    assert!(w.claimable().await.is_empty());
}

pub async fn a_retried_one_starts_over_and_keeps_its_history(open: impl Open) {
    let mut w = World::new(open).await;
    let id = w.owed().await;
    let claimed = w.claim_one().await;
    let prepared = Prepared { content_type: "text/plain".into(), body: "old".into(), stale: false, enriched: None };
    let keep = PreparedDelivery { tenant: w.tenant.clone(), id, claim: claimed.claim, prepared };
    w.store.keep_prepared(vec![keep]).await.expect("keep_prepared")[0].clone().expect("ours");
    let mut settlement = w.settlement(&claimed, DeliveryState::Dead);
    settlement.cause = Some(Cause { code: "status".into(), detail: "it answered 500".to_owned() });
    w.settle_all(vec![settlement]).await;
    w.pass(SECOND);
    w.store.retry(w.tenant.clone(), vec![id], w.now).await.expect("retry");
    let row = w.row(id).await;
    assert_eq!((row.attempts, row.cause, row.finished_at, row.due_at), (0, None, None, Some(w.now)));
    let claimed = w.claim_one().await;
    assert_eq!((claimed.attempts, claimed.prepared.clone()), (0, None), "it is prepared again");
    w.settle(&claimed, DeliveryState::Delivered).await;
    let numbers: Vec<_> = w.attempts(id).await.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [1, 2], "numbers go on over all tries");
    assert_eq!(w.row(id).await.attempts, 1, "those used up start over");
}

pub async fn many_are_cancelled_by_filter_a_few_at_a_time(open: impl Open) {
    let mut w = World::new(open).await;
    let all = one_of_each(&mut w).await;
    let delivery = w.to("crm");
    let other = delivery.id;
    let event = w.event().owing(delivery);
    w.accept(event).await;
    let filter = || DeliveryFilter { destination: Some(name("app")), ..DeliveryFilter::default() };
    let cancel = |filter, limit| w.store.cancel_matching(w.tenant.clone(), filter, w.now, limit);
    let dead = DeliveryFilter { state: Some(DeliveryState::Dead), ..filter() };
    assert_eq!(cancel(dead, 10).await, Ok(0), "only open ones are cancelled");
    assert_eq!(cancel(filter(), 3).await, Ok(3));
    assert_eq!(cancel(filter(), 3).await, Ok(1));
    assert_eq!(cancel(filter(), 3).await, Ok(0));
    for (id, state) in all {
        let expected = if state.is_open() { DeliveryState::Cancelled } else { state };
        assert_eq!(w.state(id).await, expected);
    }
    assert_eq!(w.state(other).await, DeliveryState::Pending);
}

pub async fn a_held_destination_keeps_what_it_is_owed_until_it_is_resumed(open: impl Open) {
    let mut w = World::new(open).await;
    let mut pending = Vec::new();
    for _ in 0..3 {
        pending.push(w.owed().await);
    }
    let in_flight = w.claim_one().await;
    let second = w.claim_one().await;
    let mut settlement = w.settlement(&second, DeliveryState::Retrying);
    settlement.due = w.now + 60 * SECOND;
    w.settle_all(vec![settlement]).await;
    let scope = || HoldScope::Destination(name("app"));
    let hold = async |w: &World, limit| w.store.hold(w.tenant.clone(), scope(), limit).await;
    assert_eq!(hold(&w, 1).await, Ok(1));
    assert_eq!(hold(&w, 10).await, Ok(1));
    assert_eq!(hold(&w, 10).await, Ok(0), "what is claimed is left alone");
    assert_eq!(w.state(in_flight.id).await, DeliveryState::InFlight);
    for id in &pending[1..] {
        assert_eq!(w.state(*id).await, DeliveryState::Held);
    }
    assert!(w.claimable().await.is_empty());
    w.reopen().await;
    assert_eq!(w.state(pending[2]).await, DeliveryState::Held, "it is held across a restart");
    let resume = async |w: &World, limit| w.store.resume(w.tenant.clone(), scope(), limit).await;
    assert_eq!(resume(&w, 1).await, Ok(1));
    assert_eq!(resume(&w, 10).await, Ok(1));
    assert_eq!(resume(&w, 10).await, Ok(0));
    let retrying = w.row(second.id).await;
    assert_eq!(retrying.state, DeliveryState::Retrying);
    assert_eq!(retrying.due_at, Some(w.now + 60 * SECOND), "a schedule of retries survives a pause");
    assert_eq!(w.state(pending[2]).await, DeliveryState::Pending);
}

pub async fn one_route_is_held_without_the_others(open: impl Open) {
    let mut w = World::new(open).await;
    let (one, other) = (w.to("app").by("one"), w.to("app").by("other"));
    let ids = [one.id, other.id];
    let event = w.event().owing(one).owing(other);
    w.accept(event).await;
    let scope = || HoldScope::Route(name("one"));
    assert_eq!(w.store.hold(w.tenant.clone(), scope(), 10).await, Ok(1));
    assert_eq!([w.state(ids[0]).await, w.state(ids[1]).await], [DeliveryState::Held, DeliveryState::Pending]);
    assert_eq!(w.store.hold(w.tenant.clone(), HoldScope::Route(name("nobody")), 10).await, Ok(0));
    assert_eq!(w.store.resume(w.tenant.clone(), scope(), 10).await, Ok(1));
    assert_eq!(w.state(ids[0]).await, DeliveryState::Pending);
}

pub async fn a_destination_is_remembered_unless_it_is_plainly_active(open: impl Open) {
    let mut w = World::new(open).await;
    let status = |state, reason: &str| DestinationStatus { state, since: w.now, reason: reason.to_owned() };
    let (paused, gone) = (status(DestinationState::Paused, "maintenance"), status(DestinationState::Disabled, "gone"));
    let active = status(DestinationState::Active, "");
    let set =
        async |w: &World, to: &str, status| w.store.set_destination_status(w.tenant.clone(), name(to), status).await;
    set(&w, "app", paused.clone()).await.expect("set");
    set(&w, "crm", paused.clone()).await.expect("set");
    set(&w, "crm", gone.clone()).await.expect("set");
    w.reopen().await;
    let mut all = w.store.destination_statuses().await.expect("statuses");
    all.sort_by(|a, b| a.1.cmp(&b.1));
    let tenant = w.tenant.clone();
    assert_eq!(all, [(tenant.clone(), name("app"), paused), (tenant, name("crm"), gone)]);
    for to in ["app", "crm", "never"] {
        set(&w, to, active.clone()).await.expect("set");
    }
    assert_eq!(w.store.destination_statuses().await, Ok(vec![]));
}
