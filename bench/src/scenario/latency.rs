//! How long an event takes at a modest, steady rate: an open loop, counted from when each event was due.

use std::time::Duration;

use serde::Serialize;

use crate::config::Layout;
use crate::error::BenchError;
use crate::generator::{Pace, Sent};
use crate::ledger::Moment;
use crate::rig::{Bench, Rig};
use crate::stats::Percentiles;

/// Sender connections of an open loop: far more than are busy at these rates, so that an event waits for the gateway
/// and never for a connection.
pub(super) const CONNECTIONS: usize = 32;

/// Events in a second, for one, before the steady load: they make the store's log go round once. A log that still grows
/// costs another write of the disk with every sync, and it grows only in a gateway's first seconds.
const ROUND_OF_THE_LOG: usize = 2_500;

#[derive(Clone, Copy, Debug)]
pub struct LatencyOptions {
    pub per_second: f64,
    pub warm_up: Duration,
    pub window: Duration,
}

#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    pub offered_per_s: f64,
    /// From due to 2xx.
    pub ack: Percentiles,
    /// From due to arrival at the sink.
    pub end_to_end: Percentiles,
    /// From 2xx to arrival at the sink; zero where the delivery came first.
    pub accepted_to_delivered: Percentiles,
    /// Due in the whole run and not accepted: no latency counts them.
    pub failed: u64,
}

/// # Errors
/// When the gateway fails, or an acknowledged event is not delivered.
pub fn latency(bench: &Bench<'_>, options: &LatencyOptions) -> Result<Latency, BenchError> {
    let mut rig = Rig::start(bench, &Layout::of(1), capacity(options), |_| {})?;
    let (from_us, sent) = offer(&mut rig, options)?;
    rig.settle()?;
    Ok(Latency::of(&rig, options, from_us, &sent, |_| true))
}

/// Room for every event that is due in the run, and for those that the connections wait for at its end.
pub(super) fn capacity(options: &LatencyOptions) -> usize {
    let seconds = (options.warm_up + options.window).as_secs_f64() + 1.0;
    (options.per_second * seconds) as usize + 2 * ROUND_OF_THE_LOG + 4 * CONNECTIONS
}

/// Runs warm-up and window, and returns when the window began.
pub(super) fn offer(rig: &mut Rig<'_>, options: &LatencyOptions) -> Result<(u32, Sent), BenchError> {
    let burst = rig.send_to_all(CONNECTIONS, Pace::Open { per_second: ROUND_OF_THE_LOG as f64 })?;
    rig.run_for(Duration::from_secs(1))?;
    rig.stop(burst)?;
    let generator = rig.send_to_all(CONNECTIONS, Pace::Open { per_second: options.per_second })?;
    rig.run_for(options.warm_up)?;
    let from_us = rig.now_us();
    rig.run_for(options.window)?;
    Ok((from_us, rig.stop(generator)?))
}

impl Latency {
    /// Of the picked events that were due in the window.
    pub(super) fn of(
        rig: &Rig<'_>,
        options: &LatencyOptions,
        from_us: u32,
        sent: &Sent,
        pick: impl Fn(u64) -> bool,
    ) -> Self {
        let waits = |from, to| Percentiles::of(rig.ledger.waits(from, to, |id, due| due >= from_us && pick(id)));
        Self {
            offered_per_s: options.per_second,
            ack: waits(Moment::Due, Moment::Acked),
            end_to_end: waits(Moment::Due, Moment::Delivered),
            accepted_to_delivered: waits(Moment::Acked, Moment::Delivered),
            failed: sent.unavailable + sent.refused + sent.failed + sent.unanswered,
        }
    }
}
