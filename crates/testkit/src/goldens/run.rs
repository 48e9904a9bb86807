//! One case, run whole: the four commands one after another, each with a fresh server and fresh files.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use super::case::Case;
use super::folding::{Ended, fold};
use crate::scripted::ScriptedSource;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Spec,
    Check,
    Discover,
    Read,
}

impl Verb {
    pub const ALL: [Self; 4] = [Self::Spec, Self::Check, Self::Discover, Self::Read];

    pub fn word(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Check => "check",
            Self::Discover => "discover",
            Self::Read => "read",
        }
    }
}

/// Where the inputs of a command are, with the server's address in them.
pub struct Files {
    pub manifest: PathBuf,
    pub config: PathBuf,
    pub catalog: PathBuf,
    pub state: Option<PathBuf>,
}

/// A program that runs a connector by the line protocol.
pub trait Connector {
    fn run(&mut self, verb: Verb, files: &Files) -> io::Result<Ended>;
}

/// What the connector made of a case: for each command its exit code, what it said and what it asked for. With
/// `streams`, it reads those; without, what its own `discover` found.
pub fn run_case(case: &Case, connector: &mut dyn Connector, streams: Option<&Json>) -> io::Result<Json> {
    let mut outcome = Map::new();
    for verb in Verb::ALL {
        let discovered = streams.or_else(|| outcome.get("discover").and_then(|told: &Json| told.get("catalog")));
        let catalog = case.configured_catalog(discovered.unwrap_or(&Json::Null));
        let told = run_command(case, verb, &catalog, connector)?;
        outcome.insert(verb.word().to_owned(), told);
    }
    Ok(Json::Object(outcome))
}

fn run_command(case: &Case, verb: Verb, catalog: &Json, connector: &mut dyn Connector) -> io::Result<Json> {
    let server = ScriptedSource::start(case.script.clone())?;
    let folder = tempfile::tempdir()?;
    let files = write_files(case, &server, catalog, folder.path())?;
    let mut ended = connector.run(verb, &files)?;
    ended.stdout = server.neutral(&ended.stdout);
    let mut told = fold(&ended);
    let mut requests: Vec<Json> = server.requests();
    requests.sort_by_cached_key(Json::to_string);
    if case.about.repeated_requests_count_once {
        requests.dedup();
    }
    if !requests.is_empty() {
        told["requests"] = json!(requests);
    }
    Ok(told)
}

fn write_files(case: &Case, server: &ScriptedSource, catalog: &Json, folder: &Path) -> io::Result<Files> {
    let write = |name: &str, text: &str| -> io::Result<PathBuf> {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, server.addressed(text))?;
        Ok(path)
    };
    for (name, content) in &case.about.files {
        write(name, &content.to_string())?;
    }
    Ok(Files {
        manifest: write("manifest.yaml", &case.manifest)?,
        config: write("config.json", &case.config)?,
        catalog: write("catalog.json", &catalog.to_string())?,
        state: case.state.as_deref().map(|state| write("state.json", state)).transpose()?,
    })
}
