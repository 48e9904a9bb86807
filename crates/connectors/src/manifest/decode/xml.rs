//! XML as JSON, in the shape that the reference implementation (7.39.1) gives it: an element is the value of its name;
//! repeated names make a list; attributes are names with `@`; text beside attributes or elements is `#text`.
//!
//! Entities other than XML's own five are never expanded, and nothing is fetched.

use std::io::Read as Bytes;

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde_json::{Map, Value as Json};

use super::{Charset, DecodeError, Sink, XML_DEPTH_MAX, nothing, whole};

const FORMAT: &str = "XML";
const TEXT: &str = "#text";
/// How far into a document its declaration is looked for.
const DECLARATION_BYTES: usize = 256;

pub(super) fn reply(body: &mut dyn Bytes, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
    let bytes = whole(body, FORMAT, sink)?;
    let item = if bytes.trim_ascii().is_empty() { nothing() } else { document(&bytes, sink)? };
    sink.give(item);
    Ok(())
}

fn document(bytes: &[u8], sink: &Sink<'_>) -> Result<Json, DecodeError> {
    let charset = charset(bytes)?;
    let mut text = String::new();
    let mut rest = bytes;
    charset.reader(&mut rest).read_to_string(&mut text).map_err(|error| match std::str::from_utf8(bytes) {
        Err(_) if charset == Charset::Utf8Marked => DecodeError::Charset { encoding: charset.name().into() },
        _ => sink.fault(error, FORMAT),
    })?;
    let mut tree = Tree { open: Vec::new(), root: None, has_doctype: false };
    let mut reader = Reader::from_str(&text);
    reader.config_mut().expand_empty_elements = true;
    loop {
        let event = reader.read_event().map_err(|error| syntax(&error, &reader, text.len()))?;
        if matches!(event, Event::Eof) {
            return tree.finish();
        }
        tree.take(event)?;
    }
}

/// By the mark at the start, else by the declaration, else UTF-8.
fn charset(bytes: &[u8]) -> Result<Charset, DecodeError> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Ok(Charset::Other(encoding_rs::UTF_16LE));
    }
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(DECLARATION_BYTES)]).into_owned();
    let declaration = head.trim_start_matches('\u{feff}').strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"));
    let Some(name) = declaration.and_then(|(declaration, _)| encoding(declaration)) else {
        return Ok(Charset::Utf8Marked);
    };
    match Charset::named(name) {
        Some(Charset::Utf8) => Ok(Charset::Utf8Marked),
        // The declaration could be read, so it is not what it says.
        Some(Charset::Other(encoding)) if !encoding.is_ascii_compatible() => Ok(Charset::Utf8Marked),
        Some(charset) => Ok(charset),
        None => Err(DecodeError::Charset { encoding: name.to_owned() }),
    }
}

fn encoding(declaration: &str) -> Option<&str> {
    let (_, rest) = declaration.split_once("encoding")?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    rest[1..].split_once(quote).map(|(name, _)| name)
}

fn syntax(error: &quick_xml::Error, reader: &Reader<&[u8]>, length: usize) -> DecodeError {
    let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
    match error {
        quick_xml::Error::Syntax(_) if at >= length => DecodeError::Truncated { format: FORMAT, items: 0 },
        _ => malformed(format!("at byte {at}: {error}")),
    }
}

fn malformed(detail: impl Into<String>) -> DecodeError {
    DecodeError::malformed(FORMAT, detail)
}

/// An element whose end is still to come.
struct Open {
    name: String,
    fields: Map<String, Json>,
    text: String,
}

struct Tree {
    open: Vec<Open>,
    root: Option<Open>,
    has_doctype: bool,
}

impl Tree {
    fn take(&mut self, event: Event<'_>) -> Result<(), DecodeError> {
        match event {
            Event::Start(element) => self.enter(&element),
            Event::End(_) => self.leave(),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(entity) => match character(&entity) {
                Some(character) => self.text(&character),
                // What a document type would define is left out, not looked up.
                None if self.has_doctype => Ok(()),
                None => Err(malformed(format!("it uses the entity {:?}, which is not defined", &*entity))),
            },
            Event::DocType(_) => {
                self.has_doctype = true;
                Ok(())
            }
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn enter(&mut self, element: &BytesStart<'_>) -> Result<(), DecodeError> {
        if self.root.is_some() {
            return Err(malformed("there is more than one root element"));
        }
        if self.open.len() == XML_DEPTH_MAX {
            return Err(DecodeError::TooLarge { what: "the nesting of XML", limit: XML_DEPTH_MAX as u64 });
        }
        let mut fields = Map::new();
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|error| malformed(error.to_string()))?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|error| malformed(error.to_string()))?;
            fields.insert(format!("@{}", attribute.key.as_ref()), Json::String(value.into_owned()));
        }
        self.open.push(Open { name: element.name().as_ref().to_owned(), fields, text: String::new() });
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), DecodeError> {
        match self.open.last_mut() {
            Some(open) => open.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(malformed("there is text outside of the root element")),
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<(), DecodeError> {
        let closed = self.open.pop().ok_or_else(|| malformed("an element ends that did not begin"))?;
        match self.open.last_mut() {
            None => self.root = Some(closed),
            Some(parent) => {
                let (name, value) = closed.into_value();
                push(&mut parent.fields, name, value);
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Json, DecodeError> {
        match self.root {
            Some(root) => {
                let (name, value) = root.into_value();
                Ok(Json::Object(Map::from_iter([(name, value)])))
            }
            None => Err(DecodeError::Truncated { format: FORMAT, items: 0 }),
        }
    }
}

impl Open {
    fn into_value(mut self) -> (String, Json) {
        let text = self.text.trim();
        let value = match (self.fields.is_empty(), text.is_empty()) {
            (true, true) => Json::Null,
            (true, false) => Json::String(text.to_owned()),
            (false, true) => Json::Object(self.fields),
            (false, false) => {
                push(&mut self.fields, TEXT.to_owned(), Json::String(text.to_owned()));
                Json::Object(self.fields)
            }
        };
        (self.name, value)
    }
}

/// Sets a name, or adds to what it has.
fn push(fields: &mut Map<String, Json>, name: String, value: Json) {
    match fields.get_mut(&name) {
        None => drop(fields.insert(name, value)),
        Some(Json::Array(values)) => values.push(value),
        Some(first) => *first = Json::Array(vec![first.take(), value]),
    }
}

/// What a character reference or one of XML's own entities stands for.
fn character(entity: &BytesRef<'_>) -> Option<String> {
    if let Some(character) = entity.resolve_char_ref().ok()? {
        return Some(character.to_string());
    }
    quick_xml::escape::resolve_xml_entity(entity).map(str::to_owned)
}
