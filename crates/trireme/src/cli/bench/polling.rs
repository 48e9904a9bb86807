//! What polling costs, measured with the engine itself against a source that is scripted, on a clock that goes on as soon
//! as nothing is left to do: a day takes seconds.

mod choice;
mod shared;
mod shop;
mod source;
mod world;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bench::scenario::{PollingOptions, Simulated};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Each round has a story of its own.
static ROUNDS: AtomicU64 = AtomicU64::new(1);

/// Measures all that needs no process of its own.
pub fn measure(options: &PollingOptions) -> Result<Simulated, Failed> {
    let seed = ROUNDS.fetch_add(1, Relaxed);
    Ok(Simulated {
        polled: shop::polled(options.hours, seed, false)?,
        conditional: shop::polled(options.hours, seed, true)?,
        hooked: shop::hooked(options.hours, seed)?,
        shared: shared::measure(options.shared_hours, seed)?,
        choice: choice::measure(options.choices)?,
    })
}
