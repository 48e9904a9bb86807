//! The power goes at any moment: what was answered is there after it, and the file is whole.

use std::path::Path;

use rusqlite::Connection;
use store::keep::Keep;
use store::read::Read;
use store_sqlite::SqliteStore;

use crate::arrange::{LEASE, accept, delivery_id, event, event_id, open, options, settle, tenant};

/// Copies the database with the first `log` bytes of its log and something else after them, as a torn write leaves.
fn cut(from: &Path, to: &Path, log: usize, torn: &[u8]) {
    for file in ["store.db-wal", "store.db-shm", "store.db"] {
        let _ = std::fs::remove_file(to.join(file));
    }
    std::fs::copy(from.join("store.db"), to.join("store.db")).expect("copied");
    let mut bytes = std::fs::read(from.join("store.db-wal")).expect("a log");
    bytes.truncate(log);
    bytes.extend_from_slice(torn);
    std::fs::write(to.join("store.db-wal"), bytes).expect("written");
}

fn whole(folder: &Path) {
    let connection = Connection::open(folder.join("store.db")).expect("a database");
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(check, "ok");
}

/// How many events there are, each with its delivery; and that a delivery is never without its event.
async fn events(store: &SqliteStore, up_to: u64) -> u64 {
    let mut there = 0;
    for number in 1..=up_to {
        let detail = store.event(tenant(), event_id(number)).await.expect("event");
        let delivery = store.delivery(tenant(), delivery_id(number)).await.expect("delivery");
        assert_eq!(detail.is_some(), delivery.is_some(), "{number}: both or neither");
        if detail.is_some() {
            assert_eq!(there + 1, number, "an event without the one before it");
            there += 1;
        }
    }
    there
}

#[tokio::test]
async fn what_was_answered_is_there_however_the_log_is_torn() {
    const EVENTS: u64 = 40;
    let (folder, copy) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let store = open(folder.path());
    let log = folder.path().join("store.db-wal");
    let length = || usize::try_from(std::fs::metadata(&log).expect("a log").len()).expect("small");
    let mut answered_at = vec![length()];
    for number in 1..=EVENTS {
        let born = (number % 2 == 0).then_some(LEASE);
        let accepted = accept(&store, event(number, 300, born)).await.expect("accepted");
        if let Some((_, claim)) = accepted.claims.first() {
            assert!(settle(&store, number, *claim).await.expect("settled"));
        }
        answered_at.push(length());
    }
    let mut seed = 42u64;
    for round in 0..60 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = answered_at[0] + usize::try_from(seed >> 33).expect("it fits") % (length() - answered_at[0] + 1);
        let torn = if round % 3 == 0 { vec![0xa5; 5_000] } else { Vec::new() };
        cut(folder.path(), copy.path(), at, &torn);
        let cut_store = open(copy.path());
        let there = events(&cut_store, EVENTS).await;
        let answered = answered_at.iter().skip(1).filter(|end| **end <= at).count() as u64;
        assert!(there >= answered, "cut at {at}: {answered} were answered, {there} are there");
        let claimable = cut_store.backlog().await.expect("backlog").iter().map(|group| group.count).sum::<u64>();
        assert!(claimable + there / 2 >= there, "every other one was delivered, the rest waits");
        cut_store.close().await.expect("closed");
        drop(cut_store);
        whole(copy.path());
    }
}

#[tokio::test]
async fn what_was_answered_is_there_while_the_log_is_folded_in() {
    let (folder, copy) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let store = open(folder.path());
    let mut number = 0;
    // Large payloads fill the log several times over.
    for round in 0..12 {
        for _ in 0..40 {
            number += 1;
            accept(&store, event(number, 200_000, None)).await.expect("accepted");
        }
        // The log is copied first: what a checkpoint does to the database after it, the log still has.
        let log = std::fs::read(folder.path().join("store.db-wal")).expect("a log");
        std::fs::copy(folder.path().join("store.db"), copy.path().join("store.db")).expect("copied");
        if round % 4 != 3 {
            continue;
        }
        std::fs::write(copy.path().join("store.db-wal"), log).expect("written");
        let _ = std::fs::remove_file(copy.path().join("store.db-shm"));
        let cut_store = SqliteStore::open(options(copy.path())).expect("a store");
        assert_eq!(events(&cut_store, number).await, number);
        cut_store.close().await.expect("closed");
        drop(cut_store);
        whole(copy.path());
    }
    let log = std::fs::metadata(folder.path().join("store.db-wal")).expect("a log").len();
    assert!(log < 80_000_000, "the log begins anew now and then: {log} bytes");
}
