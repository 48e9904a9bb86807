//! The rows of nodes that share a database.

use super::{Goal, Rows};
use crate::report::Results;
use crate::scenario::{Held, Postgres, Throughput};

pub(super) fn add(rows: &mut Rows, results: &Results) {
    let runs = &results.postgres;
    if let Some(first) = runs.first() {
        for (at, nodes) in first.nodes.iter().enumerate() {
            let of = if nodes.nodes == 1 { "node" } else { "nodes" };
            load(rows, runs, at, &format!("{} {of} on PostgreSQL, {} senders", nodes.nodes, nodes.load.connections));
        }
        yardstick(rows, runs);
        rows.add("another node delivers it, heard p50", "ms", None, runs, |run| Some(run.heard.p50_ms));
        rows.add("another node delivers it, heard p99", "ms", None, runs, |run| Some(run.heard.p99_ms));
        rows.add("another node delivers it, unheard p50", "ms", None, runs, |run| Some(run.unheard.p50_ms));
        rows.add("another node delivers it, unheard p99", "ms", None, runs, |run| Some(run.unheard.p99_ms));
    }
    held(rows, &results.held);
}

fn load(rows: &mut Rows, runs: &[Postgres], at: usize, on: &str) {
    let mut add = |name: &str, unit, goal, of: fn(&Throughput) -> Option<f64>| {
        rows.add(format!("{name}, {on}"), unit, goal, runs, |run| of(&run.nodes.get(at)?.load));
    };
    add("accepted", "/s", None, |load| Some(load.accepted_per_s));
    add("delivered", "/s", None, |load| Some(load.delivered_per_s));
    add("R", "", Some(Goal::AtLeast(0.5)), |load| load.ratio);
    add("CPU per event", "µs", None, |load| Some(load.cpu_us_per_event));
    add("CPU per event of the database", "µs", None, |load| Some(load.database_us_per_event));
    add("cores used", "", None, |load| Some(load.cores));
    add("statements per event", "", Some(Goal::AtMost(0.1)), |load| load.statements_per_event);
    add("ack p50", "ms", None, |load| Some(load.ack.p50_ms));
    add("ack p99", "ms", None, |load| Some(load.ack.p99_ms));
    add("end to end p50", "ms", None, |load| Some(load.end_to_end.p50_ms));
    add("end to end p99", "ms", None, |load| Some(load.end_to_end.p99_ms));
    add("not accepted", "events", None, |load| Some((load.unavailable + load.failed) as f64));
    add("delivered twice", "events", None, |load| Some(load.duplicates as f64));
    add("cores used by others", "", None, |load| Some(load.others_cores));
}

/// What the yardstick is.
fn yardstick(rows: &mut Rows, runs: &[Postgres]) {
    rows.add("ideal CPU per event, PostgreSQL", "µs", None, runs, |run| Some(run.ideal_us));
    rows.add("bare table: write an event durably", "µs", None, runs, |run| Some(run.cost.write_us));
    rows.add("bare table: claim and end a delivery", "µs", None, runs, |run| Some(run.cost.settle_us));
}

fn held(rows: &mut Rows, runs: &[Held]) {
    rows.add("a transaction held open", "s", None, runs, |run| Some(run.held_s));
    let ratio = |run: &Held| Some(run.held_per_s / run.before_per_s);
    rows.add("delivered under it", "× before", Some(Goal::AtLeast(0.7)), runs, ratio);
    rows.add("delivered under it", "/s", None, runs, |run| Some(run.held_per_s));
    rows.add("delivered before it", "/s", None, runs, |run| Some(run.before_per_s));
    let accepted = |run: &Held| Some(run.accepted_held_per_s / run.accepted_before_per_s);
    rows.add("accepted under it", "× before", None, runs, accepted);
    rows.add("delivered while it was open", "events", None, runs, |run| Some(run.removed as f64));
}
