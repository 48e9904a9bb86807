//! How much is done for each event, and what a start has to do after many.

use std::time::Duration;

use domain::DeliveryState;
use store::dispatch::{Claim, Dispatch, Settlement};
use store::intake::{AcceptGroup, Intake};
use store::keep::Keep;
use store::read::{DeliveryFilter, Page, Read};
use store_sqlite::{OpenOptions, SqliteStore};

use crate::arrange::{LEASE, NOW, accept, delivered, delivery_id, event, settle, tenant};

#[tokio::test]
async fn an_event_takes_three_statements_in_and_two_out() {
    let store = SqliteStore::open(OpenOptions::memory()).expect("a store");
    accept(&store, event(1, 10, Some(LEASE))).await.expect("names are known after the first");
    let before = store.stats().statements;
    let groups: Vec<_> =
        (2..102).map(|number| AcceptGroup { events: vec![event(number, 10, Some(LEASE))], request: None }).collect();
    let answers = store.accept(groups, NOW).await.expect("accepted");
    let accepted = store.stats().statements;
    assert_eq!(accepted - before, 3 * 100 + 2, "identity, event, delivery; and one transaction");
    let claims = answers.into_iter().flat_map(|answer| answer.expect("accepted")).flat_map(|one| one.claims);
    let batch: Vec<Settlement> = (2..102).zip(claims).map(|(number, (_, claim))| delivered(number, claim)).collect();
    assert!(store.settle(batch, NOW).await.expect("settled").iter().all(|one| !one.fenced));
    assert_eq!(store.stats().statements - accepted, 2 * 100 + 2, "attempt, delivery; and one transaction");
}

/// More than the deliveries between two notes of where fresh ones begin.
const MANY: u64 = 20_000;

async fn accept_many(store: &SqliteStore, from: u64, to: u64) -> Vec<Claim> {
    let mut claims = Vec::new();
    for chunk in (from..to).collect::<Vec<_>>().chunks(500) {
        let group = |number: &u64| AcceptGroup { events: vec![event(*number, 10, Some(LEASE))], request: None };
        let answers = store.accept(chunk.iter().map(group).collect(), NOW).await.expect("accepted");
        let accepted = answers.into_iter().flat_map(|answer| answer.expect("accepted"));
        claims.extend(accepted.map(|one| one.claims[0].1));
    }
    claims
}

#[tokio::test]
async fn claims_at_birth_are_found_again_however_long_ago_they_were() {
    let store = SqliteStore::open(OpenOptions::memory().inline()).expect("a store");
    // The first stays in flight while many others come and go: the note must not pass it.
    let claims = accept_many(&store, 1, 1 + MANY).await;
    let batch: Vec<_> =
        (2..=MANY).map(|number| delivered(number, claims[usize::try_from(number).expect("small") - 1])).collect();
    store.settle(batch, NOW).await.expect("settled");
    let last = accept_many(&store, MANY + 1, 2 * MANY).await;
    store.crash().await.expect("crashed");
    let pending = DeliveryFilter { state: Some(DeliveryState::Pending), ..DeliveryFilter::default() };
    let listed = store.deliveries(tenant(), pending.clone(), Page::first(500)).await.expect("deliveries");
    assert_eq!(listed.rows.len(), 500);
    let backlog = store.backlog().await.expect("backlog");
    assert_eq!(
        backlog.iter().map(|group| (group.state, group.count)).collect::<Vec<_>>(),
        [(DeliveryState::Pending, MANY)]
    );
    let row = store.delivery(tenant(), delivery_id(1)).await.expect("delivery").expect("it is there").row;
    assert_eq!(row.state, DeliveryState::Pending);
    assert_eq!(settle(&store, 2 * MANY - 1, last[last.len() - 1]).await, Ok(false), "claims ended with the crash");
    assert_eq!(store.rescue_lapsed(NOW + Duration::from_secs(3_600), 10).await, Ok(0));
}
