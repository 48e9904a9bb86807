//! Ingest: the hot path. One inbound request becomes one [`InboundRequest`], is handed to the engine, and is answered
//! as its receipt says.
//!
//! Our own failures are 503 with `Retry-After`, never 4xx and never 500: many senders never retry a 4xx. The
//! answers to strangers are constant bytes.

mod body;
mod gate;
mod path;
mod unbroken;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::request::{BY_TRUSTED_PROXY, InboundRequest};
use domain::{EventId, RequestId};
use engine::receive::{Receipt, Reply};
use futures_util::FutureExt;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use utoipa::ToSchema;

use crate::app::App;
use crate::peer::{Peer, called_url};
use crate::problem::{Code, PROBLEM_JSON, RETRY_SOON, seconds};
use crate::telemetry;

pub(crate) use body::BoxError;
use body::{Captured, capture};
pub use gate::IngestGate;
pub use path::Target;
use unbroken::Unbroken;

pub type Answer = Response<Full<Bytes>>;

/// Answers one request whose path is a [`Target`].
pub async fn answer<B>(app: &App, peer: &Peer, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let work = AssertUnwindSafe(receive(app, peer, request)).catch_unwind();
    work.await.unwrap_or_else(|_| {
        engine::telemetry::panicked("ingest");
        unavailable(RETRY_SOON)
    })
}

async fn receive<B>(app: &App, peer: &Peer, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let (parts, body) = request.into_parts();
    let Some(target) = Target::of(parts.uri.path()) else {
        return refusal(Code::IngestNotFound);
    };
    if !may_arrive(&parts.method) {
        return method_not_allowed("POST, PUT, PATCH, GET, HEAD, OPTIONS");
    }
    let Some(permit) = app.ingest.enter() else {
        telemetry::ingest_refused("overloaded");
        return come_back(RETRY_SOON, app.engine.overload_reply(&target.tenant, &target.source));
    };
    let captured = capture(body, app.settings.limits.body_bytes_max, permit).await;
    let inbound = |body| inbound(app, peer, &parts, target, body);
    match captured {
        Captured::Whole(body, permit) => {
            let (engine, request) = (app.engine.clone(), inbound(body));
            let work = async move {
                let receipt = engine.receive(request).await;
                drop(permit);
                receipt
            };
            let receipt = Unbroken::new(work).await;
            app.ingest.slow_down(app.engine.clock(), &receipt).await;
            reply(receipt)
        }
        Captured::TooLarge => {
            telemetry::ingest_refused("too_large");
            too_large(app, inbound(Bytes::new())).await
        }
        Captured::TooSlow => {
            telemetry::ingest_refused("too_slow");
            closing(refusal(Code::BodyTimeout))
        }
        Captured::Broken => {
            telemetry::ingest_refused("broken_off");
            closing(refusal(Code::BodyIncomplete))
        }
        Captured::NoRoom => {
            telemetry::ingest_refused("overloaded");
            let request = inbound(Bytes::new());
            closing(come_back(RETRY_SOON, app.engine.overload_reply(&request.tenant, &request.source)))
        }
    }
}

/// Methods that some recipe takes, events and handshakes together; which source expects which is for its recipe.
fn may_arrive(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH | Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The request as the engine, and later a person, needs it. Its values share one allocation.
fn inbound(app: &App, peer: &Peer, parts: &Parts, target: Target<'_>, body: Bytes) -> InboundRequest {
    let received_at = app.now();
    InboundRequest {
        id: RequestId::from_uuid(app.new_uuid(received_at)),
        tenant: target.tenant,
        source: target.source,
        connection: target.connection.as_ref().into(),
        method: app.ingest.method_text(&parts.method),
        url: called_url(parts, peer, &app.settings),
        headers: kept_headers(app, &parts.headers, peer.trusted),
        body,
        remote: peer.client(&parts.headers, &app.settings.trusted_proxies),
        received_at,
    }
}

/// The headers as they came, but for the one that only the gateway may say.
fn kept_headers(app: &App, headers: &HeaderMap, by_trusted_proxy: bool) -> Vec<(Arc<str>, Bytes)> {
    let mut values = Vec::with_capacity(headers.values().map(HeaderValue::len).sum());
    for value in headers.values() {
        values.extend_from_slice(value.as_bytes());
    }
    let values = Bytes::from(values);
    let mut begin = 0;
    let mut kept = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let end = begin + value.len();
        if name.as_str() != BY_TRUSTED_PROXY {
            kept.push((app.ingest.header_name(name), values.slice(begin..end)));
        }
        begin = end;
    }
    if by_trusted_proxy {
        kept.push((BY_TRUSTED_PROXY.into(), Bytes::from_static(b"yes")));
    }
    kept
}

/// A person should see that a sender's requests are refused for their size, so the request is kept without its body.
async fn too_large(app: &App, request: InboundRequest) -> Answer {
    let bytes_max = app.settings.limits.body_bytes_max as u64;
    if let Err(error) = app.engine.refuse_oversized(request, bytes_max).await {
        tracing::warn!(code = error.code(), "an oversized request could not be kept");
    }
    closing(refusal(Code::BodyTooLarge))
}

fn reply(receipt: Receipt) -> Answer {
    match receipt {
        Receipt::Accepted { events, reply: None, .. } => with_body(StatusCode::OK, JSON, accepted(&events)),
        Receipt::Accepted { reply: Some(reply), .. } | Receipt::Handshake(reply) => {
            provider_reply(reply.status, &reply.headers, reply.body.into())
        }
        Receipt::Rejected { reply: Some(reply) } => provider_reply(reply.status, &reply.headers, reply.body.into()),
        Receipt::Rejected { reply: None } => refusal(Code::IngestRejected),
        Receipt::MethodRefused { allow } => method_not_allowed(&allow),
        Receipt::UnknownSource => refusal(Code::IngestNotFound),
        Receipt::Unavailable { retry_after, reply, .. } => come_back(retry_after, reply),
    }
}

/// What a sender is answered, unless its provider wants to hear something else. It is written by hand, see
/// `accepted`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct IngestedEvents {
    events: Vec<IngestedEvent>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct IngestedEvent {
    #[schema(example = "evt_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// It was known: this is the first one's id.
    duplicate: bool,
}

/// `{"events":[{"id","duplicate"}]}`; ids need no escaping.
fn accepted(events: &[(EventId, bool)]) -> Bytes {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(16 + events.len() * 64);
    out.push_str("{\"events\":[");
    for (index, (id, duplicate)) in events.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(out, "{comma}{{\"id\":\"{id}\",\"duplicate\":{duplicate}}}");
    }
    out.push_str("]}");
    out.into()
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const X_CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");
/// Answers to strangers may echo what they sent (a challenge): no browser may run any of it.
const INERT: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");

fn with_body(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Answer {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    response
}

/// What the provider's recipe wants to read, made inert for browsers.
fn provider_reply(status: u16, headers: &[(String, String)], body: Bytes) -> Answer {
    let status = StatusCode::from_u16(status).ok().filter(|status| !status.is_informational());
    let mut response = with_body(status.unwrap_or(StatusCode::OK), HeaderValue::from_static("text/plain"), body);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    response.headers_mut().insert(http::header::CONTENT_SECURITY_POLICY, INERT);
    response
}

/// The constant answer of a code: it says nothing about this request or its source.
fn refusal(code: Code) -> Answer {
    with_body(code.status(), PROBLEM_JSON, gate::constant_body(code))
}

fn unavailable(retry_after: Duration) -> Answer {
    let mut response = refusal(Code::Overloaded);
    response.headers_mut().insert(RETRY_AFTER, seconds(retry_after));
    response
}

/// The same in the provider's own words, where it has some.
fn come_back(retry_after: Duration, reply: Option<Reply>) -> Answer {
    let Some(reply) = reply else { return unavailable(retry_after) };
    let mut response = provider_reply(reply.status, &reply.headers, reply.body.into());
    response.headers_mut().insert(RETRY_AFTER, seconds(retry_after));
    response
}

fn method_not_allowed(allow: &str) -> Answer {
    let mut response = refusal(Code::MethodNotAllowed);
    let allow = HeaderValue::from_str(allow).unwrap_or(HeaderValue::from_static("POST"));
    response.headers_mut().insert(ALLOW, allow);
    response
}

/// For answers given before the whole body was read: what is left of it must not be taken for a request.
fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

#[cfg(test)]
mod tests {
    use domain::EventId;

    use super::*;

    #[test]
    fn accepted_events_are_told_as_json() {
        let id = EventId::from_uuid(uuid::Uuid::nil());
        for events in [vec![], vec![(id, false)], vec![(id, true), (id, false)]] {
            let value: serde_json::Value = serde_json::from_slice(&accepted(&events)).expect("JSON");
            let told = value["events"].as_array().expect("a list");
            assert_eq!(told.len(), events.len());
            for (told, (id, duplicate)) in told.iter().zip(&events) {
                assert_eq!((&told["id"], &told["duplicate"]), (&id.to_string().into(), &(*duplicate).into()));
            }
        }
    }

    #[test]
    fn a_provider_reply_cannot_run_in_a_browser_or_break_the_protocol() {
        let headers = [
            ("content-type".to_owned(), "text/html".to_owned()),
            ("x-content-type-options".to_owned(), "off".to_owned()),
            ("bad name".to_owned(), "x".to_owned()),
            ("x-split".to_owned(), "a\r\nset-cookie: b".to_owned()),
        ];
        let answer = provider_reply(200, &headers, Bytes::from_static(b"<script>"));
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert!(answer.headers()["content-security-policy"].to_str().is_ok_and(|csp| csp.contains("sandbox")));
        assert!(!answer.headers().contains_key("x-split") && !answer.headers().contains_key("set-cookie"));
        for status in [100, 101, 0, 99, 1_000] {
            assert_eq!(provider_reply(status, &[], Bytes::new()).status(), StatusCode::OK, "{status}");
        }
    }
}
