//! One response filter: which replies it is for, and what is done about them.

use serde_json::{Map, Value as Json};

use super::super::expression::{Condition, Template};
use super::super::node::{Node, Parameters, Read};
use super::super::problem::{Fault, Problem};
use super::super::request::fields::{condition, template};
use super::super::scope::Scope;
use super::super::wire::Reply;
use super::handler::Resolution;
use super::message::{error_text, is_truthy};
use super::statuses::meaning;
use super::{Action, FailureType};

/// Most statuses that one filter may name: there are no more.
const STATUSES_MAX: usize = 600;

/// Replies with one of these statuses, or that the predicate holds for, or whose error text has this in it.
#[derive(Clone, Debug)]
pub struct ResponseFilter {
    /// Without an action a filter matches nothing.
    action: Option<Action>,
    failure_type: Option<FailureType>,
    http_codes: Vec<u16>,
    predicate: Option<Condition>,
    error_message_contains: Option<String>,
    error_message: Option<Template>,
    parameters: Parameters,
}

impl ResponseFilter {
    pub(super) const fn action(&self) -> Option<Action> {
        self.action
    }

    /// What to do about this reply, if the filter is for it.
    pub(super) fn resolve(&self, reply: &Reply, scope: &Scope<'_>) -> Option<Resolution> {
        let action = self.action.filter(|_| self.matches(reply, scope))?;
        let usual = meaning(reply.status);
        let message = self.message(reply, scope).or_else(|| usual.map(|usual| usual.message.to_owned()));
        let failure_type = match (self.failure_type, usual) {
            (Some(own), _) if action == Action::Fail => own,
            (_, Some(usual)) => usual.failure_type,
            _ => FailureType::System,
        };
        Some(Resolution { action, failure_type: Some(failure_type), message })
    }

    fn matches(&self, reply: &Reply, scope: &Scope<'_>) -> bool {
        self.http_codes.contains(&reply.status) || self.predicate_holds(reply, scope) || self.text_matches(reply)
    }

    /// The predicate sees the reply only, never the config. One that does not evaluate does not hold.
    fn predicate_holds(&self, reply: &Reply, scope: &Scope<'_>) -> bool {
        let Some(predicate) = &self.predicate else { return false };
        let (nothing, url, response) = (Json::Null, reply.plain_url(), body(reply));
        let seen = Scope::new(&nothing, scope.now()).parameters(&self.parameters);
        let seen = seen.response(&response).headers(&reply.headers).request_url(&url);
        predicate.holds(&seen).unwrap_or(false)
    }

    fn text_matches(&self, reply: &Reply) -> bool {
        let Some(part) = &self.error_message_contains else { return false };
        error_text(reply).is_some_and(|text| text.contains(part.as_str()))
    }

    fn message(&self, reply: &Reply, scope: &Scope<'_>) -> Option<String> {
        let template = self.error_message.as_ref()?;
        let (url, response) = (reply.plain_url(), body(reply));
        let seen = scope.parameters(&self.parameters).response(&response).headers(&reply.headers).request_url(&url);
        // A message is not worth losing the failure for that it describes.
        let value = template.value(&seen).ok().filter(is_truthy)?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

fn body(reply: &Reply) -> std::borrow::Cow<'_, Json> {
    use std::borrow::Cow;
    reply.json().map_or_else(|| Cow::Owned(Json::Object(Map::new())), Cow::Borrowed)
}

impl Read for ResponseFilter {
    fn read(node: &Node) -> Result<Self, Problem> {
        let http_codes = match node.get("http_codes") {
            None => Vec::new(),
            Some(codes) if codes.items()?.len() > STATUSES_MAX => return Err(codes.wrong("a shorter list of statuses")),
            Some(codes) => codes.items()?.iter().map(status).collect::<Result<_, _>>()?,
        };
        let text: Option<String> = node.maybe("error_message_contains")?;
        Ok(Self {
            action: node.get("action").map(|node| action(&node)).transpose()?,
            failure_type: node.get("failure_type").map(|node| failure_type(&node)).transpose()?,
            http_codes,
            predicate: condition(node, "predicate")?,
            error_message_contains: text.filter(|text| !text.is_empty()),
            error_message: template(node, "error_message")?,
            parameters: node.parameters(),
        })
    }
}

/// A status, as a list of them has it.
pub fn status(node: &Node) -> Result<u16, Problem> {
    u16::try_from(u64::read(node)?).map_err(|_| node.wrong("an HTTP status"))
}

fn action(node: &Node) -> Result<Action, Problem> {
    Ok(match String::read(node)?.as_str() {
        "SUCCESS" => Action::Success,
        "FAIL" => Action::Fail,
        "RETRY" => Action::Retry,
        "IGNORE" => Action::Ignore,
        "RESET_PAGINATION" => Action::ResetPagination,
        "RATE_LIMITED" => Action::RateLimited,
        "REFRESH_TOKEN_THEN_RETRY" => Action::RefreshTokenThenRetry,
        "REDUCE_PAGE_SIZE" => Action::ReducePageSize,
        "SPLIT_REQUEST_WINDOW" => Action::SplitRequestWindow,
        other => {
            let known = "SUCCESS, FAIL, RETRY, IGNORE, RATE_LIMITED, RESET_PAGINATION, REFRESH_TOKEN_THEN_RETRY, \
                         REDUCE_PAGE_SIZE or SPLIT_REQUEST_WINDOW";
            return Err(node.problem(Fault::Wrong, format!("'{other}' is no action; it must be {known}")));
        }
    })
}

fn failure_type(node: &Node) -> Result<FailureType, Problem> {
    match String::read(node)?.as_str() {
        "system_error" => Ok(FailureType::System),
        "config_error" => Ok(FailureType::Config),
        "transient_error" => Ok(FailureType::Transient),
        _ => Err(node.wrong("system_error, config_error or transient_error")),
    }
}
