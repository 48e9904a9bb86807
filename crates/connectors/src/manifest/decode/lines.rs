//! Bodies that are lines: one JSON value on each (Jsonl), or the line itself as the record (Iterable).

use std::io::{BufRead, BufReader, Read as Bytes};

use memchr::{memchr, memchr2};
use serde_json::{Map, Value as Json};

use super::json::{self, Mistake};
use super::value::Shape;
use super::{DecodeError, Sink};

/// What is read from below at a time.
const BUFFER_BYTES: usize = 64 * 1024;

/// Where a line ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaks {
    /// At `\n` only.
    Feed,
    /// At `\n`, `\r\n` and `\r`.
    Universal,
}

/// Lines of bounded length, without their ends.
pub(super) struct Lines<R> {
    body: BufReader<R>,
    breaks: Breaks,
    line: Vec<u8>,
    line_bytes_max: usize,
    /// The last line ended with `\r`, so that a `\n` right after it is no line of its own.
    after_return: bool,
}

/// One line.
pub(super) struct Line<'a> {
    pub text: &'a [u8],
    /// Whether the line was ended, or the body was.
    pub ended: bool,
}

impl<R: Bytes> Lines<R> {
    pub fn new(body: R, breaks: Breaks, line_bytes_max: usize) -> Self {
        let body = BufReader::with_capacity(BUFFER_BYTES, body);
        Self { body, breaks, line: Vec::new(), line_bytes_max, after_return: false }
    }

    pub fn next(&mut self) -> std::io::Result<Option<Line<'_>>> {
        self.line.clear();
        self.skip_feed()?;
        loop {
            let chunk = self.body.fill_buf()?;
            if chunk.is_empty() {
                let line = Line { text: &self.line, ended: false };
                return Ok((!line.text.is_empty()).then_some(line));
            }
            let end = match self.breaks {
                Breaks::Feed => memchr(b'\n', chunk),
                Breaks::Universal => memchr2(b'\n', b'\r', chunk),
            };
            let (taken, consumed) = end.map_or((chunk.len(), chunk.len()), |end| (end, end + 1));
            if self.line.len() + taken > self.line_bytes_max {
                return Err(too_long(self.line_bytes_max).into_io());
            }
            self.line.extend_from_slice(&chunk[..taken]);
            self.after_return = end.is_some_and(|end| chunk[end] == b'\r');
            self.body.consume(consumed);
            if end.is_some() {
                return Ok(Some(Line { text: &self.line, ended: true }));
            }
        }
    }

    fn skip_feed(&mut self) -> std::io::Result<()> {
        if std::mem::take(&mut self.after_return) && self.body.fill_buf()?.first() == Some(&b'\n') {
            self.body.consume(1);
        }
        Ok(())
    }
}

pub(super) fn too_long(limit: usize) -> DecodeError {
    DecodeError::TooLarge { what: "the bytes of one item", limit: limit as u64 }
}

/// A line that is no JSON is passed over and counted, as the format has it; but not where the body ends inside of it.
pub(super) fn jsonl(body: &mut dyn Bytes, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
    let mut lines = Lines::new(body, Breaks::Feed, sink.limits.item_bytes);
    let mut shape = Shape::default();
    while let Some(line) = lines.next().map_err(|error| sink.fault(error, "JSON lines"))? {
        match json::value(line.text, &mut shape) {
            Ok(item) => {
                if !sink.give(item) {
                    break;
                }
            }
            Err(_) if line.text.trim_ascii().is_empty() => {}
            Err(Mistake::Cut) if !line.ended => {
                return Err(DecodeError::Truncated { format: "JSON lines", items: sink.done.items });
            }
            Err(Mistake::Charset | Mistake::Cut) if std::str::from_utf8(line.text).is_err() => {
                return Err(DecodeError::Charset { encoding: "utf-8".into() });
            }
            Err(Mistake::Cut | Mistake::Charset | Mistake::Syntax(_)) => sink.done.skipped += 1,
        }
    }
    Ok(())
}

pub(super) fn iterable(body: &mut dyn Bytes, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
    let mut lines = Lines::new(body, Breaks::Universal, sink.limits.item_bytes);
    while let Some(line) = lines.next().map_err(|error| sink.fault(error, "lines of text"))? {
        let text = std::str::from_utf8(line.text).map_err(|_| DecodeError::Charset { encoding: "utf-8".into() })?;
        let mut record = Map::with_capacity(1);
        record.insert("record".into(), Json::String(text.into()));
        if !sink.give(Json::Object(record)) {
            break;
        }
    }
    Ok(())
}
