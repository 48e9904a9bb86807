//! The result of a run: typed results for `--json`, and the figures that people read, each with its goal.

use serde::Serialize;

use crate::calibration::Calibration;
use crate::machine::Machine;
use crate::scenario::{
    Accounts, AckOne, Backlog, Held, Idle, Isolation, Latency, Polling, Postgres, Reading, Ready, Throughput,
};

mod figure;
mod markdown;
mod text;

pub use figure::{Figure, Goal};

/// Where a run comes from; told by the caller, who knows the build and the date.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    pub commit: String,
    pub date: String,
    /// What to type to run it again.
    pub command: String,
    /// `quick` or `full`.
    pub mode: String,
}

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub about: About,
    pub machine: Machine,
    pub calibration: Calibration,
    /// Ideal CPU time for one event; `None` if the store was not measured.
    pub ideal_us: Option<f64>,
    pub results: Results,
    pub figures: Vec<Figure>,
    /// Scenarios without a result, and why. A run with any has failed.
    pub failures: Vec<Failure>,
}

/// What each scenario gave, one entry a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Results {
    pub throughput: Vec<Throughput>,
    pub latency: Vec<Latency>,
    pub isolation: Vec<Isolation>,
    pub ack_one: Vec<AckOne>,
    pub accounts: Vec<Accounts>,
    pub idle: Vec<Idle>,
    pub ready: Vec<Ready>,
    pub backlog: Vec<Backlog>,
    pub reading: Vec<Reading>,
    pub polling: Vec<Polling>,
    pub postgres: Vec<Postgres>,
    pub held: Vec<Held>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub scenario: String,
    pub code: String,
    pub message: String,
}

impl Report {
    #[must_use]
    pub fn new(
        about: About,
        machine: Machine,
        calibration: Calibration,
        results: Results,
        failures: Vec<Failure>,
    ) -> Self {
        let (figures, ideal_us) = (figure::figures(&results), calibration.ideal_us());
        Self { about, machine, calibration, ideal_us, results, figures, failures }
    }

    /// Whether every scenario had a result. Goals that were missed are for people to judge.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    /// Everything, for scripts.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is strings and numbers, and its keys are strings")
    }

    /// What was measured of the ideal parts, by name, in microseconds.
    fn parts(&self) -> Vec<(&'static str, f64)> {
        let parts = &self.calibration;
        let store = parts.store.map(|store| {
            [("store: write an event durably", store.write_us), ("store: record an outcome", store.settle_us)]
        });
        let http = [("HTTP server: accept and parse", parts.server_us), ("HMAC-SHA256, twice an event", parts.hmac_us)];
        let rest =
            [("one JSON lookup", parts.lookup_us), ("HTTP client: POST on a pinned connection", parts.client_us)];
        let sum = self.ideal_us.map(|sum| ("**sum = ideal CPU per event**", sum));
        let waits = [
            ("wait: round trip, one connection", parts.round_trip_us),
            ("wait: round trip from its due time, 50/s", parts.scheduled_round_trip_us),
            ("wait: append 1 KiB and fdatasync", parts.sync_us),
            ("wait: overwrite 1 KiB and fdatasync", parts.sync_overwrite_us),
        ];
        let tool =
            [("this tool: generator, a request", parts.generator_us), ("this tool: sink, a request", parts.sink_us)];
        http.into_iter().chain(rest).chain(store.into_iter().flatten()).chain(sum).chain(waits).chain(tool).collect()
    }

    fn machine_line(&self) -> String {
        let Machine { cpu, cores, memory_gib, kernel, load_before, load_after } = &self.machine;
        format!(
            "{cpu}, {cores} cores, {memory_gib:.0} GiB, Linux {kernel}; load {load_before:.2} before, {load_after:.2} after"
        )
    }
}

/// As many digits as mean something.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 | 100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let whole = text.trim_start_matches('-');
    if digits > 0 || whole.len() <= 3 || !value.is_finite() {
        return text;
    }
    let grouped: Vec<&str> =
        whole.as_bytes().rchunks(3).rev().filter_map(|part| std::str::from_utf8(part).ok()).collect();
    format!("{}{}", if value < 0.0 { "-" } else { "" }, grouped.join(","))
}

#[cfg(test)]
mod tests;
