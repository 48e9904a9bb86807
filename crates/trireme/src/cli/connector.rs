//! `trireme connector`: reads what connectors describe, by the line protocol of tools that drive them.

mod args;
mod files;
mod invocation;
mod lines;
mod manifest;
mod message;
mod run;
mod secrets;
mod tally;

use std::path::Path;
use std::process::ExitCode;

use crate::cli::Environment;
use crate::exit::Outcome;
use crate::output::Output;

pub use args::ConnectorArgs;

/// Runs what was typed after `trireme connector`.
pub fn run(args: ConnectorArgs, output: Output, environment: Environment<'_>) -> Outcome {
    match args.command.into_verb() {
        Ok((verb, wanted)) => run::verb(&verb, &wanted, environment),
        Err(manifest) => run::inspect(&manifest.wanted(), output, environment),
    }
}

/// If the program was started under the name of a connector, it is that connector.
pub fn as_connector(environment: Environment<'_>) -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    let name = invocation::connector_name(Path::new(&arguments.next()?))?;
    let (verb, wanted) = invocation::parse(&name, std::env::args_os());
    Some(match run::verb(&verb, &wanted, environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(failure.exit.code()),
    })
}
