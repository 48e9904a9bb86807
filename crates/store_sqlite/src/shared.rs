//! What the writer, the readers and the callers of one store share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use store::StoreError;

use crate::claims::Claims;
use crate::names::Names;
use crate::nodes::Roster;
use crate::options::{OpenOptions, Place};
use crate::statements::Counts;

pub(crate) struct Shared {
    pub(crate) options: OpenOptions,
    pub(crate) names: Names,
    pub(crate) claims: Claims,
    pub(crate) nodes: Roster,
    pub(crate) statements: Arc<Counts>,
    pub(crate) commits: AtomicU64,
    pub(crate) committed: AtomicU64,
    /// Payload bytes that wait for the writer.
    pub(crate) queued_bytes: AtomicUsize,
    /// Why nothing is written any more.
    failed: OnceLock<StoreError>,
    closed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(options: OpenOptions) -> Self {
        Self {
            options,
            names: Names::default(),
            claims: Claims::default(),
            nodes: Roster::default(),
            statements: Arc::default(),
            commits: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            queued_bytes: AtomicUsize::new(0),
            failed: OnceLock::new(),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn path(&self) -> Option<&PathBuf> {
        match &self.options.place {
            Place::File(path) => Some(path),
            Place::Memory => None,
        }
    }

    /// Whether verbs may still be handed over.
    pub(crate) fn open(&self) -> Result<(), StoreError> {
        match self.failed.get() {
            Some(error) => Err(error.clone()),
            None if self.closed.load(Ordering::Acquire) => Err(StoreError::Closed),
            None => Ok(()),
        }
    }

    /// Marks the store closed; gives whether it was open.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    /// Nothing is written any more. Gives the first failure, which is the cause; what follows it is noise.
    pub(crate) fn fail(&self, error: StoreError) -> StoreError {
        self.failed.get_or_init(|| error).clone()
    }

    pub(crate) fn failure(&self) -> Option<&StoreError> {
        self.failed.get()
    }

    /// Why the writer gave no answer.
    pub(crate) fn lost(&self) -> StoreError {
        match self.open() {
            Err(error) => error,
            Ok(()) => StoreError::Io("the writer ended without an answer".to_owned()),
        }
    }

    /// Free bytes where the store lives; `None` in memory.
    pub(crate) fn disk_free(&self) -> Option<u64> {
        let folder = self.path()?.parent().filter(|folder| !folder.as_os_str().is_empty());
        let stat = rustix::fs::statvfs(folder.unwrap_or_else(|| std::path::Path::new("."))).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Bytes of the database and its log.
    pub(crate) fn bytes(&self) -> u64 {
        let Some(path) = self.path() else { return 0 };
        let size = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |file| file.len());
        size(path) + size(&crate::lock::beside(path, "-wal"))
    }
}
