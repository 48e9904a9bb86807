//! `trireme completions SHELL`: a script that completes commands and options.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use crate::exit::Outcome;
use crate::output::Output;

#[derive(clap::Args, Debug)]
pub struct CompletionsArgs {
    /// The shell to complete for
    shell: Shell,
}

pub fn run(args: &CompletionsArgs, output: Output) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "trireme", &mut script);
    output.bytes(&script)
}
