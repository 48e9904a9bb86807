//! Typed reading of a located tree: every `Option::None` given here has left a finding behind.
//!
//! Sections ask for the keys they know ([`Fields::take`]); what is left over is unknown, and an error.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::findings::{Finding, Findings, Severity};
use super::path::Path;
use super::suggest::nearest;
use super::tree::{Entry, Node, Span, Text, Value, is_plain_key, shown_key};
use super::units::{parse_duration, parse_size, print_duration, print_size};

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

    /// An error at a part of a text: `offset` bytes into it, if that is where it stands in the file too.
    pub fn error_within(&self, offset: Option<usize>, code: &'static str, message: String, help: String) {
        let part = offset.and_then(|offset| self.part(offset));
        self.find(Severity::Error, part.or(self.node.span), code, message, help);
    }

    /// Only a text that stands on one line as it is (not expanded, not escaped) has parts that can be pointed at.
    fn part(&self, offset: usize) -> Option<Span> {
        let (Value::Text(text), Some(span)) = (&self.node.value, self.node.span) else { return None };
        let quotes = span.end.checked_sub(span.start)?.checked_sub(text.as_str().len())? / 2;
        if text.is_expanded() || quotes > 1 || text.as_str().contains(['\n', '\'', '"', '\\']) && quotes == 0 {
            return None;
        }
        let before = text.as_str().get(..offset)?;
        let column = span.column + u32::try_from(quotes + before.chars().count()).ok()?;
        let start = span.start + quotes + offset;
        Some(Span { start, end: (start + 1).min(span.end), line: span.line, column })
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
        let message = format!("'{}' must be {wanted}, not {}", self.path.spoken(), self.node.value.kind());
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

/// Scalars.
impl<'a> At<'a> {
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    fn scalar(&self) -> Option<&'a Text> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Any text that is not empty.
    #[must_use]
    pub fn text(&self) -> Option<&'a Text> {
        match &self.node.value {
            Value::Text(text) if !text.as_str().is_empty() => Some(text),
            Value::Text(_) => {
                self.error("empty", format!("'{}' is empty", self.path.spoken()), "write a text, or leave the key out");
                None
            }
            Value::Number(_) | Value::Bool(_) => {
                let message = format!("'{}' must be a text, not {}", self.path.spoken(), self.node.value.kind());
                self.error("wrong_type", message, "put it in quotes");
                None
            }
            _ => {
                self.wrong_kind("a text");
                None
            }
        }
    }

    /// A text that parses; `wanted` says what it must be, as `a rate`, and `examples` how that looks.
    #[must_use]
    pub fn parsed<T: FromStr>(&self, wanted: &str, examples: &str) -> Option<T> {
        let parsed = self.text()?.as_str().parse().ok();
        if parsed.is_none() {
            self.invalid(wanted, &format!("write it as {examples}"));
        }
        parsed
    }

    /// A name that the owner gave to another object.
    #[must_use]
    pub fn named<T>(&self) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text()?;
        parse_name(text.as_str()).map_err(|problem| self.bad_name(text, &problem)).ok()
    }

    fn bad_name(&self, text: &Text, problem: &str) {
        let message = if text.is_expanded() || !text.is_plain() {
            format!("'{}' is not a name", self.shown(text))
        } else {
            problem.to_owned()
        };
        self.error("invalid_name", message, "");
    }

    #[must_use]
    pub fn flag(&self) -> Option<bool> {
        let flag = match &self.node.value {
            Value::Bool(flag) => Some(*flag),
            Value::Text(text) if text.is_expanded() => text.as_str().parse().ok(),
            _ => None,
        };
        if flag.is_none() {
            self.invalid("true or false", "");
        }
        flag
    }

    /// A whole number within a range, which its limit's reason set.
    #[must_use]
    pub fn integer(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let number = match &self.node.value {
            Value::Number(number) => number.as_u64(),
            Value::Text(text) if text.is_expanded() => text.as_str().parse().ok(),
            _ => None,
        };
        let fitting = number.and_then(|number| u32::try_from(number).ok()).filter(|number| range.contains(number));
        if fitting.is_none() {
            self.invalid(&format!("a whole number from {} to {}", range.start(), range.end()), "");
        }
        fitting
    }

    /// `0%` to `100%`.
    #[must_use]
    pub fn percent(&self) -> Option<u8> {
        let number = self.scalar().and_then(|text| text.as_str().strip_suffix('%')?.parse().ok());
        let share = number.filter(|share| *share <= 100);
        if share.is_none() {
            self.invalid("a share from 0% to 100%", "write it as 10%");
        }
        share
    }

    #[must_use]
    pub fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let (least, most) = (print_duration(*range.start()), print_duration(*range.end()));
        let wanted = format!("a duration from {least} to {most}");
        self.measured(parse_duration, &range, &wanted, "write a number and a unit: 250ms, 10s, 5m, 1h or 7d")
    }

    #[must_use]
    pub fn size(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let wanted = format!("a size from {} to {}", print_size(*range.start()), print_size(*range.end()));
        self.measured(parse_size, &range, &wanted, "write a number and a unit: 512KiB, 25MiB or 1GiB")
    }

    fn measured<T: PartialOrd>(
        &self,
        parse: impl Fn(&str) -> Option<T>,
        range: &RangeInclusive<T>,
        wanted: &str,
        help: &str,
    ) -> Option<T> {
        let value = self.scalar().and_then(|text| parse(text.as_str())).filter(|value| range.contains(value));
        if value.is_none() {
            self.invalid(wanted, help);
        }
        value
    }

    /// One of a few words.
    #[must_use]
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let chosen = choices.iter().find(|(word, _)| *word == text.as_str()).map(|(_, value)| *value);
        if chosen.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let near = if text.is_expanded() { None } else { nearest(text.as_str(), words.iter().copied()) };
            let help =
                near.map_or_else(|| format!("write {}", one_of(&words)), |near| format!("did you mean '{near}'?"));
            self.error("invalid_value", format!("'{}' is not one of {}", self.shown(text), words.join(", ")), help);
        }
        chosen
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
        Some(Fields { at: self.clone(), entries, known: Vec::new() })
    }

    /// As [`At::fields`]; something else counts as a mapping without entries, so that reading goes on.
    #[must_use]
    pub fn fields_or_empty(&self) -> Fields<'a> {
        self.fields().unwrap_or_else(|| Fields { at: self.clone(), entries: &[], known: Vec::new() })
    }

    /// A mapping whose keys are names that the owner chose.
    #[must_use]
    pub fn named_entries<T>(&self) -> Vec<(T, Self)>
    where
        T: FromStr,
        T::Err: Display,
    {
        let named = |entry: &'a Entry| {
            let at = Self {
                node: &entry.node,
                key_span: entry.key_span,
                path: self.path.name(&entry.key),
                findings: self.findings,
            };
            match parse_name(&entry.key) {
                Ok(name) => Some((name, at)),
                Err(problem) => {
                    let is_plain = is_plain_key(&entry.key);
                    at.error_at_key(
                        "invalid_name",
                        if is_plain { problem } else { "this is not a name".to_owned() },
                        "",
                    );
                    self.findings.hide(&entry.node);
                    None
                }
            }
        };
        self.entries().unwrap_or_default().iter().filter_map(named).collect()
    }
}

fn parse_name<T>(text: &str) -> Result<T, String>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn one_of(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [word] => (*word).to_owned(),
        [init @ .., last] => format!("{} or {last}", init.join(", ")),
    }
}

/// A mapping of known keys, each of which is taken once.
pub struct Fields<'a> {
    at: At<'a>,
    entries: &'a [Entry],
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The mapping itself, for findings about it as a whole.
    #[must_use]
    pub const fn at(&self) -> &At<'a> {
        &self.at
    }

    /// The value under a key, if it is there. A key without a value counts as left out.
    pub fn take(&mut self, key: &'static str) -> Option<At<'a>> {
        self.known.push(key);
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
        self.known.push(key);
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
                None if entry.is_stray() => self.stray(entry),
                None if known.is_empty() => self.unknown_key(entry, "nothing can be set here".to_owned()),
                None => self.unknown_key(entry, format!("known here: {}", known.join(", "))),
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

    /// A key that may be a value: it is pointed at, and not quoted.
    fn stray(&self, entry: &'a Entry) {
        self.at.findings.hide_entry(entry);
        let at = At { key_span: entry.key_span, ..self.at.clone() };
        let help = "write it as 'key: value', with a space after the colon";
        at.error_at_key("unknown_key", "what stands here is no key", help);
    }

    fn below(&self, entry: &'a Entry) -> At<'a> {
        let path = self.at.path.key(&entry.key);
        At { node: &entry.node, key_span: entry.key_span, path, findings: self.at.findings }
    }
}
