//! The connectors that sources can name: ours, and whatever files their owner has. Loaded once, told whole if wrong.

mod shared;

use std::fmt;
use std::sync::Arc;

use connectors::manifest::catalogue::{embedded, embedded_names};
use connectors::manifest::cursor::IncrementalSync;
use connectors::manifest::extension::Extension;
use connectors::manifest::node::{Document, Limits, Read as _};
use connectors::manifest::overrides::Overrides;
use connectors::manifest::problem::{Fault, Problem};
use connectors::manifest::source::Source;
use connectors::manifest::stream::{DeclarativeStream, Retriever, Stream};
use domain::identity::Digest;
use domain::suggest::nearest;

use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::reading::{Files, Jsonata};

/// A manifest that can be read, with what it says beyond the format.
pub struct Connector {
    pub source: Arc<Source>,
    pub extension: Extension,
    /// Files of its package, such as schemas.
    pub files: Files,
    /// What it was loaded from: it has to be loaded again when its source is gone from the configuration.
    pub(crate) texts: Texts,
    /// Of these texts.
    digest: Digest,
}

/// The texts of a connector.
#[derive(Clone)]
pub(crate) struct Texts {
    pub manifest: Arc<str>,
    pub overrides: Option<Arc<str>>,
}

/// A text and the name by which its mistakes are told.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

/// Why a connector cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectorError {
    #[error("there is no connector '{name}'")]
    Unknown { name: String, near: Option<String> },
    #[error("{0}")]
    Unreadable(String),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Wrong(Vec<Problem>),
}

impl Connector {
    /// Loads a manifest, and what stands in for its custom components.
    pub fn load(
        manifest: Named<'_>,
        overrides: Option<Named<'_>>,
        files: Files,
        clock: &SharedClock,
        entropy: &SharedEntropy,
    ) -> Result<Self, ConnectorError> {
        let document =
            Document::parse(manifest.name, manifest.text, Limits::default()).map_err(ConnectorError::Wrong)?;
        let formulas = Jsonata::new(Arc::clone(clock), Arc::clone(entropy));
        let replaced = match overrides {
            None => Overrides::default(),
            Some(Named { name, text }) => Overrides::parse(name, text, &formulas).map_err(ConnectorError::Wrong)?,
        };
        let source = Source::load(&document, replaced).map_err(ConnectorError::Wrong)?;
        let mut extension = Extension::of(source.root()).map_err(|problem| ConnectorError::Wrong(vec![problem]))?;
        date_versions(&source, &mut extension);
        let wrong = [counted(&source, &extension), shared::shared(&source, &extension)].concat();
        if !wrong.is_empty() {
            return Err(ConnectorError::Wrong(wrong));
        }
        let both = [manifest.text, "\0", overrides.map_or("", |overrides| overrides.text)].concat();
        let texts = Texts { manifest: manifest.text.into(), overrides: overrides.map(|named| named.text.into()) };
        Ok(Self { source: Arc::new(source), extension, files, texts, digest: Digest::of(both.as_bytes()) })
    }

    /// Of the texts that it was loaded from: two with the same are one.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

/// A version that is its stream's cursor is written as the cursor says.
fn date_versions(source: &Source, extension: &mut Extension) {
    for declared in source.declared() {
        let version = extension.streams.get_mut(&declared.name).and_then(|stream| stream.version.as_mut());
        let Some(version) = version.filter(|version| version.is_time()) else { continue };
        // What cannot be read is told when it is to be read.
        let Ok(stream) = Stream::read(&declared.node.afresh()) else { continue };
        for way in stream.ways() {
            if let Some(IncrementalSync::Dates(dates)) = &way.sync
                && let [field] = &*version.field
                && dates.is_of(field)
            {
                version.formats = Some(Arc::new(dates.formats()));
            }
        }
    }
}

/// Streams whose pages are said to be durable, and are counted: what is before a page moves it when it goes away.
fn counted(source: &Source, extension: &Extension) -> Vec<Problem> {
    let said = |name: &str| extension.streams.get(name).is_some_and(|stream| stream.pages_are_durable);
    let mut wrong = Vec::new();
    for declared in source.declared().iter().filter(|declared| said(&declared.name)) {
        // What cannot be read is told when it is to be read.
        let Ok(stream) = Stream::read(&declared.node.afresh()) else { continue };
        let counts =
            |way: &&Arc<DeclarativeStream>| matches!(&way.retriever, Retriever::Simple(own) if own.paginator.counts());
        if stream.ways().iter().any(counts) {
            let message = format!(
                "numbers the pages of '{}', so they are not durable: a record that is deleted before a page moves all \
                 behind it; leave `pages: durable` away",
                declared.name
            );
            wrong.push(declared.node.problem(Fault::Wrong, message));
        }
    }
    wrong
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({} streams)", self.source.declared().len())
    }
}

impl PartialEq for Connector {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

/// Where definitions find connectors.
pub trait Connectors: fmt::Debug + Send + Sync {
    /// The connector of this name or path, with this file of overrides.
    fn find(&self, name: &str, overrides: Option<&str>) -> Result<Arc<Connector>, ConnectorError>;
}

/// Those that come with the program: what definitions of the API can name, for files are their owner's.
#[derive(Clone)]
pub struct Ours {
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
}

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ours")
    }
}

/// Whether a text is meant as the path of a file rather than as the name of one of ours.
#[must_use]
pub fn is_path(name: &str) -> bool {
    name.contains(['/', '\\']) || name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json")
}

impl Connectors for Ours {
    fn find(&self, name: &str, overrides: Option<&str>) -> Result<Arc<Connector>, ConnectorError> {
        if is_path(name) || overrides.is_some() {
            let message = "files are named in the configuration file; the API takes the name of one of ours";
            return Err(ConnectorError::Unreadable(message.to_owned()));
        }
        let Some(text) = embedded(name) else {
            let near = nearest(name, embedded_names()).map(str::to_owned);
            return Err(ConnectorError::Unknown { name: name.to_owned(), near });
        };
        let manifest = Named { name: &format!("{name}.yaml"), text };
        Connector::load(manifest, None, Arc::new(|_| None), &self.clock, &self.entropy).map(Arc::new)
    }
}
