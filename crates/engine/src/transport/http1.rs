//! The transport that dials: HTTP/1.1 over kept connections, TLS where the URL says so.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Request;
use http::header::{self, HeaderMap, HeaderName};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use tokio_rustls::TlsConnector;

use super::dial::{Dialler, HEAD_BYTES_MAX};
use super::error::SendError;
use super::link::{Broken, Link};
use super::pool::{Pool, PoolLimits};
use super::resolve::{Resolver, SystemResolver};
use super::target::Target;
use super::tls::{RootsError, client_config};
use super::{
    BodyEnd, DRAIN_BYTES_MAX, Limits, OpenResponse, OutboundRequest, OutboundResponse, Timings, Transport, Wire,
    WireRequest,
};
use crate::clock::{Elapsed, SharedClock, timeout};

/// How an [`HttpTransport`] is set up.
#[derive(Default)]
pub struct TransportOptions {
    pub pool: PoolLimits,
    /// PEM texts of root certificates to trust beside the public ones.
    pub extra_roots: Vec<Vec<u8>>,
    /// Instead of the operating system's resolver.
    pub resolver: Option<Arc<dyn Resolver>>,
}

/// Sends over connections of its own. Make one and share it: connections are kept in it.
pub struct HttpTransport {
    pub(super) clock: SharedClock,
    dialler: Dialler,
    pool: Arc<Pool>,
}

pub(super) type Message = Request<Full<Bytes>>;

pub(super) enum Failure {
    /// Nothing of the request was written: another connection may take it.
    Unsent(Box<Message>, String),
    Final(SendError),
}

impl From<Failure> for SendError {
    /// When no other connection is to be tried.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Final(error) => error,
            Failure::Unsent(_, problem) => Self::ConnectFailed(problem),
        }
    }
}

impl HttpTransport {
    pub fn new(clock: SharedClock, options: TransportOptions) -> Result<Self, RootsError> {
        let config = client_config(&options.extra_roots)?;
        let resolver = options.resolver.unwrap_or_else(|| Arc::new(SystemResolver::new()));
        let dialler =
            Dialler { clock: Arc::clone(&clock), resolver, tls: TlsConnector::from(Arc::clone(&config)), config };
        Ok(Self { clock, dialler, pool: Arc::new(Pool::new(options.pool)) })
    }

    async fn send_within_limits(&self, request: OutboundRequest) -> Result<OutboundResponse, SendError> {
        let course = Course { started: self.clock.monotonic(), limits: request.limits };
        let target = Arc::clone(&request.target);
        let mut message = message_of(request);
        while let Some(mut link) = self.pool.take(&target.origin, course.started) {
            if !link.is_idle() {
                continue;
            }
            match self.exchange(&course, &target, link, message).await {
                Ok(response) => return Ok(response),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Unsent(unsent, _)) => message = *unsent,
            }
        }
        let link = self.dial(&course, &target).await?;
        Ok(self.exchange(&course, &target, link, message).await?)
    }

    pub(super) async fn dial(&self, course: &Course, target: &Target) -> Result<Link, SendError> {
        let limit = course.limits.connect.min(course.left(&self.clock));
        // Boxed, because dialling is rare and its state would make every request's future as large.
        let dialled = timeout(&*self.clock, limit, Box::pin(self.dialler.dial(&target.origin))).await;
        dialled.map_err(|Elapsed| SendError::ConnectTimeout(limit))?
    }

    async fn exchange(
        &self,
        course: &Course,
        target: &Target,
        mut link: Link,
        message: Message,
    ) -> Result<OutboundResponse, Failure> {
        let connect = course.passed(&self.clock);
        let left = course.limits.total.saturating_sub(connect);
        let limit = course.limits.first_byte.min(left);
        let response = match timeout(&*self.clock, limit, link.exchange(message)).await {
            Ok(Ok(response)) => response,
            Ok(Err(broken)) => return Err(failure_of(*broken, link.kept)),
            Err(Elapsed) if limit < left => return Err(Failure::Final(SendError::FirstByteTimeout(limit))),
            Err(Elapsed) => return Err(Failure::Final(SendError::TotalTimeout(course.limits.total))),
        };
        let first_byte = course.passed(&self.clock);
        let (head, mut body) = response.into_parts();
        let limit = course.limits.body.min(course.limits.total.saturating_sub(first_byte));
        let (body_head, body_end) = self.read_body(course, &mut link, &mut body, limit).await;
        let total = course.passed(&self.clock);
        let (peer, reused) = (link.peer, link.kept);
        self.keep(target, link, &head.headers, course.started + total);
        let timings = Timings { connect, first_byte, total };
        Ok(OutboundResponse {
            status: head.status.as_u16(),
            headers: head.headers,
            body_head,
            body_end,
            timings,
            peer,
            reused,
        })
    }

    async fn read_body(
        &self,
        course: &Course,
        link: &mut Link,
        body: &mut Incoming,
        limit: Duration,
    ) -> (Bytes, BodyEnd) {
        if body.is_end_stream() {
            return (Bytes::new(), BodyEnd::Complete);
        }
        let mut kept = Vec::new();
        let reading = drain(link, body, course.limits.body_bytes, &mut kept);
        let end = timeout(&*self.clock, limit, reading).await.unwrap_or(BodyEnd::TimedOut);
        (kept.into(), end)
    }

    /// Keeps the connection if the exchange ended cleanly, else closes it.
    fn keep(&self, target: &Target, mut link: Link, headers: &HeaderMap, now: Duration) {
        let idle_time = self.pool.limits().idle_time.min(idle_time_of_peer(headers));
        if idle_time.is_zero() || !link.is_idle() {
            return;
        }
        link.kept = true;
        if self.pool.put(Arc::clone(&target.origin), link, now + idle_time) {
            tokio::spawn(sweep(Arc::downgrade(&self.pool), Arc::clone(&self.clock), self.pool.limits().idle_time));
        }
    }

    #[cfg(test)]
    pub(super) fn idle_connections(&self) -> usize {
        self.pool.len()
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        Box::pin(self.send_within_limits(request))
    }

    fn open(&self, request: OutboundRequest) -> BoxFuture<'_, Result<OpenResponse, SendError>> {
        Box::pin(Self::open(self, request))
    }

    fn wire(&self, request: WireRequest) -> BoxFuture<'_, Result<Wire, SendError>> {
        Box::pin(async move {
            let dialled = timeout(&*self.clock, request.connect, self.dialler.wire(&request.target.origin)).await;
            let wire = dialled.map_err(|Elapsed| SendError::ConnectTimeout(request.connect))??;
            if !request.tls {
                return Ok(wire);
            }
            let secured = timeout(&*self.clock, request.connect, wire.secure()).await;
            secured.map_err(|Elapsed| SendError::ConnectTimeout(request.connect))?
        })
    }
}

/// One request's time.
pub(super) struct Course {
    pub started: Duration,
    pub limits: Limits,
}

impl Course {
    fn passed(&self, clock: &SharedClock) -> Duration {
        clock.monotonic().saturating_sub(self.started)
    }

    fn left(&self, clock: &SharedClock) -> Duration {
        self.limits.total.saturating_sub(self.passed(clock))
    }
}

/// Headers about the connection or the framing of the body: theirs would contradict ours, and a contradiction is
/// how requests are smuggled.
const FRAMING_HEADERS: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

pub(super) fn message_of(request: OutboundRequest) -> Message {
    let mut headers = request.headers;
    // Looked at in one pass, because removing seven names that are not there is what would cost.
    if headers.keys().any(|name| FRAMING_HEADERS.contains(name)) {
        FRAMING_HEADERS.iter().for_each(|name| drop(headers.remove(name)));
    }
    headers.insert(header::HOST, request.target.host_header.clone());
    let mut message = Request::new(Full::new(request.body));
    *message.method_mut() = request.method;
    *message.uri_mut() = request.target.uri.clone();
    *message.headers_mut() = headers;
    message
}

pub(super) fn failure_of(broken: Broken, kept: bool) -> Failure {
    let problem = in_words(&broken.error);
    match broken.unsent {
        Some(message) => Failure::Unsent(Box::new(message), problem),
        None if broken.error.is_parse_too_large() => {
            Failure::Final(SendError::ResponseTooLarge { bytes_max: HEAD_BYTES_MAX })
        }
        None if broken.error.is_parse() => Failure::Final(SendError::ProtocolError(problem)),
        None => Failure::Final(SendError::ConnectionReset { kept, problem }),
    }
}

/// The library's words and, behind them, the system's.
fn in_words(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Reads the body to its end or to the limits; keeps the first `keep` bytes. They are copied, because a slice
/// would hold the connection's whole read buffer for as long as the response is looked at.
async fn drain(link: &mut Link, body: &mut Incoming, keep: usize, kept: &mut Vec<u8>) -> BodyEnd {
    let mut read = 0usize;
    while let Some(frame) = link.drive(body.frame()).await {
        let Ok(frame) = frame else { return BodyEnd::Broken };
        let Ok(data) = frame.into_data() else { continue };
        read = read.saturating_add(data.len());
        kept.extend_from_slice(&data[..data.len().min(keep - kept.len())]);
        if read > keep.saturating_add(DRAIN_BYTES_MAX) {
            return BodyEnd::Cut;
        }
    }
    if read > kept.len() { BodyEnd::Cut } else { BodyEnd::Complete }
}

/// How long the peer says it will wait for the next request (`keep-alive: timeout=5`), less a second so that we
/// close first: a request that meets a closing connection is a failed try.
fn idle_time_of_peer(headers: &HeaderMap) -> Duration {
    const MARGIN: Duration = Duration::from_secs(1);
    let stated = headers.get("keep-alive").and_then(|value| value.to_str().ok()).and_then(|value| {
        let seconds = value.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
        seconds.trim().parse().ok().map(Duration::from_secs)
    });
    stated.map_or(Duration::MAX, |time| time.saturating_sub(MARGIN))
}

/// Closes connections that nobody uses any more. Ends when there are none, so an idle process stays asleep.
async fn sweep(pool: std::sync::Weak<Pool>, clock: SharedClock, idle_time: Duration) {
    loop {
        clock.sleep(idle_time / 2).await;
        match pool.upgrade() {
            Some(pool) if pool.sweep(clock.monotonic()) => {}
            _ => return,
        }
    }
}
