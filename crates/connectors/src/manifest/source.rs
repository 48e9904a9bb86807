//! The whole manifest: what is checked, which streams there are, how many are read at once. Streams are typed one by
//! one, when somebody asks for them, so that what is unknown costs only the streams that use it.

mod check;
mod parents;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::budget::BudgetPlan;
use super::expression::Condition;
use super::node::{Document, Node, Parameters, Read};
use super::overrides::Overrides;
use super::problem::{Fault, Problem};
use super::scope::Scope;
use super::setting::Setting;
use super::spec::Spec;
use super::stream::{DynamicStream, Stream};

pub use check::{Check, CheckDynamic, CheckStreams};

/// The newest version of the format that this reads with certainty.
pub const FORMAT_VERSION: (u64, u64) = (7, 39);
/// Streams that are read at once when the manifest says nothing.
pub const CONCURRENCY_DEFAULT: u64 = 2;

/// A manifest, with what stands in for its custom components.
#[derive(Clone, Debug)]
pub struct Source {
    overrides: Arc<Overrides>,
    root: Node,
    pub version: Option<String>,
    pub check: Option<Check>,
    pub spec: Option<Spec>,
    pub concurrency: Option<Concurrency>,
    declared: Vec<Declared>,
    /// What was read, but probably not as meant.
    pub warnings: Vec<Problem>,
}

/// A stream as the manifest declares it, not typed yet.
#[derive(Clone, Debug)]
pub struct Declared {
    pub name: String,
    pub node: Node,
    /// Only there if this holds.
    pub condition: Option<Arc<When>>,
}

/// A condition on the config, with the parameters in force where it stands.
#[derive(Clone, Debug)]
pub struct When {
    condition: Condition,
    parameters: Parameters,
}

/// How many streams and slices are read at once.
#[derive(Clone, Debug)]
pub struct Concurrency {
    default: Setting,
    max: Option<u64>,
}

/// Streams that must not be read at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub streams: Vec<String>,
}

impl Source {
    /// Reads everything but the streams. Every mistake in it is told at once.
    pub fn load(document: &Document, overrides: Overrides) -> Result<Self, Vec<Problem>> {
        let overrides = Arc::new(overrides);
        let root = document.walk(&overrides, false);
        if !root.is_map() {
            return Err(vec![root.wrong("a manifest, which is a mapping with 'version', 'check' and 'streams'")]);
        }
        let mut problems = Vec::new();
        let mut told = |problem| problems.push(problem);
        let source = Self {
            version: root.maybe("version").unwrap_or_else(|problem| {
                told(problem);
                None
            }),
            check: root.maybe("check").unwrap_or_else(|problem| {
                told(problem);
                None
            }),
            spec: root.maybe("spec").unwrap_or_else(|problem| {
                told(problem);
                None
            }),
            concurrency: root.maybe("concurrency_level").unwrap_or_else(|problem| {
                told(problem);
                None
            }),
            declared: declared(&root).unwrap_or_else(|problem| {
                told(problem);
                Vec::new()
            }),
            warnings: document.warnings().to_vec(),
            overrides,
            root,
        };
        if source.declared.is_empty() && source.root.get("dynamic_streams").is_none() && problems.is_empty() {
            let message = "needs 'streams' or 'dynamic_streams'".to_owned();
            problems.push(source.root.problem(Fault::Wrong, message));
        }
        if problems.is_empty() { Ok(source.doubting()) } else { Err(problems) }
    }

    /// With a warning where the manifest is newer than what is known here.
    fn doubting(mut self) -> Self {
        if let Some(version) = &self.version
            && number(version).is_some_and(|version| version > FORMAT_VERSION)
        {
            let (major, minor) = FORMAT_VERSION;
            let message = format!(
                "is written for version {version} of the format; what came after {major}.{minor} is not known here"
            );
            let place = self.root.get("version").unwrap_or_else(|| self.root.clone());
            self.warnings.push(place.problem(Fault::Doubt, message));
        }
        self
    }

    /// Every stream that is declared by name, those with a condition included.
    #[must_use]
    pub fn declared(&self) -> &[Declared] {
        &self.declared
    }

    /// The streams that are there for a config, those made from templates left out.
    pub fn present<'s>(&'s self, scope: &Scope<'_>) -> Result<Vec<&'s Declared>, Problem> {
        let mut present = Vec::new();
        for stream in &self.declared {
            let holds = stream.condition.as_ref().map_or(Ok(true), |when| when.holds(scope));
            if holds.map_err(|failure| stream.node.problem(Fault::Wrong, failure.to_string()))? {
                present.push(stream);
            }
        }
        Ok(present)
    }

    /// One stream, typed. Each is read with its own budget of steps.
    pub fn stream(&self, name: &str) -> Option<Result<Stream, Problem>> {
        let declared = self.declared.iter().find(|stream| stream.name == name)?;
        Some(Stream::read(&declared.node))
    }

    /// The definitions of streams that are made from templates.
    pub fn dynamic(&self) -> Result<Vec<DynamicStream>, Problem> {
        let mut definitions = Vec::new();
        for (at, node) in self.dynamic_nodes()?.iter().enumerate() {
            let mut definition = DynamicStream::read(&node.afresh())?;
            if definition.name.is_empty() {
                definition.name = format!("dynamic_stream_{at}");
            }
            definitions.push(definition);
        }
        Ok(definitions)
    }

    /// The nodes of the definitions that [`Self::dynamic`] reads.
    pub fn dynamic_nodes(&self) -> Result<Vec<Node>, Problem> {
        self.root.afresh().get("dynamic_streams").map_or_else(|| Ok(Vec::new()), |listed| listed.items())
    }

    /// The names of streams that others take their partitions from. What is read for one of them is kept for the others.
    #[must_use]
    pub fn parent_names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for stream in &self.declared {
            parents::names(&stream.node.afresh(), &mut names);
        }
        names
    }

    /// What the source allows per time, for all streams together.
    pub fn budget(&self) -> Result<Option<BudgetPlan>, Problem> {
        self.root.afresh().maybe("api_budget")
    }

    /// Most jobs of asynchronous streams at a time.
    pub fn jobs_max(&self) -> Result<Option<Setting>, Problem> {
        self.root.afresh().maybe("max_concurrent_async_job_count")
    }

    /// Streams that must not be read at the same time.
    pub fn groups(&self) -> Result<Vec<Group>, Problem> {
        let Some(listed) = self.root.afresh().get("stream_groups") else { return Ok(Vec::new()) };
        let mut groups = Vec::new();
        for (name, node) in listed.entries()? {
            let members: Vec<Node> = node.or("streams", Vec::new())?;
            let streams = members.iter().map(|stream| stream.or("name", String::new())).collect::<Result<_, _>>()?;
            groups.push(Group { name: name.to_string(), streams });
        }
        Ok(groups)
    }

    #[must_use]
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }
}

impl When {
    pub fn holds(&self, scope: &Scope<'_>) -> Result<bool, super::expression::Failure> {
        self.condition.holds(&scope.parameters(&self.parameters))
    }
}

impl Concurrency {
    /// How many at once, at least two: one to find slices and one to read them.
    pub fn level(&self, scope: &Scope<'_>) -> Result<u64, String> {
        let value = self.default.value(scope).map_err(|failure| failure.to_string())?;
        let level = match &value {
            Json::Number(number) => number.as_u64(),
            Json::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let level = level.ok_or_else(|| "default_concurrency must be a whole number".to_owned())?;
        Ok(self.max.map_or(level, |max| level.min(max)).max(1))
    }
}

/// The streams that the manifest lists, those behind a condition included.
fn declared(root: &Node) -> Result<Vec<Declared>, Problem> {
    let Some(listed) = root.get("streams") else { return Ok(Vec::new()) };
    let mut streams = Vec::new();
    for node in listed.items()? {
        if node.kind("DeclarativeStream").as_deref() != Ok("ConditionalStreams") {
            streams.push(Declared::new(node, None));
            continue;
        }
        let condition = Condition::read(&node.need("condition")?)?;
        let when = Arc::new(When { condition, parameters: node.parameters() });
        for stream in node.need::<Vec<Node>>("streams")? {
            streams.push(Declared::new(stream, Some(Arc::clone(&when))));
        }
    }
    Ok(streams)
}

impl Declared {
    /// One whose name cannot be read goes by its path: what is wrong with it is told when it is asked for.
    fn new(node: Node, condition: Option<Arc<When>>) -> Self {
        let name = node.or("name", String::new()).unwrap_or_else(|_| node.path());
        Self { name, node, condition }
    }
}

impl Read for Concurrency {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(Self { default: node.need("default_concurrency")?, max: node.maybe("max_concurrency")? })
    }
}

/// The first two parts of a version.
fn number(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.split('.');
    Some((parts.next()?.trim().parse().ok()?, parts.next().unwrap_or("0").parse().unwrap_or(0)))
}
