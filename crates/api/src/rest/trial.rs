//! Trying a route on a stored event: what `when` says and `map` makes, beside what was delivered. Nothing is sent.

use axum::Json;
use axum::extract::State;
use domain::{DeliveryId, DeliveryState, Event, EventId, RouteName};
use engine::access::Caller;
use engine::prepare::{Draft, Passing, Trial};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::dispatch::Prepared;
use store::read::EventDetail;
use utoipa::ToSchema;

use super::Answer;
use super::events::PayloadView;
use crate::app::App;
use crate::extract::{Json as Body, Named};
use crate::problem::Problem;

/// What to try. What is left out is as the route has it; an empty text is none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTrial {
    #[schema(value_type = String)]
    event: EventId,
    when: Option<String>,
    map: Option<String>,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Trial)]
pub struct TrialView {
    /// passes, stopped or failed.
    when: &'static str,
    /// Why `when` failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    when_problem: Option<String>,
    /// Records that were fetched for it, by their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    enriched: Option<Map<String, Value>>,
    /// What would be sent, whether or not `when` lets it go.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<MadeView>,
    /// Why nothing could be.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_problem: Option<String>,
    /// What the route made of it before.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<BeforeView>,
}

/// A body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Made)]
pub struct MadeView {
    content_type: String,
    #[serde(flatten)]
    body: PayloadView,
}

impl From<&Prepared> for MadeView {
    fn from(prepared: &Prepared) -> Self {
        Self { content_type: prepared.content_type.to_string(), body: PayloadView::of(&prepared.body) }
    }
}

/// The newest delivery of the event along the route.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrialBefore)]
pub struct BeforeView {
    #[schema(value_type = String)]
    delivery: DeliveryId,
    #[schema(value_type = String)]
    state: DeliveryState,
    /// These are the bytes that were sent; otherwise they were not kept, and this is what the route makes of it as it
    /// is configured.
    sent: bool,
    made: Option<MadeView>,
}

pub async fn try_route(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<RouteName>,
    Body(wish): Body<NewTrial>,
) -> Answer<TrialView> {
    let saved = saved(&app, &caller, &name)?;
    let found = app.store().event(caller.tenant.clone(), wish.event).await?;
    let detail = found.ok_or_else(|| Problem::not_found("event", wish.event))?;
    let changed = |text: Option<String>, saved: &Option<String>| match text {
        Some(text) => Some(text).filter(|text| !text.trim().is_empty()),
        None => saved.clone(),
    };
    let draft = Draft { when: changed(wish.when, &saved.when), map: changed(wish.map, &saved.map), ..saved.clone() };
    let trial = app.engine.try_route(&detail.event, &draft).await?;
    let before = before(&app, &caller, &name, &saved, detail).await?;
    Ok(Json(view(trial, before)))
}

/// The route as it is configured.
fn saved(app: &App, caller: &Caller, name: &RouteName) -> Result<Draft, Problem> {
    let topology = app.engine.topology();
    let route = topology.route(caller.tenant.as_str(), name.as_str());
    let spec = &route.ok_or_else(|| Problem::not_found("route", name))?.spec;
    let (from, to) = (spec.from.clone(), spec.to.clone());
    Ok(Draft { route: Some(name.clone()), from, to, when: spec.when.clone(), map: spec.map.clone() })
}

async fn before(
    app: &App,
    caller: &Caller,
    name: &RouteName,
    saved: &Draft,
    detail: EventDetail,
) -> Result<Option<BeforeView>, Problem> {
    let EventDetail { event, deliveries, .. } = detail;
    let newest = deliveries.into_iter().filter(|delivery| delivery.route == *name).max_by_key(|delivery| delivery.id);
    let Some(newest) = newest else { return Ok(None) };
    let kept = app.store().delivery(caller.tenant.clone(), newest.id).await?.and_then(|kept| kept.prepared);
    let (sent, made) = match kept {
        Some(prepared) => (true, Some(MadeView::from(&prepared))),
        None => (false, as_saved(app, &event, saved).await?),
    };
    Ok(Some(BeforeView { delivery: newest.id, state: newest.state, sent, made }))
}

/// Plain bytes are kept only where a try failed: they are plain to see from the event.
async fn as_saved(app: &App, event: &std::sync::Arc<Event>, saved: &Draft) -> Result<Option<MadeView>, Problem> {
    let trial = app.engine.try_route(event, saved).await?;
    Ok(trial.body.ok().as_ref().map(MadeView::from))
}

fn view(trial: Trial, before: Option<BeforeView>) -> TrialView {
    let (when, when_problem) = match trial.passing {
        Passing::Passes => ("passes", None),
        Passing::Stopped => ("stopped", None),
        Passing::Failed(why) => ("failed", Some(why)),
    };
    let (result, result_problem) = match &trial.body {
        Ok(prepared) => (Some(MadeView::from(prepared)), None),
        Err(why) => (None, Some(why.clone())),
    };
    TrialView { when, when_problem, enriched: trial.enriched, result, result_problem, before }
}
