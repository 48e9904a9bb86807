//! What a route fetches for an event before it is mapped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use connectors::manifest::extension::OneRecord;
use domain::{ConnectionName, SourceName};
use serde_json::Value as Json;

/// One record to fetch: it stands under `enriched.<name>`.
#[derive(Clone, Debug, PartialEq)]
pub struct EnrichSpec {
    pub name: Arc<str>,
    pub way: EnrichWay,
    /// Of another source than the event's.
    pub source: Option<SourceName>,
    /// Of another connection; without it, the event's own, or `default` at another source.
    pub connection: Option<ConnectionName>,
    /// JSONata; a text or number is the record's id, and nothing fetches nothing.
    pub id: String,
    /// A record fetched this recently is good enough, although the event is younger.
    pub max_age: Option<Duration>,
    pub on_error: OnEnrichError,
    /// Fetched anew for each delivery: what the source confirms at that moment.
    pub confirm: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum EnrichWay {
    /// As the connector says how one record of the stream is asked for.
    Stream(Arc<str>),
    Request(RequestSpec),
}

/// A request as the manifest format writes it, whose answer is the record.
#[derive(Clone)]
pub struct RequestSpec {
    pub written: Arc<Json>,
    pub one: Arc<OneRecord>,
}

impl fmt::Debug for RequestSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestSpec({})", self.written)
    }
}

impl PartialEq for RequestSpec {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

/// What becomes of a delivery whose record cannot be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnEnrichError {
    /// Another try, as the retry policy has it; a dead letter after the last.
    #[default]
    Retry,
    /// `enriched.<name>` is null.
    DeliverWithout,
    DeadLetter,
}
