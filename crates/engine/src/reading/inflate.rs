//! Takes off the encodings that a source put on a body for the way, within a bound: a few kilobytes can inflate to
//! gigabytes.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// What is asked for: what can be taken off again.
pub(super) const ACCEPTED: &str = "gzip, deflate";
/// Encodings put one over the other; more than one is already odd.
const ENCODINGS_MAX: usize = 3;

/// Why a body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InflateError {
    #[error("the body is encoded as '{0}', which was not asked for and cannot be read")]
    Unknown(String),
    #[error("the body is not the {0} that its headers announce")]
    Broken(&'static str),
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
}

#[derive(Clone, Copy)]
enum Encoding {
    Gzip,
    Deflate,
}

/// The body as its sender meant it, of at most `bytes_max`. What is not encoded is handed back as it is.
pub(super) fn inflate(headers: &HeaderMap, body: Bytes, bytes_max: usize) -> Result<Bytes, InflateError> {
    let encodings = encodings(headers)?;
    // The last one named was put on last, so it comes off first. Nothing cannot be encoded: servers label it all the
    // same.
    encodings.into_iter().rev().filter(|_| !body.is_empty()).try_fold(body.clone(), |body, encoding| match encoding {
        Encoding::Gzip => read(MultiGzDecoder::new(&*body), bytes_max, "gzip"),
        Encoding::Deflate => deflated(&body, bytes_max),
    })
}

/// Reads a body that comes piece by piece, taking off what its headers announce.
pub(super) fn inflating<'r>(headers: &HeaderMap, body: impl Read + 'r) -> Result<Box<dyn Read + 'r>, InflateError> {
    let encodings = encodings(headers)?;
    Ok(encodings.into_iter().rev().fold(Box::new(body), |body, encoding| match encoding {
        Encoding::Gzip => Box::new(MultiGzDecoder::new(body)),
        Encoding::Deflate => Box::new(ZlibDecoder::new(body)),
    }))
}

fn encodings(headers: &HeaderMap) -> Result<Vec<Encoding>, InflateError> {
    let mut found = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.to_str().unwrap_or("?").split(',').map(str::trim) {
            match name.to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" => found.push(Encoding::Gzip),
                "deflate" => found.push(Encoding::Deflate),
                _ => return Err(InflateError::Unknown(name.chars().take(32).collect())),
            }
        }
    }
    if found.len() > ENCODINGS_MAX {
        return Err(InflateError::Unknown(format!("{} encodings", found.len())));
    }
    Ok(found)
}

/// `deflate` is zlib by the standard and bare deflate by some servers.
fn deflated(body: &[u8], bytes_max: usize) -> Result<Bytes, InflateError> {
    match read(ZlibDecoder::new(body), bytes_max, "deflate") {
        Err(InflateError::Broken(_)) => read(DeflateDecoder::new(body), bytes_max, "deflate"),
        other => other,
    }
}

fn read(from: impl Read, bytes_max: usize, name: &'static str) -> Result<Bytes, InflateError> {
    let mut inflated = Vec::new();
    // One byte more than allowed tells a body that fits from one that does not.
    let bound = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    from.take(bound).read_to_end(&mut inflated).map_err(|_| InflateError::Broken(name))?;
    if inflated.len() > bytes_max { Err(InflateError::TooLarge(bytes_max)) } else { Ok(inflated.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn headers(encoding: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, http::HeaderValue::from_static(encoding))])
    }

    fn gzip(text: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap().into()
    }

    fn zlib(text: &[u8]) -> Bytes {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap().into()
    }

    fn bare(text: &[u8]) -> Bytes {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn every_encoding_that_is_asked_for_comes_off() {
        let text = b"[1,2,3]";
        let cases: [(&'static str, Bytes); 7] = [
            ("identity", Bytes::from_static(text)),
            ("gzip", gzip(text)),
            ("X-GZIP", gzip(text)),
            ("deflate", zlib(text)),
            ("deflate", bare(text)),
            ("deflate, gzip", gzip(&zlib(text))),
            ("identity, gzip", gzip(text)),
        ];
        for (encoding, body) in cases {
            assert_eq!(inflate(&headers(encoding), body, 1_000).as_deref(), Ok(&text[..]), "{encoding}");
        }
        assert_eq!(inflate(&HeaderMap::new(), Bytes::from_static(text), 1).as_deref(), Ok(&text[..]));
        assert_eq!(inflate(&headers("gzip"), Bytes::new(), 1).as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn a_body_that_inflates_beyond_the_bound_is_refused_at_the_bound() {
        let bomb = gzip(&vec![0; 1_000_000]);
        assert!(bomb.len() < 10_000);
        assert_eq!(inflate(&headers("gzip"), bomb.clone(), 999_999), Err(InflateError::TooLarge(999_999)));
        assert_eq!(inflate(&headers("gzip"), bomb, 1_000_000).map(|body| body.len()), Ok(1_000_000));
    }

    #[test]
    fn what_is_not_what_it_says_is_an_error_and_not_half_a_body() {
        let whole = gzip(b"0123456789012345678901234567890123456789");
        let half = whole.slice(..whole.len() - 9);
        assert_eq!(inflate(&headers("gzip"), half, 1_000), Err(InflateError::Broken("gzip")));
        assert_eq!(inflate(&headers("br"), whole, 1_000), Err(InflateError::Unknown("br".to_owned())));
    }

    #[test]
    fn a_body_that_comes_in_pieces_inflates_as_it_is_read() {
        let body = gzip(b"id\n1\n");
        let mut text = String::new();
        inflating(&headers("gzip"), &*body).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "id\n1\n");
    }
}
