//! What reading found wrong: collected, so that one run tells every mistake at once.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use serde::Serialize;

use super::tree::{Entry, Node, Span, Value};

/// Most findings that are told: who has more than these has one mistake that causes them all.
pub const FINDINGS_MAX: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is started.
    Error,
    /// It runs, but probably not as meant.
    Warning,
}

/// One mistake: what it is, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Stable, for machines.
    pub code: &'static str,
    /// JSON Pointer (RFC 6901) into the document.
    pub pointer: String,
    pub span: Option<Span>,
    pub message: String,
    pub help: Option<String>,
}

/// Collects findings while sections are read. Readers share it, hence the cells.
#[derive(Default)]
pub struct Findings {
    list: RefCell<Vec<Finding>>,
    left_out: Cell<usize>,
    hidden: RefCell<Vec<Span>>,
    asked: RefCell<BTreeSet<String>>,
}

impl Findings {
    pub fn add(&self, finding: Finding) {
        let mut list = self.list.borrow_mut();
        if list.len() < FINDINGS_MAX {
            list.push(finding);
        } else {
            self.left_out.set(self.left_out.get() + 1);
        }
    }

    /// Marks every scalar of a node as not to be shown when its line is quoted.
    pub fn hide(&self, node: &Node) {
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| self.hide(item)),
            Value::Map(entries) => {
                for entry in entries {
                    self.hide(&entry.node);
                    if entry.is_stray() {
                        self.hide_span(entry.key_span);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Broken => {
                self.hide_span(node.span);
            }
        }
    }

    /// Marks a key and all below it.
    pub(super) fn hide_entry(&self, entry: &Entry) {
        self.hide_span(entry.key_span);
        self.hide(&entry.node);
    }

    /// Marks a stretch as not to be shown when its line is quoted.
    pub fn hide_span(&self, span: Option<Span>) {
        self.hidden.borrow_mut().extend(span);
    }

    /// Remembers that a key was asked for, by its pattern such as `sources.*.publish`.
    pub(super) fn note_key(&self, pattern: String) {
        self.asked.borrow_mut().insert(pattern);
    }

    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.borrow().iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Errors and warnings in the order of the document, and what to keep out of sight when quoting it.
    #[must_use]
    pub fn into_report(self) -> Report {
        let mut findings = self.list.into_inner();
        findings.sort_by_key(|finding| finding.span.map_or(0, |span| span.start));
        Report {
            findings,
            left_out: self.left_out.get(),
            hidden: self.hidden.into_inner(),
            keys: self.asked.into_inner(),
        }
    }
}

/// Everything that one reading of a document found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub findings: Vec<Finding>,
    /// How many more there were than [`FINDINGS_MAX`].
    pub left_out: usize,
    /// What must not be shown when lines of the document are quoted.
    pub hidden: Vec<Span>,
    /// Patterns of every key that was asked for: the reference documentation is held against them.
    pub keys: BTreeSet<String>,
}

impl Report {
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.of(Severity::Error)
    }

    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.of(Severity::Warning)
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.severity == severity)
    }
}
