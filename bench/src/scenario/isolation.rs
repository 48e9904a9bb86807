//! Whether destinations that hang slow the others: the same load twice, on fresh gateways, first with all healthy and
//! then with some that accept and never answer. Only the healthy ones' events are compared.

use serde::Serialize;

use super::latency::{Latency, LatencyOptions, capacity, offer};
use crate::config::Layout;
use crate::error::BenchError;
use crate::rig::{Bench, Rig};
use crate::sink::Behaviour;

#[derive(Clone, Copy, Debug)]
pub struct IsolationOptions {
    pub destinations: usize,
    /// How many of them hang: the first ones, so that every round of the generator meets them.
    pub hanging: usize,
    pub load: LatencyOptions,
}

#[derive(Clone, Debug, Serialize)]
pub struct Isolation {
    pub destinations: usize,
    pub hanging: usize,
    /// Of the destinations that stay healthy, while all are.
    pub baseline: Latency,
    /// Of the same destinations, while the others hang.
    pub beside_hanging: Latency,
    /// Beside hanging ones over baseline, end to end.
    pub p50_ratio: f64,
    pub p99_ratio: f64,
    /// Requests that hung.
    pub held: u64,
}

/// # Errors
/// When the gateway fails, an acknowledged event for a healthy destination is not delivered, or nothing hung.
pub fn isolation(bench: &Bench<'_>, options: &IsolationOptions) -> Result<Isolation, BenchError> {
    let (baseline, _) = arm(bench, options, Behaviour::Healthy)?;
    let (beside_hanging, held) = arm(bench, options, Behaviour::Hang)?;
    if held == 0 {
        return Err(BenchError::NothingHung);
    }
    Ok(Isolation {
        destinations: options.destinations,
        hanging: options.hanging,
        p50_ratio: beside_hanging.end_to_end.p50_ms / baseline.end_to_end.p50_ms,
        p99_ratio: beside_hanging.end_to_end.p99_ms / baseline.end_to_end.p99_ms,
        baseline,
        beside_hanging,
        held,
    })
}

/// One half, with the first destinations behaving so; also how many requests they did not answer.
fn arm(bench: &Bench<'_>, options: &IsolationOptions, first: Behaviour) -> Result<(Latency, u64), BenchError> {
    let behave = |sink: &crate::sink::Sink| (0..options.hanging).for_each(|index| sink.behave(index, first));
    let mut rig = Rig::start(bench, &Layout::of(options.destinations), capacity(&options.load), behave)?;
    let (from_us, sent) = offer(&mut rig, &options.load)?;
    let to_first = |id: u64| (id as usize % options.destinations) < options.hanging;
    rig.settle_all_but(|id| first != Behaviour::Healthy && to_first(id))?;
    let latency = Latency::of(&rig, &options.load, from_us, &sent, |id| !to_first(id));
    Ok((latency, (0..options.hanging).map(|index| rig.sink.denied(index)).sum()))
}
