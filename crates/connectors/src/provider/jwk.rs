//! The public keys in JSON Web Keys, as the bytes that signatures are verified with. Secret ones are no public keys.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

use super::der;

#[derive(Debug, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default, rename = "use")]
    used_for: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
}

/// A key with the name that tokens call it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    pub kid: Option<String>,
    pub bytes: Vec<u8>,
}

/// The public key of one JSON Web Key.
pub(crate) fn public_key(json: &[u8]) -> Option<PublicKey> {
    from_jwk(serde_json::from_slice(json).ok()?)
}

/// The name of a text that is a JSON Web Key.
pub(crate) fn id(text: &str) -> Option<String> {
    let jwk: Jwk = serde_json::from_str(text.trim()).ok()?;
    jwk.kid
}

fn from_jwk(jwk: Jwk) -> Option<PublicKey> {
    if jwk.used_for.as_deref().is_some_and(|used| used != "sig") {
        return None;
    }
    let bytes = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", None) => der::rsa_public_key(&part(&jwk.n)?, &part(&jwk.e)?),
        ("EC", Some("P-256")) => {
            let (x, y) = (part(&jwk.x)?, part(&jwk.y)?);
            if x.len() != 32 || y.len() != 32 {
                return None;
            }
            [&[4], &x[..], &y[..]].concat()
        }
        ("OKP", Some("Ed25519")) => part(&jwk.x)?,
        _ => return None,
    };
    Some(PublicKey { kid: jwk.kid, bytes })
}

fn part(text: &Option<String>) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_deref()?.as_bytes()).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn public_keys_come_out_of_their_members() {
        let ec =
            format!(r#"{{"kty":"EC","crv":"P-256","kid":"a","x":"{0}","y":"{0}"}}"#, BASE64URL_NOPAD.encode(&[7; 32]));
        let key = public_key(ec.as_bytes()).expect("a key");
        assert_eq!((key.kid.as_deref(), key.bytes.len(), key.bytes[0]), (Some("a"), 65, 4));
        assert_eq!(id(&ec).as_deref(), Some("a"));
        let okp = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, BASE64URL_NOPAD.encode(&[7; 32]));
        assert_eq!(public_key(okp.as_bytes()).map(|key| key.bytes), Some(vec![7; 32]));
        let rsa = public_key(br#"{"kty":"RSA","n":"gQ","e":"AQAB","use":"sig"}"#).expect("a key");
        assert_eq!(rsa.bytes, [0x30, 9, 2, 2, 0, 0x81, 2, 3, 1, 0, 1]);
    }

    #[test]
    fn what_is_no_public_key_is_none() {
        for json in [
            r#"{"kty":"oct","k":"c2VjcmV0"}"#,
            r#"{"kty":"RSA","n":"gQ","e":"AQAB","use":"enc"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}"#,
            r#"{"kty":"EC","crv":"P-521","x":"AQ","y":"AQ"}"#,
            "[]",
            "",
        ] {
            assert_eq!(public_key(json.as_bytes()), None, "{json}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = public_key(&bytes);
        }
    }
}
