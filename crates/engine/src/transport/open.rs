//! A response that is read piece by piece for as long as its sender goes on, as a live tail is.
//!
//! It has a connection of its own, which no other request ever shares.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::http1::{Course, HttpTransport, failure_of, message_of};
use super::link::Link;
use super::{BodyEnd, OutboundRequest, OutboundResponse, SendError};
use crate::clock::{Elapsed, timeout};

/// The head of a response, and its body still to come.
pub struct OpenResponse {
    pub status: u16,
    pub headers: HeaderMap,
    body: Pieces,
}

enum Pieces {
    Live { link: Box<Link>, body: Incoming },
    /// Read before; what ended it comes after the one piece.
    Read { body: Option<Bytes>, end: BodyEnd },
}

impl OpenResponse {
    /// The next piece of the body; `None` at its end. Waits without a limit: its caller decides what is too long.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, SendError>> {
        match &mut self.body {
            Pieces::Live { link, body } => live_chunk(link, body).await,
            Pieces::Read { body, end } => body.take().map(Ok).or_else(|| end_of(end).map(Err)),
        }
    }
}

async fn live_chunk(link: &mut Link, body: &mut Incoming) -> Option<Result<Bytes, SendError>> {
    loop {
        match link.drive(body.frame()).await? {
            Ok(frame) => match frame.into_data() {
                Ok(data) => return Some(Ok(data)),
                Err(_trailers) => {}
            },
            Err(error) => {
                return Some(Err(SendError::ConnectionReset { kept: false, problem: error.to_string() }));
            }
        }
    }
}

/// Why a body that was read before is not whole; said once.
fn end_of(end: &mut BodyEnd) -> Option<SendError> {
    let problem = match std::mem::replace(end, BodyEnd::Complete) {
        BodyEnd::Complete => return None,
        BodyEnd::Cut => "the body is longer than what may be read of it",
        BodyEnd::TimedOut => "the body did not end in time",
        BodyEnd::Broken => "the connection ended before the body did",
    };
    Some(SendError::ConnectionReset { kept: false, problem: problem.to_owned() })
}

impl From<OutboundResponse> for OpenResponse {
    fn from(response: OutboundResponse) -> Self {
        let body = Pieces::Read { body: Some(response.body_head), end: response.body_end };
        Self { status: response.status, headers: response.headers, body }
    }
}

impl HttpTransport {
    /// Sends a request and gives its response as soon as the head is there. Of the limits, only those until then
    /// count.
    pub async fn open(&self, request: OutboundRequest) -> Result<OpenResponse, SendError> {
        let course = Course { started: self.clock.monotonic(), limits: request.limits };
        let (target, limit) = (Arc::clone(&request.target), request.limits.first_byte);
        let mut link = self.dial(&course, &target).await?;
        let (head, body) = match timeout(&*self.clock, limit, link.exchange(message_of(request))).await {
            Ok(Ok(response)) => response.into_parts(),
            Ok(Err(broken)) => return Err(failure_of(*broken, link.kept).into()),
            Err(Elapsed) => return Err(SendError::FirstByteTimeout(limit)),
        };
        Ok(OpenResponse { status: head.status.as_u16(), headers: head.headers, body: Pieces::Live { link: Box::new(link), body } })
    }
}
