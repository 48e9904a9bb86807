//! What polling costs, measured with the engine itself against a source that is scripted, on a clock that goes on as soon
//! as nothing is left to do: a day takes seconds.

mod choice;
mod shared;
mod shop;
mod source;
mod world;

use bench::scenario::{PollingOptions, Simulated};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Measures all that needs no process of its own.
pub fn measure(options: &PollingOptions) -> Result<Simulated, Failed> {
    Ok(Simulated {
        polled: shop::polled(options.hours, false)?,
        conditional: shop::polled(options.hours, true)?,
        hooked: shop::hooked(options.hours)?,
        shared: shared::measure(options.shared_hours)?,
        choice: choice::measure(options.choices)?,
    })
}
