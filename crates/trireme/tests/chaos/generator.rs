//! Senders: each on a connection of its own, one message after another, so that the messages of a subject have an
//! order. Every answer goes into the ledger; a broken connection is opened again.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::dice::Dice;
use crate::http::{Client, Response, SILENCE_MAX};
use crate::ledger::{Answer, Ledger};
use crate::payload::{Message, signature};
use crate::wait::pause;

/// Wait before a broken connection is opened again, or a refused message is sent again: a restart takes longer.
const AGAIN: Duration = Duration::from_millis(5);

/// What the senders do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to: to each in turn, as a balancer does.
    pub gateways: Vec<SocketAddr>,
    /// Path and senders: each path gets so many.
    pub paths: Vec<String>,
    pub senders: usize,
    /// Subjects of each sender; no two senders share one.
    pub subjects: u64,
    pub bytes: Range<u64>,
    /// Pause between two messages of a sender.
    pub gap: Duration,
    /// How many messages in all; `None`: until stopped.
    pub messages: Option<u64>,
    /// Send a message again until it is acknowledged, as a sender with retries does.
    pub insist: bool,
    /// How long a gateway may be silent before the next one is asked.
    pub silence: Duration,
}

impl Plan {
    pub fn to(gateway: SocketAddr, path: &str) -> Self {
        Self {
            gateways: vec![gateway],
            paths: vec![path.to_owned()],
            senders: 6,
            subjects: 4,
            bytes: 200..1_000,
            gap: Duration::ZERO,
            messages: None,
            insist: false,
            silence: SILENCE_MAX,
        }
    }
}

pub struct Generator {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Generator {
    pub fn start(plan: &Plan, ledger: &Arc<Ledger>, dice: &mut Dice) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let left = Arc::new(AtomicU64::new(plan.messages.unwrap_or(u64::MAX)));
        let senders = (0..plan.senders as u64).map(|number| Sender {
            plan: plan.clone(),
            path: plan.paths[number as usize % plan.paths.len()].clone(),
            ledger: Arc::clone(ledger),
            dice: dice.fork(),
            stop: Arc::clone(&stop),
            left: Arc::clone(&left),
            subjects: number * plan.subjects..(number + 1) * plan.subjects,
            clients: plan.gateways.iter().map(|_| None).collect(),
            next: number as usize,
        });
        let threads = senders.map(|sender| std::thread::spawn(move || sender.run())).collect();
        Self { stop, threads }
    }

    pub fn stop(self) {
        self.stop.store(true, Relaxed);
        self.wait();
    }

    /// Until every message was sent.
    pub fn wait(self) {
        for thread in self.threads {
            thread.join().expect("a sender does not panic");
        }
    }
}

struct Sender {
    plan: Plan,
    path: String,
    ledger: Arc<Ledger>,
    dice: Dice,
    stop: Arc<AtomicBool>,
    left: Arc<AtomicU64>,
    subjects: Range<u64>,
    /// One per gateway.
    clients: Vec<Option<Client>>,
    next: usize,
}

impl Sender {
    fn run(mut self) {
        while self.goes_on() && self.take_one() {
            // Keys grow with time, so they are the steps of every subject too.
            let key = self.ledger.next_key();
            let subject = self.dice.between(self.subjects.clone());
            let bytes = self.dice.between(self.plan.bytes.clone()) as usize;
            self.deliver(&Message { key, subject, step: key, bytes });
            if !self.plan.gap.is_zero() {
                pause(self.plan.gap);
            }
        }
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Relaxed)
    }

    fn take_one(&self) -> bool {
        self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn deliver(&mut self, message: &Message) {
        loop {
            let answer = self.send(message);
            self.ledger.note(message.key, &answer);
            let acknowledged = matches!(answer, Answer::Acknowledged { .. });
            if !acknowledged {
                pause(AGAIN);
            }
            if acknowledged || !self.plan.insist || !self.goes_on() {
                return;
            }
        }
    }

    fn send(&mut self, message: &Message) -> Answer {
        let turn = self.next % self.clients.len();
        self.next += 1;
        let client = match self.clients[turn].take() {
            Some(client) => Ok(client),
            None => Client::connect_within(self.plan.gateways[turn], self.plan.silence),
        };
        let Ok(mut client) = client else { return Answer::Unanswered };
        let Ok(response) = post(&mut client, &self.path, message) else { return Answer::Unanswered };
        if response.header("connection") != Some("close") {
            self.clients[turn] = Some(client);
        }
        answer_of(&response, &self.ledger)
    }
}

/// Sends one message as its sender would.
pub fn post(client: &mut Client, path: &str, message: &Message) -> std::io::Result<Response> {
    let body = message.body();
    let (id, signature) = (message.id(), signature(body.as_bytes()));
    let headers = [
        ("content-type", "application/json"),
        ("x-github-event", "issues"),
        ("x-github-delivery", &*id),
        ("x-hub-signature-256", &*signature),
    ];
    client.send("POST", path, &headers, body.as_bytes())
}

/// What the gateway promised. Our own trouble may only be told as 503 with a time to come back.
pub fn answer_of(response: &Response, ledger: &Ledger) -> Answer {
    match response.status {
        200 => match acknowledged(&response.json()) {
            Some(answer) => answer,
            None => {
                ledger.note_fault(format!("200 without the id of an event: {}", response.text()));
                Answer::Unanswered
            }
        },
        503 if response.header("retry-after").is_some() => Answer::Refused(503),
        status => {
            ledger.note_fault(format!("{status} without Retry-After to a good request: {}", response.text()));
            Answer::Refused(status)
        }
    }
}

fn acknowledged(answer: &Value) -> Option<Answer> {
    let event = answer["events"].as_array().filter(|events| events.len() == 1)?.first()?;
    let id = event["id"].as_str()?.parse().ok()?;
    Some(Answer::Acknowledged { event: id, duplicate: event["duplicate"].as_bool()? })
}
