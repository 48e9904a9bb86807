//! Error handlers as a manifest writes them: what they make of an outcome, before tries and waits are looked at.

use std::time::Duration;

use super::super::expression::Template;
use super::super::node::{Node, Parameters, Read};
use super::super::problem::{Fault, Problem};
use super::super::request::fields::{template_at, whole};
use super::super::scope::Scope;
use super::super::wire::Outcome;
use super::backoff::{Attempt, Backoff, Stop};
use super::filter::ResponseFilter;
use super::{Action, FailureType, statuses};

/// Tries after the first, where the manifest says nothing.
const RETRIES_USUAL: u32 = 5;
/// Most tries that a manifest may ask for: past that a person should know.
const RETRIES_MAX: u32 = 1_000;
/// Handlers within a composite one, each counted.
const HANDLERS_MAX: usize = 64;

/// What the handler made of an outcome before tries and waits are looked at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Resolution {
    pub action: Action,
    pub failure_type: Option<FailureType>,
    pub message: Option<String>,
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
    /// The first strategy of all handlers that has something to say.
    pub(super) fn given_wait(&self, attempt: &Attempt<'_>, scope: &Scope<'_>) -> Result<Option<Duration>, Stop> {
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
    pub(super) fn max_retries(&self, scope: &Scope<'_>) -> u32 {
        match self {
            Self::Default(handler) => handler.max_retries(scope),
            Self::Composite(handlers) => handlers.first().map_or(RETRIES_USUAL, |first| first.max_retries(scope)),
        }
    }

    pub(super) fn uses(&self, action: Action) -> bool {
        match self {
            Self::Default(handler) => handler.filters.iter().any(|filter| filter.action() == Some(action)),
            Self::Composite(handlers) => handlers.iter().any(|handler| handler.uses(action)),
        }
    }

    pub(super) fn resolve(&self, outcome: Outcome<'_>, scope: &Scope<'_>) -> Resolution {
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
