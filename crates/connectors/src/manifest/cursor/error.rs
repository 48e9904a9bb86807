//! Why a cursor cannot start or go on. Never quotes a record or a config.

use crate::manifest::expression::Failure;
use crate::manifest::expression::dates::DateError;
use crate::manifest::slice::FieldTaken;

use super::formats::Unreadable;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    #[error("the cursor's {option}: {failure}")]
    Template { option: &'static str, failure: Failure },
    #[error("the cursor's {option} {reason}; write it as its datetime_format has it")]
    Date { option: &'static str, reason: DateError },
    #[error("the cursor's {option} is no duration: {reason}; write one such as P30D, P1M or PT1H")]
    Duration { option: &'static str, reason: DateError },
    #[error("the cursor's {option} must be {expects}")]
    Option { option: &'static str, expects: &'static str },
    #[error(
        "the saved state's `{field}` {reason}; restore an older state, or remove it to read the stream from its start"
    )]
    State { field: String, reason: Unreadable },
    #[error(
        "the saved state is not in a shape that this stream's cursor knows: {expects}; restore an older state, or remove it to read the stream from its start"
    )]
    Shape { expects: &'static str },
    #[error("the slice has no `{field}`, which the cursor put there; the manifest may use the same name twice")]
    BoundMissing { field: String },
    #[error("the slice's `{field}` {reason}: the cursor cannot read what its own datetime_format writes")]
    BoundUnreadable { field: String, reason: Unreadable },
    #[error(transparent)]
    FieldTaken(#[from] FieldTaken),
    #[error("the stream has a partition_router and a cursor of counts, which do not go together; keep one")]
    CountsOfPartitions,
    #[error("the catalog names a nested cursor field; name a single field")]
    NestedField,
}

impl CursorError {
    /// Stable and in snake_case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Template { failure, .. } => failure.code(),
            Self::Date { .. } => "cursor_date",
            Self::Duration { .. } => "cursor_duration",
            Self::Option { .. } => "cursor_option",
            Self::State { .. } => "state_unreadable",
            Self::Shape { .. } => "state_shape",
            Self::BoundMissing { .. } | Self::BoundUnreadable { .. } => "cursor_bound",
            Self::FieldTaken(_) => "slice_field_taken",
            Self::CountsOfPartitions => "cursor_counts_partitions",
            Self::NestedField => "cursor_field_nested",
        }
    }
}
