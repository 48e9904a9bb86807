//! Calls: what was asked of each source, how it went, and how each source does on the whole.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use domain::{Call, ConnectionName, Latencies, Purpose, SourceName, Timestamp};
use serde::{Deserialize, Serialize};
use store::watch::{CallFilter, Figure, Series, Step};
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use crate::app::App;
use crate::cursor::{Listing, Mark, list_error};
use crate::extract::Params;
use engine::access::Caller;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct CallsQuery {
    #[param(value_type = Option<String>)]
    source: Option<SourceName>,
    #[param(value_type = Option<String>)]
    connection: Option<ConnectionName>,
    stream: Option<String>,
    /// read, check, token, enrich, poll, reconcile, backfill or subscribe.
    #[param(value_type = Option<String>)]
    purpose: Option<Purpose>,
    /// `true`: only those that failed; `false`: only those that did not.
    failed: Option<bool>,
    /// 1 to 500; default 50.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// The span that the figures of the sources are of; default `24h`.
    #[serde(default)]
    #[param(inline)]
    over: Span,
}

/// A span of figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Span {
    #[serde(rename = "1h")]
    Hour,
    #[default]
    #[serde(rename = "24h")]
    Day,
    #[serde(rename = "7d")]
    Week,
}

impl Span {
    const fn length(self) -> Duration {
        const HOUR: u64 = 60 * 60;
        Duration::from_secs(match self {
            Self::Hour => HOUR,
            Self::Day => 24 * HOUR,
            Self::Week => 7 * 24 * HOUR,
        })
    }

    const fn step(self) -> Step {
        match self {
            Self::Hour => Step::Minute,
            Self::Day | Self::Week => Step::Hour,
        }
    }
}

/// One request that was sent to a source. Neither bodies nor queries are kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Call)]
pub struct CallView {
    #[schema(value_type = String)]
    source: SourceName,
    #[schema(value_type = String)]
    connection: ConnectionName,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    purpose: &'static str,
    method: String,
    /// Without its query.
    url: String,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    duration_ms: f64,
    /// Absent if there was no answer; `error` says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Of the answer's body.
    bytes: u64,
    /// Requests that the source said are left, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_left: Option<u64>,
}

/// How a source did over a span.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallFigures)]
pub struct FiguresView {
    source: String,
    calls: u64,
    failed: u64,
    /// Share of calls without an answer, or with one of 400 or more.
    error_rate: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_ms: Option<f64>,
    /// To within a sixteenth.
    #[serde(skip_serializing_if = "Option::is_none")]
    p95_ms: Option<f64>,
}

/// A page of calls, and the figures of every source.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Calls)]
pub struct CallsPage {
    data: Vec<CallView>,
    /// Give it back as `cursor` to read on; `null` at the end.
    next: Option<String>,
    /// The search ran out of time here: everything newer was searched, and `next` reads on.
    #[schema(value_type = Option<String>, format = DateTime)]
    searched_until: Option<Timestamp>,
    /// Over the span of `over`, by name.
    sources: Vec<FiguresView>,
}

impl From<Call> for CallView {
    fn from(call: Call) -> Self {
        Self {
            source: call.source,
            connection: call.connection,
            stream: call.stream.map(|stream| stream.to_string()),
            purpose: call.purpose.as_str(),
            method: call.method.to_string(),
            url: call.url,
            started_at: call.started_at,
            duration_ms: millis(call.duration),
            status: call.status,
            error: call.error.map(|error| error.to_string()),
            bytes: call.bytes,
            budget_left: call.budget_left,
        }
    }
}

pub async fn list(State(app): State<App>, caller: Caller, Params(query): Params<CallsQuery>) -> Answer<CallsPage> {
    let CallsQuery { source, connection, stream, purpose, failed, limit, cursor, over } = query;
    let filter = CallFilter { source, connection, stream, purpose, failed };
    let mark = Mark::of("calls", &caller.tenant, &filter);
    let page = mark.page(limit, cursor.as_deref())?;
    let listed = app.store().calls(caller.tenant.clone(), filter, page).await;
    let listed = listed.map_err(|error| list_error(error, cursor.as_ref()))?;
    let since = app.engine.clock().now() - over.length();
    let figures = app.store().figures(caller.tenant, Series::Calls, over.step(), since).await?;
    let Listing { data, next, searched_until } = mark.listing(listed, CallView::from);
    Ok(Json(CallsPage { data, next, searched_until, sources: by_source(figures) }))
}

fn by_source(figures: Vec<(Timestamp, Figure)>) -> Vec<FiguresView> {
    let mut sums: BTreeMap<_, (u64, u64, Latencies)> = BTreeMap::new();
    for (_, figure) in figures {
        let (calls, failed, latencies) = sums.entry(figure.object).or_default();
        *calls += figure.count;
        *failed += figure.failed;
        latencies.merge(&figure.latencies);
    }
    let view = |(source, (calls, failed, latencies)): (std::sync::Arc<str>, (u64, u64, Latencies))| FiguresView {
        source: source.to_string(),
        calls,
        failed,
        error_rate: if calls == 0 { 0.0 } else { failed as f64 / calls as f64 },
        p50_ms: latencies.quantile(0.5).map(millis),
        p95_ms: latencies.quantile(0.95).map(millis),
    };
    sums.into_iter().map(view).collect()
}

fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}
