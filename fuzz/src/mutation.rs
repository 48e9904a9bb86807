//! Real documents with small damage: random bytes alone never get past a parser's first line.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Where, what, and with which argument.
pub type Edit = (u16, u8, u8);

/// Pieces that mean something to one parser or another.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    ":",
    ",",
    "\n",
    "\r\n",
    "\0",
    "\\u0000",
    "\\ud800",
    "1e400000",
    "-",
    "99999999999999999999",
    "null",
    "true",
    "$",
    "&x ",
    "*x",
    "\u{feff}",
    "%00",
    "../",
];
/// Longest document that is made: repeating must not make the fuzzer itself slow.
const BYTES_MAX: usize = 64 * 1024;

/// The document after these edits.
pub fn damaged(document: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = document.to_vec();
    for (place, what, argument) in edits {
        edit(&mut bytes, usize::from(*place), *what, usize::from(*argument));
        bytes.truncate(BYTES_MAX);
    }
    bytes
}

fn edit(bytes: &mut Vec<u8>, place: usize, what: u8, argument: usize) {
    let at = place % (bytes.len() + 1);
    let end = (at + argument).min(bytes.len());
    match what % 6 {
        0 if at < bytes.len() => bytes[at] ^= 1 << (argument % 8),
        1 if at < bytes.len() => bytes[at] = argument as u8,
        2 => drop(bytes.splice(at..at, PIECES[argument % PIECES.len()].bytes())),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let piece = bytes[at..end].repeat(argument % 8);
            bytes.splice(at..at, piece);
        }
        _ => {
            let piece = PIECES[argument % PIECES.len()].repeat(200);
            bytes.splice(at..at, piece.bytes());
        }
    }
}

/// What the inputs of a target may take: enough on a machine that is busy with all the other tests, where the usual
/// second is over before both ends were seen.
const TEST_TIME: Duration = Duration::from_secs(20);
/// The same of a long round.
const SOAK_TIME: Duration = Duration::from_secs(5 * 60);

/// How long a target runs, and with how many inputs at most: few among all the other tests, as many as the time allows
/// in a long round (`TRIREME_SOAK`).
#[expect(clippy::disallowed_methods, reason = "the harness stands outside of the product")]
pub fn effort(inputs: usize) -> (Duration, usize) {
    match std::env::var("TRIREME_SOAK") {
        Ok(_) => (SOAK_TIME, usize::MAX),
        Err(_) => (TEST_TIME, inputs),
    }
}

/// Counts how a target's inputs ended.
#[derive(Default)]
pub struct Tally {
    taken: AtomicU64,
    refused: AtomicU64,
}

impl Tally {
    pub fn note(&self, taken: bool) {
        let count = if taken { &self.taken } else { &self.refused };
        count.fetch_add(1, Relaxed);
    }

    /// Panics unless both ends were seen.
    pub fn check(&self, target: &str) {
        let (taken, refused) = (self.taken.load(Relaxed), self.refused.load(Relaxed));
        println!("{target}: {taken} inputs taken, {refused} refused");
        assert!(taken > 0 && refused > 0, "{target} saw one kind of end only: {taken} taken, {refused} refused");
    }
}

#[test]
fn damage_changes_a_document_and_stays_bounded() {
    let document = b"{\"a\":1}";
    assert_eq!(damaged(document, &[]), document);
    assert_eq!(damaged(document, &[(1, 3, 4)]), b"{1}");
    assert_eq!(damaged(document, &[(0, 2, 0)]), b"{{\"a\":1}");
    let edits = [(3, 5, 1), (7, 4, 255)].repeat(50);
    assert!(damaged(document, &edits).len() <= BYTES_MAX);
}
