//! Groups with a bad row, a full disk and a failing one.

use std::sync::Arc;

use tokio::sync::oneshot::Receiver;

use super::*;
use crate::connection::{open_writer, recover};
use crate::job::{Work, job};
use crate::options::OpenOptions;
use crate::shared::Shared;
use domain::{DeliveryId, Timestamp};
use store::dispatch::{Claim, Owner};
use uuid::Uuid;

type Answer = Receiver<Result<i64, StoreError>>;

/// A job that names something, claims something and gives the name's number, or fails after both.
fn naming(name: &'static str, failure: Option<Failure>) -> (Box<dyn Job>, Answer) {
    job(Work::rows(2), move |tx, _| {
        let id = tx.name(name)?;
        let seq = id + 1_000;
        let claim = Claim { owner: Owner(1), generation: 1 };
        let held = crate::claims::Held {
            seq,
            tenant: 1,
            destination: 1,
            claim,
            until: Timestamp::NEVER,
            state: crate::code::Stored::Pending,
            attempts: 0,
            tried: 0,
            lane: None,
        };
        tx.claim(DeliveryId::from_uuid(Uuid::from_u128(u128::try_from(seq).expect("positive"))), held);
        failure.clone().map_or(Ok(id), Err)
    })
}

fn refused() -> Failure {
    Failure::Row(StoreError::Refused("bad".to_owned()))
}

/// The group's end, the answers, how many are named and claimed after it, and the commits that took.
type Outcome = (Result<(), StoreError>, Vec<Result<i64, StoreError>>, i64, usize, u64);

/// Commits jobs as one group.
fn commit(jobs: Vec<(Box<dyn Job>, Answer)>) -> Outcome {
    let options = OpenOptions::memory();
    let connection = open_writer(&options).expect("a store");
    let shared = Arc::new(Shared::new(options));
    let mut memory = Memory::new(shared.clone());
    let mut sql = Statements::new(&connection, shared.statements.clone());
    recover(&mut Tx { sql: &mut sql, memory: &mut memory }).expect("recovered");
    let (jobs, answers): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
    let end = Committer { sql, memory: &mut memory }.commit(jobs);
    let answers = answers.into_iter().map(|mut answer| answer.try_recv().expect("everyone is answered")).collect();
    let named = connection.query_row("SELECT count(*) FROM names", [], |row| row.get(0)).expect("a count");
    let claimed = shared.claims.select(|_| true).len();
    (end, answers, named, claimed, shared.commits.load(Ordering::Relaxed))
}

#[test]
fn a_good_group_is_one_commit() {
    let (end, answers, named, claimed, commits) = commit(vec![naming("a", None), naming("b", None), naming("a", None)]);
    assert_eq!(end, Ok(()));
    assert_eq!(answers, [Ok(1), Ok(2), Ok(1)]);
    assert_eq!((named, claimed, commits), (2, 2, 1));
}

#[test]
fn a_bad_row_fails_alone_and_leaves_nothing_in_memory_either() {
    let (end, answers, named, claimed, commits) =
        commit(vec![naming("a", None), naming("bad", Some(refused())), naming("b", None)]);
    assert_eq!(end, Ok(()));
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert_eq!(answers[1], Err(StoreError::Refused("bad".to_owned())));
    assert_eq!((named, claimed, commits), (2, 2, 2), "the good ones are committed one by one");
}

#[test]
fn a_full_disk_fails_what_does_not_fit_and_nothing_else() {
    let full = Failure::Full("no room".to_owned());
    let (end, answers, named, _, _) = commit(vec![naming("a", Some(full)), naming("b", None)]);
    assert_eq!((end, named), (Ok(()), 1));
    assert_eq!(answers[0], Err(StoreError::DiskFull("no room".to_owned())));
    assert!(answers[1].is_ok());
}

#[test]
fn a_failing_disk_fails_everyone_and_ends_the_writing() {
    let io = || Failure::Io("sync".to_owned());
    for jobs in [
        vec![naming("a", None), naming("b", Some(io())), naming("c", None)],
        // It fails while the group is retried one by one.
        vec![naming("bad", Some(refused())), naming("b", Some(io())), naming("c", None)],
    ] {
        let (end, answers, _, _, _) = commit(jobs);
        assert_eq!(end, Err(StoreError::Io("sync".to_owned())));
        assert_eq!(answers.last(), Some(&Err(StoreError::Io("sync".to_owned()))));
        assert!(answers.iter().all(Result::is_err));
    }
}

#[test]
fn parts_of_a_job_alone_fail_apart() {
    let (job, answer) = job(Work::rows(3), |tx: &mut Tx<'_, '_>, company| {
        let mut good = 0;
        for name in ["a", "bad", "b"] {
            let part = tx.part(|tx| {
                let id = tx.name(name)?;
                if name == "bad" { Err(refused()) } else { Ok(id) }
            });
            match part {
                Ok(_) => good += 1,
                Err(failure) if company == Company::Group => return Err(failure),
                Err(_) => {}
            }
        }
        Ok(good)
    });
    let (end, answers, named, _, _) = commit(vec![(job, answer)]);
    assert_eq!((end, answers, named), (Ok(()), vec![Ok(2)], 2));
}
