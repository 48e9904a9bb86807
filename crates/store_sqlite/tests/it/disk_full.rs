//! A full disk: nothing half-written, what is owed goes on, and it recovers by itself.

use std::time::Duration;

use domain::DeliveryState;
use store::StoreError;
use store::dispatch::{Ask, ClaimDue, Dispatch};
use store::intake::{Intake, RejectedBounds};
use store::keep::{Keep, Retention};
use store::read::Read;
use store::registry::Registry;
use store_sqlite::{OpenOptions, SqliteStore};

use crate::arrange::{LEASE, NOW, accept, delivery_id, event, event_id, open, options, settle, tenant};

#[tokio::test]
async fn a_full_disk_refuses_what_does_not_fit_and_keeps_what_did() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(OpenOptions { pages_max: Some(150), ..options(folder.path()) }).expect("a store");
    let mut number = 0;
    let full = loop {
        number += 1;
        if let Err(error) = accept(&store, event(number, 20_000, None)).await {
            break error;
        }
    };
    assert_eq!(full.code(), "store_disk_full");
    assert!(full.retryable() && !full.fatal());
    assert!(number > 10, "some fit");
    assert!(store.event(tenant(), event_id(number)).await.expect("event").is_none());
    assert!(store.delivery(tenant(), delivery_id(number)).await.expect("delivery").is_none());
    assert!(store.event(tenant(), event_id(number - 1)).await.expect("event").is_some());
    // The same again and again: no statement fails for another reason once the first did.
    for _ in 0..3 {
        assert_eq!(accept(&store, event(number, 20_000, None)).await.map(drop), Err(full.clone()));
    }
    // Its rolled back claim and name are gone from memory too.
    assert_eq!(accept(&store, event(number, 20_000, Some(LEASE))).await.map(drop), Err(full));
    let in_flight = store.backlog().await.expect("backlog");
    assert!(in_flight.iter().all(|group| group.state == DeliveryState::Pending));
    // What is accepted is delivered; when that is pruned there is room again.
    let asks = vec![Ask {
        tenant: tenant(),
        destination: "app".parse().expect("a name"),
        limit: 1_000,
        backfill: 0,
        bytes_max: u64::MAX,
        charge: None,
    }];
    let ask = ClaimDue { owner: LEASE.owner, lease: LEASE.span, now: NOW, asks };
    let claimed = store.claim_due(ask).await.expect("claimed").remove(0).claimed;
    assert_eq!(claimed.len() as u64, number - 1);
    for (index, one) in (1u64..).zip(&claimed) {
        assert_eq!(settle(&store, index, one.claim).await, Ok(true));
    }
    let later = NOW + Duration::from_secs(60 * 24 * 60 * 60);
    while store.prune(Retention::default(), later, 100).await.expect("pruned").more {}
    accept(&store, event(number, 20_000, None)).await.expect("there is room again");
}

#[tokio::test]
async fn below_the_reserve_nothing_comes_in_and_what_is_owed_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    accept(&store, event(1, 10, None)).await.expect("accepted");
    store.close().await.expect("closed");
    drop(store);
    let short = OpenOptions { disk_reserve_bytes: u64::MAX, ..options(folder.path()) };
    let store = SqliteStore::open(short).expect("a full disk is no reason not to start");
    let refused =
        |result: Result<(), StoreError>| assert_eq!(result.map_err(|error| error.code()), Err("store_disk_full"));
    refused(accept(&store, event(2, 10, None)).await.map(drop));
    refused(store.keep_requests(vec![], RejectedBounds::default()).await);
    refused(store.put_setting("a".into(), bytes::Bytes::new()).await);
    refused(store.ping().await);
    let asks = vec![Ask {
        tenant: tenant(),
        destination: "app".parse().expect("a name"),
        limit: 1,
        backfill: 0,
        bytes_max: 1,
        charge: None,
    }];
    let ask = ClaimDue { owner: LEASE.owner, lease: LEASE.span, now: NOW, asks };
    let claimed = store.claim_due(ask).await.expect("claimed").remove(0).claimed;
    assert_eq!(settle(&store, 1, claimed[0].claim).await, Ok(true));
    let later = NOW + Duration::from_secs(60 * 24 * 60 * 60);
    assert_eq!(store.prune(Retention::default(), later, 10).await.expect("pruned").events, 1);
}
