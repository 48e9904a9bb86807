//! A destination that is down while events keep coming: memory while they wait, a crash with all of them waiting, and
//! the drain when the destination is back, with live events to another one beside it.

use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

use crate::config::{Layout, Ordering, Retry};
use crate::error::BenchError;
use crate::generator::{Generator, Pace};
use crate::ledger::Moment;
use crate::process::MemoryWatch;
use crate::rig::{Bench, Rig};
use crate::sink::Behaviour;
use crate::stats::{Percentiles, percentile};

const DOWN: usize = 0;
const LIVE: usize = 1;
/// Retries soon and for long, so that the drain is paced by the product and not by its patience with a dead peer.
const RETRY: Retry = Retry { fibonacci: Duration::from_secs(1), attempts: 50 };
/// The drain is judged up to this percentile of arrivals: the few deliveries that were tried while the destination
/// was down come when their own retry is due.
const DRAINED_PERCENT: usize = 99;
/// Live events that there is room for beside the backlog: an hour of them at the usual rate.
const LIVE_EVENTS_MAX: usize = 200_000;

#[derive(Clone, Copy, Debug)]
pub struct BacklogOptions {
    pub events: u64,
    pub connections: usize,
    /// Rate of the live events during the drain.
    pub live_per_second: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Backlog {
    pub events: u64,
    /// Rate at which they were accepted.
    pub accepted_per_s: f64,
    /// Memory with a quarter of them waiting, and with all; the most while filling and while draining.
    pub quarter_rss_mib: f64,
    pub full_rss_mib: f64,
    pub filling_rss_max_mib: f64,
    pub draining_rss_max_mib: f64,
    /// From a start after a crash with all of them waiting to ready, and to the first delivery.
    pub ready_ms: f64,
    pub first_delivery_ms: f64,
    /// From the first to the 99th percentile of arrivals.
    pub drained_per_s: f64,
    pub live_per_s: f64,
    /// Of the live events, from due to arrival.
    pub live: Percentiles,
    pub duplicates: u64,
}

/// # Errors
/// When the gateway fails, or any acknowledged event is not delivered in the end.
pub fn backlog(bench: &Bench<'_>, options: &BacklogOptions) -> Result<Backlog, BenchError> {
    let layout = Layout { destinations: 2, ordering: Ordering::None, retry: Some(RETRY), accounts: None };
    let capacity = options.events as usize + LIVE_EVENTS_MAX;
    let mut rig = Rig::start(bench, &layout, capacity, |sink| sink.behave(DOWN, Behaviour::Unavailable))?;
    (bench.say)(&format!("backlog: {} events to a destination that is down", options.events));
    let filled = fill(&mut rig, options)?;
    (bench.say)("backlog: crash, restart and drain");
    let drained = drain(&mut rig, &filled.ids, options)?;
    Ok(Backlog {
        events: filled.ids.end,
        accepted_per_s: filled.accepted_per_s,
        quarter_rss_mib: filled.quarter_rss_mib,
        full_rss_mib: filled.full_rss_mib,
        filling_rss_max_mib: filled.rss_max_mib,
        draining_rss_max_mib: drained.rss_max_mib,
        ready_ms: drained.ready_ms,
        first_delivery_ms: drained.first_delivery_ms,
        drained_per_s: drained.per_s,
        live_per_s: options.live_per_second,
        live: drained.live,
        duplicates: rig.ledger.duplicates(),
    })
}

struct Filled {
    ids: Range<u64>,
    accepted_per_s: f64,
    quarter_rss_mib: f64,
    full_rss_mib: f64,
    rss_max_mib: f64,
}

fn fill(rig: &mut Rig<'_>, options: &BacklogOptions) -> Result<Filled, BenchError> {
    let begin = rig.ledger.stopwatch().elapsed();
    let ledger = std::sync::Arc::clone(&rig.ledger);
    let watch = MemoryWatch::start(rig.gateway.pid(), move || ledger.acked())?;
    let generator = rig.send(DOWN..DOWN + 1, options.connections, Pace::Closed, Some(options.events))?;
    let sent = rig.judge(generator.wait()?)?;
    let took = rig.ledger.stopwatch().elapsed() - begin;
    let samples = watch.stop()?;
    rig.gateway.check_alive()?;
    let quarter = samples.iter().find(|sample| sample.progress >= options.events / 4);
    Ok(Filled {
        ids: 0..rig.ledger.taken(),
        accepted_per_s: sent.accepted as f64 / took.as_secs_f64(),
        quarter_rss_mib: quarter.or(samples.last()).map_or(0.0, |sample| sample.rss_mib),
        full_rss_mib: rig.rss_mib()?,
        rss_max_mib: samples.iter().map(|sample| sample.rss_mib).fold(0.0, f64::max),
    })
}

struct Drained {
    ready_ms: f64,
    first_delivery_ms: f64,
    per_s: f64,
    live: Percentiles,
    rss_max_mib: f64,
}

fn drain(rig: &mut Rig<'_>, backlog: &Range<u64>, options: &BacklogOptions) -> Result<Drained, BenchError> {
    rig.gateway.kill();
    rig.sink.behave(DOWN, Behaviour::Healthy);
    let restarted_us = rig.now_us();
    rig.restart()?;
    let live = rig.send(LIVE..LIVE + 1, super::latency::CONNECTIONS, live_pace(options), None)?;
    let watch = MemoryWatch::start(rig.gateway.pid(), || 0)?;
    rig.settle_watching(|rig| rig.sink.served(DOWN), |id| !backlog.contains(&id))?;
    let samples = watch.stop()?;
    stop_live(rig, live)?;
    let arrivals = rig.ledger.arrivals(backlog.clone());
    Ok(Drained {
        ready_ms: rig.gateway.ready_after.as_secs_f64() * 1000.0,
        first_delivery_ms: f64::from(percentile(&arrivals, 0).saturating_sub(restarted_us)) / 1000.0,
        per_s: rate(&arrivals),
        live: Percentiles::of(rig.ledger.waits(Moment::Due, Moment::Delivered, |id, _| !backlog.contains(&id))),
        rss_max_mib: samples.iter().map(|sample| sample.rss_mib).fold(0.0, f64::max),
    })
}

fn live_pace(options: &BacklogOptions) -> Pace {
    Pace::Open { per_second: options.live_per_second }
}

/// A drain may be over before the first live event was due, so none accepted is no failure here.
fn stop_live(rig: &mut Rig<'_>, live: Generator) -> Result<(), BenchError> {
    if live.stop()?.ledger_full {
        return Err(BenchError::LedgerFull { capacity: rig.ledger.capacity() });
    }
    rig.settle()
}

/// Arrivals a second, from sorted times in microseconds, up to the percentile that counts.
fn rate(arrivals: &[u32]) -> f64 {
    let counted = (arrivals.len() * DRAINED_PERCENT).div_ceil(100);
    let took_us = percentile(arrivals, DRAINED_PERCENT).saturating_sub(percentile(arrivals, 0));
    counted.saturating_sub(1) as f64 * 1e6 / f64::from(took_us.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drain_rate_leaves_out_the_last_stragglers() {
        // One event each millisecond, the last one an hour later.
        let mut arrivals: Vec<u32> = (0..100).map(|n| 5_000_000 + n * 1000).collect();
        arrivals[99] = 3_600_000_000;
        assert_eq!(rate(&arrivals), 1000.0);
        assert_eq!(rate(&[]), 0.0);
    }
}
