//! What reading a connector takes: a list of pages through cursor pagination and a datetime cursor, by a process that
//! prints each record on its stdout.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::Serialize;

use crate::error::BenchError;
use crate::listing::{Listing, PAGE_RECORDS, RECORD_BYTES};
use crate::process::{MemoryWatch, peak_rss_bytes, usage};
use crate::rig::Folder;
use crate::stopwatch::Stopwatch;

/// What a reader is started with.
#[derive(Clone, Debug)]
pub struct ReadLaunch {
    pub manifest: PathBuf,
    pub config: PathBuf,
    pub catalog: PathBuf,
}

/// Makes the command that reads.
pub type ReaderCommand<'a> = &'a dyn Fn(&ReadLaunch) -> Command;

#[derive(Clone, Debug, Serialize)]
pub struct Reading {
    pub records: u64,
    pub record_bytes: usize,
    pub cpu_s: f64,
    pub records_per_cpu_s: f64,
    pub peak_rss_mib: f64,
    pub wall_s: f64,
    /// From its start to the first byte that it printed.
    pub first_output_ms: f64,
}

/// # Errors
/// When the reader cannot be started, fails, or prints other than each record once.
pub fn reading(scratch: &Path, command: ReaderCommand<'_>, records: u64) -> Result<Reading, BenchError> {
    let listing = Listing::start(records)?;
    let folder = Folder::new(scratch)?;
    let launch = write_inputs(folder.path(), &listing)?;
    let stopwatch = Stopwatch::start();
    let spawned = command(&launch).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = Reader(spawned.map_err(|error| BenchError::NotStarted(Box::new(error)))?);
    let watch = MemoryWatch::start_with(child.0.id(), peak_rss_bytes, || 0)?;
    let printed = child.drain(stopwatch)?;
    let wall_s = stopwatch.elapsed().as_secs_f64();
    // Its times can be read as long as nobody has waited for it.
    let cpu_s = usage_of_ended(child.0.id())?;
    let peak_rss_mib = watch.stop()?.iter().map(|sample| sample.rss_mib).fold(0.0, f64::max);
    let status = child.0.wait().map_err(BenchError::io("wait for the reader"))?;
    let pages = records.div_ceil(PAGE_RECORDS);
    if !status.success() || printed.records != records || listing.pages_served() != pages {
        let how =
            format!("{status}, {} of {records} records, {} of {pages} pages", printed.records, listing.pages_served());
        return Err(BenchError::Exited { how, log: printed.last });
    }
    Ok(Reading {
        records,
        record_bytes: RECORD_BYTES,
        cpu_s,
        records_per_cpu_s: records as f64 / cpu_s,
        peak_rss_mib,
        wall_s,
        first_output_ms: printed.first_ms,
    })
}

fn usage_of_ended(pid: u32) -> Result<f64, BenchError> {
    crate::process::cpu(pid).map(|cpu| cpu.as_secs_f64()).or_else(|_| usage(pid).map(|usage| usage.cpu.as_secs_f64()))
}

fn write_inputs(folder: &Path, listing: &Listing) -> Result<ReadLaunch, BenchError> {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|source| BenchError::Write { path: path.clone(), source }).map(|()| path)
    };
    let catalog = r#"{"streams":[{"stream":{"name":"items","json_schema":{},"supported_sync_modes":["full_refresh","incremental"]},"sync_mode":"incremental","destination_sync_mode":"append"}]}"#;
    Ok(ReadLaunch {
        manifest: write("manifest.yaml", &listing.manifest())?,
        config: write("config.json", r#"{"token":"bench"}"#)?,
        catalog: write("catalog.json", catalog)?,
    })
}

/// A reader; killed when dropped.
struct Reader(Child);

struct Printed {
    records: u64,
    first_ms: f64,
    /// The end of what it printed, for a person to see why it failed.
    last: String,
}

impl Reader {
    /// Reads what it prints to the end, as whoever drives a connector does.
    fn drain(&mut self, stopwatch: Stopwatch) -> Result<Printed, BenchError> {
        const MARK: &[u8] = b"{\"type\":\"RECORD\"";
        let mut printed = Printed { records: 0, first_ms: 0.0, last: String::new() };
        let Some(mut stdout) = self.0.stdout.take() else { return Ok(printed) };
        let mut piece = vec![0; 256 * 1024];
        let mut left: Vec<u8> = Vec::new();
        loop {
            let read = stdout.read(&mut piece).map_err(BenchError::io("read what the reader prints"))?;
            if read == 0 {
                break;
            }
            if printed.first_ms == 0.0 {
                printed.first_ms = stopwatch.elapsed().as_secs_f64() * 1000.0;
            }
            left.extend_from_slice(&piece[..read]);
            let whole = left.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let lines = left[..whole].split(|byte| *byte == b'\n');
            printed.records += lines.filter(|line| line.starts_with(MARK)).count() as u64;
            let shown = &left[whole.saturating_sub(1_000)..whole];
            printed.last = String::from_utf8_lossy(shown).into_owned();
            left.drain(..whole);
        }
        Ok(printed)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Both fail only when it is gone already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
