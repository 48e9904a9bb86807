//! Archives, read as they stream by: one file after another from their local headers, each checked against its length
//! and checksum, and the directory at the end against the number of files. Nothing is held but the file being read.
//!
//! An archive without its directory is cut short, and an error. Encrypted files and methods other than deflate are said
//! to be unsupported, never passed over.

use std::io::{self, BufRead, BufReader, Read as Bytes};

use flate2::bufread::DeflateDecoder;

use super::gzip::{Inflated, fill};
use super::{DecodeError, Decoder, Sink};

const FORMAT: &str = "zip archive";
const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
/// The length of the fixed part of each header, without its signature.
const LOCAL_BYTES: usize = 26;
const CENTRAL_BYTES: usize = 42;
const END_BYTES: usize = 18;
/// In a 32-bit length: the real one is in the 64-bit extra field.
const IN_EXTRA: u64 = u32::MAX as u64;
const EXTRA_64: u16 = 1;
const ENCRYPTED: u16 = 1;
const LENGTHS_FOLLOW: u16 = 1 << 3;
/// Characters of a file's name that a message quotes.
const NAME_CHARS_MAX: usize = 100;

pub(super) fn parse(body: &mut dyn Bytes, inner: &Decoder, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
    let mut archive = Archive { body: BufReader::new(body) };
    let mut files = 0;
    let mut inflated = 0;
    loop {
        let signature = archive.signature(sink)?;
        match signature {
            LOCAL if files == sink.limits.archive_entries => {
                return Err(DecodeError::TooLarge { what: "the files of an archive", limit: files });
            }
            LOCAL => {
                files += 1;
                let entry = archive.entry(sink)?;
                inflated += archive.file(&entry, inflated, inner, sink)?;
                if sink.done.stopped {
                    return Ok(());
                }
            }
            _ => return archive.directory(signature, files, sink),
        }
    }
}

/// What a file's local header says.
struct Entry {
    name: String,
    deflated: bool,
    /// The checksum and the length on the wire, unless they follow the contents.
    known: Option<Known>,
    /// Whether lengths that follow have 64 bits.
    wide: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    checksum: u32,
    packed: u64,
    length: u64,
}

struct Archive<'a> {
    body: BufReader<&'a mut dyn Bytes>,
}

impl Archive<'_> {
    fn signature(&mut self, sink: &Sink<'_>) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.take::<4>(sink)?))
    }

    fn take<const N: usize>(&mut self, sink: &Sink<'_>) -> Result<[u8; N], DecodeError> {
        let mut bytes = [0; N];
        self.body.read_exact(&mut bytes).map_err(|error| sink.fault(error, FORMAT))?;
        Ok(bytes)
    }

    fn bytes(&mut self, length: u16, sink: &Sink<'_>) -> Result<Vec<u8>, DecodeError> {
        let mut bytes = vec![0; usize::from(length)];
        self.body.read_exact(&mut bytes).map_err(|error| sink.fault(error, FORMAT))?;
        Ok(bytes)
    }

    fn entry(&mut self, sink: &Sink<'_>) -> Result<Entry, DecodeError> {
        let header: [u8; LOCAL_BYTES] = self.take(sink)?;
        let (flags, method) = (u16_at(&header, 2), u16_at(&header, 4));
        let name = self.bytes(u16_at(&header, 22), sink)?;
        let extra = self.bytes(u16_at(&header, 24), sink)?;
        let name: String = String::from_utf8_lossy(&name).chars().take(NAME_CHARS_MAX).collect();
        if flags & ENCRYPTED != 0 {
            return Err(unsupported(&name, "is encrypted"));
        }
        let deflated = match method {
            0 => false,
            8 => true,
            _ => return Err(unsupported(&name, &format!("is compressed by method {method}; only deflate is read"))),
        };
        let (packed, length) = (u32_at(&header, 14).into(), u32_at(&header, 18).into());
        let wide = wide_lengths(&extra);
        let known = match wide {
            _ if flags & LENGTHS_FOLLOW != 0 => None,
            Some((length, packed)) => Some(Known { checksum: u32_at(&header, 10), packed, length }),
            None if packed == IN_EXTRA || length == IN_EXTRA => {
                return Err(DecodeError::malformed(FORMAT, format!("the length of {name:?} is missing")));
            }
            None => Some(Known { checksum: u32_at(&header, 10), packed, length }),
        };
        if known.is_none() && !deflated {
            return Err(unsupported(&name, "is stored without saying how long it is"));
        }
        Ok(Entry { name, deflated, known, wide: has_wide(&extra) })
    }

    /// Decodes one file. How many bytes it had.
    fn file(&mut self, entry: &Entry, before: u64, inner: &Decoder, sink: &mut Sink<'_>) -> Result<u64, DecodeError> {
        let limit = sink.limits.inflated_bytes.saturating_sub(before);
        let packed = entry.known.map_or(u64::MAX, |known| known.packed);
        let mut wire = Counted { body: &mut self.body, left: packed, read: 0 };
        let mut checked = Checked { hash: crc32fast::Hasher::new(), length: 0 };
        let mut decode = |contents: &mut dyn Bytes| -> Result<(), DecodeError> {
            let mut contents = Hashed { reader: Inflated::new(contents, limit), checked: &mut checked };
            if !entry.name.ends_with('/') {
                inner.parse(&mut contents, sink)?;
            }
            if sink.done.stopped {
                return Ok(());
            }
            io::copy(&mut contents, &mut io::sink()).map_err(|error| sink.fault(error, FORMAT))?;
            Ok(())
        };
        match entry.deflated {
            true => decode(&mut DeflateDecoder::new(&mut wire))?,
            false => decode(&mut wire)?,
        }
        if sink.done.stopped {
            return Ok(checked.length);
        }
        let packed = wire.read;
        let known = match entry.known {
            Some(known) => known,
            None => self.descriptor(entry.wide || packed > IN_EXTRA || checked.length > IN_EXTRA, sink)?,
        };
        let found = Known { checksum: checked.hash.finalize(), packed, length: checked.length };
        match found == known {
            true => Ok(found.length),
            false => Err(mismatch(&entry.name, found, known, sink)),
        }
    }

    /// The checksum and lengths that follow contents of unknown length; their signature is optional.
    fn descriptor(&mut self, wide: bool, sink: &Sink<'_>) -> Result<Known, DecodeError> {
        let first = self.signature(sink)?;
        let checksum = if first == DESCRIPTOR { self.signature(sink)? } else { first };
        let (packed, length) = match wide {
            true => (u64::from_le_bytes(self.take(sink)?), u64::from_le_bytes(self.take(sink)?)),
            false => (self.signature(sink)?.into(), self.signature(sink)?.into()),
        };
        Ok(Known { checksum, packed, length })
    }

    /// The directory, which lists every file, and its end.
    fn directory(&mut self, mut signature: u32, files: u64, sink: &Sink<'_>) -> Result<(), DecodeError> {
        let mut listed = 0;
        while signature == CENTRAL {
            let header: [u8; CENTRAL_BYTES] = self.take(sink)?;
            for at in [24, 26, 28] {
                self.bytes(u16_at(&header, at), sink)?;
            }
            listed += 1;
            signature = self.signature(sink)?;
        }
        if signature == END_64 {
            let length = u64::from_le_bytes(self.take(sink)?);
            let skipped = io::copy(&mut (&mut self.body).take(length), &mut io::sink());
            skipped.map_err(|error| sink.fault(error, FORMAT))?;
            signature = self.signature(sink)?;
        }
        if signature == LOCATOR_64 {
            self.take::<16>(sink)?;
            signature = self.signature(sink)?;
        }
        if signature != END {
            return Err(DecodeError::malformed(FORMAT, "something stands where a file or the directory should"));
        }
        self.take::<END_BYTES>(sink)?;
        match listed == files {
            true => Ok(()),
            false => Err(DecodeError::malformed(FORMAT, format!("it holds {files} files, but lists {listed}"))),
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

/// The 64-bit extra field's contents.
fn wide_field(mut extra: &[u8]) -> Option<&[u8]> {
    while extra.len() >= 4 {
        let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let field = extra.get(4..4 + length)?;
        if id == EXTRA_64 {
            return Some(field);
        }
        extra = &extra[4 + length..];
    }
    None
}

fn has_wide(extra: &[u8]) -> bool {
    wide_field(extra).is_some()
}

/// The length and the length on the wire, with 64 bits.
fn wide_lengths(extra: &[u8]) -> Option<(u64, u64)> {
    let field = wide_field(extra)?;
    let at = |at: usize| field.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    Some((at(0)?, at(8)?))
}

fn unsupported(name: &str, detail: &str) -> DecodeError {
    DecodeError::Unsupported { detail: format!("its file {name:?} {detail}") }
}

fn mismatch(name: &str, found: Known, said: Known, sink: &Sink<'_>) -> DecodeError {
    if found.packed < said.packed {
        return DecodeError::Truncated { format: FORMAT, items: sink.done.items };
    }
    DecodeError::malformed(FORMAT, format!("the file {name:?} is damaged: its checksum or length is another one"))
}

/// At most so many bytes of the archive, and how many were taken.
struct Counted<'a, R> {
    body: &'a mut R,
    left: u64,
    read: u64,
}

impl<R: BufRead> BufRead for Counted<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let buffer = self.body.fill_buf()?;
        let length = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        Ok(&buffer[..length])
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount as u64);
        self.read += amount as u64;
        self.body.consume(amount);
    }
}

impl<R: BufRead> Bytes for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = fill(&mut self.fill_buf()?, buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// What went by of a file.
struct Checked {
    hash: crc32fast::Hasher,
    length: u64,
}

struct Hashed<'a, R> {
    reader: R,
    checked: &'a mut Checked,
}

impl<R: Bytes> Bytes for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.checked.hash.update(&buffer[..read]);
        self.checked.length += read as u64;
        Ok(read)
    }
}
