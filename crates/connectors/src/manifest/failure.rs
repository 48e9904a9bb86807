//! What a reply or a failed attempt means for the read: go on, try again (when?), leave the page out, or stop and say
//! why. Decides only; the engine waits.

pub mod backoff;
pub mod filter;
pub mod message;
pub mod statuses;
mod tries;

use std::time::Duration;

use super::auth::Authenticator;
use super::expression::Template;
use super::node::{Node, Parameters, Read};
use super::problem::{Fault, Problem};
use super::request::fields::{template_at, whole};
use super::scope::Scope;
use super::wire::Outcome;
use backoff::{Attempt, Stop};
use message::error_text;

pub use backoff::Backoff;
pub use filter::ResponseFilter;
pub use tries::Tries;

/// Tries after the first, where the manifest says nothing.
const RETRIES_USUAL: u32 = 5;
/// Most tries that a manifest may ask for: past that a person should know.
const RETRIES_MAX: u32 = 1_000;
/// How long one request may be tried in all; a source that limits the rate is waited for longer.
pub const TOTAL_TIME_MAX: Duration = Duration::from_secs(600);
/// The wait before a try with another token: not zero, so that a token that misreports does not make a hot loop.
const ROTATION_WAIT: Duration = Duration::from_millis(100);
/// As much as is kept of a source's own words about a failure.
const DETAIL_CHARS_MAX: usize = 1_000;
/// Handlers within a composite one, each counted.
const HANDLERS_MAX: usize = 64;

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
}

/// What the handler made of an outcome before tries and waits are looked at.
#[derive(Clone, Debug, PartialEq)]
struct Resolution {
    action: Action,
    failure_type: Option<FailureType>,
    message: Option<String>,
}

/// How a requester tells failures apart, and what it does about them.
#[derive(Clone, Debug)]
pub enum ErrorHandler {
    Default(Handler),
    /// The first that decides counts; those that only fail let the next ones speak.
    Composite(Vec<ErrorHandler>),
}

/// One handler: filters in their order, waits in their order.
#[derive(Clone, Debug)]
pub struct Handler {
    filters: Vec<ResponseFilter>,
    backoffs: Vec<Backoff>,
    max_retries: Retries,
    parameters: Parameters,
}

#[derive(Clone, Debug)]
enum Retries {
    Count(u32),
    Template(Template),
}

impl Default for Handler {
    fn default() -> Self {
        let parameters = Parameters::default();
        Self { filters: Vec::new(), backoffs: Vec::new(), max_retries: Retries::Count(RETRIES_USUAL), parameters }
    }
}

impl Default for ErrorHandler {
    fn default() -> Self {
        Self::Default(Handler::default())
    }
}

impl ErrorHandler {
    /// What an attempt means, and when to try again. `chance` is drawn by the engine: at least 0 and less than 1.
    /// `refreshes` says whether a new token can be had at all; without, asking for one is a plain retry.
    fn judge(&self, seen: &Seen<'_>, scope: &Scope<'_>, tries: &mut Tries, refreshes: bool) -> Verdict {
        let (outcome, number) = (seen.outcome, tries.count());
        let mut resolution = self.resolve(outcome, scope);
        if resolution.action == Action::RefreshTokenThenRetry && !refreshes {
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
                self.again(verdict, &Attempt { outcome, number, chance: seen.chance }, scope, tries)
            }
            _ => verdict,
        }
    }

    /// The same request once more, unless it was tried enough.
    fn again(&self, verdict: Verdict, attempt: &Attempt<'_>, scope: &Scope<'_>, tries: &mut Tries) -> Verdict {
        let rotates = verdict.action == Action::RateLimited && tries.has_other_token();
        let given = if rotates { Ok(Some(ROTATION_WAIT)) } else { self.given_wait(attempt, scope) };
        let given = match given {
            Ok(given) => given,
            Err(Stop::TooLong { wait, longest }) => {
                let (wait, longest) = (wait.ceil(), longest.ceil());
                let message =
                    format!("the source asks to wait {wait} s, which is not less than the {longest} s allowed");
                return verdict.failing(FailureType::Transient, message);
            }
            Err(Stop::Trouble(trouble)) => return verdict.failing(trouble.failure_type(), trouble.to_string()),
        };
        let max_tries = self.max_retries(scope).saturating_add(1);
        let wait = match (given, verdict.action) {
            (Some(given), _) => tries.given(given, max_tries, scope.now()),
            (None, Action::RateLimited) => tries.limited(max_tries),
            (None, _) => tries.plain(max_tries, scope.now()),
        };
        let Some(wait) = wait else { return verdict.exhausted(attempt) };
        if verdict.action == Action::RefreshTokenThenRetry {
            tries.note_refresh();
        }
        Verdict { wait: Some(wait), ..verdict }
    }

    /// The first strategy of all handlers that has something to say.
    fn given_wait(&self, attempt: &Attempt<'_>, scope: &Scope<'_>) -> Result<Option<Duration>, Stop> {
        match self {
            Self::Default(handler) => {
                for backoff in &handler.backoffs {
                    if let Some(wait) = backoff.wait(attempt, scope)? {
                        return Ok(Some(wait));
                    }
                }
                Ok(None)
            }
            Self::Composite(handlers) => {
                for handler in handlers {
                    if let Some(wait) = handler.given_wait(attempt, scope)? {
                        return Ok(Some(wait));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Tries after the first. Of a composite handler, its first one's.
    fn max_retries(&self, scope: &Scope<'_>) -> u32 {
        match self {
            Self::Default(handler) => handler.max_retries(scope),
            Self::Composite(handlers) => handlers.first().map_or(RETRIES_USUAL, |first| first.max_retries(scope)),
        }
    }

    fn uses(&self, action: Action) -> bool {
        match self {
            Self::Default(handler) => handler.filters.iter().any(|filter| filter.action() == Some(action)),
            Self::Composite(handlers) => handlers.iter().any(|handler| handler.uses(action)),
        }
    }

    fn resolve(&self, outcome: Outcome<'_>, scope: &Scope<'_>) -> Resolution {
        match self {
            Self::Default(handler) => handler.resolve(outcome, scope),
            Self::Composite(handlers) => {
                let mut last = None;
                for handler in handlers {
                    let resolution = handler.resolve(outcome, scope);
                    if resolution.is_settled() {
                        return resolution;
                    }
                    last = Some(resolution);
                }
                last.unwrap_or_else(|| usual(outcome))
            }
        }
    }

    fn read_nested(node: &Node, handlers: &mut usize) -> Result<Self, Problem> {
        *handlers += 1;
        if *handlers > HANDLERS_MAX {
            return Err(node.problem(Fault::TooLarge, format!("has more than {HANDLERS_MAX} error handlers")));
        }
        match &*node.kind("DefaultErrorHandler")? {
            "DefaultErrorHandler" => Handler::read(node).map(Self::Default),
            "CompositeErrorHandler" => {
                let nested = node.need::<Node>("error_handlers")?.items()?;
                if nested.is_empty() {
                    return Err(node.wrong("a composite error handler with at least one error handler"));
                }
                let nested: Result<_, _> = nested.iter().map(|nested| Self::read_nested(nested, handlers)).collect();
                nested.map(Self::Composite)
            }
            _ => Err(node.unsupported()),
        }
    }
}

/// An error handler, and whether the requester that it belongs to can get a new token.
#[derive(Clone, Copy, Debug)]
pub struct Errors<'a> {
    handler: &'a ErrorHandler,
    authenticator: &'a Authenticator,
}

/// What is judged, and the chance that jitter is drawn by.
struct Seen<'a> {
    outcome: Outcome<'a>,
    chance: f64,
}

impl<'a> Errors<'a> {
    pub(super) const fn new(handler: &'a ErrorHandler, authenticator: &'a Authenticator) -> Self {
        Self { handler, authenticator }
    }

    /// What an attempt means, and when to try again. `chance` is drawn by the engine: at least 0 and less than 1.
    #[must_use]
    pub fn judge(&self, outcome: Outcome<'_>, scope: &Scope<'_>, tries: &mut Tries, chance: f64) -> Verdict {
        self.handler.judge(&Seen { outcome, chance }, scope, tries, self.authenticator.is_refreshable(scope))
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

impl Handler {
    fn resolve(&self, outcome: Outcome<'_>, scope: &Scope<'_>) -> Resolution {
        let Outcome::Reply(reply) = outcome else { return usual(outcome) };
        let matched = self.filters.iter().find_map(|filter| filter.resolve(reply, scope));
        matched.unwrap_or_else(|| usual(outcome))
    }

    fn max_retries(&self, scope: &Scope<'_>) -> u32 {
        match &self.max_retries {
            Retries::Count(count) => *count,
            Retries::Template(template) => {
                let count = whole(template, "max_retries", &scope.parameters(&self.parameters));
                count.map_or(RETRIES_USUAL, |count| u32::try_from(count).unwrap_or(u32::MAX).min(RETRIES_MAX))
            }
        }
    }
}

/// What an outcome means where no filter speaks.
fn usual(outcome: Outcome<'_>) -> Resolution {
    let retried =
        |message| Resolution { action: Action::Retry, failure_type: Some(FailureType::System), message: Some(message) };
    match outcome {
        Outcome::Network(reason) => retried(format!("the source could not be reached: {reason}")),
        Outcome::Reply(reply) if reply.is_ok() => Resolution::SUCCESS,
        Outcome::Reply(reply) => match statuses::meaning(reply.status) {
            Some(usual) => Resolution {
                action: usual.action,
                failure_type: Some(usual.failure_type),
                message: Some(usual.message.to_owned()),
            },
            None => retried(format!("the source answered with status {}", reply.status)),
        },
    }
}

impl Resolution {
    const SUCCESS: Self = Self { action: Action::Success, failure_type: None, message: None };

    /// Whether a composite handler asks no further. A failure or a rate limit lets the next handlers speak.
    fn is_settled(&self) -> bool {
        !matches!(self.action, Action::Fail | Action::RateLimited | Action::RefreshTokenThenRetry)
    }
}

impl From<Resolution> for Verdict {
    fn from(resolution: Resolution) -> Self {
        let Resolution { action, failure_type, message } = resolution;
        Self { action, failure_type, message, detail: None, wait: None, is_limited: action == Action::RateLimited }
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

impl Read for ErrorHandler {
    fn read(node: &Node) -> Result<Self, Problem> {
        Self::read_nested(node, &mut 0)
    }
}

impl Read for Handler {
    fn read(node: &Node) -> Result<Self, Problem> {
        let max_retries = match node.get("max_retries") {
            None => Retries::Count(RETRIES_USUAL),
            Some(own) => match own.text() {
                Some(_) => Retries::Template(template_at(&own)?),
                None => Retries::Count(retries(&own)?),
            },
        };
        Ok(Self {
            filters: node.or("response_filters", Vec::new())?,
            backoffs: node.or("backoff_strategies", Vec::new())?,
            max_retries,
            parameters: node.parameters(),
        })
    }
}

fn retries(node: &Node) -> Result<u32, Problem> {
    let count = u32::read(node)?;
    if count > RETRIES_MAX { Err(node.wrong(format!("a number up to {RETRIES_MAX}"))) } else { Ok(count) }
}

#[cfg(test)]
mod tests;
