//! The audit log: who did what, as entries that are chained by their digests, one chain per tenant and node.
//!
//! An entry never holds a secret or a payload: what somebody changed is named, not quoted.

mod line;
mod sign;
mod verify;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::identity::Digest;
use crate::{Tenant, Timestamp};

pub use line::{CutLine, EntryLine, HeadLine, Hex, Line, NotALine, StatementLine};
pub use sign::{AuditKey, Cut, Statement};
pub use verify::{Fault, Verdict, Verifier};

/// What the digest of an entry begins with, so that no other digest of ours can be taken for one.
const ENTRY_FORM: &str = "trireme audit entry 1";
/// Longest text of one field, in characters: an entry is a line, not a document.
pub const FIELD_CHARS_MAX: usize = 1_000;

/// What stands for the entry before the first.
pub const GENESIS: Digest = Digest([0; 32]);

/// What kind of caller did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhoKind {
    /// An API key, used by a program.
    Key,
    /// A person at the dashboard, by the key that opened their session.
    Session,
    /// The command line: by an API key, or by a person who can read the store and its master key.
    Cli,
    /// The configuration file, by its digest.
    File,
    /// The gateway by itself.
    System,
    /// Nobody that is known: a login that failed.
    Unknown,
}

impl WhoKind {
    pub const ALL: [Self; 6] = [Self::Key, Self::Session, Self::Cli, Self::File, Self::System, Self::Unknown];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Session => "session",
            Self::Cli => "cli",
            Self::File => "file",
            Self::System => "system",
            Self::Unknown => "unknown",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub kind: WhoKind,
    /// Public name of the key, or digest of the file; empty where there is none.
    pub id: Arc<str>,
}

impl Who {
    #[must_use]
    pub fn new(kind: WhoKind, id: impl Into<Arc<str>>) -> Self {
        Self { kind, id: id.into() }
    }

    #[must_use]
    pub fn system() -> Self {
        Self::new(WhoKind::System, "")
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is about to be done. An entry that says how it ended follows, unless the process ended first.
    Begun,
    Done,
    /// It was allowed, and did not succeed.
    Failed,
    /// Whoever asked may not.
    Refused,
}

impl Outcome {
    pub const ALL: [Self; 4] = [Self::Begun, Self::Done, Self::Failed, Self::Refused];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// What is to be written down. Its place in a chain is given to it when it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub at: Timestamp,
    pub who: Who,
    /// The address it came from, as judged by the trusted proxies; empty where there is none.
    pub from: Arc<str>,
    /// A stable code, such as `destination.pause`.
    pub action: Arc<str>,
    /// What it was done to, as `destination/app`; empty where the action says all.
    pub object: Arc<str>,
    pub detail: String,
    pub outcome: Outcome,
    /// The entry of the same chain that said that this was begun.
    pub began: Option<u64>,
}

impl Note {
    /// The same with every text within its bound, and without characters that would break a line.
    #[must_use]
    pub fn bounded(self) -> Self {
        let who = Who { id: short(&self.who.id).into(), ..self.who };
        let (from, action, object) = (short(&self.from).into(), short(&self.action).into(), short(&self.object).into());
        Self { who, from, action, object, detail: short(&self.detail), ..self }
    }
}

fn short(text: &str) -> String {
    let plain = |char: char| if char.is_control() { ' ' } else { char };
    text.chars().take(FIELD_CHARS_MAX).map(plain).collect()
}

/// One entry in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub tenant: Tenant,
    /// The node whose chain it is in.
    pub node: Arc<str>,
    /// From 1, without gaps within a chain.
    pub sequence: u64,
    pub note: Note,
    /// Digest of the entry before.
    pub previous: Digest,
    /// Digest of this one.
    pub digest: Digest,
}

impl Entry {
    /// The entry that follows `head` in its chain.
    #[must_use]
    pub fn after(head: &Head, tenant: Tenant, note: Note) -> Self {
        let (sequence, previous) = (head.sequence.saturating_add(1), head.digest);
        let node = Arc::clone(&head.node);
        let mut entry = Self { tenant, node, sequence, note: note.bounded(), previous, digest: GENESIS };
        entry.digest = entry.computed();
        entry
    }

    /// The digest that its content has.
    #[must_use]
    pub fn computed(&self) -> Digest {
        Digest::of(&self.canonical())
    }

    /// What is digested: every field behind its length, so that no two entries are spelt alike.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let note = &self.note;
        let began = note.began.map(u64::to_be_bytes);
        spelt(&[
            ENTRY_FORM.as_bytes(),
            self.tenant.as_str().as_bytes(),
            self.node.as_bytes(),
            &self.sequence.to_be_bytes(),
            &note.at.as_micros().to_be_bytes(),
            note.who.kind.as_str().as_bytes(),
            note.who.id.as_bytes(),
            note.from.as_bytes(),
            note.action.as_bytes(),
            note.object.as_bytes(),
            note.detail.as_bytes(),
            note.outcome.as_str().as_bytes(),
            began.as_ref().map_or(&[][..], |began| &began[..]),
            &self.previous.0,
        ])
    }

    #[must_use]
    pub fn head(&self) -> Head {
        Head { node: Arc::clone(&self.node), sequence: self.sequence, digest: self.digest }
    }
}

/// The end of a chain: its last entry's number and digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub node: Arc<str>,
    pub sequence: u64,
    pub digest: Digest,
}

impl Head {
    /// Of a chain that has no entry yet.
    #[must_use]
    pub fn genesis(node: Arc<str>) -> Self {
        Self { node, sequence: 0, digest: GENESIS }
    }
}

/// Parts, each behind its length.
fn spelt(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&(part.len() as u64).to_be_bytes()[..], part].concat()).collect()
}
