//! What reading a connector takes: a list of pages through cursor pagination and a datetime cursor, by a process that
//! prints each record on its stdout; the same by the reference, where there is one; the way to the first request; and
//! many connectors in one gateway.

mod connectors;
mod first_request;
mod reader;

use std::path::PathBuf;
use std::process::Command;

use serde::Serialize;

use crate::error::BenchError;
use crate::listing::{Listing, PAGE_RECORDS, RECORD_BYTES};
use crate::process::{MemoryWatch, children_cpu, peak_rss_bytes};
use crate::rig::{Bench, Folder};
use crate::stopwatch::Stopwatch;

pub use connectors::IdleConnectors;
pub use first_request::FirstRequest;
use reader::Reader;

/// What a reader is started with.
#[derive(Clone, Debug)]
pub struct ReadLaunch {
    pub manifest: PathBuf,
    pub config: PathBuf,
    pub catalog: PathBuf,
}

/// Makes the command that reads.
pub type ReaderCommand<'a> = &'a dyn Fn(&ReadLaunch) -> Command;

/// How connectors are read.
#[derive(Clone, Copy)]
pub struct Readers<'a> {
    pub ours: ReaderCommand<'a>,
    /// The program that the format comes from. `None`: it is not here, and nothing is compared.
    pub reference: Option<ReaderCommand<'a>>,
}

#[derive(Clone, Copy, Debug)]
pub struct ReadingOptions {
    pub records: u64,
    /// Length of the manifest on whose way to the first request is measured.
    pub manifest_bytes: usize,
    /// How often a reader is started for that.
    pub starts: u32,
    pub connectors: usize,
    /// Length of each of their manifests.
    pub connector_bytes: usize,
}

impl Default for ReadingOptions {
    /// What the goals are stated for; 33 kB is the median of the manifests that people have written.
    fn default() -> Self {
        Self { records: 200_000, manifest_bytes: 1_000_000, starts: 20, connectors: 500, connector_bytes: 33_000 }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Reading {
    pub records: u64,
    pub record_bytes: usize,
    pub ours: ReadCost,
    /// `None` if the reference is not here.
    pub reference: Option<ReadCost>,
    pub first_request: FirstRequest,
    /// `None` where none were wanted.
    pub idle: Option<IdleConnectors>,
}

/// One reading of the list.
#[derive(Clone, Debug, Serialize)]
pub struct ReadCost {
    pub cpu_s: f64,
    pub records_per_cpu_s: f64,
    pub peak_rss_mib: f64,
    pub wall_s: f64,
    /// From its start to the first byte that it printed.
    pub first_output_ms: f64,
}

/// # Errors
/// When a reader cannot be started, fails, or prints other than each record once.
pub fn reading(bench: &Bench<'_>, options: &ReadingOptions) -> Result<Reading, BenchError> {
    let Readers { ours, reference } = bench.readers;
    let listing = Listing::start(options.records)?;
    let folder = Folder::new(bench.scratch)?;
    let launch = write_launch(&folder, &listing.manifest())?;
    let reference = reference.map(|reference| read(&listing, &launch, reference, options.records)).transpose()?;
    Ok(Reading {
        records: options.records,
        record_bytes: RECORD_BYTES,
        ours: read(&listing, &launch, ours, options.records)?,
        reference,
        first_request: first_request::first_request(bench, options)?,
        idle: (options.connectors > 0).then(|| connectors::idle_connectors(bench, options)).transpose()?,
    })
}

fn read(
    listing: &Listing,
    launch: &ReadLaunch,
    command: ReaderCommand<'_>,
    records: u64,
) -> Result<ReadCost, BenchError> {
    let (served, cpu) = (listing.pages_served(), children_cpu()?);
    let stopwatch = Stopwatch::start();
    let mut reader = Reader::start(command(launch))?;
    let watch = MemoryWatch::start_with(reader.pid(), peak_rss_bytes, || 0)?;
    let printed = reader.drain(stopwatch)?;
    let wall_s = stopwatch.elapsed().as_secs_f64();
    let peak_rss_mib = watch.stop()?.iter().map(|sample| sample.rss_mib).fold(0.0, f64::max);
    let status = reader.wait()?;
    let cpu_s = children_cpu()?.saturating_sub(cpu).as_secs_f64();
    let (served, pages) = (listing.pages_served() - served, records.div_ceil(PAGE_RECORDS));
    if !status.success() || printed.records != records || served != pages {
        let how = format!("{status}, {} of {records} records, {served} of {pages} pages", printed.records);
        return Err(BenchError::Exited { how, log: printed.last });
    }
    let records_per_cpu_s = records as f64 / cpu_s;
    Ok(ReadCost { cpu_s, records_per_cpu_s, peak_rss_mib, wall_s, first_output_ms: printed.first_ms })
}

fn write_launch(folder: &Folder, manifest: &str) -> Result<ReadLaunch, BenchError> {
    let catalog = r#"{"streams":[{"stream":{"name":"items","json_schema":{},"supported_sync_modes":["full_refresh","incremental"]},"sync_mode":"incremental","destination_sync_mode":"append"}]}"#;
    Ok(ReadLaunch {
        manifest: folder.write("manifest.yaml", manifest)?,
        config: folder.write("config.json", r#"{"token":"bench"}"#)?,
        catalog: folder.write("catalog.json", catalog)?,
    })
}
