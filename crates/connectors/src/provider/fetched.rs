//! Keys that a sender publishes: what is in a document that was fetched. Fetches nothing itself: a request whose key is
//! not at hand is told to wait for it.

use std::sync::Arc;

use serde::Deserialize;

use super::secret::Window;
use super::{certificate, der, jwk};

/// Most keys of one document that are looked at: publishers have two or three.
const KEYS_MAX: usize = 32;

/// What a document of keys is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyFormat {
    /// An X.509 certificate as PEM.
    Certificate,
    /// A JSON Web Key Set, or one key of it.
    Jwks,
    /// A SubjectPublicKeyInfo as PEM.
    Pem,
}

/// Gives keys that were fetched before. An implementation never waits.
pub trait FetchedKeys: Send + Sync {
    /// The document at an address, unless it should be fetched first: because it never was, because it is too old,
    /// or because it lacks the key of this name and may have changed.
    fn document(&self, url: &str, kid: Option<&str>) -> Option<Arc<KeyDocument>>;
}

/// For those who fetch nothing.
pub(crate) struct NothingFetched;

impl FetchedKeys for NothingFetched {
    fn document(&self, _url: &str, _kid: Option<&str>) -> Option<Arc<KeyDocument>> {
        None
    }
}

/// A document of keys, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDocument {
    pub(crate) keys: Vec<FetchedKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FetchedKey {
    pub kid: Option<String>,
    pub bytes: Vec<u8>,
    pub window: Window,
    /// Of a certificate: whom it names.
    pub names: Vec<String>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

impl KeyDocument {
    /// Reads what was fetched; keys of kinds that nobody verifies with are passed over.
    pub fn read(format: KeyFormat, bytes: &[u8]) -> Result<Self, &'static str> {
        let keys: Vec<FetchedKey> = match format {
            KeyFormat::Jwks => match serde_json::from_slice::<KeySet>(bytes) {
                Ok(set) => {
                    set.keys.iter().take(KEYS_MAX).filter_map(|key| of_jwk(key.to_string().as_bytes())).collect()
                }
                Err(_) => of_jwk(bytes).into_iter().collect(),
            },
            KeyFormat::Pem => of_pem(bytes).into_iter().collect(),
            KeyFormat::Certificate => of_certificate(bytes).into_iter().collect(),
        };
        if keys.is_empty() { Err("it holds no public key of a known kind") } else { Ok(Self { keys }) }
    }

    /// Whether one of its keys is called so.
    #[must_use]
    pub fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }
}

fn of_jwk(json: &[u8]) -> Option<FetchedKey> {
    let jwk::PublicKey { kid, bytes } = jwk::public_key(json)?;
    Some(FetchedKey { kid, bytes, window: Window::default(), names: Vec::new() })
}

fn of_pem(text: &[u8]) -> Option<FetchedKey> {
    let spki = der::pem(std::str::from_utf8(text).ok()?)?;
    let bytes = der::public_key(&spki)?.to_vec();
    Some(FetchedKey { kid: None, bytes, window: Window::default(), names: Vec::new() })
}

/// The first certificate: publishers put the signer's before those of its issuers.
fn of_certificate(text: &[u8]) -> Option<FetchedKey> {
    let bytes = der::pem(std::str::from_utf8(text).ok()?)?;
    let certificate::Certificate { key, window, names } = certificate::read(&bytes)?;
    Some(FetchedKey { kid: None, bytes: key.to_vec(), window, names })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn documents_hold_keys_by_name() {
        let set = br#"{"keys":[{"kty":"oct","k":"c2VjcmV0"},{"kty":"RSA","kid":"a","n":"gQ","e":"AQAB"}]}"#;
        let read = KeyDocument::read(KeyFormat::Jwks, set).expect("a key");
        assert!(read.has("a") && !read.has("b"));
        assert_eq!(read.keys.len(), 1, "a shared secret is no public key");
        for (format, bytes) in [
            (KeyFormat::Jwks, b"{}".as_slice()),
            (KeyFormat::Jwks, br#"{"keys":[]}"#),
            (KeyFormat::Pem, b"<html>"),
            (KeyFormat::Certificate, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
        ] {
            assert!(KeyDocument::read(format, bytes).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            for format in [KeyFormat::Jwks, KeyFormat::Pem, KeyFormat::Certificate] {
                let _ = KeyDocument::read(format, &bytes);
            }
        }
    }
}
