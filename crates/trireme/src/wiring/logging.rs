//! Logs on stderr: for people, or JSON lines for machines. What is logged is the caller's duty: never a payload,
//! never a secret.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::{Failure, Outcome};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogForm {
    /// For people, coloured on a terminal
    #[default]
    Human,
    /// One JSON object a line
    Json,
}

/// Sends log lines of this process to stderr. `filter` is a list as `info,engine=debug`.
pub fn start(form: LogForm, filter: &str) -> Outcome {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::usage(format!("'{filter}' is not a log filter: {error}"))
            .hint("Use a level (error, warn, info, debug, trace), or levels by crate as in `info,engine=debug`.")
    })?;
    let lines = tracing_subscriber::registry().with(filter);
    let lines_of = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let started = match form {
        LogForm::Json => lines.with(lines_of.json().flatten_event(true)).try_init(),
        LogForm::Human => {
            lines.with(lines_of.with_target(false).with_ansi(io::stderr().is_terminal()).compact()).try_init()
        }
    };
    started.map_err(|error| Failure::general("log_setup", error.to_string()))
}
