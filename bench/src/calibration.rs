//! What the machine can do with ideal parts, measured in the same run as the product: the yardstick of its figures.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::error::{BenchError, BoxError};
use crate::generator::Pace;
use crate::stats::Spread;

mod disk;
mod http;
mod primitives;

/// The schedule of the latency scenarios.
const SCHEDULED: Pace = Pace::Open { per_second: 50.0 };
const SCHEDULED_CONNECTIONS: usize = 32;
/// How often each HTTP part is measured, each time on new threads and connections; the median counts.
const ROUNDS: usize = 3;

/// CPU time that the store's ideal costs for one event, measured by the caller, who knows the store.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StoreCost {
    /// To write one event and its delivery durably, in batches of 256.
    pub write_us: f64,
    /// To record one outcome, in batches of 256.
    pub settle_us: f64,
}

/// Measures the store in a folder on the disk under test.
/// [`crate::stopwatch::thread_cpu`] is the clock to use, so that all parts are counted alike.
pub type MeasureStore<'a> = &'a dyn Fn(&Path) -> Result<StoreCost, BoxError>;

/// Each ideal part of the work on one event. CPU microseconds, but for the two waits at the end.
#[derive(Clone, Debug, Serialize)]
pub struct Calibration {
    /// A bare hyper server takes in a kibibyte and answers.
    pub server_us: f64,
    /// A bare hyper client on a pinned connection sends a kibibyte and reads the answer.
    pub client_us: f64,
    /// HMAC-SHA256 of a kibibyte.
    pub hmac_us: f64,
    /// One value looked up in a kibibyte of JSON by a scan.
    pub lookup_us: f64,
    /// `None` if the caller did not measure the store; there is no ratio then.
    pub store: Option<StoreCost>,
    /// What this tool's own generator uses for one request. Not part of the sum.
    pub generator_us: f64,
    /// What this tool's own sink uses for one request. Not part of the sum.
    pub sink_us: f64,
    /// Median round trip on one loopback connection to the bare server.
    pub round_trip_us: f64,
    /// The same from when the request was due, at the rate of the latency scenarios: what wake-ups add to every
    /// latency that is counted from a schedule.
    pub scheduled_round_trip_us: f64,
    /// Median of appending a kibibyte to a file and `fdatasync`.
    pub sync_us: f64,
    /// The same where the file has its size already, as a write-ahead log that is reused has.
    pub sync_overwrite_us: f64,
}

impl Calibration {
    /// Measures all parts, the HTTP ones for `seconds` each time, with the files in `folder`.
    ///
    /// # Errors
    /// When the disk or loopback cannot be used, or the store's measurement fails.
    pub fn measure(
        connections: usize,
        seconds: Duration,
        folder: &Path,
        store: Option<MeasureStore<'_>>,
    ) -> Result<Self, BenchError> {
        // First, because it fails soonest.
        let store = store.map(|measure| measure(folder).map_err(BenchError::Store)).transpose()?;
        let servers = rounds(|| http::server(connections, seconds))?;
        let clients = rounds(|| http::client(connections, seconds))?;
        let pinned = rounds(|| http::round_trip_us(1, Pace::Closed, seconds))?;
        let scheduled = rounds(|| http::round_trip_us(SCHEDULED_CONNECTIONS, SCHEDULED, seconds))?;
        Ok(Self {
            server_us: median(&servers, |cost| cost.part_us),
            client_us: median(&clients, |cost| cost.part_us),
            hmac_us: primitives::hmac_us(),
            lookup_us: primitives::lookup_us(),
            store,
            generator_us: median(&servers, |cost| cost.tool_us),
            sink_us: median(&clients, |cost| cost.tool_us),
            round_trip_us: median(&pinned, |us| *us),
            scheduled_round_trip_us: median(&scheduled, |us| *us),
            sync_us: disk::append_us(folder)?,
            sync_overwrite_us: disk::overwrite_us(folder)?,
        })
    }

    /// Its parts of [`Calibration::ideal_us`] measured once more, beside what a store costs now: some machines change their
    /// speed within minutes.
    ///
    /// # Errors
    /// When loopback cannot be used.
    pub fn renewed(&self, connections: usize, seconds: Duration, store: StoreCost) -> Result<Self, BenchError> {
        Ok(Self {
            server_us: median(&rounds(|| http::server(connections, seconds))?, |cost| cost.part_us),
            client_us: median(&rounds(|| http::client(connections, seconds))?, |cost| cost.part_us),
            hmac_us: primitives::hmac_us(),
            lookup_us: primitives::lookup_us(),
            store: Some(store),
            ..self.clone()
        })
    }

    /// Ideal CPU time for one event from ingest to delivered: accept and parse, verify, write durably, sign and post,
    /// record the outcome.
    #[must_use]
    pub fn ideal_us(&self) -> Option<f64> {
        let store = self.store?;
        let verify = self.hmac_us + self.lookup_us;
        let deliver = self.hmac_us + self.client_us;
        Some(self.server_us + verify + store.write_us + deliver + store.settle_us)
    }

    /// The least that an acknowledgement can take which means "on disk".
    #[must_use]
    pub fn ack_floor_us(&self) -> f64 {
        self.round_trip_us + self.sync_us
    }
}

/// R: the share of the ideal that the product reaches, given its rate and the cores that it used for it.
#[must_use]
pub fn ratio(delivered_per_s: f64, ideal_us: f64, cores: f64) -> f64 {
    delivered_per_s * ideal_us / cores / 1e6
}

/// CPU time for one exchange on both sides.
struct ExchangeCost {
    /// Of the ideal part that is measured.
    part_us: f64,
    /// Of this tool's side of it.
    tool_us: f64,
}

fn rounds<T>(measure: impl Fn() -> Result<T, BenchError>) -> Result<Vec<T>, BenchError> {
    (0..ROUNDS).map(|_| measure()).collect()
}

fn median<T>(rounds: &[T], of: impl Fn(&T) -> f64) -> f64 {
    let values: Vec<f64> = rounds.iter().map(of).collect();
    Spread::of(&values).map_or(0.0, |spread| spread.median)
}

/// CPU time of each of `count`, in microseconds.
fn each_us(cpu: Duration, count: u64, what: &'static str) -> Result<f64, BenchError> {
    let each = cpu.as_secs_f64() * 1e6 / count as f64;
    if each.is_finite() && each > 0.0 { Ok(each) } else { Err(BenchError::Unmeasurable { what, took: each }) }
}

#[cfg(test)]
mod tests;
