//! A process that reads a connector and prints what it reads.

use std::io::Read as _;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::error::BenchError;
use crate::stopwatch::Stopwatch;

/// Killed when dropped.
pub(super) struct Reader(Child);

pub(super) struct Printed {
    pub records: u64,
    pub first_ms: f64,
    /// The end of what it printed, for a person to see why it failed.
    pub last: String,
}

impl Reader {
    pub fn start(mut command: Command) -> Result<Self, BenchError> {
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        spawned.map(Self).map_err(|error| BenchError::NotStarted(Box::new(error)))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn wait(&mut self) -> Result<ExitStatus, BenchError> {
        self.0.wait().map_err(BenchError::io("wait for the reader"))
    }

    /// Reads what it prints to the end, as whoever drives a connector does.
    pub fn drain(&mut self, stopwatch: Stopwatch) -> Result<Printed, BenchError> {
        // Where the type stands in a line is the writer's choice.
        let is_record = |line: &[u8]| {
            let head = &line[..line.len().min(64)];
            head.windows(8).any(|part| part == b"\"RECORD\"")
        };
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
            printed.records += lines.filter(|line| is_record(line)).count() as u64;
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
