//! What a failed statement means for its row, its group and its caller.

use store::StoreError;
use tokio_postgres::error::{DbError, SqlState};

/// How a verb failed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// What was asked cannot be done, alone or in company.
    Row(StoreError),
    /// Another transaction was in the way. Nothing was written; the same may work at once.
    Contended(String),
    /// The connection is gone. Nothing was written, unless that happened during the commit.
    Lost { text: String, during_commit: bool },
    /// A lock that others held was not had in time. Nothing was written.
    Locked(String),
    /// The server cannot now.
    Later(StoreError),
}

impl Failure {
    /// Whether the same transaction may be run again from its beginning: it is certain that nothing of it was kept.
    pub(crate) const fn again(&self) -> bool {
        matches!(self, Self::Contended(_) | Self::Lost { during_commit: false, .. })
    }

    /// The same failure, met while the commit was under way.
    pub(crate) fn in_commit(self) -> Self {
        match self {
            Self::Lost { text, .. } => Self::Lost { text, during_commit: true },
            other => other,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded | StoreError::DiskFull(_) | StoreError::Unreachable(_) | StoreError::Closed => {
                Self::Later(error)
            }
            other => Self::Row(other),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Row(error) | Failure::Later(error) => error,
            Failure::Locked(text) => Self::Unreachable(format!("it took too long: {text}")),
            Failure::Contended(text) => Self::Unreachable(format!("others were in the way again and again: {text}")),
            Failure::Lost { text, during_commit: false } => Self::Unreachable(text),
            Failure::Lost { text, during_commit: true } => {
                Self::Unreachable(format!("the connection broke during a commit, which may have happened: {text}"))
            }
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return if error.is_closed() || source_is_io(&error) {
                Self::Lost { text: whole(&error), during_commit: false }
            } else {
                StoreError::Corrupt(format!("an answer of the database cannot be read: {}", whole(&error))).into()
            };
        };
        of_state(db.code(), whole(&error))
    }
}

fn of_state(state: &SqlState, text: String) -> Failure {
    let code = state.code();
    match *state {
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => return Failure::Contended(text),
        SqlState::DISK_FULL => return StoreError::DiskFull(text).into(),
        SqlState::LOCK_NOT_AVAILABLE => return Failure::Locked(text),
        SqlState::QUERY_CANCELED => return StoreError::Unreachable(format!("it took too long: {text}")).into(),
        _ => {}
    }
    match code.get(..2).unwrap_or_default() {
        // Connection exceptions, operator intervention (a restart, a fail-over), a statement that this connection has
        // prepared no more, and a transaction ended for standing still.
        "08" | "57" | "26" => Failure::Lost { text, during_commit: false },
        "25" if code == "25P03" => Failure::Lost { text, during_commit: false },
        "53" => StoreError::Overloaded.into(),
        // What lies on the disk is not what was written; or a table of ours is somebody else's.
        _ if matches!(code, "XX001" | "XX002" | "42P07") => StoreError::Corrupt(text).into(),
        // These values, or what is there already, and so no other try would do better.
        "21" | "22" | "23" | "54" => StoreError::Refused(text).into(),
        // Anything else is no fault of the row: no right to do it, a schema that is changing, a standby that is not the
        // primary yet, a bug in the server. A row that it were blamed on would be given up.
        _ => StoreError::Unreachable(text).into(),
    }
}

fn source_is_io(error: &tokio_postgres::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.is::<std::io::Error>() {
            return true;
        }
        source = cause.source();
    }
    false
}

/// The error with all that is behind it, in one line: where the server said something, what it said.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(said) = cause.downcast_ref::<DbError>() {
            let detail = said.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            return format!("{}: {}{detail}", said.severity(), said.message()).replace('\n', " ");
        }
        // The driver repeats what is behind it.
        let behind = cause.to_string();
        text = if text.contains(&behind) { text } else { format!("{text}: {behind}") };
        source = cause.source();
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_of_the_server_leads_where_its_caller_can_go_on() {
        let cases = [
            ("40001", "store_unreachable", true),
            ("40P01", "store_unreachable", true),
            ("57P01", "store_unreachable", true),
            ("25P03", "store_unreachable", true),
            ("55P03", "store_unreachable", false),
            ("57014", "store_unreachable", false),
            ("25006", "store_unreachable", false),
            ("26000", "store_unreachable", true),
            ("42501", "store_unreachable", false),
            ("0A000", "store_unreachable", false),
            ("XX000", "store_unreachable", false),
            ("42P07", "store_corrupt", false),
            ("53100", "store_disk_full", false),
            ("53300", "store_overloaded", false),
            ("23505", "store_refused", false),
            ("22021", "store_refused", false),
            ("XX001", "store_corrupt", false),
        ];
        for (state, code, again) in cases {
            let failure = of_state(&SqlState::from_code(state), "why".to_owned());
            assert_eq!(failure.again(), again, "{state}");
            assert_eq!(StoreError::from(failure).code(), code, "{state}");
        }
    }

    #[test]
    fn what_broke_during_a_commit_is_not_done_twice() {
        let lost = Failure::Lost { text: "reset".to_owned(), during_commit: false };
        assert!(lost.again() && !lost.in_commit().again());
    }
}
