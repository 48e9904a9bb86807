//! What was sent and what the gateway said to it. The sink has the other half; the oracle compares them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use domain::EventId;

/// How the gateway answered one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 2xx with the id of the event.
    Acknowledged { event: EventId, duplicate: bool },
    /// A status that promises nothing.
    Refused(u16),
    /// The connection ended first: the message may be in or not.
    Unanswered,
}

#[derive(Debug, Default)]
pub struct Ledger {
    keys: AtomicU64,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    acked: HashMap<u64, EventId>,
    order: Vec<u64>,
    unanswered: HashSet<u64>,
    refused: BTreeMap<u16, u64>,
    duplicates: u64,
    /// Answers that break a promise, in words.
    faults: Vec<String>,
}

/// The figures of a book at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub acked: usize,
    pub unanswered: usize,
    pub refused: BTreeMap<u16, u64>,
    pub duplicates: u64,
}

impl Ledger {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The number of the next message.
    pub fn next_key(&self) -> u64 {
        self.keys.fetch_add(1, Relaxed)
    }

    pub fn note(&self, key: u64, answer: &Answer) {
        let mut book = self.book();
        match answer {
            Answer::Acknowledged { event, duplicate } => {
                book.duplicates += u64::from(*duplicate);
                match book.acked.insert(key, *event) {
                    None => book.order.push(key),
                    Some(first) if first == *event => {}
                    Some(first) => book.faults.push(format!("message {key} is {first} and {event}")),
                }
            }
            Answer::Refused(status) => *book.refused.entry(*status).or_default() += 1,
            Answer::Unanswered => drop(book.unanswered.insert(key)),
        }
    }

    pub fn acked(&self) -> HashMap<u64, EventId> {
        self.book().acked.clone()
    }

    pub fn acked_count(&self) -> usize {
        self.book().acked.len()
    }

    /// The messages acknowledged last: those that a crash could have lost.
    pub fn last_acked(&self, count: usize) -> Vec<EventId> {
        let book = self.book();
        book.order.iter().rev().take(count).map(|key| book.acked[key]).collect()
    }

    pub fn sent(&self) -> Sent {
        let book = self.book();
        Sent {
            acked: book.acked.len(),
            unanswered: book.unanswered.len(),
            refused: book.refused.clone(),
            duplicates: book.duplicates,
        }
    }

    pub fn note_fault(&self, fault: String) {
        self.book().faults.push(fault);
    }

    pub fn faults(&self) -> Vec<String> {
        self.book().faults.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no holder of this lock panics")
    }
}
