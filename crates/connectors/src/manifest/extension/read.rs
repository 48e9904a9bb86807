//! Reads an extension from the manifest. What is misspelt is refused, for it would be believed to hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::Action;

use super::{
    Deletes, EventMapping, Extension, ListSubscriptions, OneRecord, Renew, SecretOf, Sign, StreamExtension, Subscribe,
    VersionField, Webhooks,
};
use crate::manifest::expression::dates::Period;
use crate::manifest::node::{Node, Read};
use crate::manifest::partition::List;
use crate::manifest::problem::{Fault, Problem};
use crate::manifest::request::Requester;

/// Streams that an extension may speak of, and events of one stream.
const ENTRIES_MAX: usize = 1_000;

impl Read for Extension {
    fn read(node: &Node) -> Result<Self, Problem> {
        only(node, &["documentation", "provider", "free_unmodified", "webhooks", "streams"])?;
        let mut streams = BTreeMap::new();
        if let Some(all) = node.get("streams") {
            for (name, stream) in bounded(&all, all.entries()?)? {
                streams.insert(name.to_string(), StreamExtension::read(&stream)?);
            }
        }
        Ok(Self {
            documentation: node.maybe("documentation")?,
            provider: node.maybe("provider")?,
            free_unmodified: node.or("free_unmodified", false)?,
            webhooks: node.maybe("webhooks")?,
            streams,
        })
    }
}

impl Read for Webhooks {
    fn read(node: &Node) -> Result<Self, Problem> {
        only(node, &["each", "subscribe", "unsubscribe", "list", "renew"])?;
        let each: Option<Node> = node.maybe("each")?;
        let unsubscribe: Option<Node> = node.maybe("unsubscribe")?;
        Ok(Self {
            each: each.map(|node| each_of(&node)).transpose()?,
            subscribe: node.need("subscribe")?,
            unsubscribe: unsubscribe.map(|node| requester(&node)).transpose()?,
            list: node.maybe("list")?,
            renew: node.maybe("renew")?,
        })
    }
}

fn each_of(node: &Node) -> Result<List, Problem> {
    only(node, &["values", "as"])?;
    List::named(node, "as")
}

impl Read for Subscribe {
    fn read(node: &Node) -> Result<Self, Problem> {
        only(node, &["requester", "id", "secret", "events"])?;
        let (id, secret, events) =
            (node.need("id")?, node.or("secret", SecretOf::Ours)?, node.or("events", Vec::new())?);
        Ok(Self { requester: requester(node)?, id, secret, events })
    }
}

impl Read for SecretOf {
    fn read(node: &Node) -> Result<Self, Problem> {
        match node.text() {
            Some("ours") => return Ok(Self::Ours),
            Some("app") => return Ok(Self::App),
            Some(_) => return Err(node.wrong("ours, app, [path, in, the, answer] or { requester: …, at: [path] }")),
            None => {}
        }
        if node.is_list() {
            return Vec::read(node).map(Self::Answer);
        }
        only(node, &["requester", "at"])?;
        Ok(Self::Asked { requester: requester(node)?, at: node.need("at")? })
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

impl Read for Sign {
    fn read(node: &Node) -> Result<Self, Problem> {
        if node.is_list() {
            return Ok(Self { at: Vec::read(node)?, is: Vec::new() });
        }
        only(node, &["at", "is"])?;
        Ok(Self { at: node.need("at")?, is: texts(node, "is")? })
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
        only(node, &["object", "version", "pages", "deletes", "get", "write", "events"])?;
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
            deletes: node.maybe("deletes")?,
            get: node.maybe("get")?,
            pages_are_durable: node.get("pages").map_or(Ok(false), |pages| durable(&pages))?,
            create: written("create")?,
            update: written("update")?,
            delete: delete.map(|node| requester(&node)).transpose()?,
            events,
        })
    }
}

fn durable(node: &Node) -> Result<bool, Problem> {
    match node.text() {
        Some("durable") => Ok(true),
        _ => Err(node.wrong("durable, or nothing")),
    }
}

impl Read for VersionField {
    fn read(node: &Node) -> Result<Self, Problem> {
        only(node, &["field", "precision"])?;
        let precision = if node.get("precision").is_some() { duration(node, "precision")? } else { Duration::ZERO };
        Ok(Self { field: node.need("field")?, precision, formats: None })
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
        only(node, &["tombstone", "is", "feed"])?;
        match (node.maybe("tombstone")?, node.maybe("feed")?) {
            (Some(at), None) => Ok(Self::Tombstone(Sign { at, is: texts(node, "is")? })),
            (None, Some(stream)) if node.get("is").is_none() => Ok(Self::Feed(stream)),
            _ => Err(node.wrong(EXPECTED)),
        }
    }
}

impl Read for OneRecord {
    fn read(node: &Node) -> Result<Self, Problem> {
        only(node, &["requester", "record", "gone"])?;
        Ok(Self { requester: requester(node)?, record: node.or("record", Vec::new())?, gone: node.maybe("gone")? })
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

/// One text, a list of them, or none.
fn texts(node: &Node, field: &str) -> Result<Vec<String>, Problem> {
    match node.get(field) {
        None => Ok(Vec::new()),
        Some(at) if at.is_list() => Vec::read(&at),
        Some(at) => String::read(&at).map(|text| vec![text]),
    }
}

fn duration(node: &Node, field: &str) -> Result<Duration, Problem> {
    let at: Node = node.need(field)?;
    let expected = "a duration without months or years, such as PT1S or P7D";
    let period = at.text().and_then(|text| Period::parse(text).ok()).filter(|period| !period.has_months());
    let micros = period.and_then(|period| u64::try_from(period.micros()).ok());
    micros.map(Duration::from_micros).ok_or_else(|| at.wrong(expected))
}

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
