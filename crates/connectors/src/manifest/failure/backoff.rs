//! How long to wait before the next try: a constant, growing, or what the source says in a header or its body.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::super::expression::Template;
use super::super::node::{Node, Parameters, Read};
use super::super::problem::Problem;
use super::super::request::fields::{needed_template, number, pattern, python_float, template, template_or};
use super::super::scope::Scope;
use super::super::trouble::Trouble;
use super::super::wire::{Outcome, Reply};
use crate::manifest::overrides::Formula;

/// Longest wait that is taken: daily quotas are waited for, a header that says a year is a mistake.
pub const WAIT_MAX: Duration = Duration::from_secs(25 * 3600);
/// The factor of exponential back-off where the manifest says none.
const FACTOR_USUAL: &str = "5";

/// One back-off strategy.
#[derive(Clone, Debug)]
pub struct Backoff {
    way: Way,
    /// Longest wait that this strategy may ask for; one of this length is already too long.
    longest: Option<Template>,
    parameters: Parameters,
}

#[derive(Clone, Debug)]
enum Way {
    Constant {
        seconds: Template,
        jitter: Option<f64>,
    },
    Exponential {
        factor: Template,
        jitter: Option<f64>,
    },
    /// A header says how many seconds.
    Header {
        header: Template,
        regex: Option<Template>,
    },
    /// A header says the time, in seconds since 1970.
    HeaderTime {
        header: Template,
        regex: Option<Template>,
        least: Option<Template>,
    },
    /// An expression over the reply says how many seconds.
    Response {
        seconds: Template,
    },
    /// A formula in place of a custom strategy.
    Formula(Arc<dyn Formula>),
}

/// Why the request is not tried again although it could be.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// The wait would be longer than allowed.
    TooLong {
        wait: f64,
        longest: f64,
    },
    Trouble(Trouble),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// What a strategy decides by.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub outcome: Outcome<'a>,
    /// Counted from one.
    pub number: u32,
    /// Drawn by the engine, at least 0 and less than 1.
    pub chance: f64,
}

impl Backoff {
    /// The wait, or `None` if this strategy has nothing to say.
    ///
    /// # Errors
    /// If the wait is longer than allowed, or a template of the strategy does not evaluate.
    pub fn wait(&self, attempt: &Attempt<'_>, scope: &Scope<'_>) -> Result<Option<Duration>, Stop> {
        let scope = scope.parameters(&self.parameters);
        let Some(seconds) = self.seconds(attempt, &scope)?.filter(|seconds| *seconds > 0.0) else { return Ok(None) };
        let longest =
            self.longest.as_ref().map(|own| number(own, "max_waiting_time_in_seconds", &scope)).transpose()?;
        let longest = longest.map_or(WAIT_MAX.as_secs_f64(), |own| own.min(WAIT_MAX.as_secs_f64()));
        if seconds >= longest {
            return Err(Stop::TooLong { wait: seconds, longest });
        }
        Ok(Duration::try_from_secs_f64(seconds).ok())
    }

    fn seconds(&self, attempt: &Attempt<'_>, scope: &Scope<'_>) -> Result<Option<f64>, Trouble> {
        let jittered = |seconds: f64, jitter: Option<f64>| seconds + jitter.unwrap_or(0.0) * 2.0 * attempt.chance;
        let reply = match attempt.outcome {
            Outcome::Reply(reply) => Some(reply),
            Outcome::Network(_) => None,
        };
        Ok(match &self.way {
            Way::Constant { seconds, jitter } => {
                Some(jittered(number(seconds, "backoff_time_in_seconds", scope)?, *jitter))
            }
            Way::Exponential { factor, jitter } => {
                let power = 2_f64.powi(i32::try_from(attempt.number).unwrap_or(i32::MAX));
                Some(jittered(number(factor, "factor", scope)? * power, *jitter))
            }
            Way::Header { header, regex } => match reply {
                Some(reply) => header_number(reply, header, regex.as_ref(), scope)?,
                None => None,
            },
            Way::HeaderTime { header, regex, least } => {
                let until = match reply {
                    Some(reply) => header_number(reply, header, regex.as_ref(), scope)?,
                    None => None,
                };
                let least = least.as_ref().map(|least| number(least, "min_wait", scope)).transpose()?;
                until_time(until, least, scope.now())
            }
            Way::Response { seconds } => said_by_reply(seconds, reply, scope),
            Way::Formula(formula) => said_by_formula(formula.as_ref(), attempt.number, reply, scope)?,
        })
    }
}

/// From now until then; at least the least wait, if there is one; nothing if then has passed.
fn until_time(until: Option<f64>, least: Option<f64>, now: Timestamp) -> Option<f64> {
    let least = least.filter(|least| *least != 0.0);
    let Some(until) = until.filter(|until| *until != 0.0) else { return least };
    let wait = until - now.as_duration().as_secs_f64();
    match least {
        Some(least) => Some(wait.max(least)),
        None => Some(wait).filter(|wait| *wait >= 0.0),
    }
}

fn header_number(
    reply: &Reply,
    header: &Template,
    regex: Option<&Template>,
    scope: &Scope<'_>,
) -> Result<Option<f64>, Trouble> {
    let Some(value) = reply.header(&header.text(scope)?) else { return Ok(None) };
    let Some(regex) = regex else { return Ok(python_float(value)) };
    let regex = pattern(&regex.text(scope)?, true).map_err(|_| Trouble::Field {
        field: "regex",
        expects: "a regular expression without look-around",
        found: "something else",
    })?;
    Ok(python_float(regex.find(value).map_or(value, |found| found.as_str())))
}

/// A reply of another shape than the expression was written for says nothing, and the next strategy is asked.
fn said_by_reply(seconds: &Template, reply: Option<&Reply>, scope: &Scope<'_>) -> Option<f64> {
    let (nothing, no_headers) = (Json::Object(serde_json::Map::new()), http::HeaderMap::new());
    let response = reply.and_then(Reply::json).unwrap_or(&nothing);
    let headers = reply.map_or(&no_headers, |reply| &reply.headers);
    match seconds.value(&scope.response(response).headers(headers)).ok()? {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => python_float(&text),
        _ => None,
    }
}

fn said_by_formula(
    formula: &dyn Formula,
    attempt: u32,
    reply: Option<&Reply>,
    scope: &Scope<'_>,
) -> Result<Option<f64>, Trouble> {
    let response = reply.and_then(Reply::json).cloned().unwrap_or_default();
    let headers = reply.map(|reply| {
        let texts = reply.headers.iter().map(|(name, value)| {
            (name.as_str().to_owned(), Json::String(String::from_utf8_lossy(value.as_bytes()).into_owned()))
        });
        Json::Object(texts.collect())
    });
    let own = [("response", response), ("headers", headers.unwrap_or_default()), ("attempt", attempt.into())];
    let fault = |detail| Trouble::Formula { component: "back-off strategy", detail };
    match formula.in_place(own, scope).map_err(fault)? {
        Json::Null => Ok(None),
        Json::Number(number) => Ok(number.as_f64()),
        _ => Err(fault("must give a number of seconds, or nothing".to_owned())),
    }
}

impl Read for Backoff {
    fn read(node: &Node) -> Result<Self, Problem> {
        let way = match &*node.kind("")? {
            "ConstantBackoffStrategy" => {
                Way::Constant { seconds: needed_template(node, "backoff_time_in_seconds")?, jitter: jitter(node)? }
            }
            "ExponentialBackoffStrategy" => {
                Way::Exponential { factor: template_or(node, "factor", FACTOR_USUAL)?, jitter: jitter(node)? }
            }
            "WaitTimeFromHeader" => {
                Way::Header { header: needed_template(node, "header")?, regex: checked_regex(node)? }
            }
            "WaitUntilTimeFromHeader" => Way::HeaderTime {
                header: needed_template(node, "header")?,
                regex: checked_regex(node)?,
                least: template(node, "min_wait")?,
            },
            "CustomBackoffStrategy" if let Some(formula) = node.formula() => Way::Formula(Arc::clone(formula)),
            "WaitTimeFromResponse" => Way::Response { seconds: needed_template(node, "wait_time_in_seconds")? },
            _ => return Err(node.unsupported()),
        };
        let longest = template(node, "max_waiting_time_in_seconds")?;
        Ok(Self { way, longest, parameters: node.parameters() })
    }
}

fn jitter(node: &Node) -> Result<Option<f64>, Problem> {
    let Some(node) = node.get("jitter_range_in_seconds") else { return Ok(None) };
    let jitter = f64::read(&node)?;
    if jitter < 0.0 { Err(node.wrong("a number from 0")) } else { Ok(Some(jitter)) }
}

/// A pattern is tried at load if it stands there in full.
fn checked_regex(node: &Node) -> Result<Option<Template>, Problem> {
    let regex = template(node, "regex")?;
    if let (Some(field), Some(text)) = (node.get("regex"), regex.as_ref().map(Template::source))
        && !text.contains("{{")
    {
        pattern(text, true).map_err(|expects| field.wrong(expects))?;
    }
    Ok(regex)
}
