//! Copying a store onto another of any kind: everything comes over, whatever interrupts it, and goes on there.
//!
//! These promises are about two stores, so each is called by name with a way to open both.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::ordering::OnDead;
use domain::run::RunKind;
use domain::{DeliveryId, DeliveryState, EventId, RequestId, Timestamp};

use super::world::{Arrange, DAY, LEASE, SECOND, Wait, World, destination, digest, name};
use super::{audit, listen, notices, reading, registry, replays, requests, shapes, watch};
use crate::Verb;
use crate::copying::carry::{Carrier, CopyError, Mark};
use crate::copying::table::Table;
use crate::copying::{COPIED_AS, CopyingStore, PAGE_BYTES, PAGE_ROWS, UNFINISHED};
use crate::dispatch::{Cause, Prepared, PreparedDelivery};
use crate::intake::{NewEvent, RejectedBounds};
use crate::people::{DestinationState, DestinationStatus, ReplayState};
use crate::read::Page;
use crate::reading::ReadPage;
use crate::registry::{ApiKey, Idempotency, ObjectKind};
use crate::shapes::ShapeOf;

/// Opens stores, each of them empty and another one.
pub trait OpenCopying: Send + Sync {
    fn open(&self) -> Verb<'_, Arc<dyn CopyingStore>>;
}

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn fresh(copy: &str) -> Mark {
    Mark::new(copy.to_owned(), "a test".to_owned(), NOW)
}

/// What the tests ask for after the copy.
struct Filled {
    known: NewEvent,
    held: DeliveryId,
    blocking: DeliveryId,
    behind_blocking: DeliveryId,
    replay: domain::ReplayId,
    rejected: RequestId,
}

/// An event that owes `app` one delivery in the lane of its subject.
fn in_lane(w: &mut World, subject: &str, version: i64) -> (NewEvent, DeliveryId) {
    let event = w.event().about(subject).version(version);
    let delivery = w.to("app").in_lane(&event);
    let id = delivery.id;
    (event.owing(delivery), id)
}

/// Puts something into every table, by the verbs that do so in life.
async fn fill(w: &mut World) -> Filled {
    let known = w.event().message("m1").about("orders/1").version(1).updating().moving().carrying(b"\x00\xff{}");
    let delivery = w.to("app").in_lane(&known);
    let known = known.owing(delivery);
    w.accept(known.clone()).await;
    let claimed = w.claim_one().await;
    w.settle(&claimed, DeliveryState::Delivered).await;
    for path in ["native", "again\0"] {
        let mut again = known.clone();
        Arc::make_mut(&mut again.event).id = EventId::from_uuid(w.uuid());
        again.path = path.into();
        assert!(w.accept(again).await.duplicate);
    }
    let (blocking, behind_blocking) = fill_lanes(w).await;
    let held = w.to("quiet").held();
    let held_id = held.id;
    let odd = w.event().of("shop", "acme").with(|event| {
        event.native_type = Some("odd\0type".into());
        event.request = Some(RequestId::from_uuid(event.id.uuid()));
        event.occurred_at = Some(event.received_at);
    });
    w.accept(odd.owing(held)).await;
    fill_other_tenant(w).await;
    fill_registry(w).await;
    let replay = fill_replay(w, known.event.id).await;
    let rejected = fill_requests(w).await;
    fill_reading(w).await;
    let of = shapes::key(w, "shop", ShapeOf::Event, "orders.created");
    let changes = vec![shapes::change(w, 2, None), shapes::change(w, 3, Some(known.event.id))];
    w.store.save_shape(shapes::row(w, of), changes).await.expect("save_shape");
    fill_listeners(w).await;
    fill_notices(w).await;
    audit::fill(w).await;
    Filled { known, held: held_id, blocking, behind_blocking, replay, rejected }
}

/// Both tenants have a listener that has handled all that there is.
async fn fill_listeners(w: &mut World) {
    let own = w.tenant.clone();
    for tenant in ["default", "other"] {
        w.tenant = name(tenant);
        let tail = w.store.tail_position(w.tenant.clone()).await.expect("tail_position");
        let listener = crate::listen::Listener { filter: Default::default(), ..listen::listener(w, "mine", &tail.0) };
        w.store.open_listener(listener).await.expect("open_listener");
    }
    w.tenant = own;
}

/// Messages about an alert: one waits, and one was tried in vain.
async fn fill_notices(w: &mut World) {
    use domain::alert::tell::{NoticeState, Stage};
    let waiting = notices::notice(w, "destination/app", "mail", Stage::Opened);
    let failed = crate::notices::Notice {
        state: NoticeState::Failed,
        tries: 3,
        ended_at: Some(w.now),
        problem: "it answered 500".to_owned(),
        ..notices::notice(w, "destination/app", "chat", Stage::Opened)
    };
    notices::step(w, notices::making("destination/app", vec![waiting, failed])).await;
}

/// Lanes with a head that was tried, one that is in flight, one that is dead and blocks, and what waits behind them.
async fn fill_lanes(w: &mut World) -> (DeliveryId, DeliveryId) {
    let (first, _) = in_lane(w, "orders/2", 5);
    w.accept(first).await;
    let claimed = w.claim_one().await;
    let prepared = Prepared {
        content_type: "application/json".into(),
        body: Bytes::from_static(b"ours"),
        stale: false,
        enriched: Some(Bytes::from_static(br#"{"customer":{}}"#)),
    };
    let keep = PreparedDelivery { tenant: w.tenant.clone(), id: claimed.id, claim: claimed.claim, prepared };
    w.store.keep_prepared(vec![keep]).await.expect("keep_prepared")[0].as_ref().expect("kept");
    let retrying = w.settlement(&claimed, DeliveryState::Retrying);
    let cause = Some(Cause { code: "status".into(), detail: "it answered 500".to_owned() });
    w.settle_all(vec![crate::dispatch::Settlement { due: w.now + SECOND, cause, ..retrying }]).await;
    for version in [9, 7, 8] {
        let (behind, _) = in_lane(w, "orders/2", version);
        w.accept(behind).await;
    }
    let (dead, blocking) = in_lane(w, "orders/3", 1);
    w.accept(dead).await;
    let claimed = w.claim_one().await;
    let settlement = w.settlement(&claimed, DeliveryState::Dead);
    w.settle_all(vec![crate::dispatch::Settlement { on_dead: OnDead::Block, ..settlement }]).await;
    let (behind, behind_blocking) = in_lane(w, "orders/3", 2);
    w.accept(behind).await;
    w.owed_backfilled(Some(("orders/4", 1))).await;
    w.owed_backfilled(None).await;
    // Claimed, and nobody will ever settle it.
    w.owed_in_lane("orders/5", Some(1)).await;
    w.claim_one().await;
    let cancelled = w.owed().await;
    w.store.cancel(w.tenant.clone(), vec![cancelled], w.now).await.expect("cancel");
    (blocking, behind_blocking)
}

async fn fill_other_tenant(w: &mut World) {
    let tenant = std::mem::replace(&mut w.tenant, name("other"));
    for id in ["m1", "m2", "m3"] {
        let delivery = w.to("app");
        let event = w.event().message(id).owing(delivery);
        w.accept(event).await;
    }
    w.tenant = tenant;
}

async fn fill_registry(w: &mut World) {
    w.store.put_object(registry::object(w, ObjectKind::Source, "shop"), true, None).await.expect("put_object");
    let key = ApiKey {
        tenant: w.tenant.clone(),
        id: "k1".into(),
        hash: digest("secret"),
        scopes: vec!["read".to_owned()],
        note: "ours".to_owned(),
        created_at: w.now,
        expires_at: None,
        revoked_at: Some(w.now),
        last_used_at: None,
    };
    w.store.put_api_key(key).await.expect("put_api_key");
    for setting in ["master_key_check", "handshakes/default/shop"] {
        w.store.put_setting(setting.into(), Bytes::from_static(b"sealed")).await.expect("put_setting");
    }
    let status = DestinationStatus { state: DestinationState::Paused, since: w.now, reason: "a person".to_owned() };
    w.store
        .set_destination_status(w.tenant.clone(), destination("quiet"), status)
        .await
        .expect("set_destination_status");
    for (key, answer) in [("done", Some((201, Bytes::from_static(b"{}")))), ("cut", None)] {
        let begun = w.store.begin_idempotent(w.tenant.clone(), key.into(), digest("body"), w.now).await;
        assert_eq!(begun, Ok(Idempotency::Fresh));
        if answer.is_some() {
            w.store.finish_idempotent(w.tenant.clone(), key.into(), answer).await.expect("finish");
        }
    }
    for kind in ["dead_letters", "gaps"] {
        let alert = registry::alert(w, kind, "destination/app");
        w.store.raise_alert(alert).await.expect("raise");
    }
    w.store
        .resolve_alert(w.tenant.clone(), "gaps".into(), "destination/app".into(), None, w.now)
        .await
        .expect("resolve");
    let calls = ["a", "b", "c"].map(|url| domain::Call { url: url.to_owned(), ..watch::call(w, "shop", "acme") });
    w.store.record_calls(calls.to_vec()).await.expect("record_calls");
    w.store.add_figures(w.now, vec![watch::figure(w, "shop", 4, &[20])]).await.expect("add_figures");
}

async fn fill_replay(w: &mut World, event: EventId) -> domain::ReplayId {
    let replay = replays::replay(w);
    let id = replay.id;
    w.store.create_replay(replay).await.expect("create_replay");
    let position = w.detail(event).await.expect("it is there").position.0;
    let step = replays::step(w, id, event, None, &position);
    w.store.replay_step(step, w.now).await.expect("replay_step");
    id
}

async fn fill_requests(w: &mut World) -> RequestId {
    let (rejected, waiting) = (w.rejected("signature", b"\x00body\xff"), w.rejected("key", b"later"));
    let id = rejected.request.id;
    let pending = requests::pending(waiting, w.now + SECOND);
    w.store.keep_requests(vec![rejected, pending], RejectedBounds::default()).await.expect("keep_requests");
    id
}

async fn fill_reading(w: &mut World) {
    let key = reading::orders(w);
    let (_, claim) = reading::take(w, &key).await;
    let told = reading::told(w, &key, "71", 1, "a");
    let read = ReadPage {
        events: vec![told.clone()],
        quiet: vec![reading::quiet("72", 4, "b")],
        state: Some("{\"at\":1}".into()),
        within: Some("{\"page\":2}".into()),
        baseline: true,
        ..reading::page(key.clone(), claim)
    };
    w.store.commit_page(read, w.now).await.expect("commit_page");
    let absent = vec![domain::Subject::of("orders", "73")];
    w.store.put_absent_subjects(key.clone(), claim, absent).await.expect("put_absent_subjects");
    let run = reading::run(w, key, RunKind::Reconcile);
    w.store.put_run(run.clone()).await.expect("put_run");
    let gaps = vec![reading::gap(&run, "2", Some(told.event.id)), reading::gap(&run, "1", None)];
    w.store.add_gaps(gaps).await.expect("add_gaps");
    let ten = reading::allowance("10/m");
    w.store.reserve(w.tenant.clone(), "shop".into(), ten, 6, SECOND, w.now).await.expect("reserve");
}

/// Copies a row at a time, and breaks off after each page, to begin again as the next process would.
async fn copy_in_pieces(from: &dyn CopyingStore, to: &dyn CopyingStore) -> u32 {
    let mut pieces = 0;
    loop {
        let (mut carrier, resumed) = Carrier::begin(from, to, fresh("one")).await.expect("it may begin");
        assert_eq!(resumed, pieces > 0, "after {pieces} pieces");
        carrier.page_rows = 1;
        let whole = carrier.carry(&mut |_| ControlFlow::Break(())).await.expect("carry");
        pieces += 1;
        if whole {
            let compared = carrier.compare(&mut |_| ControlFlow::Continue(())).await.expect("compare").expect("all");
            for one in &compared {
                assert!(one.from.rows > 0, "there is nothing in {:?}, so nothing is shown", one.table);
                assert!(one.is_same(), "{:?}: {} rows and {}", one.table, one.from.rows, one.to.rows);
            }
            assert_eq!(compared.len(), Table::ALL.len());
            carrier.finish(&compared).await.expect("whole");
            return pieces;
        }
    }
}

/// Claims and delivers until nothing is due; gives the subjects' versions in the order of their going out.
async fn drain(w: &mut World) -> Vec<String> {
    let mut gone = Vec::new();
    loop {
        let claimed = w.claim(100).await.claimed;
        if claimed.is_empty() {
            return gone;
        }
        for one in &claimed {
            let event = &one.event;
            gone.push(format!("{:?} {:?} {}", event.subject, event.version, one.attempts));
            w.settle(one, DeliveryState::Delivered).await;
        }
    }
}

fn of_lane(gone: &[String], subject: &str) -> Vec<String> {
    gone.iter().filter(|one| one.contains(subject)).cloned().collect()
}

pub async fn everything_comes_over_and_goes_on(from: impl OpenCopying, to: impl OpenCopying) {
    let (from, to) = (from.open().await.expect("a store"), to.open().await.expect("a store"));
    let mut w = World::over(Arc::clone(&from) as Arc<dyn crate::Store>, NOW);
    let filled = fill(&mut w).await;
    let pieces = copy_in_pieces(&*from, &*to).await;
    assert!(pieces > 50, "it was interrupted {pieces} times");
    assert_eq!(to.setting(UNFINISHED.into()).await, Ok(Some(Bytes::new())));
    let mut w = World::over(Arc::clone(&to) as Arc<dyn crate::Store>, NOW);
    audit::assert_goes_on(&w).await;
    assert_order_is_kept(&mut w, &filled).await;
    assert_known(&mut w, &filled).await;
    assert_numbers_go_on(&mut w).await;
}

/// What waited is given in the order of its lanes, with its tries and prepared bytes; what was in flight too.
async fn assert_order_is_kept(w: &mut World, filled: &Filled) {
    w.pass(LEASE * 2);
    w.owner = crate::dispatch::Owner(7);
    let prepared = w.claim(100).await.claimed;
    let retried = prepared.iter().find(|one| one.attempts == 1).expect("it was tried once");
    assert_eq!(retried.prepared.as_ref().map(|prepared| &*prepared.body), Some(&b"ours"[..]));
    let (mut gone, mut subjects) = (Vec::new(), Vec::new());
    for one in &prepared {
        gone.push(format!("{:?} {:?} {}", one.event.subject, one.event.version, one.attempts));
        subjects.push(one.event.subject.clone());
        w.settle(one, DeliveryState::Delivered).await;
    }
    gone.extend(drain(w).await);
    let versions: Vec<_> = of_lane(&gone, "orders/2");
    let number = |text: &String| text.split("Number(").nth(1).and_then(|rest| rest.chars().next());
    assert_eq!(versions.iter().filter_map(number).collect::<String>(), "5789", "{versions:?}");
    assert_eq!(of_lane(&gone, "orders/3"), [""; 0], "its dead one blocks it");
    assert_eq!(of_lane(&gone, "orders/4").len() + of_lane(&gone, "orders/5").len(), 2, "{gone:?}");
    assert_eq!(w.state(filled.held).await, DeliveryState::Held);
    assert_eq!(w.state(filled.blocking).await, DeliveryState::Dead);
    w.store.cancel(w.tenant.clone(), vec![filled.blocking], w.now).await.expect("cancel");
    assert_eq!(w.claimable().await, [filled.behind_blocking], "its lane goes on");
}

/// What makes things known again, and what was asked for, is as it was.
async fn assert_known(w: &mut World, filled: &Filled) {
    let mut again = filled.known.clone();
    Arc::make_mut(&mut again.event).id = EventId::from_uuid(w.uuid());
    let accepted = w.accept(again).await;
    assert_eq!((accepted.id, accepted.duplicate), (filled.known.event.id, true));
    let detail = w.detail(filled.known.event.id).await.expect("it is there");
    assert_eq!(detail.event, filled.known.event, "its bytes are the same");
    assert_eq!(detail.sightings.iter().map(|sighting| sighting.count).sum::<u64>(), 3);
    let stale = in_lane(w, "orders/1", 0).0;
    w.accept(stale).await;
    assert!(w.claim_one().await.stale, "a later version was sent before the copy");
    let replay = w.store.replay(w.tenant.clone(), filled.replay).await.expect("replay").expect("it is there");
    assert_eq!((replay.state, replay.deliveries_made), (ReplayState::Running, 1));
    let rejected = w.store.request(w.tenant.clone(), filled.rejected).await.expect("request").expect("it is kept");
    assert_eq!(&*rejected.request.body, b"\x00body\xff");
    let answered = Idempotency::Answered { status: 201, body: Bytes::from_static(b"{}") };
    for (key, expected) in [("done", answered), ("cut", Idempotency::Fresh)] {
        let begun = w.store.begin_idempotent(w.tenant.clone(), key.into(), digest("body"), w.now).await;
        assert_eq!(begun, Ok(expected), "{key}");
    }
    let key = reading::orders(w);
    let (checkpoint, _) = reading::take(w, &key).await;
    assert_eq!((&*checkpoint.state, checkpoint.within.as_deref()), ("{\"at\":1}", Some("{\"page\":2}")));
}

/// A position from before leads behind what was before it, and what comes now comes last.
async fn assert_numbers_go_on(w: &mut World) {
    for (tenant, unheard) in [("default", 2), ("other", 1)] {
        w.tenant = name(tenant);
        let all = |after| Page { after, ..Page::first(100) };
        let before = w.store.events_after(w.tenant.clone(), Default::default(), all(None)).await.expect("events_after");
        let tail = w.store.tail_position(w.tenant.clone()).await.expect("tail_position");
        let event = w.event();
        let id = w.accept(event).await.id;
        let after = w.store.events_after(w.tenant.clone(), Default::default(), all(Some(tail))).await;
        let after: Vec<EventId> = after.expect("events_after").events.iter().map(|(_, event)| event.id).collect();
        assert_eq!(after, [id], "{tenant}: the tail goes on");
        let listener = w.store.listener(w.tenant.clone(), name("mine")).await.expect("listener").expect("it is there");
        let heard = w.store.events_after(w.tenant.clone(), listener.filter, all(Some(listener.position))).await;
        let heard: Vec<EventId> = heard.expect("events_after").events.iter().map(|(_, event)| event.id).collect();
        assert_eq!((heard.len(), heard.last()), (unheard, Some(&id)), "{tenant}: what came since the copy is heard");
        let (middle, _) = &before.events[before.events.len() / 2];
        let rest = w.store.events_after(w.tenant.clone(), Default::default(), all(Some(middle.clone()))).await;
        let rest = rest.expect("events_after").events.len();
        assert_eq!(rest, before.events.len() - before.events.len() / 2, "{tenant}");
    }
}

pub async fn what_may_not_be_copied_is_refused(from: impl OpenCopying, to: impl OpenCopying) {
    let (source, other) = (from.open().await.expect("a store"), from.open().await.expect("a store"));
    let target = to.open().await.expect("a store");
    for (store, text) in [(&source, "one"), (&other, "two")] {
        store.put_setting("x".into(), Bytes::from(text)).await.expect("put_setting");
    }
    let begin = async |from: &dyn CopyingStore, to: &dyn CopyingStore, copy: &str| {
        Carrier::begin(from, to, fresh(copy)).await.map(|(carrier, resumed)| (carrier.mark.copy.clone(), resumed))
    };
    assert_eq!(begin(&*source, &*other, "a").await, Err(CopyError::NotEmpty("settings")));
    assert_eq!(begin(&*source, &*target, "a").await, Ok(("a".to_owned(), false)));
    assert_eq!(begin(&*source, &*target, "b").await, Ok(("a".to_owned(), true)), "it is the same copy");
    let of_another = Err(CopyError::OtherCopy { from: "a test".to_owned() });
    assert_eq!(begin(&*other, &*target, "c").await, of_another);
    let unfinished = Err(CopyError::SourceUnfinished { from: "a test".to_owned() });
    assert_eq!(begin(&*target, &*other, "d").await, unfinished);
    // As a gateway does that starts on the source.
    source.put_setting(COPIED_AS.into(), Bytes::new()).await.expect("put_setting");
    assert_eq!(begin(&*source, &*target, "a").await, of_another, "it was in use since");
}

pub async fn what_differs_is_found(from: impl OpenCopying, to: impl OpenCopying) {
    let (source, target) = (from.open().await.expect("a store"), to.open().await.expect("a store"));
    let mut w = World::over(Arc::clone(&source) as Arc<dyn crate::Store>, NOW);
    w.owed().await;
    let (mut carrier, _) = Carrier::begin(&*source, &*target, fresh("one")).await.expect("it may begin");
    assert!(carrier.carry(&mut |_| ControlFlow::Continue(())).await.expect("carry"));
    let mut w = World::over(Arc::clone(&target) as Arc<dyn crate::Store>, NOW + Duration::from_secs(1));
    w.claim_one().await;
    let compared = carrier.compare(&mut |_| ControlFlow::Continue(())).await.expect("compare").expect("all");
    assert!(compared.iter().all(super::super::copying::carry::Compared::is_same), "a claim is no difference");
    w.pass(DAY);
    w.owed().await;
    let compared = carrier.compare(&mut |_| ControlFlow::Continue(())).await.expect("compare").expect("all");
    assert_eq!(carrier.finish(&compared).await, Err(CopyError::Differs { table: "events" }));
    let mark = target.setting(UNFINISHED.into()).await.expect("setting");
    assert!(mark.is_some_and(|mark| !mark.is_empty()), "it is not to be served");
}

/// Pages are bounded by bytes too: a few events may weigh as much as thousands of others.
pub async fn large_rows_come_in_small_pages(from: impl OpenCopying, to: impl OpenCopying) {
    static LARGE: [u8; 3 * 1024 * 1024] = [7; 3 * 1024 * 1024];
    const EVENTS: usize = 5;
    let (source, target) = (from.open().await.expect("a store"), to.open().await.expect("a store"));
    let mut w = World::over(Arc::clone(&source) as Arc<dyn crate::Store>, NOW);
    for _ in 0..EVENTS {
        let event = w.event().carrying(&LARGE);
        w.accept(event).await;
    }
    let first = source.give_rows(Table::Events, None, PAGE_ROWS).await.expect("give_rows");
    let most = PAGE_BYTES.div_ceil(LARGE.len());
    assert!((1..=most).contains(&first.rows.len()) && first.next.is_some(), "{} rows", first.rows.len());
    let (mut carrier, _) = Carrier::begin(&*source, &*target, fresh("one")).await.expect("it may begin");
    assert!(carrier.carry(&mut |_| ControlFlow::Continue(())).await.expect("carry"));
    let compared = carrier.compare(&mut |_| ControlFlow::Continue(())).await.expect("compare").expect("all");
    let events = compared.iter().find(|one| one.table == Table::Events).expect("it is compared");
    assert_eq!((events.from.rows, events.to.rows), (EVENTS as u64, EVENTS as u64));
    carrier.finish(&compared).await.expect("whole");
}
