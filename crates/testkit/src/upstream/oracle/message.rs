//! A message as it arrived: the envelope, read as a destination would.

use domain::{Action, Timestamp};
use serde_json::Value as Json;

use crate::upstream::truth::Change;

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// When it arrived.
    pub at: Timestamp,
    pub webhook_id: String,
    pub event: String,
    pub connection: String,
    pub event_type: String,
    /// The sender's own name of it.
    pub topic: String,
    pub subject: Option<String>,
    pub action: Option<Action>,
    pub version: Option<Timestamp>,
    pub origin: String,
    pub stale: bool,
    pub data: Json,
    /// As it came, to compare with how it comes again.
    pub body: Json,
}

impl Message {
    /// Reads an envelope.
    pub fn read(at: Timestamp, webhook_id: &str, body: &[u8]) -> Result<Self, String> {
        let body: Json =
            serde_json::from_slice(body).map_err(|error| format!("{webhook_id} is no envelope: {error}"))?;
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let need = |name: &str| text(name).ok_or_else(|| format!("{webhook_id} says no '{name}': {body}"));
        let event_type = need("type")?;
        Ok(Self {
            at,
            webhook_id: webhook_id.to_owned(),
            event: need("id")?,
            connection: need("connection")?,
            topic: text("native_type").unwrap_or_else(|| event_type.clone()),
            event_type,
            subject: text("subject"),
            action: text("action").as_deref().and_then(Action::parse),
            version: text("version").and_then(|version| version.parse().ok()),
            origin: need("origin")?,
            stale: body["stale"].as_bool().unwrap_or(false),
            data: body["data"].clone(),
            body,
        })
    }

    #[must_use]
    pub fn is_native(&self) -> bool {
        self.origin == "native"
    }

    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.action == Some(Action::Deleted)
    }

    /// When the gateway learned it.
    #[must_use]
    pub fn received_at(&self) -> Timestamp {
        self.body["received_at"].as_str().and_then(|at| at.parse().ok()).unwrap_or(self.at)
    }

    /// A webhook that has the whole order in place of what the shop sent.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_native() && !self.data["type"].is_string() && self.data["updated_at"].is_string()
    }

    /// The record, wherever this way of learning puts it.
    #[must_use]
    pub fn record(&self) -> &Json {
        if self.data["type"].is_string() && self.data["data"].is_object() { &self.data["data"] } else { &self.data }
    }

    /// When the shop says that what a webhook tells happened: no two changes have the same.
    #[must_use]
    pub fn happened_at(&self) -> Option<Timestamp> {
        let whole = self.is_whole().then(|| self.body["occurred_at"].as_str()).flatten();
        whole.or_else(|| self.data["timestamp"].as_str())?.parse().ok()
    }

    /// Whether this is the state in which a change left its record, as far as the message says.
    pub(super) fn tells(&self, change: &Change) -> bool {
        if self.is_deleted() || change.is_deleted() {
            return self.is_deleted() && change.is_deleted() && self.version_fits(change);
        }
        let Some(record) = self.record().as_object() else { return false };
        // A record that was fetched may be newer than what it goes with.
        let newer = || record["updated_at"].as_str().and_then(|at| at.parse().ok()) > Some(change.version);
        let is_it = record.iter().all(|(name, value)| change.record.get(name) == Some(value));
        self.version_fits(change) && (is_it || (self.is_whole() && newer()))
    }

    fn version_fits(&self, change: &Change) -> bool {
        self.version.is_none_or(|version| version == change.version)
    }
}
