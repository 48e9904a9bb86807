//! What a failed statement means for its row, its group and the process.

use rusqlite::ErrorCode;
use store::StoreError;

/// How a command failed inside its transaction.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// This command alone: its company is retried without it.
    Row(StoreError),
    /// No room. The transaction is rolled back; smaller ones may still fit.
    Full(String),
    /// The disk failed. Nothing more is written by this process.
    Io(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io(text) => Self::Io(text),
            StoreError::DiskFull(text) => Self::Full(text),
            other => Self::Row(other),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        store_error(&error).into()
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Row(error) => error,
            Failure::Full(text) => Self::DiskFull(text),
            Failure::Io(text) => Self::Io(text),
        }
    }
}

/// What an error of SQLite is in the store's words.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    let text = error.to_string();
    let Some(code) = error.sqlite_error_code() else {
        return StoreError::Corrupt(format!("a row cannot be read: {text}"));
    };
    match code {
        ErrorCode::DiskFull => StoreError::DiskFull(text),
        // A read-only or vanished file is as final as a failed sync: nothing can be kept until a person looks.
        ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
            StoreError::Io(text)
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt(text),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            StoreError::Unreachable(format!("another program holds the database: {text}"))
        }
        ErrorCode::OutOfMemory => StoreError::Overloaded,
        _ => StoreError::Refused(text),
    }
}
