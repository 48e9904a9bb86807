//! What polling costs and how late it is: a day of a shop, a hundred streams under one budget, one decision of the
//! schedule, and ten thousand connections in one process.

mod connections;

use std::time::Duration;

use serde::Serialize;

use crate::error::{BenchError, BoxError};
use crate::rig::Bench;

pub use connections::Connections;

/// How polling is measured.
#[derive(Clone, Copy, Debug)]
pub struct PollingOptions {
    /// Simulated hours of the shop.
    pub hours: u64,
    /// Simulated hours of the streams under one budget: those that they are learned in, and those that count.
    pub shared_hours: [u64; 2],
    /// Streams that the schedule chooses from.
    pub choices: usize,
    /// Connections of one process, and how often each is polled.
    pub connections: usize,
    pub interval: Duration,
    /// How long the process is watched.
    pub window: Duration,
}

/// What the caller measures, who knows the engine: on a clock of its own, so that a day takes seconds.
pub type MeasurePolling<'a> = &'a dyn Fn(&PollingOptions) -> Result<Simulated, BoxError>;

#[derive(Clone, Debug, Serialize)]
pub struct Polling {
    pub simulated: Simulated,
    pub connections: Connections,
}

#[derive(Clone, Debug, Serialize)]
pub struct Simulated {
    /// A list that is polled every ten seconds.
    pub polled: Day,
    /// The same, of a source that answers ETags.
    pub conditional: Day,
    /// Webhooks, and a reconciliation an hour.
    pub hooked: Day,
    pub shared: Shared,
    pub choice: Choice,
}

/// How a shop with fifty new orders an hour was read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Day {
    pub changes: u64,
    pub requests_per_h: f64,
    /// Of these: answered with a body.
    pub full_per_h: f64,
    /// The share of requests that found nothing.
    pub wasted: f64,
    pub mean_delay_s: f64,
}

/// A hundred streams under 5,000 requests an hour, once at one interval and once where a change is likeliest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shared {
    pub fixed_delay_s: f64,
    pub adaptive_delay_s: f64,
    /// How many times shorter no schedule that knows the rates could make it.
    pub bound: f64,
    /// Requests that the source got, by the hour.
    pub fixed_per_h: f64,
    pub adaptive_per_h: f64,
    /// Most requests in any span of an hour.
    pub busiest_hour: u64,
    pub cap: u64,
}

/// One decision of the schedule among so many streams.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Choice {
    pub streams: usize,
    pub pick_us: f64,
    pub update_us: f64,
}

/// # Errors
/// When a measurement fails, or a change was not told.
pub fn polling(bench: &Bench<'_>, options: &PollingOptions) -> Result<Polling, BenchError> {
    let simulated = (bench.polling)(options).map_err(BenchError::Polling)?;
    Ok(Polling { simulated, connections: connections::connections(bench, options)? })
}
