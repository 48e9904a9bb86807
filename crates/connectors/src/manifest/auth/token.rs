//! Tokens that were asked for: their value, how long they hold, and how often one may ask.

use std::fmt;
use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::super::failure::{Action, FailureType, Verdict};
use super::super::scope::Scope;
use super::super::trouble::Trouble;
use super::super::wire::{Outcome, Reply};
use super::config::ConfigWrite;

/// Longest time that one token is asked for in vain.
const ASKED_MAX: Duration = Duration::from_secs(300);
/// A token is renewed this much before its end, or a tenth of its life where that is less: a request takes time.
const MARGIN_MAX: Duration = Duration::from_secs(30);

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Until when a token holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    Never,
    /// Until then. `since` is when it was given, if that is known.
    At {
        at: Timestamp,
        since: Option<Timestamp>,
    },
    /// For one request: the manifest says nothing about how long it holds.
    EachRequest,
}

/// A token that a source gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub value: Secret,
    pub expiry: Expiry,
    /// What changes in the config: with single-use refresh tokens the next refresh depends on it, so it must be kept
    /// before the token is used.
    pub writes: Vec<ConfigWrite>,
}

impl Token {
    /// Whether another should be asked for first.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        match self.expiry {
            Expiry::Never => false,
            Expiry::EachRequest => true,
            Expiry::At { at, since } => {
                let life = since.and_then(|since| Duration::try_from(at.duration_since(since)).ok());
                let margin = life.map_or(Duration::ZERO, |life| MARGIN_MAX.min(life / 10));
                now.saturating_add(margin).map_or(true, |then| then > at)
            }
        }
    }
}

/// Which token it is: a digest of what it is asked for with.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenKey([u8; 32]);

impl TokenKey {
    /// Of parts in their order; two lists of parts are never confused.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        Self(key)
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({})", HEXLOWER.encode(&self.0[..4]))
    }
}

/// How often one token was asked for in vain.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempts {
    count: u32,
    since: Option<Timestamp>,
}

impl Attempts {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more in vain: how long to wait, or `None` if it was tried long enough.
    fn next_wait(&mut self, now: Timestamp) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        let elapsed = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        let left = ASKED_MAX.checked_sub(elapsed).filter(|left| !left.is_zero())?;
        let wait = Duration::from_secs(1 << self.count.min(8));
        self.count += 1;
        Some(wait.min(left))
    }
}

/// What a reply that is no success is about, where the authenticator knows better than its status.
pub(super) enum Weight {
    Usual,
    /// It says something that the authenticator can read.
    Readable,
    Refused(Trouble),
}

/// Network failures, rate limits and the server's own failures are tried again; all else is final.
pub(super) fn judge(
    outcome: Outcome<'_>,
    scope: &Scope<'_>,
    attempts: &mut Attempts,
    weigh: impl Fn(&Reply) -> Weight,
) -> Verdict {
    let (reason, last) = match outcome {
        Outcome::Reply(reply) if reply.is_ok() => return verdict(Action::Success, None, None),
        Outcome::Reply(reply) if reply.status == 429 || reply.status >= 500 => (
            format!("the source answered a request for a token with status {}", reply.status),
            "is rate limited or ill",
        ),
        Outcome::Reply(reply) => {
            return match weigh(reply) {
                Weight::Readable => verdict(Action::Success, None, None),
                Weight::Refused(trouble) => failed(&trouble),
                Weight::Usual => failed(&Trouble::TokenStatus { what: "token", status: reply.status }),
            };
        }
        Outcome::Network(reason) => {
            (format!("the source could not be asked for a token: {reason}"), "could not be reached")
        }
    };
    match attempts.next_wait(scope.now()) {
        Some(wait) => {
            Verdict { wait: Some(wait), ..verdict(Action::Retry, Some(FailureType::Transient), Some(reason)) }
        }
        None => {
            let message = format!("{reason}; given up after {} s ({last})", ASKED_MAX.as_secs());
            verdict(Action::Fail, Some(FailureType::Transient), Some(message))
        }
    }
}

pub(super) fn failed(trouble: &Trouble) -> Verdict {
    verdict(Action::Fail, Some(trouble.failure_type()), Some(trouble.to_string()))
}

fn verdict(action: Action, failure_type: Option<FailureType>, message: Option<String>) -> Verdict {
    Verdict { action, failure_type, message, detail: None, wait: None, is_limited: false, limited_for: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn token(expiry: Expiry) -> Token {
        Token { value: Secret::new("s3cret".to_owned()), expiry, writes: Vec::new() }
    }

    #[test]
    fn a_token_is_renewed_a_little_before_its_end() {
        let table = [
            (Expiry::Never, i64::from(u32::MAX), false),
            (Expiry::EachRequest, 0, true),
            (Expiry::At { at: at(3_600), since: Some(at(0)) }, 3_570, false),
            (Expiry::At { at: at(3_600), since: Some(at(0)) }, 3_571, true),
            (Expiry::At { at: at(10), since: Some(at(0)) }, 9, false),
            (Expiry::At { at: at(10), since: Some(at(0)) }, 10, true),
            (Expiry::At { at: at(10), since: None }, 10, false),
            (Expiry::At { at: at(10), since: None }, 11, true),
        ];
        for (expiry, now, expected) in table {
            assert_eq!(token(expiry).is_due(at(now)), expected, "{expiry:?} at {now}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        assert!(!format!("{:?}", token(Expiry::Never)).contains("s3cret"));
    }

    #[test]
    fn keys_are_of_the_parts_and_not_of_their_sum() {
        assert_ne!(TokenKey::of(["ab", "c"]), TokenKey::of(["a", "bc"]));
        assert_eq!(TokenKey::of(["ab", "c"]), TokenKey::of(["ab", "c"]));
    }

    #[test]
    fn asking_in_vain_ends_after_five_minutes() {
        let mut attempts = Attempts::new();
        let mut now = at(0);
        let mut waits = Vec::new();
        while let Some(wait) = attempts.next_wait(now) {
            waits.push(wait.as_secs());
            now = now.saturating_add(wait).expect("no overflow");
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 45]);
    }
}
