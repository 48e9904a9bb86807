//! How fast one sender on one connection gets its 2xx, against the least that a durable answer can take.

use std::time::Duration;

use serde::Serialize;

use crate::calibration::Calibration;
use crate::config::Layout;
use crate::error::BenchError;
use crate::generator::Pace;
use crate::ledger::Moment;
use crate::rig::{Bench, Rig};
use crate::stats::Percentiles;

/// More than one connection can send in a second to anything that syncs.
const EVENTS_PER_SECOND_MAX: f64 = 30_000.0;

#[derive(Clone, Debug, Serialize)]
pub struct AckOne {
    pub ack: Percentiles,
    /// Round trip + sync of the calibration.
    pub floor_ms: f64,
    /// Median over floor.
    pub over_floor: f64,
}

/// # Errors
/// When the gateway fails, or an acknowledged event is not delivered.
pub fn ack_one(
    bench: &Bench<'_>,
    warm_up: Duration,
    window: Duration,
    calibration: &Calibration,
) -> Result<AckOne, BenchError> {
    let capacity = ((warm_up + window).as_secs_f64() * EVENTS_PER_SECOND_MAX) as usize;
    let mut rig = Rig::start(bench, &Layout::of(1), capacity, |_| {})?;
    let generator = rig.send_to_all(1, Pace::Closed)?;
    rig.run_for(warm_up)?;
    let from_us = rig.now_us();
    rig.run_for(window)?;
    rig.stop(generator)?;
    rig.settle()?;
    let ack = Percentiles::of(rig.ledger.waits(Moment::Due, Moment::Acked, |_, due| due >= from_us));
    let floor_ms = calibration.ack_floor_us() / 1000.0;
    Ok(AckOne { ack, floor_ms, over_floor: ack.p50_ms / floor_ms })
}
