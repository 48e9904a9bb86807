//! Why a stream's partitions cannot be found. Never quotes a record or a config.

use crate::manifest::expression::Failure;

use super::walk::PARTITIONS_HELD_MAX;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartitionError {
    #[error("the partition router's {option}: {failure}")]
    Template { option: &'static str, failure: Failure },
    #[error("the partition router's values must be a list, but its template gives {found}")]
    NotAList { found: &'static str },
    #[error(
        "the path '{path}' finds more than one value in a record of the parent stream '{parent}'; make it the path of one"
    )]
    Ambiguous { parent: String, path: String },
    #[error("a group needs partitions of one field each, but one has {fields}")]
    GroupFields { fields: usize },
    #[error("a union needs the field '{field}' in every partition, but one has none")]
    UnionField { field: String },
    #[error("a union needs single values in '{field}', but one is a list or an object")]
    UnionValue { field: String },
    #[error(
        "the partition router would have to hold more than {PARTITIONS_HELD_MAX} partitions at once; split the stream"
    )]
    TooMany,
}

impl PartitionError {
    /// Stable and in snake_case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Template { failure, .. } => failure.code(),
            Self::NotAList { .. } => "partition_values",
            Self::Ambiguous { .. } => "partition_path_ambiguous",
            Self::GroupFields { .. } => "partition_group",
            Self::UnionField { .. } | Self::UnionValue { .. } => "partition_union",
            Self::TooMany => "partitions_too_many",
        }
    }
}
