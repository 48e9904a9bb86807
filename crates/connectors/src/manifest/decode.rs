//! Decoders: from the bytes of a reply to JSON items, streaming over [`std::io::Read`]. One item is in memory at a time,
//! except for the formats that are one document (JSON, XML), whose size is bounded.
//!
//! Never gives out a part of a page as if it were all of it: a body that is cut short is [`DecodeError::Truncated`].

mod csv;
mod fault;
mod gzip;
mod items;
mod json;
mod lines;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod xml;
mod zip;

use std::io::Read as Bytes;
use std::ops::ControlFlow;

use serde_json::{Map, Value as Json};

pub use csv::Csv;
pub use fault::DecodeError;
pub use table::Table;
pub use text::Charset;

use super::node::{Node, Read};
use super::problem::Problem;

/// Deepest nesting of JSON: serde_json stops there when it builds a value, because building recurses.
pub const JSON_DEPTH_MAX: usize = 127;
/// Deepest nesting of XML, so that what comes out can be written and filtered as JSON.
pub const XML_DEPTH_MAX: usize = 120;
/// Most decoders inside one another: a gzip of a zip of CSV is three.
pub const NESTED_MAX: usize = 8;

/// What a decoder reads at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of a document that is decoded as a whole. Pages are kilobytes to ten megabytes; as values they take several times
    /// their text.
    pub document_bytes: usize,
    /// Of one line, row or streamed item: what must be in memory at once.
    pub item_bytes: usize,
    /// Of all that comes out of a compressed body. Exports of gigabytes are read as a stream, so this only ends bombs.
    pub inflated_bytes: u64,
    /// Files in one archive.
    pub archive_entries: u64,
}

impl Limits {
    pub const DEFAULT: Self = Self {
        document_bytes: 64 * 1024 * 1024,
        item_bytes: 16 * 1024 * 1024,
        inflated_bytes: 64 * 1024 * 1024 * 1024,
        archive_entries: 10_000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How a decoding that was not an error ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Items given out.
    pub items: u64,
    /// Lines that are no JSON and were passed over, as the format has it; worth a warning.
    pub skipped: u64,
    /// Whether the receiver had enough before the end.
    pub stopped: bool,
}

/// Takes the items, one by one; breaks when it has enough.
pub type Each<'a> = &'a mut dyn FnMut(Json) -> ControlFlow<()>;

/// How a manifest says that replies are decoded.
#[derive(Clone, Debug, Default)]
pub enum Decoder {
    /// A page of JSON. A list gives its elements.
    #[default]
    Json,
    /// The elements of one array inside a large JSON document, without holding the document.
    JsonItems {
        path: Box<str>,
        charset: Charset,
    },
    /// A JSON value on each line.
    Jsonl,
    /// Each line as the text of a record.
    Iterable,
    Csv(Csv),
    /// Gzip or not: a body that is not compressed passes through.
    Gzip(Box<Self>),
    /// Every file of an archive.
    Zip(Box<Self>),
    Xml,
}

impl Decoder {
    /// Decodes a body, giving each item to `each` as soon as it is read.
    pub fn decode(&self, body: &mut dyn Bytes, each: Each<'_>) -> Result<Decoded, DecodeError> {
        self.decode_within(body, &Limits::DEFAULT, each)
    }

    pub fn decode_within(&self, body: &mut dyn Bytes, limits: &Limits, each: Each<'_>) -> Result<Decoded, DecodeError> {
        let mut sink = Sink { each, limits, done: Decoded::default() };
        match self {
            Self::Json => json::reply(body, &mut sink)?,
            Self::Xml => xml::reply(body, &mut sink)?,
            other => other.parse(body, &mut sink)?,
        }
        Ok(sink.done)
    }

    /// A reply that is in memory: the fast path of pages.
    pub fn page(&self, body: &[u8]) -> Result<Vec<Json>, DecodeError> {
        if matches!(self, Self::Json) {
            return json::page(body, &Limits::DEFAULT);
        }
        let mut items = Vec::new();
        let mut body = body;
        self.decode(&mut body, &mut |item| {
            items.push(item);
            ControlFlow::Continue(())
        })?;
        Ok(items)
    }

    /// The items of a page of JSON that was parsed already.
    #[must_use]
    pub fn items(document: Json) -> Vec<Json> {
        json::items(Some(document))
    }

    /// Whether the format has the body read only once, so that paginators and error filters see an empty `response`.
    #[must_use]
    pub fn is_streamed(&self) -> bool {
        match self {
            Self::Json | Self::Xml | Self::Zip(_) => false,
            Self::JsonItems { .. } | Self::Jsonl | Self::Iterable | Self::Csv(_) | Self::Gzip(_) => true,
        }
    }

    /// As an outermost decoder or inside another one.
    fn parse(&self, body: &mut dyn Bytes, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
        match self {
            Self::Json => json::nested(body, sink),
            Self::JsonItems { path, charset } => items::parse(body, path, *charset, sink),
            Self::Jsonl => lines::jsonl(body, sink),
            Self::Iterable => lines::iterable(body, sink),
            Self::Csv(csv) => csv.parse(body, sink),
            Self::Gzip(inner) => gzip::parse(body, inner, sink),
            Self::Zip(inner) => zip::parse(body, inner, sink),
            Self::Xml => xml::reply(body, sink),
        }
    }
}

impl Read for Decoder {
    fn read(node: &Node) -> Result<Self, Problem> {
        read_nested(node, NESTED_MAX)
    }
}

fn read_nested(node: &Node, levels: usize) -> Result<Decoder, Problem> {
    let kind = node.kind("JsonDecoder")?;
    Ok(match &*kind {
        "JsonDecoder" => Decoder::Json,
        "JsonItemsDecoder" => json_items(node)?,
        "JsonlDecoder" => Decoder::Jsonl,
        "IterableDecoder" => Decoder::Iterable,
        "CsvDecoder" => Decoder::Csv(Csv::read(node)?),
        "GzipDecoder" => Decoder::Gzip(Box::new(inner(node, levels)?)),
        "ZipfileDecoder" => Decoder::Zip(Box::new(inner(node, levels)?)),
        "XmlDecoder" => Decoder::Xml,
        _ => return Err(node.unsupported()),
    })
}

fn json_items(node: &Node) -> Result<Decoder, Problem> {
    let path: String = node.need("items_path")?;
    if path.is_empty() {
        return Err(node.wrong("an `items_path` such as data.users, which says where the array of items is"));
    }
    Ok(Decoder::JsonItems { path: path.into(), charset: Charset::of(node)? })
}

/// The decoder of what a container holds: the format has only these inside of one.
fn inner(node: &Node, levels: usize) -> Result<Decoder, Problem> {
    let expects =
        "a `decoder` for what is inside: CsvDecoder, GzipDecoder, JsonDecoder, JsonItemsDecoder or JsonlDecoder";
    let Some(inside) = node.get("decoder") else { return Err(node.wrong(expects)) };
    let Some(levels) = levels.checked_sub(1) else {
        return Err(inside.wrong(format!("at most {NESTED_MAX} decoders inside one another")));
    };
    let decoder = read_nested(&inside, levels)?;
    match decoder {
        Decoder::Iterable | Decoder::Xml | Decoder::Zip(_) => Err(inside.wrong(expects)),
        _ => Ok(decoder),
    }
}

/// Where the items go, and how many went.
struct Sink<'a> {
    each: Each<'a>,
    limits: &'a Limits,
    done: Decoded,
}

impl Sink<'_> {
    /// False when the receiver has enough.
    fn give(&mut self, item: Json) -> bool {
        self.done.items += 1;
        self.done.stopped = (self.each)(item).is_break();
        !self.done.stopped
    }

    fn fault(&self, error: std::io::Error, format: &'static str) -> DecodeError {
        DecodeError::from_read(error, format, self.done.items)
    }
}

/// All of a body, which must fit in memory.
fn whole(body: &mut dyn Bytes, format: &'static str, sink: &Sink<'_>) -> Result<Vec<u8>, DecodeError> {
    let limit = sink.limits.document_bytes;
    let mut bytes = Vec::new();
    body.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|error| sink.fault(error, format))?;
    match bytes.len() > limit {
        true => Err(DecodeError::TooLarge { what: "the bytes of a whole document", limit: limit as u64 }),
        false => Ok(bytes),
    }
}

/// A body that is one JSON document, as [`Decoder::page`] reads it; `None` where it is empty or no JSON.
#[must_use]
pub fn json_document(body: &[u8]) -> Option<Json> {
    json::document(body).ok().flatten()
}

/// What stands for a reply without contents.
fn nothing() -> Json {
    Json::Object(Map::new())
}
