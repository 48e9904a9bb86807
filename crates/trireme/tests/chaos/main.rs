//! Reliability of the real process: killed, starved of disk, cut off, flooded and lied to, and judged by one oracle.
//! Whatever was acknowledged has to be delivered, dead or waiting. Nothing here reaches into the product.
//!
//! Every suite prints what it did and the seed of its dice; `TRIREME_CHAOS_SEED` repeats one, `TRIREME_SOAK` and
//! `TRIREME_CHAOS_ROUNDS` make it longer.
#![expect(clippy::disallowed_methods, reason = "the harness stands outside of the product and keeps its own time")]
#![expect(clippy::print_stderr, reason = "a suite has to say what it did")]

// The harness
mod api;
mod dice;
mod disk;
mod gateway;
mod generator;
mod http;
mod ledger;
mod oracle;
mod payload;
mod polled;
mod pressure;
mod setup;
mod sink;
mod wait;

// The suites
mod backlog;
mod database;
mod destinations;
mod disk_faults;
mod disk_full;
mod duplicates;
mod growth;
mod held;
mod kill;
mod loops;
mod nodes;
mod poison;
mod secrets;
mod shop;
