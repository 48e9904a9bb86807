//! What is measured: one file per scenario, each a function from a set-up to a typed result or to the promise that the
//! product broke. Timings are judged by whoever reads the report.

mod accounts;
mod ack_one;
mod backlog;
mod held;
mod idle;
mod isolation;
mod latency;
mod polling;
mod postgres;
mod reading;
mod ready;
mod throughput;

pub use accounts::{Accounts, AccountsHalf, AccountsOptions, accounts};
pub use ack_one::{AckOne, ack_one};
pub use backlog::{Backlog, BacklogOptions, backlog};
pub use held::{Held, HeldOptions, held};
pub use idle::{Idle, idle};
pub use isolation::{Isolation, IsolationOptions, isolation};
pub use latency::{Latency, LatencyOptions, latency};
pub use polling::{Choice, Connections, Day, MeasurePolling, Polling, PollingOptions, Shared, Simulated, polling};
pub use postgres::{Nodes, Postgres, PostgresOptions, postgres};
pub use reading::{
    FirstRequest, IdleConnectors, ReadCost, ReadLaunch, ReaderCommand, Readers, Reading, ReadingOptions, reading,
};
pub use ready::{Ready, ready};
pub use throughput::{Throughput, ThroughputOptions, throughput};
