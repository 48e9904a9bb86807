//! Several nodes on one database: who may settle, who makes an event, what is given twice (nothing), and what they
//! tell each other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::DeliveryState;
use store::dispatch::Dispatch;
use store::intake::{AcceptGroup, Intake};
use store::keep::Keep;
use store::nodes::{Hint, Nodes};
use store::read::{EventFilter, Page, Read};
use store_postgres::testkit::{Database, NOW};
use store_postgres::{LeaseClock, OpenOptions};

use crate::arrange::{LEASE, accept, claim, event, event_id, node, open, settlement, tenant};

#[tokio::test]
async fn a_message_that_two_nodes_take_in_at_once_is_one_event() {
    let database = Database::new();
    let nodes = [Arc::new(node(&database).await), Arc::new(node(&database).await)];
    let mut accepting = Vec::new();
    for number in 0..60u64 {
        for (which, store) in nodes.iter().enumerate() {
            let store = Arc::clone(store);
            // The same messages, in opposite orders, each node under ids of its own.
            let message = if which == 0 { number } else { 59 - number };
            let mut new = event(NOW, message);
            let own = event_id(NOW, 1_000 * (which as u64 + 1) + message);
            Arc::make_mut(&mut new.event).id = own;
            new.deliveries.clear();
            accepting.push(tokio::spawn(async move { accept(&store, new).await }));
        }
    }
    let mut made = 0;
    for accepted in accepting {
        made += usize::from(!accepted.await.expect("no panic").duplicate);
    }
    assert_eq!(made, 60, "each message is one event");
    let stretch = nodes[0].events_after(tenant(), EventFilter::default(), Page::first(500)).await.expect("the tail");
    assert_eq!(stretch.events.len(), 60);
}

#[tokio::test]
async fn the_tail_of_events_that_many_nodes_take_in_misses_none() {
    let database = Database::new();
    let nodes = [Arc::new(node(&database).await), Arc::new(node(&database).await)];
    let mut accepting = Vec::new();
    for (which, store) in nodes.iter().enumerate() {
        let store = Arc::clone(store);
        accepting.push(tokio::spawn(async move {
            for number in 0..150 {
                accept(&store, event(NOW, 1_000 * (which as u64 + 1) + number)).await;
            }
        }));
    }
    let reader = node(&database).await;
    let (mut seen, mut page) = (BTreeSet::new(), Page::first(50));
    while seen.len() < 300 {
        let stretch = reader.events_after(tenant(), EventFilter::default(), page.clone()).await.expect("the tail");
        for (_, event) in &stretch.events {
            assert!(seen.insert(event.id), "{} came twice", event.id);
        }
        page.after = Some(stretch.until);
        if accepting.iter().all(tokio::task::JoinHandle::is_finished) && !stretch.more && seen.len() < 300 {
            let rest = reader.events_after(tenant(), EventFilter::default(), page.clone()).await.expect("the tail");
            assert!(!rest.events.is_empty(), "only {} of 300 were seen: the tail has passed the others", seen.len());
        }
    }
    for accepted in accepting {
        accepted.await.expect("no panic");
    }
}

#[tokio::test]
async fn nothing_is_given_to_two_nodes() {
    let database = Database::new();
    let nodes = [Arc::new(node(&database).await), Arc::new(node(&database).await), Arc::new(node(&database).await)];
    let groups = (0..400).map(|number| AcceptGroup { events: vec![event(NOW, number)], request: None }).collect();
    nodes[0].accept(groups, NOW).await.expect("accept");
    let claiming = nodes.iter().enumerate().map(|(owner, store)| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let some = claim(&store, owner as u64, 7, NOW).await;
                if some.is_empty() {
                    return mine;
                }
                mine.extend(some.iter().map(|claimed| claimed.id));
            }
        })
    });
    let mut all = Vec::new();
    for mine in claiming.collect::<Vec<_>>() {
        all.extend(mine.await.expect("no panic"));
    }
    let unique: BTreeSet<_> = all.iter().copied().collect();
    assert_eq!((all.len(), unique.len()), (400, 400));
}

#[tokio::test]
async fn a_node_that_wakes_from_a_pause_cannot_settle_what_another_took_over() {
    let database = Database::new();
    let (paused, other) = (node(&database).await, node(&database).await);
    accept(&paused, event(NOW, 1)).await;
    let before = claim(&paused, 1, 1, NOW).await.remove(0);
    // The lease is over by the database's clock, which is moved rather than waited for.
    let ahead = i64::try_from((LEASE * 2).as_micros()).expect("small");
    let moved = OpenOptions { lease_clock: LeaseClock::Database { offset_us: ahead }, ..database.options() };
    let keeper = open(moved).await;
    assert_eq!(keeper.rescue_lapsed(NOW, 10).await, Ok(1));
    let after = claim(&other, 2, 1, NOW).await.remove(0);
    assert!(after.id == before.id && after.claim.generation > before.claim.generation);
    let late = paused.settle(vec![settlement(before.id, before.claim, DeliveryState::Delivered)], NOW).await;
    assert!(late.expect("settle")[0].fenced);
    let kept = other.settle(vec![settlement(after.id, after.claim, DeliveryState::Delivered)], NOW).await;
    assert!(!kept.expect("settle")[0].fenced);
}

#[tokio::test]
async fn a_lease_ends_by_the_databases_clock_whatever_a_node_believes() {
    let database = Database::new();
    let store = node(&database).await;
    accept(&store, event(NOW, 1)).await;
    claim(&store, 1, 1, NOW).await;
    let far_ahead = NOW + Duration::from_secs(365 * 24 * 60 * 60);
    assert_eq!(store.rescue_lapsed(far_ahead, 10).await, Ok(0), "its own clock is of no account");
}

#[tokio::test]
async fn other_nodes_hear_at_once_what_is_due_and_find_it_also_unheard() {
    let database = Database::new();
    let (one, other) = (node(&database).await, node(&database).await);
    let hint = loop {
        // Until the listener stands, what is said is not heard: nothing waits for it.
        let number = database.sql("SELECT count(*) FROM events").parse().expect("a number");
        accept(&one, event(NOW, number)).await;
        if let Ok(hint) = tokio::time::timeout(Duration::from_millis(200), other.hint()).await {
            break hint.expect("a hint");
        }
    };
    assert_eq!(hint, Some(Hint::Due(tenant(), "app".parse().expect("a name"))));
    let own = futures_util::FutureExt::now_or_never(one.hint());
    assert_eq!(own, None, "a node does not tell itself");
    let deaf = open(OpenOptions { listen: false, ..database.options() }).await;
    assert!(!claim(&deaf, 3, 10, NOW).await.is_empty());
    for store in [&one, &other, &deaf] {
        store.close().await.expect("close");
    }
}
