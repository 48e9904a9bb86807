//! Group commit: all that has gathered in one transaction, or, when one of them fails, each in its own.

use std::sync::atomic::Ordering;

use store::StoreError;

use crate::connection::FRESH_FROM;
use crate::failure::Failure;
use crate::job::{Company, Job};
use crate::query::Query;
use crate::statements::Statements;
use crate::tx::{Memory, Tx};

/// Deliveries between two notes of where fresh ones begin: what a start has to look through at most, some
/// milliseconds, against one small write per so many.
const FRESH_NOTE_EVERY: i64 = 8_192;

/// The transaction side of the writer: one connection's statements and the writer's memory.
pub(crate) struct Committer<'c, 'm> {
    pub(crate) sql: Statements<'c>,
    pub(crate) memory: &'m mut Memory,
}

impl Committer<'_, '_> {
    /// Runs and answers every job. An error means that the disk failed and nothing may be written any more.
    pub(crate) fn commit(&mut self, jobs: Vec<Box<dyn Job>>) -> Result<(), StoreError> {
        if let Some(error) = self.memory.shared.failure().cloned() {
            return Err(self.fail(jobs, error));
        }
        let mut jobs = self.refuse_without_room(jobs);
        if jobs.is_empty() {
            return Ok(());
        }
        match self.together(&mut jobs, Company::Group) {
            Ok(()) => answer_all(jobs, &Ok(())),
            Err(Failure::Io(text)) => return Err(self.fail(jobs, StoreError::Io(text))),
            Err(failure) if jobs.len() == 1 && jobs[0].work().rows <= 1 => answer_all(jobs, &Err(failure.into())),
            Err(_) => return self.one_by_one(jobs),
        }
        Ok(())
    }

    /// A bad row fails alone: every job in a transaction of its own.
    fn one_by_one(&mut self, jobs: Vec<Box<dyn Job>>) -> Result<(), StoreError> {
        let mut jobs = jobs.into_iter();
        while let Some(job) = jobs.next() {
            let mut alone = vec![job];
            match self.together(&mut alone, Company::Alone) {
                Ok(()) => answer_all(alone, &Ok(())),
                Err(Failure::Io(text)) => {
                    alone.extend(jobs);
                    return Err(self.fail(alone, StoreError::Io(text)));
                }
                Err(failure) => answer_all(alone, &Err(failure.into())),
            }
        }
        Ok(())
    }

    /// One transaction. Whatever fails in it, nothing of it happened.
    fn together(&mut self, jobs: &mut [Box<dyn Job>], company: Company) -> Result<(), Failure> {
        let ended = self.run(jobs, company);
        if ended.is_err() {
            self.memory.undo_to(0);
            if !self.sql.connection().is_autocommit() {
                // A rollback that fails leaves a transaction that the next BEGIN will fail on, and say so.
                let _ = self.sql.execute(Query::rollback, []);
            }
            return ended;
        }
        self.memory.committed();
        let rows: usize = jobs.iter().map(|job| job.work().rows).sum();
        self.memory.shared.commits.fetch_add(1, Ordering::Relaxed);
        self.memory.shared.committed.fetch_add(rows as u64, Ordering::Relaxed);
        Ok(())
    }

    fn run(&mut self, jobs: &mut [Box<dyn Job>], company: Company) -> Result<(), Failure> {
        self.sql.execute(Query::begin, [])?;
        for job in jobs {
            job.run(&mut Tx { sql: &mut self.sql, memory: self.memory }, company)?;
        }
        self.note_fresh()?;
        self.sql.execute(Query::commit, [])?;
        Ok(())
    }

    /// Now and then, writes down below which number no delivery is fresh, so that a start need not look there.
    fn note_fresh(&mut self) -> Result<(), Failure> {
        if self.memory.next_delivery - self.memory.fresh_from < 2 * FRESH_NOTE_EVERY {
            return Ok(());
        }
        let from = self.memory.shared.claims.first_fresh().unwrap_or(self.memory.next_delivery);
        if from - self.memory.fresh_from >= FRESH_NOTE_EVERY {
            self.sql.execute(Query::put_counter, rusqlite::params![FRESH_FROM, from])?;
            self.memory.fresh_from = from;
        }
        Ok(())
    }

    /// Refuses what brings new data in while less than the reserve is free; gives the rest.
    fn refuse_without_room(&self, jobs: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
        let reserve = self.memory.shared.options.disk_reserve_bytes;
        if reserve == 0 || !jobs.iter().any(|job| job.work().ingest) {
            return jobs;
        }
        // Once per group, which is once per sync: the call costs a hundredth of it.
        let Some(free) = self.memory.shared.disk_free().filter(|free| *free < reserve) else { return jobs };
        let (refused, rest): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.work().ingest);
        let text = format!("{free} bytes are free, and {reserve} are kept back for what was already accepted");
        answer_all(refused, &Err(StoreError::DiskFull(text)));
        rest
    }

    /// The disk failed: tells everyone in the group, and whoever comes after.
    fn fail(&self, jobs: Vec<Box<dyn Job>>, error: StoreError) -> StoreError {
        let error = self.memory.shared.fail(error);
        answer_all(jobs, &Err(error.clone()));
        error
    }
}

fn answer_all(jobs: Vec<Box<dyn Job>>, end: &Result<(), StoreError>) {
    for job in jobs {
        job.answer(end.clone());
    }
}

#[cfg(test)]
mod tests;
