//! The load generator, sink and calibration behind 'trireme bench' and 'make bench'.
//! Blocking from the outside; it measures the product from the outside too, and knows none of its crates.
//!
//! A caller says how a gateway is started ([`gateway::CommandLauncher`]), how the store's ideal cost is measured
//! ([`calibration::MeasureStore`]) and where the run comes from ([`report::About`]); [`plan::Plan::run`] does the rest
//! and returns a [`report::Report`], which prints itself as text, JSON and Markdown.

pub mod calibration;
pub mod config;
pub mod database;
pub mod error;
pub mod gateway;
pub mod generator;
pub mod ledger;
pub mod listing;
pub mod machine;
pub mod payload;
pub mod plan;
pub mod process;
pub mod report;
pub mod scenario;
pub mod signing;
pub mod sink;
pub mod stats;
pub mod stopwatch;
pub mod welch;

mod accounts;
mod probe;
mod rig;
mod runtime_thread;
mod wire;

pub use error::BenchError;
pub use rig::Bench;
