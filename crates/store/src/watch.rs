//! What is kept to look back at: the calls to sources, and figures over time.

use std::sync::Arc;
use std::time::Duration;

use domain::{Call, ConnectionName, Latencies, Purpose, SourceName, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Verb;
use crate::read::{Listed, Page};

/// Calls kept per connection: the newest. A day of polling every ten minutes, and enough of a burst to see its cause.
pub const CALLS_PER_CONNECTION: u32 = 200;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallFilter {
    pub source: Option<SourceName>,
    pub connection: Option<ConnectionName>,
    pub stream: Option<String>,
    pub purpose: Option<Purpose>,
    /// Only those that failed, or only those that did not.
    pub failed: Option<bool>,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Series {
    /// Calls to a source; the object is the source.
    Calls,
    /// Events accepted from a source; the object is the source.
    Events,
    /// Tries of deliveries to a destination; the object is the destination.
    Attempts,
    /// Requests rejected at a source; the object is the source.
    Rejected,
    /// Looks at what waits for a destination, which is the object: the count is of what waited, over all looks at which
    /// anything did; the latencies are how long the oldest had, one for each such look.
    Waiting,
}

impl Series {
    pub const ALL: [Self; 5] = [Self::Calls, Self::Events, Self::Attempts, Self::Rejected, Self::Waiting];
}

/// How fine the time of a figure is. Each has a span of its own for which it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Minute,
    Hour,
}

impl Step {
    pub const ALL: [Self; 2] = [Self::Minute, Self::Hour];

    #[must_use]
    pub const fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Minute => 60,
            Self::Hour => 60 * 60,
        })
    }

    /// A day and an hour by the minute, a month and a day by the hour: the largest charts, and one more of their steps.
    #[must_use]
    pub const fn kept(self) -> Duration {
        const HOUR: u64 = 60 * 60;
        Duration::from_secs(match self {
            Self::Minute => 25 * HOUR,
            Self::Hour => 31 * 24 * HOUR,
        })
    }

    /// The step that a time is in, by its beginning.
    #[must_use]
    pub fn floor(self, at: Timestamp) -> Timestamp {
        let length = i64::try_from(self.length().as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(at.as_micros().div_euclid(length) * length)
    }
}

/// What happened to one object in one step, or since the last time it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    pub tenant: Tenant,
    pub series: Series,
    pub object: Arc<str>,
    pub count: u64,
    pub failed: u64,
    pub latencies: Latencies,
}

pub trait Watch: Send + Sync + 'static {
    /// Keeps calls, in the order in which they ended; of each connection the newest [`CALLS_PER_CONNECTION`] stay.
    fn record_calls(&self, calls: Vec<Call>) -> Verb<'_, ()>;

    /// Newest first.
    fn calls(&self, tenant: Tenant, filter: CallFilter, page: Page) -> Verb<'_, Listed<Call>>;

    /// Adds to the figures of the minute and the hour that `at` is in, and forgets those that are too old.
    fn add_figures(&self, at: Timestamp, figures: Vec<Figure>) -> Verb<'_, ()>;

    /// The figures of a series from the step that `since` is in, by step and object. Steps in which nothing happened
    /// have none.
    fn figures(
        &self,
        tenant: Tenant,
        series: Series,
        step: Step,
        since: Timestamp,
    ) -> Verb<'_, Vec<(Timestamp, Figure)>>;
}
