//! How the process ends: every exit code in one place, and the error that carries one to `main`.
//!
//! docs/guide/operate.md has the same table; a test compares them.

use std::fmt;
use std::io;

use serde_json::{Value, json};

/// Exit codes. They never change their meaning: supervisors and scripts act on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    /// Whatever has no code of its own; of client commands also: the gateway refused or could not be reached.
    General = 1,
    /// The command line or the configuration is wrong; nothing was started. clap uses the same number.
    Usage = 2,
    /// The store is in use by another process, cannot be reached, or is not one that this version can open.
    Store = 3,
    /// The master key is missing, malformed, or not the one that the store's secrets were sealed with.
    MasterKey = 4,
    /// The disk failed to keep what it was given (`EX_IOERR` of sysexits.h). Start again to recover.
    Io = 74,
}

impl Exit {
    #[cfg(test)]
    pub const ALL: [Self; 6] = [Self::Done, Self::General, Self::Usage, Self::Store, Self::MasterKey, Self::Io];

    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// What went wrong, in words for a person: what happened, and what to do about it.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// Stable, for `--json`.
    pub code: String,
    pub message: String,
    pub hint: Option<String>,
}

/// What every command gives.
pub type Outcome<T = ()> = Result<T, Failure>;

/// The reader of our output went away, as `head` does: the rest is not wanted, which is no failure.
const OUTPUT_CLOSED: &str = "output_closed";

impl Failure {
    pub fn new(exit: Exit, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { exit, code: code.into(), message: message.into(), hint: None }
    }

    pub fn general(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Exit::General, code, message)
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A file or folder that could not be used.
    pub fn file(doing: &str, path: &std::path::Path, error: &io::Error) -> Self {
        Self::new(Exit::Io, "file_unusable", format!("{doing} {}: {error}", path.display()))
    }

    /// Writing to stdout failed.
    pub fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Done, OUTPUT_CLOSED, "");
        }
        Self::new(Exit::Io, "output_failed", format!("the output could not be written: {error}"))
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.message.is_empty()
    }

    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "error": { "code": self.code, "detail": self.message, "hint": self.hint } })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  {}", hint.replace('\n', "\n  "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_happened_and_then_what_to_do() {
        let failure = Failure::general("x", "it broke").hint("try this\nor that");
        assert_eq!(failure.to_string(), "error: it broke\n  try this\n  or that");
        assert_eq!(failure.to_json()["error"]["code"], "x");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let failure = Failure::output(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(failure.is_silent() && failure.exit == Exit::Done);
        assert!(!Failure::output(&io::Error::other("disk")).is_silent());
    }

    #[test]
    fn the_guide_explains_every_exit_code() {
        let guide = include_str!("../../../docs/guide/operate.md");
        for exit in Exit::ALL {
            assert!(guide.contains(&format!("\n| `{}` |", exit.code())), "{exit:?}");
        }
    }
}
