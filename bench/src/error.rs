//! What can go wrong in a measurement. A run that breaks a promise of the product is an error, never a figure.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// An error of the caller's own: of its launcher, or of its measurement of the store.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("cannot {what}: {source}")]
    Io { what: String, source: io::Error },

    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: io::Error },

    #[error("the gateway could not be started: {0}")]
    NotStarted(BoxError),

    #[error("the gateway ended during the run ({how}); its last words:\n{log}")]
    Exited { how: String, log: String },

    #[error("the gateway was not ready after {waited:?} (last answer: {last}); its last words:\n{log}")]
    NotReady { waited: Duration, last: String, log: String },

    #[error("the gateway accepted nothing; a typical answer: {answer}. Check the signing options against the provider")]
    NothingAccepted { answer: String },

    #[error(
        "{count} of {acked} acknowledged events were not delivered within {patience:?} without progress; the first \
         ids: {first:?}. This breaks the product's first promise: look for `bench_id` of these in its store"
    )]
    EventsMissing { count: u64, acked: u64, patience: Duration, first: Vec<u64> },

    #[error("deliveries carried {0} ids that were never sent: the sink is reached by something else than this run")]
    UnknownEvents(u64),

    #[error("{0} deliveries carried no `webhook-signature`: the gateway did not do the work that is measured")]
    Unsigned(u64),

    #[error("the sink could not read {count} deliveries; the first problem: {first}")]
    Unreadable { count: u64, first: String },

    #[error("the run needs more than the {capacity} events its ledger has room for: shorten it")]
    LedgerFull { capacity: usize },

    #[error("no delivery reached a hanging destination, so isolation was not tested: lengthen the run")]
    NothingHung,

    #[error("{what} took {took} µs: too fast or too slow to divide by")]
    Unmeasurable { what: &'static str, took: f64 },

    #[error("cannot read {file}: {problem}")]
    Procfs { file: String, problem: String },

    #[error("measuring the store failed: {0}")]
    Store(BoxError),

    #[error("the database failed: {0}")]
    Database(BoxError),

    #[error("no database server is named: start one on this machine and name it with --postgres")]
    NoDatabase,

    #[error("no destination was looked after by a node other than the one that takes in its events, for {0:?}")]
    NotShared(Duration),

    #[error("measuring polls failed: {0}")]
    Polling(BoxError),

    #[error("the {0} thread panicked; this is a bug of the load tool")]
    Panicked(String),

    #[error("{path} has no line `{mark}`: put the two marks back, the table is written between them")]
    MarkMissing { path: PathBuf, mark: &'static str },
}

impl BenchError {
    /// A stable name for scripts that read `--json`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Write { .. } => "write_failed",
            Self::NotStarted(_) => "gateway_not_started",
            Self::Exited { .. } => "gateway_exited",
            Self::NotReady { .. } => "gateway_not_ready",
            Self::NothingAccepted { .. } => "nothing_accepted",
            Self::EventsMissing { .. } => "events_missing",
            Self::UnknownEvents(_) => "unknown_events",
            Self::Unsigned(_) => "deliveries_unsigned",
            Self::Unreadable { .. } => "deliveries_unreadable",
            Self::LedgerFull { .. } => "ledger_full",
            Self::NothingHung => "nothing_hung",
            Self::Unmeasurable { .. } => "unmeasurable",
            Self::Procfs { .. } => "procfs_unreadable",
            Self::Store(_) => "store_calibration_failed",
            Self::Database(_) => "database_failed",
            Self::NoDatabase => "no_database",
            Self::NotShared(_) => "destinations_not_shared",
            Self::Polling(_) => "polling_failed",
            Self::Panicked(_) => "load_tool_panicked",
            Self::MarkMissing { .. } => "mark_missing",
        }
    }

    /// For `map_err`: says what was being done when the system refused.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
