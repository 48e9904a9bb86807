//! `Idempotency-Key`: a repeated request that creates something gets the first one's answer.
//!
//! Only answers of success are kept; what failed may be tried again with the same key. Publishing is not here: there
//! the key is the event's message key, which lives longer.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::Tenant;
use domain::identity::Digest;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use std::sync::Arc;
use store::registry::Idempotency;

use crate::app::App;
use crate::extract::read_body;
use crate::problem::{Code, Problem};
use engine::access::Caller;

pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest key, in bytes: a UUID has 36.
const KEY_BYTES_MAX: usize = 255;
/// Longest answer that is kept; ours are a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Tells a kept answer from a fresh one.
const REPEATED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What is kept in place of an answer that holds a secret.
#[derive(Clone)]
pub struct KeepInstead(Bytes);

impl KeepInstead {
    pub fn json(value: &impl Serialize) -> Self {
        Self(serde_json::to_vec(value).expect("views always make JSON").into())
    }
}

/// The key of a request, if it has one.
pub fn key_of(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut all = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = all.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > KEY_BYTES_MAX || all.next().is_some() {
        let detail = format!("send one key of 1 to {KEY_BYTES_MAX} printable ASCII characters");
        return Err(Problem::parameter("Idempotency-Key", detail));
    }
    Ok(Some(text))
}

/// Around the routes that create.
pub async fn once(State(app): State<App>, caller: Caller, request: Request, next: Next) -> Response {
    match key_of(request.headers()) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => {
            let key = Arc::from(key);
            claimed(&app, caller.tenant, key, request, next).await.unwrap_or_else(IntoResponse::into_response)
        }
        Err(problem) => problem.into_response(),
    }
}

async fn claimed(app: &App, tenant: Tenant, key: Arc<str>, request: Request, next: Next) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let line = format!("{} {}\n", parts.method, parts.uri.path());
    let body = read_body(Request::from_parts(parts.clone(), body), app).await?;
    let digest = Digest::of(&[line.as_bytes(), &body].concat());
    let begun = app.store().begin_idempotent(tenant.clone(), Arc::clone(&key), digest, app.now()).await?;
    match begun {
        Idempotency::Fresh => {}
        Idempotency::InProgress => {
            return Err(Code::IdempotencyInProgress.because("Wait for the first request with this key to end."));
        }
        Idempotency::Mismatch => {
            let detail = "The Idempotency-Key was used before for another request; use a new key for a new request.";
            return Err(Code::IdempotencyKeyReused.because(detail));
        }
        Idempotency::Answered { status, body } => return Ok(repeated(status, body)),
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (response, answer) = kept(response).await;
    app.store().finish_idempotent(tenant, key, answer).await?;
    Ok(response)
}

/// The answer, and what of it is kept.
async fn kept(response: Response) -> (Response, Option<(u16, Bytes)>) {
    if !response.status().is_success() {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    let status = parts.status.as_u16();
    let Ok(body) = to_bytes(body, ANSWER_BYTES_MAX).await else {
        let problem = Code::StoreUnavailable.because("The answer could not be kept, but the request was carried out.");
        return (problem.into_response(), None);
    };
    let keep = parts.extensions.get::<KeepInstead>().map_or_else(|| body.clone(), |instead| instead.0.clone());
    (Response::from_parts(parts, Body::from(body)), Some((status, keep)))
}

fn repeated(status: u16, body: Bytes) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers =
        [(CONTENT_TYPE, HeaderValue::from_static("application/json")), (REPEATED, HeaderValue::from_static("true"))];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_short_printable_text() {
        let headers = |values: &[&'static str]| {
            values.iter().map(|value| (IDEMPOTENCY_KEY, HeaderValue::from_static(value))).collect::<HeaderMap>()
        };
        assert_eq!(key_of(&headers(&[])), Ok(None));
        assert_eq!(key_of(&headers(&["a b-1"])), Ok(Some("a b-1")));
        let long: &'static str = "x".repeat(KEY_BYTES_MAX + 1).leak();
        for wrong in [&[""][..], &["a", "b"], &[long]] {
            assert_eq!(key_of(&headers(wrong)).map_err(|problem| problem.code), Err(Code::InvalidParameter));
        }
        let bytes = HeaderValue::from_bytes(b"\xff").expect("an opaque value");
        assert!(key_of(&[(IDEMPOTENCY_KEY, bytes)].into_iter().collect()).is_err());
    }
}
