//! The command line: what can be typed, and which module does it.

mod alert;
mod audit;
mod bench;
mod check;
mod completions;
mod connector;
mod dead_letters;
mod endpoint;
mod events;
mod explain;
mod filter;
mod key;
mod known;
mod listen;
mod nodes;
mod progress;
pub mod providers;
mod reconcile;
mod replay;
mod schemas;
pub mod send;
pub mod serve;
mod source;
mod store;
mod streams;
mod subscriptions;
mod tail;
mod trial;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::demo;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::wiring::runtime::run_here;

/// Looks up an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// One reliable stream of events from every API: webhooks in, verified, stored, delivered, replayed.
#[derive(Parser, Debug)]
#[command(name = "trireme", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Try it: trireme demo\nExit codes: 0 done, 1 failed, 2 usage or configuration, 3 store, 4 master key, 74 disk."
)]
pub struct Cli {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the gateway
    Serve(serve::ServeArgs),
    /// Say everything that is wrong with a configuration
    Check(CheckArgs),
    /// Show a gateway at work, with senders and destinations of its own
    Demo(demo::DemoArgs),
    /// Bring a gateway's events to a program on this machine
    Listen(Box<listen::ListenArgs>),
    /// Follow events as they are accepted
    Tail(tail::TailArgs),
    /// Say why a delivery failed or a request was rejected, and what to do
    Explain(explain::ExplainArgs),
    /// Show what a route makes of a stored event, without sending anything
    Try(trial::TrialArgs),
    /// List events, or show one
    Events(Box<events::EventsArgs>),
    /// List deliveries whose tries are used up, or try them again
    DeadLetters(dead_letters::DeadLettersArgs),
    /// List what a person should know, look after it, and test the channels by which people are told
    Alert(alert::AlertArgs),
    /// Deliver stored events once more
    Replay(replay::ReplayArgs),
    /// List what is read of sources by itself, and how that goes
    Streams(streams::StreamsArgs),
    /// List what events and records look like, as it was learned; or show one with its changes
    Schemas(schemas::SchemasArgs),
    /// List the webhook subscriptions at the sources, and how they stand
    Subscriptions(subscriptions::SubscriptionsArgs),
    /// List the processes that share the store, and who is in charge of what
    Nodes(nodes::NodesArgs),
    /// Who did what: list it, take it away, verify that nobody changed it
    Audit(audit::AuditArgs),
    /// Compare a stream with what is known of it, and tell what was missed
    Reconcile(reconcile::ReconcileArgs),
    /// List the webhook senders that are known, or show one
    Providers(providers::ProvidersArgs),
    /// Decide about a source's sender: its secret, and the addresses it wants opened
    Source(source::SourceArgs),
    /// Make addresses that take anything at once, and say what they answer
    Endpoint(endpoint::EndpointArgs),
    /// Read what a connector describes: inspect, spec, check, discover, read
    Connector(Box<connector::ConnectorArgs>),
    /// Send a signed sample, as its sender would
    Send(send::SendArgs),
    /// Make, list and revoke API keys; change the master key
    Key(key::KeyArgs),
    /// Move what a gateway keeps to another store
    Store(store::StoreArgs),
    /// Measure this machine: speed and size, against a bare server and a bare client
    Bench(bench::BenchArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

/// Runs what was typed.
pub fn run(environment: Environment<'_>) -> ExitCode {
    if let Some(ended) = connector::as_connector(environment) {
        return ended;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    let output = Output::for_stdout(cli.json);
    match dispatch(cli.command, output, environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(&failure, output);
            ExitCode::from(failure.exit.code())
        }
    }
}

/// Help is an answer (0); what cannot be read is a failure (2), told as all others are.
fn not_understood(error: &clap::Error) -> ExitCode {
    let output = Output::for_stdout(std::env::args_os().any(|argument| argument == "--json"));
    if !error.use_stderr() || !output.is_json() {
        error.exit();
    }
    tell(&misuse(&error.to_string()), output);
    ExitCode::from(Exit::Usage.code())
}

/// clap's words for people, apart: what is wrong, and after an empty line what to do.
fn misuse(said: &str) -> Failure {
    let (detail, hint) = said.split_once("\n\n").unwrap_or((said, ""));
    Failure::usage(detail.trim_start_matches("error: ").trim()).hint(hint.trim())
}

fn dispatch(command: Command, output: Output, environment: Environment<'_>) -> Outcome {
    match command {
        Command::Serve(args) => serve::run(args, output, environment),
        Command::Check(args) => check(&args, output, environment),
        Command::Demo(args) => demo::run(args, output, environment),
        Command::Listen(args) => run_here(listen::run(*args, output)),
        Command::Tail(args) => run_here(tail::run(args, output)),
        Command::Explain(args) => run_here(explain::run(args, output)),
        Command::Try(args) => run_here(trial::run(args, output)),
        Command::Events(args) => run_here(events::run(*args, output)),
        Command::DeadLetters(args) => run_here(dead_letters::run(args, output)),
        Command::Alert(args) => run_here(alert::run(args, output)),
        Command::Replay(args) => run_here(replay::run(args, output)),
        Command::Streams(args) => run_here(streams::run(args, output)),
        Command::Schemas(args) => run_here(schemas::run(args, output)),
        Command::Subscriptions(args) => run_here(subscriptions::run(args, output)),
        Command::Nodes(args) => run_here(nodes::run(args, output)),
        Command::Audit(args) => run_here(audit::run(args, output, environment)),
        Command::Reconcile(args) => run_here(reconcile::run(args, output)),
        Command::Providers(args) => providers::run(&args, output),
        Command::Source(args) => run_here(source::run(args, output)),
        Command::Endpoint(args) => run_here(endpoint::run(args, output)),
        Command::Connector(args) => connector::run(*args, output, environment),
        Command::Send(args) => run_here(send::run(args, output)),
        Command::Key(args) => key::run(args, output, environment),
        Command::Store(args) => store::run(args, output),
        Command::Bench(args) => bench::run(args, output),
        Command::Completions(args) => completions::run(&args, output),
    }
}

#[derive(clap::Args, Debug)]
struct CheckArgs {
    /// The configuration
    #[arg(long, env = "TRIREME_CONFIG", default_value = "trireme.yaml", value_name = "FILE")]
    config: PathBuf,
}

fn check(args: &CheckArgs, output: Output, environment: Environment<'_>) -> Outcome {
    let mut said = Vec::new();
    let checked = check::check(&args.config, output.is_json(), environment, &mut said);
    let runs = checked.map_err(|error| Failure::output(&error))?;
    output.bytes(&said)?;
    if runs { Ok(()) } else { Err(Failure::new(Exit::Usage, "configuration_invalid", "")) }
}

fn tell(failure: &Failure, output: Output) {
    if failure.is_silent() {
        return;
    }
    let text = if output.is_json() { failure.to_json().to_string() } else { failure.to_string() };
    // Nobody is left to tell if stderr is gone.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_misuse_is_told_apart_from_what_to_do_about_it() {
        let error = Cli::try_parse_from(["trireme", "events", "--limit", "abc"]).expect_err("no number");
        let told = misuse(&error.to_string());
        assert!(told.message.starts_with("invalid value 'abc' for '--limit"), "{}", told.message);
        assert!(told.hint.is_some_and(|hint| hint.contains("--help")));
    }

    #[test]
    fn every_command_and_every_option_says_what_it_does() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
