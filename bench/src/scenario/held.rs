//! A transaction of somebody else that stays open: no row that is removed meanwhile can be cleaned away, and what nodes
//! take from their queue must not wade through all of them.

use std::time::Duration;

use serde::Serialize;

use super::ThroughputOptions;
use super::postgres::{capacity, start};
use crate::error::BenchError;
use crate::ledger::Moment;
use crate::rig::{Bench, Rig};

/// Two nodes: half of the events come in where another node has to find them in the queue.
const NODES: usize = 2;

#[derive(Clone, Copy, Debug)]
pub struct HeldOptions {
    /// Warm-up, and the windows before the transaction and at its end.
    pub load: ThroughputOptions,
    /// How long the transaction is open.
    pub held: Duration,
}

#[derive(Clone, Debug, Serialize)]
pub struct Held {
    pub held_s: f64,
    /// Delivered before it was opened, and in the last window before it was closed.
    pub before_per_s: f64,
    pub held_per_s: f64,
    /// The same of what was accepted: a queue that sinks is told from a machine that does.
    pub accepted_before_per_s: f64,
    pub accepted_held_per_s: f64,
    /// Delivered while it was open: as many rows at least could not be cleaned away.
    pub removed: u64,
}

/// # Errors
/// When there is no server, a node fails, or an acknowledged event is not delivered.
pub fn held(bench: &Bench<'_>, options: &HeldOptions) -> Result<Held, BenchError> {
    let load = &options.load;
    let whole = ThroughputOptions { window: load.window + options.held, ..*load };
    let mut rig = start(bench, load.destinations, capacity(&whole), (NODES, true))?;
    let generators = rig.send_through_all(load.connections)?;
    rig.run_for(load.warm_up)?;
    let before = window(&mut rig, load.window)?;
    let database = rig.database.as_deref().ok_or(BenchError::NoDatabase)?;
    let transaction = database.hold().map_err(BenchError::Database)?;
    let removed = rig.ledger.delivered();
    rig.run_for(options.held.saturating_sub(load.window))?;
    let held = window(&mut rig, load.window.min(options.held))?;
    let removed = rig.ledger.delivered() - removed;
    drop(transaction);
    rig.stop_all(generators)?;
    rig.settle()?;
    Ok(Held {
        held_s: options.held.as_secs_f64(),
        before_per_s: before.delivered_per_s,
        held_per_s: held.delivered_per_s,
        accepted_before_per_s: before.accepted_per_s,
        accepted_held_per_s: held.accepted_per_s,
        removed,
    })
}

struct Window {
    accepted_per_s: f64,
    delivered_per_s: f64,
}

fn window(rig: &mut Rig<'_>, length: Duration) -> Result<Window, BenchError> {
    let from = rig.now_us();
    rig.run_for(length)?;
    let to = rig.now_us();
    let rate = |moment| rig.ledger.count_between(moment, from, to) as f64 / (f64::from(to - from) / 1e6);
    Ok(Window { accepted_per_s: rate(Moment::Acked), delivered_per_s: rate(Moment::Delivered) })
}
