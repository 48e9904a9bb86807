//! The shop as a real HTTP server: one thread, loopback, a free port, the machine's time. It sends its webhooks itself.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use engine::clock::{SharedClock, SystemClock};
use engine::transport::{EgressPolicy, HttpTransport, Limits, OutboundRequest, Target, Transport, TransportOptions};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::answer::{Answer, Ending};
use super::hooks::Hook;
use super::shop::Shop;
use super::transport::locked;
use crate::scripted::{Asked, Body, cut, whole};

/// How often it is looked whether a webhook is due: sooner than anybody could tell.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A server that runs until it is dropped.
pub struct ShopServer {
    address: SocketAddr,
    shop: Arc<Mutex<Shop>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ShopServer {
    /// Opens the shop that `make` makes of the time at which it opens.
    pub fn start(make: impl FnOnce(domain::Timestamp) -> Shop) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let clock = SystemClock::shared();
        let shop = Arc::new(Mutex::new(make(clock.now())));
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shop);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("it is a listener and does not block");
                tokio::select! {
                    () = accept(listener, Arc::clone(&serving), Arc::clone(&clock)) => {}
                    () = send_hooks(serving, clock) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { address, shop, stop: Some(stop), thread: Some(thread) })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The shop itself, to look at or to change: nothing is served meanwhile.
    pub fn shop(&self) -> MutexGuard<'_, Shop> {
        locked(&self.shop)
    }
}

impl Drop for ShopServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has failed the test's request already.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, shop: Arc<Mutex<Shop>>, clock: SharedClock) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (shop, clock) = (Arc::clone(&shop), Arc::clone(&clock));
        let serve = service_fn(move |request| answer(request, Arc::clone(&shop), Arc::clone(&clock)));
        tokio::spawn(async move {
            // Its error is a client that went away, or an answer that was cut on purpose.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    shop: Arc<Mutex<Shop>>,
    clock: SharedClock,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let answer = locked(&shop).answer(&Asked::new(&parts, body), clock.now());
    if answer.ending == Ending::Silence {
        std::future::pending::<()>().await;
    }
    locked(&shop).went(answer.visit, clock.now());
    Ok(response(answer))
}

fn response(answer: Answer) -> Response<Body> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    match answer.ending {
        Ending::Cut(bytes) => cut(response, answer.body.to_vec(), bytes),
        Ending::Whole | Ending::Silence => whole(response, answer.body.to_vec()),
    }
}

/// Sends what is due, each on its own: one that is not answered holds up no other.
async fn send_hooks(shop: Arc<Mutex<Shop>>, clock: SharedClock) {
    let transport = HttpTransport::new(Arc::clone(&clock), TransportOptions::default());
    let transport = Arc::new(transport.expect("the public roots are well-formed"));
    let loopback = "127.0.0.0/8".parse().expect("it is a network");
    let policy = Arc::new(EgressPolicy::new(vec![loopback], Vec::new()));
    loop {
        for hook in locked(&shop).due(clock.now()) {
            let (shop, clock) = (Arc::clone(&shop), Arc::clone(&clock));
            let (transport, number, request) = (Arc::clone(&transport), hook.number, outbound(hook, &policy));
            tokio::spawn(async move {
                let status = transport.send(request).await.ok().map(|response| response.status);
                locked(&shop).told(number, status, clock.now());
            });
        }
        clock.sleep(LOOK_EVERY).await;
    }
}

fn outbound(hook: Hook, policy: &Arc<EgressPolicy>) -> OutboundRequest {
    let target = Target::parse(&hook.url, policy).unwrap_or_else(|error| panic!("{}: {error}", hook.url));
    let mut headers = HeaderMap::new();
    for (name, value) in hook.headers {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).expect("they are plain"));
    }
    OutboundRequest {
        method: Method::POST,
        target: Arc::new(target),
        headers,
        body: hook.body,
        limits: Limits::default(),
    }
}
