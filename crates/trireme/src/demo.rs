//! `trireme demo`: a gateway with senders and destinations of its own, so that there is something to watch and try.
//!
//! It is the machine that `serve` runs: the demo writes a configuration, then starts it the same way.

mod destinations;
mod feeder;
mod hints;
mod plan;
mod view;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::clock::SharedClock;
use engine::entropy::SystemEntropy;
use engine::spec::Secret;
use tokio_util::sync::CancellationToken;

use crate::cli::Environment;
use crate::cli::serve;
use crate::config::StoreChoice;
use crate::exit::{Failure, Outcome};
use crate::output::{Output, aside};
use crate::wiring::launch::{Launch, Launched, launch};
use crate::wiring::listeners::{Addresses, Listener, Role, cannot_bind};
use crate::wiring::logging::LogArgs;
use crate::wiring::notify::Supervisor;
use crate::wiring::open::Intent;
use crate::wiring::runtime::Process;
use crate::wiring::stop::{self, Signals, Surroundings};
use destinations::Destinations;
use feeder::Feeder;
use hints::Hints;
use plan::Plan;
use view::View;

/// For what is under way when the demo ends: its destinations answer at once.
const DRAIN: Duration = Duration::from_secs(5);

#[derive(clap::Args, Debug)]
pub struct DemoArgs {
    /// Keep the data here, instead of in a folder that is removed at the end
    #[arg(long, env = "TRIREME_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Address to listen on; another port is taken if somebody has this one
    #[arg(long, env = "TRIREME_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Webhooks sent per second
    #[arg(long, default_value_t = 2.0, value_name = "PER_SECOND")]
    rate: f64,
    #[command(flatten)]
    log: LogArgs,
}

pub fn run(args: DemoArgs, output: Output, environment: Environment<'_>) -> Outcome {
    if !(args.rate > 0.0 && args.rate <= feeder::RATE_MAX) {
        return Err(Failure::usage(format!("--rate must be above 0 and at most {}", feeder::RATE_MAX)));
    }
    let process = Process::start(None, &args.log)?;
    let temporary = match &args.data {
        Some(_) => None,
        None => Some(TemporaryFolder::new()?),
    };
    let data = temporary.as_ref().map(|folder| folder.0.clone()).or(args.data.clone()).unwrap_or_default();
    let outcome = process.run(show(&args, data, output, environment));
    drop(temporary);
    outcome
}

async fn show(args: &DemoArgs, data: PathBuf, output: Output, environment: Environment<'_>) -> Outcome {
    let (mut signals, supervisor) = (Signals::new()?, Supervisor::default());
    let listener = listen(args.listen)?;
    let address = listener.address;
    let destinations = Destinations::start().await?;
    let plan = Plan::new(&SystemEntropy::new(), destinations.address, Plan::kept_key(&data)?);
    let config = plan.write(&data)?;
    let start = start(data, &config, listener, &plan, environment)?;
    let Some(Launched { gateway, folder, control, .. }) = launch(start, &mut signals, &supervisor).await? else {
        return Ok(());
    };
    Hints::new(address, &plan, folder.path(), &config).print(output)?;

    let over = CancellationToken::new();
    let (told, heard) = tokio::sync::mpsc::unbounded_channel();
    let feeder = Feeder::new(SharedClock::clone(&gateway.clock), &plan, address, told)?;
    let view = View::new(gateway.engine.clone(), heard, output);
    let watching = tokio::spawn(over.clone().run_until_cancelled_owned(view.run()));
    let feeding = tokio::spawn(over.clone().run_until_cancelled_owned(feeder.run(args.rate)));
    let config = Some(config);
    let around = Surroundings { signals, supervisor, drain: DRAIN, config };
    let reload = |path: &Path| Ok(serve::read_config(path, environment, &[])?.settings);
    let ended = stop::run(gateway, control, around, &reload).await;
    over.cancel();
    let _ = tokio::join!(watching, feeding);
    ended
}

/// The same that `serve` starts, from the configuration that was just written.
fn start(
    data: PathBuf,
    config: &Path,
    listener: Listener,
    plan: &Plan,
    environment: Environment<'_>,
) -> Outcome<Launch> {
    let read = serve::read_config(config, environment, &[])?;
    Ok(Launch {
        cluster: None,
        data,
        store: StoreChoice::Default,
        addresses: Addresses { main: listener.address, ingest: None },
        inherited: vec![listener],
        intent: Intent::Start,
        settings: read.settings,
        admin_key: Some(Secret::new(plan.api_key.clone())),
        master_key: serve::secret(environment, "TRIREME_MASTER_KEY"),
    })
}

/// The address that was asked for, or the same host with any free port.
fn listen(address: SocketAddr) -> Outcome<Listener> {
    match Listener::bind(Role::Main, address) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let any = SocketAddr::new(address.ip(), 0);
            let listener = Listener::bind(Role::Main, any).map_err(|error| cannot_bind(Role::Main, any, &error))?;
            aside(format!(
                "Port {} is taken, so this demo listens on port {}.",
                address.port(),
                listener.address.port()
            ));
            Ok(listener)
        }
        other => other.map_err(|error| cannot_bind(Role::Main, address, &error)),
    }
}

/// A folder that is gone afterwards.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn new() -> Outcome<Self> {
        let mut random = [0; 8];
        engine::entropy::Entropy::fill(&SystemEntropy::new(), &mut random);
        let name = format!("trireme-demo-{}", data_encoding::HEXLOWER.encode(&random));
        Ok(Self(std::env::temp_dir().join(name)))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            aside(format!("The demo's folder could not be removed: {}: {error}", self.0.display()));
        }
    }
}
