//! How long a start takes on an empty folder: from spawn to the first 200 of `/readyz`.

use serde::Serialize;

use crate::config::Layout;
use crate::error::BenchError;
use crate::rig::{Bench, Rig};

#[derive(Clone, Debug, Serialize)]
pub struct Ready {
    /// The first start of all: the store and the keys are made in this time.
    pub first_ms: f64,
    /// A start after a crash, on the same store.
    pub again_ms: f64,
}

/// # Errors
/// When the gateway fails.
pub fn ready(bench: &Bench<'_>) -> Result<Ready, BenchError> {
    let mut rig = Rig::start(bench, &Layout::of(1), 0, |_| {})?;
    let first_ms = rig.gateway.ready_after.as_secs_f64() * 1000.0;
    rig.gateway.kill();
    rig.restart()?;
    Ok(Ready { first_ms, again_ms: rig.gateway.ready_after.as_secs_f64() * 1000.0 })
}
