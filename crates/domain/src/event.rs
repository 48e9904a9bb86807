//! The accepted, immutable fact.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::identity::Scope;
use crate::{Assurance, ConnectionName, EventId, RequestId, SourceName, Tenant, Timestamp};

/// Longest type, native type or subject that is kept, in bytes; longer ones are cut at a character.
pub const LABEL_BYTES_MAX: usize = 256;

/// How an event was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Native,
    Virtual,
    Reconciled,
    Backfill,
    Published,
}

impl Origin {
    pub const ALL: [Self; 5] = [Self::Native, Self::Virtual, Self::Reconciled, Self::Backfill, Self::Published];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Virtual => "virtual",
            Self::Reconciled => "reconciled",
            Self::Backfill => "backfill",
            Self::Published => "published",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.as_str() == text)
    }
}

/// What happened to the subject, where the connector or sender says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Created,
    Updated,
    Deleted,
}

impl Action {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Created, Self::Updated, Self::Deleted].into_iter().find(|action| action.as_str() == text)
    }
}

/// The thing an event is about: `object/id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(Arc<str>);

impl Subject {
    /// A subject of an object's name and an id; the result is cut at [`LABEL_BYTES_MAX`].
    #[must_use]
    pub fn of(object: &str, id: &str) -> Self {
        Self::from_text(&format!("{object}/{id}"))
    }

    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(cut(text).into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Cuts a label at [`LABEL_BYTES_MAX`] without breaking a character.
#[must_use]
pub fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LABEL_BYTES_MAX)]
}

/// A comparable mark of a subject's state: a time or a number, never compared with the other kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    Time(Timestamp),
    Number(i64),
}

impl Version {
    /// The stored and shown form: `t:<micros>` or `n:<number>`.
    #[must_use]
    pub fn encode(self) -> String {
        match self {
            Self::Time(time) => format!("t:{}", time.as_micros()),
            Self::Number(number) => format!("n:{number}"),
        }
    }

    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let (kind, value) = text.split_once(':')?;
        let value: i64 = value.parse().ok()?;
        match kind {
            "t" => Some(Self::Time(Timestamp::from_micros(value))),
            "n" => Some(Self::Number(value)),
            _ => None,
        }
    }
}

impl PartialOrd for Version {
    /// `None` across kinds: a time says nothing about a number.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(b)),
            (Self::Number(a), Self::Number(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Time(time) => time.serialize(serializer),
            Self::Number(number) => serializer.serialize_i64(*number),
        }
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(i64),
            Time(Timestamp),
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Number(number) => Self::Number(number),
            Either::Time(time) => Self::Time(time),
        })
    }
}

/// An accepted event. Its payload is the sender's bytes, never re-serialised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    pub tenant: Tenant,
    pub source: SourceName,
    pub connection: ConnectionName,
    /// `<object>.<action>` where the connector maps the topic, else the sender's own name.
    pub event_type: Arc<str>,
    /// The sender's own name, where `event_type` differs from it.
    pub native_type: Option<Arc<str>>,
    pub subject: Option<Subject>,
    pub action: Option<Action>,
    pub version: Option<Version>,
    pub origin: Origin,
    pub assurance: Assurance,
    pub occurred_at: Option<Timestamp>,
    pub received_at: Timestamp,
    /// The request that brought it, if one did. The request of a single event shares its UUID.
    pub request: Option<RequestId>,
    /// The request's method, URL, remote and headers ([`crate::request::Head`]), encoded; empty without a request.
    pub head: Bytes,
    /// Of the payload; empty when the sender named none.
    pub content_type: Arc<str>,
    pub payload: Bytes,
}

impl Event {
    /// A native event without an account, of which nothing is known but whence it came and when.
    #[must_use]
    pub fn bare(id: EventId, source: SourceName, received_at: Timestamp) -> Self {
        Self {
            id,
            tenant: Tenant::default_tenant(),
            source,
            connection: ConnectionName::default_connection(),
            event_type: "unknown".into(),
            native_type: None,
            subject: None,
            action: None,
            version: None,
            origin: Origin::Native,
            assurance: Assurance::Body,
            occurred_at: None,
            received_at,
            request: None,
            head: Bytes::new(),
            content_type: "".into(),
            payload: Bytes::new(),
        }
    }

    /// Within which its identities count.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope { tenant: self.tenant.clone(), source: self.source.clone(), connection: self.connection.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_only_within_their_kind() {
        let (one, two) = (Version::Number(1), Version::Number(2));
        assert!(one < two);
        assert_eq!(one.partial_cmp(&Version::Time(Timestamp::EPOCH)), None);
        for version in [one, Version::Time(Timestamp::from_micros(-5))] {
            assert_eq!(Version::decode(&version.encode()), Some(version));
        }
    }

    #[test]
    fn labels_are_cut_at_a_character() {
        let long = "ä".repeat(200);
        assert_eq!(Subject::from_text(&long).as_str().len(), LABEL_BYTES_MAX);
        let odd = format!("x{long}");
        assert_eq!(Subject::from_text(&odd).as_str().len(), LABEL_BYTES_MAX - 1);
    }
}
