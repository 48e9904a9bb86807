//! The binary: reads the environment, runs one command, ends with its exit code. Everything else is behind it.

mod cli;
mod client;
mod config;
mod demo;
mod exit;
mod output;
mod wiring;

use std::process::ExitCode;

/// Frees memory to the system sooner than the default one does, and costs less under many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The only place that reads variables which are no option of a command.
#[expect(clippy::disallowed_methods, reason = "the binary is where the environment is read")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn main() -> ExitCode {
    cli::run(&environment)
}
