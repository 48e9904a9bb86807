//! YAML to a tree with places: one document, bounded, anchors and merge keys included.

use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};
use rustc_hash::{FxHashMap, FxHashSet};

use super::scalar;
use super::tree::{Table, Tree, Value};
use crate::manifest::problem::{Fault, Place, Problem};

/// How much of a document is taken in.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest public manifest has 1.3 MB.
    pub text_bytes_max: usize,
    /// Levels inside each other: reading recurses once per level.
    pub depth_max: usize,
    /// Values written in the document, and entries taken in by `<<`.
    pub values_max: usize,
    /// Values visited while one stream is read, references followed: a few lines of references to references could
    /// be walked without end.
    pub steps_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { text_bytes_max: 16 << 20, depth_max: 128, values_max: 1_000_000, steps_max: 2_000_000 }
    }
}

pub(super) struct Parsed {
    pub root: Arc<Tree>,
    pub warnings: Vec<Problem>,
}

/// Reads one document.
pub(super) fn parse(file: &Arc<str>, text: &str, limits: &Limits) -> Result<Parsed, Problem> {
    if text.len() > limits.text_bytes_max {
        let message = format!("has {} bytes; a manifest may have {}", text.len(), limits.text_bytes_max);
        return Err(Problem::new(Fault::TooLarge, Arc::clone(file), Place::default(), String::new(), message));
    }
    let mut options = granit_parser::options! { emit_unresolved_aliases: true };
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(text, options);
    let mut loader = Loader {
        parser,
        file,
        limits,
        anchors: FxHashMap::default(),
        words: FxHashSet::default(),
        values: 0,
        warnings: Vec::new(),
    };
    let root = loader.document()?;
    Ok(Parsed { root, warnings: loader.warnings })
}

struct Loader<'s> {
    parser: Parser<'s, StrInput<'s>>,
    file: &'s Arc<str>,
    limits: &'s Limits,
    anchors: FxHashMap<usize, Arc<Tree>>,
    /// Keys and short values come again and again; each is kept once.
    words: FxHashSet<Arc<str>>,
    values: usize,
    warnings: Vec<Problem>,
}

type Step<'s> = (Event<'s>, granit_parser::Span);

/// Longer texts hardly ever repeat.
const WORD_BYTES_MAX: usize = 32;
/// Who has more of them has one mistake that causes them all.
const WARNINGS_MAX: usize = 100;

impl<'s> Loader<'s> {
    fn document(&mut self) -> Result<Arc<Tree>, Problem> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, _) => {
                    return Ok(Arc::new(Tree { value: Value::Null, place: Place::default() }));
                }
                step => {
                    let root = self.tree(step, 0)?;
                    self.end()?;
                    return Ok(root);
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Problem> {
        loop {
            match self.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok(()),
                (_, span) => {
                    return self.syntax(place_of(&span), "a second document begins here; remove the '---' before it");
                }
            }
        }
    }

    fn next(&mut self) -> Result<Step<'s>, Problem> {
        match self.parser.next_event() {
            Some(Ok(step)) => Ok(step),
            Some(Err(error)) => Err(self.scan_error(&error)),
            None => self.syntax(Place::default(), "the text ends in the middle of the document"),
        }
    }

    fn tree(&mut self, (event, span): Step<'s>, depth: usize) -> Result<Arc<Tree>, Problem> {
        let place = place_of(&span);
        self.count(1, place)?;
        if depth > self.limits.depth_max {
            return self.too_large(place, format!("more than {} levels inside each other", self.limits.depth_max));
        }
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => (anchor, self.scalar(&text, style, tag.as_deref(), place)?),
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), &["seq"], place)?;
                (anchor, Value::List(self.list(depth)?))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), &["map"], place)?;
                (anchor, Value::Map(self.map(depth)?))
            }
            Event::Alias(anchor) => return self.alias(anchor, place),
            Event::UnresolvedAlias(name) => {
                return self
                    .syntax(place, &format!("'*{name}' is an alias that nothing before it is named by '&{name}'"));
            }
            _ => return self.syntax(place, "a value was expected here"),
        };
        let tree = Arc::new(Tree { value, place });
        if anchor > 0 {
            self.anchors.insert(anchor, Arc::clone(&tree));
        }
        Ok(tree)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<Arc<Tree>, Problem> {
        match self.anchors.get(&anchor) {
            Some(tree) => Ok(Arc::clone(tree)),
            None => self.syntax(place, "this alias stands inside of what it names"),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Arc<Tree>>, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                step => items.push(self.tree(step, depth + 1)?),
            }
        }
    }

    /// Of two equal keys the later wins, as the reference's loader has it, and a warning says so. What `<<` takes in
    /// stands first and gives way to the mapping's own.
    fn map(&mut self, depth: usize) -> Result<Table, Problem> {
        let mut own = Table::default();
        let mut merged = Table::default();
        loop {
            let (event, span) = self.next()?;
            let place = place_of(&span);
            let (key, style) = match event {
                Event::MappingEnd => break,
                Event::Scalar(key, style, ..) => (key, style),
                _ => return self.syntax(place, "a key must be one word; write it as name: value"),
            };
            let step = self.next()?;
            let tree = self.tree(step, depth + 1)?;
            if key == "<<" && style == ScalarStyle::Plain {
                self.merge(&mut merged, &tree, place)?;
            } else {
                let key = self.word(&key);
                if own.put(Arc::clone(&key), tree) {
                    self.warn(place, format!("'{key}' is written twice in one mapping; the later one counts"));
                }
            }
        }
        if merged.len() == 0 {
            return Ok(own);
        }
        for (key, tree) in own.iter() {
            merged.put(Arc::clone(key), Arc::clone(tree));
        }
        Ok(merged)
    }

    /// `<<: *base`: the entries of one mapping, or of several, of which the first to have a key wins.
    fn merge(&mut self, merged: &mut Table, tree: &Tree, place: Place) -> Result<(), Problem> {
        let bases: Vec<&Table> = match &tree.value {
            Value::Map(table) => vec![table],
            Value::List(items) => items.iter().rev().filter_map(|item| item.as_map()).collect(),
            _ => Vec::new(),
        };
        let is_whole = match &tree.value {
            Value::List(items) => bases.len() == items.len(),
            _ => bases.len() == 1,
        };
        if !is_whole {
            return self.syntax(place, "'<<' takes in mappings only; write <<: *name");
        }
        for base in bases {
            self.count(base.len(), place)?;
            for (key, tree) in base.iter() {
                merged.put(Arc::clone(key), Arc::clone(tree));
            }
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, place: Place) -> Result<Value, Problem> {
        let asked = self.check_tag(tag, &["str", "int", "float", "bool", "null"], place)?;
        let value = match asked {
            Some("str") => Value::Text(self.word(text)),
            Some("int" | "bool" | "null") => scalar::plain(text),
            Some(_) => scalar::float(text).map_or_else(|| Value::Text(text.into()), Value::Number),
            None if style == ScalarStyle::Plain => scalar::plain(text),
            None => Value::Text(self.word(text)),
        };
        Ok(match value {
            Value::Text(text) => Value::Text(self.word(&text)),
            value => value,
        })
    }

    /// Only the tags of plain data have a meaning; the name of the one given.
    fn check_tag<'t>(&self, tag: Option<&'t Tag>, known: &[&str], place: Place) -> Result<Option<&'t str>, Problem> {
        let Some(tag) = tag else { return Ok(None) };
        match tag.core_suffix() {
            Some(name) if known.contains(&name) => Ok(Some(name)),
            _ => self.syntax(place, "this tag has no meaning in a manifest; remove the word that begins with '!'"),
        }
    }

    fn word(&mut self, text: &str) -> Arc<str> {
        if text.len() > WORD_BYTES_MAX {
            return text.into();
        }
        if let Some(word) = self.words.get(text) {
            return Arc::clone(word);
        }
        let word: Arc<str> = text.into();
        self.words.insert(Arc::clone(&word));
        word
    }

    fn count(&mut self, values: usize, place: Place) -> Result<(), Problem> {
        self.values += values;
        if self.values > self.limits.values_max {
            let max = self.limits.values_max;
            return self.too_large(place, format!("more than {max} values, those taken in by '<<' included"));
        }
        Ok(())
    }

    fn warn(&mut self, place: Place, message: String) {
        if self.warnings.len() < WARNINGS_MAX {
            let problem = Problem::new(Fault::Doubt, Arc::clone(self.file), place, String::new(), message);
            self.warnings.push(problem);
        }
    }

    fn scan_error(&self, error: &ScanError) -> Problem {
        let mark = error.marker();
        let place = Place { line: number(mark.line()), column: number(mark.col() + 1) };
        let message = format!("this is not YAML: {}", error.info());
        Problem::new(Fault::Syntax, Arc::clone(self.file), place, String::new(), message)
    }

    fn syntax<T>(&self, place: Place, message: &str) -> Result<T, Problem> {
        Err(Problem::new(Fault::Syntax, Arc::clone(self.file), place, String::new(), message.to_owned()))
    }

    fn too_large<T>(&self, place: Place, message: String) -> Result<T, Problem> {
        Err(Problem::new(Fault::TooLarge, Arc::clone(self.file), place, String::new(), message))
    }
}

fn place_of(span: &granit_parser::Span) -> Place {
    Place { line: number(span.start.line()), column: number(span.start.col() + 1) }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
