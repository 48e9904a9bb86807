//! What the disk takes to keep a kibibyte: the wait that no durable acknowledgement can be without.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::error::BenchError;
use crate::stats::percentile;
use crate::stopwatch::Stopwatch;

/// Enough for a steady median, and short on a slow disk.
const SYNCS: usize = 200;
const RECORD: [u8; 1024] = [b'o'; 1024];

pub(super) fn append_us(folder: &Path) -> Result<f64, BenchError> {
    let file = tempfile(folder)?;
    median_sync(&file)
}

pub(super) fn overwrite_us(folder: &Path) -> Result<f64, BenchError> {
    let mut file = tempfile(folder)?;
    let prepared = file.write_all(&vec![0; RECORD.len() * SYNCS]).and_then(|()| file.sync_all());
    let rewound = prepared.and_then(|()| file.seek(SeekFrom::Start(0)));
    rewound.map_err(BenchError::io("prepare the calibration file"))?;
    median_sync(&file)
}

fn median_sync(mut file: &File) -> Result<f64, BenchError> {
    let mut waits = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let stopwatch = Stopwatch::start();
        let synced = file.write_all(&RECORD).and_then(|()| file.sync_data());
        synced.map_err(BenchError::io("sync the calibration file"))?;
        waits.push(u32::try_from(stopwatch.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }
    waits.sort_unstable();
    Ok(f64::from(percentile(&waits, 50)) / 1000.0)
}

/// A file without a name: it is gone when closed, however the run ends.
fn tempfile(folder: &Path) -> Result<File, BenchError> {
    let path = folder.join(format!("calibration-{}", std::process::id()));
    let file = File::create_new(&path).map_err(BenchError::io(format!("create {}", path.display())))?;
    std::fs::remove_file(&path).map_err(BenchError::io(format!("unlink {}", path.display())))?;
    Ok(file)
}
