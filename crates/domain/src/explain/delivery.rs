//! Deliveries: what is known of one, and all rules about why it is not delivered.

mod answer;
mod connection;
mod last;
mod pattern;
mod state;
#[cfg(test)]
mod tests;
mod unsent;

use std::time::Duration;

use super::{Diagnosis, Rule, judge_or};
use crate::{DeliveryState, Timestamp};

/// One try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Try {
    pub at: Timestamp,
    pub duration: Duration,
    /// `delivered`, or the code of what went wrong.
    pub outcome: String,
    pub status: Option<u16>,
    /// What the transport said.
    pub error: String,
    /// The beginning of the answer, in lower case.
    pub response: String,
}

/// How a destination stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    #[default]
    Active,
    Paused,
    Disabled,
    /// It is configured no more.
    Retired,
}

/// What is known of where it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    pub name: String,
    pub https: bool,
    pub host: String,
    pub port: u16,
    pub standing: Standing,
    /// Why it is paused or disabled, as somebody said.
    pub why: String,
    pub breaker_open: bool,
    /// Messages carry a signature.
    pub signed: bool,
    /// Limit until the first byte of an answer.
    pub first_byte: Duration,
}

/// The tries to one destination in one minute, of all deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    pub at: Timestamp,
    pub tries: u64,
    pub failed: u64,
}

/// All that rules about a delivery may look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub now: Timestamp,
    pub state: DeliveryState,
    /// Code and words of why it is dead or filtered.
    pub cause: Option<(String, String)>,
    /// Oldest first.
    pub tries: Vec<Try>,
    pub due_at: Option<Timestamp>,
    /// It waits behind another one of its lane.
    pub behind: bool,
    pub subject: Option<String>,
    pub route: String,
    /// The route is configured no more.
    pub route_gone: bool,
    pub destination: Destination,
    /// What is sent, once it was prepared.
    pub body_bytes: Option<u64>,
    pub content_type: String,
    /// The last hour of the destination, oldest first; minutes without a try are left out.
    pub minutes: Vec<Minute>,
}

impl Facts {
    fn last(&self) -> Option<&Try> {
        self.tries.last()
    }

    /// The last try, if it failed; what was delivered or filtered in the end needs no explanation of its tries.
    fn failed(&self) -> Option<&Try> {
        let ended_well = matches!(self.state, DeliveryState::Delivered | DeliveryState::Filtered);
        self.last().filter(|last| last.outcome != "delivered" && !ended_well)
    }

    /// The last try, if it ended with this code.
    fn ended(&self, outcome: &str) -> Option<&Try> {
        self.failed().filter(|last| last.outcome == outcome)
    }

    /// The last try, if it was answered with one of these.
    fn answered(&self, statuses: &[u16]) -> Option<&Try> {
        self.failed().filter(|last| last.status.is_some_and(|status| statuses.contains(&status)))
    }

    fn cause_is(&self, code: &str) -> Option<&str> {
        self.cause.as_ref().filter(|(found, _)| found == code).map(|(_, detail)| detail.as_str())
    }

    fn host(&self) -> &str {
        &self.destination.host
    }
}

pub(super) const RULES: &[&[Rule<Facts>]] =
    &[state::RULES, unsent::RULES, connection::RULES, connection::TLS_RULES, answer::RULES, pattern::RULES];

/// What the rules say of a delivery, the surest first.
#[must_use]
pub fn explain(facts: &Facts) -> Vec<Diagnosis> {
    let mut all = judge_or(RULES, last::RULES, facts);
    // Only the first is always seen.
    if let Some(first) = all.first_mut() {
        first.next.push_str(&state::afterwards(facts));
    }
    all
}
