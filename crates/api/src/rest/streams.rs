//! Streams that are read by themselves: how each stands, and having one read now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::run::StreamKey;
use domain::{ConnectionName, RunId, SourceName, Timestamp};
use engine::access::Caller;
use engine::definition::write_stream;
use engine::spec::Start;
use engine::streams::{RunPlace, StreamView as Known, Wish};
use engine::subscriptions::Covering;
use engine::topology::Topology;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::runs::RunView;
use crate::app::App;
use crate::cursor::{Listing, Mark, page_by_name};
use crate::extract::{Json as Body, NamedThree, Params};
use crate::problem::{Code, Fault, Problem};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct StreamsQuery {
    #[param(value_type = Option<String>)]
    source: Option<SourceName>,
    #[param(value_type = Option<String>)]
    connection: Option<ConnectionName>,
    /// 1 to 500; default 50.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// One stream of one connection, and how reading it goes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stream)]
pub struct StreamView {
    #[schema(value_type = String)]
    source: SourceName,
    #[schema(value_type = String)]
    connection: ConnectionName,
    stream: String,
    /// `poll`, `reconcile`, `start` and `overlap`, as they are configured or by default.
    #[schema(value_type = Object)]
    definition: Value,
    /// It is being read.
    running: bool,
    /// Of a first scan, a reconciliation or what a person asked for, while this node reads it: where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<PlaceView>,
    /// Where its source subscribes to webhooks. `covers`: a working subscription tells its changes, so its polls rest;
    /// else it is polled, for `failing`: none works now, `not_told`: no topic means its changes, `unsupported`: the
    /// connector does not say how to subscribe.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription: Option<&'static str>,
    /// Absent while it is read, while its polls rest, and where a shared budget decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_poll_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_reconcile_at: Option<Timestamp>,
    /// When the first complete scan ended; until then only that is told of it, and changes of what was known before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    baseline_at: Option<Timestamp>,
    /// Where the next poll begins, in the connector format's own form.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    state: Option<Value>,
    /// When it was last asked, when that last succeeded, and when that last found something.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    asked_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    read_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    changed_at: Option<Timestamp>,
    /// Since it was last read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_seconds: Option<f64>,
    polls: u64,
    /// Of these: those that found nothing, and those that failed.
    empty: u64,
    failed: u64,
    failures_in_a_row: u32,
    /// Changes that polls found, and requests that they took.
    changes: u64,
    requests: u64,
    /// Of these: those that were answered that nothing changed since the answer before (304).
    unmodified: u64,
    /// The share of polls that found nothing, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    waste: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_per_change: Option<f64>,
    /// Estimated where polls share a budget, else as counted; absent in the first minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes_per_hour: Option<f64>,
}

/// Where a run is that goes on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunPlace)]
pub struct PlaceView {
    #[schema(value_type = String)]
    id: RunId,
    /// poll, backfill or reconcile.
    kind: &'static str,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// Pages and records read so far; of a backfill that was broken off and goes on, those from before too.
    pages: u64,
    seen: u64,
    /// The slice of the last page that was read, with its partition and its window, as the connector has them.
    #[serde(skip_serializing_if = "Value::is_null")]
    #[schema(value_type = Option<Object>)]
    slice: Value,
}

impl From<RunPlace> for PlaceView {
    fn from(place: RunPlace) -> Self {
        let RunPlace { run, kind, started_at, figures, slice } = place;
        Self { id: run, kind: kind.as_str(), started_at, pages: figures.pages, seen: figures.seen, slice }
    }
}

impl StreamView {
    fn of(known: Known, topology: &Topology, now: Timestamp) -> Self {
        let progress = known.progress;
        let source = topology.source(known.key.tenant.as_str(), known.key.source.as_str());
        Self {
            run: known.run.clone().map(PlaceView::from),
            definition: source.map_or_else(
                || write_stream(&known.spec),
                |source| source.shown_stream(&known.key.stream, &known.spec),
            ),
            running: known.running,
            subscription: known.covering.map(Covering::as_str),
            next_poll_at: known.next_at,
            next_reconcile_at: known.reconcile_at,
            baseline_at: known.baseline_at,
            state: serde_json::from_str(&known.state).ok(),
            asked_at: progress.asked_at,
            read_at: progress.read_at,
            changed_at: progress.changed_at,
            lag_seconds: known.lag(now).map(|lag| lag.as_secs_f64()),
            polls: progress.polls,
            empty: progress.empty,
            failed: progress.failed,
            failures_in_a_row: known.failures,
            changes: progress.changes,
            requests: progress.requests,
            unmodified: progress.unmodified,
            waste: known.waste(),
            requests_per_change: known.requests_per_change(),
            changes_per_hour: known.changes_per_hour,
            stream: known.key.stream.to_string(),
            source: known.key.source,
            connection: known.key.connection,
        }
    }
}

/// How to reconcile.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReconcileWish {
    /// Only report: no event is made, and nothing is remembered.
    dry_run: bool,
    /// Tell as many deletions as there are. Look at the run that waits for it first.
    confirm_deletes: bool,
}

/// What a first scan made once more tells of records that are not known yet. Known ones are told if they changed since
/// they were read last, whatever it says, and never again as they are. If it breaks off, the next one keeps to it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackfillWish {
    /// `now`: none of them; `all`: all; a time: those that changed since.
    start: String,
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<StreamsQuery>,
) -> Answer<Listing<StreamView>> {
    let StreamsQuery { source, connection, limit, cursor } = query;
    let mark = Mark::of("streams", &caller.tenant, &(&source, &connection));
    let wanted = |key: &StreamKey| {
        source.as_ref().is_none_or(|name| *name == key.source)
            && connection.as_ref().is_none_or(|name| *name == key.connection)
    };
    let now = app.engine.clock().now();
    let known = app.engine.streams(&caller.tenant).await?;
    let known = known.into_iter().filter(|known| wanted(&known.key));
    let topology = app.engine.topology();
    let views = known.map(|known| (place(&known.key), StreamView::of(known, &topology, now))).collect();
    page_by_name(mark, views, limit, cursor.as_deref()).map(Json)
}

/// A name by which streams are in their order; no name of a source or a connection has a space.
fn place(key: &StreamKey) -> String {
    format!("{} {} {}", key.source, key.connection, key.stream)
}

type Place = NamedThree<SourceName, ConnectionName, String>;

fn key_of(caller: Caller, NamedThree(source, connection, stream): Place) -> StreamKey {
    StreamKey { tenant: caller.tenant, source, connection, stream: Arc::from(stream) }
}

pub async fn get(State(app): State<App>, caller: Caller, place: Place) -> Answer<StreamView> {
    let key = key_of(caller, place);
    let known = app.engine.streams(&key.tenant).await?.into_iter().find(|known| known.key == key);
    let detail = "The stream is not configured, and nobody has had it read since the start.";
    let known = known.ok_or_else(|| Code::NotFound.because(detail))?;
    Ok(Json(StreamView::of(known, &app.engine.topology(), app.engine.clock().now())))
}

pub async fn poll(State(app): State<App>, caller: Caller, place: Place) -> Result<Response, Problem> {
    begin(&app, key_of(caller, place), Wish::Poll).await
}

pub async fn reconcile(
    State(app): State<App>,
    caller: Caller,
    place: Place,
    Body(wish): Body<ReconcileWish>,
) -> Result<Response, Problem> {
    let wish = Wish::Reconcile { dry: wish.dry_run, deletes_confirmed: wish.confirm_deletes };
    begin(&app, key_of(caller, place), wish).await
}

pub async fn backfill(
    State(app): State<App>,
    caller: Caller,
    place: Place,
    Body(wish): Body<BackfillWish>,
) -> Result<Response, Problem> {
    let start: Start = wish.start.parse().map_err(|detail: String| {
        let fault = Fault { field: "start".to_owned(), detail };
        Code::InvalidBody.because(format!("'start': {}.", fault.detail)).with(vec![fault])
    })?;
    begin(&app, key_of(caller, place), Wish::Backfill(start)).await
}

async fn begin(app: &App, key: StreamKey, wish: Wish) -> Result<Response, Problem> {
    let run = app.engine.order_stream(key, wish).await?;
    Ok((StatusCode::ACCEPTED, Json(RunView::from(run))).into_response())
}
