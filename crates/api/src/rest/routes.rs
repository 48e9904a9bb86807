//! Routes: which events go where, filtered and reshaped how.

use axum::Json;
use axum::extract::State;
use domain::{DestinationName, RouteName, SourceName};
use engine::topology::Route;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Answer;
use super::objects::{ObjectsQuery, managed_by};
use crate::app::App;
use crate::cursor::{Listing, Mark, page_by_name};
use crate::extract::{Named, Params};
use crate::problem::Problem;
use engine::access::Caller;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Route)]
pub struct RouteView {
    #[schema(value_type = String)]
    name: RouteName,
    /// file or api: what the file defines is changed there.
    managed_by: &'static str,
    #[schema(value_type = String)]
    from: SourceName,
    #[schema(value_type = String)]
    to: DestinationName,
    /// As its owner wrote it.
    #[schema(value_type = Object)]
    definition: Value,
}

impl RouteView {
    fn of(route: &Route) -> Self {
        let spec = &route.spec;
        Self {
            name: spec.name.clone(),
            managed_by: managed_by(spec.managed_by),
            from: spec.from.clone(),
            to: spec.to.clone(),
            definition: route.shown(),
        }
    }
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ObjectsQuery>,
) -> Answer<Listing<RouteView>> {
    let topology = app.engine.topology();
    let own = topology.routes().filter(|route| route.spec.tenant == caller.tenant);
    let views = own.map(|route| (route.spec.name.to_string(), RouteView::of(route))).collect();
    let mark = Mark::of("routes", &caller.tenant, &());
    page_by_name(mark, views, query.limit, query.cursor.as_deref()).map(Json)
}

pub async fn get(State(app): State<App>, caller: Caller, Named(name): Named<RouteName>) -> Answer<RouteView> {
    let topology = app.engine.topology();
    let route = topology.route(caller.tenant.as_str(), name.as_str());
    route.map(|route| Json(RouteView::of(route))).ok_or_else(|| Problem::not_found("route", name))
}
