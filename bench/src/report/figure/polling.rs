//! The rows that say what polling costs.

use super::{Goal, Rows};
use crate::report::Results;
use crate::scenario::{Day, Polling};

pub(super) fn add(rows: &mut Rows, results: &Results) {
    let runs = &results.polling;
    let Some(first) = runs.first() else { return };
    day(rows, runs, "50 orders/h, polled every 10 s", |run| run.simulated.polled);
    day(rows, runs, "the same with ETags", |run| run.simulated.conditional);
    day(rows, runs, "the same by webhooks, 1 % of them lost, and a reconciliation an hour", |run| run.simulated.hooked);
    let of = format!("100 streams under {} requests/h", super::super::number(first.simulated.shared.cap as f64));
    let gain = |run: &Polling| Some(run.simulated.shared.fixed_delay_s / run.simulated.shared.adaptive_delay_s);
    rows.add(format!("{of}: delay at one interval"), "s", None, runs, |run| Some(run.simulated.shared.fixed_delay_s));
    rows.add(format!("{of}: delay"), "s", None, runs, |run| Some(run.simulated.shared.adaptive_delay_s));
    rows.add(format!("{of}: delay"), "× shorter", Some(Goal::AtLeast(2.4)), runs, gain);
    rows.add(format!("{of}: no schedule could do better than"), "× shorter", None, runs, |run| {
        Some(run.simulated.shared.bound)
    });
    let cap = Some(Goal::AtMost(first.simulated.shared.cap as f64));
    rows.add(format!("{of}: requests of the busiest hour"), "", cap, runs, |run| {
        Some(run.simulated.shared.busiest_hour as f64)
    });
    rows.add(format!("{of}: requests"), "/h", None, runs, |run| Some(run.simulated.shared.adaptive_per_h));
    rows.add(format!("{of}: requests at one interval"), "/h", None, runs, |run| Some(run.simulated.shared.fixed_per_h));
    let among = format!("one of {} streams", super::super::number(first.simulated.choice.streams as f64));
    let quick = Some(Goal::AtMost(20.0));
    rows.add(format!("{among}: picked"), "µs", quick, runs, |run| Some(run.simulated.choice.pick_us));
    rows.add(format!("{among}: its estimate updated"), "µs", quick, runs, |run| Some(run.simulated.choice.update_us));
    connections(rows, runs, first);
}

fn day(rows: &mut Rows, runs: &[Polling], name: &str, of: impl Fn(&Polling) -> Day) {
    rows.add(format!("{name}: requests"), "/h", None, runs, |run| Some(of(run).requests_per_h));
    rows.add(format!("{name}: answers in full"), "/h", None, runs, |run| Some(of(run).full_per_h));
    rows.add(format!("{name}: wasted"), "%", None, runs, |run| Some(of(run).wasted * 100.0));
    rows.add(format!("{name}: mean delay"), "s", None, runs, |run| Some(of(run).mean_delay_s));
}

fn connections(rows: &mut Rows, runs: &[Polling], first: &Polling) {
    let of = format!("{} polled connections", super::super::number(first.connections.connections as f64));
    let polled = format!("{of}, {:.0} polls/s", first.connections.polls_per_s);
    let memory = Some(Goal::AtMost(300.0));
    rows.add(format!("{of}: memory"), "MiB", memory, runs, |run| Some(run.connections.rss_mib));
    rows.add(format!("{of}, none of them due: CPU"), "% of a core", Some(Goal::AtMost(5.0)), runs, |run| {
        Some(run.connections.waiting_core_percent)
    });
    rows.add(format!("{polled}: CPU with all that a poll does"), "% of a core", None, runs, |run| {
        Some(run.connections.polled_core_percent)
    });
}
