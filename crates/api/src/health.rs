//! Liveness, readiness, metrics, and the plain pages: the front page and the pages about error codes.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use engine::clock::timeout;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;
use tower::ServiceExt;
use utoipa::ToSchema;

use crate::app::{App, START_PAGE};
use crate::extract::Named;
use crate::problem::{Code, Problem};

/// A store that takes longer to answer than this is not ready.
const PING_TIME: Duration = Duration::from_secs(2);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const MARKDOWN: HeaderValue = HeaderValue::from_static("text/markdown; charset=utf-8");
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The process lives; whether it is any use is for `/readyz` to say.
pub async fn alive() -> impl IntoResponse {
    ([(CONTENT_TYPE, TEXT)], "ok\n")
}

/// Whether requests are taken now, and what is in the way.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    pub ready: bool,
    pub checks: Vec<Check>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Check {
    name: &'static str,
    ok: bool,
    /// What is wrong, as a code or a few words; or, of what is no reason to be sent nothing, what is to be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

impl Check {
    fn of(name: &'static str, fault: Option<&'static str>) -> Self {
        Self { name, ok: fault.is_none(), detail: fault }
    }
}

pub async fn readiness(app: &App) -> Readiness {
    let ping = timeout(app.engine.clock().as_ref(), PING_TIME, app.store().ping()).await;
    let store = match ping {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.code()),
        Err(_) => Some("no answer in time"),
    };
    let stopping = app.engine.stopping().is_cancelled().then_some("the gateway is stopping");
    let mut checks = vec![Check::of("store", store), Check::of("running", stopping)];
    if app.engine.has_another_file() {
        // It goes on with the one it had, which is no reason to send nobody here.
        let detail = Some("the nodes go by another file than this one has: restart with the same, or with --apply");
        checks.push(Check { name: "file", ok: true, detail });
    }
    Readiness { ready: checks.iter().all(|check| check.ok), checks }
}

pub async fn ready(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let readiness = readiness(&app).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

pub async fn metrics(State(app): State<App>) -> Response {
    engine::telemetry::store(&app.store().stats());
    app.engine.gauge_subscriptions();
    if let Err(error) = app.engine.gauge_reading().await {
        // What was last known of streams and budgets stays for a while; the store's own failures are counted elsewhere.
        tracing::debug!(%error, "streams could not be looked at");
    }
    let text = app.metrics.as_ref().map(crate::telemetry::MetricsHandle::render);
    ([(CONTENT_TYPE, PROMETHEUS)], text.unwrap_or_default()).into_response()
}

/// What a person sees who opens the address in a browser.
pub async fn front_page(State(app): State<App>, mut request: Request) -> Response {
    if let Some(pages) = app.pages.clone().filter(|_| wants_html(request.headers())) {
        *request.uri_mut() = Uri::from_static(START_PAGE);
        return pages.oneshot(request).await.into_response();
    }
    const PAGE: &str = "Trireme turns every API into one reliable stream of events.\n\
        \n\
        /openapi.json      what the API can do\n\
        /schemas/          what a recipe may say, for editors: /schemas/provider.json\n\
        /api/v1/events     the events (Authorization: Bearer trk_...)\n\
        /docs/errors/      what an error code means, as /docs/errors/not_found\n\
        /healthz /readyz   whether it lives, and whether it is ready\n\
        /metrics           figures for Prometheus\n\
        \n\
        On a command line: trireme tail\n";
    ([(CONTENT_TYPE, TEXT)], PAGE).into_response()
}

/// Browsers name HTML first of all; curl and clients of the API do not name it.
fn wants_html(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_some_and(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")))
}

/// What an editor completes a recipe by.
pub async fn provider_schema() -> impl IntoResponse {
    const SCHEMA: &str = include_str!("../../../docs/schemas/provider.json");
    ([(CONTENT_TYPE, HeaderValue::from_static("application/schema+json"))], SCHEMA)
}

/// The page that the `type` of a problem links to.
pub async fn error_page(Named(code): Named<String>) -> Result<Response, Problem> {
    let known = Code::parse(&code).ok_or_else(|| Problem::not_found("error code", &code))?;
    Ok(([(CONTENT_TYPE, MARKDOWN)], known.page()).into_response())
}
