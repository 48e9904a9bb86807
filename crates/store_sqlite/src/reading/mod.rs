//! What was read of sources, and what it costs: the verbs of [`store::reading::Reading`].

mod budgets;
mod runs;
mod streams;
mod subjects;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::budget::{Allowance, Grant, Word};
use domain::identity::Scope;
use domain::run::{Gap, Run, StreamKey};
use domain::subject::SubjectRow;
use domain::{RunId, SourceName, Subject, Tenant, Timestamp};
use store::Verb;
use store::dispatch::{Claim, Lease};
use store::intake::Accepted;
use store::read::{Listed, Page};
use store::reading::{BudgetRow, Checkpoint, Known, Polled, ReadPage, Reading, RunFilter};
use store::registry::is_shared;

use crate::SqliteStore;
use crate::job::Work;

impl Reading for SqliteStore {
    fn take_stream(&self, key: StreamKey, lease: Lease, now: Timestamp) -> Verb<'_, Option<(Checkpoint, Claim)>> {
        self.write(Work::rows(1), move |tx, _| streams::take(tx, &key, lease, now))
    }

    fn renew_stream(&self, key: StreamKey, claim: Claim, span: Duration, now: Timestamp) -> Verb<'_, ()> {
        self.write(Work::rows(1), move |tx, _| streams::renew(tx, &key, claim, now + span))
    }

    fn leave_stream(&self, key: StreamKey, claim: Claim) -> Verb<'_, ()> {
        self.write(Work::rows(1), move |tx, _| streams::leave(tx, &key, claim))
    }

    fn commit_page(&self, page: ReadPage, now: Timestamp) -> Verb<'_, Vec<Accepted>> {
        let rows = 1 + page.events.len() + page.quiet.len();
        let work = Work::ingest(rows, crate::intake::bytes_of(&page.events));
        self.write(work, move |tx, _| streams::commit(tx, &page, now))
    }

    fn forget_checkpoint(&self, key: StreamKey) -> Verb<'_, bool> {
        self.write(Work::rows(1), move |tx, _| streams::forget(tx, &key))
    }

    fn note_polls(&self, polls: Vec<Polled>) -> Verb<'_, ()> {
        self.write(Work::rows(polls.len()), move |tx, _| polls.iter().try_for_each(|polled| streams::note(tx, polled)))
    }

    fn checkpoints(&self, tenant: Tenant, source: Option<SourceName>) -> Verb<'_, Vec<Checkpoint>> {
        self.read(move |view| streams::list(view, &tenant, source.as_ref()))
    }

    fn known_subjects(&self, scope: Scope, subjects: Vec<Subject>) -> Verb<'_, Vec<Option<Known>>> {
        self.read(move |view| subjects::known(view, &scope, &subjects))
    }

    fn subjects_of(
        &self,
        scope: Scope,
        object: Arc<str>,
        after: Option<Subject>,
        limit: u32,
    ) -> Verb<'_, Vec<(Subject, SubjectRow)>> {
        self.read(move |view| subjects::of_object(view, &scope, &object, after.as_ref(), limit))
    }

    fn absent_subjects(&self, key: StreamKey) -> Verb<'_, Vec<Subject>> {
        self.read(move |view| subjects::absent(view, &key))
    }

    fn put_absent_subjects(&self, key: StreamKey, claim: Claim, subjects: Vec<Subject>) -> Verb<'_, ()> {
        self.write(Work::rows(1 + subjects.len()), move |tx, _| subjects::put_absent(tx, &key, claim, &subjects))
    }

    fn put_claimed_setting(&self, key: StreamKey, claim: Claim, name: Arc<str>, value: Bytes) -> Verb<'_, ()> {
        if is_shared(&name) {
            self.shared.nodes.note_configured();
        }
        self.write(Work::ingest(1, value.len()), move |tx, _| streams::put_setting(tx, &key, claim, (&name, &value)))
    }

    fn put_run(&self, run: Run) -> Verb<'_, ()> {
        self.write(Work::rows(1), move |tx, _| runs::put(tx, &run))
    }

    fn end_lost_runs(&self, now: Timestamp) -> Verb<'_, u32> {
        self.write(Work::rows(1), move |tx, _| runs::end_lost(tx, now))
    }

    fn run(&self, tenant: Tenant, id: RunId) -> Verb<'_, Option<Run>> {
        self.read(move |view| runs::one(view, &tenant, id))
    }

    fn runs(&self, tenant: Tenant, filter: RunFilter, page: Page) -> Verb<'_, Listed<Run>> {
        self.read(move |view| runs::list(view, &tenant, &filter, &page))
    }

    fn add_gaps(&self, gaps: Vec<Gap>) -> Verb<'_, ()> {
        self.write(Work::rows(gaps.len()), move |tx, _| runs::add_gaps(tx, &gaps))
    }

    fn gaps(&self, tenant: Tenant, run: RunId) -> Verb<'_, Vec<Gap>> {
        self.read(move |view| runs::gaps(view, &tenant, run))
    }

    fn mark_late(&self, key: StreamKey) -> Verb<'_, u32> {
        self.write(Work::rows(1), move |tx, _| runs::mark_late(tx, &key))
    }

    fn reserve(
        &self,
        tenant: Tenant,
        scope: Arc<str>,
        allowance: Allowance,
        wanted: u32,
        hold: Duration,
        now: Timestamp,
    ) -> Verb<'_, Grant> {
        self.write(Work::rows(1), move |tx, _| {
            budgets::change(tx, (&tenant, &scope), |account| account.reserve(Some(&allowance), wanted, hold, now))
        })
    }

    fn learn_budget(&self, tenant: Tenant, scope: Arc<str>, word: Word, now: Timestamp) -> Verb<'_, ()> {
        self.write(Work::rows(1), move |tx, _| {
            budgets::change(tx, (&tenant, &scope), |account| account.learn(word, now))
        })
    }

    fn budgets(&self, tenant: Tenant) -> Verb<'_, Vec<BudgetRow>> {
        self.read(move |view| budgets::list(view, &tenant))
    }
}
