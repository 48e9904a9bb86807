//! Gzip, where the body is gzip: APIs that promise it send plain bodies too, and those pass through.

use std::io::{self, BufReader, Read as Bytes};

use flate2::bufread::MultiGzDecoder;

use super::{DecodeError, Decoder, Sink};

pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

pub(super) fn parse(body: &mut dyn Bytes, inner: &Decoder, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
    let mut start = [0; MAGIC.len()];
    let length = fill(body, &mut start).map_err(|error| sink.fault(error, "gzip"))?;
    let mut body = start[..length].chain(body);
    if start != MAGIC {
        return inner.parse(&mut body, sink);
    }
    let inflated = MultiGzDecoder::new(BufReader::new(body));
    inner.parse(&mut Inflated::new(inflated, sink.limits.inflated_bytes), sink)
}

/// Fills the buffer unless the body is shorter. How much was read.
pub(super) fn fill(body: &mut dyn Bytes, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match body.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// What comes out of a compressed body, up to a limit.
pub(super) struct Inflated<R> {
    reader: R,
    left: u64,
    limit: u64,
}

impl<R> Inflated<R> {
    pub fn new(reader: R, limit: u64) -> Self {
        Self { reader, left: limit, limit }
    }
}

impl<R: Bytes> Bytes for Inflated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            DecodeError::TooLarge { what: "the bytes of an inflated body", limit: self.limit }.into_io()
        })?;
        Ok(read)
    }
}
