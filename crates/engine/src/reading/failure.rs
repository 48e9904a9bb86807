//! Why a reading ended before its end, and whose move is next: the owner's, time's, or ours.

use std::fmt;

/// Who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The configuration or its credentials: the same again will fail again.
    Config,
    /// The source, for now: later may work.
    Transient,
    /// The manifest, or this program.
    System,
}

impl Blame {
    /// As the line protocol spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config_error",
            Self::Transient => "transient_error",
            Self::System => "system_error",
        }
    }
}

/// One failure, told to a person in `message`; `detail` is for whoever looks after the connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFailure {
    pub blame: Blame,
    /// Stable, snake_case.
    pub code: &'static str,
    pub message: String,
    pub detail: Option<String>,
    /// Of the answer that was the failure, if it was one.
    pub status: Option<u16>,
}

impl ReadFailure {
    /// The code of the end that the listener wanted: it is told to nobody.
    pub(super) const CLOSED: &'static str = "listener_gone";

    pub(super) fn is_closed(&self) -> bool {
        self.code == Self::CLOSED
    }

    pub fn new(blame: Blame, code: &'static str, message: impl Into<String>) -> Self {
        Self { blame, code, message: message.into(), detail: None, status: None }
    }

    pub fn config(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Blame::Config, code, message)
    }

    pub fn transient(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Blame::Transient, code, message)
    }

    pub fn system(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Blame::System, code, message)
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl fmt::Display for ReadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadFailure {}

impl From<super::told::Closed> for ReadFailure {
    fn from(super::told::Closed: super::told::Closed) -> Self {
        Self::system(Self::CLOSED, "nobody listens any more")
    }
}

/// The errors of `connectors::manifest` that say by themselves what is wrong: the manifest, or what the source sent.
macro_rules! told_by_itself {
    ($($error:ty),+) => {$(
        impl From<$error> for ReadFailure {
            fn from(error: $error) -> Self {
                Self::system(error.code(), error.to_string())
            }
        }
    )+};
}

told_by_itself!(
    connectors::manifest::cursor::CursorError,
    connectors::manifest::expression::Failure,
    connectors::manifest::partition::PartitionError,
    connectors::manifest::select::RecordError
);
