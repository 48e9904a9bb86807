//! Holds requests back until the source's budget has room for them, and learns from what the source says is left.

use std::sync::{Mutex, PoisonError};

use connectors::manifest::budget::{Admission, Budget};
use connectors::manifest::wire::{Reply, Request};

use super::super::failure::ReadFailure;
use super::super::timestamp;
use crate::clock::SharedClock;

/// What a source allows, if its manifest says so.
#[derive(Default)]
pub(in super::super) struct Pace {
    budget: Option<Mutex<Budget>>,
}

impl Pace {
    pub fn of(budget: Option<Budget>) -> Self {
        Self { budget: budget.map(Mutex::new) }
    }

    /// Waits until the request may go; it is counted then.
    pub async fn admit(&self, request: &Request, clock: &SharedClock) -> Result<(), ReadFailure> {
        let Some(budget) = &self.budget else { return Ok(()) };
        loop {
            let now = timestamp(clock.now());
            let admission = budget.lock().unwrap_or_else(PoisonError::into_inner).admit(request, now);
            match admission {
                Admission::Go => return Ok(()),
                Admission::Wait(until) => {
                    let wait = until.duration_since(now).unsigned_abs();
                    // At least a millisecond, so that a time of now is not asked for again at once.
                    clock.sleep(wait.max(std::time::Duration::from_millis(1))).await;
                }
            }
        }
    }

    pub fn learn(&self, request: &Request, reply: &Reply, clock: &SharedClock) {
        if let Some(budget) = &self.budget {
            budget.lock().unwrap_or_else(PoisonError::into_inner).learn(request, reply, timestamp(clock.now()));
        }
    }
}
