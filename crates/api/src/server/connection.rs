//! One connection, from its first byte to its end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use engine::clock::SharedClock;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::face::Face;
use super::vitals::{Vitals, Watched};
use crate::app::Limits;
use crate::peer::Peer;

/// How long a connection without a request stays open when the gateway stops: a request that is on its way already
/// is answered, with the word that it was the last.
const LINGER: Duration = Duration::from_secs(1);
/// HTTP/2 requests at once on one connection.
const STREAMS_MAX: u32 = 128;

/// Serves a connection until it ends, outlives its limits, or the gateway stops and it is done.
pub async fn converse(stream: TcpStream, face: Arc<Face>, peer: Peer, stop: CancellationToken) {
    let clock = SharedClock::clone(face.app.engine.clock());
    // One of its own, or all connections would meet at one lock each time that any of them has something to do.
    let stop = stop.child_token();
    let limits = face.app.settings.limits.clone();
    let vitals = Arc::new(Vitals::default());
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&vitals)));
    let builder = builder(&limits);
    // HTTP/2 answers each request in a task of its own, so they share rather than borrow.
    let parties = Arc::new((face, peer, Arc::clone(&vitals), stop.clone()));
    let service = service_fn(|request: Request<Incoming>| {
        let parties = Arc::clone(&parties);
        async move {
            let (face, peer, vitals, stop) = &*parties;
            face.answer(request, peer, vitals, stop).await
        }
    });
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut outlived = pin!(vitals.outlived(clock.as_ref(), &limits));
    let mut leaving = pin!(leave(&stop, &vitals, &clock));
    let mut asked_to_end = false;
    poll_fn(|context| {
        // First, so that nothing new is read from a connection that is to end.
        if !asked_to_end && leaving.as_mut().poll(context).is_ready() {
            asked_to_end = true;
            connection.as_mut().graceful_shutdown();
        }
        if connection.as_mut().poll(context).is_ready() || outlived.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

/// Ends when the connection should take no further request.
async fn leave(stop: &CancellationToken, vitals: &Vitals, clock: &SharedClock) {
    stop.cancelled().await;
    // HTTP/2 can say which requests it still answers; HTTP/1.1 can only say so with its next answer.
    if !vitals.is_multiplexed() {
        clock.sleep(LINGER).await;
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // A sender may say that nothing more comes and still wait for its answer.
    builder.http1().half_close(true);
    // The head must fit into the read buffer: what does not is answered 431.
    builder.http1().max_buf_size(limits.head_bytes_max.max(8_192)).max_headers(limits.headers_max);
    let head_bytes_max = u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX);
    builder.http2().max_concurrent_streams(STREAMS_MAX).max_header_list_size(head_bytes_max);
    builder
}
