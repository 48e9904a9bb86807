//! A trivial gateway inside the test: takes in, keeps in memory, forwards. Its faults are what the tests are about.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bench::gateway::{Gateway, Launch, Launcher};
use bench::stopwatch::PreciseTimer;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot, watch};

pub const SECRET: &str = "a secret of the tests";
type Error = Box<dyn std::error::Error + Send + Sync>;

/// What it does wrong. The default is nothing.
#[derive(Clone, Default)]
pub struct Faults {
    /// Acknowledges every n-th event and forgets it.
    pub lose_every: Option<u64>,
    /// Delivers every n-th event twice.
    pub repeat_every: Option<u64>,
    /// Delivers without a signature.
    pub unsigned: bool,
    /// Delivers for all destinations one after another, so that one that hangs holds up the rest.
    pub one_lane: bool,
    /// Keeps what waits in the process only: a crash loses it.
    pub forget_on_crash: bool,
    /// Answers no sender while this is closed.
    pub gate: Option<watch::Receiver<bool>>,
}

/// Starts them; what they keep survives them, by data folder.
#[derive(Default)]
pub struct FakeLauncher {
    faults: Faults,
    disks: Mutex<HashMap<PathBuf, Arc<Disk>>>,
}

impl FakeLauncher {
    pub fn with(faults: Faults) -> Self {
        Self { faults, disks: Mutex::default() }
    }

    fn disk(&self, launch: &Launch, destinations: usize) -> Arc<Disk> {
        if self.faults.forget_on_crash {
            return Arc::new(Disk::new(destinations));
        }
        let mut disks = self.disks.lock().unwrap();
        Arc::clone(disks.entry(launch.data.clone()).or_insert_with(|| Arc::new(Disk::new(destinations))))
    }
}

impl Launcher for FakeLauncher {
    fn launch(&self, launch: &Launch) -> Result<Box<dyn Gateway>, Error> {
        let config = std::fs::read_to_string(&launch.config)?;
        let (sink, destinations) = read_config(&config).ok_or("the config names no destination")?;
        let listener = std::net::TcpListener::bind(launch.listen)?;
        listener.set_nonblocking(true)?;
        let disk = self.disk(launch, destinations);
        let state = State { disk, faults: self.faults.clone(), sink, secrets: read_secrets(&config) };
        Ok(Box::new(FakeGateway::start(listener, Arc::new(state))))
    }
}

/// The sink's address and how many destinations there are at it.
fn read_config(config: &str) -> Option<(SocketAddr, usize)> {
    let urls: Vec<&str> = config.lines().filter_map(|line| line.split("http://").nth(1)).collect();
    Some((urls.first()?.split('/').next()?.parse().ok()?, urls.len()))
}

/// The secrets of accounts, by the names of their keys.
fn read_secrets(config: &str) -> HashMap<String, String> {
    let account = |line: &str| {
        let (secret, name) = line.split_once("value: \"")?.1.split_once("\", name: \"")?;
        Some((name.split('"').next()?.to_owned(), secret.to_owned()))
    };
    config.lines().filter_map(account).collect()
}

struct FakeGateway {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeGateway {
    fn start(listener: std::net::TcpListener, state: Arc<State>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = run(listener, state) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Gateway for FakeGateway {
    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn ended(&mut self) -> Option<String> {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished).then(|| "its thread ended".to_owned())
    }

    fn kill(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

struct State {
    disk: Arc<Disk>,
    faults: Faults,
    sink: SocketAddr,
    secrets: HashMap<String, String>,
}

/// What waits for each destination.
struct Disk {
    waiting: Vec<Mutex<VecDeque<Bytes>>>,
    accepted: AtomicU64,
    delivered: AtomicU64,
    added: Notify,
}

impl Disk {
    fn new(destinations: usize) -> Self {
        let waiting = (0..destinations).map(|_| Mutex::default()).collect();
        Self { waiting, accepted: AtomicU64::new(0), delivered: AtomicU64::new(0), added: Notify::new() }
    }
}

async fn run(listener: std::net::TcpListener, state: Arc<State>) {
    let all: Vec<usize> = (0..state.disk.waiting.len()).collect();
    let lanes = if state.faults.one_lane { vec![all] } else { all.into_iter().map(|n| vec![n]).collect() };
    for lane in lanes {
        tokio::spawn(deliver(Arc::clone(&state), lane));
    }
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(Arc::clone(&state), request));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let page =
        |status: u16, body: String| Response::builder().status(status).body(Full::new(Bytes::from(body))).unwrap();
    Ok(match request.uri().path() {
        "/readyz" => page(200, "ready".to_owned()),
        "/metrics" => {
            let statements = 2 * state.disk.delivered.load(Relaxed);
            page(200, format!("trireme_store_statements_total{{verb=\"all\"}} {statements}\n"))
        }
        path => match path.strip_prefix("/in/s").and_then(|n| n.parse().ok()) {
            Some(n) => page(accept(&state, n, request).await, "{}".to_owned()),
            None => page(404, "no such source".to_owned()),
        },
    })
}

async fn accept(state: &State, destination: usize, request: Request<Incoming>) -> u16 {
    let signature = request.headers().get("x-signature").map(|value| value.as_bytes().to_vec()).unwrap_or_default();
    let account = request.headers().get("x-key").and_then(|key| state.secrets.get(key.to_str().ok()?));
    let secret = account.map_or(SECRET, String::as_str);
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = data_encoding::HEXLOWER.decode(&signature).unwrap_or_default();
    if ring::hmac::verify(&key, &body, &tag).is_err() {
        return 401;
    }
    if let Some(mut gate) = state.faults.gate.clone() {
        gate.wait_for(|open| *open).await.unwrap();
    }
    let count = state.disk.accepted.fetch_add(1, Relaxed);
    if !every(state.faults.lose_every, count) {
        state.disk.waiting[destination].lock().unwrap().push_back(body);
        state.disk.added.notify_waiters();
    }
    200
}

fn every(n: Option<u64>, count: u64) -> bool {
    n.is_some_and(|n| count % n == n - 1)
}

/// Delivers what waits for these destinations, one at a time, and tries again what was not taken.
async fn deliver(state: Arc<State>, lane: Vec<usize>) {
    let timer = PreciseTimer::new().unwrap();
    let mut connection = None;
    loop {
        let added = state.disk.added.notified();
        let next = lane.iter().find_map(|n| Some((*n, state.disk.waiting[*n].lock().unwrap().front()?.clone())));
        let Some((destination, body)) = next else {
            added.await;
            continue;
        };
        if post(&state, &mut connection, destination, &body).await.is_err() {
            connection = None;
            timer.wait(Duration::from_millis(5)).await.unwrap();
            continue;
        }
        state.disk.waiting[destination].lock().unwrap().pop_front();
        let count = state.disk.delivered.fetch_add(1, Relaxed);
        if every(state.faults.repeat_every, count) {
            let _ = post(&state, &mut connection, destination, &body).await;
        }
    }
}

/// One delivery, in an envelope as the product makes one.
async fn post(
    state: &State,
    connection: &mut Option<SendRequest<Full<Bytes>>>,
    destination: usize,
    body: &Bytes,
) -> Result<(), Error> {
    let sender = match connection {
        Some(sender) => sender,
        none => none.insert(connect(state.sink).await?),
    };
    let envelope = [br#"{"id":"evt_1","type":"order.paid","data":"#.as_slice(), body, b"}"].concat();
    let mut request = Request::post(format!("/d/{destination}")).header("host", state.sink.to_string());
    if !state.faults.unsigned {
        request = request.header("webhook-signature", "v1,of-a-fake");
    }
    sender.ready().await?;
    let answer = sender.send_request(request.body(Full::new(Bytes::from(envelope)))?).await?;
    let status = answer.status();
    answer.into_body().collect().await?;
    if status.is_success() { Ok(()) } else { Err(status.to_string().into()) }
}

async fn connect(sink: SocketAddr) -> Result<SendRequest<Full<Bytes>>, Error> {
    let stream = TcpStream::connect(sink).await?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
