//! `accept`: all of a request or nothing, what it answers, and claims at birth.

use domain::DeliveryState;
use domain::request::Verdict;

use super::world::{Arrange, LEASE, Open, SECOND, Wait, World, as_claimed, code, destination, page};
use crate::intake::{AcceptGroup, KeptRequest};
use crate::read::{DeliveryFilter, EventFilter};

pub async fn what_was_accepted_is_read_back_whole(open: impl Open) {
    let mut w = World::new(open).await;
    let event = w.event().of("shop", "acme.example").kind("orders.updated").about("orders/7").version(-3).updating();
    let request = w.uuid();
    let event = event.carrying(b"\x00\xffnot text").with(|event| {
        event.native_type = Some("orders/edited".into());
        event.occurred_at = Some(event.received_at - SECOND);
        event.request = Some(domain::RequestId::from_uuid(request));
        event.head = bytes::Bytes::from_static(b"POST /in/shop\n");
        event.content_type = "text/plain".into();
    });
    let sent = event.event.clone();
    let accepted = w.accept(event).await;
    assert!(!accepted.duplicate && accepted.id == sent.id && accepted.claims.is_empty());
    let detail = w.detail(sent.id).await.expect("it is there");
    assert_eq!(*detail.event, *sent);
    assert!(detail.sightings.is_empty() && detail.deliveries.is_empty());
}

pub async fn a_request_of_one_event_that_shares_its_uuid_is_still_named(open: impl Open) {
    let mut w = World::new(open).await;
    let event = w.event().with(|event| event.request = Some(domain::RequestId::from_uuid(event.id.uuid())));
    let sent = event.event.clone();
    w.accept(event).await;
    assert_eq!(w.detail(sent.id).await.expect("it is there").event.request, sent.request);
}

pub async fn owed_deliveries_wait_and_their_destinations_are_named_once(open: impl Open) {
    let mut w = World::new(open).await;
    let (one, two, three, held) = (w.to("app"), w.to("app").by("other"), w.to("crm"), w.to("gone").held());
    let ids = [one.id, two.id, three.id, held.id];
    let event = w.event().owing(one).owing(two).owing(three).owing(held);
    let id = event.event.id;
    let accepted = w.accept(event).await;
    assert_eq!(accepted.waiting, [destination("app"), destination("crm")]);
    let states: Vec<_> = w.detail(id).await.expect("it is there").deliveries;
    assert_eq!(states.iter().map(|row| row.id).collect::<Vec<_>>(), ids);
    let held = states.iter().filter(|row| row.state == DeliveryState::Held).count();
    let pending = states.iter().filter(|row| row.state == DeliveryState::Pending).count();
    assert_eq!((pending, held), (3, 1));
}

pub async fn answers_are_in_the_order_of_the_groups(open: impl Open) {
    let mut w = World::new(open).await;
    let (first, second, third) = (w.event(), w.event(), w.event());
    let ids = [first.event.id, second.event.id, third.event.id];
    let groups = vec![
        AcceptGroup { events: vec![first], request: None },
        AcceptGroup { events: vec![second, third], request: None },
    ];
    let answers = w.store.accept(groups, w.now).await.expect("accept");
    let given: Vec<Vec<_>> =
        answers.into_iter().map(|answer| answer.expect("accepted").iter().map(|one| one.id).collect()).collect();
    assert_eq!(given, [vec![ids[0]], vec![ids[1], ids[2]]]);
}

pub async fn a_group_that_cannot_be_stored_fails_alone_and_whole(open: impl Open) {
    let mut w = World::new(open).await;
    let taken = w.event();
    w.accept(taken.clone()).await;
    let (good, sibling, also_good) = (w.event(), w.event(), w.event());
    let ids = [good.event.id, sibling.event.id, also_good.event.id];
    let group = |events| AcceptGroup { events, request: None };
    // An id that is taken makes its whole group impossible: the sibling goes with it.
    let groups = vec![group(vec![good]), group(vec![sibling, taken]), group(vec![also_good])];
    let answers = w.store.accept(groups, w.now).await.expect("the others are accepted");
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(code(answers[1].clone()), "store_refused");
    let there: Vec<bool> =
        [w.detail(ids[0]).await, w.detail(ids[1]).await, w.detail(ids[2]).await].iter().map(Option::is_some).collect();
    assert_eq!(there, [true, false, true]);
}

pub async fn a_split_request_is_kept_beside_its_events_unless_nothing_of_it_is_new(open: impl Open) {
    let mut w = World::new(open).await;
    let kept = |request| KeptRequest {
        request: std::sync::Arc::new(request),
        verdict: Verdict::Accepted,
        reason: None,
        due: None,
        body_bytes: 5,
    };
    let (first, again) = (w.request(b"[1,2]"), w.request(b"[1,2]"));
    let ids = [first.id, again.id];
    for request in [first, again] {
        let events = vec![w.event().message("1"), w.event().message("2")];
        let group = AcceptGroup { events, request: Some(kept(request)) };
        w.store.accept(vec![group], w.now).await.expect("accept").pop().expect("an answer").expect("accepted");
    }
    let request = w.store.request(w.tenant.clone(), ids[0]).await.expect("request").expect("it is kept");
    assert_eq!((request.verdict, &*request.request.body), (Verdict::Accepted, b"[1,2]".as_slice()));
    assert!(w.store.request(w.tenant.clone(), ids[1]).await.expect("request").is_none(), "a repetition is not kept");
}

pub async fn a_claim_at_birth_is_granted_and_settles(open: impl Open) {
    let mut w = World::new(open).await;
    let (born, late) = (w.to("app").born(w.lease()), w.to("crm"));
    let (born_id, late_id) = (born.id, late.id);
    let event = w.event().owing(born).owing(late);
    let accepted = w.accept(event.clone()).await;
    let [(id, claim)] = accepted.claims[..] else { panic!("one claim was asked for: {accepted:?}") };
    assert_eq!((id, claim.owner), (born_id, w.owner));
    assert_eq!(accepted.waiting, [destination("crm")]);
    assert_eq!(w.state(born_id).await, DeliveryState::InFlight);
    assert!(w.claimable().await.is_empty(), "it is claimed already");
    assert_eq!(w.state(late_id).await, DeliveryState::Pending);
    let claimed = as_claimed(&event, id, claim);
    assert!(!w.settle(&claimed, DeliveryState::Delivered).await.fenced);
    let row = w.row(born_id).await;
    assert_eq!((row.state, row.attempts, row.finished_at), (DeliveryState::Delivered, 1, Some(w.now)));
}

pub async fn a_claim_at_birth_is_not_granted_where_something_is_in_its_way(open: impl Open) {
    let mut w = World::new(open).await;
    let lease = w.lease();
    let head = w.owed_in_lane("orders/1", Some(2)).await;
    let event = w.event().about("orders/1").version(3);
    let behind = w.to("app").in_lane(&event).born(lease);
    let held = w.to("gone").held().born(lease);
    let accepted = w.accept(event.owing(behind).owing(held)).await;
    assert!(accepted.claims.is_empty() && accepted.waiting.is_empty(), "{accepted:?}");
    // After version 2 and 3 are sent, version 1 comes stale: only claiming can say so.
    for _ in 0..2 {
        let claimed = w.claim_one().await;
        w.settle(&claimed, DeliveryState::Delivered).await;
    }
    let event = w.event().about("orders/1").version(1);
    let stale = w.to("app").in_lane(&event).born(lease);
    let accepted = w.accept(event.owing(stale)).await;
    assert!(accepted.claims.is_empty());
    assert_eq!(accepted.waiting, [destination("app")]);
    let claimed = w.claim_one().await;
    assert!(claimed.stale && claimed.id != head);
}

pub async fn a_claim_at_birth_ends_with_its_process_and_nothing_is_lost(open: impl Open) {
    let mut w = World::new(open).await;
    let born = w.to("app").born(w.lease());
    let id = born.id;
    let event = w.event().owing(born);
    let accepted = w.accept(event.clone()).await;
    let claimed = as_claimed(&event, id, accepted.claims[0].1);
    w.reopen().await;
    w.pass(LEASE + SECOND);
    w.store.rescue_lapsed(w.now, 100).await.expect("rescue");
    assert_eq!(w.claimable().await, [id]);
    assert!(w.settle(&claimed, DeliveryState::Delivered).await.fenced, "the former owner is fenced");
    assert_eq!(w.state(id).await, DeliveryState::InFlight);
}

pub async fn tenants_do_not_see_one_another(open: impl Open) {
    let mut w = World::new(open).await;
    let delivery = w.to("app");
    let (event, id) = (w.event().about("orders/1").message("1").owing(delivery), ());
    let own = event.event.clone();
    w.accept(event.clone()).await;
    let () = id;
    let delivery = w.detail(own.id).await.expect("it is there").deliveries[0].id;
    let rejected = w.rejected("signature", b"junk");
    let request = rejected.request.id;
    w.store.keep_requests(vec![rejected], crate::intake::RejectedBounds::default()).await.expect("keep");

    let other: domain::Tenant = super::world::name("other");
    let (store, filter) = (w.store.clone(), EventFilter::default);
    assert!(store.event(other.clone(), own.id).await.expect("event").is_none());
    assert!(store.delivery(other.clone(), delivery).await.expect("delivery").is_none());
    assert!(store.request(other.clone(), request).await.expect("request").is_none());
    assert!(store.events(other.clone(), filter(), page()).await.expect("events").rows.is_empty());
    assert_eq!(store.count_events(other.clone(), filter(), SECOND).await.expect("count"), (0, true));
    assert!(store.events_after(other.clone(), filter(), page()).await.expect("tail").events.is_empty());
    let deliveries = store.deliveries(other.clone(), DeliveryFilter::default(), page()).await.expect("deliveries");
    assert!(deliveries.rows.is_empty());
    assert!(
        store
            .requests(other.clone(), crate::read::RequestFilter::default(), page())
            .await
            .expect("list")
            .rows
            .is_empty()
    );
    let ids = store.rejected_requests(other.clone(), own.source.clone(), None, 10).await.expect("ids");
    assert!(ids.is_empty());
    let wishes = store.cancel(other.clone(), vec![delivery], w.now).await.expect("cancel");
    assert_eq!(wishes, [crate::people::Wish::NotFound]);
    let mut ask = w.ask("app", 10);
    ask.tenant = other.clone();
    assert!(w.claim_asks(vec![ask]).await[0].claimed.is_empty());

    // The same identity of another tenant is another fact, and its delivery is its own.
    w.tenant = other;
    let delivery = w.to("app");
    let twin = w.event().about("orders/1");
    let twin = crate::intake::NewEvent { identities: event.identities.clone(), ..twin }.owing(delivery);
    assert!(!w.accept(twin).await.duplicate);
    assert_eq!(w.claim(10).await.claimed.len(), 1);
}
