//! The compact form of a JSON Web Signature, taken apart without believing any of it.

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::Value;

/// Longest token in a header or a field; one that is the whole body may be as long as a body.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Longest token that is a whole body.
const BODY_TOKEN_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The one extension that is understood: RFC 7797.
const UNENCODED: &str = "b64";

/// What is read of a token's header. A member that comes twice makes it unreadable; others are passed over.
#[derive(Debug, Deserialize)]
pub(crate) struct JoseHeader {
    pub alg: String,
    #[serde(default)]
    pub kid: Option<String>,
    #[serde(default)]
    pub crit: Option<Vec<String>>,
    #[serde(default)]
    pub b64: Option<bool>,
}

/// A token whose parts are readable. Nothing in it is verified.
#[derive(Debug)]
pub(crate) struct Token<'a> {
    pub header: JoseHeader,
    /// As it stands in the token.
    header_text: &'a [u8],
    payload_text: &'a [u8],
    pub signature: Vec<u8>,
}

impl<'a> Token<'a> {
    pub fn read(text: &'a [u8], is_body: bool) -> Result<Self, &'static str> {
        let text = if is_body { text.trim_ascii() } else { text };
        if text.len() > if is_body { BODY_TOKEN_BYTES_MAX } else { TOKEN_BYTES_MAX } {
            return Err("the token is longer than any token");
        }
        let (header_text, payload_text, signature) = parts(text).ok_or("this is no token of three parts")?;
        let header = BASE64URL_NOPAD.decode(header_text).map_err(|_| "the token's header is not base64url")?;
        let header = serde_json::from_slice(&header).map_err(|_| "the token's header is not readable")?;
        let signature = BASE64URL_NOPAD.decode(signature).map_err(|_| "the token's signature is not base64url")?;
        Ok(Self { header, header_text, payload_text, signature })
    }

    /// The parts of what is signed; `detached` is the payload of a token that has none.
    pub fn signed<'s>(&'s self, detached: Option<&'s [u8]>) -> Result<Vec<Cow<'s, [u8]>>, &'static str> {
        let unencoded = self.header.b64 == Some(false);
        let crit = self.header.crit.as_deref();
        if crit.is_some_and(|crit| crit.is_empty() || crit.iter().any(|name| name != UNENCODED)) {
            return Err("the token has a critical extension that is not understood");
        }
        if self.header.b64.is_some() != crit.is_some() {
            return Err("the token says 'b64' without calling it critical, or the other way round");
        }
        let payload = match (detached, self.payload_text.is_empty()) {
            (None, false) if !unencoded => Cow::Borrowed(self.payload_text),
            (Some(payload), true) if unencoded => Cow::Borrowed(payload),
            (Some(payload), true) => Cow::Owned(BASE64URL_NOPAD.encode(payload).into_bytes()),
            (None, _) => return Err("the token carries no payload"),
            (Some(_), false) => return Err("the token carries a payload of its own beside the request's"),
        };
        Ok(vec![Cow::Borrowed(self.header_text), Cow::Borrowed(b"."), payload])
    }

    pub fn claims(&self) -> Option<serde_json::Map<String, Value>> {
        serde_json::from_slice(&BASE64URL_NOPAD.decode(self.payload_text).ok()?).ok()
    }
}

fn parts(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut parts = text.split(|byte| *byte == b'.');
    let all = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(all)
}

/// The payload of a token, whoever signed it.
pub(crate) fn payload(text: &[u8]) -> Option<Vec<u8>> {
    let (_, payload, _) = parts(text.trim_ascii())?;
    BASE64URL_NOPAD.decode(payload).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(payload.as_bytes()))
    }

    fn signed(header: &str, payload: &str, detached: Option<&str>) -> Option<String> {
        let text = token(header, payload);
        let token = Token::read(text.as_bytes(), false).ok()?;
        let parts = token.signed(detached.map(str::as_bytes)).ok()?;
        Some(String::from_utf8_lossy(&parts.concat()).into_owned())
    }

    #[test]
    fn what_is_signed_is_the_token_or_the_request() {
        let plain = r#"{"alg":"HS256"}"#;
        let raw = r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#;
        let head = |header: &str| BASE64URL_NOPAD.encode(header.as_bytes());
        assert_eq!(signed(plain, "{}", None), Some(format!("{}.e30", head(plain))));
        assert_eq!(signed(plain, "", Some("{}")), Some(format!("{}.e30", head(plain))));
        assert_eq!(signed(raw, "", Some("a.b")), Some(format!("{}.a.b", head(raw))));
    }

    #[test]
    fn threat_06_jwt_confusion_of_forms_is_refused() {
        for (header, payload, detached) in [
            (r#"{"alg":"HS256","crit":["exp"]}"#, "{}", None),
            (r#"{"alg":"HS256","crit":[]}"#, "{}", None),
            (r#"{"alg":"HS256","b64":false}"#, "", Some("x")),
            (r#"{"alg":"HS256","crit":["b64"]}"#, "{}", None),
            (r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#, "{}", None),
            (r#"{"alg":"HS256"}"#, "", None),
            (r#"{"alg":"HS256"}"#, "{}", Some("{}")),
            (r#"{"alg":"HS256","alg":"none"}"#, "{}", None),
            (r#"{"kid":"1"}"#, "{}", None),
            ("[]", "{}", None),
        ] {
            assert_eq!(signed(header, payload, detached), None, "{header} {payload} {detached:?}");
        }
        for text in ["", "a.b", "e30.e30.e30.e30", "e30=.e30.c2ln"] {
            assert!(Token::read(text.as_bytes(), false).is_err(), "{text}");
        }
        let long = token(r#"{"alg":"HS256"}"#, &" ".repeat(TOKEN_BYTES_MAX));
        assert!(Token::read(long.as_bytes(), false).is_err());
        assert!(Token::read(long.as_bytes(), true).is_ok(), "a body may be longer");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, header: String, inner: String) {
            let text = token(&header, &inner);
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                if let Ok(token) = Token::read(bytes, false) {
                    let _ = (token.signed(None).is_ok(), token.signed(Some(b"x")).is_ok(), token.claims());
                }
                let _ = payload(bytes);
            }
        }
    }
}
