//! Large tables that asynchronous jobs download (`ResponseToFileExtractor`): CSV, compressed or not, read row by row as
//! it streams by. Texts that stand for nothing are null. A row that is longer than the header is an error, because
//! nobody could tell which of its fields belong where.

use std::io::{self, BufReader, Read as Bytes};

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value as Json};

use super::csv::Rows;
use super::gzip::{Inflated, MAGIC, fill};
use super::{DecodeError, Decoded, Each, Limits, Sink};
use crate::manifest::node::{Node, Read};
use crate::manifest::problem::Problem;

const FORMAT: &str = "table of comma-separated values";
/// What the reference implementation (7.39.1) reads as nothing, in quotes or not.
const MISSING: [&str; 19] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
];
/// The usual first byte of zlib.
const ZLIB: u8 = 0x78;

/// A table that is downloaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Table {
    /// Only empty fields are null then.
    preserves_na: bool,
}

impl Table {
    /// Reads a body, giving each row to `each` as soon as it is read.
    pub fn decode(&self, body: &mut dyn Bytes, each: Each<'_>) -> Result<Decoded, DecodeError> {
        self.decode_within(body, &Limits::DEFAULT, each)
    }

    pub fn decode_within(&self, body: &mut dyn Bytes, limits: &Limits, each: Each<'_>) -> Result<Decoded, DecodeError> {
        let mut sink = Sink { each, limits, done: Decoded::default() };
        let mut start = [0; MAGIC.len()];
        let read = fill(body, &mut start).map_err(|error| sink.fault(error, FORMAT))?;
        let body = start[..read].chain(body);
        let inflated = limits.inflated_bytes;
        match start {
            MAGIC => self.rows(Inflated::new(MultiGzDecoder::new(BufReader::new(body)), inflated), &mut sink)?,
            [ZLIB, _] if u16::from_be_bytes(start) % 31 == 0 => {
                self.rows(Inflated::new(ZlibDecoder::new(BufReader::new(body)), inflated), &mut sink)?;
            }
            _ => self.rows(WithoutZeros(body), &mut sink)?,
        }
        Ok(sink.done)
    }

    fn rows(self, body: impl Bytes, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
        let mut rows = Rows::new(body, ',', sink.limits.item_bytes).with_blanks(b" \t");
        let mut header = None;
        while let Some(row) = rows.next(sink)? {
            match &header {
                _ if row.is_empty() => {}
                None => header = Some(names(row)),
                Some(names) if row.len() > names.len() => {
                    let (own, said) = (row.len(), names.len());
                    let detail = format!("row {} has {own} fields, but the header {said}", sink.done.items + 1);
                    return Err(DecodeError::malformed(FORMAT, detail));
                }
                Some(names) => {
                    if !sink.give(self.record(names, row)) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn record(self, names: &[String], row: Vec<String>) -> Json {
        let mut record = Map::with_capacity(names.len());
        let mut fields = row.into_iter();
        for name in names {
            let field = fields.next().filter(|field| !self.is_missing(field));
            record.insert(name.clone(), field.map_or(Json::Null, Json::String));
        }
        Json::Object(record)
    }

    fn is_missing(self, field: &str) -> bool {
        if self.preserves_na { field.is_empty() } else { MISSING.contains(&field) }
    }
}

impl Read for Table {
    fn read(node: &Node) -> Result<Self, Problem> {
        match &*node.kind("ResponseToFileExtractor")? {
            "ResponseToFileExtractor" => Ok(Self { preserves_na: node.or("preserve_na_values", false)? }),
            _ => Err(node.unsupported()),
        }
    }
}

/// The names of the columns: an empty one is called by its place, a repeated one is numbered.
fn names(mut row: Vec<String>) -> Vec<String> {
    if let Some(first) = row.first_mut()
        && let Some(rest) = first.strip_prefix('\u{feff}')
    {
        *first = rest.to_owned();
    }
    for (at, name) in row.iter_mut().enumerate().filter(|(_, name)| name.is_empty()) {
        *name = format!("Unnamed: {at}");
    }
    let mut taken: FxHashSet<String> = row.iter().cloned().collect();
    let mut repeats: FxHashMap<String, usize> = FxHashMap::default();
    row.into_iter()
        .map(|name| {
            let Some(number) = repeats.get_mut(&name) else {
                repeats.insert(name.clone(), 0);
                return name;
            };
            loop {
                *number += 1;
                let numbered = format!("{name}.{number}");
                if taken.insert(numbered.clone()) {
                    return numbered;
                }
            }
        })
        .collect()
}

/// A body without zero bytes, which exports of some databases have between fields.
struct WithoutZeros<R>(R);

impl<R: Bytes> Bytes for WithoutZeros<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.0.read(buffer)?;
            let mut kept = 0;
            for at in 0..read {
                if buffer[at] != 0 {
                    buffer[kept] = buffer[at];
                    kept += 1;
                }
            }
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}
