//! Deliveries that were claimed as they were made, which are kept by the transaction until one is anything but ended.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use domain::{DeliveryId, DeliveryState, Timestamp};
use store::StoreError;
use store::conformance::copying::OpenCopying;
use store::copying::carry::{Carrier, Mark};
use store::copying::table::Table;
use store::dispatch::{Claim, Dispatch, Lease, Owner, Prepared, PreparedDelivery, Settled, Settlement};
use store::intake::{AcceptGroup, Intake};
use store::keep::Keep;
use store::nodes::Nodes;
use store::people::{People, Wish};
use store::read::{DeliveryFilter, Page, Read};
use store_postgres::testkit::{Database, NOW};
use store_postgres::{LeaseClock, OpenOptions, PostgresStore};

use crate::arrange::{Held, LEASE, accept, claim, event, node, open, settlement, tenant};
use crate::copying::{Postgres, Sqlite};

/// How often it is looked for what is about to be.
const LOOKS: usize = 300;

/// Takes in so many events as one group, each with a delivery that is claimed at once.
async fn bear(store: &PostgresStore, events: std::ops::Range<u64>) -> Vec<(DeliveryId, Claim)> {
    let lease = Some(Lease { owner: Owner(1), span: LEASE });
    let events = events.map(|number| {
        let mut new = event(NOW, number);
        new.deliveries.iter_mut().for_each(|delivery| delivery.claim = lease);
        new
    });
    let groups = vec![AcceptGroup { events: events.collect(), request: None }];
    let accepted = store.accept(groups, NOW).await.expect("accept").pop().expect("an answer").expect("accepted");
    accepted.into_iter().flat_map(|one| one.claims).collect()
}

fn delivered((id, claim): (DeliveryId, Claim)) -> Settlement {
    settlement(id, claim, DeliveryState::Delivered)
}

fn failed((id, claim): (DeliveryId, Claim)) -> Settlement {
    Settlement { due: NOW, ..settlement(id, claim, DeliveryState::Retrying) }
}

async fn settle(store: &PostgresStore, batch: Vec<Settlement>) -> Vec<bool> {
    let settled = store.settle(batch, NOW).await.expect("settle");
    settled.iter().map(|one: &Settled| !one.fenced).collect()
}

/// Rows of births, open deliveries, ended ones, and tries.
fn kept(database: &Database) -> String {
    let of = |table: &str| format!("(SELECT count(*) FROM {table})");
    let tables = ["births", "open_deliveries", "ended_deliveries", "tries"].map(of);
    database.sql(&format!("SELECT {}", tables.join(", ")))
}

async fn listed(store: &PostgresStore, state: Option<DeliveryState>) -> Vec<(DeliveryId, DeliveryState)> {
    let filter = DeliveryFilter { state, ..DeliveryFilter::default() };
    let listed = store.deliveries(tenant(), filter, Page::first(100)).await.expect("a list");
    listed.rows.iter().map(|row| (row.id, row.state)).collect()
}

#[tokio::test]
async fn what_its_first_try_ends_was_never_an_open_delivery_and_ends_once() {
    let database = Database::new();
    let store = node(&database).await;
    let born = bear(&store, 0..5).await;
    assert_eq!(kept(&database), "1|0|0|0");
    assert_eq!(listed(&store, Some(DeliveryState::InFlight)).await.len(), 5);
    let other = Claim { owner: Owner(2), ..born[0].1 };
    assert_eq!(settle(&store, vec![delivered((born[0].0, other))]).await, [false], "it is another's");
    let swapped = Claim { generation: born[1].1.generation, ..born[0].1 };
    assert_eq!(settle(&store, vec![delivered((born[0].0, swapped))]).await, [false], "that claim is of another");
    assert_eq!(kept(&database).split('|').nth(2), Some("0"));
    let first: Vec<_> = born[..3].iter().copied().map(delivered).collect();
    assert_eq!(settle(&store, first.clone()).await, [true; 3]);
    assert_eq!(settle(&store, first).await, [false; 3], "once");
    assert_eq!(listed(&store, Some(DeliveryState::InFlight)).await.len(), 2);
    assert_eq!(settle(&store, born[3..].iter().copied().map(delivered).collect()).await, [true; 2]);
    assert_eq!(kept(&database), "0|0|5|5");
}

/// Only who wrote a birth knows what it was; who does not asks, and who was wrong is put right.
#[tokio::test]
async fn who_ends_a_birth_need_not_know_it_and_may_be_mistaken() {
    let database = Database::new();
    let (store, other) = (node(&database).await, node(&database).await);
    let born = bear(&store, 0..6).await;
    let all: Vec<_> = born.iter().copied().map(delivered).collect();
    assert_eq!(settle(&store, all[..2].to_vec()).await, [true; 2]);
    assert_eq!(settle(&other, all[2..3].to_vec()).await, [true]);
    assert_eq!(database.sql("SELECT count(*) FROM attempts"), "1", "of the one that had to be asked for");
    assert_eq!(settle(&store, all[2..5].to_vec()).await, [false, true, true], "the first is ended already");
    assert_eq!(database.sql("SELECT count(*) FROM attempts"), "3", "it knows nothing of them any more");
    assert_eq!(settle(&store, all[5..].to_vec()).await, [true]);
    assert_eq!(kept(&database), "0|0|6|6");
    let born = bear(&store, 6..8).await;
    let _ = database.sql("UPDATE births SET ids = ARRAY[events[1], events[2]]");
    assert_eq!(settle(&store, born.iter().copied().map(delivered).collect()).await, [false; 2], "it is of others");
    assert_eq!(kept(&database), "1|0|6|6");
    // As if somebody had cancelled it, and retention had taken it.
    let _ = database.sql("DELETE FROM births");
    assert_eq!(settle(&store, born.iter().copied().map(delivered).collect()).await, [false; 2]);
    assert_eq!(kept(&database), "0|0|6|6");
    for one in listed(&store, Some(DeliveryState::Delivered)).await {
        let detail = store.delivery(tenant(), one.0).await.expect("read").expect("it is there");
        assert_eq!(detail.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1]);
        assert_eq!(&*detail.attempts[0].outcome, "delivered");
    }
}

#[tokio::test]
async fn one_that_fails_makes_open_deliveries_of_the_others_whose_tries_go_on() {
    let database = Database::new();
    let store = node(&database).await;
    let born = bear(&store, 0..4).await;
    assert_eq!(settle(&store, vec![delivered(born[0]), failed(born[1])]).await, [true; 2]);
    assert_eq!(kept(&database), "0|3|1|2", "the one that is delivered is left out");
    assert_eq!(settle(&store, vec![delivered(born[2]), failed(born[3])]).await, [true; 2]);
    let again = claim(&store, 1, 10, NOW).await;
    assert_eq!(again.iter().map(|one| one.attempts).collect::<Vec<_>>(), [1, 1]);
    let again = again.iter().map(|one| Settlement { attempts: 2, ..delivered((one.id, one.claim)) });
    assert_eq!(settle(&store, again.collect()).await, [true; 2]);
    assert_eq!(kept(&database), "0|0|4|6");
}

/// What the settlement would take out is unfolded between its statement's beginning and its turn.
#[tokio::test]
async fn nobody_is_fenced_by_somebody_else_who_unfolds() {
    let database = Database::new();
    let (store, other) = (Arc::new(node(&database).await), node(&database).await);
    for round in 0..20 {
        let born = bear(&store, round * 10..round * 10 + 10).await;
        let settling = {
            let (store, batch) = (Arc::clone(&store), born[..9].iter().copied().map(delivered).collect());
            tokio::spawn(async move { settle(&store, batch).await })
        };
        let cancelled = other.cancel(tenant(), vec![born[9].0], NOW).await.expect("cancel");
        assert_eq!(cancelled, [Wish::Done]);
        assert_eq!(settling.await.expect("no panic"), [true; 9]);
        assert_eq!(settle(&store, vec![delivered(born[9])]).await, [false], "it is cancelled");
    }
    assert_eq!(kept(&database), format!("0|0|200|{}", 200), "and the try of each is kept");
}

#[tokio::test]
async fn many_who_end_some_of_one_row_at_once_leave_none_of_it() {
    let database = Database::new();
    let store = Arc::new(node(&database).await);
    // More than one row has room for.
    let born = bear(&store, 0..1_500).await;
    assert_eq!(kept(&database), "2|0|0|0");
    let generations: BTreeSet<u64> = born.iter().map(|(_, claim)| claim.generation).collect();
    assert_eq!(generations.len(), 1_500);
    let settling = born.chunks(50).map(|some| {
        let (store, batch) = (Arc::clone(&store), some.iter().copied().map(delivered).collect());
        tokio::spawn(async move { settle(&store, batch).await })
    });
    for settled in settling.collect::<Vec<_>>() {
        assert!(settled.await.expect("no panic").into_iter().all(|ended| ended));
    }
    assert_eq!(kept(&database), "0|0|1500|1500");
}

/// Each of the two ends some of the row that the other unfolds.
#[tokio::test]
async fn who_ends_and_who_unfolds_never_wait_for_each_other() {
    let database = Database::new();
    let store = Arc::new(node(&database).await);
    for round in 0..20 {
        let at = round * 20;
        let (one, two) = (bear(&store, at..at + 10).await, bear(&store, at + 10..at + 20).await);
        let batch = |ended: &[(DeliveryId, Claim)], open: &[(DeliveryId, Claim)]| {
            let (store, ended) = (Arc::clone(&store), ended.iter().copied().map(delivered));
            let batch = ended.chain(open.iter().copied().map(failed)).collect();
            tokio::spawn(async move { settle(&store, batch).await })
        };
        let settling = [batch(&one[..5], &two[..5]), batch(&two[5..], &one[5..])];
        for settled in settling {
            assert_eq!(settled.await.expect("no panic"), [true; 10]);
        }
    }
    assert_eq!(kept(&database), "0|200|200|400");
    // What a process of the server counts it tells when it ends.
    store.close().await.expect("it closes");
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
         AND backend_type = 'client backend'";
    assert!((0..LOOKS).any(|_| database.sql(others) == "0"), "they end with their store");
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(database.sql(deadlocks), "0");
}

#[tokio::test]
async fn what_a_dead_node_had_is_put_back_and_its_late_settlement_fenced() {
    let database = Database::new();
    let dead = node(&database).await;
    let born = bear(&dead, 0..3).await;
    assert_eq!(settle(&dead, vec![delivered(born[0])]).await, [true]);
    assert_eq!(node(&database).await.rescue_lapsed(NOW, 10).await, Ok(0), "their lease is not over");
    let later = NOW + LEASE;
    // The database's clock is moved rather than waited for.
    let ahead = LeaseClock::Database { offset_us: i64::try_from((LEASE * 2).as_micros()).expect("small") };
    let living = open(OpenOptions { lease_clock: ahead, ..database.options() }).await;
    living.beat(crate::crowd::own(), LEASE, NOW).await.expect("it beats");
    assert_eq!(living.rescue_lapsed(later, 10).await, Ok(0), "as long as their node lives it has them");
    assert_eq!(listed(&living, Some(DeliveryState::InFlight)).await.len(), 2);
    living.leave(Owner(1)).await.expect("it is forgotten");
    let stands_still = Held::by(&database.address(), "SELECT first FROM births FOR UPDATE");
    assert_eq!(living.rescue_lapsed(later, 10).await, Ok(0), "nobody waits for who stands still");
    drop(stands_still);
    assert_eq!(living.rescue_lapsed(later, 1).await, Ok(1), "as many as were asked for");
    assert_eq!(living.rescue_lapsed(later, 10).await, Ok(1));
    let taken = claim(&living, 2, 10, later).await;
    assert_eq!(taken.len(), 2);
    assert_eq!(settle(&dead, born[1..].iter().copied().map(delivered).collect()).await, [false; 2]);
    let taken = taken.iter().map(|one| Settlement { attempts: 2, ..delivered((one.id, one.claim)) });
    assert_eq!(settle(&living, taken.collect()).await, [true; 2]);
    // Of each the try that nobody saw, and the one that went through.
    assert_eq!(kept(&database), "0|0|3|5");
}

#[tokio::test]
async fn people_see_them_beside_all_others() {
    let database = Database::new();
    let store = node(&database).await;
    accept(&store, event(NOW, 100)).await;
    let born = bear(&store, 0..3).await;
    assert_eq!(settle(&store, vec![delivered(born[0])]).await, [true]);
    let all: Vec<DeliveryState> = listed(&store, None).await.into_iter().map(|(_, state)| state).collect();
    let (pending, in_flight) = (DeliveryState::Pending, DeliveryState::InFlight);
    assert_eq!(all, [pending, in_flight, in_flight, DeliveryState::Delivered], "newest first");
    let detail = store.delivery(tenant(), born[1].0).await.expect("asked").expect("it is there");
    assert_eq!((detail.row.state, detail.attempts.len()), (in_flight, 0));
    let backlog = store.backlog().await.expect("asked");
    let counts: Vec<_> = backlog.iter().map(|one| (one.state, one.count, one.oldest)).collect();
    assert_eq!(counts, [(pending, 1, Some(NOW)), (in_flight, 2, Some(NOW))]);
}

#[tokio::test]
async fn their_events_stay_while_they_are_owed() {
    let database = Database::new();
    let store = node(&database).await;
    let born = bear(&store, 0..2).await;
    assert_eq!(settle(&store, vec![delivered(born[0])]).await, [true]);
    let later: Timestamp = NOW + std::time::Duration::from_secs(3 * 24 * 60 * 60);
    for _ in 0..5 {
        store.prune(crate::spans::KEPT, later, 1_000).await.expect("prune");
    }
    let left =
        database.sql("SELECT count(*) FROM events JOIN born ON born.tenant = events.tenant AND born.event = events.id");
    assert_eq!(left, "1");
    assert_eq!(settle(&store, vec![delivered(born[1])]).await, [true]);
}

#[tokio::test]
async fn of_an_event_that_owes_one_route_twice_nothing_is_kept() {
    let database = Database::new();
    let store = node(&database).await;
    let mut twice = event(NOW, 1);
    twice.deliveries.extend(event(NOW, 2).deliveries);
    twice.deliveries.iter_mut().for_each(|delivery| delivery.claim = Some(Lease { owner: Owner(1), span: LEASE }));
    let groups = vec![AcceptGroup { events: vec![twice], request: None }];
    let answers = store.accept(groups, NOW).await.expect("accept");
    assert!(answers[0].is_err(), "{answers:?}");
    assert_eq!(kept(&database), "0|0|0|0");
}

#[tokio::test]
async fn what_was_prepared_for_one_is_kept_beside_it() {
    let database = Database::new();
    let store = node(&database).await;
    let born = bear(&store, 0..2).await;
    let prepared = |(id, claim): (DeliveryId, Claim)| PreparedDelivery {
        tenant: tenant(),
        id,
        claim,
        prepared: Prepared {
            content_type: "text/plain".into(),
            body: bytes::Bytes::from_static(b"mapped"),
            stale: false,
            enriched: None,
        },
    };
    let swapped = (born[0].0, born[1].1);
    let answers = store.keep_prepared(vec![prepared(born[0]), prepared(swapped)]).await.expect("asked");
    assert_eq!(answers, [Ok(()), Err(StoreError::Fenced)]);
    assert_eq!(kept(&database), "1|0|0|0", "it is where it was");
    assert_eq!(settle(&store, vec![failed(born[0])]).await, [true]);
    let again = claim(&store, 1, 10, NOW).await;
    let body = again[0].prepared.as_ref().map(|prepared| prepared.body.clone());
    assert_eq!(body.as_deref(), Some(&b"mapped"[..]));
    let answers = store.keep_prepared(vec![prepared(born[0]), prepared(born[1])]).await.expect("asked");
    assert_eq!(answers, [Err(StoreError::Fenced), Ok(())], "the other is open by now, under its claim");
}

#[tokio::test]
async fn people_and_their_node_find_each_of_them() {
    let database = Database::new();
    let store = node(&database).await;
    let born = bear(&store, 0..4).await;
    let retried = store.retry(tenant(), vec![born[0].0], NOW).await.expect("asked");
    assert_eq!(retried, [Wish::Refused(DeliveryState::InFlight)]);
    assert_eq!(settle(&store, vec![delivered(born[0])]).await, [true]);
    let all = born.iter().map(|(id, _)| (tenant(), *id)).collect::<Vec<_>>();
    assert_eq!(store.lost_claims(Owner(1), all.clone()).await, Ok(vec![born[0].0]));
    assert_eq!(store.lost_claims(Owner(2), all).await.expect("asked").len(), 4);
    let event = store.delivery(tenant(), born[1].0).await.expect("asked").expect("it is there").row.event;
    let detail = store.event(tenant(), event).await.expect("asked").expect("it is there");
    assert_eq!(detail.deliveries.iter().map(|one| one.id).collect::<Vec<_>>(), [born[1].0]);
    let filter = || DeliveryFilter { destination: Some("app".parse().expect("a name")), ..DeliveryFilter::default() };
    assert_eq!(store.cancel_matching(tenant(), filter(), NOW, 2).await, Ok(2), "as many as were asked for");
    assert_eq!(store.cancel_matching(tenant(), filter(), NOW, 10).await, Ok(1));
    assert_eq!(kept(&database), "0|0|4|1");
}

#[tokio::test]
async fn a_store_that_was_left_with_some_is_copied_with_them() {
    let (database, other) = (Database::new(), Database::new());
    let (source, target) = (node(&database).await, node(&other).await);
    let born = bear(&source, 0..3).await;
    assert_eq!(settle(&source, vec![delivered(born[0])]).await, [true]);
    let mark = Mark::new("one".to_owned(), "a test".to_owned(), NOW);
    let (mut carrier, _) = Carrier::begin(&source, &target, mark).await.expect("it may begin");
    assert!(carrier.carry(&mut |_| ControlFlow::Continue(())).await.expect("carry"));
    let compared = carrier.compare(&mut |_| ControlFlow::Continue(())).await.expect("compare").expect("all");
    carrier.finish(&compared).await.expect("whole");
    assert_eq!(kept(&other), "0|2|1|1");
    assert_eq!(claim(&target, 1, 10, NOW).await.len(), 2, "they wait");
}

/// Tries of deliveries that were delivered at once lie in their rows, those of the others by themselves.
#[tokio::test]
async fn tries_are_copied_in_one_order_wherever_they_lie() {
    let database = Database::new();
    let source = node(&database).await;
    let born = bear(&source, 0..9).await;
    let (even, odd): (Vec<_>, Vec<_>) = born.iter().copied().enumerate().partition(|(nth, _)| nth % 2 == 0);
    assert_eq!(settle(&source, even.into_iter().map(|(_, one)| delivered(one)).collect()).await, [true; 5]);
    assert_eq!(settle(&source, odd.into_iter().map(|(_, one)| failed(one)).collect()).await, [true; 4]);
    let again = claim(&source, 1, 10, NOW).await;
    let again = again.iter().map(|one| Settlement { attempts: 2, ..delivered((one.id, one.claim)) });
    assert_eq!(settle(&source, again.collect()).await, [true; 4]);
    assert_eq!(database.sql("SELECT count(*) FROM attempts"), "8", "of 13");
    let databases = Postgres::default();
    for target in [Sqlite.open().await, databases.open().await] {
        let target = target.expect("a store");
        let mark = Mark::new("one".to_owned(), "a test".to_owned(), NOW);
        let (mut carrier, _) = Carrier::begin(&source, &*target, mark).await.expect("it may begin");
        carrier.page_rows = 2;
        assert!(carrier.carry(&mut |_| ControlFlow::Continue(())).await.expect("carry"));
        let compared = carrier.compare(&mut |_| ControlFlow::Continue(())).await.expect("compare").expect("all");
        let tries = compared.iter().find(|one| one.table == Table::Attempts).expect("tries");
        assert_eq!((tries.from.rows, tries.to.rows), (13, 13));
        carrier.finish(&compared).await.expect("whole");
        for (id, _) in &born {
            let before = source.delivery(tenant(), *id).await.expect("read").expect("it is there").attempts;
            let after = target.delivery(tenant(), *id).await.expect("read").expect("it came over").attempts;
            assert!(!before.is_empty() && before == after, "{before:?}, and {after:?}");
        }
    }
}
