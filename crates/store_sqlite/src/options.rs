//! How a store is opened, and every limit it has.

use std::path::PathBuf;

use domain::Timestamp;

/// Free space that is kept back for settling and pruning when ingest has filled the disk (design §6).
pub const DISK_RESERVE_BYTES: u64 = 256 * 1024 * 1024;
/// Most commands that wait for the writer: at a millisecond per group, seconds of work. Past it a caller is told to
/// come back rather than made to wait longer than its sender does.
pub const QUEUE_COMMANDS: usize = 4_096;
/// Most payload bytes that wait for the writer: bounds memory when every body is large.
pub const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// Most rows of one transaction: larger groups gain little and make everyone in them wait longer.
pub const GROUP_ROWS: usize = 512;
/// Read connections, opened when first needed. Reads are short or bounded, and the machine has few cores.
pub const READERS: usize = 4;

/// Where the state lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file; `-wal`, `-shm` and `.lock` lie beside it.
    File(PathBuf),
    /// Memory: gone with the store. For tests and simulation.
    Memory,
}

#[derive(Clone, Debug)]
pub struct OpenOptions {
    pub place: Place,
    /// No threads: every verb runs on its caller, so that a simulation is the same each time.
    pub inline: bool,
    /// Several engines of this process use it, as nodes of a cluster would: for simulation.
    pub shared: bool,
    /// Ingest stops when less than this is free. Zero for [`Place::Memory`].
    pub disk_reserve_bytes: u64,
    pub queue_commands: usize,
    pub queue_bytes: usize,
    pub group_rows: usize,
    pub readers: usize,
    /// The SQLite VFS to go through, where tests inject failures; `None`: the usual one.
    pub vfs: Option<String>,
    /// Most pages the database may have: a disk of a known size, for tests. `None`: no bound.
    pub pages_max: Option<u32>,
    /// The time that is written beside a migration that opening applies.
    pub now: Timestamp,
}

impl OpenOptions {
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::at(Place::File(path.into()), DISK_RESERVE_BYTES)
    }

    #[must_use]
    pub fn memory() -> Self {
        Self::at(Place::Memory, 0)
    }

    fn at(place: Place, disk_reserve_bytes: u64) -> Self {
        Self {
            place,
            inline: false,
            shared: false,
            disk_reserve_bytes,
            queue_commands: QUEUE_COMMANDS,
            queue_bytes: QUEUE_BYTES,
            group_rows: GROUP_ROWS,
            readers: READERS,
            vfs: None,
            pages_max: None,
            now: Timestamp::EPOCH,
        }
    }

    #[must_use]
    pub fn inline(mut self) -> Self {
        self.inline = true;
        self
    }
}
