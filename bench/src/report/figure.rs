//! The rows of the table: which result is shown, and what it should be. A goal is a promise of the design, not a limit
//! of this tool.

mod polling;
mod postgres;

use serde::Serialize;

use super::Results;
use crate::scenario::{Isolation, Latency, Reading};
use crate::stats::Spread;

/// One row: a figure over all runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    pub name: String,
    pub unit: &'static str,
    pub spread: Spread,
    pub goal: Option<Goal>,
    /// Whether the median meets the goal.
    pub met: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}

/// Collects rows; a row without any value is left out.
#[derive(Default)]
struct Rows(Vec<Figure>);

impl Rows {
    fn add<T>(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        goal: Option<Goal>,
        runs: &[T],
        value: impl Fn(&T) -> Option<f64>,
    ) {
        let values: Vec<f64> = runs.iter().filter_map(value).filter(|value| value.is_finite()).collect();
        if let Some(spread) = Spread::of(&values) {
            let met = goal.map(|goal| goal.met_by(spread.median));
            self.0.push(Figure { name: name.into(), unit, spread, goal, met });
        }
    }
}

pub(super) fn figures(results: &Results) -> Vec<Figure> {
    let mut rows = Rows::default();
    throughput(&mut rows, results);
    latency(&mut rows, results);
    isolation(&mut rows, results);
    ack_one(&mut rows, results);
    accounts(&mut rows, results);
    idle_and_ready(&mut rows, results);
    backlog(&mut rows, results);
    reading(&mut rows, results);
    polling::add(&mut rows, results);
    postgres::add(&mut rows, results);
    rows.0
}

fn throughput(rows: &mut Rows, results: &Results) {
    let runs = &results.throughput;
    rows.add("accepted", "/s", Some(Goal::AtLeast(12_000.0)), runs, |run| Some(run.accepted_per_s));
    rows.add("delivered", "/s", Some(Goal::AtLeast(12_000.0)), runs, |run| Some(run.delivered_per_s));
    rows.add("R", "", Some(Goal::AtLeast(0.5)), runs, |run| run.ratio);
    rows.add("CPU per event", "µs", None, runs, |run| Some(run.cpu_us_per_event));
    rows.add("cores used", "", None, runs, |run| Some(run.cores));
    rows.add("ack p50, full load", "ms", None, runs, |run| Some(run.ack.p50_ms));
    rows.add("ack p99, full load", "ms", None, runs, |run| Some(run.ack.p99_ms));
    rows.add("end to end p50, full load", "ms", None, runs, |run| Some(run.end_to_end.p50_ms));
    rows.add("end to end p99, full load", "ms", None, runs, |run| Some(run.end_to_end.p99_ms));
    rows.add("statements per event", "", None, runs, |run| run.statements_per_event);
    rows.add("bytes written per event", "B", None, runs, |run| Some(run.written_bytes_per_event));
    let not_accepted = |run: &crate::scenario::Throughput| Some((run.unavailable + run.failed) as f64);
    rows.add("not accepted, full load", "events", None, runs, not_accepted);
    rows.add("delivered twice", "events", None, runs, |run| Some(run.duplicates as f64));
    rows.add("cores used by others", "", None, runs, |run| Some(run.others_cores));
}

fn latency(rows: &mut Rows, results: &Results) {
    let runs = &results.latency;
    let Some(first) = runs.first() else { return };
    let at = format!("{}/s", first.offered_per_s);
    // "Accepted to delivered" can be read as from the 2xx or as the whole way from when it was due: both have the goal.
    rows.add(format!("end to end p50, {at}"), "ms", Some(Goal::AtMost(0.8)), runs, |run| Some(run.end_to_end.p50_ms));
    rows.add(format!("end to end p99, {at}"), "ms", Some(Goal::AtMost(3.0)), runs, |run| Some(run.end_to_end.p99_ms));
    rows.add(format!("ack p50, {at}"), "ms", None, runs, |run| Some(run.ack.p50_ms));
    rows.add(format!("ack p99, {at}"), "ms", None, runs, |run| Some(run.ack.p99_ms));
    rows.add(format!("not accepted, {at}"), "events", None, runs, |run| Some(run.failed as f64));
    rows.add(format!("accepted to delivered p50, {at}"), "ms", Some(Goal::AtMost(0.8)), runs, |run| {
        Some(p50_after_ack(run))
    });
    rows.add(format!("accepted to delivered p99, {at}"), "ms", Some(Goal::AtMost(3.0)), runs, |run| {
        Some(p99_after_ack(run))
    });
}

fn p50_after_ack(run: &Latency) -> f64 {
    run.accepted_to_delivered.p50_ms
}

fn p99_after_ack(run: &Latency) -> f64 {
    run.accepted_to_delivered.p99_ms
}

fn isolation(rows: &mut Rows, results: &Results) {
    let runs = &results.isolation;
    let Some(first) = runs.first() else { return };
    let beside = format!("beside {} of {} hanging", first.hanging, first.destinations);
    let goal = Some(Goal::AtMost(1.2));
    rows.add(format!("end to end p50, {beside}"), "× alone", goal, runs, |run| Some(run.p50_ratio));
    rows.add(format!("end to end p99, {beside}"), "× alone", goal, runs, |run| Some(run.p99_ratio));
    rows.add(format!("end to end p99, {beside}"), "ms", None, runs, |run| Some(run.beside_hanging.end_to_end.p99_ms));
    for (name, of) in [("p50", p50_after_ack as fn(&Latency) -> f64), ("p99", p99_after_ack)] {
        let what = format!("accepted to delivered {name}, {beside}");
        let ratio =
            |run: &Isolation| Some(of(&run.beside_hanging) / of(&run.baseline)).filter(|ratio| ratio.is_finite());
        rows.add(what.clone(), "× alone", Some(Goal::AtMost(1.2)), runs, ratio);
        rows.add(what, "ms", None, runs, |run| Some(of(&run.beside_hanging)));
    }
}

fn ack_one(rows: &mut Rows, results: &Results) {
    let runs = &results.ack_one;
    rows.add("ack p50, one connection", "ms", None, runs, |run| Some(run.ack.p50_ms));
    let goal = Some(Goal::AtMost(2.0));
    rows.add("ack p50, one connection", "× (round trip + sync)", goal, runs, |run| Some(run.over_floor));
}

fn accounts(rows: &mut Rows, results: &Results) {
    let runs = &results.accounts;
    let Some(first) = runs.first() else { return };
    let of = format!("{} accounts", super::number(first.accounts as f64));
    type Run = crate::scenario::Accounts;
    let rate = |run: &Run| Some(run.many.accepted_per_s / run.one.accepted_per_s);
    let cpu = |run: &Run| Some(run.many.cpu_us_per_event / run.one.cpu_us_per_event);
    rows.add(format!("accepted, {of}"), "/s", None, runs, |run| Some(run.many.accepted_per_s));
    rows.add(format!("accepted, {of}"), "× one account", None, runs, rate);
    rows.add(format!("CPU per event, {of}"), "× one account", None, runs, cpu);
    rows.add(format!("idle memory, {of}"), "MiB", None, runs, |run| Some(run.many.idle_rss_mib));
    let memory = |run: &Run| Some(run.many.idle_rss_mib / run.one.idle_rss_mib);
    rows.add(format!("idle memory, {of}"), "× one account", None, runs, memory);
}

fn idle_and_ready(rows: &mut Rows, results: &Results) {
    rows.add("idle memory", "MiB", Some(Goal::AtMost(30.0)), &results.idle, |run| Some(run.rss_mib));
    rows.add("idle CPU", "ms/s", None, &results.idle, |run| Some(run.cpu_ms_per_s));
    let goal = Some(Goal::AtMost(150.0));
    rows.add("ready, first start", "ms", goal, &results.ready, |run| Some(run.first_ms));
    rows.add("ready, started again", "ms", goal, &results.ready, |run| Some(run.again_ms));
}

fn backlog(rows: &mut Rows, results: &Results) {
    let runs = &results.backlog;
    let Some(first) = runs.first() else { return };
    let waiting = format!("{} waiting", super::number(first.events as f64));
    rows.add("accepted, destination down", "/s", None, runs, |run| Some(run.accepted_per_s));
    rows.add(format!("memory, {waiting}"), "MiB", None, runs, |run| Some(run.full_rss_mib));
    let growth = |run: &crate::scenario::Backlog| Some(run.full_rss_mib / run.quarter_rss_mib);
    rows.add(format!("memory, {waiting}"), "× a quarter of it", Some(Goal::AtMost(1.1)), runs, growth);
    rows.add(format!("ready, {waiting}"), "ms", Some(Goal::AtMost(2000.0)), runs, |run| Some(run.ready_ms));
    rows.add(format!("first delivery, {waiting}"), "ms", None, runs, |run| Some(run.first_delivery_ms));
    rows.add("drained", "/s", None, runs, |run| Some(run.drained_per_s));
    let steady = Spread::of(&results.throughput.iter().map(|run| run.delivered_per_s).collect::<Vec<_>>());
    let over_steady = |run: &crate::scenario::Backlog| Some(run.drained_per_s / steady?.median);
    rows.add("drained", "× delivered", Some(Goal::AtLeast(0.7)), runs, over_steady);
    let live = |run: &crate::scenario::Backlog| (run.live.count > 0).then_some(run.live.p99_ms);
    rows.add("live end to end p99, draining", "ms", Some(Goal::AtMost(1000.0)), runs, live);
    rows.add("memory, draining", "MiB", None, runs, |run| Some(run.draining_rss_max_mib));
}

fn reading(rows: &mut Rows, results: &Results) {
    let runs = &results.reading;
    let Some(first) = runs.first() else { return };
    let what = format!("reading {} records", super::number(first.records as f64));
    let goal = |bound| Some(Goal::AtMost(bound));
    rows.add(format!("{what}, CPU"), "s", goal(2.0), runs, |run| Some(run.ours.cpu_s));
    rows.add(what.clone(), "/CPU s", Some(Goal::AtLeast(100_000.0)), runs, |run| Some(run.ours.records_per_cpu_s));
    let ratio = |run: &Reading| Some(run.ours.records_per_cpu_s / run.reference.as_ref()?.records_per_cpu_s);
    rows.add(what.clone(), "× the reference", Some(Goal::AtLeast(10.0)), runs, ratio);
    rows.add(format!("{what}, peak memory"), "MiB", goal(30.0), runs, |run| Some(run.ours.peak_rss_mib));
    rows.add(format!("{what}, wall time"), "s", None, runs, |run| Some(run.ours.wall_s));
    rows.add(format!("{what}, first output"), "ms", None, runs, |run| Some(run.ours.first_output_ms));
    let theirs = format!("{what}, the reference");
    rows.add(theirs.clone(), "/CPU s", None, runs, |run| Some(run.reference.as_ref()?.records_per_cpu_s));
    rows.add(theirs.clone(), "MiB", None, runs, |run| Some(run.reference.as_ref()?.peak_rss_mib));
    rows.add(theirs, "s", None, runs, |run| Some(run.reference.as_ref()?.wall_s));
    let first_request =
        format!("first request, manifest of {} bytes", super::number(first.first_request.manifest_bytes as f64));
    rows.add(first_request.clone(), "ms", goal(50.0), runs, |run| Some(run.first_request.wall_ms));
    rows.add(first_request, "CPU ms", goal(50.0), runs, |run| Some(run.first_request.cpu_ms));
    if let Some(idle) = &first.idle {
        let what = format!("memory, {} idle connectors", super::number(idle.connectors as f64));
        rows.add(what, "MiB", goal(150.0), runs, |run| Some(run.idle.as_ref()?.rss_mib));
    }
}
