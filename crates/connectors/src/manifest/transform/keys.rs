//! Transformations of names. Values that are mappings are entered, except by [`to_lower`]; lists are not.

use std::borrow::Cow;

use any_ascii::any_ascii;
use serde_json::{Map, Value as Json};

use crate::manifest::expression::Template;
use crate::manifest::node::{Node, Parameters, Read};
use crate::manifest::problem::Problem;
use crate::manifest::scope::Scope;
use crate::manifest::select::RecordError;

/// Lower case for the names of the record itself.
pub(super) fn to_lower(record: &mut Json) {
    let Json::Object(fields) = record else { return };
    if fields.keys().any(|key| key.chars().any(char::is_uppercase)) {
        *fields = std::mem::take(fields).into_iter().map(|(key, value)| (key.to_lowercase(), value)).collect();
    }
}

pub(super) fn to_snake_case(record: &mut Json) {
    rename(record, &|key| snake_case(&key));
}

/// Renames what is in a mapping and in mappings directly in it. The depth is that of the document, which is bounded.
fn rename(record: &mut Json, name: &dyn Fn(String) -> String) {
    let Json::Object(fields) = record else { return };
    let renamed = std::mem::take(fields).into_iter().map(|(key, mut value)| {
        rename(&mut value, name);
        (name(key), value)
    });
    *fields = renamed.collect::<Map<_, _>>();
}

/// What a name is split into.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Upper,
    Lower,
    Digit,
    Other,
}

fn class(byte: u8) -> Class {
    match byte {
        b'A'..=b'Z' => Class::Upper,
        b'a'..=b'z' => Class::Lower,
        b'0'..=b'9' => Class::Digit,
        _ => Class::Other,
    }
}

/// Words in lower case with underscores between them. Capitals begin a word and belong together; digits are a word;
/// what is neither letter nor digit only separates, but at either end leaves its underscore.
fn snake_case(key: &str) -> String {
    let ascii = if key.is_ascii() { Cow::Borrowed(key) } else { Cow::Owned(any_ascii(key)) };
    let words = words(&ascii);
    let last = words.len().saturating_sub(1);
    let mut kept: Vec<&str> = Vec::with_capacity(words.len() + 1);
    if words.first().is_some_and(|word| word.starts_with(|first: char| first.is_ascii_digit())) {
        kept.push("");
    }
    kept.extend(
        words.iter().enumerate().filter(|(at, word)| *at == 0 || *at == last || !word.is_empty()).map(|(_, word)| word),
    );
    kept.join("_").to_ascii_lowercase()
}

/// The words of a name; each separator is an empty one.
fn words(key: &str) -> Vec<&str> {
    let bytes = key.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let first = class(bytes[at]);
        let run =
            |from: usize, wanted: Class| from + bytes[from..].iter().take_while(|byte| class(**byte) == wanted).count();
        let end = match first {
            Class::Upper => run(run(at, Class::Upper), Class::Lower),
            other => run(at, other),
        };
        words.push(if first == Class::Other { "" } else { &key[at..end] });
        at = end;
    }
    words
}

/// Replaces a text in names by another one.
#[derive(Clone, Debug)]
pub struct KeysReplace {
    old: Template,
    new: Template,
    parameters: Parameters,
}

impl KeysReplace {
    pub fn apply(&self, record: &mut Json, scope: &Scope<'_>) -> Result<(), RecordError> {
        let (old, new) = {
            let scope = scope.parameters(&self.parameters).record(record);
            (self.old.text(&scope)?, self.new.text(&scope)?)
        };
        rename(record, &|key| if key.contains(&old) { key.replace(&old, &new) } else { key });
        Ok(())
    }
}

impl Read for KeysReplace {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(Self { old: node.need("old")?, new: node.need("new")?, parameters: node.parameters() })
    }
}
