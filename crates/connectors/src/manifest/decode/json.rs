//! JSON documents. An empty reply reads as an empty object, as the format has it for statuses without a body; anything
//! else that is not JSON is an error, because a page that cannot be read is not an empty page.

use std::io::Read as Bytes;

use serde_json::Value as Json;

use super::value::Shape;
use super::{DecodeError, Limits, Sink, nothing, whole};

const FORMAT: &str = "JSON";
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A reply that is a page: its elements, or itself.
pub(super) fn page(bytes: &[u8], limits: &Limits) -> Result<Vec<Json>, DecodeError> {
    if bytes.len() > limits.document_bytes {
        return Err(too_large(limits));
    }
    Ok(items(document(bytes)?))
}

/// What a document gives: its elements, or itself.
pub(super) fn items(document: Option<Json>) -> Vec<Json> {
    match document {
        Some(Json::Array(items)) if !items.is_empty() => items,
        // An empty list and a missing one look alike to what reads the page: one item without any field.
        None | Some(Json::Array(_) | Json::Null) => vec![nothing()],
        Some(item) => vec![item],
    }
}

pub(super) fn reply(body: &mut dyn Bytes, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
    let bytes = whole(body, FORMAT, sink)?;
    for item in page(&bytes, sink.limits)? {
        if !sink.give(item) {
            break;
        }
    }
    Ok(())
}

/// A document inside a container, where an empty list is no item and no document is a mistake.
pub(super) fn nested(body: &mut dyn Bytes, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
    let bytes = whole(body, FORMAT, sink)?;
    match document(&bytes)? {
        None => return Err(DecodeError::Truncated { format: FORMAT, items: sink.done.items }),
        Some(Json::Null) => return Err(DecodeError::malformed(FORMAT, "the document is null")),
        Some(Json::Array(items)) => {
            for item in items {
                if !sink.give(item) {
                    break;
                }
            }
        }
        Some(item) => {
            sink.give(item);
        }
    }
    Ok(())
}

/// `None` where there is nothing but white space.
pub(super) fn document(bytes: &[u8]) -> Result<Option<Json>, DecodeError> {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    match value(bytes, &mut Shape::default()) {
        Ok(value) => Ok(Some(value)),
        Err(_) if bytes.trim_ascii().is_empty() => Ok(None),
        Err(Mistake::Cut) => Err(DecodeError::Truncated { format: FORMAT, items: 0 }),
        Err(Mistake::Charset) => Err(DecodeError::Charset { encoding: "utf-8".into() }),
        Err(Mistake::Syntax(error)) => Err(DecodeError::malformed(FORMAT, error.to_string())),
    }
}

/// Why bytes are no JSON value.
pub(super) enum Mistake {
    /// They end in the middle of one.
    Cut,
    Charset,
    Syntax(serde_json::Error),
}

impl Mistake {
    fn of(error: serde_json::Error) -> Self {
        if error.is_eof() { Self::Cut } else { Self::Syntax(error) }
    }
}

/// One JSON value, with the leniency of the reference implementation (7.39.1) where strict JSON is not enough.
pub(super) fn value(bytes: &[u8], shape: &mut Shape) -> Result<Json, Mistake> {
    // Checked as a whole, which is far cheaper than string by string.
    let text = std::str::from_utf8(bytes).map_err(|error| match error.error_len() {
        None => Mistake::Cut,
        Some(_) => Mistake::Charset,
    })?;
    shape.read(text).map_err(Mistake::of).or_else(|mistake| match repaired(bytes) {
        Some(repaired) => serde_json::from_slice(&repaired).map_err(Mistake::of),
        None => Err(mistake),
    })
}

fn too_large(limits: &Limits) -> DecodeError {
    DecodeError::TooLarge { what: "the bytes of a whole document", limit: limits.document_bytes as u64 }
}

/// What APIs written in Python and JavaScript send though JSON does not have it: `NaN` and infinities read as null, the
/// escape of half a character as the replacement character. `None` where nothing of that kind is there.
fn repaired(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let (mut at, mut changed) = (0, false);
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        if byte == b'"' {
            let (length, repaired) = string(rest, &mut out);
            changed |= repaired;
            at += length;
        } else if let Some(word) =
            [&b"-Infinity"[..], b"Infinity", b"NaN"].into_iter().find(|word| rest.starts_with(word))
        {
            out.extend_from_slice(b"null");
            changed = true;
            at += word.len();
        } else {
            out.push(byte);
            at += 1;
        }
    }
    changed.then_some(out)
}

/// Copies a string up to its closing quote. How long it is, and whether an escape was replaced.
fn string(bytes: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
    let (mut at, mut changed) = (1, false);
    out.push(b'"');
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let taken = match byte {
            b'"' => {
                out.push(byte);
                return (at + 1, changed);
            }
            b'\\' => match surrogate(rest) {
                Some(0xD800..=0xDBFF) if matches!(surrogate(&rest[6..]), Some(0xDC00..=0xDFFF)) => 12,
                Some(_) => {
                    out.extend_from_slice(b"\\ufffd");
                    changed = true;
                    at += 6;
                    continue;
                }
                None => 2,
            },
            _ => 1,
        };
        out.extend_from_slice(&rest[..taken.min(rest.len())]);
        at += taken;
    }
    (bytes.len(), changed)
}

/// The half of a character that `\uXXXX` stands for.
fn surrogate(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    let unit = u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    (0xD800..=0xDFFF).contains(&unit).then_some(unit)
}
