//! A database server that nodes share, as the load tool needs it: a database for each set-up, a transaction that is held
//! open, and what its processes use. Who knows the server's language gives it; this file only counts.

use std::time::Duration;

use crate::calibration::StoreCost;
use crate::error::{BenchError, BoxError};
use crate::process;

/// A server on this machine.
pub trait Databases {
    /// Makes an empty database.
    ///
    /// # Errors
    /// When the server refuses.
    fn make(&self) -> Result<Box<dyn Database>, BoxError>;

    /// What an event costs a bare table of that server, the client's part included; in batches of 256.
    ///
    /// # Errors
    /// When the server refuses.
    fn cost(&self) -> Result<StoreCost, BoxError>;
}

/// A database of its own; removed when dropped.
pub trait Database {
    /// What a node is started with. `hears`: whether it may be told by others what there is to do.
    fn address(&self, hears: bool) -> String;

    /// The process that all others of the server come from; `None` where it cannot be seen from here.
    fn server_pid(&self) -> Option<u32>;

    /// Opens a transaction that sees the database as it is now, and keeps it open until what it gives is dropped.
    ///
    /// # Errors
    /// When the server refuses.
    fn hold(&self) -> Result<Box<dyn std::any::Any>, BoxError>;
}

/// CPU time of the server since it started, all of its processes together.
pub(crate) fn cpu(database: &dyn Database) -> Result<Duration, BenchError> {
    database.server_pid().map_or(Ok(Duration::ZERO), process::family_cpu)
}
