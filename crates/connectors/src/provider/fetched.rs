//! Keys that a sender publishes: where they may be fetched from, what is in what was fetched, and which of it counts.
//! Fetches nothing itself: a request whose key is not at hand is told to wait for it.

use std::sync::Arc;

use serde::Deserialize;

use super::secret::Window;
use super::{certificate, der, jwk};

/// Longest address of a key: senders' are a tenth of it.
const URL_BYTES_MAX: usize = 2 * 1024;
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

/// A whole host name in which some labels may vary. The last two never do: they are who owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPattern(Vec<Option<Box<str>>>);

impl HostPattern {
    pub fn parse(text: &str) -> Option<Self> {
        let label = |label: &str| match label {
            "{label}" => Some(None),
            label if is_label(label) => Some(Some(label.into())),
            _ => None,
        };
        let labels: Vec<Option<Box<str>>> = text.split('.').map(label).collect::<Option<_>>()?;
        let owned = labels.len() >= 2 && labels.iter().rev().take(2).all(Option::is_some);
        owned.then_some(Self(labels))
    }

    fn matches(&self, host: &str) -> bool {
        let labels: Vec<&str> = host.split('.').collect();
        let fits = |(wanted, label): (&Option<Box<str>>, &&str)| match wanted {
            Some(wanted) => **wanted == **label,
            None => is_label(label),
        };
        labels.len() == self.0.len() && self.0.iter().zip(&labels).all(fits)
    }
}

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty() && label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-')
}

/// Whether a key may be fetched from an address: by https, at the default port, of a host that is written out exactly
/// as one of the patterns allows. Nothing is normalised, so nothing is read differently later.
pub(crate) fn is_allowed(url: &str, hosts: &[HostPattern]) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'"' | b'<' | b'>');
    if url.len() > URL_BYTES_MAX || !url.bytes().all(plain) {
        return false;
    }
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let Some((host, path)) = rest.split_once('/') else { return false };
    let climbs = path.split('/').any(|part| matches!(part, "." | ".."));
    !climbs && hosts.iter().any(|pattern| pattern.matches(host))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hosts() -> Vec<HostPattern> {
        ["sns.{label}.amazonaws.com", "keys.example.com"].iter().filter_map(|host| HostPattern::parse(host)).collect()
    }

    #[test]
    fn keys_come_from_whole_hosts_by_https() {
        for url in ["https://sns.us-east-1.amazonaws.com/cert.pem", "https://keys.example.com/a/b?c=d"] {
            assert!(is_allowed(url, &hosts()), "{url}");
        }
    }

    #[test]
    fn threat_07_no_other_address_is_fetched() {
        for url in [
            "http://keys.example.com/a",
            "HTTPS://keys.example.com/a",
            "https://keys.example.com",
            "https://keys.example.com:443/a",
            "https://keys.example.com:8443/a",
            "https://keys.example.com./a",
            "https://KEYS.example.com/a",
            "https://user@keys.example.com/a",
            "https://keys.example.com@evil.example/a",
            "https://evil.example/keys.example.com/",
            "https://evil.example#keys.example.com/",
            "https://evil.example\\@keys.example.com/",
            "https://keys.example.com\t/a",
            "https://keys.example.com/../a",
            "https://keys.example.com.evil.example/a",
            "https://xkeys.example.com/a",
            "https://sns.us-east-1.amazonaws.com.evil/a",
            "https://sns.a.b.amazonaws.com/a",
            "https://sns..amazonaws.com/a",
            "https://sns.amazonaws.com/a",
            "https://sns.\u{ff41}.amazonaws.com/a",
            "https://sns.xn--e1afmkfd-.amazonaws.com/a",
            "https://127.0.0.1/a",
            "https://[::1]/a",
            "file:///etc/passwd",
            "",
        ] {
            assert!(!is_allowed(url, &hosts()), "{url}");
        }
        assert!(!is_allowed(&format!("https://keys.example.com/{}", "a".repeat(URL_BYTES_MAX)), &hosts()));
        for pattern in ["{label}.com", "com", "*.example.com", "a.{label}", "Keys.example.com", "", "a..com"] {
            assert_eq!(HostPattern::parse(pattern), None, "{pattern}");
        }
    }

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
        fn no_bytes_panic(bytes: Vec<u8>, url: String) {
            for format in [KeyFormat::Jwks, KeyFormat::Pem, KeyFormat::Certificate] {
                let _ = KeyDocument::read(format, &bytes);
            }
            let _ = is_allowed(&url, &hosts());
        }
    }
}
