//! Sources that misbehave, and what has to come of it. The reference is no measure here: it reads some of them for ever
//! and passes over others in silence.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value as Json, json};
use testkit::goldens::{Connector, Files, Verb, fold};
use testkit::scripted::{Script, ScriptedSource};

use super::binary::Trireme;

/// A file of the folder `boundaries`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Boundary {
    about: String,
    manifest: Json,
    #[serde(default = "no_config")]
    config: Json,
    /// One poll after another, each with the state of the one before.
    polls: Vec<Poll>,
}

fn no_config() -> Json {
    json!({})
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Poll {
    script: Json,
    expect: Expect,
}

/// What a poll must come to. Left out is not judged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    exit: Option<i64>,
    /// Per stream the `id` of every record, each as often as it may come; or how many.
    #[serde(default)]
    records: BTreeMap<String, Records>,
    #[serde(default)]
    state: BTreeMap<String, Json>,
    /// The last status of each stream.
    #[serde(default)]
    status: BTreeMap<String, String>,
    failure_type: Option<String>,
    requests_at_most: Option<usize>,
    requests: Option<usize>,
    /// Requests that have the first text in them must not have the second.
    #[serde(default)]
    never_together: Vec<[String; 2]>,
    /// Each of these is in what the errors say.
    #[serde(default)]
    says: Vec<String>,
    /// None of these is.
    #[serde(default)]
    never_says: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Records {
    Ids(Vec<Json>),
    /// These and only these, however often.
    Among {
        at_least_once: Vec<Json>,
    },
    Count(usize),
}

/// What a poll came to.
struct Came {
    told: Json,
    errors: String,
    requests: Vec<Json>,
}

#[test]
fn sources_that_misbehave_end_a_read_with_what_was_read() {
    let files = files();
    let mut failed = Vec::new();
    for file in files {
        let found = judge(&file);
        if !found.is_empty() {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            failed.push(format!("{name}:\n    {}", found.join("\n    ")));
        }
    }
    assert!(failed.is_empty(), "\n{}\n", failed.join("\n\n"));
}

#[expect(clippy::disallowed_methods, reason = "which cases to run is said by whoever starts the tests")]
fn files() -> Vec<PathBuf> {
    let word = std::env::var("BOUNDARIES").unwrap_or_default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/connector/boundaries");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.to_string_lossy().contains(&word));
    files.sort();
    assert!(!files.is_empty(), "no boundary has '{word}' in its name");
    files
}

fn judge(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).expect("a file");
    let value: Json = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let boundary: Boundary =
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(boundary.about.ends_with('.'), "{}: `about` is a sentence", file.display());
    let mut found = Vec::new();
    let mut state = None;
    for (number, poll) in boundary.polls.iter().enumerate() {
        let came = run(&boundary, poll, state.as_ref());
        found.extend(poll.expect.faults(&came).into_iter().map(|fault| format!("poll {}: {fault}", number + 1)));
        state = Some(came.told["state"].clone());
    }
    found
}

fn run(boundary: &Boundary, poll: &Poll, state: Option<&Json>) -> Came {
    let script = Script::parse(&poll.script.to_string()).unwrap_or_else(|error| panic!("{error}"));
    let server = ScriptedSource::start(script).expect("a free port");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, content: &Json| {
        let path = folder.path().join(name);
        std::fs::write(&path, server.addressed(&content.to_string())).expect("the folder is ours");
        path
    };
    let files = Files {
        manifest: write("manifest.yaml", &boundary.manifest),
        config: write("config.json", &boundary.config),
        catalog: write("catalog.json", &catalog(&boundary.manifest)),
        state: state.map(|state| write("state.json", &state_messages(state))),
    };
    let mut trireme = Trireme::default();
    let ended = trireme.run(Verb::Read, &files).expect("the binary can be started");
    Came { told: fold(&ended), errors: trireme.errors.join("\n"), requests: server.requests() }
}

/// Every stream of the manifest, read incrementally where it has a cursor.
fn catalog(manifest: &Json) -> Json {
    let streams = manifest["streams"].as_array().into_iter().flatten().map(|stream| {
        let mode = if stream["incremental_sync"].is_null() { "full_refresh" } else { "incremental" };
        let stream = json!({ "name": stream["name"], "json_schema": {}, "supported_sync_modes": [mode] });
        json!({ "stream": stream, "sync_mode": mode, "destination_sync_mode": "append" })
    });
    json!({ "streams": streams.collect::<Vec<_>>() })
}

fn state_messages(state: &Json) -> Json {
    let streams = state.as_object().into_iter().flatten().map(|(name, state)| {
        json!({ "type": "STREAM", "stream": { "stream_descriptor": { "name": name }, "stream_state": state } })
    });
    streams.collect()
}

impl Expect {
    fn faults(&self, came: &Came) -> Vec<String> {
        let mut found = Vec::new();
        let mut check = |holds: bool, fault: String| {
            if !holds {
                found.push(fault);
            }
        };
        let told = &came.told;
        if let Some(exit) = self.exit {
            check(told["exit"] == exit, format!("exit code {}, not {exit}: {}", told["exit"], came.errors));
        }
        for (stream, records) in &self.records {
            let ids: Vec<Json> =
                told["records"][stream].as_array().into_iter().flatten().map(|r| r["id"].clone()).collect();
            check(records.fit(&ids), format!("{stream}: {} records, {:.300}", ids.len(), json!(ids).to_string()));
        }
        for (stream, state) in &self.state {
            check(told["state"][stream] == *state, format!("{stream}: the state is {}", told["state"][stream]));
        }
        for (stream, status) in &self.status {
            let last =
                told["statuses"][stream].as_array().and_then(|statuses| statuses.last()).cloned().unwrap_or_default();
            check(last == **status, format!("{stream}: its last status is {last}"));
        }
        if let Some(wanted) = &self.failure_type {
            let errors = told["errors"].as_array().into_iter().flatten();
            let mut of_streams = errors.filter(|error| !error["stream"].is_null());
            check(of_streams.any(|error| error["failure_type"] == **wanted), format!("errors: {}", told["errors"]));
        }
        let requests = came.requests.len();
        check(self.requests_at_most.is_none_or(|most| requests <= most), format!("{requests} requests"));
        check(self.requests.is_none_or(|exactly| requests == exactly), format!("{requests} requests"));
        for [one, other] in &self.never_together {
            let both =
                came.requests.iter().map(Json::to_string).find(|line| line.contains(one) && line.contains(other));
            check(both.is_none(), format!("'{one}' and '{other}' in {}", both.unwrap_or_default()));
        }
        for text in &self.says {
            check(came.errors.contains(text), format!("no error says '{text}': {:.600}", came.errors));
        }
        for text in &self.never_says {
            check(!came.errors.contains(text), format!("an error says '{text}': {:.600}", came.errors));
        }
        found
    }
}

impl Records {
    fn fit(&self, ids: &[Json]) -> bool {
        let sorted = |ids: &[Json]| {
            let mut ids: Vec<String> = ids.iter().map(Json::to_string).collect();
            ids.sort();
            ids
        };
        match self {
            Self::Ids(wanted) => sorted(wanted) == sorted(ids),
            Self::Among { at_least_once } => {
                BTreeSet::from_iter(sorted(at_least_once)) == BTreeSet::from_iter(sorted(ids))
            }
            Self::Count(count) => ids.len() == *count,
        }
    }
}
