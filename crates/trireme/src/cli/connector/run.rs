//! Runs a connector: finds its manifest, reads its configuration, does what it was asked to and prints messages. Whatever
//! goes wrong is a message too; the exit code is 0 or 1, as callers of connectors expect.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use connectors::manifest::node::{Document, Limits};
use connectors::manifest::overrides::Overrides;
use connectors::manifest::problem::Problem;
use connectors::manifest::source::Source;
use domain::Purpose;
use engine::clock::{SharedClock, SystemClock};
use engine::entropy::SystemEntropy;
use engine::reading::{
    Blame, Closed, ConfigWriter, Hosts, Jsonata, Offer, Outside, ReadFailure, Reader, Unwritten,
    Wanted as WantedStream, migrated, timestamp,
};
use engine::transport::{EgressPolicy, HttpTransport, TransportOptions};
use serde_json::{Map, Value};

use super::args::{Reach, ReadArgs, Verb};
use super::files;
use super::lines::Lines;
use super::manifest::{Found, Text, Wanted};
use super::message;
use super::secrets::Secrets;
use super::tally::Tally;
use crate::cli::Environment;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::wiring::runtime::run_here;

/// What was printed says what is wrong.
fn told_already() -> Failure {
    Failure::new(Exit::General, "connector_failed", "")
}

/// Does what a connector is asked to.
pub fn verb(verb: &Verb, wanted: &Wanted, environment: Environment<'_>) -> Outcome {
    let clock = SystemClock::shared();
    let mut told = Vec::new();
    let (config, injected) = match read_config(verb) {
        Ok(read) => read,
        Err(failure) => return refuse(&failure_of(&failure, Blame::Config), &clock),
    };
    let source = wanted.find(injected, environment).map_err(|failure| failure_of(&failure, Blame::Config));
    let source = source.and_then(|found| Ok((folder_of(&found), load(&found)?)));
    let (folder, source) = match source {
        Ok(loaded) => loaded,
        Err(failure) => return refuse(&failure, &clock),
    };
    told.extend(source.warnings.iter().map(|warning| message::log(engine::reading::Level::Warn, &warning.to_string())));
    let secrets = source.spec.as_ref().map(|spec| spec.secrets().values(&config)).unwrap_or_default();
    let tally = if matches!(verb, Verb::Read(_)) { Tally::for_stderr() } else { Tally::silent() };
    let lines = Arc::new(Lines::new(stdout()?, SharedClock::clone(&clock), Secrets::new(secrets), tally));
    run_here(async {
        let ended = match told.iter().try_for_each(|message| lines.say(message)) {
            Ok(()) => act(verb, source, config, folder, &lines, &clock).await,
            Err(Closed) => Ok(()),
        };
        lines.finish().and(ended)
    })
}

async fn act(
    verb: &Verb,
    source: Source,
    config: Value,
    folder: Option<PathBuf>,
    lines: &Arc<Lines>,
    clock: &SharedClock,
) -> Outcome {
    let done = match verb {
        Verb::Spec => spec(&source, lines),
        Verb::Check { reach, .. } => check(source, config, folder, reach, lines, clock).await,
        Verb::Discover { reach, .. } => discover(source, config, folder, reach, lines, clock).await,
        Verb::Read(args) => read(source, config, folder, args, lines, clock).await,
    };
    match done {
        Ok(()) => Ok(()),
        Err(Stop::Failed(failure)) => {
            // Nobody is left to tell if stdout is closed.
            let _ = lines.say(&message::error(None, &failure, clock.now().as_millis()));
            Err(told_already())
        }
        Err(Stop::Told) => Err(told_already()),
        Err(Stop::Closed) => Ok(()),
    }
}

enum Stop {
    Failed(ReadFailure),
    Told,
    Closed,
}

impl From<ReadFailure> for Stop {
    fn from(failure: ReadFailure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Closed> for Stop {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

fn spec(source: &Source, lines: &Lines) -> Result<(), Stop> {
    let Some(spec) = &source.spec else {
        return Err(
            ReadFailure::system("spec_missing", "the manifest has no 'spec', which says what a config holds").into()
        );
    };
    let mut told = spec.json();
    told["supportsNormalization"] = false.into();
    told["supportsDBT"] = false.into();
    Ok(lines.say(&message::spec(told))?)
}

async fn check(
    source: Source,
    config: Value,
    folder: Option<PathBuf>,
    reach: &Reach,
    lines: &Arc<Lines>,
    clock: &SharedClock,
) -> Result<(), Stop> {
    let checked = async {
        let config = usable(&source, config, lines, clock).await?;
        let config = source.check.as_ref().map_or_else(|| config.clone(), |check| check.config(&config));
        reader(source, config, folder, reach, lines, clock)?.check(&**lines).await
    };
    let failed = match checked.await {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(why),
        Err(failure) if failure.blame == Blame::Config => Some(failure.message),
        Err(failure) => return Err(failure.into()),
    };
    Ok(lines.say(&message::connection_status(failed.as_deref()))?)
}

async fn discover(
    source: Source,
    config: Value,
    folder: Option<PathBuf>,
    reach: &Reach,
    lines: &Arc<Lines>,
    clock: &SharedClock,
) -> Result<(), Stop> {
    let config = usable(&source, config, lines, clock).await?;
    let offers = reader(source, config, folder, reach, lines, clock)?.discover(&**lines).await?;
    Ok(lines.say(&message::catalog(offers.iter().map(Offer::json).collect()))?)
}

async fn read(
    source: Source,
    config: Value,
    folder: Option<PathBuf>,
    args: &ReadArgs,
    lines: &Arc<Lines>,
    clock: &SharedClock,
) -> Result<(), Stop> {
    let config = usable(&source, config, lines, clock).await?;
    let invalid = |failure: Failure| failure_of(&failure, Blame::Config);
    let mut states = args.state.as_deref().map(files::state).transpose().map_err(invalid)?.unwrap_or_default();
    let chosen = args.catalog.as_deref().map(files::catalog).transpose().map_err(invalid)?;
    let reader = reader(source, config, folder, &args.reach, lines, clock)?;
    let chosen = match chosen {
        Some(chosen) => chosen,
        None => reader.discover(&**lines).await?.into_iter().map(|offer| files::Chosen::of(offer.name)).collect(),
    };
    let wanted = chosen.into_iter().map(|chosen| WantedStream {
        state: states.remove(&chosen.name).unwrap_or_default(),
        name: chosen.name,
        cursor_field: chosen.cursor_field,
        schema: chosen.schema,
        overlap: None,
        conditions: None,
        within: None,
        tells_place: false,
    });
    match reader.read(Purpose::Read, wanted.collect(), &**lines).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Stop::Told),
        Err(Closed) => Err(Stop::Closed),
    }
}

/// The configuration as the manifest's streams expect it, if it is one that they can be read with.
async fn usable(source: &Source, config: Value, lines: &Arc<Lines>, clock: &SharedClock) -> Result<Value, ReadFailure> {
    let Some(spec) = &source.spec else { return Ok(config) };
    let now = timestamp(clock.now());
    let (config, changed) = migrated(spec, config, now)?;
    if changed {
        let kept = lines.keep(Arc::new(config.clone())).await;
        kept.map_err(|problem| ReadFailure::system("config_not_kept", problem))?;
    }
    engine::reading::usable(spec, config, now)
}

fn reader(
    source: Source,
    config: Value,
    folder: Option<PathBuf>,
    reach: &Reach,
    lines: &Arc<Lines>,
    clock: &SharedClock,
) -> Result<Reader, ReadFailure> {
    let transport = HttpTransport::new(SharedClock::clone(clock), TransportOptions::default());
    let transport = transport.map_err(|error| ReadFailure::system("tls_setup", error.to_string()))?;
    let outside = Outside {
        transport: Arc::new(transport),
        policy: Arc::new(EgressPolicy::new(reach.egress_allow.clone(), Vec::new())),
        hosts: Hosts::any(),
        clock: SharedClock::clone(clock),
        entropy: SystemEntropy::shared(),
        purse: None,
        calls: Arc::new(Unwritten),
        writer: Arc::<Lines>::clone(lines),
        learned: Arc::clone(lines.learned()),
        files: Arc::new(move |path| files::beside(folder.as_deref()?, path)),
    };
    Reader::new(Arc::new(source), Arc::new(config), outside)
}

/// Says, stream by stream, what runs, what needs an override and why.
pub fn inspect(wanted: &Wanted, output: Output, environment: Environment<'_>) -> Outcome {
    let found = wanted.find(None, environment)?;
    let (document, overrides) = parse(&found).map_err(|failure| Failure::usage(failure.message))?;
    let told = connectors::manifest::inspect::inspect(&document, overrides, license_of(&found));
    if output.is_json() {
        let json = serde_json::to_value(&told).map_err(|error| Failure::general("not_json", error.to_string()))?;
        output.json(&json)?;
    } else {
        output.bytes(told.to_string().as_bytes())?;
    }
    // Nothing runs of a manifest that is wrong outside of its streams.
    if told.problems.is_empty() { Ok(()) } else { Err(told_already()) }
}

/// What the metadata beside a manifest says about its licence.
fn license_of(found: &Found) -> Option<String> {
    let text = String::from_utf8(files::beside(&folder_of(found)?, "metadata.yaml")?).ok()?;
    let metadata = Document::parse("metadata.yaml", &text, Limits::default()).ok()?.root();
    let data = metadata.get("data").unwrap_or(metadata);
    data.get("license")?.text().map(str::to_owned)
}

fn load(found: &Found) -> Result<Source, ReadFailure> {
    let (document, overrides) = parse(found)?;
    Source::load(&document, overrides).map_err(invalid)
}

fn parse(found: &Found) -> Result<(Document, Overrides), ReadFailure> {
    let formulas = Jsonata::new(SystemClock::shared(), SystemEntropy::shared());
    let overrides = match &found.overrides {
        Some((name, text)) => Overrides::parse(name, text, &formulas).map_err(invalid)?,
        None => Overrides::default(),
    };
    let text = match &found.text {
        Text::Yaml(text) => text.clone(),
        Text::Json(json) => json.to_string(),
    };
    Ok((Document::parse(&found.name, &text, Limits::default()).map_err(invalid)?, overrides))
}

fn invalid(problems: Vec<Problem>) -> ReadFailure {
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    ReadFailure::system("manifest_invalid", told.join("\n"))
}

fn folder_of(found: &Found) -> Option<PathBuf> {
    matches!(found.text, Text::Yaml(_)).then(|| PathBuf::from(&found.name).parent().map(PathBuf::from)).flatten()
}

fn read_config(verb: &Verb) -> Outcome<(Value, Option<Value>)> {
    verb.config().map_or_else(|| Ok((Value::Object(Map::new()), None)), |path| files::config(path))
}

fn failure_of(failure: &Failure, blame: Blame) -> ReadFailure {
    let hint = failure.hint.as_deref().map_or_else(String::new, |hint| format!(" {hint}"));
    ReadFailure::new(blame, "connector_unusable", format!("{}{hint}", failure.message))
}

/// Before there is anything that could print messages.
fn refuse(failure: &ReadFailure, clock: &SharedClock) -> Outcome {
    let line = message::error(None, failure, clock.now().as_millis());
    let mut out = stdout()?;
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| Failure::output(&error))?;
    Err(told_already())
}

/// Standard output without the buffer that the language puts before it, which is flushed at each line.
fn stdout() -> Outcome<Box<dyn Write + Send>> {
    let owned = std::io::stdout().as_fd().try_clone_to_owned().map_err(|error| Failure::output(&error))?;
    Ok(Box::new(File::from(owned)))
}
