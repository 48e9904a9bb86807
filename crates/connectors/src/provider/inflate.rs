//! Undoes one Content-Encoding, after verification and within bounds.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::incoming::Incoming;
use super::refusal::{Code, Refusal};

/// Largest body after inflating: as much as `limits.body_bytes` allows on the wire unless it is set.
pub const INFLATED_BYTES_MAX: usize = 25 * 1024 * 1024;
/// Most bytes out per byte in. Real payloads reach 20 to 50; what is beyond was made to exhaust memory.
const RATIO_MAX: usize = 200;
/// Small bodies may have any ratio: a page of spaces is no attack.
const RATIO_FREE_BYTES: usize = 1024 * 1024;

/// Whether the body came compressed, so that what is inside it is not what was signed.
pub(crate) fn is_encoded(incoming: &Incoming<'_>) -> Result<bool, Refusal> {
    Ok(encoding(incoming)?.is_some())
}

/// The inflated body, or `None` where it came as it is.
pub(crate) fn inflated(incoming: &Incoming<'_>) -> Result<Option<Bytes>, Refusal> {
    let Some(encoding) = encoding(incoming)? else { return Ok(None) };
    let limit = incoming.body.len().saturating_mul(RATIO_MAX).clamp(RATIO_FREE_BYTES, INFLATED_BYTES_MAX);
    let bytes = match encoding {
        Coding::Gzip => read(MultiGzDecoder::new(incoming.body), limit),
        Coding::Deflate => read(ZlibDecoder::new(incoming.body), limit),
    };
    bytes.map(|bytes| Some(bytes.into()))
}

enum Coding {
    Gzip,
    Deflate,
}

fn encoding(incoming: &Incoming<'_>) -> Result<Option<Coding>, Refusal> {
    let Some(value) = incoming.header("content-encoding")? else { return Ok(None) };
    match value.trim_ascii().to_ascii_lowercase().as_slice() {
        b"identity" => Ok(None),
        b"gzip" | b"x-gzip" => Ok(Some(Coding::Gzip)),
        b"deflate" => Ok(Some(Coding::Deflate)),
        nested if nested.contains(&b',') => {
            Err(Refusal::new(Code::EncodingRefused, "the body is encoded more than once"))
        }
        _ => Err(Refusal::new(Code::EncodingRefused, "the body's Content-Encoding is neither gzip nor deflate")),
    }
}

fn read(decoder: impl Read, limit: usize) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    decoder
        .take(limit as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|_| Refusal::new(Code::BodyUnreadable, "the body is not encoded as its Content-Encoding says"))?;
    if out.len() > limit {
        return Err(Refusal::new(Code::BodyTooLarge, format!("the body inflates to more than {limit} bytes")));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;
    use crate::provider::incoming::{Peer, Urls};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn inflate(encodings: &[&'static str], body: &[u8]) -> Result<Option<Bytes>, Code> {
        let headers: Vec<(Arc<str>, Bytes)> =
            encodings.iter().map(|value| ("content-encoding".into(), Bytes::from_static(value.as_bytes()))).collect();
        let urls = Urls { configured: "", received: "" };
        inflated(&Incoming { method: "POST", urls, headers: &headers, body, peer: Peer::default() })
            .map_err(|refusal| refusal.code)
    }

    #[test]
    fn one_known_encoding_is_undone() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(b"hello").expect("memory");
        let zlib = zlib.finish().expect("memory");
        assert_eq!(inflate(&["GZIP"], &gzip(b"hello")), Ok(Some(Bytes::from_static(b"hello"))));
        assert_eq!(inflate(&["deflate"], &zlib), Ok(Some(Bytes::from_static(b"hello"))));
        assert_eq!(inflate(&["identity"], b"hello"), Ok(None));
        assert_eq!(inflate(&[], b"hello"), Ok(None));
    }

    #[test]
    fn everything_else_is_refused() {
        assert_eq!(inflate(&["gzip, gzip"], &gzip(b"x")), Err(Code::EncodingRefused));
        assert_eq!(inflate(&["br"], b"x"), Err(Code::EncodingRefused));
        assert_eq!(inflate(&["gzip", "gzip"], &gzip(b"x")), Err(Code::DuplicateHeader));
        assert_eq!(inflate(&["gzip"], b"not gzip"), Err(Code::BodyUnreadable));
        let mut cut = gzip(&[b'x'; 5000]);
        cut.truncate(cut.len() - 9);
        assert_eq!(inflate(&["gzip"], &cut), Err(Code::BodyUnreadable));
    }

    #[test]
    fn threat_08_bombs_are_stopped_by_ratio_and_by_size() {
        let by_ratio = gzip(&vec![0; 8 * 1024 * 1024]);
        assert!(by_ratio.len() * RATIO_MAX < 8 * 1024 * 1024);
        assert_eq!(inflate(&["gzip"], &by_ratio), Err(Code::BodyTooLarge));
        assert!(inflate(&["gzip"], &gzip(&vec![0; RATIO_FREE_BYTES])).is_ok(), "a small one may have any ratio");
        let many_members = gzip(&vec![0; 1024 * 1024]).repeat(40);
        assert_eq!(inflate(&["gzip"], &many_members), Err(Code::BodyTooLarge));
    }
}
