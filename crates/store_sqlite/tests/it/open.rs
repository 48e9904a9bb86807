//! Opening: one owner at a time, only what is ours, and nobody else's to read.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use store::StoreError;
use store::keep::Keep;
use store_sqlite::SqliteStore;

use crate::arrange::{accept, event, open, options};

#[tokio::test]
async fn a_second_process_is_refused_and_may_wait_its_turn() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = open(folder.path());
    let Err(StoreError::Locked(owner)) = SqliteStore::open(options(folder.path())) else { panic!("it was free") };
    assert!(owner.contains(&std::process::id().to_string()), "{owner}");
    let waiting = {
        let options = options(folder.path());
        std::thread::spawn(move || {
            let mut told = None;
            let store =
                SqliteStore::open_waiting(options, Duration::from_secs(10), |owner| told = Some(owner.to_owned()));
            (store.map(drop), told)
        })
    };
    accept(&first, event(1, 10, None)).await.expect("the first still owns it");
    first.close().await.expect("closed");
    let (opened, told) = waiting.join().expect("no panic");
    opened.expect("its turn came");
    assert!(told.is_none_or(|told| told == owner));
}

#[tokio::test]
async fn a_newer_schema_and_a_strangers_file_are_refused_and_left_as_they_are() {
    for (change, code) in [
        ("PRAGMA user_version = 99", "store_newer_schema"),
        ("UPDATE schema_migrations SET checksum = 'another'", "store_corrupt"),
        ("PRAGMA application_id = 7", "store_corrupt"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path());
        store.close().await.expect("closed");
        drop(store);
        let path = folder.path().join("store.db");
        rusqlite::Connection::open(&path).expect("a database").execute_batch(change).expect("changed");
        let before = std::fs::read(&path).expect("a file");
        let Err(error) = SqliteStore::open(options(folder.path())) else { panic!("{change}: it was opened") };
        assert_eq!(error.code(), code, "{change}");
        assert!(!error.to_string().is_empty());
        assert_eq!(std::fs::read(&path).expect("a file"), before, "{change}");
    }
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("store.db"), vec![b'?'; 10_000]).expect("written");
    let Err(error) = SqliteStore::open(options(folder.path())) else { panic!("it was opened") };
    assert_eq!(error.code(), "store_corrupt");
    let missing = options(&folder.path().join("nowhere"));
    let Err(error) = SqliteStore::open(missing) else { panic!("it was opened") };
    assert_eq!(error.code(), "store_io");
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[tokio::test]
async fn payloads_are_nobody_elses_to_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    accept(&store, event(1, 10, None)).await.expect("accepted");
    for file in ["store.db", "store.db-wal", "store.db-shm", "store.db.lock"] {
        let mode = std::fs::metadata(folder.path().join(file)).expect(file).permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file} has mode {mode:o}");
    }
}
