//! A destination that remembers what it got, and answers as it is told.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::eventually;

/// A request that it got.
#[derive(Clone, Debug)]
pub struct Got {
    pub headers: HeaderMap,
    pub body: Bytes,
}

struct Shared {
    got: Mutex<Vec<Got>>,
    status: AtomicU16,
    body: Mutex<Bytes>,
    open: watch::Sender<bool>,
}

/// Serves on a free port until it is dropped.
pub struct Destination {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Destination {
    pub async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let (open, _) = watch::channel(true);
        let body = Mutex::new(Bytes::from_static(b"ok"));
        let shared = Arc::new(Shared { got: Mutex::default(), status: AtomicU16::new(200), body, open });
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { address, shared, serving }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// What it answers from now on.
    pub fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// What stands in its answers from now on.
    pub fn says(&self, body: String) {
        *self.shared.body.lock().expect("no panic") = body.into();
    }

    /// Holds its answers back.
    pub fn hold(&self) {
        self.shared.open.send_replace(false);
    }

    /// Gives all answers, those that it held back too.
    pub fn release(&self) {
        self.shared.open.send_replace(true);
    }

    pub fn got(&self) -> Vec<Got> {
        self.shared.got.lock().expect("no panic").clone()
    }

    /// How often it got each message.
    pub fn messages(&self) -> BTreeMap<String, usize> {
        let mut messages = BTreeMap::new();
        for got in self.got() {
            let id = got.headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or("none").to_owned();
            *messages.entry(id).or_default() += 1;
        }
        messages
    }

    /// Waits until it has got so many requests.
    pub async fn has_got(&self, count: usize) {
        eventually(&format!("{count} requests"), async || (self.got().len() >= count).then_some(())).await;
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let answer = service_fn(move |request| answer(request, Arc::clone(&shared)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    shared.got.lock().expect("no panic").push(Got { headers: head.headers, body });
    let mut open = shared.open.subscribe();
    // The sender lives in `shared`, so this only ends when it is open.
    let _ = open.wait_for(|open| *open).await;
    let body = shared.body.lock().expect("no panic").clone();
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(shared.status.load(Ordering::SeqCst)).expect("a status");
    Ok(response)
}
