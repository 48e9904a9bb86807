//! Deliveries: list, one with its attempts, retry, cancel; and the dead letters, which are those in state `dead`.

use axum::Json;
use axum::extract::State;
use domain::{
    AttemptId, ConnectionName, DeliveryId, DeliveryState, DestinationName, EventId, ReplayId, RouteName, SourceName,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use store::dispatch::{Attempt, Cause};
use store::people::Wish;
use store::read::{DeliveryFilter, DeliveryRow};
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::events::PayloadView;
use crate::app::App;
use crate::cursor::{Listing, Mark, list_error};
use crate::extract::{Named, Params};
use crate::problem::{Code, Problem};
use engine::access::Caller;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct DeliveriesQuery {
    /// pending, in_flight, retrying, held, delivered, filtered, dead or cancelled. Dead letters are all `dead`.
    #[param(value_type = Option<String>)]
    state: Option<DeliveryState>,
    #[param(value_type = Option<String>)]
    destination: Option<DestinationName>,
    #[param(value_type = Option<String>)]
    route: Option<RouteName>,
    #[param(value_type = Option<String>)]
    source: Option<SourceName>,
    #[param(value_type = Option<String>)]
    replay: Option<ReplayId>,
    /// Code of why it is dead or filtered.
    cause: Option<String>,
    /// Made at or after, RFC 3339.
    #[param(value_type = Option<String>)]
    since: Option<Timestamp>,
    /// Made before, RFC 3339.
    #[param(value_type = Option<String>)]
    until: Option<Timestamp>,
    /// 1 to 500; default 50.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// One event owed to one destination by one route.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryView {
    #[schema(value_type = String)]
    id: DeliveryId,
    #[schema(value_type = String)]
    event: EventId,
    #[serde(rename = "type")]
    event_type: String,
    #[schema(value_type = String)]
    source: SourceName,
    #[schema(value_type = String)]
    connection: ConnectionName,
    subject: Option<String>,
    #[schema(value_type = String)]
    route: RouteName,
    #[schema(value_type = String)]
    destination: DestinationName,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    replay: Option<ReplayId>,
    #[schema(value_type = String, example = "delivered")]
    state: DeliveryState,
    /// Tries used up.
    attempts: u32,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When the next try is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    due_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// Why it is dead or filtered.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<CauseView>,
    /// It waits behind another delivery of its lane.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    behind: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cause)]
pub struct CauseView {
    code: String,
    detail: String,
}

impl From<Cause> for CauseView {
    fn from(cause: Cause) -> Self {
        Self { code: cause.code.to_string(), detail: cause.detail }
    }
}

impl From<DeliveryRow> for DeliveryView {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            event: row.event,
            event_type: row.event_type.to_string(),
            source: row.source,
            connection: row.connection,
            subject: row.subject,
            route: row.route,
            destination: row.destination,
            replay: row.replay,
            state: row.state,
            attempts: row.attempts,
            created_at: row.created_at,
            due_at: row.due_at,
            finished_at: row.finished_at,
            cause: row.cause.map(Into::into),
            behind: row.behind,
        }
    }
}

/// One try.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub struct AttemptView {
    #[schema(value_type = String)]
    id: AttemptId,
    number: u32,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    duration_us: u64,
    /// `delivered`, or a code of what went wrong.
    outcome: String,
    status: Option<u16>,
    error: Option<String>,
    connect_us: Option<u64>,
    first_byte_us: Option<u64>,
    peer: Option<String>,
    /// The first 4 KiB of the response as text; what is no text is replaced.
    response: String,
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        Self {
            id: attempt.id,
            number: attempt.number,
            started_at: attempt.started_at,
            duration_us: attempt.duration_us,
            outcome: attempt.outcome.to_string(),
            status: attempt.status,
            error: attempt.error,
            connect_us: attempt.connect_us,
            first_byte_us: attempt.first_byte_us,
            peer: attempt.peer,
            response: String::from_utf8_lossy(&attempt.response).into_owned(),
        }
    }
}

/// What every try of a delivery sends.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Prepared)]
pub struct PreparedView {
    content_type: String,
    body_bytes: u64,
    #[serde(flatten)]
    body: PayloadView,
    /// The records that `enrich` fetched for it, by their names, where `map` made something else of them; one of more than
    /// 64 KiB is named by its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    enriched: Option<serde_json::Value>,
}

/// A delivery with its whole context.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryDetail)]
pub struct DeliveryDetailView {
    #[serde(flatten)]
    delivery: DeliveryView,
    /// Every try there was, those before a person's retry included.
    history: Vec<AttemptView>,
    /// The body, once a try has prepared it.
    prepared: Option<PreparedView>,
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<DeliveriesQuery>,
) -> Answer<Listing<DeliveryView>> {
    listed(&app, caller, query).await
}

pub async fn dead_letters(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<DeliveriesQuery>,
) -> Answer<Listing<DeliveryView>> {
    if query.state.is_some_and(|state| state != DeliveryState::Dead) {
        return Err(Problem::parameter("state", "dead letters are the deliveries in state dead; leave it out"));
    }
    listed(&app, caller, DeliveriesQuery { state: Some(DeliveryState::Dead), ..query }).await
}

async fn listed(app: &App, caller: Caller, query: DeliveriesQuery) -> Answer<Listing<DeliveryView>> {
    let DeliveriesQuery { state, destination, route, source, replay, cause, since, until, limit, cursor } = query;
    let filter = DeliveryFilter { state, destination, route, source, replay, cause, since, until };
    let mark = Mark::of("deliveries", &caller.tenant, &filter);
    let page = mark.page(limit, cursor.as_deref())?;
    let listed = app.store().deliveries(caller.tenant, filter, page).await;
    let listed = listed.map_err(|error| list_error(error, cursor.as_ref()))?;
    Ok(Json(mark.listing(listed, Into::into)))
}

pub async fn get(State(app): State<App>, caller: Caller, Named(id): Named<DeliveryId>) -> Answer<DeliveryDetailView> {
    let detail = app.store().delivery(caller.tenant, id).await?;
    let detail = detail.ok_or_else(|| Problem::not_found("delivery", id))?;
    Ok(Json(DeliveryDetailView {
        delivery: detail.row.into(),
        history: detail.attempts.into_iter().map(Into::into).collect(),
        prepared: detail.prepared.map(|prepared| PreparedView {
            content_type: prepared.content_type.to_string(),
            body_bytes: prepared.body.len() as u64,
            body: PayloadView::of(&prepared.body),
            enriched: prepared.enriched.and_then(|records| serde_json::from_slice(&records).ok()),
        }),
    }))
}

pub async fn retry(State(app): State<App>, caller: Caller, Named(id): Named<DeliveryId>) -> Answer<DeliveryView> {
    let wishes = app.engine.retry(caller.tenant.clone(), vec![id]).await?;
    carried_out(&wishes, id, "Only a dead or cancelled delivery can be retried")?;
    moved(&app, caller, id).await
}

pub async fn cancel(State(app): State<App>, caller: Caller, Named(id): Named<DeliveryId>) -> Answer<DeliveryView> {
    let wishes = app.engine.cancel(caller.tenant.clone(), vec![id]).await?;
    carried_out(&wishes, id, "Only an open delivery can be cancelled")?;
    moved(&app, caller, id).await
}

fn carried_out(wishes: &[Wish], id: DeliveryId, rule: &str) -> Result<(), Problem> {
    match wishes.first() {
        Some(Wish::Done) => Ok(()),
        Some(Wish::Refused(state)) => Err(Code::StateRefused.because(format!("{rule}; {id} is {}.", state.as_str()))),
        Some(Wish::NotFound) | None => Err(Problem::not_found("delivery", id)),
    }
}

/// The delivery as it is after a wish was carried out.
async fn moved(app: &App, caller: Caller, id: DeliveryId) -> Answer<DeliveryView> {
    let detail = app.store().delivery(caller.tenant, id).await?;
    detail.map(|detail| Json(detail.row.into())).ok_or_else(|| Problem::not_found("delivery", id))
}
