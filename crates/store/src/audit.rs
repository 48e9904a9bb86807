//! The audit log: entries appended to chains, statements about their ends, and what is removed for its age. There is no
//! verb that changes an entry.

use std::sync::Arc;

use domain::audit::{Cut, Entry, Head, HeadLine, Note, Outcome, Statement};
use domain::{Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Verb;
use crate::error::StoreError;
use crate::read::{Listed, Page, Position};

/// Which entries a list has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditFilter {
    /// The kind of caller, or the name of the key.
    pub who: Option<String>,
    /// Exact, or a prefix when it ends with `*`.
    pub action: Option<String>,
    /// Exact, or a prefix when it ends with `*`.
    pub object: Option<String>,
    pub outcome: Option<Outcome>,
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    /// Whether nothing but time is asked for.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.who.is_none() && self.action.is_none() && self.object.is_none() && self.outcome.is_none()
    }

    /// Times aside, which the stores look for by their index. `ended`: another entry says how this one ended, so that
    /// it says nothing by itself.
    #[must_use]
    pub fn matches(&self, entry: &Entry, ended: bool) -> bool {
        let note = &entry.note;
        let who = |wanted: &str| wanted == note.who.kind.as_str() || wanted == &*note.who.id;
        self.who.as_deref().is_none_or(who)
            && self.action.as_deref().is_none_or(|wanted| fits(&note.action, wanted))
            && self.object.as_deref().is_none_or(|wanted| fits(&note.object, wanted))
            && self.outcome.is_none_or(|wanted| wanted == note.outcome)
            && !ended
    }
}

fn fits(text: &str, wanted: &str) -> bool {
    wanted.strip_suffix('*').map_or(text == wanted, |prefix| text.starts_with(prefix))
}

/// Where an entry stands in a list: by time, then by number, then by node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPlace {
    pub at: Timestamp,
    pub sequence: u64,
    pub node: Arc<str>,
}

impl AuditPlace {
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        Self { at: entry.note.at, sequence: entry.sequence, node: Arc::clone(&entry.node) }
    }

    /// Where a page of this filter begins: everything in it is before this.
    ///
    /// # Errors
    /// If the page's position is none of a list of entries.
    pub fn begin(filter: &AuditFilter, page: &Page) -> Result<Self, StoreError> {
        let end = Self { at: filter.until.unwrap_or(Timestamp::NEVER), sequence: 0, node: "".into() };
        match &page.after {
            None => Ok(end),
            Some(position) => Self::parse(position).filter(|place| place.at < end.at).ok_or_else(|| {
                StoreError::Refused(format!("'{}' is no place in this list; start again without it", position.0))
            }),
        }
    }

    #[must_use]
    pub fn position(&self) -> Position {
        Position(format!("{}.{}.{}", self.at.as_micros(), self.sequence, self.node))
    }

    fn parse(position: &Position) -> Option<Self> {
        let mut parts = position.0.splitn(3, '.');
        let at = Timestamp::from_micros(parts.next()?.parse().ok()?);
        Some(Self { at, sequence: parts.next()?.parse().ok()?, node: parts.next()?.into() })
    }
}

/// A chain: where it ends, and where its beginning was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub tenant: Tenant,
    pub head: Head,
    pub cut: Option<Cut>,
}

pub trait Audit: Send + Sync + 'static {
    /// Appends to the chain of a tenant and node, whoever else does so at the same time; gives the entries in their
    /// places. All of them or none.
    fn append_audit(&self, tenant: Tenant, node: Arc<str>, notes: Vec<Note>) -> Verb<'_, Vec<Entry>>;

    /// Newest first. One that was begun and has ended is left out: its ending says all.
    fn audit(&self, tenant: Tenant, filter: AuditFilter, page: Page) -> Verb<'_, Listed<Entry>>;

    /// Entries of one chain in their order, from behind the number on.
    fn audit_chain(&self, tenant: Tenant, node: Arc<str>, after: u64, limit: u32) -> Verb<'_, Vec<Entry>>;

    /// The chains of a tenant, or of all, by tenant and node.
    fn audit_chains(&self, tenant: Option<Tenant>) -> Verb<'_, Vec<Chain>>;

    /// Keeps a statement; one of the same signer and number is a conflict.
    fn put_audit_statement(&self, statement: Statement) -> Verb<'_, ()>;

    /// Statements by signer and number, from behind those on.
    fn audit_statements(&self, tenant: Tenant, after: (Arc<str>, u64), limit: u32) -> Verb<'_, Vec<Statement>>;

    /// The newest statement of a signer.
    fn last_audit_statement(&self, tenant: Tenant, signer: Arc<str>) -> Verb<'_, Option<Statement>>;

    /// Removes the entries of a chain up to the cut, which is kept, and the tenant's statements from before the time. A
    /// cut before the one that is kept changes nothing.
    fn prune_audit(&self, cut: Cut, statements_before: Timestamp) -> Verb<'_, ()>;
}

/// The heads of a statement as the stores keep them.
///
/// # Panics
/// Never: lines hold texts and numbers only.
#[must_use]
pub fn heads_to_json(heads: &[Head]) -> String {
    let lines: Vec<HeadLine> = heads.iter().map(HeadLine::from).collect();
    serde_json::to_string(&lines).expect("lines hold texts and numbers only")
}

/// What [`heads_to_json`] gave.
///
/// # Errors
/// [`StoreError::Corrupt`] for anything else.
pub fn heads_from_json(text: &str) -> Result<Vec<Head>, StoreError> {
    let lines: Result<Vec<HeadLine>, _> = serde_json::from_str(text);
    let lines = lines.map_err(|_| StoreError::Corrupt("the audit log holds a statement without heads".to_owned()))?;
    Ok(lines.into_iter().map(Head::from).collect())
}
