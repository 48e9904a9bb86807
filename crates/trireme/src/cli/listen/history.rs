//! The last messages that were brought, so that any of them can be brought once more.

use std::collections::VecDeque;
use std::sync::Arc;

use super::local::Brought;

/// Messages kept: more than anybody scrolls back.
const KEPT_MAX: usize = 1_000;
/// Bytes of their bodies: payloads may be as large as 25 MiB.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Default)]
pub struct History {
    kept: VecDeque<(u64, Arc<Brought>)>,
    bytes: usize,
    last: u64,
}

impl History {
    /// Keeps a message; gives its number.
    pub fn keep(&mut self, message: Arc<Brought>) -> u64 {
        self.last += 1;
        self.bytes += message.body.len();
        self.kept.push_back((self.last, message));
        while self.kept.len() > 1 && (self.kept.len() > KEPT_MAX || self.bytes > KEPT_BYTES_MAX) {
            let gone = self.kept.pop_front();
            self.bytes -= gone.map_or(0, |(_, message)| message.body.len());
        }
        self.last
    }

    #[must_use]
    pub fn last(&self) -> Option<(u64, Arc<Brought>)> {
        self.kept.back().cloned()
    }

    #[must_use]
    pub fn get(&self, number: u64) -> Option<(u64, Arc<Brought>)> {
        self.kept.iter().find(|(kept, _)| *kept == number).cloned()
    }

    /// Whether this event was brought: it may be told again after a connection broke.
    #[must_use]
    pub fn has(&self, event: &str) -> bool {
        self.kept.iter().any(|(_, message)| message.event == event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(event: &str, bytes: usize) -> Arc<Brought> {
        Arc::new(Brought { event: event.to_owned(), body: vec![0; bytes].into(), ..Brought::default() })
    }

    #[test]
    fn messages_are_found_by_their_numbers_until_there_are_too_many() {
        let mut history = History::default();
        assert!(history.last().is_none());
        for number in 1..=KEPT_MAX as u64 + 1 {
            assert_eq!(history.keep(message(&format!("evt_{number}"), 1)), number);
        }
        assert!(history.get(1).is_none() && !history.has("evt_1"));
        assert!(history.get(2).is_some_and(|(number, found)| number == 2 && found.event == "evt_2"));
        assert!(history.last().is_some_and(|(number, _)| number == KEPT_MAX as u64 + 1));
    }

    #[test]
    fn large_ones_push_out_the_others_but_never_themselves() {
        let mut history = History::default();
        history.keep(message("small", 10));
        history.keep(message("large", KEPT_BYTES_MAX + 1));
        assert!(!history.has("small") && history.has("large"));
        history.keep(message("next", 10));
        assert!(!history.has("large") && history.has("next"));
        assert_eq!(history.bytes, 10);
    }
}
