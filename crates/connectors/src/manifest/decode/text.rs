//! Text in other encodings than UTF-8, turned into UTF-8 as it streams by. UTF-8 itself passes untouched and is checked
//! where it is used. Bytes that are no text in their encoding are an error, never replaced: a record is not to be altered.

use std::io::{self, Read as Bytes};

use encoding_rs::{DecoderResult, Encoding, UTF_16LE};

use super::DecodeError;
use crate::manifest::node::Node;
use crate::manifest::problem::Problem;

/// Bytes that are read from below at a time.
const CHUNK_BYTES: usize = 32 * 1024;

/// The encoding of a text, by the names that the reference implementation (7.39.1) takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    #[default]
    Utf8,
    /// UTF-8 with a mark at the start that is no part of the text.
    Utf8Marked,
    /// Each byte is the character of its number.
    Latin1,
    Ascii,
    Other(&'static Encoding),
}

impl Charset {
    /// By one of its names, in any spelling of them.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase().replace(['_', ' '], "-");
        Some(match name.as_str() {
            "utf-8" | "utf8" | "u8" | "cp65001" => Self::Utf8,
            "utf-8-sig" => Self::Utf8Marked,
            "latin-1" | "latin1" | "latin" | "l1" | "iso-8859-1" | "iso8859-1" | "8859" | "cp819" => Self::Latin1,
            "ascii" | "us-ascii" | "646" => Self::Ascii,
            "utf-16" | "utf16" | "u16" | "utf-16-le" => Self::Other(UTF_16LE),
            "utf-16-be" => Self::Other(encoding_rs::UTF_16BE),
            "cp932" | "mskanji" | "ms-kanji" => Self::Other(encoding_rs::SHIFT_JIS),
            "cp936" => Self::Other(encoding_rs::GBK),
            "cp949" | "uhc" => Self::Other(encoding_rs::EUC_KR),
            "cp950" => Self::Other(encoding_rs::BIG5),
            "mac-roman" | "macroman" => Self::Other(encoding_rs::MACINTOSH),
            other => Self::Other(Encoding::for_label_no_replacement(other.as_bytes())?),
        })
    }

    /// What a decoder's `encoding` says.
    pub(super) fn of(node: &Node) -> Result<Self, Problem> {
        let Some(name) = node.maybe::<String>("encoding")? else { return Ok(Self::Utf8) };
        Self::named(&name).ok_or_else(|| match node.get("encoding") {
            Some(encoding) => encoding.wrong("an encoding such as utf-8, utf-16, iso-8859-1 or windows-1252"),
            None => node.wrong("an `encoding` that is known"),
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Utf8 | Self::Utf8Marked => "utf-8",
            Self::Latin1 => "iso-8859-1",
            Self::Ascii => "ascii",
            Self::Other(encoding) => encoding.name(),
        }
    }

    /// The body as UTF-8.
    pub(super) fn reader<'a>(self, body: &'a mut dyn Bytes) -> Box<dyn Bytes + 'a> {
        let decoder = match self {
            Self::Utf8 => return Box::new(body),
            Self::Utf8Marked => encoding_rs::UTF_8.new_decoder_with_bom_removal(),
            Self::Latin1 | Self::Ascii => encoding_rs::WINDOWS_1252.new_decoder_without_bom_handling(),
            // The mark of UTF-16 says which of its two orders it is; without one it is the little-endian one.
            Self::Other(encoding) if encoding == UTF_16LE => encoding.new_decoder(),
            Self::Other(encoding) => encoding.new_decoder_without_bom_handling(),
        };
        Box::new(Transcoder { body, charset: self, decoder, out: Vec::new(), given: 0, ended: false })
    }
}

struct Transcoder<'a> {
    body: &'a mut dyn Bytes,
    charset: Charset,
    decoder: encoding_rs::Decoder,
    /// Text that was decoded, of which `given` bytes are handed out.
    out: Vec<u8>,
    given: usize,
    ended: bool,
}

impl Transcoder<'_> {
    fn refill(&mut self) -> io::Result<()> {
        let mut chunk = [0; CHUNK_BYTES];
        let read = self.body.read(&mut chunk)?;
        self.ended = read == 0;
        self.out.clear();
        self.given = 0;
        let chunk = &chunk[..read];
        match self.charset {
            Charset::Latin1 => {
                self.out.extend(chunk.iter().flat_map(|&byte| char::from(byte).to_string().into_bytes()))
            }
            Charset::Ascii if !chunk.is_ascii() => return Err(self.refused()),
            Charset::Ascii => self.out.extend_from_slice(chunk),
            Charset::Utf8 | Charset::Utf8Marked | Charset::Other(_) => self.decode(chunk)?,
        }
        Ok(())
    }

    fn decode(&mut self, mut chunk: &[u8]) -> io::Result<()> {
        loop {
            let room = self.decoder.max_utf8_buffer_length_without_replacement(chunk.len()).unwrap_or(CHUNK_BYTES);
            let from = self.out.len();
            self.out.resize(from + room, 0);
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(chunk, &mut self.out[from..], self.ended);
            self.out.truncate(from + written);
            chunk = &chunk[read..];
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => return Err(self.refused()),
            }
        }
    }

    fn refused(&self) -> io::Error {
        DecodeError::Charset { encoding: self.charset.name().into() }.into_io()
    }
}

impl Bytes for Transcoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.out.len() && !self.ended {
            self.refill()?;
        }
        let rest = &self.out[self.given..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        Ok(length)
    }
}
