//! Destinations: where events go, how they do, and pausing them.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use domain::{DestinationName, Tenant, Timestamp};
use engine::manage::REASON_BYTES_MAX;
use engine::topology::Destination;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::people::{DestinationState, DestinationStatus};
use utoipa::ToSchema;

use super::Answer;
use super::objects::{ObjectsQuery, managed_by};
use crate::app::App;
use crate::cursor::{Listing, Mark, page_by_name};
use crate::extract::{Json as Body, Named, Params};
use crate::problem::{Code, Fault, Problem};
use engine::access::Caller;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Destination)]
pub struct DestinationView {
    #[schema(value_type = String)]
    name: DestinationName,
    /// file or api: what the file defines is changed there.
    managed_by: &'static str,
    /// active, paused or disabled.
    state: &'static str,
    /// Why it is not active.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// As its owner wrote it; secrets are never shown.
    #[schema(value_type = Object)]
    definition: Value,
}

impl DestinationView {
    fn of(destination: &Destination, statuses: &[(Tenant, DestinationName, DestinationStatus)]) -> Self {
        let spec = &destination.spec;
        let status = statuses.iter().find(|(tenant, name, _)| *tenant == spec.tenant && *name == spec.name);
        let status = status.map(|(_, _, status)| status).filter(|status| status.state != DestinationState::Active);
        Self {
            name: spec.name.clone(),
            managed_by: managed_by(spec.managed_by),
            state: status.map_or(DestinationState::Active, |status| status.state).as_str(),
            reason: status.map(|status| status.reason.clone()).filter(|reason| !reason.is_empty()),
            since: status.map(|status| status.since),
            definition: destination.shown(),
        }
    }
}

/// How a destination does just now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DestinationLive)]
pub struct LiveView {
    /// closed, open or half_open.
    breaker: &'static str,
    /// Tries under way.
    in_flight: u32,
    /// In memory, waiting for their turn.
    queued: u32,
}

/// A destination with its live state and what it is owed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DestinationDetail)]
pub struct DestinationDetailView {
    #[serde(flatten)]
    destination: DestinationView,
    /// `null` until something was sent there, and where another node is in charge of it.
    live: Option<LiveView>,
    /// The node that sends to it; `null` while none is in charge.
    node: Option<String>,
    /// Open and dead deliveries by state.
    backlog: BTreeMap<&'static str, u64>,
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ObjectsQuery>,
) -> Answer<Listing<DestinationView>> {
    let statuses = app.store().destination_statuses().await?;
    let topology = app.engine.topology();
    let own = topology.destinations().filter(|destination| destination.spec.tenant == caller.tenant);
    let views = own.map(|it| (it.spec.name.to_string(), DestinationView::of(it, &statuses))).collect();
    let mark = Mark::of("destinations", &caller.tenant, &());
    page_by_name(mark, views, query.limit, query.cursor.as_deref()).map(Json)
}

pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<DestinationName>,
) -> Answer<DestinationDetailView> {
    detail(&app, caller, name).await
}

async fn detail(app: &App, caller: Caller, name: DestinationName) -> Answer<DestinationDetailView> {
    let topology = app.engine.topology();
    let Some(destination) = topology.destination(caller.tenant.as_str(), name.as_str()) else {
        return Err(Problem::not_found("destination", name));
    };
    let statuses = app.store().destination_statuses().await?;
    let all = app.store().backlog().await?;
    let own = all.into_iter().filter(|row| row.tenant == caller.tenant && row.destination == name);
    let backlog = own.map(|row| (row.state.as_str(), row.count)).collect();
    let node = app.engine.node_of(&caller.tenant, &name).await?;
    let live = app.engine.destination_live(caller.tenant, name).await.filter(|live| live.in_charge);
    Ok(Json(DestinationDetailView {
        destination: DestinationView::of(destination, &statuses),
        live: live.map(|live| LiveView {
            breaker: live.breaker.as_str(),
            in_flight: live.in_flight,
            queued: live.queued,
        }),
        node,
        backlog,
    }))
}

/// Why a person stops a destination.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Why {
    /// Shown wherever the destination is; up to 500 bytes in one line.
    reason: String,
}

impl Why {
    fn checked(self) -> Result<String, Problem> {
        match Fault::of_line("reason", &self.reason, REASON_BYTES_MAX) {
            None => Ok(self.reason),
            Some(fault) => {
                Err(Code::InvalidBody.because("The reason cannot be kept; 'errors' says why.").with(vec![fault]))
            }
        }
    }
}

pub async fn pause(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<DestinationName>,
    Body(why): Body<Why>,
) -> Answer<DestinationDetailView> {
    app.engine.pause(caller.tenant.clone(), name.clone(), why.checked()?).await?;
    detail(&app, caller, name).await
}

pub async fn disable(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<DestinationName>,
    Body(why): Body<Why>,
) -> Answer<DestinationDetailView> {
    app.engine.disable(caller.tenant.clone(), name.clone(), why.checked()?).await?;
    detail(&app, caller, name).await
}

pub async fn resume(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<DestinationName>,
) -> Answer<DestinationDetailView> {
    app.engine.resume(caller.tenant.clone(), name.clone()).await?;
    detail(&app, caller, name).await
}
