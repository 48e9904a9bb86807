//! YAML to a located tree: bounded, with variables put in, and with every mistake that does not end the parse told.
//!
//! YAML 1.2 core schema: `true` and `false` are the only booleans, so that `on` or `no` stays a text.

use std::collections::HashMap;

use engine::definition::{Entry, Finding, Findings, Node, Severity, Span, Text, Value, shown_key};
use granit_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::variables::Variables;

/// Deeper than this, nobody meant it; reading recurses once per level.
const DEPTH_MAX: usize = 32;
/// Most values in a file, those repeated by aliases included: what a few lines of aliases could multiply without end.
const NODES_MAX: usize = 100_000;

/// Keys whose values are JSONata, where `$` has a meaning of its own: they are taken as written.
const EXPRESSION_KEYS: [&str; 2] = ["when", "map"];

/// The parse cannot go on. What was wrong is among the findings.
struct Stop;

/// Reads one document, or leaves an error among the findings.
pub(super) fn parse(source: &str, variables: &Variables<'_>, findings: &Findings) -> Option<Node> {
    let mut options = granit_parser::options! { emit_unresolved_aliases: true };
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(source, options);
    let mut loader = Loader { parser, source, variables, findings, anchors: HashMap::new(), nodes: 0 };
    loader.document().ok()
}

struct Loader<'s, 'f> {
    parser: Parser<'s, StrInput<'s>>,
    source: &'s str,
    variables: &'f Variables<'f>,
    findings: &'f Findings,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

type Step<'s> = (Event<'s>, granit_parser::Span);

impl<'s> Loader<'s, '_> {
    fn document(&mut self) -> Result<Node, Stop> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd => return Ok(Node { value: Value::Null, span: None }),
                other => {
                    let root = self.node((other, span), 0, false)?;
                    self.end()?;
                    return Ok(root);
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Stop> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(()),
                _ => {
                    let message = "there is a second document in this file";
                    return self.stop(span_of(&span), "yaml_documents", message, "remove the '---' before it");
                }
            }
        }
    }

    fn next(&mut self) -> Result<Step<'s>, Stop> {
        match self.parser.next_event() {
            Some(Ok(step)) => Ok(step),
            Some(Err(error)) => self.syntax(&error),
            None => Err(Stop),
        }
    }

    fn node(&mut self, (event, span): Step<'s>, depth: usize, as_written: bool) -> Result<Node, Stop> {
        let place = span_of(&span);
        let tag_place = span.tag_span().as_ref().map_or(place, span_of);
        self.count(1, place)?;
        if depth > DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} levels inside each other");
            return self.stop(place, "too_deep", &message, "nothing in this file is nested so deeply");
        }
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.check_tag(tag.as_deref(), tag_place);
                (anchor, self.scalar(&text, style, tag.as_deref(), place, as_written))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), tag_place);
                (anchor, Value::List(self.list(depth)?))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), tag_place);
                (anchor, Value::Map(self.map(depth)?))
            }
            Event::Alias(anchor) => return self.alias(anchor, place),
            Event::UnresolvedAlias(_) => {
                // Not quoted: it may be a secret that begins with a '*'.
                let help = "put the text in quotes, or name what it stands for with '&' before";
                self.error(place, "yaml_alias", "an alias that nothing before it is named by", help);
                (0, Value::Broken)
            }
            _ => return Err(Stop),
        };
        let node = Node { value, span: Some(place) };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// What an alias stands for, with the alias's own place.
    fn alias(&mut self, anchor: usize, place: Span) -> Result<Node, Stop> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return self.stop(
                place,
                "yaml_alias",
                "this alias stands inside of what it names",
                "write the value itself",
            );
        };
        self.count(node.count(), place)?;
        Ok(Node { value: node.value, span: Some(place) })
    }

    fn count(&mut self, nodes: usize, place: Span) -> Result<(), Stop> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            let message = format!("more than {NODES_MAX} values, those repeated by aliases included");
            return self.stop(place, "too_large", &message, "split the configuration, or use fewer aliases");
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                step => items.push(self.node(step, depth + 1, false)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged = Vec::new();
        let mut places: HashMap<String, Span> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            let key_span = span_of(&span);
            let (key, style) = match event {
                Event::MappingEnd => break,
                Event::Scalar(key, style, ..) => (key.into_owned(), style),
                _ => return self.stop(key_span, "yaml_key", "a key must be a plain word", "write it as name: value"),
            };
            let step = self.next()?;
            let node = self.node(step, depth + 1, EXPRESSION_KEYS.contains(&key.as_str()))?;
            if key == "<<" && style == ScalarStyle::Plain {
                merged.extend(self.merge(node, key_span));
            } else if let Some(first) = places.get(&key) {
                self.duplicate(&key, key_span, *first);
                self.findings.hide(&node);
            } else {
                places.insert(key.clone(), key_span);
                entries.push(Entry { key, key_span: Some(key_span), node });
            }
        }
        for entry in merged {
            if places.contains_key(&entry.key) {
                self.findings.hide(&entry.node);
            } else {
                places.insert(entry.key.clone(), entry.key_span.unwrap_or_default());
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// `<<: *base`: the entries of one mapping, or of several, of which the first to have a key wins.
    fn merge(&self, node: Node, place: Span) -> Vec<Entry> {
        let nodes = match node.value {
            Value::List(items) => items,
            value => vec![Node { value, span: node.span }],
        };
        let mut entries = Vec::new();
        for node in nodes {
            match node.value {
                Value::Map(more) => entries.extend(more),
                _ => {
                    self.findings.hide(&node);
                    self.error(place, "yaml_merge", "'<<' takes in mappings only", "write <<: *name");
                }
            }
        }
        entries
    }

    fn duplicate(&self, key: &str, place: Span, first: Span) {
        let shown = shown_key(key);
        let message = format!("'{shown}' is written twice: first in line {}", first.line);
        self.error(place, "duplicate_key", &message, "keep one of them");
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, place: Span, as_written: bool) -> Value {
        let is_text = style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.core_suffix() == Some("str"));
        if as_written {
            let is_block = style == ScalarStyle::Literal;
            return Value::Text(if is_block { Text::block(text.to_owned()) } else { Text::plain(text.to_owned()) });
        }
        if text.contains('$') {
            let written = self.source.get(place.start..place.end).unwrap_or_default();
            return self.variables.expand(text, written, place, self.findings).map_or(Value::Broken, Value::Text);
        }
        if is_text { Value::Text(Text::plain(text.to_owned())) } else { plain(text) }
    }

    fn check_tag(&self, tag: Option<&Tag>, place: Span) {
        let known = |tag: &Tag| {
            tag.core_suffix()
                .is_some_and(|name| matches!(name, "str" | "int" | "float" | "bool" | "null" | "seq" | "map"))
        };
        if tag.is_some_and(|tag| !known(tag)) {
            // Not quoted: it may be a secret that begins with a '!'.
            self.findings.hide_span(Some(place));
            let help = "put the text in quotes, or remove the word that begins with '!'";
            self.error(place, "yaml_tag", "tags have no meaning in this file", help);
        }
    }

    fn error(&self, span: Span, code: &'static str, message: &str, help: &str) {
        let (message, help) = (message.to_owned(), Some(help.to_owned()));
        let pointer = String::new();
        self.findings.add(Finding { severity: Severity::Error, code, pointer, span: Some(span), message, help });
    }

    fn stop<T>(&self, span: Span, code: &'static str, message: &str, help: &str) -> Result<T, Stop> {
        self.error(span, code, message, help);
        Err(Stop)
    }

    fn syntax<T>(&self, error: &ScanError) -> Result<T, Stop> {
        let mark = error.marker();
        let start = mark.byte_offset().unwrap_or(0).min(self.source.len());
        let span = Span { start, end: start, line: number(mark.line()), column: number(mark.col() + 1) };
        let line = self.source.lines().nth(mark.line().saturating_sub(1)).unwrap_or_default();
        let message = format!("this is not YAML: {}", error.info());
        self.stop(span, "yaml_syntax", &message, syntax_help(line))
    }
}

fn syntax_help(line: &str) -> &'static str {
    let unquoted = line.contains("${") && line.contains(['{', '[']) && !line.contains("\"${");
    if unquoted {
        "put the variable in quotes: \"${NAME}\""
    } else if line.starts_with('\t') {
        "indent with spaces, not with tabs"
    } else {
        "look for a missing quote, bracket or colon here or in the line before"
    }
}

fn span_of(span: &granit_parser::Span) -> Span {
    let range = span.byte_range().unwrap_or(0..0);
    Span { start: range.start, end: range.end, line: number(span.start.line()), column: number(span.start.col() + 1) }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// What an unquoted word means.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => numeric(text).map_or_else(|| Value::Text(Text::plain(text.to_owned())), Value::Number),
    }
}

fn numeric(text: &str) -> Option<serde_json::Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.starts_with("0x") || digits.starts_with("0o") {
        let radix = if digits.starts_with("0x") { 16 } else { 8 };
        return u64::from_str_radix(&text[2..], radix).ok().map(Into::into);
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || !digits.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let whole = unsigned.parse::<u64>().map(Into::into).or_else(|_| unsigned.parse::<i64>().map(Into::into));
    whole.ok().or_else(|| unsigned.parse::<f64>().ok().and_then(serde_json::Number::from_f64))
}
