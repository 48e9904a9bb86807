//! What a gateway takes that has nothing to do.

use std::time::Duration;

use serde::Serialize;

use crate::config::Layout;
use crate::error::BenchError;
use crate::rig::{Bench, Rig};

#[derive(Clone, Debug, Serialize)]
pub struct Idle {
    pub rss_mib: f64,
    /// CPU time for each second of doing nothing.
    pub cpu_ms_per_s: f64,
}

/// # Errors
/// When the gateway fails.
pub fn idle(bench: &Bench<'_>, window: Duration) -> Result<Idle, BenchError> {
    let mut rig = Rig::start(bench, &Layout::of(1), 0, |_| {})?;
    let begin = rig.usage()?;
    rig.run_for(window)?;
    let cpu = rig.usage()?.cpu.saturating_sub(begin.cpu);
    Ok(Idle { rss_mib: rig.rss_mib()?, cpu_ms_per_s: cpu.as_secs_f64() * 1000.0 / window.as_secs_f64() })
}
