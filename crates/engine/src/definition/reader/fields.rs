//! Mappings with keys that the code knows: sections take what they know, and what is left over is an error.

use super::At;
use crate::definition::nearest;
use crate::definition::tree::{Entry, shown_key};

/// A mapping of known keys, each of which is taken once.
pub struct Fields<'a> {
    at: At<'a>,
    entries: &'a [Entry],
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(at: At<'a>, entries: &'a [Entry]) -> Self {
        Self { at, entries, known: Vec::new() }
    }

    /// The mapping itself, for findings about it as a whole.
    #[must_use]
    pub const fn at(&self) -> &At<'a> {
        &self.at
    }

    /// The value under a key, if it is there. A key without a value counts as left out.
    pub fn take(&mut self, key: &'static str) -> Option<At<'a>> {
        self.know(key);
        self.at.findings.note_key(self.at.path.key(key).pattern().to_owned());
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        let at = self.below(entry);
        (!at.is_null()).then_some(at)
    }

    /// The value under a key that must be there; `wanted` says what to write.
    pub fn require(&mut self, key: &'static str, wanted: &str) -> Option<At<'a>> {
        let taken = self.take(key);
        if taken.is_none() {
            let of = self.at.path.spoken();
            let message = if of.is_empty() { format!("'{key}' is missing") } else { format!("'{of}' has no '{key}'") };
            self.at.error("missing_key", message, format!("add {wanted}"));
        }
        taken
    }

    /// A key that belongs to a later version: never silently accepted.
    pub fn refuse(&mut self, key: &'static str, why: &str) {
        if let Some(entry) = self.entries.iter().find(|entry| entry.key == key) {
            self.at.findings.hide(&entry.node);
            let (message, help) = (format!("this version has no '{key}': {why}"), "remove it".to_owned());
            self.below(entry).error_at_key("not_in_this_version", message, help);
        }
        self.know(key);
    }

    fn know(&mut self, key: &'static str) {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
    }

    /// Whether a key is written at all.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// What no [`Fields::take`] asked for, to be judged by somebody who knows more keys.
    #[must_use]
    pub fn rest(&self) -> Vec<(&'a str, At<'a>)> {
        let left = self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str()));
        left.map(|entry| (entry.key.as_str(), self.below(entry))).collect()
    }

    /// Every key that was not taken is an error.
    pub fn finish(self) {
        self.finish_knowing(&[]);
    }

    /// As [`Fields::finish`], for a mapping some of whose keys were judged elsewhere.
    pub fn finish_knowing(self, others: &[&str]) {
        let known: Vec<&str> = self.known.iter().copied().chain(others.iter().copied()).collect();
        for entry in self.unknown(&known) {
            match nearest(&entry.key, known.iter().copied()) {
                Some(near) => self.slip(entry, near),
                None if entry.is_stray() && entry.key_span.is_some() => self.stray(entry, &known),
                None => self.unknown_key(entry, known_here(&known)),
            }
        }
    }

    /// As [`Fields::finish`], where what else is known cannot be told: only slips are errors.
    pub fn finish_with_slips(self) {
        for entry in self.unknown(&self.known) {
            match nearest(&entry.key, self.known.iter().copied()) {
                Some(near) => self.slip(entry, near),
                None => self.at.findings.hide_entry(entry),
            }
        }
    }

    fn unknown(&self, known: &[&str]) -> Vec<&'a Entry> {
        self.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())).collect()
    }

    fn slip(&self, entry: &'a Entry, near: &str) {
        self.unknown_key(entry, format!("did you mean '{near}'?"));
    }

    fn unknown_key(&self, entry: &'a Entry, help: String) {
        self.at.findings.hide(&entry.node);
        self.below(entry).error_at_key("unknown_key", format!("unknown key '{}'", shown_key(&entry.key)), help);
    }

    /// A key in a file that may be a value: it is pointed at, and not quoted.
    fn stray(&self, entry: &'a Entry, known: &[&str]) {
        self.at.findings.hide_entry(entry);
        let at = At { key_span: entry.key_span, ..self.at.clone() };
        let help = format!("{}; written as 'key: value', with a space after the colon", known_here(known));
        at.error_at_key("unknown_key", "unknown key", help);
    }

    fn below(&self, entry: &'a Entry) -> At<'a> {
        let path = self.at.path.key(&entry.key);
        At { node: &entry.node, key_span: entry.key_span, path, findings: self.at.findings }
    }
}

fn known_here(known: &[&str]) -> String {
    if known.is_empty() { "nothing can be set here".to_owned() } else { format!("known here: {}", known.join(", ")) }
}
