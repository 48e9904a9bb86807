//! `trireme bench`: what this machine gets out of this very binary, against what it could get out of ideal parts.

mod databases;
mod polling;
mod store_cost;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bench::Bench;
use bench::database::Databases;
use bench::gateway::{CommandLauncher, Launch};
use bench::plan::{Plan, Scenario};
use bench::report::{About, Report};
use bench::scenario::{ReadLaunch, ReaderCommand, Readers};
use bench::signing::Signing;
use engine::access::KeyText;
use engine::clock::{Clock, SystemClock};
use engine::entropy::SystemEntropy;

use super::progress::bar;
use crate::exit::{Failure, Outcome};
use crate::output::{Output, aside};

/// How long deliveries may stand still before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// Signs the load; it protects nothing.
const SECRET: &str = "bench";
/// Of gateways that share a database; there is nothing to protect.
const MASTER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[derive(clap::Args, Debug)]
pub struct BenchArgs {
    /// Five rounds and a backlog of a million: half an hour, and figures worth keeping
    #[arg(long)]
    full: bool,
    /// Only these: throughput, latency, isolation, ack_one, accounts, idle, ready, backlog, reading, polling,
    /// postgres, held
    #[arg(long, value_name = "SCENARIO", value_delimiter = ',', value_parser = scenario)]
    only: Vec<Scenario>,
    /// Folder on the disk to measure; what is made in it is removed
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
    /// A Python that has the reference of the connector format (airbyte-cdk), to be measured beside
    #[arg(long, value_name = "PYTHON")]
    reference: Option<PathBuf>,
    /// A PostgreSQL server on this machine where databases may be made, for 'postgres' and 'held': postgres://USER@HOST
    #[arg(long, value_name = "ADDRESS")]
    postgres: Option<String>,
    /// How long 'held' keeps a transaction open
    #[arg(long, value_name = "SECONDS")]
    held: Option<u64>,
    /// Write the tables between the marks of this page
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::named(name).ok_or_else(|| {
        let names: Vec<_> = Scenario::ALL.iter().map(|scenario| scenario.name()).collect();
        format!("'{name}' is not one of {}", names.join(", "))
    })
}

pub fn run(args: BenchArgs, output: Output) -> Outcome {
    let mut plan = if args.full { Plan::full() } else { Plan::quick() };
    if !args.only.is_empty() {
        plan.scenarios.clone_from(&args.only);
    } else if args.postgres.is_none() {
        plan.scenarios.retain(|scenario| !Scenario::ON_DATABASE.contains(scenario));
        aside("PostgreSQL is not measured: --postgres names a server on this machine.");
    }
    if let Some(seconds) = args.held {
        plan.held.held = Duration::from_secs(seconds);
    }
    let report = measure(&args, &plan)?;
    if let Some(page) = &args.write {
        report.write_markdown(page).map_err(|error| Failure::general(error.code(), error.to_string()))?;
    }
    let text = if output.is_json() { report.json() } else { report.text() };
    output.bytes(format!("{}\n", text.trim_end()).as_bytes())?;
    if report.is_complete() {
        return Ok(());
    }
    let names: Vec<_> = report.failures.iter().map(|failure| failure.scenario.as_str()).collect();
    Err(Failure::general("bench_incomplete", format!("no result of: {}", names.join(", "))))
}

fn measure(args: &BenchArgs, plan: &Plan) -> Outcome<Report> {
    let binary = std::env::current_exe().map_err(|error| Failure::general("no_binary", error.to_string()))?;
    let key = KeyText::generate(&SystemEntropy::new());
    let admin_key = key.text().expose();
    let ours = |launch: &ReadLaunch| reader(&binary, launch);
    let theirs = args.reference.as_deref().map(|python| move |launch: &ReadLaunch| reference(python, launch));
    let readers = Readers { ours: &ours, reference: theirs.as_ref().map(|theirs| theirs as ReaderCommand<'_>) };
    if readers.reference.is_none() && plan.scenarios.contains(&Scenario::Reading) {
        aside("Reading is not compared with the reference: --reference names a Python that has airbyte-cdk.");
    }
    let launcher = CommandLauncher(|launch: &Launch| gateway(&binary, launch, admin_key));
    let scratch = args.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let steps = bar((plan.scenarios.len() * plan.rounds) as u64 + 1, "measuring");
    let say = |what: &str| {
        steps.inc(1);
        if steps.is_hidden() { aside(what) } else { steps.set_message(what.to_owned()) }
    };
    let signing = Signing::generic_hmac(SECRET);
    let server = args.postgres.as_deref().map(databases::Server::at).transpose();
    let server = server.map_err(|error| Failure::general("database_failed", error.to_string()))?;
    let bench = Bench {
        launcher: &launcher,
        scratch: &scratch,
        signing,
        readers,
        polling: &polling::measure,
        databases: server.as_ref().map(|server| server as &dyn Databases),
        admin_key,
        patience: PATIENCE,
        say: &say,
    };
    let report = plan.run(&bench, Some(&store_cost::measure), about(args.full));
    steps.finish_and_clear();
    report.map_err(|error| Failure::general(error.code(), error.to_string()))
}

/// This binary as its users run it, but for its log.
fn gateway(binary: &Path, launch: &Launch, admin_key: &str) -> Command {
    let mut command = Command::new(binary);
    command.env("TRIREME_ADMIN_KEY", admin_key);
    command.args(["serve", "--log-filter", "warn", "--listen"]).arg(launch.listen.to_string());
    command.arg("--config").arg(&launch.config).arg("--data").arg(&launch.data);
    if let Some(store) = &launch.store {
        command.arg("--store").arg(store);
        command.env("TRIREME_MASTER_KEY", MASTER_KEY);
    }
    command
}

/// This binary as tools that drive connectors run it. The source is on this machine.
fn reader(binary: &Path, launch: &ReadLaunch) -> Command {
    let mut command = Command::new(binary);
    command.args(["connector", "read", "--egress-allow", "127.0.0.0/8", "--manifest"]).arg(&launch.manifest);
    command.arg("--config").arg(&launch.config).arg("--catalog").arg(&launch.catalog);
    command
}

/// The reference as its users run it. It takes the manifest inside of the configuration.
fn reference(python: &Path, launch: &ReadLaunch) -> Command {
    const PROGRAM: &str = "
import json, sys, yaml
from airbyte_cdk.cli.source_declarative_manifest import run
manifest, config, catalog = sys.argv[1:]
merged = json.load(open(config)) | {'__injected_declarative_manifest': yaml.safe_load(open(manifest))}
json.dump(merged, open(config + '.reference', 'w'))
sys.argv = ['source-declarative-manifest', 'read', '--config', config + '.reference', '--catalog', catalog]
run()
";
    let mut command = Command::new(python);
    command.args(["-c", PROGRAM]).arg(&launch.manifest).arg(&launch.config).arg(&launch.catalog);
    command
}

fn about(full: bool) -> About {
    let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let commit = commit.ok().filter(|output| output.status.success());
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let date = SystemClock::new().now().to_string();
    About {
        commit: commit.unwrap_or_else(|| format!("version {}", env!("CARGO_PKG_VERSION"))),
        date: date.get(..10).unwrap_or_default().to_owned(),
        command: command(std::env::args().skip(1)),
        mode: if full { "full" } else { "quick" }.to_owned(),
    }
}

/// What was typed. The address of a server is not repeated: it may hold a password, and names a place on this machine.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let (mut command, mut is_address) = ("trireme".to_owned(), false);
    for argument in arguments {
        let shown = if is_address { "ADDRESS" } else { argument.split("=postgres").next().unwrap_or_default() };
        command = format!("{command} {shown}");
        is_address = argument == "--postgres";
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_server_is_not_repeated() {
        for typed in ["bench --postgres postgres://u:geheim@h --full", "bench --postgres=postgres://u:geheim@h --full"]
        {
            let command = command(typed.split(' ').map(str::to_owned));
            assert!(command.starts_with("trireme bench --postgres") && command.ends_with("--full"), "{command}");
            assert!(!command.contains("geheim"), "{command}");
        }
    }
}
