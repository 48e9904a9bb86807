//! A source's webhook subscriptions: how each stands, and having them looked after now. Never shows a secret.

use axum::Json;
use axum::extract::State;
use domain::{ConnectionName, SourceName, Timestamp};
use engine::access::Caller;
use engine::subscriptions::SubscriptionView as Known;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Answer;
use crate::app::App;
use crate::cursor::Listing;
use crate::extract::Named;

/// What a connection is subscribed to at its source, for one place of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Subscription)]
pub struct SubscriptionView {
    #[schema(value_type = String)]
    connection: ConnectionName,
    /// What it is for, such as `{"repository": "acme/shop"}`; empty where one hears everything.
    #[schema(value_type = Object)]
    place: Value,
    /// working, pending, failing, leaving (nobody wants it any more) or unsupported (streams are polled).
    state: &'static str,
    /// At the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Where the source sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// When it is prolonged next; it would end some time after. Absent where it does not end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    renews_at: Option<Timestamp>,
    /// When the source was last asked, and answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    checked_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<SubscriptionProblem>,
}

/// Why a subscription does not stand as it should.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubscriptionProblem {
    /// Stable, such as `subscription_refused`.
    code: String,
    message: String,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

impl From<Known> for SubscriptionView {
    fn from(known: Known) -> Self {
        Self {
            connection: known.connection,
            place: known.place.into(),
            state: known.state.as_str(),
            id: known.id,
            url: known.url,
            since: known.since,
            renews_at: known.renews_at,
            checked_at: known.checked_at,
            problem: known.problem.map(|problem| SubscriptionProblem {
                code: problem.code,
                message: problem.message,
                since: problem.since,
            }),
        }
    }
}

/// All of them: a source has few.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<SourceName>,
) -> Answer<Listing<SubscriptionView>> {
    Ok(listing(app.engine.subscriptions(&caller.tenant, &name)?))
}

pub async fn check(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<SourceName>,
) -> Answer<Listing<SubscriptionView>> {
    Ok(listing(app.engine.check_subscriptions(&caller.tenant, &name).await?))
}

fn listing(known: Vec<Known>) -> Json<Listing<SubscriptionView>> {
    let data = known.into_iter().map(SubscriptionView::from).collect();
    Json(Listing { data, next: None, searched_until: None })
}
