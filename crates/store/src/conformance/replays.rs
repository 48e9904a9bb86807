//! Replays: planned, made step by step, cancelled, and taken up again after a restart.

use domain::{DeliveryState, EventId, ReplayId};

use super::world::{Arrange, Open, SECOND, Wait, World, code, name};
use crate::StoreError;
use crate::people::{Replay, ReplayDelivery, ReplaySelection, ReplayState, ReplayStep};
use crate::read::{EventFilter, Page, Position};

pub(super) fn replay(w: &mut World) -> Replay {
    Replay {
        id: ReplayId::from_uuid(w.uuid()),
        tenant: w.tenant.clone(),
        selection: ReplaySelection::Filter(EventFilter { source: Some(name("github")), ..EventFilter::default() }),
        destination: Some(name("app")),
        rate: Some(10),
        new_ids: true,
        state: ReplayState::Running,
        planned: 2,
        events_done: 0,
        deliveries_made: 0,
        position: None,
        created_at: w.now,
        finished_at: None,
    }
}

pub(super) fn step(w: &mut World, id: ReplayId, event: EventId, from: Option<&str>, to: &str) -> ReplayStep {
    let delivery = w.to("app");
    ReplayStep {
        id,
        tenant: w.tenant.clone(),
        from: from.map(str::to_owned),
        deliveries: vec![ReplayDelivery { event, delivery }],
        events_done: 1,
        position: Some(to.to_owned()),
        finished: false,
    }
}

async fn take(w: &World, step: ReplayStep) -> Replay {
    w.store.replay_step(step, w.now).await.expect("replay_step")
}

pub async fn a_step_makes_its_deliveries_and_moves_the_position_at_once(open: impl Open) {
    let mut w = World::new(open).await;
    let delivery = w.to("app");
    let event = w.event().owing(delivery);
    let event_id = event.event.id;
    w.accept(event).await;
    let first = w.claim_one().await;
    w.settle(&first, DeliveryState::Delivered).await;
    let planned = replay(&mut w);
    w.store.create_replay(planned.clone()).await.expect("create_replay");
    assert_eq!(w.store.replay(w.tenant.clone(), planned.id).await, Ok(Some(planned.clone())));

    let one = step(&mut w, planned.id, event_id, None, "1");
    let id = one.deliveries[0].delivery.id;
    let after = take(&w, one).await;
    let expected = Replay { events_done: 1, deliveries_made: 1, position: Some("1".to_owned()), ..planned.clone() };
    assert_eq!(after, expected);
    assert_eq!(w.row(id).await.replay, Some(planned.id));
    let claimed = w.claim_one().await;
    let of = claimed.replay.expect("it says that it is a replay");
    assert_eq!((claimed.id, of.id, of.new_ids), (id, planned.id, true));
    assert_eq!(w.detail(event_id).await.expect("it is there").deliveries.len(), 2);

    let last = ReplayStep { finished: true, ..step(&mut w, planned.id, event_id, Some("1"), "2") };
    let last = ReplayStep { deliveries: vec![], ..last };
    let done = take(&w, last).await;
    assert_eq!((done.state, done.finished_at, done.events_done), (ReplayState::Done, Some(w.now), 2));
}

pub async fn a_cancelled_replay_takes_no_more_steps(open: impl Open) {
    let mut w = World::new(open).await;
    let event = w.event();
    let event_id = event.event.id;
    w.accept(event).await;
    let planned = replay(&mut w);
    w.store.create_replay(planned.clone()).await.expect("create_replay");
    let cancelled = w.store.cancel_replay(w.tenant.clone(), planned.id, w.now).await.expect("cancel");
    assert_eq!(cancelled.map(|replay| replay.state), Some(ReplayState::Cancelled));
    let late = step(&mut w, planned.id, event_id, None, "1");
    let after = take(&w, late).await;
    assert_eq!((after.state, after.deliveries_made, after.position), (ReplayState::Cancelled, 0, None));
    assert!(w.claimable().await.is_empty());
    w.pass(SECOND);
    let again = w.store.cancel_replay(w.tenant.clone(), planned.id, w.now).await.expect("cancel");
    assert_eq!(again.and_then(|replay| replay.finished_at), Some(w.now - SECOND), "it ended when it ended");
    let unknown = ReplayId::from_uuid(w.uuid());
    assert_eq!(w.store.cancel_replay(w.tenant.clone(), unknown, w.now).await, Ok(None));
    let lost = step(&mut w, unknown, event_id, None, "1");
    assert_eq!(code(w.store.replay_step(lost, w.now).await), "store_refused");
}

/// By a node that slept while another went on, or by one that was not told that its step was committed.
pub async fn a_step_from_where_a_replay_stands_no_more_is_not_made(open: impl Open) {
    let mut w = World::new(open).await;
    let event = w.event();
    let event_id = event.event.id;
    w.accept(event).await;
    let planned = replay(&mut w);
    w.store.create_replay(planned.clone()).await.expect("create_replay");
    let first = step(&mut w, planned.id, event_id, None, "1");
    let after = take(&w, first).await;
    // What it made has ended meanwhile: nothing but the position tells that it was made.
    let made = w.claim_one().await;
    w.settle(&made, DeliveryState::Delivered).await;
    for (from, to) in [(None, "1"), (None, "2"), (Some("0"), "1")] {
        let stale = step(&mut w, planned.id, event_id, from, to);
        assert_eq!(take(&w, stale).await, after, "from {from:?}");
        let stale = ReplayStep { finished: true, ..step(&mut w, planned.id, event_id, from, to) };
        assert_eq!(take(&w, stale).await, after, "from {from:?}, as if it were the last");
    }
    assert!(w.claimable().await.is_empty(), "nothing is delivered twice");
    let other = w.event();
    let other_id = other.event.id;
    w.accept(other).await;
    let next = step(&mut w, planned.id, other_id, Some("1"), "2");
    assert_eq!(take(&w, next).await.deliveries_made, 2, "from where it stands it goes on");
}

pub async fn running_replays_go_on_after_a_restart_from_where_they_were(open: impl Open) {
    let mut w = World::new(open).await;
    let event = w.event();
    let event_id = event.event.id;
    w.accept(event).await;
    let (first, second) = (replay(&mut w), replay(&mut w));
    for planned in [&first, &second] {
        w.store.create_replay(planned.clone()).await.expect("create_replay");
    }
    let one = step(&mut w, first.id, event_id, None, "17");
    let first = take(&w, one).await;
    w.store.cancel_replay(w.tenant.clone(), second.id, w.now).await.expect("cancel");
    w.reopen().await;
    assert_eq!(w.store.running_replays().await, Ok(vec![first.clone()]));
    assert_eq!(first.position.as_deref(), Some("17"));
    let listed = w.store.replays(w.tenant.clone(), Page::first(10)).await.expect("replays").rows;
    assert_eq!(listed.iter().map(|replay| replay.id).collect::<Vec<_>>(), [second.id, first.id], "newest first");
    assert_eq!(w.store.replays(name("other"), Page::first(10)).await.expect("replays").rows, []);
    assert_eq!(w.store.replay(name("other"), first.id).await, Ok(None));
}

pub async fn replays_are_paged_newest_first(open: impl Open) {
    let mut w = World::new(open).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        let planned = replay(&mut w);
        w.store.create_replay(planned.clone()).await.expect("create_replay");
        made.push(planned.id);
    }
    let (mut seen, mut after) = (Vec::new(), None);
    for pages in 1.. {
        let page = Page { after, ..Page::first(2) };
        let listed = w.store.replays(w.tenant.clone(), page).await.expect("replays");
        seen.extend(listed.rows.iter().map(|replay| replay.id));
        after = listed.next;
        if after.is_none() {
            assert_eq!(pages, 3, "the last page says that it is the last");
            break;
        }
    }
    made.reverse();
    assert_eq!(seen, made);
    let full = w.store.replays(w.tenant.clone(), Page::first(5)).await.expect("replays");
    assert_eq!((full.rows.len(), full.next), (5, None), "nothing is beyond a page that holds all");
    let made_up = Page { after: Some(Position("x".to_owned())), ..Page::first(2) };
    assert!(matches!(w.store.replays(w.tenant.clone(), made_up).await, Err(StoreError::Refused(_))));
}

pub async fn events_that_retention_removed_are_passed_over(open: impl Open) {
    let mut w = World::new(open).await;
    let planned = replay(&mut w);
    w.store.create_replay(planned.clone()).await.expect("create_replay");
    let gone = EventId::from_uuid(w.uuid());
    let one = step(&mut w, planned.id, gone, None, "1");
    let after = take(&w, one).await;
    assert_eq!((after.events_done, after.deliveries_made), (1, 0));
}

pub async fn replayed_deliveries_keep_the_order_of_their_lane(open: impl Open) {
    let mut w = World::new(open).await;
    let first = w.owed_in_lane("orders/1", Some(1)).await;
    let event = w.row(first).await.event;
    let claimed = w.claim_one().await;
    w.settle(&claimed, DeliveryState::Delivered).await;
    w.owed_in_lane("orders/1", Some(2)).await;
    let second = w.claim_one().await;
    let planned = replay(&mut w);
    w.store.create_replay(planned.clone()).await.expect("create_replay");
    let mut one = step(&mut w, planned.id, event, None, "1");
    one.deliveries[0].delivery.lane = claimed.lane.clone();
    let replayed = one.deliveries[0].delivery.id;
    take(&w, one).await;
    assert!(w.row(replayed).await.behind);
    w.settle(&second, DeliveryState::Delivered).await;
    let claimed = w.claim_one().await;
    assert_eq!((claimed.id, claimed.stale), (replayed, true), "version 2 was sent meanwhile");
    let held = w.to("app").held();
    let mut paused = step(&mut w, planned.id, event, Some("1"), "2");
    paused.deliveries[0].delivery = held.by("other");
    let id = paused.deliveries[0].delivery.id;
    take(&w, paused).await;
    assert_eq!(w.state(id).await, DeliveryState::Held);
}
