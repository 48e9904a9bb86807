//! Where deliveries go: one listener with a path per destination, each with a behaviour of its own. Every request that
//! was read whole is an arrival, noted before it is answered.

mod conversation;

use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};

use domain::EventId;

use crate::payload::Message;

/// Standard Webhooks secret of every destination.
pub const DESTINATION_SECRET: &str = "whsec_Y2hhb3MgY2hhb3MgY2hhb3MgY2hhb3MgY2hhb3MgISE=";
/// Problems that are kept; the first ones say enough.
const PROBLEMS_MAX: usize = 20;

/// What a destination does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Healthy,
    /// Always this status.
    Status(u16),
    /// 503 to the first tries of every message, by the number of the message up to this many, then 200.
    Stubborn(u32),
    /// Reads and never answers.
    Hang,
    /// Answers one byte a second.
    Drip,
    /// Breaks the connection by a reset.
    Reset,
}

/// One request that reached a destination.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub destination: Arc<str>,
    pub message: Option<Message>,
    pub event: EventId,
    pub webhook_id: Box<str>,
    pub attempt: u32,
    pub replay: bool,
    /// What it was answered; 0 if it never was.
    pub status: u16,
    /// Sent by a process that was gone when it was read.
    pub late: bool,
}

impl Arrival {
    pub fn accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

pub struct Sink {
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    behaviours: Mutex<HashMap<String, Behaviour>>,
    arrivals: Mutex<Vec<Arrival>>,
    accepted: Mutex<HashMap<Arc<str>, HashSet<EventId>>>,
    bodies: Mutex<Option<Vec<Vec<u8>>>>,
    problems: Mutex<Vec<String>>,
    generation: AtomicU32,
    stop: AtomicBool,
}

impl Sink {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State::default());
        let accepting = Arc::clone(&state);
        std::thread::spawn(move || accept(&listener, &accepting));
        Self { address, state }
    }

    /// The URL of a destination of this name.
    pub fn url(&self, destination: &str) -> String {
        format!("http://{}/d/{destination}", self.address)
    }

    pub fn behave(&self, destination: &str, behaviour: Behaviour) {
        lock(&self.state.behaviours).insert(destination.to_owned(), behaviour);
    }

    /// From here on the bodies of all arrivals are kept.
    pub fn keep_bodies(&self) {
        *lock(&self.state.bodies) = Some(Vec::new());
    }

    pub fn bodies(&self) -> Vec<Vec<u8>> {
        lock(&self.state.bodies).clone().unwrap_or_default()
    }

    /// The gateway is gone: what its connections still hold is late.
    pub fn next_generation(&self) {
        self.state.generation.fetch_add(1, SeqCst);
    }

    pub fn arrivals(&self) -> Vec<Arrival> {
        lock(&self.state.arrivals).clone()
    }

    pub fn count(&self, counts: impl Fn(&Arrival) -> bool) -> usize {
        lock(&self.state.arrivals).iter().filter(|arrival| counts(arrival)).count()
    }

    /// Accepted arrivals at a destination.
    pub fn accepted_at(&self, destination: &str) -> usize {
        self.count(|arrival| &*arrival.destination == destination && arrival.accepted())
    }

    /// Events that a destination accepted at least once.
    pub fn distinct_at(&self, destination: &str) -> usize {
        lock(&self.state.accepted).get(destination).map_or(0, HashSet::len)
    }

    /// Everything that arrived and should not have: unsigned, altered, unreadable.
    pub fn problems(&self) -> Vec<String> {
        lock(&self.state.problems).clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.state.stop.store(true, SeqCst);
        // Wakes the listener, which then sees that it has to go.
        drop(std::net::TcpStream::connect(self.address));
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for stream in listener.incoming() {
        if state.stop.load(SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let state = Arc::clone(state);
        let generation = state.generation.load(SeqCst);
        std::thread::spawn(move || conversation::hold(stream, &state, generation));
    }
}

impl State {
    fn behaviour(&self, destination: &str) -> Behaviour {
        lock(&self.behaviours).get(destination).copied().unwrap_or(Behaviour::Healthy)
    }

    fn note(&self, arrival: Arrival, body: &[u8]) {
        if let Some(bodies) = lock(&self.bodies).as_mut() {
            bodies.push(body.to_vec());
        }
        if arrival.accepted() {
            lock(&self.accepted).entry(Arc::clone(&arrival.destination)).or_default().insert(arrival.event);
        }
        lock(&self.arrivals).push(arrival);
    }

    fn note_problem(&self, problem: String) {
        let mut problems = lock(&self.problems);
        if problems.len() < PROBLEMS_MAX {
            problems.push(problem);
        }
    }

    fn is_late(&self, generation: u32) -> bool {
        self.generation.load(SeqCst) != generation
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
