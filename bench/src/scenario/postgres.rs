//! Nodes that share a database: what they take in and deliver, one, two and three of them on this machine, and how long a
//! node takes to hear of what another has taken in for it.

use std::time::Duration;

use serde::Serialize;

use super::latency::CONNECTIONS;
use super::throughput::{EVENTS_PER_SECOND_MAX, through};
use super::{Throughput, ThroughputOptions};
use crate::calibration::{Calibration, StoreCost};
use crate::config::Layout;
use crate::error::BenchError;
use crate::generator::Pace;
use crate::ledger::Moment;
use crate::probe;
use crate::rig::{Bench, Rig};
use crate::stats::Percentiles;
use crate::stopwatch::{Stopwatch, pause};

/// Longest wait until the nodes have shared out what there is to look after: a few heartbeats.
const SHARED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// How many nodes, and how many senders at all of them together, one set-up after another.
    pub set_ups: Vec<(usize, usize)>,
    pub throughput: ThroughputOptions,
    /// How long each ideal part that needs load is measured, before and after each set-up.
    pub calibration: Duration,
    /// Events a second for a destination that another node looks after, and for how long.
    pub per_second: f64,
    pub window: Duration,
}

#[derive(Clone, Debug, Serialize)]
pub struct Postgres {
    /// What an event costs a bare table of the same server: the mean of before, between and after the set-ups.
    pub cost: StoreCost,
    /// Ideal CPU time for one event with it, likewise.
    pub ideal_us: f64,
    pub nodes: Vec<Nodes>,
    /// From the 2xx of one node to the delivery by another, where nodes hear of it.
    pub heard: Percentiles,
    /// The same where they have to look.
    pub unheard: Percentiles,
}

/// The ideal, measured once.
#[derive(Clone, Copy, Debug)]
struct Yardstick {
    cost: StoreCost,
    ideal_us: f64,
}

impl Yardstick {
    fn mean(all: &[Self]) -> Self {
        let of = |part: fn(&Self) -> f64| all.iter().map(part).sum::<f64>() / all.len() as f64;
        let cost = StoreCost { write_us: of(|one| one.cost.write_us), settle_us: of(|one| one.cost.settle_us) };
        Self { cost, ideal_us: of(|one| one.ideal_us) }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Nodes {
    pub nodes: usize,
    pub load: Throughput,
}

/// # Errors
/// When there is no server, a node fails, or an acknowledged event is not delivered.
pub fn postgres(
    bench: &Bench<'_>,
    options: &PostgresOptions,
    calibration: &Calibration,
) -> Result<Postgres, BenchError> {
    let server = bench.databases.ok_or(BenchError::NoDatabase)?;
    let ideal = || {
        let cost = server.cost().map_err(BenchError::Database)?;
        let renewed = calibration.renewed(options.throughput.connections, options.calibration, cost)?;
        Ok(Yardstick { cost, ideal_us: renewed.ideal_us().unwrap_or_default() })
    };
    let (mut nodes, mut yardsticks) = (Vec::new(), vec![ideal()?]);
    for (count, connections) in options.set_ups.iter().copied() {
        (bench.say)(&format!("{count} nodes on one database, {connections} senders"));
        let load = ThroughputOptions { connections, ..options.throughput };
        let rig = start(bench, load.destinations, capacity(&load), (count, true))?;
        let load = through(rig, &load, None)?;
        yardsticks.push(ideal()?);
        // What the machine gave just before and just after.
        let around = Yardstick::mean(&yardsticks[nodes.len()..]);
        nodes.push(Nodes { nodes: count, load: load.judged_by(around.ideal_us) });
    }
    let Yardstick { cost, ideal_us } = Yardstick::mean(&yardsticks);
    let (heard, unheard) = (wake(bench, options, true)?, wake(bench, options, false)?);
    Ok(Postgres { cost, ideal_us, nodes, heard, unheard })
}

pub(super) fn capacity(options: &ThroughputOptions) -> usize {
    ((options.warm_up + options.window).as_secs_f64() * EVENTS_PER_SECOND_MAX) as usize
}

/// Starts nodes and waits until each has its share of the destinations.
pub(super) fn start<'a>(
    bench: &'a Bench<'a>,
    destinations: usize,
    capacity: usize,
    nodes: (usize, bool),
) -> Result<Rig<'a>, BenchError> {
    let rig = Rig::start_nodes(bench, &Layout::of(destinations), capacity, nodes)?;
    let waiting = Stopwatch::start();
    while shares(&rig, bench.admin_key).iter().any(Vec::is_empty) {
        if waiting.elapsed() > SHARED_WITHIN {
            return Err(BenchError::NotShared(SHARED_WITHIN));
        }
        pause(LOOK_EVERY);
    }
    Ok(rig)
}

/// The destinations that each node looks after, by number, in the order in which the nodes were started.
fn shares(rig: &Rig<'_>, key: &str) -> Vec<Vec<usize>> {
    let mut shares = vec![Vec::new(); rig.nodes().count()];
    let page = probe::get_with_key(rig.gateway.address(), "/api/v1/nodes", key);
    let page = page.ok().and_then(|(_, body)| serde_json::from_str::<serde_json::Value>(&body).ok());
    let Some(page) = page else { return shares };
    for node in page["data"].as_array().into_iter().flatten() {
        let at = rig.nodes().position(|known| node["address"] == known.address().to_string().as_str());
        let Some(at) = at.filter(|_| node["state"] == "lives") else { continue };
        let names = node["destinations"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
        shares[at] = names.filter_map(|name| name.strip_prefix('d')?.parse().ok()).collect();
    }
    shares
}

/// Sends at one node what another looks after.
fn wake(bench: &Bench<'_>, options: &PostgresOptions, hears: bool) -> Result<Percentiles, BenchError> {
    let events = (options.window.as_secs_f64() + 2.0) * options.per_second;
    let mut rig = start(bench, 2, events as usize + 4 * CONNECTIONS, (2, hears))?;
    let others = shares(&rig, bench.admin_key).pop().unwrap_or_default();
    let destination = *others.first().ok_or(BenchError::NotShared(SHARED_WITHIN))?;
    let pace = Pace::Open { per_second: options.per_second };
    let generator = rig.send_to(&rig.gateway, destination..destination + 1, CONNECTIONS, pace, None)?;
    rig.run_for(options.window)?;
    rig.stop(generator)?;
    rig.settle()?;
    Ok(Percentiles::of(rig.ledger.waits(Moment::Acked, Moment::Delivered, |_, _| true)))
}
