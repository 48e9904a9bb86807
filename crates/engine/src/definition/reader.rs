//! Typed reading of a located tree: every `Option::None` given here has left a finding behind.

mod fields;
mod place;
mod scalar;

use std::fmt::Display;
use std::str::FromStr;

pub use self::fields::Fields;
use self::place::part_of;
use super::findings::{Finding, Findings, Severity};
use super::path::Path;
use super::tree::{Entry, Node, Span, Text, Value, is_plain_key};

/// A value being read.
#[derive(Clone)]
pub struct At<'a> {
    node: &'a Node,
    /// Of the key that it stands under, if it does.
    key_span: Option<Span>,
    path: Path,
    findings: &'a Findings,
}

impl<'a> At<'a> {
    /// The whole document.
    #[must_use]
    pub fn root(node: &'a Node, findings: &'a Findings) -> Self {
        Self { node, key_span: None, path: Path::default(), findings }
    }

    #[must_use]
    pub const fn node(&self) -> &'a Node {
        self.node
    }

    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub const fn findings(&self) -> &'a Findings {
        self.findings
    }

    pub fn error(&self, code: &'static str, message: impl Into<String>, help: impl Into<String>) {
        self.find(Severity::Error, self.span(), code, message.into(), help.into());
    }

    pub fn warning(&self, code: &'static str, message: impl Into<String>, help: impl Into<String>) {
        self.find(Severity::Warning, self.span(), code, message.into(), help.into());
    }

    /// About the key rather than its value.
    pub fn error_at_key(&self, code: &'static str, message: impl Into<String>, help: impl Into<String>) {
        let span = self.key_span.or(self.node.span);
        self.find(Severity::Error, span, code, message.into(), help.into());
    }

    /// Where a finding about this value points: what is wrong with a whole block is best told at its key.
    fn span(&self) -> Option<Span> {
        match self.node.value {
            Value::Map(_) | Value::List(_) | Value::Null => self.key_span.or(self.node.span),
            Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Broken => self.node.span,
        }
    }

    /// An error at a line and column of a text, both from 1. Where the file shows that place it is pointed at, else
    /// the message names it.
    pub fn error_within(&self, place: Option<(usize, usize)>, code: &'static str, message: &str, help: &str) {
        let part = place.and_then(|(line, column)| part_of(self.node, line, column));
        let message = match (part, place) {
            (None, Some((line, column))) => format!("line {line}, column {column}: {message}"),
            _ => message.to_owned(),
        };
        self.find(Severity::Error, part.or(self.node.span), code, message, help.to_owned());
    }

    fn find(&self, severity: Severity, span: Option<Span>, code: &'static str, message: String, help: String) {
        let help = (!help.is_empty()).then_some(help);
        let pointer = self.path.pointer().to_owned();
        self.findings.add(Finding { severity, code, pointer, span, message, help });
    }

    /// What a finding may say of this value; what it may not say, its line does not show either.
    pub(super) fn shown<'t>(&self, text: &'t Text) -> &'t str {
        if !text.is_plain() {
            self.findings.hide(self.node);
        }
        text.shown()
    }

    fn is_broken(&self) -> bool {
        matches!(self.node.value, Value::Broken)
    }

    fn wrong_kind(&self, wanted: &str) {
        if self.is_broken() {
            return;
        }
        self.findings.hide(self.node);
        let what = match self.path.spoken() {
            whole if whole.is_empty() => "all of it".to_owned(),
            key => format!("'{key}'"),
        };
        let message = format!("{what} must be {wanted}, not {}", self.node.value.kind());
        self.error("wrong_type", message, "");
    }

    fn invalid(&self, wanted: &str, help: &str) {
        let shown = match &self.node.value {
            Value::Broken => return,
            Value::Text(text) => format!("'{}'", self.shown(text)),
            Value::Number(number) => format!("'{number}'"),
            other => other.kind().to_owned(),
        };
        self.error("invalid_value", format!("{shown} is not {wanted}"), help);
    }
}

/// Collections.
impl<'a> At<'a> {
    /// The items of a list.
    #[must_use]
    pub fn items(&self) -> Option<Vec<Self>> {
        let Value::List(items) = &self.node.value else {
            self.wrong_kind("a list");
            return None;
        };
        Some(self.numbered(items))
    }

    /// The items of a list, or the one value that stands for a list of one.
    #[must_use]
    pub fn one_or_many(&self) -> Vec<Self> {
        match &self.node.value {
            Value::List(items) => self.numbered(items),
            _ => vec![self.clone()],
        }
    }

    fn numbered(&self, items: &'a [Node]) -> Vec<Self> {
        let at = |(index, node)| Self { node, key_span: None, path: self.path.index(index), findings: self.findings };
        items.iter().enumerate().map(at).collect()
    }

    fn entries(&self) -> Option<&'a [Entry]> {
        match &self.node.value {
            Value::Map(entries) => Some(entries),
            // `sources:` with nothing below it is how an empty section looks in YAML.
            Value::Null => Some(&[]),
            _ => {
                self.wrong_kind("a mapping");
                None
            }
        }
    }

    /// A mapping whose keys the code knows.
    #[must_use]
    pub fn fields(&self) -> Option<Fields<'a>> {
        let entries = self.entries()?;
        Some(Fields::new(self.clone(), entries))
    }

    /// As [`At::fields`]; something else counts as a mapping without entries, so that reading goes on.
    #[must_use]
    pub fn fields_or_empty(&self) -> Fields<'a> {
        self.fields().unwrap_or_else(|| Fields::new(self.clone(), &[]))
    }

    /// A mapping whose keys are names that the owner chose.
    #[must_use]
    pub fn named_entries<T>(&self) -> Vec<(T, Self)>
    where
        T: FromStr,
        T::Err: Display,
    {
        let named = |entry: &'a Entry| {
            let at = self.of_owner(entry);
            match parse_name(&entry.key) {
                Ok(name) => Some((name, at)),
                Err(problem) => {
                    let shown = if is_plain_key(&entry.key) { &problem } else { "this is not a name" };
                    at.error_at_key(
                        "invalid_name",
                        shown,
                        rule_of(&problem).filter(|_| shown != problem).unwrap_or(""),
                    );
                    self.findings.hide(&entry.node);
                    None
                }
            }
        };
        self.entries().unwrap_or_default().iter().filter_map(named).collect()
    }

    /// The same, where whatever is written may be a name.
    #[must_use]
    pub fn own_entries(&self) -> Vec<(&'a str, Self)> {
        let entries = self.entries().unwrap_or_default();
        entries.iter().map(|entry| (entry.key.as_str(), self.of_owner(entry))).collect()
    }

    /// What stands under a key that the owner chose.
    fn of_owner(&self, entry: &'a Entry) -> Self {
        let path = self.path.name(&entry.key);
        Self { node: &entry.node, key_span: entry.key_span, path, findings: self.findings }
    }
}

/// What a name may be, apart from the text that is none, which perhaps must not be shown.
fn rule_of(problem: &str) -> Option<&str> {
    problem.rfind("use ").map(|at| &problem[at..])
}

fn parse_name<T>(text: &str) -> Result<T, String>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}
