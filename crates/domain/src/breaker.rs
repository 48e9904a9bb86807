//! The breaker of a destination: closed, open, half-open with one probe.
//!
//! While it is open its deliveries wait and no try is used up.

use std::time::Duration;

use crate::Timestamp;

/// When the breaker opens and how long it stays so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row, without one success between, after which it opens.
    pub failures: u32,
    /// First time it stays open; doubles with every failed probe.
    pub pause: Duration,
    pub pause_max: Duration,
}

impl Default for BreakerPolicy {
    /// Ten in a row is no accident for a destination that works half the time (1 in 1,000); a second is soon enough
    /// for a restart, and one probe a minute costs a dead destination nothing.
    fn default() -> Self {
        Self { failures: 10, pause: Duration::from_secs(1), pause_max: Duration::from_secs(60) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    Open,
    HalfOpen,
}

impl BreakerState {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    failures: u32,
    pause: Duration,
    /// Set while it is not closed.
    opens_until: Option<Timestamp>,
    probing: bool,
}

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Send freely.
    Free,
    /// Send exactly one, and tell how it ended.
    Probe,
    /// Nothing before this time.
    Wait(Timestamp),
}

impl Breaker {
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        let pause = policy.pause;
        Self { policy, failures: 0, pause, opens_until: None, probing: false }
    }

    #[must_use]
    pub fn state(&self) -> BreakerState {
        match (self.opens_until, self.probing) {
            (None, _) => BreakerState::Closed,
            (Some(_), true) => BreakerState::HalfOpen,
            (Some(_), false) => BreakerState::Open,
        }
    }

    /// Asks whether to send. A [`Permit::Probe`] is given once; the next ask waits for its end.
    pub fn permit(&mut self, now: Timestamp) -> Permit {
        match self.opens_until {
            None => Permit::Free,
            Some(until) if now < until => Permit::Wait(until),
            Some(_) if self.probing => Permit::Wait(now + self.pause),
            Some(_) => {
                self.probing = true;
                Permit::Probe
            }
        }
    }

    pub fn succeeded(&mut self) {
        *self = Self::new(self.policy.clone());
    }

    /// Counts a failure; opens after enough of them, and longer after a failed probe.
    pub fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        if self.probing {
            self.probing = false;
            self.pause = self.pause.saturating_mul(2).min(self.policy.pause_max);
            self.opens_until = Some(now + self.pause);
        } else if self.opens_until.is_none() && self.failures >= self.policy.failures {
            self.opens_until = Some(now + self.pause);
        }
    }

    /// The probe was put back untried: another one may go.
    pub fn probe_withdrawn(&mut self) {
        self.probing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn breaker() -> Breaker {
        let policy = BreakerPolicy { failures: 3, pause: Duration::from_secs(10), pause_max: Duration::from_secs(30) };
        Breaker::new(policy)
    }

    #[test]
    fn opens_after_failures_in_a_row_and_not_before() {
        let mut breaker = breaker();
        for _ in 0..10 {
            breaker.failed(at(0));
            breaker.failed(at(0));
            breaker.succeeded();
        }
        assert_eq!(breaker.permit(at(0)), Permit::Free);
        for _ in 0..3 {
            breaker.failed(at(0));
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.permit(at(9)), Permit::Wait(at(10)));
    }

    #[test]
    fn half_open_lets_one_probe_through_and_waits_longer_each_time_it_fails() {
        let mut breaker = breaker();
        (0..3).for_each(|_| breaker.failed(at(0)));
        assert_eq!(breaker.permit(at(10)), Permit::Probe);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(matches!(breaker.permit(at(10)), Permit::Wait(_)));
        breaker.failed(at(11));
        assert_eq!(breaker.permit(at(30)), Permit::Wait(at(31)));
        assert_eq!(breaker.permit(at(31)), Permit::Probe);
        breaker.failed(at(31));
        assert_eq!(breaker.permit(at(60)), Permit::Wait(at(61)), "30 s is the longest pause");
        assert_eq!(breaker.permit(at(61)), Permit::Probe);
        breaker.succeeded();
        assert_eq!((breaker.permit(at(61)), breaker.state()), (Permit::Free, BreakerState::Closed));
    }

    #[test]
    fn a_withdrawn_probe_may_be_sent_again() {
        let mut breaker = breaker();
        (0..3).for_each(|_| breaker.failed(at(0)));
        assert_eq!(breaker.permit(at(10)), Permit::Probe);
        breaker.probe_withdrawn();
        assert_eq!(breaker.permit(at(10)), Permit::Probe);
    }
}
