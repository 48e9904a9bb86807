//! Serving over given listeners: connections, their limits and their end.
//!
//! Ingest is answered by a plain hyper service before the router is asked, because it is the hot path; everything
//! else falls through to the router.

mod connection;
mod crowd;
mod face;
mod vitals;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::clock::{SharedClock, timeout};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::peer::Peer;
use crate::router::{guarded_router, ingest_router};
use connection::converse;
use crowd::Crowd;
use engine::access::WRITE_BACK_EVERY;
use face::Face;

/// How long accepting rests when the process is out of file descriptors: some connection must end first.
const ACCEPT_REST: Duration = Duration::from_millis(50);
/// How often the log says so.
const TELL_AGAIN: Duration = Duration::from_secs(10);
/// How often recorded histograms are folded together, so that they do not grow between two scrapes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// Connections taken from the queue of a listener that is about to close, so that none of them is reset.
const LAST_ACCEPTS_MAX: usize = 4_096;

/// Where connections come in. Several of a kind may be given: inherited ones, or one per address.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Everything.
    pub api: Vec<TcpListener>,
    /// Ingest and nothing else.
    pub ingest: Vec<TcpListener>,
}

/// Serves until `stop` is cancelled and what is under way has ended, or its time has. Gives how many connections
/// had to be cut.
pub async fn serve(app: App, listeners: Listeners, stop: CancellationToken) -> usize {
    let local_names_only = app.settings.loopback_only || all_on_loopback(&listeners.api);
    let all = Arc::new(Face::new(app.clone(), guarded_router(app.clone(), local_names_only)));
    let ingest = Arc::new(Face::new(app.clone(), ingest_router(app.clone())));
    let crowd = Crowd::new(&app.settings.limits);
    let connections = TaskTracker::new();
    let mut accepting = JoinSet::new();
    let api = listeners.api.into_iter().map(|listener| (listener, Arc::clone(&all)));
    for (listener, face) in api.chain(listeners.ingest.into_iter().map(|listener| (listener, Arc::clone(&ingest)))) {
        let door = Door { face, crowd: crowd.clone(), connections: connections.clone(), stop: stop.clone() };
        accepting.spawn(door.accept_all(listener));
    }
    let duties = tokio::spawn(keep_house(app.clone()));
    stop.cancelled().await;
    while accepting.join_next().await.is_some() {}
    connections.close();
    let ended = timeout(app.engine.clock().as_ref(), app.settings.limits.drain_time, connections.wait()).await;
    duties.abort();
    if let Err(error) = app.access.write_back().await {
        tracing::debug!(code = error.code(), "the times of last use of API keys were not written back");
    }
    if ended.is_ok() { 0 } else { connections.len() }
}

fn all_on_loopback(listeners: &[TcpListener]) -> bool {
    listeners.iter().all(|listener| listener.local_addr().is_ok_and(|address| address.ip().is_loopback()))
}

/// What comes back from time to time for as long as anything is served.
async fn keep_house(app: App) {
    let clock = SharedClock::clone(app.engine.clock());
    let mut since_write_back = Duration::ZERO;
    loop {
        clock.sleep(UPKEEP_EVERY).await;
        if let Some(metrics) = &app.metrics {
            metrics.run_upkeep();
        }
        since_write_back += UPKEEP_EVERY;
        if since_write_back >= WRITE_BACK_EVERY {
            since_write_back = Duration::ZERO;
            if let Err(error) = app.access.write_back().await {
                tracing::debug!(code = error.code(), "the times of last use of API keys were not written back");
            }
        }
    }
}

/// One listener's way in.
struct Door {
    face: Arc<Face>,
    crowd: Crowd,
    connections: TaskTracker,
    stop: CancellationToken,
}

impl Door {
    async fn accept_all(self, listener: TcpListener) {
        let clock = SharedClock::clone(self.face.app.engine.clock());
        let mut told_at = None;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => self.admit(stream, address),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Out of descriptors it fails twenty times a second: one line says enough.
                    let now = clock.monotonic();
                    if told_at.is_none_or(|told: Duration| now - told >= TELL_AGAIN) {
                        told_at = Some(now);
                        tracing::warn!(%error, "no connection can be accepted just now");
                    }
                    clock.sleep(ACCEPT_REST).await;
                }
            }
        }
        self.accept_last(listener);
    }

    /// Whoever has connected already is still answered: closing the listener would reset them. The kernel is asked, not
    /// the runtime, which may not have heard of them yet.
    fn accept_last(&self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        for _ in 0..LAST_ACCEPTS_MAX {
            let Ok((stream, address)) = listener.accept() else { return };
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                self.admit(stream, address);
            }
        }
    }

    fn admit(&self, stream: TcpStream, address: SocketAddr) {
        let app = &self.face.app;
        let peer = Peer::new(address.ip(), &app.settings.trusted_proxies);
        let Some(place) = self.crowd.admit(&peer) else {
            crowd::turn_away(&stream);
            return;
        };
        // Without this an answer may wait for the acknowledgement of an earlier packet.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let conversation = converse(stream, Arc::clone(&self.face), peer, self.stop.child_token());
        self.connections.spawn(async move {
            conversation.await;
            drop(place);
        });
    }
}

/// Errors of the one connection that was about to be accepted, not of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
