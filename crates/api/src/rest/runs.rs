//! Runs: polls, first scans and reconciliations of streams, with what each came to and the gaps it found.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use domain::run::{Gap, Run, RunFigures, RunKind, RunState, Trust};
use domain::{ConnectionName, EventId, RunId, SourceName, Timestamp};
use engine::access::Caller;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::reading::RunFilter;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use crate::app::App;
use crate::cursor::{Listing, Mark, list_error};
use crate::extract::{Named, Params};
use crate::problem::Problem;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RunsQuery {
    #[param(value_type = Option<String>)]
    source: Option<SourceName>,
    #[param(value_type = Option<String>)]
    connection: Option<ConnectionName>,
    stream: Option<String>,
    /// poll, backfill or reconcile.
    #[param(value_type = Option<String>)]
    kind: Option<RunKind>,
    /// running, done, failed, interrupted or waiting.
    #[param(value_type = Option<String>)]
    state: Option<RunState>,
    /// 1 to 500; default 50.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// One poll, first scan or reconciliation. Polls that find nothing are counted, not listed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Run)]
pub struct RunView {
    #[schema(value_type = String)]
    id: RunId,
    #[schema(value_type = String)]
    source: SourceName,
    #[schema(value_type = String)]
    connection: ConnectionName,
    stream: String,
    /// poll, backfill or reconcile.
    kind: &'static str,
    /// It only reports.
    dry_run: bool,
    /// running; done; failed: what was read counts, and the next run reads the rest; interrupted: its process ended;
    /// waiting: it would tell more deletions than it may, so a person has to confirm them; or one has, and not all are
    /// certain yet.
    state: &'static str,
    /// Why it failed, what it waits for, or, of one that is done, why it did not look for what is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    figures: FiguresView,
    /// Of one that goes on at this node: the slice of the last page that was read, with its partition and its window, as
    /// the connector has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    slice: Option<Value>,
    /// Of reconciliations that had something to judge by.
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<TrustView>,
}

/// What a run counted; of one that goes on, so far.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunFigures)]
pub struct FiguresView {
    /// Sent to the source, those that it refused included.
    requests: u64,
    /// Of these: those that were answered that nothing changed since the answer before (304).
    unmodified: u64,
    /// Records read.
    seen: u64,
    /// Pages of records read; of a backfill that was broken off and goes on, those from before too, as with `seen`.
    pages: u64,
    /// Events made.
    told: u64,
    /// Records whose state was known.
    matched: u64,
    /// Changes that nobody had told, though they are old enough to have been.
    missed: u64,
    /// Changes that nobody had told, and too young to be judged yet; none where records have no time of a change.
    young: u64,
    /// Of earlier gaps: those whose webhook came after all.
    late: u64,
    /// Records that changed without a new version.
    changed: u64,
    /// Records that are gone.
    deleted: u64,
    /// Records that seem to be gone, but are not confirmed to be.
    unconfirmed: u64,
}

/// How far the sender's webhooks can be relied on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Trust)]
pub struct TrustView {
    /// The share of the changes looked at that a webhook had told, from 0 to 1.
    caught: f64,
    /// Between a change and its webhook; absent where records have no time of their change.
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_p50_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_p99_seconds: Option<f64>,
}

/// A run with what it found missing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunDetail)]
pub struct RunDetailView {
    #[serde(flatten)]
    run: RunView,
    /// The first thousand, in the order in which they were found.
    gaps: Vec<GapView>,
}

/// A change that nobody had told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Gap)]
pub struct GapView {
    subject: String,
    /// created, updated or deleted.
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    version: Option<domain::Version>,
    /// The event that was made of it; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    event: Option<EventId>,
    #[schema(value_type = String, format = DateTime)]
    found_at: Timestamp,
    /// When its webhook came after all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    late_at: Option<Timestamp>,
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            source: run.key.source,
            connection: run.key.connection,
            stream: run.key.stream.to_string(),
            kind: run.kind.as_str(),
            dry_run: run.dry,
            state: run.state.as_str(),
            problem: run.problem,
            started_at: run.started_at,
            finished_at: run.finished_at,
            figures: run.figures.into(),
            slice: None,
            trust: run.trust.map(Into::into),
        }
    }
}

impl RunView {
    /// With what is known only while it goes on.
    fn of(app: &App, run: Run) -> Self {
        let place = app.engine.stream_orders().place(&run.key).filter(|place| place.run == run.id);
        let slice = place.map(|place| place.slice).filter(|slice| !slice.is_null());
        Self { slice, ..run.into() }
    }
}

impl From<RunFigures> for FiguresView {
    fn from(figures: RunFigures) -> Self {
        let RunFigures {
            requests,
            unmodified,
            seen,
            pages,
            told,
            matched,
            missed,
            young,
            late,
            changed,
            deleted,
            unconfirmed,
        } = figures;
        Self { requests, unmodified, seen, pages, told, matched, missed, young, late, changed, deleted, unconfirmed }
    }
}

impl From<Trust> for TrustView {
    fn from(trust: Trust) -> Self {
        let seconds = |delay: Option<Duration>| delay.map(|delay| delay.as_secs_f64());
        Self {
            caught: trust.caught,
            delay_p50_seconds: seconds(trust.delay_p50),
            delay_p99_seconds: seconds(trust.delay_p99),
        }
    }
}

impl From<Gap> for GapView {
    fn from(gap: Gap) -> Self {
        Self {
            subject: gap.subject.to_string(),
            action: gap.action.as_str(),
            version: gap.version,
            event: gap.event,
            found_at: gap.found_at,
            late_at: gap.late_at,
        }
    }
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<RunsQuery>,
) -> Answer<Listing<RunView>> {
    let RunsQuery { source, connection, stream, kind, state, limit, cursor } = query;
    let filter = RunFilter { source, connection, stream, kind, state };
    let mark = Mark::of("runs", &caller.tenant, &filter);
    let page = mark.page(limit, cursor.as_deref())?;
    let listed = app.store().runs(caller.tenant, filter, page).await;
    let listed = listed.map_err(|error| list_error(error, cursor.as_ref()))?;
    Ok(Json(mark.listing(listed, |run| RunView::of(&app, run))))
}

pub async fn get(State(app): State<App>, caller: Caller, Named(id): Named<RunId>) -> Answer<RunDetailView> {
    let run = app.store().run(caller.tenant.clone(), id).await?;
    let run = run.ok_or_else(|| Problem::not_found("run", id))?;
    let gaps = app.store().gaps(caller.tenant, id).await?;
    Ok(Json(RunDetailView { run: RunView::of(&app, run), gaps: gaps.into_iter().map(Into::into).collect() }))
}
