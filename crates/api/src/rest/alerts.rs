//! Alerts: what a person should know, open until it is resolved; and the channels by which people are told.

use axum::Json;
use axum::extract::State;
use domain::alert::{Severity, cause_of};
use domain::{AlertId, ChannelName, Timestamp};
use engine::alert::{ChannelView as Channel, TestFailed};
use serde::{Deserialize, Serialize};
use store::registry::Alert;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use crate::app::App;
use crate::cursor::{Listing, Mark, list_error};
use crate::extract::{Named, Params};
use crate::problem::{Code, Problem};
use engine::access::Caller;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AlertsQuery {
    /// Only those that are not resolved.
    #[serde(default)]
    open: bool,
    /// 1 to 500; default 50.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alert)]
pub struct AlertView {
    #[schema(value_type = String)]
    id: AlertId,
    kind: String,
    /// info, warning or critical.
    #[schema(value_type = String)]
    severity: Severity,
    /// open, acknowledged or resolved.
    state: &'static str,
    /// What it is about, such as `destination/app`.
    object: String,
    /// What belongs to one trouble has one cause, of which people are told once.
    cause: String,
    detail: String,
    /// What to do next.
    advice: &'static str,
    #[schema(value_type = String, format = DateTime)]
    opened_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_at: Timestamp,
    count: u64,
    /// How often it came back before it counted as over.
    reopened: u32,
    #[schema(value_type = Option<String>, format = DateTime)]
    acknowledged_at: Option<Timestamp>,
    /// The key of whoever looks after it.
    acknowledged_by: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    resolved_at: Option<Timestamp>,
    /// The key of the person who said so; null if it resolved by itself.
    resolved_by: Option<String>,
}

impl AlertView {
    fn of(app: &App, alert: Alert) -> Self {
        let state = match (alert.resolved_at, alert.acknowledged_at) {
            (Some(_), _) => "resolved",
            (None, Some(_)) => "acknowledged",
            (None, None) => "open",
        };
        Self {
            id: alert.id,
            severity: app.engine.alert_rule(&alert.tenant, &alert.kind).severity,
            state,
            cause: cause_of(&alert.kind, &alert.object),
            advice: domain::alert::rule::standard_of(&alert.kind).map_or("", |rule| rule.advice),
            kind: alert.kind.to_string(),
            object: alert.object.to_string(),
            detail: alert.detail,
            opened_at: alert.opened_at,
            last_at: alert.last_at,
            count: alert.count,
            reopened: alert.reopened,
            acknowledged_at: alert.acknowledged_at,
            acknowledged_by: alert.acknowledged_by.map(|by| by.to_string()),
            resolved_at: alert.resolved_at,
            resolved_by: alert.resolved_by.map(|by| by.to_string()),
        }
    }
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<AlertsQuery>,
) -> Answer<Listing<AlertView>> {
    let AlertsQuery { open, limit, cursor } = query;
    let mark = Mark::of("alerts", &caller.tenant, &open);
    let page = mark.page(limit, cursor.as_deref())?;
    let listed = app.store().alerts(caller.tenant, open, page).await;
    let listed = listed.map_err(|error| list_error(error, cursor.as_ref()))?;
    Ok(Json(mark.listing(listed, |alert| AlertView::of(&app, alert))))
}

pub async fn acknowledge(State(app): State<App>, caller: Caller, Named(id): Named<AlertId>) -> Answer<AlertView> {
    let known = app.engine.acknowledge_alert(&caller.tenant, id, caller.key).await?;
    known.map(|alert| Json(AlertView::of(&app, alert))).ok_or_else(|| Problem::not_found("open alert", id))
}

pub async fn resolve(State(app): State<App>, caller: Caller, Named(id): Named<AlertId>) -> Answer<AlertView> {
    let resolved = app.engine.dismiss_alert(&caller.tenant, id, caller.key).await?;
    resolved.map(|alert| Json(AlertView::of(&app, alert))).ok_or_else(|| Problem::not_found("open alert", id))
}

/// A way by which people are told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertChannel)]
pub struct ChannelView {
    name: String,
    /// email, slack, discord, teams, telegram, pagerduty or webhook.
    way: &'static str,
    /// What matters less is not told here: info, warning or critical.
    #[schema(value_type = String)]
    severity: Severity,
    /// Messages that wait to be sent.
    waiting: usize,
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<Timestamp>,
    /// Why the latest message does not go out, if it does not.
    problem: Option<String>,
}

impl From<Channel> for ChannelView {
    fn from(channel: Channel) -> Self {
        let Channel { name, way, least, waiting, sent_at, problem } = channel;
        Self { name, way, severity: least, waiting, sent_at, problem }
    }
}

pub async fn channels(State(app): State<App>, caller: Caller) -> Answer<Listing<ChannelView>> {
    let data = app.engine.channels(&caller.tenant).await?.into_iter().map(Into::into).collect();
    Ok(Json(Listing { data, next: None, searched_until: None }))
}

/// What came back of a test.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelTested {
    /// What the service answered, in one line.
    said: String,
    /// The message reached some of those that it was meant for: what is wrong with the others.
    complaint: Option<String>,
}

pub async fn test(State(app): State<App>, caller: Caller, Named(name): Named<ChannelName>) -> Answer<ChannelTested> {
    match app.engine.test_channel(&caller.tenant, name.as_str()).await {
        Ok(spoken) => Ok(Json(ChannelTested { said: spoken.said, complaint: spoken.complaint })),
        Err(TestFailed::NoChannel(name)) => Err(Problem::not_found("channel", name)),
        Err(TestFailed::Trouble(trouble)) => {
            Err(Code::ChannelFailed.because(format!("channel '{name}': {trouble} ({})", trouble.code)))
        }
    }
}
