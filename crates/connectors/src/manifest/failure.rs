//! What a reply or a failed attempt means for the read: go on, try again (when?), leave the page out, or stop and say
//! why. Decides only; the engine waits.

pub mod backoff;
pub mod filter;
pub mod message;
pub mod statuses;
mod tries;

use std::time::Duration;

use super::expression::Template;
use super::node::{Node, Read};
use super::problem::Problem;
use super::scope::Scope;
use super::wire::Outcome;

pub use backoff::Backoff;
pub use filter::ResponseFilter;
pub use tries::Tries;

/// Tries after the first, where the manifest says nothing.
const RETRIES_USUAL: u32 = 5;
/// Most tries that a manifest may ask for: past that a person should know.
const RETRIES_MAX: u32 = 1_000;
/// How long one request may be tried in all; a source that limits the rate is waited for longer.
pub const TOTAL_TIME_MAX: Duration = Duration::from_secs(600);
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
    /// For people; never from the body of a reply that is fine.
    pub message: Option<String>,
    /// How long to wait before the next try, where there is one.
    pub wait: Option<Duration>,
}

/// What the handler made of an outcome before tries and waits are looked at.
#[derive(Clone, Debug, PartialEq)]
struct Resolution {
    action: Action,
    failure_type: Option<FailureType>,
    message: Option<String>,
}

impl Resolution {
    const SUCCESS: Self = Self { action: Action::Success, failure_type: None, message: None };
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
}

#[derive(Clone, Debug)]
enum Retries {
    Count(u32),
    Template(Template),
}

impl Default for ErrorHandler {
    fn default() -> Self {
        Self::Default(Handler { filters: Vec::new(), backoffs: Vec::new(), max_retries: Retries::Count(RETRIES_USUAL) })
    }
}

impl Read for ErrorHandler {
    fn read(node: &Node) -> Result<Self, Problem> {
        let mut handlers = 0;
        Self::read_nested(node, &mut handlers)
    }
}
