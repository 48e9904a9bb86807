//! Alerts: what a person should know, open until it is resolved.

use axum::Json;
use axum::extract::State;
use domain::{AlertId, Timestamp};
use serde::{Deserialize, Serialize};
use store::registry::Alert;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use crate::app::App;
use crate::cursor::{Listing, checked_limit};
use crate::extract::{Named, Params};
use crate::problem::Problem;
use engine::access::Caller;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AlertsQuery {
    /// Only those that are not resolved.
    #[serde(default)]
    open: bool,
    /// 1 to 500; default 50.
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alert)]
pub struct AlertView {
    #[schema(value_type = String)]
    id: AlertId,
    kind: String,
    /// What it is about, such as `destination/app`.
    object: String,
    detail: String,
    #[schema(value_type = String, format = DateTime)]
    opened_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_at: Timestamp,
    count: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    resolved_at: Option<Timestamp>,
}

impl From<Alert> for AlertView {
    fn from(alert: Alert) -> Self {
        Self {
            id: alert.id,
            kind: alert.kind.to_string(),
            object: alert.object.to_string(),
            detail: alert.detail,
            opened_at: alert.opened_at,
            last_at: alert.last_at,
            count: alert.count,
            resolved_at: alert.resolved_at,
        }
    }
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<AlertsQuery>,
) -> Answer<Listing<AlertView>> {
    let alerts = app.store().alerts(caller.tenant, query.open, checked_limit(query.limit)?).await?;
    let data = alerts.into_iter().map(Into::into).collect();
    Ok(Json(Listing { data, next: None, searched_until: None }))
}

pub async fn resolve(State(app): State<App>, caller: Caller, Named(id): Named<AlertId>) -> Answer<AlertView> {
    let resolved = app.engine.dismiss_alert(&caller.tenant, id).await?;
    resolved.map(|alert| Json(alert.into())).ok_or_else(|| Problem::not_found("open alert", id))
}
