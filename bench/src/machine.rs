//! What the figures were taken on, and who else used it meanwhile: a figure without its machine says nothing.

use std::time::Duration;

use serde::Serialize;

use crate::error::BenchError;
use crate::process;
use crate::stopwatch::Stopwatch;

#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: f64,
    pub kernel: String,
    /// Mean number of runnable tasks in the last minute before the run.
    pub load_before: f64,
    /// The same at its end; the run itself is in it.
    pub load_after: f64,
}

impl Machine {
    /// Reads what can be read; what cannot is said to be unknown, since no figure depends on it.
    #[must_use]
    pub fn read() -> Self {
        let line = |file: &str, name: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let value =
                text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start_matches([':', '\t', ' '])));
            value.map(str::to_owned)
        };
        let unknown = || "unknown".to_owned();
        let memory_kib = line("/proc/meminfo", "MemTotal");
        let memory_kib = memory_kib.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
        let load = load();
        Self {
            cpu: line("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            memory_gib: memory_kib.unwrap_or(0.0) / (1024.0 * 1024.0),
            kernel: line("/proc/sys/kernel/osrelease", "").unwrap_or_else(unknown),
            load_before: load,
            load_after: load,
        }
    }

    /// Notes the load at the end of the run.
    pub(crate) fn finish(&mut self) {
        self.load_after = load();
    }
}

fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}

/// Measures what neither the product, nor its database, nor this process uses.
pub(crate) struct Others {
    stopwatch: Stopwatch,
    used: Duration,
}

impl Others {
    /// `product`: what the product has used so far, with its database.
    pub(crate) fn start(product: Duration) -> Result<Self, BenchError> {
        Ok(Self { stopwatch: Stopwatch::start(), used: others(product)? })
    }

    /// Cores that others used since the start.
    pub(crate) fn cores(&self, product: Duration) -> Result<f64, BenchError> {
        let used = others(product)?.saturating_sub(self.used);
        Ok(used.as_secs_f64() / self.stopwatch.elapsed().as_secs_f64())
    }
}

fn others(product: Duration) -> Result<Duration, BenchError> {
    let own = process::usage(std::process::id())?.cpu;
    Ok(process::machine_busy()?.saturating_sub(own).saturating_sub(product))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_a_kernel_cores_and_memory() {
        let machine = Machine::read();
        assert!(machine.cores > 0 && machine.memory_gib > 0.0, "{machine:?}");
        assert!(!machine.kernel.is_empty() && !machine.kernel.contains('\n'), "{machine:?}");
    }

    #[test]
    fn what_others_use_is_no_more_than_the_machine_has() {
        let others = Others::start(Duration::ZERO).unwrap();
        crate::stopwatch::pause(Duration::from_millis(50));
        let cores = others.cores(Duration::ZERO).unwrap();
        // The kernel counts busy time in ticks of 10 ms, one per core may be off at either end.
        let machine = std::thread::available_parallelism().unwrap().get() as f64;
        assert!((0.0..=machine * 2.0).contains(&cores), "{cores}");
    }
}
