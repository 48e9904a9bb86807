//! What a manifest can do here, stream by stream: what runs, what needs an override and for which class, what is not
//! supported; with which cursor, how deletes can be told, and how many requests a poll takes.

mod beyond;
mod cost;
mod custom;
mod table;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::Value as Json;

use super::node::{Document, Node, Read};
use super::overrides::Overrides;
use super::problem::{Fault, Problem};
use super::source::{Declared, Source};
use super::stream::{DynamicStream, PrimaryKey, Stream};

pub use beyond::{Beyond, EventReport, Means, SecretFrom, StreamBeyond, WebhooksReport};

/// What is told about a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// What the manifest is called: its file.
    pub manifest: String,
    /// The version of the format that it is written for.
    pub version: Option<String>,
    /// As its metadata or the manifest itself says.
    pub license: Option<String>,
    pub summary: Summary,
    /// What it says beyond the format, if anything.
    pub beyond: Option<Beyond>,
    pub streams: Vec<StreamReport>,
    /// Mistakes outside of the streams. With one of them, nothing runs.
    pub problems: Vec<Told>,
    pub warnings: Vec<Told>,
    /// Overrides for classes that the manifest does not name.
    pub unused_overrides: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub runs: usize,
    pub needs_override: usize,
    pub unsupported: usize,
    pub wrong: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    pub name: String,
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Whether it is there only for some configs.
    pub conditional: bool,
    /// Whether it stands for many streams, made from this template.
    pub template: bool,
    pub primary_key: Vec<String>,
    pub cursor: Option<CursorReport>,
    pub deletes: Deletes,
    /// The field or stream that tells it.
    pub deletes_by: Option<String>,
    #[serde(flatten)]
    pub beyond: StreamBeyond,
    /// Such as `1 per page, for each record of repositories`.
    pub requests: String,
    /// What is left out of it, though it runs.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    Runs,
    /// These components stand for code, which is never executed.
    NeedsOverride {
        classes: Vec<CustomClass>,
    },
    /// A component that is not known here.
    Unsupported {
        component: String,
        problem: Told,
    },
    /// The manifest is wrong here.
    Wrong {
        problem: Told,
    },
}

/// A class that a component names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CustomClass {
    pub class: String,
    /// What kind of component it stands for.
    pub component: String,
    pub path: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CursorReport {
    pub field: String,
    pub format: Option<String>,
    pub granularity: Option<String>,
    pub step: Option<String>,
    pub lookback: Option<String>,
    /// The source does not filter: every poll reads everything, and what is old is dropped here.
    pub client_side: bool,
}

/// How it can be told that a record was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletes {
    /// By reading everything: what is not there any more is told by its primary key.
    FullScan,
    /// By a field of the record itself, which stays.
    Tombstone,
    /// By another stream, which lists what was deleted.
    Feed,
    /// Not at all: there is no primary key to tell records by, or the source never deletes.
    None,
}

/// A problem as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    pub code: String,
    pub line: u32,
    pub column: u32,
    pub path: String,
    pub message: String,
}

/// Looks through a manifest. `license` is what its metadata says, where somebody has it.
#[must_use]
pub fn inspect(document: &Document, overrides: Overrides, license: Option<String>) -> Inspection {
    let mut inspection = Inspection {
        manifest: document.name().to_owned(),
        version: None,
        license: license.or_else(|| written_license(&document.root())),
        summary: Summary::default(),
        beyond: None,
        streams: Vec::new(),
        problems: Vec::new(),
        warnings: Vec::new(),
        unused_overrides: unused(document, &overrides),
    };
    match Source::load(document, overrides) {
        Ok(source) => {
            inspection.read(&source);
            inspection.extend(source.root());
        }
        Err(problems) => inspection.problems = problems.iter().map(Told::from).collect(),
    }
    inspection
}

impl Inspection {
    fn read(&mut self, source: &Source) {
        self.version = source.version.clone();
        self.warnings = source.warnings.iter().map(Told::from).collect();
        let left_out = source.spec.iter().flat_map(|spec| &spec.left_out);
        self.warnings.extend(left_out.map(Told::from));
        self.streams = source.declared().iter().map(|stream| StreamReport::of(source, stream)).collect();
        match source.dynamic_nodes() {
            Ok(nodes) => {
                self.streams.extend(nodes.iter().enumerate().map(|(at, node)| StreamReport::template(at, node)))
            }
            Err(problem) => self.problems.push(Told::from(&problem)),
        }
        if let Err(problem) = source.budget() {
            self.warnings.push(Told::from(&problem));
        }
        for stream in &self.streams {
            match stream.verdict {
                Verdict::Runs => self.summary.runs += 1,
                Verdict::NeedsOverride { .. } => self.summary.needs_override += 1,
                Verdict::Unsupported { .. } => self.summary.unsupported += 1,
                Verdict::Wrong { .. } => self.summary.wrong += 1,
            }
        }
    }
}

impl StreamReport {
    fn of(source: &Source, declared: &Declared) -> Self {
        let read = source.stream(&declared.name).unwrap_or_else(|| Stream::read(&declared.node.afresh()));
        let notes = read.as_ref().map_or_else(|_| Vec::new(), notes);
        let verdict = Verdict::of(&declared.node, read.map(|_| ()));
        Self::about(declared.name.clone(), &declared.node.afresh(), verdict, notes, declared.condition.is_some())
    }

    fn template(at: usize, node: &Node) -> Self {
        let read = DynamicStream::read(&node.afresh());
        let name = node.get("name").and_then(|name| name.text().map(str::to_owned));
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("dynamic_stream_{at}"));
        let verdict = Verdict::of(node, read.map(|_| ()));
        let stream = node.afresh().get("stream_template").unwrap_or_else(|| node.clone());
        Self { template: true, ..Self::about(name, &stream, verdict, Vec::new(), false) }
    }

    fn about(name: String, stream: &Node, verdict: Verdict, notes: Vec<String>, conditional: bool) -> Self {
        let way = stream.get("incremental_stream").unwrap_or_else(|| stream.clone());
        let key: PrimaryKey = way.or("primary_key", PrimaryKey::default()).unwrap_or_default();
        Self {
            name,
            verdict,
            conditional,
            template: false,
            deletes: if key.is_empty() { Deletes::None } else { Deletes::FullScan },
            deletes_by: None,
            beyond: StreamBeyond::default(),
            primary_key: key.0.iter().map(|path| path.join(".")).collect(),
            cursor: way.get("incremental_sync").map(|sync| CursorReport::of(&sync)),
            requests: cost::requests(&way),
            notes,
        }
    }
}

/// What a stream that runs leaves out.
fn notes(stream: &Stream) -> Vec<String> {
    let mut notes = Vec::new();
    for way in stream.ways() {
        if way.has_files {
            notes.push("its records are read, the files that they name are not".to_owned());
        }
        notes.extend(way.left_out.iter().map(|problem| problem.message().to_owned()));
    }
    notes.dedup();
    notes
}

impl Verdict {
    fn of(node: &Node, read: Result<(), Problem>) -> Self {
        let Err(problem) = read else { return Self::Runs };
        let told = Told::from(&problem);
        match problem.fault() {
            Fault::Custom { component, class } => {
                let mut classes = custom::classes(&node.afresh());
                if classes.is_empty() {
                    let (class, component, path) = (class.to_string(), component.to_string(), told.path);
                    classes.push(CustomClass { class, component, path });
                }
                Self::NeedsOverride { classes }
            }
            Fault::Unsupported { component } => Self::Unsupported { component: component.to_string(), problem: told },
            _ => Self::Wrong { problem: told },
        }
    }
}

impl CursorReport {
    fn of(sync: &Node) -> Self {
        let text = |field: &str| sync.get(field).and_then(|node| String::read(&node).ok());
        Self {
            field: text("cursor_field").unwrap_or_default(),
            format: text("datetime_format"),
            granularity: text("cursor_granularity"),
            step: text("step"),
            lookback: text("lookback_window"),
            client_side: sync.or("is_client_side_incremental", false).unwrap_or(false),
        }
    }
}

impl From<&Problem> for Told {
    fn from(problem: &Problem) -> Self {
        let place = problem.place();
        Self {
            code: problem.code().to_owned(),
            line: place.line,
            column: place.column,
            path: problem.path().to_owned(),
            message: problem.message().to_owned(),
        }
    }
}

/// A licence that the manifest carries itself.
fn written_license(root: &Node) -> Option<String> {
    let metadata = root.get("metadata").and_then(|node| node.json().ok());
    let listed = |key: &str| metadata.as_ref().and_then(|json| json.get(key)).and_then(Json::as_str).map(str::to_owned);
    let own = root.get("license").and_then(|node| node.text().map(str::to_owned));
    own.or_else(|| listed("license"))
}

/// Overrides whose class the manifest names nowhere.
fn unused(document: &Document, overrides: &Overrides) -> Vec<String> {
    let named = custom::classes(&document.root());
    let is_used = |written: &str| named.iter().any(|custom| Overrides::is_meant(written, &custom.class));
    overrides.classes().into_iter().filter(|class| !is_used(class)).map(str::to_owned).collect()
}
