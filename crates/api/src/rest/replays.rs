//! Replays: new deliveries from stored events, as a job with a plan, progress and cancel.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::{ConnectionName, DestinationName, EventId, Origin, ReplayId, SourceName, Timestamp};
use engine::audit::Told;
use engine::replay::{ReplayPlan, ReplayRequest};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::people::{Replay, ReplaySelection};
use store::read::EventFilter;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use crate::app::App;
use crate::cursor::{Listing, Mark, list_error};
use crate::extract::{Json as Body, Named, Params};
use crate::problem::{Code, Problem};
use engine::access::Caller;

/// Which events to repeat: `event_ids` or `filter`, one of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReplay {
    #[schema(value_type = Option<Vec<String>>)]
    event_ids: Option<Vec<EventId>>,
    /// All that match; `{}` is every event.
    filter: Option<ReplayFilter>,
    /// Only to this destination; else along every route that takes the event.
    #[schema(value_type = Option<String>)]
    destination: Option<DestinationName>,
    /// Deliveries a second at most.
    rate: Option<u32>,
    /// Only say what it would do.
    #[serde(default)]
    dry_run: bool,
    /// Give the messages new ids, so that receivers which deduplicate take them as new.
    #[serde(default)]
    new_ids: bool,
}

/// The filters of the event list.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReplayFilter {
    #[schema(value_type = Option<String>)]
    source: Option<SourceName>,
    #[schema(value_type = Option<String>)]
    connection: Option<ConnectionName>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    subject: Option<String>,
    #[schema(value_type = Option<String>)]
    origin: Option<Origin>,
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    q: Option<String>,
}

impl From<ReplayFilter> for EventFilter {
    fn from(filter: ReplayFilter) -> Self {
        let ReplayFilter { source, connection, event_type, subject, origin, since, until, q } = filter;
        Self { source, connection, event_type, subject, origin, since, until, q }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Replay)]
pub struct ReplayView {
    #[schema(value_type = String)]
    id: ReplayId,
    /// running, done or cancelled.
    state: &'static str,
    #[schema(value_type = Option<String>)]
    destination: Option<DestinationName>,
    rate: Option<u32>,
    new_ids: bool,
    /// Events that matched when it was planned.
    planned: u64,
    events_done: u64,
    deliveries_made: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

impl From<Replay> for ReplayView {
    fn from(replay: Replay) -> Self {
        Self {
            id: replay.id,
            state: replay.state.as_str(),
            destination: replay.destination,
            rate: replay.rate,
            new_ids: replay.new_ids,
            planned: replay.planned,
            events_done: replay.events_done,
            deliveries_made: replay.deliveries_made,
            created_at: replay.created_at,
            finished_at: replay.finished_at,
        }
    }
}

/// What a replay would do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReplayPlan)]
pub struct PlanView {
    events: u64,
    /// All events were counted; if not, there are at least so many.
    exact: bool,
    /// The routes it would go along.
    routes: Vec<String>,
}

impl From<ReplayPlan> for PlanView {
    fn from(plan: ReplayPlan) -> Self {
        Self { events: plan.events, exact: plan.exact, routes: plan.routes }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ReplaysQuery {
    /// 1 to 500; default 50.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

pub async fn create(State(app): State<App>, caller: Caller, Body(new): Body<NewReplay>) -> Result<Response, Problem> {
    let selection = match (new.event_ids, new.filter) {
        (Some(ids), None) => ReplaySelection::Events(ids),
        (None, Some(filter)) => ReplaySelection::Filter(filter.into()),
        _ => return Err(Code::ReplayInvalid.because("Give either 'event_ids' or 'filter'.")),
    };
    if let Some(name) = &new.destination
        && app.engine.topology().destination(caller.tenant.as_str(), name.as_str()).is_none()
    {
        return Err(Problem::not_found("destination", name));
    }
    let (tenant, rate, new_ids) = (caller.tenant, new.rate, new.new_ids);
    let request = ReplayRequest { tenant, selection, destination: new.destination, rate, new_ids };
    if new.dry_run {
        let plan = app.engine.plan_replay(&request).await?;
        let told = Told { object: None, detail: "only a plan".to_owned() };
        return Ok((Extension(told), Json(PlanView::from(plan))).into_response());
    }
    let replay = app.engine.start_replay(request).await?;
    let told = Told { object: Some(format!("replay/{}", replay.id)), detail: format!("{} events", replay.planned) };
    Ok((StatusCode::ACCEPTED, Extension(told), Json(ReplayView::from(replay))).into_response())
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ReplaysQuery>,
) -> Answer<Listing<ReplayView>> {
    let ReplaysQuery { limit, cursor } = query;
    let mark = Mark::of("replays", &caller.tenant, &());
    let page = mark.page(limit, cursor.as_deref())?;
    let listed = app.store().replays(caller.tenant, page).await;
    let listed = listed.map_err(|error| list_error(error, cursor.as_ref()))?;
    Ok(Json(mark.listing(listed, Into::into)))
}

pub async fn get(State(app): State<App>, caller: Caller, Named(id): Named<ReplayId>) -> Answer<ReplayView> {
    let replay = app.store().replay(caller.tenant, id).await?;
    replay.map(|replay| Json(replay.into())).ok_or_else(|| Problem::not_found("replay", id))
}

pub async fn cancel(State(app): State<App>, caller: Caller, Named(id): Named<ReplayId>) -> Answer<ReplayView> {
    let replay = app.engine.cancel_replay(caller.tenant, id).await?;
    replay.map(|replay| Json(replay.into())).ok_or_else(|| Problem::not_found("replay", id))
}
