//! What can go wrong in a store, and what its caller should do about it.

/// Cloneable, because one failed commit is told to everyone who was in its group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The queue to the writer is full. Nothing was written; try again later.
    #[error("the store has more to write than it can take; try again shortly")]
    Overloaded,
    /// No room on disk, or less than the reserve. Rolled back; recovers by itself when there is room again.
    #[error("the store's disk is full: {0}")]
    DiskFull(String),
    /// The disk failed to keep what it was given. The process must end and recover: a retried sync would lie.
    #[error("the store's disk failed: {0}")]
    Io(String),
    /// This row cannot be stored, alone or in company.
    #[error("the store refuses this: {0}")]
    Refused(String),
    /// A name or key is taken, or a change was made by someone else meanwhile.
    #[error("{0}")]
    Conflict(String),
    /// Something was configured since it was counted, so nothing was written: what this was judged on is to be read again.
    #[error("something else was configured meanwhile")]
    Outdated,
    /// The claim under which a delivery was settled is no longer held.
    #[error("the claim has passed to another owner")]
    Fenced,
    /// Another process owns the store.
    #[error("the store is in use by another process: {0}")]
    Locked(String),
    /// Written by a newer version of Trireme.
    #[error(
        "the store has schema {found}, but this version of trireme knows only up to {known}: run the newer version"
    )]
    NewerSchema { found: i64, known: i64 },
    /// A migration on disk is not the one this binary was built with, or rows contradict each other.
    #[error("the store is damaged or not ours: {0}")]
    Corrupt(String),
    /// The store cannot be reached now.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// The store was closed while the verb waited.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// A stable code for logs, metrics and API errors.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Overloaded => "store_overloaded",
            Self::DiskFull(_) => "store_disk_full",
            Self::Io(_) => "store_io",
            Self::Refused(_) => "store_refused",
            Self::Conflict(_) => "conflict",
            Self::Outdated => "configured_meanwhile",
            Self::Fenced => "claim_fenced",
            Self::Locked(_) => "store_locked",
            Self::NewerSchema { .. } => "store_newer_schema",
            Self::Corrupt(_) => "store_corrupt",
            Self::Unreachable(_) => "store_unreachable",
            Self::Closed => "store_closed",
        }
    }

    /// Whether the same verb may succeed later without anyone changing it.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        matches!(self, Self::Overloaded | Self::DiskFull(_) | Self::Unreachable(_) | Self::Closed | Self::Io(_))
    }

    /// Whether the process must exit (74) and recover on its next start.
    #[must_use]
    pub const fn fatal(&self) -> bool {
        matches!(self, Self::Io(_))
    }
}
