//! A document as a tree whose every part knows its place and can be left out, and written out again without what is.
//! Only for documents that are wrong: what is right is read directly.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::Mistake;
use crate::provider::error::Place;

/// Deeper than this nobody meant it; building recurses once per level.
const DEPTH_MAX: usize = 64;
/// Most parts, those that aliases repeat included: some ten times those of the longest recipe.
const NODES_MAX: usize = 200_000;

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// As it is to be written again.
    Scalar(String),
    List(Vec<Part>),
    Map(Vec<Part>),
}

/// An item of a list, or an entry of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Empty in a list.
    pub key: String,
    /// Of the key, in a mapping.
    pub place: Place,
    pub node: Node,
    pub left_out: bool,
    /// Nobody wrote it: it stands in for what is missing.
    pub stands_in: bool,
}

impl Part {
    fn new(key: String, place: Place, node: Node) -> Self {
        Self { key, place, node, left_out: false, stands_in: false }
    }

    /// An empty text, which is right for most of what can be missing.
    pub fn standing_in(key: &str, place: Place) -> Self {
        let node = Node { place, value: Value::Scalar(quoted("")) };
        Self { stands_in: true, ..Self::new(key.to_owned(), place, node) }
    }
}

/// What stands in one line of a document that was written out.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// From the root to a part: each step is a number among the parts.
    pub path: Vec<usize>,
    is_key: bool,
}

impl Line {
    /// The mapping that a key of this line belongs to, or that begins in it.
    pub fn mapping(&self) -> &[usize] {
        if self.is_key { &self.path[..self.path.len() - 1] } else { &self.path }
    }
}

/// Reads a document; every key that is written twice is noted, and counts the first time. `None` where it is no YAML,
/// or more than anybody means.
pub(super) fn read(text: &str, mistakes: &mut Vec<Mistake>) -> Option<Node> {
    let parser = Parser::new_from_str(text);
    let mut reader = Reader { parser, anchors: HashMap::new(), nodes: 0, mistakes };
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(..) | Event::Comment(..), _) => {}
            step => return reader.node(step, 0),
        }
    }
}

struct Reader<'t, 'm> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    mistakes: &'m mut Vec<Mistake>,
}

impl<'t> Reader<'t, '_> {
    fn next(&mut self) -> Option<(Event<'t>, Span)> {
        loop {
            match self.parser.next_event()?.ok()? {
                (Event::Comment(..), _) => {}
                step => return Some(step),
            }
        }
    }

    fn node(&mut self, (event, span): (Event<'t>, Span), depth: usize) -> Option<Node> {
        self.count(1)?;
        let place = place_of(&span);
        let (anchor, value) = match event {
            _ if depth > DEPTH_MAX => return None,
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain || tag.is_some();
                (anchor, Value::Scalar(if is_text { quoted(&text) } else { plain(&text) }))
            }
            Event::SequenceStart(_, anchor, _) => (anchor, Value::List(self.list(depth)?)),
            Event::MappingStart(_, anchor, _) => (anchor, Value::Map(self.map(depth)?)),
            Event::Alias(anchor) => {
                let named = self.anchors.get(&anchor)?.clone();
                self.count(named.count())?;
                return Some(Node { place, ..named });
            }
            _ => return None,
        };
        let node = Node { place, value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Some(node)
    }

    fn count(&mut self, nodes: usize) -> Option<()> {
        self.nodes += nodes;
        (self.nodes <= NODES_MAX).then_some(())
    }

    fn list(&mut self, depth: usize) -> Option<Vec<Part>> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Some(items),
                step => {
                    let node = self.node(step, depth + 1)?;
                    items.push(Part::new(String::new(), node.place, node));
                }
            }
        }
    }

    fn map(&mut self, depth: usize) -> Option<Vec<Part>> {
        let (mut entries, mut merged): (Vec<Part>, Vec<Part>) = (Vec::new(), Vec::new());
        loop {
            let (key, place) = match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(key, ..), span) => (key.into_owned(), place_of(&span)),
                _ => return None,
            };
            let step = self.next()?;
            let node = self.node(step, depth + 1)?;
            if key == "<<" {
                merged.extend(taken_in(node));
            } else if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let message = format!("'{key}' is written twice: first in line {}", first.place.line);
                self.mistakes.push(Mistake { place, message, help: Some("keep one of them".to_owned()) });
            } else {
                entries.push(Part::new(key, place, node));
            }
        }
        for entry in merged {
            if !entries.iter().any(|own| own.key == entry.key) {
                entries.push(entry);
            }
        }
        Some(entries)
    }
}

/// What `<<` takes in: the entries of one mapping, or of several.
fn taken_in(node: Node) -> Vec<Part> {
    match node.value {
        Value::Map(entries) => entries,
        Value::List(items) => items.into_iter().flat_map(|item| taken_in(item.node)).collect(),
        Value::Scalar(_) => Vec::new(),
    }
}

impl Node {
    pub fn parts(&self) -> &[Part] {
        match &self.value {
            Value::List(parts) | Value::Map(parts) => parts,
            Value::Scalar(_) => &[],
        }
    }

    pub fn at(&self, path: &[usize]) -> &Self {
        path.iter().fold(self, |node, step| &node.parts()[*step].node)
    }

    pub fn at_mut(&mut self, path: &[usize]) -> Option<&mut Self> {
        let mut node = self;
        for step in path {
            node = &mut node.parts_mut()?.get_mut(*step)?.node;
        }
        Some(node)
    }

    /// The last part on a path, if it is not the root.
    pub fn part(&mut self, path: &[usize]) -> Option<&mut Part> {
        let (last, before) = path.split_last()?;
        self.at_mut(before)?.parts_mut()?.get_mut(*last)
    }

    /// Whether an entry of this name is written.
    pub fn has(&self, key: &str) -> bool {
        self.parts().iter().any(|part| part.key == key && !part.left_out)
    }

    /// Gives whether there was a mapping to add to.
    pub fn add(&mut self, part: Part) -> bool {
        match &mut self.value {
            Value::Map(parts) => parts.push(part),
            Value::Scalar(_) | Value::List(_) => return false,
        }
        true
    }

    fn parts_mut(&mut self) -> Option<&mut Vec<Part>> {
        match &mut self.value {
            Value::List(parts) | Value::Map(parts) => Some(parts),
            Value::Scalar(_) => None,
        }
    }

    fn count(&self) -> usize {
        1 + self.parts().iter().map(|part| part.node.count()).sum::<usize>()
    }

    /// The document without what is left out, and of each of its lines which part stands there.
    pub fn write(&self) -> (String, Vec<Line>) {
        let mut written = Written::default();
        written.node(self, &mut Vec::new());
        (written.text, written.lines)
    }
}

#[derive(Default)]
struct Written {
    text: String,
    lines: Vec<Line>,
}

impl Written {
    fn line(&mut self, text: &str, path: &[usize], is_key: bool) {
        self.text.push_str(text);
        self.text.push('\n');
        self.lines.push(Line { path: path.to_vec(), is_key });
    }

    fn node(&mut self, node: &Node, path: &mut Vec<usize>) {
        let (open, close) = match &node.value {
            Value::Scalar(text) => return self.line(text, path, false),
            Value::List(_) => ("[", "]"),
            Value::Map(_) => ("{", "}"),
        };
        self.line(open, path, false);
        for (number, part) in node.parts().iter().enumerate().filter(|(_, part)| !part.left_out) {
            path.push(number);
            if matches!(node.value, Value::Map(_)) {
                self.line(&format!("{}:", quoted(&part.key)), path, true);
            }
            self.node(&part.node, path);
            self.line(",", path, false);
            path.pop();
        }
        self.line(close, path, false);
    }
}

/// What JSON writes is YAML, and never anything but a text.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// As it stands, so that it is read as the same; in quotes where the signs beside it would change it.
fn plain(text: &str) -> String {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-' | b'_' | b'~');
    if text.bytes().all(is_safe) && text != "-" { text.to_owned() } else { quoted(text) }
}

fn place_of(span: &Span) -> Place {
    Place { line: span.start.line() as u64, column: span.start.col() as u64 + 1 }
}
