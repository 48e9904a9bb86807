//! `trireme serve`: options and the file to settings, settings to a gateway, and the words it begins with.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::FirstKey;
use engine::explain::Model;
use engine::spec::Secret;
use ipnet::IpNet;
use serde_json::{Value, json};
use url::Url;

use super::Environment;
use super::filter::duration;
use crate::config::{self, StoreChoice};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Output, aside};
use crate::wiring::gateway::{Gateway, Settings};
use crate::wiring::launch::{Launch, Launched, launch};
use crate::wiring::listeners::{self, Addresses, Role};
use crate::wiring::logging::LogArgs;
use crate::wiring::notify::{Stage, Supervisor};
use crate::wiring::open::Intent;
use crate::wiring::runtime::Process;
use crate::wiring::stop::{self, Signals, Surroundings};

#[derive(clap::Args, Debug)]
pub struct ServeArgs {
    /// The configuration
    #[arg(long, env = "TRIREME_CONFIG", default_value = "trireme.yaml", value_name = "FILE")]
    config: PathBuf,
    /// Folder of the store and the master key; made if need be
    #[arg(long, env = "TRIREME_DATA", default_value = "trireme-data", value_name = "FOLDER")]
    data: PathBuf,
    /// Address to listen on
    #[arg(long, env = "TRIREME_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Address for senders that serves webhooks and nothing else
    #[arg(long, env = "TRIREME_INGEST_LISTEN", value_name = "ADDRESS")]
    ingest_listen: Option<SocketAddr>,
    /// Where the state is kept, instead of what the configuration says, as sqlite:PATH or postgres://…
    #[arg(long, env = "TRIREME_STORE", value_name = "STORE", hide_env_values = true)]
    store: Option<String>,
    /// Private addresses that destinations may have, as 10.0.0.0/8, beside those of the configuration
    #[arg(long, env = "TRIREME_EGRESS_ALLOW", value_name = "RANGE", value_delimiter = ',')]
    #[arg(value_parser = config::parse_range)]
    egress_allow: Vec<IpNet>,
    /// Take the place of the gateway that runs on this folder, without refusing a request
    #[arg(long, env = "TRIREME_TAKEOVER")]
    takeover: bool,
    /// Make this configuration the one that all nodes of the store go by, although others go by another
    #[arg(long, env = "TRIREME_APPLY")]
    apply: bool,
    /// How long to finish what is under way before ending
    #[arg(long, env = "TRIREME_DRAIN", default_value = "25s", value_name = "DURATION", value_parser = drain_time)]
    drain: Duration,
    /// What this process is called among those that share its store, instead of the machine's name
    #[arg(long, env = "TRIREME_NODE", value_name = "NAME")]
    node: Option<String>,
    /// Cluster that the store has to belong to: one of another is refused
    #[arg(long, env = "TRIREME_CLUSTER", value_name = "NAME")]
    cluster: Option<String>,
    /// Threads that work beside the store's writer; one per core but one if left out
    #[arg(long, env = "TRIREME_THREADS", value_name = "COUNT")]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    log: LogArgs,
}

fn drain_time(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| format!("'{text}' is no duration such as 25s or 2m"))
}

/// What a configuration file says.
pub struct Read {
    pub settings: Settings,
    store: StoreChoice,
}

pub fn run(args: ServeArgs, output: Output, environment: Environment<'_>) -> Outcome {
    // Before any thread is started: it takes variables out of the environment.
    let inherited = listeners::inherited(environment("LISTEN_FDNAMES").as_deref())?;
    let supervisor = Supervisor::new(environment("NOTIFY_SOCKET").as_deref().map(AsRef::as_ref));
    let process = Process::start(args.threads, &args.log)?;
    let read = read(&args, &args.config, environment)?;
    let start = Launch {
        data: args.data.clone(),
        store: read.store,
        addresses: Addresses { main: args.listen, ingest: args.ingest_listen },
        inherited,
        intent: if args.takeover { Intent::TakeOver } else { Intent::Start },
        settings: read.settings,
        admin_key: secret(environment, "TRIREME_ADMIN_KEY"),
        master_key: secret(environment, "TRIREME_MASTER_KEY"),
        cluster: args.cluster.clone(),
    };
    process.run(async {
        let mut signals = Signals::new()?;
        let launched = launch(start, &mut signals, &supervisor).await?;
        let Some(Launched { gateway, folder, control, node_lock }) = launched else { return Ok(()) };
        announce(&gateway, folder.path(), output)?;
        supervisor.tell(Stage::Ready);
        let config = Some(args.config.clone());
        let around = Surroundings { signals, supervisor, drain: args.drain, config };
        let reload = |path: &Path| Ok(self::read(&args, path, environment)?.settings);
        let ended = stop::run(gateway, control, around, &reload).await;
        // Until here this process is the node of its folder.
        drop(node_lock);
        ended
    })
}

/// A secret from the environment. An empty variable is none.
pub fn secret(environment: Environment<'_>, name: &str) -> Option<Secret> {
    environment(name).filter(|value| !value.is_empty()).map(Secret::new)
}

/// What the file says, and what the options add to it.
fn read(args: &ServeArgs, path: &Path, environment: Environment<'_>) -> Outcome<Read> {
    let mut read = read_config(path, environment, &args.egress_allow)?;
    if let Some(store) = &args.store {
        read.store = StoreChoice::parse(store, Path::new("")).map_err(Failure::usage)?;
    }
    let settings = &mut read.settings;
    settings.api.loopback_only = args.listen.ip().is_loopback();
    settings.api.limits.drain_time = args.drain;
    settings.apply = args.apply;
    if let Some(node) = &args.node {
        settings.node.clone_from(node);
    }
    Ok(read)
}

/// Reads a configuration and what the options allow beside it; all of its mistakes are one failure.
pub fn read_config(path: &Path, environment: Environment<'_>, egress_allow: &[IpNet]) -> Outcome<Read> {
    let config = config::load_allowing(path, environment, egress_allow).map_err(|errors| {
        let failure = Failure::new(Exit::Usage, "configuration_invalid", errors.to_string());
        failure.hint(format!("`trireme check --config {}` says this without starting anything.", path.display()))
    })?;
    for warning in &config.warnings {
        tracing::warn!(code = warning.code, file = warning.file, line = warning.line, "{}", warning.message);
    }
    let public_url = config.public_url.as_deref().map(Url::parse).transpose();
    let public_url = public_url.map_err(|error| Failure::usage(format!("public_url: {error}")))?;
    let api = api::Settings {
        public_url,
        trusted_proxies: config.trusted_proxies,
        limits: limits(&config.limits),
        model: config.model.map(Model::new),
        ..api::Settings::default()
    };
    let settings = Settings {
        specs: config.specs,
        egress: config.egress_allow,
        retention: config.retention,
        api,
        disk_reserve_bytes: config.limits.disk_reserve,
        node: machine(),
        file: config.digest,
        apply: false,
    };
    Ok(Read { settings, store: config.store })
}

/// The machine's name.
fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn limits(limits: &config::Limits) -> api::Limits {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    api::Limits {
        body_bytes_max: size(limits.body_bytes),
        ingest_bytes_max: size(limits.requests_bytes),
        head_bytes_max: limits.header_bytes as usize,
        headers_max: limits.headers as usize,
        ingest_in_flight_max: limits.requests as usize,
        ..api::Limits::default()
    }
}

/// Where it listens and, once in its life, the key that opens it.
fn announce(gateway: &Gateway, folder: &Path, output: Output) -> Outcome {
    output.json(&announcement(gateway, folder))?;
    for listener in &gateway.listeners {
        let what = match listener.role {
            Role::Main => "trireme listens on",
            Role::Ingest => "senders only:",
        };
        output.line(format!("{what} http://{}", listener.address))?;
    }
    output.line(format!("data in {}", folder.display()))?;
    match &gateway.first_key {
        FirstKey::Created(key) => output.line(format!("API key (shown this once): {}", key.expose()))?,
        FirstKey::GivenButRevoked => aside("The key in TRIREME_ADMIN_KEY was revoked; it opens nothing."),
        FirstKey::Given | FirstKey::Exists => {}
    }
    Ok(())
}

fn announcement(gateway: &Gateway, folder: &Path) -> Value {
    let listeners = gateway.listeners.iter();
    let listeners: Vec<_> =
        listeners.map(|listener| json!({ "role": listener.role, "address": listener.address })).collect();
    let key = match &gateway.first_key {
        FirstKey::Created(key) => Some(key.expose()),
        _ => None,
    };
    json!({ "listening": listeners, "data": folder, "pid": std::process::id(), "api_key": key })
}
