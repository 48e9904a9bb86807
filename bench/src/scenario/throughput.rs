//! The most that goes in and comes out: a closed loop over many connections, and what each event costs.

use std::time::Duration;

use serde::Serialize;

use crate::calibration::{Calibration, ratio};
use crate::config::Layout;
use crate::error::BenchError;
use crate::ledger::Moment;
use crate::machine::Others;
use crate::process::Usage;
use crate::rig::{Bench, Rig};
use crate::stats::Percentiles;

/// More events in a second than any gateway on the machines that this runs on; sizes the ledger.
pub(super) const EVENTS_PER_SECOND_MAX: f64 = 120_000.0;

#[derive(Clone, Copy, Debug)]
pub struct ThroughputOptions {
    pub connections: usize,
    pub destinations: usize,
    /// Before the window: connections open, caches fill, the log reaches its size.
    pub warm_up: Duration,
    pub window: Duration,
}

#[derive(Clone, Debug, Serialize)]
pub struct Throughput {
    pub connections: usize,
    pub destinations: usize,
    /// Acknowledged within the window.
    pub accepted_per_s: f64,
    /// First arrivals within the window.
    pub delivered_per_s: f64,
    /// From request to 2xx, of the events sent within the window.
    pub ack: Percentiles,
    /// From request to arrival at the sink, of the same events.
    pub end_to_end: Percentiles,
    /// CPU time of the product for one event, from the window's begin until all is delivered.
    pub cpu_us_per_event: f64,
    /// The same of the database's own processes; 0 where the product is its own database.
    pub database_us_per_event: f64,
    /// Cores that product and database used in that time.
    pub cores: f64,
    /// R; `None` without a measured store.
    pub ratio: Option<f64>,
    /// `None` if the product counts none.
    pub statements_per_event: Option<f64>,
    pub written_bytes_per_event: f64,
    /// Events of the whole run, warm-up included: each acknowledged one was delivered.
    pub accepted: u64,
    pub duplicates: u64,
    /// Answered 503.
    pub unavailable: u64,
    /// Answered otherwise, or not at all.
    pub failed: u64,
    /// CPU time of generator and sink for one event: what the tool takes from the machine.
    pub generator_us_per_event: f64,
    /// Cores that neither the product nor this tool used: above nearly zero, the machine was shared.
    pub others_cores: f64,
}

impl Throughput {
    /// The same with R by an ideal that was measured only now.
    pub(super) fn judged_by(self, ideal_us: f64) -> Self {
        let us_per_event = self.cpu_us_per_event + self.database_us_per_event;
        Self { ratio: Some(ideal_us / us_per_event), ..self }
    }
}

/// A moment's counts, to be subtracted.
pub(super) struct Mark {
    pub at_us: u32,
    usage: Usage,
    database: Duration,
    statements: Option<f64>,
    delivered: u64,
}

/// # Errors
/// When the gateway fails, or an acknowledged event is not delivered.
pub fn throughput(
    bench: &Bench<'_>,
    options: &ThroughputOptions,
    calibration: &Calibration,
) -> Result<Throughput, BenchError> {
    let seconds = (options.warm_up + options.window).as_secs_f64();
    let capacity = (seconds * EVENTS_PER_SECOND_MAX) as usize;
    let rig = Rig::start(bench, &Layout::of(options.destinations), capacity, |_| {})?;
    through(rig, options, calibration.ideal_us())
}

/// The same through all nodes of a rig.
pub(super) fn through(
    mut rig: Rig<'_>,
    options: &ThroughputOptions,
    ideal_us: Option<f64>,
) -> Result<Throughput, BenchError> {
    let generators = rig.send_through_all(options.connections)?;
    rig.run_for(options.warm_up)?;
    let (begin, others) = (mark(&rig)?, Others::start(rig.product_cpu()?)?);
    rig.run_for(options.window)?;
    let window_end_us = rig.now_us();
    let others_cores = others.cores(rig.product_cpu()?)?;
    let sent = rig.stop_all(generators)?;
    rig.settle()?;
    let end = mark(&rig)?;

    let window = begin.at_us..window_end_us;
    let window_s = f64::from(window.end - window.start) / 1e6;
    let rate = |moment| rig.ledger.count_between(moment, window.start, window.end) as f64 / window_s;
    let waits = |to| Percentiles::of(rig.ledger.waits(Moment::Due, to, |_, due| window.contains(&due)));
    let cost = Cost::between(&begin, &end);
    Ok(Throughput {
        connections: options.connections,
        destinations: options.destinations,
        accepted_per_s: rate(Moment::Acked),
        delivered_per_s: rate(Moment::Delivered),
        ack: waits(Moment::Acked),
        end_to_end: waits(Moment::Delivered),
        cpu_us_per_event: cost.cpu_us_per_event,
        database_us_per_event: cost.database_us_per_event,
        cores: cost.cores,
        ratio: ideal_us.map(|ideal| ratio(cost.delivered_per_s, ideal, cost.cores)),
        statements_per_event: cost.statements_per_event,
        written_bytes_per_event: cost.written_bytes_per_event,
        accepted: rig.ledger.acked(),
        duplicates: rig.ledger.duplicates(),
        unavailable: sent.unavailable,
        failed: sent.refused + sent.failed + sent.unanswered,
        generator_us_per_event: sent.cpu.as_secs_f64() * 1e6 / sent.accepted as f64,
        others_cores,
    })
}

pub(super) fn mark(rig: &Rig<'_>) -> Result<Mark, BenchError> {
    let (at_us, statements) = (rig.now_us(), rig.statements());
    let (usage, database) = (rig.usage()?, rig.database_cpu()?);
    Ok(Mark { at_us, usage, database, statements, delivered: rig.ledger.delivered() })
}

/// What the product used between two marks. The second one is after the last delivery, so that work which it put off
/// is counted too.
pub(super) struct Cost {
    delivered_per_s: f64,
    pub cpu_us_per_event: f64,
    database_us_per_event: f64,
    cores: f64,
    statements_per_event: Option<f64>,
    written_bytes_per_event: f64,
}

impl Cost {
    pub fn between(begin: &Mark, end: &Mark) -> Self {
        let wall_s = f64::from(end.at_us - begin.at_us) / 1e6;
        let cpu_s = end.usage.cpu.saturating_sub(begin.usage.cpu).as_secs_f64();
        let database_s = end.database.saturating_sub(begin.database).as_secs_f64();
        let events = (end.delivered - begin.delivered) as f64;
        let written = end.usage.written_bytes.saturating_sub(begin.usage.written_bytes);
        Self {
            delivered_per_s: events / wall_s,
            cpu_us_per_event: cpu_s * 1e6 / events,
            database_us_per_event: database_s * 1e6 / events,
            cores: (cpu_s + database_s) / wall_s,
            statements_per_event: begin.statements.zip(end.statements).map(|(begin, end)| (end - begin) / events),
            written_bytes_per_event: written as f64 / events,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at_us: u32, cpu_ms: u64, written_bytes: u64, delivered: u64, statements: Option<f64>) -> Mark {
        let usage = Usage { cpu: Duration::from_millis(cpu_ms), rss_bytes: 0, written_bytes };
        Mark { at_us, usage, database: usage.cpu / 2, statements, delivered }
    }

    #[test]
    fn costs_are_differences_per_delivered_event() {
        let begin = at(1_000_000, 500, 4_000, 100, Some(10.0));
        let end = at(3_000_000, 1_500, 204_000, 20_100, Some(410.0));
        let cost = Cost::between(&begin, &end);
        assert_eq!(cost.delivered_per_s, 10_000.0);
        assert_eq!(cost.cpu_us_per_event, 50.0);
        assert_eq!((cost.database_us_per_event, cost.cores), (25.0, 0.75));
        assert_eq!(cost.statements_per_event, Some(0.02));
        assert_eq!(cost.written_bytes_per_event, 10.0);
        // The ratio is the ideal over the real cost, however it is computed.
        assert_eq!(ratio(cost.delivered_per_s, 25.0, cost.cores), 25.0 / 75.0);
    }

    #[test]
    fn a_gateway_that_counts_no_statements_has_no_such_figure() {
        let cost = Cost::between(&at(0, 0, 0, 0, None), &at(1, 1, 1, 1, Some(5.0)));
        assert_eq!(cost.statements_per_event, None);
    }
}
