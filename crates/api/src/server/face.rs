//! Which of the two ways a request goes: ingest at once, anything else through the router.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body as RouterBody;
use axum::response::IntoResponse;
use bytes::Bytes;
use engine::clock::SharedClock;
use http::header::{CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::vitals::{Turn, Vitals};
use crate::app::App;
use crate::guard::TimedBody;
use crate::ingest::{self, BoxError, Target};
use crate::peer::Peer;
use crate::problem::{Code, Problem};

pub struct Face {
    pub app: App,
    router: Router,
}

impl Face {
    pub fn new(app: App, router: Router) -> Self {
        Self { app, router }
    }

    pub async fn answer<B>(
        &self,
        request: Request<B>,
        peer: &Peer,
        vitals: &Arc<Vitals>,
        stop: &CancellationToken,
    ) -> Result<Response<FaceBody>, Infallible>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let version = request.version();
        let turn = vitals.begin(version == Version::HTTP_2);
        let request = request
            .map(|body| TimedBody::new(body, SharedClock::clone(self.app.engine.clock()), &self.app.settings.limits));
        let mut response = if Target::is_ingest(request.uri().path()) && ambiguity(&request).is_none() {
            ingest::answer(&self.app, peer, request).await.map(FaceBody::Ingest)
        } else {
            self.route(request, peer, turn).await
        };
        let refused_early =
            response.status() == StatusCode::PAYLOAD_TOO_LARGE || response.headers().contains_key(CONNECTION);
        if refused_early && version != Version::HTTP_2 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            vitals.cut_short();
        }
        // A caller who is not told would send its next request to a connection that is about to close.
        if stop.is_cancelled() && version != Version::HTTP_2 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    async fn route<B>(&self, request: Request<B>, peer: &Peer, turn: Turn) -> Response<FaceBody>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let response = match ambiguity(&request) {
            None => {
                let mut request = request.map(RouterBody::new);
                request.extensions_mut().insert(peer.clone());
                self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
            }
            Some(problem) => {
                let mut response = problem.into_response();
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                response
            }
        };
        response.map(|body| FaceBody::Routed { body, _turn: turn })
    }
}

/// What others on the way may have understood otherwise than we do: then one request could hide in another.
fn ambiguity<B>(request: &Request<B>) -> Option<Problem> {
    if !has_one_host(request) {
        return Some(Code::InvalidHost.because("Send exactly one Host header."));
    }
    let plain = has_plain_framing(request);
    (!plain)
        .then(|| Code::InvalidFraming.because("Send the body with a Content-Length, or in chunks and nothing else."))
}

/// Beside a length there is one way to say where a body ends: `chunked`, once. The parser takes the last coding of
/// a list and never undoes the others. Where there are both, it goes by the chunks, drops the length, and closes the
/// connection after the answer (RFC 9112 §6.3), so that nothing behind such a request is ever read as another one.
fn has_plain_framing<B>(request: &Request<B>) -> bool {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let (first, second) = (codings.next(), codings.next());
    second.is_none() && first.is_none_or(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

/// HTTP/1.1 asks for exactly one; two leave open which one others on the way believed.
fn has_one_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    second.is_none() && (first.is_some() || request.version() != Version::HTTP_11)
}

/// A response body; a routed one keeps its turn until it is sent, because it may be long.
pub enum FaceBody {
    Ingest(Full<Bytes>),
    Routed { body: RouterBody, _turn: Turn },
}

impl Body for FaceBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Ingest(body) => {
                Pin::new(body).poll_frame(context).map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
            }
            Self::Routed { body, .. } => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Ingest(body) => body.is_end_stream(),
            Self::Routed { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ingest(body) => body.size_hint(),
            Self::Routed { body, .. } => body.size_hint(),
        }
    }
}
