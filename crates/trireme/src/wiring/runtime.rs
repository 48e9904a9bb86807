//! The threads that everything runs on.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::exit::{Failure, Outcome};

/// For threads that are in the middle of something when the process ends: reads of the store, name lookups.
const LEAVE_TIME: Duration = Duration::from_millis(200);

/// Runs `main` on `threads` worker threads, one per core if no number is given.
pub fn run(threads: Option<NonZeroUsize>, main: impl Future<Output = Outcome>) -> Outcome {
    let threads = threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::general("runtime", error.to_string()))?;
    let outcome = runtime.block_on(main);
    runtime.shutdown_timeout(LEAVE_TIME);
    outcome
}

/// Runs a command that only waits for answers: one thread is enough.
pub fn run_here(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::general("runtime", error.to_string()))?.block_on(command)
}
