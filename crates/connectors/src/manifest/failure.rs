//! What a reply or a failed attempt means for the read: go on, try again (when?), leave the page out, or stop and say
//! why. Decides only; the engine waits.

pub mod backoff;
pub mod filter;
mod handler;
pub mod message;
pub mod statuses;
mod tries;

use std::time::Duration;

use super::auth::Authenticator;
use super::scope::Scope;
use super::wire::Outcome;
use backoff::{Attempt, Stop};
use handler::Resolution;
use message::error_text;

pub use backoff::Backoff;
pub use filter::ResponseFilter;
pub use handler::{ErrorHandler, Handler};
pub use tries::Tries;

/// How long one request may be tried in all; a source that limits the rate is waited for longer.
pub const TOTAL_TIME_MAX: Duration = Duration::from_secs(600);
/// Tries of one request in all, whatever ended them: the counts of the kinds multiply.
const TRIES_MAX: u32 = 10_000;
/// The wait before a try with another token: not zero, so that a token that misreports does not make a hot loop.
const ROTATION_WAIT: Duration = Duration::from_millis(100);
/// As much as is kept of a source's own words about a failure.
const DETAIL_CHARS_MAX: usize = 1_000;

/// Whose fault a failure is, in the format's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureType {
    /// Ours or the manifest's.
    System,
    /// The config's: a person can mend it.
    Config,
    /// The moment's: later it may work.
    Transient,
}

impl FailureType {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system_error",
            Self::Config => "config_error",
            Self::Transient => "transient_error",
        }
    }
}

/// What the read does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the page. A status of 400 and more has no records and no next page even so.
    Success,
    /// As [`Self::Success`], but told as ignored: below 400 the page is read all the same.
    Ignore,
    /// Stop the stream.
    Fail,
    /// Wait, then send the same request again.
    Retry,
    /// As [`Self::Retry`]; the source said that we ask too often.
    RateLimited,
    /// Get a new token, wait, then send again.
    RefreshTokenThenRetry,
    /// Begin the slice's pages anew.
    ResetPagination,
    /// Ask for the same page in a smaller size.
    ReducePageSize,
    /// Read the slice in two halves.
    SplitRequestWindow,
}

/// The judgement on one attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub action: Action,
    pub failure_type: Option<FailureType>,
    /// For people.
    pub message: Option<String>,
    /// The source's own words about a failure. They may repeat what was sent: redact before showing.
    pub detail: Option<String>,
    /// How long to wait before the next try, where there is one.
    pub wait: Option<Duration>,
    /// Whether the source said that we ask too often, even if that was once too much.
    pub is_limited: bool,
    /// For how long that counts for every request, not for one token of several only; even if it is too long for this one.
    pub limited_for: Option<Duration>,
}

/// An error handler, and whether the requester that it belongs to can get a new token.
#[derive(Clone, Copy, Debug)]
pub struct Errors<'a> {
    handler: &'a ErrorHandler,
    authenticator: &'a Authenticator,
}

impl<'a> Errors<'a> {
    pub(super) const fn new(handler: &'a ErrorHandler, authenticator: &'a Authenticator) -> Self {
        Self { handler, authenticator }
    }

    /// What an attempt means, and when to try again. `chance` is drawn by the engine: at least 0 and less than 1.
    /// Where no new token can be had, asking for one is a plain retry.
    #[must_use]
    pub fn judge(&self, outcome: Outcome<'_>, scope: &Scope<'_>, tries: &mut Tries, chance: f64) -> Verdict {
        let number = tries.count();
        let mut resolution = self.handler.resolve(outcome, scope);
        if resolution.action == Action::RefreshTokenThenRetry && !self.authenticator.is_refreshable(scope) {
            resolution.action = Action::Retry;
        }
        let detail = match outcome {
            Outcome::Reply(reply) if !reply.is_ok() => error_text(reply).map(|text| shortened(&text)),
            Outcome::Reply(_) | Outcome::Network(_) => None,
        };
        let verdict = Verdict { detail, ..Verdict::from(resolution) };
        match verdict.action {
            Action::RefreshTokenThenRetry if tries.refreshed() => {
                let message = "the source refused the request again after its token was refreshed: connect again";
                verdict.failing(FailureType::Config, message.to_owned())
            }
            Action::Retry | Action::RateLimited | Action::RefreshTokenThenRetry => {
                self.again(verdict, &Attempt { outcome, number, chance }, scope, tries)
            }
            _ => verdict,
        }
    }

    /// The same request once more, unless it was tried enough.
    fn again(&self, verdict: Verdict, attempt: &Attempt<'_>, scope: &Scope<'_>, tries: &mut Tries) -> Verdict {
        if attempt.number >= TRIES_MAX {
            return verdict.exhausted(attempt);
        }
        let rotates = verdict.is_limited && tries.has_other_token();
        let limits_all = verdict.is_limited && !rotates;
        let given = if rotates { Ok(Some(ROTATION_WAIT)) } else { self.handler.given_wait(attempt, scope) };
        let given = match given {
            Ok(given) => given,
            Err(Stop::TooLong { wait, longest }) => {
                // What is taken for a mistake stops nobody else.
                let is_meant = |wait: &Duration| limits_all && *wait <= backoff::WAIT_MAX;
                let limited_for = Duration::try_from_secs_f64(wait).ok().filter(is_meant);
                let (wait, longest) = (wait.ceil(), longest.ceil());
                let message =
                    format!("the source asks to wait {wait} s, which is not less than the {longest} s allowed");
                return Verdict { limited_for, ..verdict.failing(FailureType::Transient, message) };
            }
            Err(Stop::Trouble(trouble)) => return verdict.failing(trouble.failure_type(), trouble.to_string()),
        };
        let max_tries = self.handler.max_retries(scope).saturating_add(1);
        let wait = match (given, verdict.action) {
            (Some(given), _) => tries.given(given, max_tries, scope.now()),
            (None, Action::RateLimited) => tries.limited(max_tries),
            (None, _) => tries.plain(max_tries, scope.now()),
        };
        let limited_for = wait.or(given).filter(|_| limits_all);
        let Some(wait) = wait else { return Verdict { limited_for, ..verdict.exhausted(attempt) } };
        if verdict.action == Action::RefreshTokenThenRetry {
            tries.note_refresh();
        }
        Verdict { wait: Some(wait), limited_for, ..verdict }
    }

    /// Tries after the first.
    #[must_use]
    pub fn max_retries(&self, scope: &Scope<'_>) -> u32 {
        self.handler.max_retries(scope)
    }

    /// Whether a filter may ask for this.
    #[must_use]
    pub fn uses(&self, action: Action) -> bool {
        self.handler.uses(action)
    }
}

impl From<Resolution> for Verdict {
    fn from(resolution: Resolution) -> Self {
        let Resolution { action, failure_type, message } = resolution;
        let is_limited = action == Action::RateLimited;
        Self { action, failure_type, message, detail: None, wait: None, is_limited, limited_for: None }
    }
}

impl Verdict {
    fn failing(self, failure_type: FailureType, message: String) -> Self {
        Self { action: Action::Fail, failure_type: Some(failure_type), message: Some(message), wait: None, ..self }
    }

    fn exhausted(self, attempt: &Attempt<'_>) -> Self {
        let limited = matches!(attempt.outcome, Outcome::Reply(reply) if reply.status == 429);
        let tries = attempt.number;
        if limited {
            let message = format!("the source's rate limit did not clear in {tries} tries");
            return self.failing(FailureType::Transient, message);
        }
        let last = self.message.clone().unwrap_or_else(|| "the source asked to try again".to_owned());
        let failure_type = self.failure_type.unwrap_or(FailureType::System);
        self.failing(failure_type, format!("given up after {tries} tries: {last}"))
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(DETAIL_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
