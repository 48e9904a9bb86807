//! The delivery's state machine: one event owed to one destination by one route.
//!
//! ```text
//! pending ──► in_flight ──► delivered                     (final)
//!    ▲  ▲         ├───────► filtered                      (final: `when`, or a stale one dropped)
//!    │  └─────────┤ lease lapsed, or put back untried
//!    │            ├───────► retrying ──► in_flight
//!    │            └───────► dead                          (final until a person retries it)
//!    │  pending | retrying ◄──► held                      (destination paused, disabled or retired)
//!    │  any open state ────────► cancelled                (final until a person retries it)
//!    └─ dead | cancelled ◄── a person: tries start over, prepared again
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::retry::RetryPolicy;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Pending,
    InFlight,
    Retrying,
    Held,
    Delivered,
    Filtered,
    Dead,
    Cancelled,
}

impl DeliveryState {
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::InFlight,
        Self::Retrying,
        Self::Held,
        Self::Delivered,
        Self::Filtered,
        Self::Dead,
        Self::Cancelled,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InFlight => "in_flight",
            Self::Retrying => "retrying",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Filtered => "filtered",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Open deliveries are still owed; nothing with an open delivery is pruned.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::InFlight | Self::Retrying | Self::Held)
    }

    /// Whether one step of the machine leads from here to `next`.
    #[must_use]
    pub const fn can_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::Pending | Self::Retrying, Self::InFlight | Self::Held | Self::Dead) => true,
            (
                Self::InFlight,
                Self::Delivered | Self::Filtered | Self::Retrying | Self::Pending | Self::Dead | Self::Held,
            ) => true,
            (Self::Held, Self::Pending | Self::Retrying) => true,
            (Self::Dead | Self::Cancelled, Self::Pending) => true,
            (from, Self::Cancelled) => from.is_open(),
            _ => false,
        }
    }
}

/// How one try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The destination answered 2xx within its time.
    Delivered,
    /// `when` said no, or the route drops stale events: nothing was sent.
    Filtered,
    /// The destination could not be reached or did not answer 2xx.
    Failed { retry_after: Option<Duration> },
    /// A record that it needs could not be fetched: the destination has no part in it.
    Unready,
    /// 410: the destination says it is gone for good.
    Gone,
    /// An expression failed or could not be finished: another try would end the same.
    Unpreparable,
    /// Nothing was sent (the breaker opened, a limit was reached, the process stops): no try is used up.
    Untried { due: Timestamp },
}

impl Outcome {
    /// What the destination asks for.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Failed { retry_after } => *retry_after,
            _ => None,
        }
    }
}

/// Where the delivery goes now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    pub state: DeliveryState,
    /// When it is due next; for a final state, `now`.
    pub due: Timestamp,
    /// Tries used up, this one included if it counts.
    pub attempts: u32,
    /// The destination asked for no more: it is to be disabled.
    pub disable_destination: bool,
}

/// Decides what follows a try. `attempts` counts the tries before this one; `chance` (0 to 1) spreads retries.
#[must_use]
pub fn settle(outcome: &Outcome, attempts: u32, policy: &RetryPolicy, now: Timestamp, chance: f64) -> Transition {
    let tried = attempts.saturating_add(1);
    let to = |state, due, attempts| Transition { state, due, attempts, disable_destination: false };
    match outcome {
        Outcome::Delivered => to(DeliveryState::Delivered, now, tried),
        Outcome::Filtered => to(DeliveryState::Filtered, now, attempts),
        Outcome::Unpreparable => to(DeliveryState::Dead, now, attempts),
        Outcome::Untried { due } => to(waiting(attempts), *due, attempts),
        Outcome::Gone => Transition { disable_destination: true, ..to(DeliveryState::Held, now, tried) },
        Outcome::Failed { .. } | Outcome::Unready => match policy.wait_after(tried, chance, outcome.retry_after()) {
            Some(wait) => to(DeliveryState::Retrying, now + wait, tried),
            None => to(DeliveryState::Dead, now, tried),
        },
    }
}

/// The outcome of a try whose end nobody saw: its lease ran out before it was settled.
pub const END_UNKNOWN: &str = "unknown";

/// The state of a delivery that waits for its time after this many tries.
#[must_use]
pub const fn waiting(attempts: u32) -> DeliveryState {
    if attempts == 0 { DeliveryState::Pending } else { DeliveryState::Retrying }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Backoff;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn policy() -> RetryPolicy {
        RetryPolicy { backoff: Backoff::List(vec![Duration::from_secs(10)]), attempts: 3, jitter_percent: 0 }
    }

    #[test]
    fn each_outcome_leads_where_the_machine_says() {
        let failed = Outcome::Failed { retry_after: None };
        let cases = [
            (Outcome::Delivered, 0, DeliveryState::Delivered, 1),
            (Outcome::Filtered, 0, DeliveryState::Filtered, 0),
            (Outcome::Unpreparable, 0, DeliveryState::Dead, 0),
            (Outcome::Gone, 1, DeliveryState::Held, 2),
            (failed.clone(), 0, DeliveryState::Retrying, 1),
            (failed.clone(), 1, DeliveryState::Retrying, 2),
            (failed, 2, DeliveryState::Dead, 3),
            (Outcome::Unready, 1, DeliveryState::Retrying, 2),
            (Outcome::Unready, 2, DeliveryState::Dead, 3),
            (Outcome::Untried { due: NOW }, 0, DeliveryState::Pending, 0),
            (Outcome::Untried { due: NOW }, 2, DeliveryState::Retrying, 2),
        ];
        for (outcome, attempts, state, after) in cases {
            let transition = settle(&outcome, attempts, &policy(), NOW, 0.0);
            assert_eq!((transition.state, transition.attempts), (state, after), "{outcome:?} after {attempts}");
            assert!(DeliveryState::InFlight.can_become(transition.state), "{outcome:?}");
            assert_eq!(transition.disable_destination, outcome == Outcome::Gone);
        }
    }

    #[test]
    fn a_failed_try_waits_as_long_as_the_destination_asks() {
        let outcome = Outcome::Failed { retry_after: Some(Duration::from_secs(60)) };
        assert_eq!(settle(&outcome, 0, &policy(), NOW, 0.0).due, NOW + Duration::from_secs(60));
    }

    #[test]
    fn final_states_are_left_only_by_a_person() {
        use DeliveryState as S;
        for state in S::ALL {
            assert_eq!(S::parse(state.as_str()), Some(state));
            assert!(!S::Delivered.can_become(state) && !S::Filtered.can_become(state));
            assert_eq!(S::Dead.can_become(state), state == S::Pending);
            assert_eq!(S::Cancelled.can_become(state), state == S::Pending);
            assert_eq!(state.can_become(S::Cancelled), state.is_open());
        }
    }
}
