//! The destinations: one loopback server that counts what is delivered to `/d/0`, `/d/1`, … and, told so, hangs,
//! dawdles, refuses or resets for some of them. It never dials out.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::error::BenchError;
use crate::ledger::Ledger;
use crate::payload::find_id;
use crate::runtime_thread::{self, RuntimeThread, StopSignal};
use crate::wire::{self, Message};

mod connection;

/// What a destination does with what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers 200 at once.
    Healthy,
    /// Reads the request and never answers.
    Hang,
    /// Answers 200 after a while; the delivery counts from then.
    Slow(Duration),
    /// Answers 503 at once.
    Unavailable,
    /// Ends the connection with a TCP reset.
    Reset,
}

/// A running sink.
pub struct Sink {
    address: SocketAddr,
    state: Arc<State>,
    thread: RuntimeThread,
}

struct State {
    ledger: Arc<Ledger>,
    destinations: Vec<Destination>,
    unsigned: AtomicU64,
    unreadable: AtomicU64,
    problem: OnceLock<String>,
}

struct Destination {
    behaviour: RwLock<Behaviour>,
    /// Requests answered 200.
    served: AtomicU64,
    /// Requests answered otherwise or not at all.
    denied: AtomicU64,
}

impl Sink {
    /// Starts it with `destinations` healthy ones.
    ///
    /// # Errors
    /// When no loopback port or thread can be had.
    pub fn start(destinations: usize, ledger: Arc<Ledger>) -> Result<Self, BenchError> {
        let listener = runtime_thread::listen()?;
        let address = listener.local_addr().map_err(BenchError::io("read the sink's address"))?;
        let state = Arc::new(State::new(destinations, ledger));
        let shared = Arc::clone(&state);
        let thread = RuntimeThread::spawn("sink", move |signal| serve(listener, shared, signal))?;
        Ok(Self { address, state, thread })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the next request on, destination `index` behaves so. One that it does not have is ignored.
    pub fn behave(&self, index: usize, behaviour: Behaviour) {
        if let Some(destination) = self.state.destinations.get(index) {
            *destination.behaviour.write().expect("no holder of this lock can panic") = behaviour;
        }
    }

    /// Requests that destination `index` answered 200.
    #[must_use]
    pub fn served(&self, index: usize) -> u64 {
        self.state.destinations.get(index).map_or(0, |destination| destination.served.load(Relaxed))
    }

    /// Requests that destination `index` hung on, refused or reset.
    #[must_use]
    pub fn denied(&self, index: usize) -> u64 {
        self.state.destinations.get(index).map_or(0, |destination| destination.denied.load(Relaxed))
    }

    /// Whether everything that arrived was a signed delivery of this run.
    ///
    /// # Errors
    /// One that says what else arrived.
    pub fn check(&self) -> Result<(), BenchError> {
        let unreadable = self.state.unreadable.load(Relaxed);
        if unreadable > 0 {
            let first = self.state.problem.get().cloned().unwrap_or_default();
            return Err(BenchError::Unreadable { count: unreadable, first });
        }
        match (self.state.ledger.unknown(), self.state.unsigned.load(Relaxed)) {
            (0, 0) => Ok(()),
            (0, unsigned) => Err(BenchError::Unsigned(unsigned)),
            (unknown, _) => Err(BenchError::UnknownEvents(unknown)),
        }
    }

    /// Ends it and returns the CPU time that it used.
    ///
    /// # Errors
    /// When its thread panicked.
    pub fn stop(self) -> Result<Duration, BenchError> {
        self.thread.stop()
    }
}

async fn serve(listener: std::net::TcpListener, state: Arc<State>, signal: StopSignal) {
    let connections = async {
        let mut open = JoinSet::new();
        let listener = TcpListener::from_std(listener).expect("a non-blocking listener inside a runtime is taken");
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(open.spawn(handle(stream, Arc::clone(&state)))),
                // The peer gave up before it was its turn.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return state.note_unreadable(&format!("no more connections: {error}")),
            }
            while open.try_join_next().is_some() {}
        }
    };
    tokio::select! {
        () = connections => {}
        () = signal.wait() => {}
    }
}

async fn handle(mut stream: TcpStream, state: Arc<State>) {
    // Noted before the stream is closed, so that a peer that sees the end can rely on it.
    if let Err(error) = connection::serve(&mut stream, &state).await {
        state.note_unreadable(&error.to_string());
    }
}

impl State {
    fn new(destinations: usize, ledger: Arc<Ledger>) -> Self {
        let destination = |_| Destination {
            behaviour: RwLock::new(Behaviour::Healthy),
            served: AtomicU64::new(0),
            denied: AtomicU64::new(0),
        };
        Self {
            ledger,
            destinations: (0..destinations).map(destination).collect(),
            unsigned: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            problem: OnceLock::new(),
        }
    }

    /// The destination that the request at the start of `buffer` is for.
    fn destination(&self, buffer: &[u8]) -> Option<&Destination> {
        let index = wire::path(buffer).strip_prefix(b"/d/")?;
        self.destinations.get(std::str::from_utf8(index).ok()?.parse::<usize>().ok()?)
    }

    /// Records a delivery that is about to be answered 200.
    fn record(&self, destination: &Destination, message: &Message, buffer: &[u8]) {
        destination.served.fetch_add(1, Relaxed);
        if !message.signed {
            self.unsigned.fetch_add(1, Relaxed);
        }
        match find_id(message.body(buffer)) {
            Some(id) => drop(self.ledger.deliver(id)),
            None => self.note_unreadable("a body without the id of an event"),
        }
    }

    fn note_unreadable(&self, problem: &str) {
        self.unreadable.fetch_add(1, Relaxed);
        self.problem.get_or_init(|| problem.to_owned());
    }
}
