//! When two arrivals are one event (design §6, Identity).
//!
//! Every key is a SHA-256 digest over length-prefixed parts, scoped to (tenant, source, connection) and to its
//! kind, so that no two different keys can be spelt alike.

use std::time::Duration;

use ring::digest::{Context, SHA256};

use crate::{ConnectionName, SourceName, Subject, Tenant, Version};

/// A SHA-256 digest: of an identity, or of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(hashing(&[bytes], false))
    }

    fn of_parts(parts: &[&[u8]]) -> Self {
        Self::finish(hashing(parts, true))
    }

    fn finish(context: Context) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(context.finish().as_ref());
        Self(out)
    }
}

fn hashing(parts: &[&[u8]], prefixed: bool) -> Context {
    let mut context = Context::new(&SHA256);
    for part in parts {
        if prefixed {
            context.update(&(part.len() as u64).to_be_bytes());
        }
        context.update(part);
    }
    context
}

/// Whose identities these are: the same key at another connection is another fact.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    pub tenant: Tenant,
    pub source: SourceName,
    pub connection: ConnectionName,
}

impl Scope {
    fn key(&self, kind: &str, parts: &[&[u8]]) -> Digest {
        let scope = [
            kind.as_bytes(),
            self.tenant.as_str().as_bytes(),
            self.source.as_str().as_bytes(),
            self.connection.as_str().as_bytes(),
        ];
        Digest::of_parts(&[&scope, parts].concat())
    }
}

/// What a sender says, or its bytes say, about being the same message again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageIdentity<'a> {
    /// The provider's event id: equal means one event, for as long as identities live.
    Id(&'a str),
    /// No id: equal bytes are a duplicate only within this span (the sender's retries); zero means never.
    /// `ordinal` tells equal children of one request apart.
    Bytes { bytes: &'a [u8], ordinal: u32, within: Duration },
}

/// One identity to look up and to remember for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityKey {
    pub digest: Digest,
    /// An earlier arrival counts only if it is at most this old. `None`: however old.
    pub within: Option<Duration>,
}

impl IdentityKey {
    /// Whether an arrival of this key is the same as one that came so much earlier or later.
    #[must_use]
    pub fn counts(&self, apart: Duration) -> bool {
        self.within.is_none_or(|within| apart <= within)
    }
}

/// The key by which a native arrival is known again, or `None` where two equal bodies may be two facts.
#[must_use]
pub fn message_key(scope: &Scope, identity: &MessageIdentity<'_>) -> Option<IdentityKey> {
    match identity {
        MessageIdentity::Id(id) => Some(IdentityKey { digest: scope.key("message", &[id.as_bytes()]), within: None }),
        MessageIdentity::Bytes { within, .. } if within.is_zero() => None,
        MessageIdentity::Bytes { bytes, ordinal, within } => {
            let digest = scope.key("bytes", &[&Digest::of(bytes).0, &ordinal.to_be_bytes()]);
            Some(IdentityKey { digest, within: Some(*within) })
        }
    }
}

/// What marks a subject's state: its version, else the change number of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateMark {
    Version(Version),
    Change(u64),
    /// What was read last of a version of which several states may be read.
    Last(Version),
}

/// The key that joins a native arrival with a reading of the API: (object, id, version, deleted).
#[must_use]
pub fn state_key(scope: &Scope, subject: &Subject, mark: StateMark, deleted: bool) -> IdentityKey {
    let (kind, mark) = match mark {
        StateMark::Version(version) => ("state-version", version.encode()),
        StateMark::Change(number) => ("state-change", number.to_string()),
        StateMark::Last(version) => ("state-last", version.encode()),
    };
    let digest = scope.key(kind, &[subject.as_str().as_bytes(), mark.as_bytes(), &[u8::from(deleted)]]);
    IdentityKey { digest, within: None }
}

/// Numbers equal children of one split request, so that each keeps an identity of its own.
/// Takes the children's bytes in order and gives each one's ordinal among its equals.
#[must_use]
pub fn ordinals<'a>(children: impl IntoIterator<Item = &'a [u8]>) -> Vec<u32> {
    let mut seen = std::collections::HashMap::<Digest, u32>::new();
    children
        .into_iter()
        .map(|bytes| {
            let next = seen.entry(Digest::of(bytes)).or_default();
            *next += 1;
            *next - 1
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(connection: &str) -> Scope {
        Scope {
            tenant: Tenant::default_tenant(),
            source: "shop".parse().expect("a name"),
            connection: connection.parse().expect("a name"),
        }
    }

    #[test]
    fn an_id_is_one_event_within_its_connection_only() {
        let key =
            |connection: &str, id: &str| message_key(&scope(connection), &MessageIdentity::Id(id)).expect("a key");
        assert_eq!(key("a", "1"), key("a", "1"));
        assert_ne!(key("a", "1"), key("b", "1"));
        assert_ne!(key("a", "1"), key("a", "2"));
        assert_eq!(key("a", "1").within, None);
    }

    #[test]
    fn equal_bytes_are_two_facts_unless_the_sender_retries() {
        let bytes = |within| MessageIdentity::Bytes { bytes: b"{}", ordinal: 0, within };
        assert_eq!(message_key(&scope("a"), &bytes(Duration::ZERO)), None);
        let key = message_key(&scope("a"), &bytes(Duration::from_secs(60))).expect("a key");
        assert_eq!(key.within, Some(Duration::from_secs(60)));
    }

    #[test]
    fn an_id_never_meets_a_digest_or_a_state() {
        let digest = Digest::of(b"{}");
        let id = String::from_utf8_lossy(&digest.0).into_owned();
        let by_id = message_key(&scope("a"), &MessageIdentity::Id(&id));
        let by_bytes = message_key(
            &scope("a"),
            &MessageIdentity::Bytes { bytes: b"{}", ordinal: 0, within: Duration::from_secs(1) },
        );
        assert_ne!(by_id.map(|key| key.digest), by_bytes.map(|key| key.digest));
    }

    #[test]
    fn a_to_b_to_a_is_two_changes() {
        let subject = Subject::of("orders", "1");
        let state = |number| state_key(&scope("a"), &subject, StateMark::Change(number), false);
        assert_ne!(state(1), state(3));
    }

    #[test]
    fn equal_children_are_numbered() {
        assert_eq!(ordinals([b"a".as_slice(), b"b", b"a", b"a"]), [0, 0, 1, 2]);
    }
}
