//! Waiting for something to become true, with a deadline far past any goal: nothing here judges speed.

use std::time::{Duration, Instant};

/// Longest wait for anything: long enough for a debug build on a loaded machine, short enough for a test run.
pub const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);

/// Waits until `done` gives something, or panics with what was awaited.
pub fn until_some<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    match within(PATIENCE, &mut done) {
        Some(value) => value,
        None => panic!("waited {PATIENCE:?} in vain: {what}"),
    }
}

pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    until_some(what, || done().then_some(()));
}

/// `None` when the time is over.
pub fn within<T>(time: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = done() {
            return Some(value);
        }
        if start.elapsed() > time {
            return None;
        }
        pause(POLL);
    }
}

pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
