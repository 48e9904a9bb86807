//! The load generator, sink and calibration behind 'trireme bench' and 'make bench'.
//! Blocking from the outside; it measures the product from the outside too, and knows none of its crates.

pub mod calibration;
pub mod error;
pub mod generator;
pub mod ledger;
pub mod payload;
pub mod signing;
pub mod sink;
pub mod stats;
pub mod stopwatch;

mod runtime_thread;
mod wire;

pub use error::BenchError;
