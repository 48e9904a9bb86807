//! Why something about a subscription did not work, with a code that stays, for whom to tell and when to try again.

use connectors::manifest::extension::{AnswerError, PlacesError};
use store::StoreError;

use crate::engine::EngineError;
use crate::reading::{Blame, ReadFailure};
use crate::upstream::Unopened;
use crate::vault::VaultError;

#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub code: &'static str,
    pub message: String,
    /// Trying again will not help until somebody has changed something: a person is told at once.
    pub is_lasting: bool,
    /// Nothing else can be asked of the source now.
    pub ends_pass: bool,
    /// Of the answer, if there was one.
    pub status: Option<u16>,
}

impl Trouble {
    pub fn lasting(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), is_lasting: true, ends_pass: false, status: None }
    }

    pub fn passing(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), is_lasting: false, ends_pass: true, status: None }
    }

    /// Stopping is no trouble that anybody has to know of.
    pub fn stopped() -> Self {
        Self::passing("shutting_down", "it was stopped")
    }

    /// The source has heard the request, and said no.
    pub fn is_no(&self) -> bool {
        self.status.is_some_and(says_no)
    }

    /// There is no such subscription.
    pub fn is_gone(&self) -> bool {
        matches!(self.status, Some(404 | 410))
    }
}

/// Whether a status says no, rather than not now.
fn says_no(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 408 | 425 | 429)
}

impl From<ReadFailure> for Trouble {
    fn from(failure: ReadFailure) -> Self {
        let ReadFailure { blame, code, message, status, .. } = failure;
        let is_locked = code == "auth_failed" || status == Some(401);
        let code = match () {
            () if is_locked => "credentials_refused",
            () if status.is_some_and(says_no) => "subscription_refused",
            () => code,
        };
        let is_lasting = is_locked || blame == Blame::Config || status.is_some_and(says_no);
        Self { code, message, is_lasting, ends_pass: is_locked || status.is_none(), status }
    }
}

impl From<AnswerError> for Trouble {
    fn from(error: AnswerError) -> Self {
        let status = match error {
            AnswerError::Refused { status, .. } | AnswerError::Missing { status, .. } => Some(status),
            AnswerError::TooMany { .. } => None,
        };
        let code = if status.is_some_and(says_no) { "subscription_refused" } else { error.code() };
        Self { code, message: error.to_string(), is_lasting: !error.is_retryable(), ends_pass: false, status }
    }
}

impl From<PlacesError> for Trouble {
    fn from(error: PlacesError) -> Self {
        Self { ends_pass: true, ..Self::lasting(error.code(), error.to_string()) }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::passing(error.code(), error.to_string())
    }
}

impl From<VaultError> for Trouble {
    fn from(error: VaultError) -> Self {
        Self { ends_pass: true, ..Self::lasting(error.code(), error.to_string()) }
    }
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            error => Self { ends_pass: true, ..Self::lasting(error.code(), error.to_string()) },
        }
    }
}

impl From<Unopened> for Trouble {
    fn from(unopened: Unopened) -> Self {
        match unopened {
            Unopened::Engine(error) => error.into(),
            Unopened::Failed(failure) => Self { ends_pass: true, ..failure.into() },
        }
    }
}
