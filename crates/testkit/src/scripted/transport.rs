//! The same source without a socket: answers within this process, so that a test may own the time. Redirects, cut
//! connections and everything else that only sockets have need the server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::transport::{BodyEnd, OutboundRequest, OutboundResponse, SendError, Timings, Transport};
use futures_util::future::BoxFuture;
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value as Json;

use super::query::Asked;
use super::script::Script;
use super::serve::State;

/// Where it seems to be.
const ADDRESS: &str = "https://source.example";

/// A source in this process.
pub struct ScriptedTransport {
    state: State,
    /// Nobody answers.
    pub down: AtomicBool,
}

impl ScriptedTransport {
    #[must_use]
    pub fn new(script: Script) -> Arc<Self> {
        let state = State::new(script, ADDRESS.to_owned(), "https://other.example".to_owned());
        Arc::new(Self { state, down: AtomicBool::new(false) })
    }

    /// Puts the source's address where `text` has its placeholder.
    pub fn addressed(&self, text: &str) -> String {
        self.state.addressed(text)
    }

    /// What was asked so far, in order of arrival.
    pub fn requests(&self) -> Vec<Json> {
        self.state.requests()
    }

    async fn answer(&self, request: OutboundRequest) -> Result<OutboundResponse, SendError> {
        // As a network does it: others come in between.
        tokio::task::yield_now().await;
        if self.down.load(Ordering::SeqCst) {
            return Err(SendError::ConnectFailed("nobody listens".to_owned()));
        }
        let mut asked = Request::builder().method(request.method).uri(request.target.url()).body(()).expect("a URL");
        *asked.headers_mut() = request.headers;
        let (parts, ()) = asked.into_parts();
        let (head, body) = self.state.answer(Asked::new(&parts, request.body)).into_parts();
        let body = body.collect().await.map_err(|error| SendError::ConnectFailed(error.to_string()))?;
        Ok(OutboundResponse {
            status: head.status.as_u16(),
            headers: head.headers,
            body_head: body.to_bytes(),
            body_end: BodyEnd::Complete,
            timings: Timings::default(),
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 443)),
            reused: false,
        })
    }
}

impl Transport for ScriptedTransport {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        Box::pin(self.answer(request))
    }
}
