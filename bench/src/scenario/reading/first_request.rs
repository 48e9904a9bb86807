//! How long a reader takes from its start until the source hears of it, with a manifest as large as the largest.

use serde::Serialize;

use super::reader::Reader;
use super::{ReadingOptions, write_launch};
use crate::error::BenchError;
use crate::listing::Listing;
use crate::process::children_cpu;
use crate::rig::{Bench, Folder};

#[derive(Clone, Debug, Serialize)]
pub struct FirstRequest {
    /// At least, and not much more.
    pub manifest_bytes: usize,
    /// The median of the starts: until the source has the request.
    pub wall_ms: f64,
    /// The mean of the starts, and of the whole process: the one page and the end of it are in it.
    pub cpu_ms: f64,
}

/// # Errors
/// When a reader cannot be started, or asks for nothing.
pub(super) fn first_request(bench: &Bench<'_>, options: &ReadingOptions) -> Result<FirstRequest, BenchError> {
    let folder = Folder::new(bench.scratch)?;
    let mut walls = Vec::new();
    let before = children_cpu()?;
    for _ in 0..options.starts {
        // One that has served nobody: its first request is this start's.
        let listing = Listing::start(1)?;
        let launch = write_launch(&folder, &listing.manifest_of(options.manifest_bytes))?;
        let started = listing.stopwatch().elapsed();
        let mut reader = Reader::start((bench.readers.ours)(&launch))?;
        let printed = reader.drain(listing.stopwatch())?;
        let status = reader.wait()?;
        let Some(first) = listing.first_request().filter(|_| status.success()) else {
            return Err(BenchError::Exited { how: status.to_string(), log: printed.last });
        };
        walls.push(first.saturating_sub(started).as_secs_f64() * 1000.0);
    }
    let cpu = children_cpu()?.saturating_sub(before).as_secs_f64() * 1000.0;
    walls.sort_by(f64::total_cmp);
    let wall_ms = walls.get(walls.len() / 2).copied().unwrap_or_default();
    let cpu_ms = cpu / f64::from(options.starts.max(1));
    Ok(FirstRequest { manifest_bytes: options.manifest_bytes, wall_ms, cpu_ms })
}
