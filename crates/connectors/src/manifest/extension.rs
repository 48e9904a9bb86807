//! What the declarative format has no words for: webhooks, reading one record, writes, deletes, and how an event of the
//! sender maps to a record. It stands in the manifest's free `metadata`, below `trireme`, so the manifest stays one that
//! others read:
//!
//! ```yaml
//! metadata:
//!   trireme:
//!     documentation: https://docs.example/api            # whence all this is known
//!     provider: example                                  # the recipe that verifies its webhooks
//!     webhooks:
//!       subscribe:                                       # templates see stream_slice['url'], ['secret'], ['events']
//!         requester: { $ref: "#/definitions/requester", path: hooks, http_method: POST, request_body_json: { … } }
//!         id: [id]                                       # where the answer has the subscription's id
//!         secret: [secret]                               # and the secret, where the source makes it
//!       unsubscribe: { requester: { … } }                # sees stream_slice['id']
//!       list: { requester: { … }, records: [data], id: [id], url: [url], active: [enabled] }
//!       renew: { requester: { … }, every: P7D }
//!     streams:
//!       orders:
//!         object: order                                  # events are order.created, order.updated, order.deleted
//!         version: { field: [updated_at], precision: PT1S }
//!         deletes: { tombstone: [deleted_at] }           # or { feed: deleted_orders }, scan, none
//!         get: { requester: { … }, record: [order] }     # sees stream_slice['id']
//!         write:
//!           create: { requester: { … }, record: [order] }    # sees record
//!           update: { requester: { … } }                     # sees stream_slice['id'] and record
//!           delete: { requester: { … } }
//!         events:
//!           - { type: order.paid }                       # a fact of its own, but about this record
//!           - { type: orders/updated, action: updated, id: [id], version: [updated_at] }
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::Action;

use super::expression::dates::Period;
use super::node::{Node, Read};
use super::problem::{Fault, Problem};
use super::request::Requester;

#[cfg(test)]
mod tests;

/// Streams that an extension may speak of, and events of one stream.
const ENTRIES_MAX: usize = 1_000;

/// Everything below `metadata.trireme`.
#[derive(Clone, Debug, Default)]
pub struct Extension {
    pub documentation: Option<String>,
    pub provider: Option<String>,
    pub webhooks: Option<Webhooks>,
    pub streams: BTreeMap<String, StreamExtension>,
}

/// How we subscribe at the source.
#[derive(Clone, Debug)]
pub struct Webhooks {
    pub subscribe: Subscribe,
    pub unsubscribe: Option<Arc<Requester>>,
    pub list: Option<ListSubscriptions>,
    pub renew: Option<Renew>,
}

#[derive(Clone, Debug)]
pub struct Subscribe {
    pub requester: Arc<Requester>,
    pub id: Vec<String>,
    /// `None`: the secret is ours, and is sent.
    pub secret: Option<Vec<String>>,
    /// Names of the sender's events that are asked for.
    pub events: Vec<String>,
}

/// How what is subscribed is found again.
#[derive(Clone, Debug)]
pub struct ListSubscriptions {
    pub requester: Arc<Requester>,
    pub records: Vec<String>,
    pub id: Vec<String>,
    pub url: Vec<String>,
    /// False where the source has disabled it; `None`: it says nothing.
    pub active: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
pub struct Renew {
    pub requester: Arc<Requester>,
    pub every: Duration,
}

/// What is said of one stream.
#[derive(Clone, Debug)]
pub struct StreamExtension {
    /// The object that its records are; the stream's own name if nothing is said.
    pub object: Option<String>,
    pub version: Option<VersionField>,
    pub deletes: Deletes,
    pub get: Option<OneRecord>,
    pub create: Option<OneRecord>,
    pub update: Option<OneRecord>,
    pub delete: Option<Arc<Requester>>,
    pub events: Vec<EventMapping>,
}

/// The field that tells which of two states of a record is the later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionField {
    pub field: Vec<String>,
    /// Within this time two states can have one version.
    pub precision: Duration,
}

/// How it is told that a record is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Deletes {
    /// It is not.
    #[default]
    None,
    /// The record stays, and this field says so: it is there, and neither false nor empty.
    Tombstone(Vec<String>),
    /// Another stream lists what was deleted.
    Feed(String),
    /// By its absence from complete lists.
    Scan,
}

/// A request whose answer is one record.
#[derive(Clone, Debug)]
pub struct OneRecord {
    pub requester: Arc<Requester>,
    /// Where the record is in the answer; empty: it is the answer.
    pub record: Vec<String>,
}

/// What one topic of the sender says about a stream's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventMapping {
    /// The sender's own name of it.
    pub event_type: String,
    /// `None`: a fact of its own, which is never merged with a reading.
    pub action: Option<Action>,
    /// Where the payload has the record's id.
    pub id: Vec<String>,
    pub version: Option<Vec<String>>,
}

impl Extension {
    /// Reads what stands below `metadata.trireme` of a manifest; nothing there is an extension that says nothing.
    pub fn of(root: &Node) -> Result<Self, Problem> {
        let node = root.get("metadata").and_then(|metadata| metadata.get("trireme"));
        node.map_or_else(|| Ok(Self::default()), |node| Self::read(&node))
    }
}

impl Read for Extension {
    fn read(node: &Node) -> Result<Self, Problem> {
        only(node, &["documentation", "provider", "webhooks", "streams"])?;
        let mut streams = BTreeMap::new();
        if let Some(all) = node.get("streams") {
            for (name, stream) in bounded(&all, all.entries()?)? {
                streams.insert(name.to_string(), StreamExtension::read(&stream)?);
            }
        }
        Ok(Self {
            documentation: node.maybe("documentation")?,
            provider: node.maybe("provider")?,
            webhooks: node.maybe("webhooks")?,
            streams,
        })
    }
}

impl Read for Webhooks {
    fn read(node: &Node) -> Result<Self, Problem> {
        only(node, &["subscribe", "unsubscribe", "list", "renew"])?;
        let unsubscribe: Option<Node> = node.maybe("unsubscribe")?;
        Ok(Self {
            subscribe: node.need("subscribe")?,
            unsubscribe: unsubscribe.map(|node| requester(&node)).transpose()?,
            list: node.maybe("list")?,
            renew: node.maybe("renew")?,
        })
    }
}

impl Read for Subscribe {
    fn read(node: &Node) -> Result<Self, Problem> {
        only(node, &["requester", "id", "secret", "events"])?;
        let (id, secret, events) = (node.or("id", Vec::new())?, node.maybe("secret")?, node.or("events", Vec::new())?);
        Ok(Self { requester: requester(node)?, id, secret, events })
    }
}

impl Read for ListSubscriptions {
    fn read(node: &Node) -> Result<Self, Problem> {
        only(node, &["requester", "records", "id", "url", "active"])?;
        Ok(Self {
            requester: requester(node)?,
            records: node.or("records", Vec::new())?,
            id: node.need("id")?,
            url: node.need("url")?,
            active: node.maybe("active")?,
        })
    }
}

impl Read for Renew {
    fn read(node: &Node) -> Result<Self, Problem> {
        only(node, &["requester", "every"])?;
        Ok(Self { requester: requester(node)?, every: duration(node, "every")? })
    }
}

impl Read for StreamExtension {
    fn read(node: &Node) -> Result<Self, Problem> {
        only(node, &["object", "version", "deletes", "get", "write", "events"])?;
        let write: Option<Node> = node.maybe("write")?;
        if let Some(write) = &write {
            only(write, &["create", "update", "delete"])?;
        }
        let written = |field: &str| write.as_ref().map_or_else(|| Ok(None), |write| write.maybe::<OneRecord>(field));
        let delete: Option<Node> = write.as_ref().and_then(|write| write.get("delete"));
        let events: Vec<EventMapping> = node.or("events", Vec::new())?;
        bounded(node, events.iter().collect())?;
        Ok(Self {
            object: node.maybe("object")?,
            version: node.maybe("version")?,
            deletes: node.or("deletes", Deletes::None)?,
            get: node.maybe("get")?,
            create: written("create")?,
            update: written("update")?,
            delete: delete.map(|node| requester(&node)).transpose()?,
            events,
        })
    }
}

impl Read for VersionField {
    fn read(node: &Node) -> Result<Self, Problem> {
        only(node, &["field", "precision"])?;
        let precision = if node.get("precision").is_some() { duration(node, "precision")? } else { Duration::ZERO };
        Ok(Self { field: node.need("field")?, precision })
    }
}

impl Read for Deletes {
    fn read(node: &Node) -> Result<Self, Problem> {
        const EXPECTED: &str = "none, scan, { tombstone: [field] } or { feed: stream }";
        match node.text() {
            Some("none") => return Ok(Self::None),
            Some("scan") => return Ok(Self::Scan),
            Some(_) => return Err(node.wrong(EXPECTED)),
            None => {}
        }
        match (node.maybe("tombstone")?, node.maybe("feed")?) {
            (Some(field), None) => Ok(Self::Tombstone(field)),
            (None, Some(stream)) => Ok(Self::Feed(stream)),
            _ => Err(node.wrong(EXPECTED)),
        }
    }
}

impl Read for OneRecord {
    fn read(node: &Node) -> Result<Self, Problem> {
        only(node, &["requester", "record"])?;
        Ok(Self { requester: requester(node)?, record: node.or("record", Vec::new())? })
    }
}

impl Read for EventMapping {
    fn read(node: &Node) -> Result<Self, Problem> {
        only(node, &["type", "action", "id", "version"])?;
        let action: Option<Node> = node.maybe("action")?;
        let action = match action.as_ref().map(|node| (node, node.text())) {
            None => None,
            Some((_, Some("created"))) => Some(Action::Created),
            Some((_, Some("updated"))) => Some(Action::Updated),
            Some((_, Some("deleted"))) => Some(Action::Deleted),
            Some((node, _)) => return Err(node.wrong("created, updated or deleted")),
        };
        let id: Vec<String> = node.or("id", Vec::new())?;
        if action.is_some() && id.is_empty() {
            return Err(node.wrong("an 'id': the path to the record's id in the payload, for it has an action"));
        }
        Ok(Self { event_type: node.need("type")?, action, id, version: node.maybe("version")? })
    }
}

fn requester(node: &Node) -> Result<Arc<Requester>, Problem> {
    node.need::<Requester>("requester").map(Arc::new)
}

fn duration(node: &Node, field: &str) -> Result<Duration, Problem> {
    let at: Node = node.need(field)?;
    let expected = "a duration without months or years, such as PT1S or P7D";
    let period = at.text().and_then(|text| Period::parse(text).ok()).filter(|period| !period.has_months());
    let micros = period.and_then(|period| u64::try_from(period.micros()).ok());
    micros.map(Duration::from_micros).ok_or_else(|| at.wrong(expected))
}

/// What is misspelt here would be believed to hold.
fn only(node: &Node, fields: &[&str]) -> Result<(), Problem> {
    match node.keys()?.iter().find(|key| !fields.contains(&&***key) && !key.starts_with('$')) {
        None => Ok(()),
        Some(stray) => {
            let message = format!("'{stray}' says nothing here; known are {}", fields.join(", "));
            Err(node.problem(Fault::Wrong, message))
        }
    }
}

fn bounded<T>(node: &Node, entries: Vec<T>) -> Result<Vec<T>, Problem> {
    if entries.len() > ENTRIES_MAX {
        return Err(node.problem(Fault::TooLarge, format!("has more than {ENTRIES_MAX} entries")));
    }
    Ok(entries)
}
