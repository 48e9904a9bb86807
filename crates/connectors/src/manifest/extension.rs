//! What the declarative format has no words for: webhooks, reading one record, writes, deletes, and how an event of the
//! sender maps to a record. It stands in the manifest's free `metadata`, below `trireme`, so the manifest stays one that
//! others read:
//!
//! ```yaml
//! metadata:
//!   trireme:
//!     documentation: https://docs.example/api (2026-11)  # whence all this is known, and as of when
//!     provider: example                                  # the recipe that verifies its webhooks
//!     free_unmodified: true                              # what it answers with 304 does not count for its limits
//!     webhooks:
//!       each: { values: "{{ config['shops'] }}", as: shop }   # one subscription for each; without it, one
//!       subscribe:                                       # templates see stream_slice['url'], ['secret'], ['events'], ['shop']
//!         requester: { $ref: "#/definitions/requester", path: hooks, http_method: POST, request_body_json: { … } }
//!         id: [id]                                       # where the answer has the subscription's id
//!         secret: ours                                   # sent by us; or [secret]: the answer has it; or app: that of the
//!                                                        # app, which a person gives; or { requester: …, at: [secret] }:
//!                                                        # asked for afterwards, seeing stream_slice['id']
//!         events: [order.paid]
//!       unsubscribe: { requester: { … } }                # sees stream_slice['id']
//!       list: { requester: { … }, records: [data], id: [id], url: [url], active: { at: [status], is: enabled } }
//!       renew: { requester: { … }, every: P7D }          # sees stream_slice['id'], and what subscribe sees
//!     streams:
//!       orders:
//!         object: order                                  # events are order.created, order.updated, order.deleted
//!         version: { field: [updated_at], precision: PT1S }
//!         pages: durable                                 # a page's token names a place in the list, and means the same
//!                                                        # tomorrow: a first scan that is broken off goes on with it
//!         deletes: { tombstone: [status], is: deleted }  # or { feed: deleted_orders }, scan, none
//!         get: { requester: { … }, record: [order] }     # sees stream_slice['id']; gone: [order, deleted] where an answer
//!                                                        # with status 200 can say that it is there no longer
//!         write:                                         # described and checked; nothing sends these yet
//!           create: { requester: { … }, record: [order] }    # sees record
//!           update: { requester: { … } }                     # sees stream_slice['id'] and record
//!           delete: { requester: { … } }                     # the same
//!         events:
//!           - { type: order.paid, id: [id] }             # a fact of its own, but about this record
//!           - { type: orders/updated, action: updated, id: [id], version: [updated_at] }
//!           - { type: something_changed }                # names no record: a hint that the stream be read
//! ```
//!
//! Sans I/O: [`Ask`] builds requests, [`answer`] reads what came back. Whoever sends them keeps their answers.

pub mod answer;
pub mod ask;
pub mod meaning;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::Action;

use super::cursor::Formats;
use super::node::{Node, Read};
use super::partition::List;
use super::problem::Problem;
use super::request::Requester;

pub use answer::{AnswerError, Standing, Subscribed};
pub use ask::{Ask, Callback, Place, PlacesError, RecordId, UnfitId};
pub use meaning::Meaning;

/// Everything below `metadata.trireme`.
#[derive(Clone, Debug, Default)]
pub struct Extension {
    pub documentation: Option<String>,
    pub provider: Option<String>,
    /// A request that is answered that nothing changed costs nothing of the budget.
    pub free_unmodified: bool,
    pub webhooks: Option<Webhooks>,
    pub streams: BTreeMap<String, StreamExtension>,
}

/// How we subscribe at the source.
#[derive(Clone, Debug)]
pub struct Webhooks {
    /// What there is one subscription for each of; `None`: one subscription hears everything.
    pub each: Option<List>,
    pub subscribe: Subscribe,
    pub unsubscribe: Option<Arc<Requester>>,
    pub list: Option<ListSubscriptions>,
    pub renew: Option<Renew>,
}

#[derive(Clone, Debug)]
pub struct Subscribe {
    pub requester: Arc<Requester>,
    pub id: Vec<String>,
    pub secret: SecretOf,
    /// Names of the sender's events that are asked for.
    pub events: Vec<String>,
}

/// Who makes the secret that signs what a subscription sends, and how it comes to us.
#[derive(Clone, Debug, Default)]
pub enum SecretOf {
    /// It is ours, and is sent.
    #[default]
    Ours,
    /// The source makes it; the answer to the subscription has it here.
    Answer(Vec<String>),
    /// The source makes it, and tells it when it is asked.
    Asked { requester: Arc<Requester>, at: Vec<String> },
    /// It belongs to the app at the source, whose owner gives it to us.
    App,
}

/// How what is subscribed is found again.
#[derive(Clone, Debug)]
pub struct ListSubscriptions {
    pub requester: Arc<Requester>,
    pub records: Vec<String>,
    pub id: Vec<String>,
    pub url: Vec<String>,
    /// Does not hold where the source has disabled it; `None`: it says nothing.
    pub active: Option<Sign>,
}

#[derive(Clone, Debug)]
pub struct Renew {
    pub requester: Arc<Requester>,
    pub every: Duration,
}

/// A field that says yes: by one of these texts, or, without any, by being there and neither false, zero nor empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    pub at: Vec<String>,
    pub is: Vec<String>,
}

/// What is said of one stream.
#[derive(Clone, Debug)]
pub struct StreamExtension {
    /// The object that its records are; the stream's own name if nothing is said.
    pub object: Option<String>,
    pub version: Option<VersionField>,
    /// `None`: nothing is said about it.
    pub deletes: Option<Deletes>,
    pub get: Option<OneRecord>,
    /// The token of a page means the same tomorrow: a first scan that was broken off goes on with it.
    pub pages_are_durable: bool,
    pub create: Option<OneRecord>,
    pub update: Option<OneRecord>,
    pub delete: Option<Arc<Requester>>,
    pub events: Vec<EventMapping>,
}

/// The field that tells which of two states of a record is the later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionField {
    pub field: Vec<String>,
    /// Within this time two states can have one version. Zero: a number that counts, or a time that is exact.
    pub precision: Duration,
    /// How the field is written, where it is the stream's cursor; `None`: as sources commonly write times.
    pub formats: Option<Arc<Formats>>,
}

/// How it is told that a record is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletes {
    /// It is not.
    None,
    /// The record stays, and this says so.
    Tombstone(Sign),
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
    /// What an answer says beside 404 and 410 where the record is there no longer; in its whole body.
    pub gone: Option<Sign>,
}

/// What one topic of the sender says about a stream's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventMapping {
    /// The sender's own name of it.
    pub event_type: String,
    /// `None`: a fact of its own, which is never merged with a reading.
    pub action: Option<Action>,
    /// Where the payload has the record's id; empty: it names none.
    pub id: Vec<String>,
    pub version: Option<Vec<String>>,
}

impl StreamExtension {
    /// Whether a request is described that would change the source. None is sent yet.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.create.is_some() || self.update.is_some() || self.delete.is_some()
    }
}

impl Extension {
    /// Reads what stands below `metadata.trireme` of a manifest; nothing there is an extension that says nothing.
    pub fn of(root: &Node) -> Result<Self, Problem> {
        let node = root.get("metadata").and_then(|metadata| metadata.get("trireme"));
        node.map_or_else(|| Ok(Self::default()), |node| Self::read(&node))
    }

    /// Streams of which something is said, though the manifest has none of that name (`is_there` tells).
    pub fn strangers(&self, is_there: impl Fn(&str) -> bool) -> Vec<&str> {
        let feeds = self.streams.values().filter_map(|stream| match &stream.deletes {
            Some(Deletes::Feed(feed)) => Some(feed.as_str()),
            _ => None,
        });
        self.streams.keys().map(String::as_str).chain(feeds).filter(|name| !is_there(name)).collect()
    }
}
