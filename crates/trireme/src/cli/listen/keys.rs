//! Single keys from a terminal, without waiting for the end of a line. The terminal is left as it was found.
//!
//! Only line editing and echo are switched off: Ctrl-C still stops, and output needs no care.

use std::io::{self, IsTerminal, Read};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

/// Keys that are waited with: more than anybody types ahead.
const KEYS_MAX: usize = 64;
/// Digits of a number: more are a cat on the keyboard.
const DIGITS_MAX: usize = 9;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    ReplayLast,
    Replay(u64),
    Quit,
}

/// What was typed so far of a number.
#[derive(Default)]
struct Typed {
    digits: String,
}

impl Typed {
    fn push(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b'0'..=b'9' => {
                if self.digits.len() < DIGITS_MAX {
                    self.digits.push(char::from(byte));
                }
                None
            }
            b'\r' | b'\n' => std::mem::take(&mut self.digits).parse().ok().map(Key::Replay),
            other => {
                self.digits.clear();
                match other {
                    b'r' | b'R' => Some(Key::ReplayLast),
                    b'q' | b'Q' => Some(Key::Quit),
                    _ => None,
                }
            }
        }
    }
}

/// The terminal's modes as they were before, put back at the end.
struct Modes(Termios);

impl Modes {
    fn change() -> Option<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin).ok()?;
        let mut single = before.clone();
        single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        single.special_codes[SpecialCodeIndex::VMIN] = 1;
        single.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&stdin, OptionalActions::Now, &single).ok()?;
        Some(Self(before))
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        // If the terminal is gone there is nothing to put back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

pub struct Keys {
    typed: mpsc::Receiver<Key>,
    _modes: Modes,
}

impl Keys {
    /// `None` where nobody types: stdin is no terminal, or nobody sees what comes of it.
    #[must_use]
    pub fn open() -> Option<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return None;
        }
        let modes = Modes::change()?;
        let (sender, typed) = mpsc::channel(KEYS_MAX);
        // It waits in a read that nothing can end but a key; it goes with the process.
        std::thread::spawn(move || read(&sender));
        Some(Self { typed, _modes: modes })
    }

    /// The next key; never, once the terminal is gone.
    pub async fn next(&mut self) -> Key {
        match self.typed.recv().await {
            Some(key) => key,
            None => std::future::pending().await,
        }
    }
}

fn read(keys: &mpsc::Sender<Key>) {
    let mut typed = Typed::default();
    let mut byte = [0];
    while let Ok(1) = io::stdin().lock().read(&mut byte) {
        if let Some(key) = typed.push(byte[0])
            && keys.blocking_send(key).is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut typed = Typed::default();
        bytes.iter().filter_map(|byte| typed.push(*byte)).collect()
    }

    #[test]
    fn one_key_replays_the_last_and_a_number_picks_one() {
        assert_eq!(keys(b"r"), [Key::ReplayLast]);
        assert_eq!(keys(b"12\n7\rq"), [Key::Replay(12), Key::Replay(7), Key::Quit]);
        assert_eq!(keys(b"1r\n"), [Key::ReplayLast], "another key drops a number that was begun");
        assert_eq!(keys(b"\n\x1b[A x"), []);
        assert_eq!(keys(b"1234567890123456789012\n"), [Key::Replay(123_456_789)]);
    }
}
