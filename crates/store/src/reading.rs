//! Reading sources: what was read of each stream and how far, one page a transaction; runs and gaps; and the budgets
//! that every request to a source is paid from.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::budget::{Account, Allowance, Grant, Word};
use domain::identity::Scope;
use domain::run::{Gap, Run, RunKind, RunState, StreamKey};
use domain::subject::{SubjectRow, SubjectState};
use domain::{ConnectionName, EventId, Origin, RunId, SourceName, Subject, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Verb;
use crate::dispatch::{Claim, Lease};
use crate::intake::{Accepted, NewEvent};
use crate::read::{Listed, Page};

/// Runs kept per stream and kind: the newest. Two days of hourly reconciliations, and enough polls to see a habit.
pub const RUNS_PER_STREAM: u32 = 50;
/// Gaps of one run that are listed one by one; the run's figures count them all.
pub const GAPS_PER_RUN: u32 = 1_000;

/// How far a stream was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    pub key: StreamKey,
    /// The connector format's own state, as JSON; empty at the beginning.
    pub state: Arc<str>,
    /// Where a slice that was begun goes on, as JSON of the engine; `None` where reading begins with a slice.
    pub within: Option<Arc<str>>,
    /// When the first complete scan ended; until then nothing but that scan is told.
    pub baseline_at: Option<Timestamp>,
    pub progress: Progress,
    /// What the engine learned of the stream, in its own form.
    pub learned: Arc<[u8]>,
}

/// What polling a stream came to so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// When it was last asked, and when that last succeeded.
    pub asked_at: Option<Timestamp>,
    pub read_at: Option<Timestamp>,
    /// When it last had something new.
    pub changed_at: Option<Timestamp>,
    pub polls: u64,
    /// Polls that found nothing.
    pub empty: u64,
    pub failed: u64,
    pub changes: u64,
    pub requests: u64,
    /// Requests that were answered that nothing changed since the answer before.
    pub unmodified: u64,
}

/// Adds one or more polls to a stream's [`Progress`].
#[derive(Clone, Debug)]
pub struct Polled {
    pub key: StreamKey,
    /// Times later than those known replace them; counts are added.
    pub progress: Progress,
    /// Replaces what was learned.
    pub learned: Option<Arc<[u8]>>,
}

/// A subject as it was read, remembered without being told.
#[derive(Clone, Debug)]
pub struct Quiet {
    pub subject: Subject,
    pub state: SubjectState,
}

/// What is known of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub row: SubjectRow,
    /// The event that told its state last, if one did.
    pub event: Option<EventId>,
    /// How and when that was learned, as long as the event is kept.
    pub told: Option<(Origin, Timestamp)>,
}

/// Records that were read, and how far that leads.
#[derive(Clone, Debug)]
pub struct ReadPage {
    pub key: StreamKey,
    /// The right to move the stream's checkpoint.
    pub claim: Claim,
    pub events: Vec<NewEvent>,
    pub quiet: Vec<Quiet>,
    /// Where reading goes on once this page is committed; `None` between the pages of a slice.
    pub state: Option<Arc<str>>,
    /// Where the slice goes on once this page is committed: forgotten as soon as the state moves without one.
    pub within: Option<Arc<str>>,
    /// This page ends the first complete scan.
    pub baseline: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunFilter {
    pub source: Option<SourceName>,
    pub connection: Option<ConnectionName>,
    pub stream: Option<String>,
    pub kind: Option<RunKind>,
    pub state: Option<RunState>,
}

/// A budget as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetRow {
    pub scope: Arc<str>,
    pub account: Account,
}

pub trait Reading: Send + Sync + 'static {
    /// Takes a stream to read it: `None` while another's lease holds. Makes its row if there is none.
    fn take_stream(&self, key: StreamKey, lease: Lease, now: Timestamp) -> Verb<'_, Option<(Checkpoint, Claim)>>;

    /// Keeps it for so long from now on. Fenced if it has passed to another.
    fn renew_stream(&self, key: StreamKey, claim: Claim, span: Duration, now: Timestamp) -> Verb<'_, ()>;

    /// Gives it back, so that another may take it at once. Nothing happens if it has passed to another.
    fn leave_stream(&self, key: StreamKey, claim: Claim) -> Verb<'_, ()>;

    /// Commits what was read: events with what they owe, subjects moved quietly, and the checkpoint, all or none.
    /// Fenced if the stream has passed to another.
    fn commit_page(&self, page: ReadPage, now: Timestamp) -> Verb<'_, Vec<Accepted>>;

    /// Begins a stream anew: its state is empty and its first complete scan has not been made. Subjects stay known.
    /// Gives whether there was one.
    fn forget_checkpoint(&self, key: StreamKey) -> Verb<'_, bool>;

    fn note_polls(&self, polls: Vec<Polled>) -> Verb<'_, ()>;

    /// Every stream that was ever taken, by source, connection and stream.
    fn checkpoints(&self, tenant: Tenant, source: Option<SourceName>) -> Verb<'_, Vec<Checkpoint>>;

    /// What is known of subjects, in their order.
    fn known_subjects(&self, scope: Scope, subjects: Vec<Subject>) -> Verb<'_, Vec<Option<Known>>>;

    /// Subjects of an object, those that are gone apart, in the order of their text from behind `after`.
    fn subjects_of(
        &self,
        scope: Scope,
        object: Arc<str>,
        after: Option<Subject>,
        limit: u32,
    ) -> Verb<'_, Vec<(Subject, SubjectRow)>>;

    /// Subjects that the last complete scan of a stream did not have.
    fn absent_subjects(&self, key: StreamKey) -> Verb<'_, Vec<Subject>>;

    /// Replaces them. Fenced if the stream has passed to another.
    fn put_absent_subjects(&self, key: StreamKey, claim: Claim, subjects: Vec<Subject>) -> Verb<'_, ()>;

    /// Keeps a setting (see [`crate::registry::Registry::put_setting`]) on behalf of whoever has this stream. Fenced if
    /// it has passed to another, whose word must not be undone.
    fn put_claimed_setting(&self, key: StreamKey, claim: Claim, name: Arc<str>, value: Bytes) -> Verb<'_, ()>;

    /// Writes a run, replacing the one of its id. Of each stream and kind the newest [`RUNS_PER_STREAM`] stay.
    fn put_run(&self, run: Run) -> Verb<'_, ()>;

    /// Marks runs as interrupted that are running and of which the stream is leased by nobody.
    fn end_lost_runs(&self, now: Timestamp) -> Verb<'_, u32>;

    fn run(&self, tenant: Tenant, id: RunId) -> Verb<'_, Option<Run>>;

    /// Newest first.
    fn runs(&self, tenant: Tenant, filter: RunFilter, page: Page) -> Verb<'_, Listed<Run>>;

    /// Adds gaps of a run; the first [`GAPS_PER_RUN`] of it stay.
    fn add_gaps(&self, gaps: Vec<Gap>) -> Verb<'_, ()>;

    /// The gaps of a run, in the order in which they were found.
    fn gaps(&self, tenant: Tenant, run: RunId) -> Verb<'_, Vec<Gap>>;

    /// Marks gaps of a stream whose event was sighted natively since; gives how many that were.
    fn mark_late(&self, key: StreamKey) -> Verb<'_, u32>;

    /// Reserves requests of a budget: see [`Account::reserve`].
    fn reserve(
        &self,
        tenant: Tenant,
        scope: Arc<str>,
        allowance: Allowance,
        wanted: u32,
        hold: Duration,
        now: Timestamp,
    ) -> Verb<'_, Grant>;

    /// What a source said of a budget counts for every node.
    fn learn_budget(&self, tenant: Tenant, scope: Arc<str>, word: Word, now: Timestamp) -> Verb<'_, ()>;

    /// Every budget that was ever used, by scope.
    fn budgets(&self, tenant: Tenant) -> Verb<'_, Vec<BudgetRow>>;
}
