//! The queue, the end, and the disk's failure as everyone outside of the writer sees them.

use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use store::dispatch::Owner;
use store::intake::{Intake, RejectedBounds};
use store::keep::Keep;
use store::nodes::Nodes;
use store::read::Read;
use store::{StoreError, Verb};

use crate::failure::Failure;
use crate::job::Work;
use crate::{OpenOptions, SqliteStore};

fn on_disk(change: impl FnOnce(&mut OpenOptions)) -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = OpenOptions::file(folder.path().join("store.db"));
    change(&mut options);
    let store = SqliteStore::open(options).expect("a store");
    (folder, store)
}

/// Hands a verb over, without waiting for its answer.
fn poll<T>(verb: &mut Verb<'_, T>) -> Poll<Result<T, StoreError>> {
    verb.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// A job that keeps the writer at work until it is released.
fn held_up(store: &SqliteStore) -> (Verb<'_, ()>, Sender<()>) {
    let (release, held) = channel::<()>();
    let (started, waiting) = channel();
    let held = std::sync::Mutex::new(held);
    let mut busy = store.write(Work::rows(1), move |_, _| {
        started.send(()).expect("the test waits");
        held.lock().expect("one job").recv().expect("the test releases it");
        Ok(())
    });
    assert!(poll(&mut busy).is_pending());
    waiting.recv().expect("the writer is at work");
    (busy, release)
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_ingest_first() {
    let (_folder, store) = on_disk(|options| options.queue_commands = 8);
    let (busy, release) = held_up(&store);
    let settling = || store.leave(Owner(1));
    let mut queued: Vec<_> = Vec::new();
    // Ingest may fill three quarters; the rest is for what is owed.
    let mut refused = 0;
    for _ in 0..8 {
        let mut keep = store.keep_requests(vec![], RejectedBounds::default());
        match poll(&mut keep) {
            Poll::Pending => queued.push(keep),
            Poll::Ready(result) => {
                assert_eq!(result, Err(StoreError::Overloaded));
                refused += 1;
            }
        }
    }
    assert_eq!((queued.len(), refused), (7, 1));
    let mut last = store.write(Work::rows(1), |_, _| Ok(()));
    assert!(poll(&mut last).is_pending(), "there is room for settling");
    assert_eq!(store.write(Work::rows(1), |_, _| Ok(())).await, Err(StoreError::Overloaded));
    settling().await.expect("leases are in memory");
    release.send(()).expect("the writer waits");
    busy.await.expect("done");
    last.await.expect("done");
    for keep in queued {
        keep.await.expect("done");
    }
    assert!(store.stats().commits <= 3, "what gathered was one group");
}

#[tokio::test]
async fn large_bodies_are_bounded_together_but_one_always_fits() {
    let (_folder, store) = on_disk(|options| options.queue_bytes = 100);
    let (busy, release) = held_up(&store);
    let mut giant = store.write(Work::ingest(1, 1_000), |_, _| Ok(()));
    assert!(poll(&mut giant).is_pending(), "alone it is taken");
    assert_eq!(store.write(Work::ingest(1, 1), |_, _| Ok(())).await, Err(StoreError::Overloaded));
    release.send(()).expect("the writer waits");
    busy.await.expect("done");
    giant.await.expect("done");
    store.write(Work::ingest(1, 1), |_, _| Ok(())).await.expect("what was taken is counted no more");
}

#[tokio::test]
async fn a_failing_disk_is_told_to_everyone_after() {
    let (_folder, store) = on_disk(|_| ());
    let failed = StoreError::Io("sync".to_owned());
    let result = store.write(Work::rows(1), |_, _| Err::<(), _>(Failure::Io("sync".to_owned()))).await;
    assert_eq!(result, Err(failed.clone()));
    assert_eq!(store.ping().await, Err(failed.clone()));
    assert_eq!(store.backlog().await.map(drop), Err(failed.clone()));
    assert_eq!(store.close().await, Err(failed), "closing does not hide it");
}

#[tokio::test]
async fn what_was_handed_over_before_the_end_is_committed() {
    let (folder, store) = on_disk(|_| ());
    let name = |text: &'static str| store.write(Work::rows(1), move |tx, _| tx.name(text));
    let (mut one, mut two) = (name("one"), name("two"));
    let _ = (poll(&mut one), poll(&mut two));
    store.close().await.expect("closed");
    assert!(one.await.is_ok() && two.await.is_ok());
    assert_eq!(name("three").await, Err(StoreError::Closed));
    drop(store);
    let log = folder.path().join("store.db-wal");
    assert!(!log.exists() || log.metadata().expect("a file").len() == 0, "the one file is whole");
}

#[tokio::test]
async fn a_store_that_is_dropped_lets_go_of_its_lock() {
    let (folder, store) = on_disk(|_| ());
    store.ping().await.expect("it is open");
    drop(store);
    let options = OpenOptions::file(folder.path().join("store.db"));
    SqliteStore::open_waiting(options, Duration::from_secs(5), |_| ()).expect("it is free soon");
}

#[test]
fn inline_needs_no_runtime() {
    let store = SqliteStore::open(OpenOptions::memory().inline()).expect("a store");
    assert_eq!(poll(&mut store.ping()), Poll::Ready(Ok(())));
}
