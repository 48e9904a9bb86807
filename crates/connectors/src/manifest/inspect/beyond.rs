//! What a manifest's extension says, as it is told: how deletions are, which topics of the sender tell of which stream,
//! what can be read by id, which writes are described, and how webhooks are subscribed to.

use serde::Serialize;

use super::{Deletes, Inspection, StreamReport, Told};
use crate::manifest::extension::{self, EventMapping, Extension, SecretOf, StreamExtension};
use crate::manifest::node::Node;
use crate::manifest::problem::Fault;

/// What becomes of the writes that a manifest describes.
const WRITES: &str = "described and checked, but nothing sends them yet";

/// What is said of the source as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Beyond {
    /// Whence all of it is known.
    pub documentation: Option<String>,
    /// The recipe that verifies its webhooks.
    pub provider: Option<String>,
    /// How they are subscribed to; `None`: by hand.
    pub webhooks: Option<WebhooksReport>,
    /// What becomes of the create, update and delete of its streams, if any has one.
    pub writes: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WebhooksReport {
    /// Whether there is one subscription for each of several things, such as repositories.
    pub several: bool,
    /// Topics that are asked for; none where the source knows only all of them.
    pub topics: Vec<String>,
    pub secret: SecretFrom,
    pub unsubscribe: bool,
    pub list: bool,
    pub renew_every_seconds: Option<u64>,
}

/// Whence the secret comes that signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretFrom {
    Ours,
    Answer,
    Asked,
    App,
}

/// What is said of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StreamBeyond {
    /// What its records are called in events.
    pub object: Option<String>,
    /// The field that tells which of two states of a record is the later.
    pub version: Option<String>,
    /// Whether one record can be read by its id.
    pub get: bool,
    /// Of create, update and delete: those that are described; see [`Beyond::writes`].
    pub write: Vec<&'static str>,
    pub events: Vec<EventReport>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventReport {
    #[serde(rename = "type")]
    pub event_type: String,
    pub means: Means,
}

/// What an event says about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    Created,
    Updated,
    Deleted,
    /// A fact of its own about it.
    Fact,
    /// It names no record: the stream is worth reading.
    Hint,
}

impl Inspection {
    /// Takes in what the extension of a manifest says.
    pub(super) fn extend(&mut self, root: &Node) {
        let extension = match Extension::of(&root.afresh()) {
            Ok(extension) => extension,
            Err(problem) => return self.problems.push(Told::from(&problem)),
        };
        let names: Vec<&str> = self.streams.iter().map(|stream| stream.name.as_str()).collect();
        for stranger in extension.strangers(|name| names.contains(&name)) {
            let message = format!("speaks of the stream '{stranger}', which the manifest does not have");
            self.warnings.push(Told::from(&place(root, stranger).problem(Fault::Doubt, message)));
        }
        for stream in &mut self.streams {
            if let Some(said) = extension.streams.get(&stream.name) {
                stream.extend(said);
            }
        }
        self.beyond = Beyond::of(extension);
    }
}

/// Where an extension speaks of a stream, as near as can be told.
fn place(root: &Node, stream: &str) -> Node {
    ["metadata", "trireme", "streams", stream].iter().fold(root.afresh(), |at, name| at.get(name).unwrap_or(at))
}

impl StreamReport {
    fn extend(&mut self, said: &StreamExtension) {
        (self.deletes, self.deletes_by) = match &said.deletes {
            None => (self.deletes, None),
            Some(extension::Deletes::None) => (Deletes::None, None),
            Some(extension::Deletes::Scan) => (Deletes::FullScan, None),
            Some(extension::Deletes::Tombstone(sign)) => (Deletes::Tombstone, Some(sign.at.join("."))),
            Some(extension::Deletes::Feed(stream)) => (Deletes::Feed, Some(stream.clone())),
        };
        let writes =
            [("create", said.create.is_some()), ("update", said.update.is_some()), ("delete", said.delete.is_some())];
        self.beyond = StreamBeyond {
            object: said.object.clone(),
            version: said.version.as_ref().map(|version| version.field.join(".")),
            get: said.get.is_some(),
            write: writes.into_iter().filter_map(|(verb, can)| can.then_some(verb)).collect(),
            events: said.events.iter().map(EventReport::of).collect(),
        };
    }
}

impl Beyond {
    fn of(extension: Extension) -> Option<Self> {
        let webhooks = extension.webhooks.map(|webhooks| WebhooksReport {
            several: webhooks.each.is_some(),
            topics: webhooks.subscribe.events,
            secret: match webhooks.subscribe.secret {
                SecretOf::Ours => SecretFrom::Ours,
                SecretOf::Answer(_) => SecretFrom::Answer,
                SecretOf::Asked { .. } => SecretFrom::Asked,
                SecretOf::App => SecretFrom::App,
            },
            unsubscribe: webhooks.unsubscribe.is_some(),
            list: webhooks.list.is_some(),
            renew_every_seconds: webhooks.renew.map(|renew| renew.every.as_secs()),
        });
        let says = webhooks.is_some() || extension.provider.is_some() || !extension.streams.is_empty();
        let writes = extension.streams.values().any(StreamExtension::is_writable).then_some(WRITES);
        let (documentation, provider) = (extension.documentation, extension.provider);
        (says || documentation.is_some()).then_some(Self { documentation, provider, webhooks, writes })
    }
}

impl EventReport {
    fn of(mapping: &EventMapping) -> Self {
        let means = match mapping.action {
            Some(domain::Action::Created) => Means::Created,
            Some(domain::Action::Updated) => Means::Updated,
            Some(domain::Action::Deleted) => Means::Deleted,
            None if mapping.id.is_empty() => Means::Hint,
            None => Means::Fact,
        };
        Self { event_type: mapping.event_type.clone(), means }
    }
}
