//! Handles of what is counted for nearly every event. Each is looked up by its name and labels once, since doing so takes
//! several times as long as counting.

use std::sync::OnceLock;

use domain::{DeliveryState, DestinationName, SourceName};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::{ATTEMPT_SECONDS, ATTEMPTS, DELIVERIES_FINISHED, DELIVERIES_IN_FLIGHT, EVENTS_ACCEPTED};

/// As the outcome of a try and as the state of its delivery.
pub(super) const DELIVERED: &str = DeliveryState::Delivered.as_str();

/// Of one source. Nothing is told of it before its first event.
#[derive(Debug, Default)]
pub struct SourceHandles {
    accepted: OnceLock<Counter>,
}

impl SourceHandles {
    pub(super) fn accepted(&self, source: &SourceName) -> &Counter {
        self.accepted.get_or_init(|| counter!(EVENTS_ACCEPTED, "source" => source.to_string()))
    }
}

/// Of one destination. Nothing is told of it before its first try, and nothing of deliveries before the first that
/// succeeds; all others are looked up by name.
#[derive(Debug, Default)]
pub struct DestinationHandles {
    delivered: OnceLock<Counter>,
    finished: OnceLock<Counter>,
    seconds: OnceLock<Histogram>,
}

impl DestinationHandles {
    /// Tries that delivered.
    pub(super) fn delivered(&self, destination: &DestinationName) -> &Counter {
        self.delivered
            .get_or_init(|| counter!(ATTEMPTS, "destination" => destination.to_string(), "outcome" => DELIVERED))
    }

    /// Deliveries that ended so.
    pub(super) fn finished(&self, destination: &DestinationName) -> &Counter {
        self.finished.get_or_init(
            || counter!(DELIVERIES_FINISHED, "destination" => destination.to_string(), "state" => DELIVERED),
        )
    }

    /// How long tries took, however they ended.
    pub(super) fn seconds(&self, destination: &DestinationName) -> &Histogram {
        self.seconds.get_or_init(|| histogram!(ATTEMPT_SECONDS, "destination" => destination.to_string()))
    }
}

/// How many tries are under way.
pub struct InFlight(Gauge);

impl InFlight {
    #[must_use]
    pub fn look_up() -> Self {
        Self(gauge!(DELIVERIES_IN_FLIGHT))
    }

    pub fn tell(&self, count: u32) {
        self.0.set(f64::from(count));
    }
}
