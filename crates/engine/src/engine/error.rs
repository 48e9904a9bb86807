//! Why a wish could not be carried out: one error for every use case, with a stable code.

use store::StoreError;

use crate::definition::Report;
use crate::topology::SpecError;

/// Why a wish could not be carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    #[error("{0}")]
    NotFound(String),
    #[error("{0} is defined in the configuration file: change it there and reload")]
    ManagedByFile(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{detail}")]
    Invalid { code: &'static str, detail: String },
    /// What was written cannot be read as a definition.
    #[error("the definition has mistakes")]
    Definition(Report),
    /// It can be read, but not be run.
    #[error("the definition cannot be run")]
    Specs(Vec<SpecError>),
    #[error("this idempotency key came before with another body")]
    KeyReused,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EngineError {
    /// A stable code for the API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not_found",
            Self::ManagedByFile(_) => "managed_by_file",
            Self::Conflict(_) => "conflict",
            Self::Invalid { code, .. } => code,
            Self::Definition(_) | Self::Specs(_) => "definition_invalid",
            Self::KeyReused => "idempotency_key_reused",
            Self::Store(error) => error.code(),
        }
    }
}
