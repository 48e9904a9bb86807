//! The only way out: one request to one judged address, within limits.
//!
//! Every address rule, time-out and size limit of outgoing requests lives in here, so that no caller can forget
//! one. Redirects are not followed, bodies are not inflated, proxies of the environment are not looked at.

mod address;
mod dial;
mod egress;
mod error;
mod hop;
mod http1;
mod link;
mod open;
mod pool;
mod resolve;
mod target;
mod tls;
mod wire;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};

pub use egress::{EgressPolicy, EgressRefused};
pub use error::SendError;
pub use hop::{HOP_HEADER, HOPS_MAX, Hop, hops_of, next_hop};
pub use http1::{HttpTransport, TransportOptions};
pub use open::OpenResponse;
pub use pool::PoolLimits;
pub use resolve::{Answer, Resolver, SystemResolver};
pub use target::{Target, URL_BYTES_MAX};
pub use tls::RootsError;
pub use wire::{Wire, WireRequest};

/// Sends requests. One implementation dials, the others are faulty on purpose.
pub trait Transport: Send + Sync + 'static {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>>;

    /// Sends, and gives the response as soon as its head is there, its body to be read piece by piece. What cannot do
    /// that reads the body first, as much of it as the limits allow.
    fn open(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OpenResponse, SendError>> {
        Box::pin(async move { Ok(OpenResponse::from(self.send(request).await?)) })
    }

    /// Connects to a server that speaks something else than HTTP.
    fn wire(&self, _request: WireRequest) -> BoxFuture<'_, Result<Wire, SendError>> {
        Box::pin(async { Err(SendError::ConnectFailed("this transport speaks HTTP and nothing else".to_owned())) })
    }
}

/// One request. What belongs to the connection (`host`, `content-length`, `connection` and their like) is set by
/// the transport and removed from `headers`.
pub struct OutboundRequest {
    pub method: Method,
    pub target: Arc<Target>,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub limits: Limits,
}

impl fmt::Debug for OutboundRequest {
    /// Headers and bodies hold secrets and payloads: they are counted, not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (headers, bytes) = (self.headers.len(), self.body.len());
        write!(f, "{} {:?} ({headers} headers, {bytes} bytes)", self.method, self.target)
    }
}

/// What one request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until there is a connection: name lookup, TCP and TLS.
    pub connect: Duration,
    /// From then until the response's head is read.
    pub first_byte: Duration,
    /// From then until its body ends. The status is known by now, so this only bounds what a slow body may hold.
    pub body: Duration,
    /// All of them together.
    pub total: Duration,
    /// How much of the body is kept; what comes after it is read and dropped, within [`DRAIN_BYTES_MAX`].
    pub body_bytes: usize,
}

/// How much of a body is read beyond what is kept, to save the connection. More than that costs more than a new
/// connection does.
pub const DRAIN_BYTES_MAX: usize = 64 * 1024;

impl Default for Limits {
    /// For deliveries: Standard Webhooks asks receivers to answer within 15 to 30 s, and 4 KiB of a response are
    /// enough to see what went wrong.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(15),
            body: Duration::from_secs(5),
            total: Duration::from_secs(20),
            body_bytes: 4 * 1024,
        }
    }
}

/// A response whose head was read. Whatever became of the body, the status was given.
#[derive(Clone, Debug)]
pub struct OutboundResponse {
    pub status: u16,
    pub headers: HeaderMap,
    /// The first [`Limits::body_bytes`] of the body, as sent: never inflated.
    pub body_head: Bytes,
    pub body_end: BodyEnd,
    pub timings: Timings,
    /// The address that answered.
    pub peer: SocketAddr,
    /// Whether the connection had served another request before.
    pub reused: bool,
}

impl OutboundResponse {
    /// Whether `body_head` is less than the body.
    #[must_use]
    pub fn body_truncated(&self) -> bool {
        self.body_end != BodyEnd::Complete
    }
}

/// How reading the body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// All of it was read and kept.
    Complete,
    /// It was longer than what is kept.
    Cut,
    /// It did not end in time.
    TimedOut,
    /// The connection ended before the body did, or its framing was wrong.
    Broken,
}

/// When things had happened, all counted from the start of [`Transport::send`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// The connection was there; next to nothing for a kept one.
    pub connect: Duration,
    /// The response's head was read.
    pub first_byte: Duration,
    pub total: Duration,
}
