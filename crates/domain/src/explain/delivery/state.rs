//! What follows from how a delivery stands: whether another try comes by itself, and how a person has one made.

use super::super::{Rule, Said, certain};
use super::{Facts, Standing};
use crate::DeliveryState;

pub(super) const RULES: &[Rule<Facts>] = &[("cancelled", cancelled)];

/// How a person has it tried again.
const AGAIN: &str = "press `Try again` on its event's page, or run `trireme dead-letters retry ID`";

impl Facts {
    /// The next try, as a sentence names it: whoever reads it has to know whether to wait for it.
    pub(super) fn next_try(&self) -> String {
        match self.state {
            DeliveryState::Dead | DeliveryState::Cancelled => "another try, which has to be asked for,".to_owned(),
            DeliveryState::Held => format!("the next try, once '{}' is resumed,", self.destination.name),
            _ => "the next try, which comes by itself,".to_owned(),
        }
    }

    /// What was removed from the configuration, so that another try has nowhere to go.
    fn first(&self) -> String {
        let gone = match (self.destination.standing == Standing::Retired, self.route_gone) {
            (true, _) => format!("destination '{}'", self.destination.name),
            (false, true) => format!("route '{}'", self.route),
            (false, false) => return String::new(),
        };
        format!("configure {gone} again under this name, which was removed, and ")
    }
}

fn cancelled(facts: &Facts) -> Option<Said> {
    (facts.state == DeliveryState::Cancelled).then_some(())?;
    certain(
        "A person cancelled it: nothing sends it any more.",
        format!("Nothing has to be done if that was meant. To have it sent after all, {}{AGAIN}.", facts.first()),
    )
}

/// What is left to do for a dead letter once its cause is gone.
pub(super) fn afterwards(facts: &Facts) -> String {
    if facts.state != DeliveryState::Dead {
        return String::new();
    }
    format!(" It is a dead letter, which nothing sends again by itself: afterwards {}{AGAIN}.", facts.first())
}
