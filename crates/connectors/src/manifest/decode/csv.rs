//! Rows of CSV as records by the names of the first row, read as the reference implementation (7.39.1) reads them: blank
//! lines are passed over, a short row's missing fields are null, and what a long row has too much is kept as a list.
//!
//! The rows are split by a machine of our own because the bytes are one part of the contract and the odd rows another:
//! a body that ends inside quotes has to be an error, and a delimiter may be any character.

use std::io::Read as Bytes;

use memchr::memchr;
use serde_json::{Map, Value as Json};

use super::lines::{Breaks, Lines, too_long};
use super::{Charset, DecodeError, Sink};
use crate::manifest::node::{Node, Read};
use crate::manifest::problem::Problem;

const FORMAT: &str = "CSV";
/// Most columns of a table: each is a key of every record.
const COLUMNS_MAX: usize = 16_384;
/// The key under which a row keeps the fields that the header has no name for.
const REST: &str = "null";

/// How a table is written.
#[derive(Clone, Debug)]
pub struct Csv {
    charset: Charset,
    delimiter: char,
    nulls: Vec<String>,
}

impl Default for Csv {
    fn default() -> Self {
        Self { charset: Charset::Utf8, delimiter: ',', nulls: Vec::new() }
    }
}

impl Read for Csv {
    fn read(node: &Node) -> Result<Self, Problem> {
        let written: String = node.or("delimiter", ",".to_owned())?;
        let delimiter = delimiter(&written).ok_or_else(|| {
            node.get("delimiter").as_ref().unwrap_or(node).wrong("a delimiter of one character, such as , or ; or \\t")
        })?;
        Ok(Self { charset: Charset::of(node)?, delimiter, nulls: node.or("set_values_to_none", Vec::new())? })
    }
}

/// One character, or the escape of one.
fn delimiter(written: &str) -> Option<char> {
    let character = match written {
        "" => ',',
        "\\t" => '\t',
        "\\\\" => '\\',
        "\\v" => '\u{b}',
        "\\f" => '\u{c}',
        _ => match written.strip_prefix("\\x").or_else(|| written.strip_prefix("\\u")) {
            Some(digits) if matches!(digits.len(), 2 | 4) => char::from_u32(u32::from_str_radix(digits, 16).ok()?)?,
            _ => {
                let mut characters = written.chars();
                characters.next().filter(|_| characters.next().is_none())?
            }
        },
    };
    (!matches!(character, '\r' | '\n' | '"')).then_some(character)
}

impl Csv {
    pub(super) fn parse(&self, body: &mut dyn Bytes, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
        let mut rows = Rows::new(self.charset.reader(body), self.delimiter, sink.limits.item_bytes);
        let Some(header) = rows.next(sink)? else { return Ok(()) };
        if header.len() > COLUMNS_MAX {
            return Err(DecodeError::TooLarge { what: "the columns of a table", limit: COLUMNS_MAX as u64 });
        }
        while let Some(row) = rows.next(sink)? {
            if !row.is_empty() && !sink.give(self.record(&header, row)) {
                break;
            }
        }
        Ok(())
    }

    fn record(&self, header: &[String], row: Vec<String>) -> Json {
        let mut record = Map::with_capacity(header.len());
        let mut fields = row.into_iter();
        for name in header {
            let value = match fields.next() {
                Some(field) if self.nulls.contains(&field) => Json::Null,
                Some(field) => Json::String(field),
                None => Json::Null,
            };
            record.insert(name.clone(), value);
        }
        let rest: Vec<Json> = fields.map(Json::String).collect();
        if !rest.is_empty() {
            record.insert(REST.into(), Json::Array(rest));
        }
        Json::Object(record)
    }
}

/// Where in a row the machine is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote inside quotes, which ends them unless another one follows.
    QuoteInQuoted,
}

/// Splits text into rows.
pub(super) struct Rows<R> {
    lines: Lines<R>,
    delimiter: Box<[u8]>,
    row_bytes_max: usize,
    /// What a line may consist of and still be a blank one.
    blanks: &'static [u8],
}

impl<R: Bytes> Rows<R> {
    pub fn new(body: R, delimiter: char, row_bytes_max: usize) -> Self {
        let mut utf8 = [0; 4];
        let delimiter = delimiter.encode_utf8(&mut utf8).as_bytes().into();
        Self { lines: Lines::new(body, Breaks::Universal, row_bytes_max), delimiter, row_bytes_max, blanks: b"" }
    }

    pub fn with_blanks(mut self, blanks: &'static [u8]) -> Self {
        self.blanks = blanks;
        self
    }

    /// The next row; a blank line is an empty one.
    pub fn next(&mut self, sink: &Sink<'_>) -> Result<Option<Vec<String>>, DecodeError> {
        let mut row = Row { fields: Vec::new(), field: Vec::new(), state: State::FieldStart, bytes: 0 };
        let mut begun = false;
        while let Some(line) = self.lines.next().map_err(|error| sink.fault(error, FORMAT))? {
            if !begun && line.text.iter().all(|byte| self.blanks.contains(byte)) {
                return Ok(Some(Vec::new()));
            }
            begun = true;
            row.bytes += line.text.len() + 1;
            if row.bytes > self.row_bytes_max {
                return Err(too_long(self.row_bytes_max));
            }
            row.take(line.text, &self.delimiter)?;
            match row.state {
                State::Quoted if line.ended => row.field.push(b'\n'),
                State::Quoted => break,
                State::FieldStart | State::Plain | State::QuoteInQuoted => return row.finish().map(Some),
            }
        }
        match begun {
            true => Err(DecodeError::Truncated { format: FORMAT, items: sink.done.items }),
            false => Ok(None),
        }
    }
}

/// A row that is being read.
struct Row {
    fields: Vec<String>,
    field: Vec<u8>,
    state: State,
    bytes: usize,
}

impl Row {
    /// Takes a line or, inside quotes, a part of one row.
    fn take(&mut self, line: &[u8], delimiter: &[u8]) -> Result<(), DecodeError> {
        let mut rest = line;
        while let Some(&byte) = rest.first() {
            let taken = match self.state {
                State::Quoted => self.quoted(rest),
                State::FieldStart if byte == b'"' => self.go(State::Quoted),
                State::QuoteInQuoted if byte == b'"' => {
                    self.field.push(b'"');
                    self.go(State::Quoted)
                }
                State::FieldStart | State::QuoteInQuoted | State::Plain if rest.starts_with(delimiter) => {
                    self.save()?;
                    self.go(State::FieldStart) - 1 + delimiter.len()
                }
                State::FieldStart | State::QuoteInQuoted | State::Plain => self.plain(rest, delimiter),
            };
            rest = &rest[taken..];
        }
        Ok(())
    }

    /// One byte was taken, and the state is this.
    fn go(&mut self, state: State) -> usize {
        self.state = state;
        1
    }

    fn plain(&mut self, rest: &[u8], delimiter: &[u8]) -> usize {
        // The first byte is none of a delimiter, so that at least it is taken.
        let end = memchr(delimiter[0], &rest[1..]).map_or(rest.len(), |at| at + 1);
        self.field.extend_from_slice(&rest[..end]);
        self.state = State::Plain;
        end
    }

    fn quoted(&mut self, rest: &[u8]) -> usize {
        let Some(end) = memchr(b'"', rest) else {
            self.field.extend_from_slice(rest);
            return rest.len();
        };
        self.field.extend_from_slice(&rest[..end]);
        self.state = State::QuoteInQuoted;
        end + 1
    }

    fn save(&mut self) -> Result<(), DecodeError> {
        let text = String::from_utf8(std::mem::take(&mut self.field))
            .map_err(|_| DecodeError::Charset { encoding: "utf-8".into() })?;
        if self.fields.len() == COLUMNS_MAX {
            return Err(DecodeError::TooLarge { what: "the fields of a row", limit: COLUMNS_MAX as u64 });
        }
        self.fields.push(text);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<String>, DecodeError> {
        self.save()?;
        Ok(self.fields)
    }
}
