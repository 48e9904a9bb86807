//! How many calls a source allows in a time: fixed and moving windows, for requests that match. Pure: asked whether a
//! request may go now, and told what the source says about what is left.

pub mod matcher;
mod window;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::expression::Template;
use super::expression::dates::Period;
use super::node::{Node, Read};
use super::problem::{Fault, Problem};
use super::request::fields::{needed_template, whole};
use super::scope::Scope;
use super::trouble::Trouble;
use super::wire::{Reply, Request};
use matcher::{Matcher, MatcherPlan};
use window::{Fixed, Moving, Rate};

/// Most policies of one budget.
const POLICIES_MAX: usize = 100;
/// Most rates of one policy.
const RATES_MAX: usize = 16;
/// Calls that a policy may allow at most: more is no limit.
const CALLS_MAX: u64 = 1_000_000_000;
/// Longest window.
const PERIOD_MAX: Duration = Duration::from_secs(366 * 86_400);

/// What a manifest says about calls; with the config it becomes a [`Budget`].
#[derive(Clone, Debug)]
pub struct BudgetPlan {
    policies: Vec<PolicyPlan>,
    reset_header: String,
    remaining_header: String,
    hit_statuses: Vec<u16>,
}

#[derive(Clone, Debug)]
struct PolicyPlan {
    limit: LimitPlan,
    matchers: Vec<MatcherPlan>,
}

#[derive(Clone, Debug)]
enum LimitPlan {
    Fixed { period: Duration, calls: u64 },
    Moving(Vec<(Template, Duration)>),
    Unlimited,
}

/// The calls of one connection, as they are counted.
#[derive(Clone, Debug)]
pub struct Budget {
    policies: Vec<Policy>,
    reset_header: String,
    remaining_header: String,
    hit_statuses: Vec<u16>,
}

#[derive(Clone, Debug)]
struct Policy {
    limit: Limit,
    matchers: Vec<Matcher>,
}

#[derive(Clone, Debug)]
enum Limit {
    Fixed(Fixed),
    Moving(Moving),
    Unlimited,
}

/// Whether a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Now; it is counted.
    Go,
    /// Not before then; nothing was counted, ask again.
    Wait(Timestamp),
}

impl BudgetPlan {
    /// The budget, with limits and weights that the config gives.
    pub fn open(&self, scope: &Scope<'_>) -> Result<Budget, Trouble> {
        let policies = self.policies.iter().map(|policy| policy.open(scope)).collect::<Result<_, _>>()?;
        Ok(Budget {
            policies,
            reset_header: self.reset_header.clone(),
            remaining_header: self.remaining_header.clone(),
            hit_statuses: self.hit_statuses.clone(),
        })
    }
}

impl PolicyPlan {
    fn open(&self, scope: &Scope<'_>) -> Result<Policy, Trouble> {
        let matchers: Vec<Matcher> = self.matchers.iter().map(|plan| plan.open(scope)).collect::<Result<_, _>>()?;
        let (limit, most) = match &self.limit {
            LimitPlan::Fixed { period, calls } => (Limit::Fixed(Fixed::new(*period, *calls)), *calls),
            LimitPlan::Unlimited => (Limit::Unlimited, u64::MAX),
            LimitPlan::Moving(rates) => {
                let mut open = Vec::with_capacity(rates.len());
                for (calls, period) in rates {
                    let calls = whole(calls, "limit", scope)?.min(CALLS_MAX);
                    open.push(Rate { calls, period: *period });
                }
                let most = open.iter().map(|rate| rate.calls).min().unwrap_or(u64::MAX);
                (Limit::Moving(Moving::new(open)), most)
            }
        };
        match matchers.iter().map(Matcher::weight).find(|weight| *weight > most) {
            Some(weight) => Err(Trouble::Weight { weight, limit: most }),
            None => Ok(Policy { limit, matchers }),
        }
    }
}

impl Policy {
    fn matches(&self, request: &Request) -> bool {
        self.matchers.is_empty() || self.matchers.iter().any(|matcher| matcher.matches(request))
    }

    fn weight(&self, request: &Request) -> u64 {
        self.matchers.iter().find(|matcher| matcher.matches(request)).map_or(1, Matcher::weight)
    }
}

impl Budget {
    /// Whether the request may go now. The first policy that matches counts it; one that none matches is free.
    pub fn admit(&mut self, request: &Request, now: Timestamp) -> Admission {
        let Some(policy) = self.policies.iter_mut().find(|policy| policy.matches(request)) else {
            return Admission::Go;
        };
        let weight = policy.weight(request);
        let until = match &mut policy.limit {
            Limit::Unlimited => None,
            Limit::Fixed(window) => window.take(weight, now),
            Limit::Moving(window) => window.take(weight, now),
        };
        until.map_or(Admission::Go, Admission::Wait)
    }

    /// What the source says about what is left. Only ever lowers what we allow ourselves: our limit may be meant to be
    /// below the source's.
    pub fn learn(&mut self, request: &Request, reply: &Reply, now: Timestamp) {
        let number = |name: &str| reply.header(name).and_then(|value| value.trim().parse::<i64>().ok());
        let reset = number(&self.reset_header).and_then(|second| Timestamp::from_second(second).ok());
        let hit = self.hit_statuses.contains(&reply.status).then_some(0);
        let left = number(&self.remaining_header).map(|left| u64::try_from(left).unwrap_or(0)).or(hit);
        let Some(policy) = self.policies.iter_mut().find(|policy| policy.matches(request)) else { return };
        match &mut policy.limit {
            Limit::Unlimited => {}
            Limit::Fixed(window) => window.learn(left, reset, now),
            Limit::Moving(window) => window.learn(left, reset, now),
        }
    }
}

impl Read for BudgetPlan {
    fn read(node: &Node) -> Result<Self, Problem> {
        if &*node.kind("HTTPAPIBudget")? != "HTTPAPIBudget" {
            return Err(node.unsupported());
        }
        let policies = node.need::<Node>("policies")?;
        if policies.items()?.len() > POLICIES_MAX {
            return Err(policies.problem(Fault::TooLarge, format!("has more than {POLICIES_MAX} policies")));
        }
        let statuses: Vec<u64> = node.or("status_codes_for_ratelimit_hit", Vec::new())?;
        let statuses = if statuses.is_empty() { vec![429] } else { statuses };
        Ok(Self {
            policies: Vec::read(&policies)?,
            reset_header: node.or("ratelimit_reset_header", "ratelimit-reset".to_owned())?,
            remaining_header: node.or("ratelimit_remaining_header", "ratelimit-remaining".to_owned())?,
            hit_statuses: statuses.into_iter().filter_map(|status| u16::try_from(status).ok()).collect(),
        })
    }
}

impl Read for PolicyPlan {
    fn read(node: &Node) -> Result<Self, Problem> {
        let limit = match &*node.kind("")? {
            "FixedWindowCallRatePolicy" => LimitPlan::Fixed {
                period: period(&node.need("period")?)?,
                calls: node.need::<u64>("call_limit")?.min(CALLS_MAX),
            },
            "MovingWindowCallRatePolicy" => LimitPlan::Moving(rates(&node.need("rates")?)?),
            "UnlimitedCallRatePolicy" => LimitPlan::Unlimited,
            _ => return Err(node.unsupported()),
        };
        Ok(Self { limit, matchers: node.need("matchers")? })
    }
}

fn rates(node: &Node) -> Result<Vec<(Template, Duration)>, Problem> {
    let items = node.items()?;
    if items.is_empty() || items.len() > RATES_MAX {
        return Err(node.problem(Fault::Wrong, format!("needs 1 to {RATES_MAX} rates")));
    }
    let rate = |item: &Node| Ok((needed_template(item, "limit")?, period(&item.need("interval")?)?));
    items.iter().map(rate).collect()
}

/// A window's length: exact, so without months.
fn period(node: &Node) -> Result<Duration, Problem> {
    let wrong = || node.problem(Fault::Wrong, "must be a duration without months, such as PT1M or P1D".to_owned());
    let period = Period::parse(&String::read(node)?).map_err(|_| wrong())?;
    let micros = u64::try_from(period.micros()).ok().filter(|micros| *micros > 0 && !period.has_months());
    let period = micros.map(Duration::from_micros).filter(|period| *period <= PERIOD_MAX);
    period.ok_or_else(wrong)
}

/// Then, that much later; as late as time goes if that is past it.
fn after(at: Timestamp, period: Duration) -> Timestamp {
    let period = SignedDuration::try_from(period).unwrap_or(SignedDuration::MAX);
    at.saturating_add(period).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
