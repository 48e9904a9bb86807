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

use crate::PostgresStore;

impl Reading for PostgresStore {
    fn take_stream(&self, key: StreamKey, lease: Lease, now: Timestamp) -> Verb<'_, Option<(Checkpoint, Claim)>> {
        self.verb(move |inner| async move { streams::take(&inner, &key, lease, now).await })
    }

    fn renew_stream(&self, key: StreamKey, claim: Claim, span: Duration, now: Timestamp) -> Verb<'_, ()> {
        self.verb(move |inner| async move { streams::renew(&inner, &key, claim, (span, now)).await })
    }

    fn leave_stream(&self, key: StreamKey, claim: Claim) -> Verb<'_, ()> {
        self.verb(move |inner| async move { streams::leave(&inner, &key, claim).await })
    }

    fn commit_page(&self, page: ReadPage, now: Timestamp) -> Verb<'_, Vec<Accepted>> {
        self.claiming(move |inner| async move { streams::commit(&inner, &page, now).await })
    }

    fn forget_checkpoint(&self, key: StreamKey) -> Verb<'_, bool> {
        self.verb(move |inner| async move { streams::forget(&inner, &key).await })
    }

    fn note_polls(&self, polls: Vec<Polled>) -> Verb<'_, ()> {
        self.verb(move |inner| async move { streams::note(&inner, &polls).await })
    }

    fn checkpoints(&self, tenant: Tenant, source: Option<SourceName>) -> Verb<'_, Vec<Checkpoint>> {
        self.verb(move |inner| async move { streams::list(&inner, &tenant, source.as_ref()).await })
    }

    fn known_subjects(&self, scope: Scope, subjects: Vec<Subject>) -> Verb<'_, Vec<Option<Known>>> {
        self.verb(move |inner| async move { subjects::known(&inner, &scope, &subjects).await })
    }

    fn subjects_of(
        &self,
        scope: Scope,
        object: Arc<str>,
        after: Option<Subject>,
        limit: u32,
    ) -> Verb<'_, Vec<(Subject, SubjectRow)>> {
        self.verb(move |inner| async move { subjects::of_object(&inner, &scope, &object, after.as_ref(), limit).await })
    }

    fn absent_subjects(&self, key: StreamKey) -> Verb<'_, Vec<Subject>> {
        self.verb(move |inner| async move { subjects::absent(&inner, &key).await })
    }

    fn put_absent_subjects(&self, key: StreamKey, claim: Claim, subjects: Vec<Subject>) -> Verb<'_, ()> {
        self.verb(move |inner| async move { subjects::put_absent(&inner, &key, claim, &subjects).await })
    }

    fn put_claimed_setting(&self, key: StreamKey, claim: Claim, name: Arc<str>, value: Bytes) -> Verb<'_, ()> {
        self.verb(move |inner| async move { streams::put_setting(&inner, &key, claim, (&name, &value)).await })
    }

    fn put_run(&self, run: Run) -> Verb<'_, ()> {
        self.verb(move |inner| async move { runs::put(&inner, &run).await })
    }

    fn end_lost_runs(&self, now: Timestamp) -> Verb<'_, u32> {
        self.verb(move |inner| async move { runs::end_lost(&inner, now).await })
    }

    fn run(&self, tenant: Tenant, id: RunId) -> Verb<'_, Option<Run>> {
        self.verb(move |inner| async move { runs::one(&inner, &tenant, id).await })
    }

    fn runs(&self, tenant: Tenant, filter: RunFilter, page: Page) -> Verb<'_, Listed<Run>> {
        self.verb(move |inner| async move {
            let inline = inner.options.inline;
            let (tenant, filter, page) = (&tenant, &filter, &page);
            inner.read(|session| async move { runs::list(&session, tenant, filter, page, inline).await }).await
        })
    }

    fn add_gaps(&self, gaps: Vec<Gap>) -> Verb<'_, ()> {
        self.verb(move |inner| async move { runs::add_gaps(&inner, &gaps).await })
    }

    fn gaps(&self, tenant: Tenant, run: RunId) -> Verb<'_, Vec<Gap>> {
        self.verb(move |inner| async move { runs::gaps(&inner, &tenant, run).await })
    }

    fn mark_late(&self, key: StreamKey) -> Verb<'_, u32> {
        self.verb(move |inner| async move { runs::mark_late(&inner, &key).await })
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
        self.verb(move |inner| async move {
            let reserve = |account: &mut domain::budget::Account| account.reserve(Some(&allowance), wanted, hold, now);
            budgets::change(&inner, (&tenant, &scope), reserve).await
        })
    }

    fn learn_budget(&self, tenant: Tenant, scope: Arc<str>, word: Word, now: Timestamp) -> Verb<'_, ()> {
        self.verb(move |inner| async move {
            budgets::change(&inner, (&tenant, &scope), |account| account.learn(word, now)).await
        })
    }

    fn budgets(&self, tenant: Tenant) -> Verb<'_, Vec<BudgetRow>> {
        self.verb(move |inner| async move { budgets::list(&inner, &tenant).await })
    }
}
