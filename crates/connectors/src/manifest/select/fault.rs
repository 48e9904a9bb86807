//! Why records could not be made of a page. The page is not to be counted as read.

use crate::manifest::expression::Failure;
use crate::manifest::path::{Ambiguous, Blocked};

/// Why records could not be made of a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    #[error(transparent)]
    Template(#[from] Failure),
    /// A path of one value leads to several.
    #[error("a `field_path` matches more than one value; write the one that is meant, or `*` for all of them")]
    Ambiguous,
    /// A field cannot be added.
    #[error("the field {path} cannot be set: on the way to it is a value that is no mapping and no list")]
    Blocked { path: String },
    /// A formula that stands in for a custom component failed, or gave something else than its place asks for.
    #[error("the formula in place of the {component} {detail}")]
    Formula { component: &'static str, detail: String },
    /// What was read to make a schema is not what its pointers expect.
    #[error("the schema cannot be made: {detail}")]
    Schema { detail: String },
}

impl RecordError {
    /// Stable, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Template(failure) => failure.code(),
            Self::Ambiguous => "record_path_ambiguous",
            Self::Blocked { .. } => "record_path_blocked",
            Self::Formula { .. } => "record_formula",
            Self::Schema { .. } => "schema_unreadable",
        }
    }

    pub(crate) fn blocked<T: AsRef<str>>(names: &[T]) -> impl FnOnce(Blocked) -> Self {
        let path = names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(".");
        move |Blocked| Self::Blocked { path }
    }
}

impl From<Ambiguous> for RecordError {
    fn from(_: Ambiguous) -> Self {
        Self::Ambiguous
    }
}
