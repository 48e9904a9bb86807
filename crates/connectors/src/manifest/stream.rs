//! A stream: what is read, how, and what is made of it. Composed of the components that the other families own; read
//! from the manifest only when somebody asks for it.

mod dynamic;
mod retriever;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::cursor::IncrementalSync;
use super::node::{Node, Parameters, Read};
use super::partition::PartitionRouter;
use super::problem::{Fault, Problem};
use super::schema::SchemaLoaders;
use super::setting::Setting;
use super::state::StateMigration;
use super::transform::Transformation;

pub use dynamic::{ComponentsResolver, DynamicStream, Values};
pub use retriever::{AsyncRetriever, Retriever, SimpleRetriever, StatusMap};

/// A stream of a manifest.
#[derive(Clone, Debug)]
pub enum Stream {
    Declarative(Arc<DeclarativeStream>),
    Delegating(Box<DelegatingStream>),
}

/// One way to read a collection.
#[derive(Clone, Debug)]
pub struct DeclarativeStream {
    pub name: String,
    pub primary_key: PrimaryKey,
    pub retriever: Retriever,
    pub sync: Option<IncrementalSync>,
    /// Where the schema of its records comes from.
    pub schemas: SchemaLoaders,
    pub state_migrations: Vec<StateMigration>,
    /// The stream's records name files to fetch. Such a stream is read without its files.
    pub has_files: bool,
    /// Custom migrations of states that former versions of the connector wrote: a new reader needs none.
    pub left_out: Vec<Problem>,
    pub parameters: Parameters,
}

/// Two ways to read a collection, of which the state decides (see [`super::state::choose`]).
#[derive(Clone, Debug)]
pub struct DelegatingStream {
    pub name: String,
    pub full_refresh: Arc<DeclarativeStream>,
    pub incremental: Arc<DeclarativeStream>,
    /// How long the source remembers changes.
    pub retention: Option<Setting>,
}

/// What tells records apart: paths of fields, one for each part of the key. Empty where the stream has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrimaryKey(pub Vec<Vec<String>>);

impl Stream {
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Declarative(stream) => &stream.name,
            Self::Delegating(stream) => &stream.name,
        }
    }

    /// Its ways to be read: one, or the full and the incremental one.
    #[must_use]
    pub fn ways(&self) -> Vec<&Arc<DeclarativeStream>> {
        match self {
            Self::Declarative(stream) => vec![stream],
            Self::Delegating(stream) => vec![&stream.full_refresh, &stream.incremental],
        }
    }

    /// Whether a change of it can never be told: nothing says which records are new, and nothing names one.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.ways().iter().all(|way| way.sync.is_none() && way.primary_key.is_empty())
    }
}

impl DeclarativeStream {
    /// What reads a retriever that no stream is made of: one that lists values, or fetches what a record lacks.
    #[must_use]
    pub fn helper(name: &str, retriever: Retriever) -> Self {
        Self {
            name: name.to_owned(),
            primary_key: PrimaryKey::default(),
            retriever,
            sync: None,
            schemas: SchemaLoaders::none(),
            state_migrations: Vec::new(),
            has_files: false,
            left_out: Vec::new(),
            parameters: Parameters::default(),
        }
    }

    /// What divides it into partitions.
    #[must_use]
    pub fn router(&self) -> Option<&PartitionRouter> {
        match &self.retriever {
            Retriever::Simple(retriever) => retriever.router.as_ref(),
            Retriever::Async(retriever) => retriever.router.as_ref(),
        }
    }
}

impl PrimaryKey {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Read for Stream {
    /// With a budget of steps of its own: a parent is read each time that its children are.
    fn read(node: &Node) -> Result<Self, Problem> {
        let node = &node.afresh();
        match &*node.kind("DeclarativeStream")? {
            "DeclarativeStream" => DeclarativeStream::read(node).map(Arc::new).map(Self::Declarative),
            "StateDelegatingStream" => DelegatingStream::read(node).map(Box::new).map(Self::Delegating),
            _ => Err(node.unsupported()),
        }
    }
}

impl Read for DeclarativeStream {
    fn read(node: &Node) -> Result<Self, Problem> {
        if &*node.kind("DeclarativeStream")? != "DeclarativeStream" {
            return Err(node.unsupported());
        }
        let sync: Option<IncrementalSync> = node.maybe("incremental_sync")?;
        let transformations: Vec<Transformation> = node.or("transformations", Vec::new())?;
        let is_filtered_here = matches!(&sync, Some(IncrementalSync::Dates(cursor)) if cursor.is_client_side);
        let retriever: Node = node.need("retriever")?;
        let retriever = Retriever::read(&retriever)?.with(transformations, is_filtered_here);
        retriever.check(node, sync.as_ref())?;
        let schemas = match node.maybe("schema_loader")? {
            Some(schemas) => schemas,
            None => SchemaLoaders::by_default(node)?,
        };
        let mut stream = Self {
            name: node.or("name", String::new())?,
            primary_key: node.or("primary_key", PrimaryKey::default())?,
            retriever,
            sync,
            schemas,
            state_migrations: Vec::new(),
            left_out: Vec::new(),
            has_files: node.get("file_uploader").is_some(),
            parameters: node.parameters(),
        };
        for migration in node.or::<Vec<Node>>("state_migrations", Vec::new())? {
            match StateMigration::read_for(&migration, stream.router(), stream.sync.as_ref()) {
                Ok(migration) => stream.state_migrations.push(migration),
                Err(problem) if problem.is_about_component() => stream.left_out.push(problem),
                Err(problem) => return Err(problem),
            }
        }
        Ok(stream)
    }
}

impl Read for DelegatingStream {
    fn read(node: &Node) -> Result<Self, Problem> {
        let name: String = node.need("name")?;
        let stream = Self {
            full_refresh: node.need("full_refresh_stream")?,
            incremental: node.need("incremental_stream")?,
            retention: Setting::maybe(node, "api_retention_period")?,
            name,
        };
        for way in [&stream.full_refresh, &stream.incremental] {
            if way.name != stream.name {
                let message = format!("is named '{}', but one of its streams is named '{}'", stream.name, way.name);
                return Err(node.problem(Fault::Wrong, message));
            }
        }
        Ok(stream)
    }
}

impl Read for PrimaryKey {
    fn read(node: &Node) -> Result<Self, Problem> {
        let expects = "the name of a field, a list of names, or a list of paths";
        if let Some(name) = node.text() {
            return Ok(if name.is_empty() { Self::default() } else { Self(vec![vec![name.to_owned()]]) });
        }
        let parts = node.items().map_err(|_| node.wrong(expects))?;
        let part = |part: &Node| match part.is_list() {
            true => Vec::read(part),
            false => String::read(part).map(|name| vec![name]).map_err(|_| part.wrong(expects)),
        };
        parts.iter().map(part).collect::<Result<_, _>>().map(Self)
    }
}
