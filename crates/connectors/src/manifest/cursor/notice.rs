//! What a person should know of a run although it goes on. Told once per stream, not once per record.

use std::fmt;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A record without the cursor field. It is read, and moves nothing.
    CursorMissing { field: Arc<str> },
    /// A record whose cursor value none of the formats reads. It is read, and moves nothing.
    CursorUnreadable { field: Arc<str>, reason: String },
    /// The router gave a partition twice. It is read once.
    DuplicatePartition,
    /// Too many partitions for a state of their own: one cursor for all, for good.
    OneCursorForAll { partitions_max: usize },
    /// The oldest partition's state was dropped to stay within the limit.
    PartitionForgotten { partitions_max: usize },
}

impl Notice {
    /// Stable and in snake_case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CursorMissing { .. } => "record_without_cursor",
            Self::CursorUnreadable { .. } => "record_cursor_unreadable",
            Self::DuplicatePartition => "partition_duplicate",
            Self::OneCursorForAll { .. } => "partitions_share_cursor",
            Self::PartitionForgotten { .. } => "partition_forgotten",
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CursorMissing { field } => {
                write!(f, "some records have no `{field}`; they are read, but the cursor does not move with them")
            }
            Self::CursorUnreadable { field, reason } => {
                write!(
                    f,
                    "the `{field}` of some records {reason}; they are read, but the cursor does not move with them"
                )
            }
            Self::DuplicatePartition => f.write_str("some partitions came more than once; each is read once"),
            Self::OneCursorForAll { partitions_max } => write!(
                f,
                "the stream has more than {partitions_max} partitions; from now on they share one cursor in the state"
            ),
            Self::PartitionForgotten { partitions_max } => write!(
                f,
                "the state keeps at most {partitions_max} partitions; the oldest are dropped and go on from the shared cursor"
            ),
        }
    }
}

/// The notices of one stream, each kind once.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    told: Vec<&'static str>,
    pending: Vec<Notice>,
}

impl Notices {
    pub fn tell(&mut self, notice: Notice) {
        if !self.told.contains(&notice.code()) {
            self.told.push(notice.code());
            self.pending.push(notice);
        }
    }

    pub fn take(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.pending)
    }
}
