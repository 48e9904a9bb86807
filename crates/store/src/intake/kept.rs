//! How a kept request lies in a store, whichever it is: its headers as bytes, and what it takes of its bound.

use std::sync::Arc;

use bytes::Bytes;
use domain::Timestamp;
use domain::request::{InboundRequest, Verdict};

use super::{KeptRequest, RejectedBounds};
use crate::StoreError;

impl KeptRequest {
    /// When it is judged again: only pending ones are, and one that says no time at once.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        due_of(self.verdict, self.due)
    }

    /// The body that is kept. One that is larger than all of its kind may be together is kept without it: it must not push
    /// out the rest.
    #[must_use]
    pub fn body_within(&self, bounds: RejectedBounds) -> Bytes {
        let too_large = size(&self.request, &self.request.body) > bounds.bytes_max;
        if too_large && self.verdict == Verdict::Rejected { Bytes::new() } else { self.request.body.clone() }
    }
}

/// When a request with such a verdict is judged again.
#[must_use]
pub fn due_of(verdict: Verdict, due: Option<Timestamp>) -> Option<Timestamp> {
    (verdict == Verdict::Pending).then(|| due.unwrap_or_default())
}

/// What a request takes with this body: bytes of its body, headers and URL.
#[must_use]
pub fn size(request: &InboundRequest, body: &Bytes) -> u64 {
    let headers: usize = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    (body.len() + headers + request.url.len()) as u64
}

/// Headers as length-prefixed names and values: values are bytes, not text.
#[must_use]
pub fn encode_headers(headers: &[(Arc<str>, Bytes)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in headers {
        for part in [name.as_bytes(), value] {
            out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend_from_slice(part);
        }
    }
    out
}

/// The headers that [`encode_headers`] wrote.
///
/// # Errors
/// [`StoreError::Corrupt`] where the bytes end within one.
pub fn decode_headers(bytes: &Bytes) -> Result<Vec<(Arc<str>, Bytes)>, StoreError> {
    let mut rest = bytes.clone();
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let (name, value) = (part(&mut rest)?, part(&mut rest)?);
        headers.push((String::from_utf8_lossy(&name).into(), value));
    }
    Ok(headers)
}

fn part(rest: &mut Bytes) -> Result<Bytes, StoreError> {
    let damaged = || StoreError::Corrupt("the headers of a request cannot be read".to_owned());
    let length = rest.first_chunk::<4>().map(|length| u32::from_be_bytes(*length) as usize).ok_or_else(damaged)?;
    if rest.len() < 4 + length {
        return Err(damaged());
    }
    let part = rest.slice(4..4 + length);
    *rest = rest.slice(4 + length..);
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_back_as_they_came_and_damage_is_told() {
        let headers = vec![("a".into(), Bytes::from_static(&[0, 255])), ("a".into(), Bytes::new())];
        let encoded = Bytes::from(encode_headers(&headers));
        assert_eq!(decode_headers(&encoded).ok(), Some(headers));
        assert!(decode_headers(&encoded.slice(..encoded.len() - 1)).is_err());
        assert!(decode_headers(&encoded.slice(..3)).is_err());
    }
}
