//! The audit log as lines of JSON, for exports: one thing per line, and nothing that a digest or a signature covers is
//! lost.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Cut, Entry, Head, Note, Outcome, Statement, Who, WhoKind};
use crate::identity::Digest;
use crate::{Tenant, Timestamp};

/// One line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Export {
        tenant: String,
        at: Timestamp,
        /// The gateway's version.
        version: String,
        /// The key that signs, sealed by the master key; `None` where nothing was signed yet.
        key: Option<String>,
    },
    Statement(StatementLine),
    /// Where a chain ended when the export began, as the store has it.
    Head(HeadLine),
    Entry(EntryLine),
    Cut(CutLine),
    /// The last line: an export without it is not whole.
    End {
        entries: u64,
    },
}

/// Why a line is not one of an export.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotALine {
    #[error("it is not a line of an audit export: {0}")]
    Form(String),
    #[error("'{0}' is not the name of a tenant")]
    Tenant(String),
}

impl Line {
    /// # Errors
    /// If it is not one, or of a newer form.
    pub fn parse(text: &str) -> Result<Self, NotALine> {
        serde_json::from_str(text).map_err(|error| NotALine::Form(error.to_string()))
    }

    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("lines hold texts and numbers only")
    }
}

/// A digest in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex(pub Digest);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(&self.0.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(|bytes| Self(Digest(bytes))).ok_or_else(|| serde::de::Error::custom("64 hexadecimal digits"))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryLine {
    pub tenant: String,
    pub node: Arc<str>,
    pub sequence: u64,
    pub at: Timestamp,
    pub who: WhoKind,
    pub who_id: Arc<str>,
    pub from: Arc<str>,
    pub action: Arc<str>,
    pub object: Arc<str>,
    pub detail: String,
    pub outcome: Outcome,
    pub began: Option<u64>,
    pub previous: Hex,
    pub digest: Hex,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadLine {
    pub node: Arc<str>,
    pub sequence: u64,
    pub digest: Hex,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementLine {
    pub tenant: String,
    pub signer: Arc<str>,
    pub number: u64,
    pub at: Timestamp,
    pub heads: Vec<HeadLine>,
    pub key: Arc<str>,
    pub signature: Hex,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutLine {
    pub tenant: String,
    pub through: HeadLine,
    pub at: Timestamp,
    pub key: Arc<str>,
    pub signature: Hex,
}

fn tenant(text: &str) -> Result<Tenant, NotALine> {
    text.parse().map_err(|_| NotALine::Tenant(text.to_owned()))
}

impl From<&Entry> for EntryLine {
    fn from(entry: &Entry) -> Self {
        let Note { at, who, from, action, object, detail, outcome, began } = entry.note.clone();
        Self {
            tenant: entry.tenant.to_string(),
            node: Arc::clone(&entry.node),
            sequence: entry.sequence,
            at,
            who: who.kind,
            who_id: who.id,
            from,
            action,
            object,
            detail,
            outcome,
            began,
            previous: Hex(entry.previous),
            digest: Hex(entry.digest),
        }
    }
}

impl TryFrom<EntryLine> for Entry {
    type Error = NotALine;

    fn try_from(line: EntryLine) -> Result<Self, NotALine> {
        let EntryLine { at, who, who_id, from, action, object, detail, outcome, began, .. } = line;
        let who = Who { kind: who, id: who_id };
        Ok(Self {
            tenant: tenant(&line.tenant)?,
            node: line.node,
            sequence: line.sequence,
            note: Note { at, who, from, action, object, detail, outcome, began },
            previous: line.previous.0,
            digest: line.digest.0,
        })
    }
}

impl From<&Head> for HeadLine {
    fn from(head: &Head) -> Self {
        Self { node: Arc::clone(&head.node), sequence: head.sequence, digest: Hex(head.digest) }
    }
}

impl From<HeadLine> for Head {
    fn from(line: HeadLine) -> Self {
        Self { node: line.node, sequence: line.sequence, digest: line.digest.0 }
    }
}

impl From<&Statement> for StatementLine {
    fn from(statement: &Statement) -> Self {
        Self {
            tenant: statement.tenant.to_string(),
            signer: Arc::clone(&statement.signer),
            number: statement.number,
            at: statement.at,
            heads: statement.heads.iter().map(HeadLine::from).collect(),
            key: Arc::clone(&statement.key),
            signature: Hex(statement.signature),
        }
    }
}

impl TryFrom<StatementLine> for Statement {
    type Error = NotALine;

    fn try_from(line: StatementLine) -> Result<Self, NotALine> {
        Ok(Self {
            tenant: tenant(&line.tenant)?,
            signer: line.signer,
            number: line.number,
            at: line.at,
            heads: line.heads.into_iter().map(Head::from).collect(),
            key: line.key,
            signature: line.signature.0,
        })
    }
}

impl From<&Cut> for CutLine {
    fn from(cut: &Cut) -> Self {
        Self {
            tenant: cut.tenant.to_string(),
            through: HeadLine::from(&cut.through),
            at: cut.at,
            key: Arc::clone(&cut.key),
            signature: Hex(cut.signature),
        }
    }
}

impl TryFrom<CutLine> for Cut {
    type Error = NotALine;

    fn try_from(line: CutLine) -> Result<Self, NotALine> {
        let through = line.through.into();
        let tenant = tenant(&line.tenant)?;
        Ok(Self { tenant, through, at: line.at, key: line.key, signature: line.signature.0 })
    }
}
