//! The threads that everything runs on.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::logging::{LogArgs, Telemetry};
use crate::exit::{Failure, Outcome};

/// For threads that are in the middle of something when the process ends: reads of the store, name lookups.
const LEAVE_TIME: Duration = Duration::from_millis(200);

/// A process that logs and works on several threads.
pub struct Process {
    runtime: Runtime,
    telemetry: Telemetry,
}

impl Process {
    /// `threads` worker threads; if no number is given, one per core but one, which the store's writer is busy on.
    /// One more would only take turns with it: measured, a tenth more CPU time per event.
    pub fn start(threads: Option<NonZeroUsize>, log: &LogArgs) -> Outcome<Self> {
        let beside_writer = || std::thread::available_parallelism().map_or(1, |cores| cores.get() - 1).max(1);
        let threads = threads.map_or_else(beside_writer, NonZeroUsize::get);
        let runtime = made(Builder::new_multi_thread().worker_threads(threads).enable_all().build())?;
        let telemetry = Telemetry::start(log, runtime.handle())?;
        Ok(Self { runtime, telemetry })
    }

    pub fn run(self, main: impl Future<Output = Outcome>) -> Outcome {
        let outcome = self.runtime.block_on(main);
        self.telemetry.finish();
        self.runtime.shutdown_timeout(LEAVE_TIME);
        outcome
    }
}

fn made(runtime: std::io::Result<Runtime>) -> Outcome<Runtime> {
    runtime.map_err(|error| Failure::general("runtime", error.to_string()))
}

/// Runs a command that only waits for answers: one thread is enough.
pub fn run_here(command: impl Future<Output = Outcome>) -> Outcome {
    made(Builder::new_current_thread().enable_all().build())?.block_on(command)
}
