//! Secrets by role: what a key is for is part of its type, so a token can never become an HMAC key.

use std::fmt;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::digest::Hash;
use super::error::KeyError;
use super::spec::{KeyEncoding, KeyForm};
use super::{certificate, der, jwk};

/// Most secrets that a person may give a source at once: rotation needs two or three, and each costs a computation per
/// request.
pub const SECRETS_MAX: usize = 16;
/// Most that one key set may have: subscriptions for many places bring one each.
pub const SECRETS_TOGETHER_MAX: usize = 256;

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Shared with the sender; it signs.
    Signing,
    /// The sender's public key.
    Public,
    /// Sent along in clear by the sender.
    Token,
    /// `user:password` of HTTP Basic.
    Basic,
    /// What the sender repeats when it sets up the endpoint.
    VerifyToken,
    /// Of the sender's API: a key that also signs, or credentials that keys are asked for by.
    Api,
    /// Signs samples in tests in place of the sender; never used to verify.
    Private,
}

impl Role {
    pub const ALL: [Self; 7] =
        [Self::Signing, Self::Public, Self::Token, Self::Basic, Self::VerifyToken, Self::Api, Self::Private];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Public => "public",
            Self::Token => "token",
            Self::Basic => "basic",
            Self::VerifyToken => "verify_token",
            Self::Api => "api",
            Self::Private => "private",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A configured secret. Without a role it is what the recipe's plain `secret` means.
#[derive(Clone)]
pub struct RoleSecret {
    role: Option<Role>,
    value: Zeroizing<String>,
    name: Option<String>,
    window: Window,
}

/// When a secret counts. Both ends are of the window; without one it is open on that side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
}

impl Window {
    #[must_use]
    pub fn includes(&self, at: Timestamp) -> bool {
        self.not_before.is_none_or(|from| from <= at) && self.not_after.is_none_or(|until| at <= until)
    }
}

impl RoleSecret {
    #[must_use]
    pub fn new(role: Option<Role>, value: impl Into<String>) -> Self {
        Self { role, value: Zeroizing::new(value.into()), name: None, window: Window::default() }
    }

    /// The same, counting only within a window.
    #[must_use]
    pub fn within(self, window: Window) -> Self {
        Self { window, ..self }
    }

    /// The same, called by the name that requests choose it by.
    #[must_use]
    pub fn called(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    #[must_use]
    pub fn plain(value: impl Into<String>) -> Self {
        Self::new(None, value)
    }

    /// Of a role by its name, as configurations say it; an empty name is a plain secret.
    pub fn named(role: &str, value: impl Into<String>) -> Result<Self, KeyError> {
        if role.is_empty() {
            return Ok(Self::plain(value));
        }
        match Role::parse(role) {
            Some(role) => Ok(Self::new(Some(role), value)),
            None => {
                let known = Role::ALL.map(Role::as_str).join(", ");
                Err(KeyError::NoSuchRole { role: role.to_owned(), known })
            }
        }
    }

    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.role
    }

    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn window(&self) -> Window {
        self.window
    }
}

impl fmt::Debug for RoleSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleSecret").field("role", &self.role).finish_non_exhaustive()
    }
}

/// A secret's text as key bytes, or what is wrong with it (never quoting it).
pub(crate) fn decode(
    text: &str,
    strip_prefix: Option<&str>,
    encoding: KeyEncoding,
    form: KeyForm,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = match strip_prefix {
        Some(prefix) => text.strip_prefix(prefix).unwrap_or(text),
        None => text,
    };
    let bytes = Zeroizing::new(decode_text(text, encoding)?);
    if bytes.is_empty() {
        return Err("nothing is left of it once it is decoded".to_owned());
    }
    match form {
        KeyForm::Raw => Ok(bytes),
        KeyForm::Spki => der::public_key(&bytes)
            .map(|key| Zeroizing::new(key.to_vec()))
            .ok_or_else(|| "it is not a public key in SubjectPublicKeyInfo form".to_owned()),
        KeyForm::Jwk => jwk::public_key(&bytes)
            .map(|key| Zeroizing::new(key.bytes))
            .ok_or_else(|| "it is not the JSON Web Key of a public key (RSA, P-256 or Ed25519)".to_owned()),
        KeyForm::Certificate => certificate::read(&bytes)
            .map(|certificate| Zeroizing::new(certificate.key.to_vec()))
            .ok_or_else(|| "it is not an X.509 certificate".to_owned()),
        KeyForm::Sha1 => Ok(Zeroizing::new(Hash::Sha1.of(&[&bytes]).as_ref().to_vec())),
    }
}

fn decode_text(text: &str, encoding: KeyEncoding) -> Result<Vec<u8>, String> {
    match encoding {
        KeyEncoding::Text => Ok(text.as_bytes().to_vec()),
        KeyEncoding::Hex => {
            HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map_err(|_| "it is not hexadecimal".to_owned())
        }
        KeyEncoding::Base64 => decode_base64(text.trim()).ok_or_else(|| "it is not base64".to_owned()),
        KeyEncoding::Base64url => BASE64URL_NOPAD
            .decode(text.trim().trim_end_matches('=').as_bytes())
            .map_err(|_| "it is not base64url".to_owned()),
        KeyEncoding::Pem => {
            der::pem(text).ok_or_else(|| "it is not PEM: the BEGIN and END lines belong to it".to_owned())
        }
    }
}

/// Padded or not: senders show both, and a key has nothing to forge.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).or_else(|_| BASE64_NOPAD.decode(text.as_bytes())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str, prefix: Option<&str>, encoding: KeyEncoding) -> Option<Vec<u8>> {
        decode(text, prefix, encoding, KeyForm::Raw).ok().map(|bytes| bytes.to_vec())
    }

    #[test]
    fn secrets_become_bytes_as_the_recipe_says() {
        for (text, prefix, encoding, bytes) in [
            ("whsec_x", None, KeyEncoding::Text, b"whsec_x".as_slice()),
            ("whsec_YWI=", Some("whsec_"), KeyEncoding::Base64, b"ab"),
            ("YWI", Some("whsec_"), KeyEncoding::Base64, b"ab"),
            ("_-8", None, KeyEncoding::Base64url, &[0xff, 0xef]),
            ("AbcD", None, KeyEncoding::Hex, &[0xab, 0xcd]),
        ] {
            assert_eq!(decoded(text, prefix, encoding).as_deref(), Some(bytes), "{text}");
        }
        for (text, encoding) in
            [("xyz", KeyEncoding::Hex), ("!", KeyEncoding::Base64), ("", KeyEncoding::Hex), ("a", KeyEncoding::Pem)]
        {
            assert_eq!(decoded(text, None, encoding), None, "{text}");
        }
        assert_eq!(decoded("whsec_", Some("whsec_"), KeyEncoding::Base64), None, "a prefix alone is no key");
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", RoleSecret::new(Some(Role::Signing), "hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
