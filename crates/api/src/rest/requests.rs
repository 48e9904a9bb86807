//! Requests as received, with their verdicts: list, one, and judging again.
//!
//! What a sender proves itself with is masked: whoever may look may not therefore send.

use axum::Json;
use axum::extract::State;
use domain::request::{MASK, Verdict, is_secret, masked_url};
use domain::{EventId, RequestId, SourceName, Timestamp};
use serde::{Deserialize, Serialize};
use store::intake::KeptRequest;
use store::read::RequestFilter;
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::events::PayloadView;
use crate::app::App;
use crate::cursor::{Listing, Mark, list_error};
use crate::extract::{Named, Params};
use crate::problem::Problem;
use engine::access::Caller;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RequestsQuery {
    /// accepted, rejected or pending.
    #[param(value_type = Option<String>)]
    verdict: Option<Verdict>,
    #[param(value_type = Option<String>)]
    source: Option<SourceName>,
    /// Code of why it was rejected.
    reason: Option<String>,
    /// 1 to 500; default 50.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A request without its body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Request)]
pub struct RequestView {
    #[schema(value_type = String)]
    id: RequestId,
    #[schema(value_type = String)]
    source: SourceName,
    /// As the path named it; empty when it named none.
    connection: String,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
    method: String,
    /// As the sender called it; credentials in the query are masked.
    url: String,
    /// Names and values in order; credentials and signatures are masked.
    headers: Vec<(String, String)>,
    remote: String,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    body_bytes: u64,
}

/// Why a request was not accepted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reason)]
pub struct ReasonView {
    code: String,
    detail: String,
}

impl RequestView {
    fn of(kept: &KeptRequest) -> Self {
        let request = &kept.request;
        let headers = request.headers.iter().map(|(name, value)| {
            let value = if is_secret(name) { MASK.into() } else { String::from_utf8_lossy(value).into_owned() };
            (name.to_string(), value)
        });
        Self {
            id: request.id,
            source: request.source.clone(),
            connection: request.connection.to_string(),
            verdict: kept.verdict.as_str(),
            reason: kept
                .reason
                .as_ref()
                .map(|reason| ReasonView { code: reason.code.to_string(), detail: reason.detail.clone() }),
            method: request.method.to_string(),
            url: masked_url(&request.url).into_owned(),
            headers: headers.collect(),
            remote: request.remote.to_string(),
            received_at: request.received_at,
            body_bytes: kept.body_bytes,
        }
    }
}

/// A request with its body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RequestDetail)]
pub struct RequestDetailView {
    #[serde(flatten)]
    request: RequestView,
    #[serde(flatten)]
    body: PayloadView,
}

/// What judging again came to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reverified)]
pub struct ReverifiedView {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
    events: Vec<AcceptedView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Accepted)]
pub struct AcceptedView {
    #[schema(value_type = String)]
    id: EventId,
    duplicate: bool,
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<RequestsQuery>,
) -> Answer<Listing<RequestView>> {
    let RequestsQuery { verdict, source, reason, limit, cursor } = query;
    let filter = RequestFilter { verdict, source, reason };
    let mark = Mark::of("requests", &caller.tenant, &filter);
    let page = mark.page(limit, cursor.as_deref())?;
    let listed = app.store().requests(caller.tenant, filter, page).await;
    let listed = listed.map_err(|error| list_error(error, cursor.as_ref()))?;
    Ok(Json(mark.listing(listed, |kept| RequestView::of(&app.engine.shown(kept)))))
}

pub async fn get(State(app): State<App>, caller: Caller, Named(id): Named<RequestId>) -> Answer<RequestDetailView> {
    let kept = app.store().request(caller.tenant, id).await?.ok_or_else(|| Problem::not_found("request", id))?;
    let kept = app.engine.shown(kept);
    Ok(Json(RequestDetailView { request: RequestView::of(&kept), body: PayloadView::of(&kept.request.body) }))
}

pub async fn reverify(State(app): State<App>, caller: Caller, Named(id): Named<RequestId>) -> Answer<ReverifiedView> {
    let reverified = app.engine.reverify(caller.tenant, id).await?;
    let accepted = |event: store::intake::Accepted| AcceptedView { id: event.id, duplicate: event.duplicate };
    Ok(Json(ReverifiedView {
        verdict: reverified.verdict.as_str(),
        reason: reverified.reason.map(|reason| ReasonView { code: reason.code.to_string(), detail: reason.detail }),
        events: reverified.events.into_iter().map(accepted).collect(),
    }))
}
