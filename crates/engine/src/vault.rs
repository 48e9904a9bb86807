//! Secrets at rest: each sealed by a key of its own, which is sealed by the master key. Both are bound to the place
//! where the secret belongs, so a copy in another row opens nothing. Nothing here can print a secret or a key.

mod key;

#[cfg(test)]
mod tests;

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use crate::entropy::Entropy;

pub use key::{KeyFileError, MasterKey};

/// Longest secret: keys and certificates have a few kilobytes.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;

const VERSION: &str = "v1";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Where a secret belongs. What is sealed for one place does not open at another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    pub tenant: &'a str,
    /// The object, with its kind: `destination/app`.
    pub object: &'a str,
    /// What the secret is for there: `secret[0]`.
    pub role: &'a str,
}

impl Place<'_> {
    /// Not a place of any object: names of tenants are never empty.
    const CHECK: Place<'static> = Place { tenant: "", object: "", role: "check" };

    /// What both seals are bound to; lengths go before the parts, so that no two places are spelt alike.
    fn bound_to(&self, use_of_key: &str) -> Vec<u8> {
        let parts = [VERSION, use_of_key, self.tenant, self.object, self.role];
        parts.iter().flat_map(|part| [&(part.len() as u64).to_be_bytes(), part.as_bytes()].concat()).collect()
    }
}

/// Why a secret did not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error(
        "this store was sealed with master key {sealed_by}, and this one is {ours}: \
         give the former in TRIREME_MASTER_KEY or its file"
    )]
    WrongMasterKey { sealed_by: String, ours: String },
    #[error("a sealed secret is damaged or was moved from another place: set it again")]
    NotAuthentic,
    #[error("this is no sealed secret of a known form: was it written by a newer version?")]
    UnknownForm,
    #[error("secrets have at most {SECRET_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
}

impl VaultError {
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongMasterKey { .. } => "master_key_mismatch",
            Self::NotAuthentic => "secret_not_authentic",
            Self::UnknownForm => "secret_form_unknown",
            Self::TooLong(_) => "secret_too_long",
        }
    }
}

/// Which master key sealed a secret; safe to show. `None` if the text is no sealed secret.
#[must_use]
pub fn sealed_by(text: &str) -> Option<&str> {
    Envelope::decode(text).ok().map(|envelope| envelope.key_id)
}

/// Seals and opens secrets with one master key.
pub struct Vault {
    master: MasterKey,
}

impl Vault {
    #[must_use]
    pub fn new(master: MasterKey) -> Self {
        Self { master }
    }

    /// Which master key this is; safe to show.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.master.id()
    }

    /// `v1|<key id>|<nonce>|<sealed data key>|<nonce>|<sealed secret>`. `entropy` must be the system's.
    pub fn seal(&self, entropy: &dyn Entropy, place: &Place<'_>, secret: &[u8]) -> Result<String, VaultError> {
        if secret.len() > SECRET_BYTES_MAX {
            return Err(VaultError::TooLong(secret.len()));
        }
        let mut data_key = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(&mut *data_key);
        let wrapped = Sealed::make(entropy, self.master.bytes(), &place.bound_to("key"), &*data_key)?;
        let sealed = Sealed::make(entropy, &data_key, &place.bound_to("secret"), secret)?;
        Ok(Envelope { key_id: self.master.id(), wrapped, sealed }.encode())
    }

    /// The secret, wiped when dropped.
    pub fn open(&self, place: &Place<'_>, text: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let envelope = Envelope::decode(text)?;
        let data_key = self.unwrap_key(place, &envelope)?;
        envelope.sealed.open(&data_key, &place.bound_to("secret"))
    }

    /// The same secret under another master key. Only the data key is sealed anew.
    pub fn rewrap(
        &self,
        to: &Self,
        entropy: &dyn Entropy,
        place: &Place<'_>,
        text: &str,
    ) -> Result<String, VaultError> {
        let envelope = Envelope::decode(text)?;
        let data_key = self.unwrap_key(place, &envelope)?;
        let wrapped = Sealed::make(entropy, to.master.bytes(), &place.bound_to("key"), &*data_key)?;
        Ok(Envelope { key_id: to.master.id(), wrapped, ..envelope }.encode())
    }

    /// A value to be kept in the store, by which a wrong master key is told before any secret is needed.
    pub fn seal_check(&self, entropy: &dyn Entropy) -> Result<String, VaultError> {
        self.seal(entropy, &Place::CHECK, &[])
    }

    /// Fails if the store was sealed with another master key.
    pub fn verify_check(&self, check: &str) -> Result<(), VaultError> {
        self.open(&Place::CHECK, check).map(drop)
    }

    fn unwrap_key(&self, place: &Place<'_>, envelope: &Envelope<'_>) -> Result<Zeroizing<[u8; KEY_BYTES]>, VaultError> {
        if envelope.key_id != self.master.id() {
            let (sealed_by, ours) = (envelope.key_id.to_owned(), self.master.id().to_owned());
            return Err(VaultError::WrongMasterKey { sealed_by, ours });
        }
        let opened = envelope.wrapped.open(self.master.bytes(), &place.bound_to("key"))?;
        let mut data_key = Zeroizing::new([0; KEY_BYTES]);
        if opened.len() != KEY_BYTES {
            return Err(VaultError::UnknownForm);
        }
        data_key.copy_from_slice(&opened);
        Ok(data_key)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.master.id())
    }
}

/// A nonce and what was sealed with it. 24 random bytes never repeat, whatever the number of secrets.
struct Sealed {
    nonce: [u8; NONCE_BYTES],
    bytes: Vec<u8>,
}

impl Sealed {
    fn make(entropy: &dyn Entropy, key: &[u8; KEY_BYTES], bound_to: &[u8], secret: &[u8]) -> Result<Self, VaultError> {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        let payload = Payload { msg: secret, aad: bound_to };
        let bytes = XChaCha20Poly1305::new(key.into()).encrypt(&XNonce::from(nonce), payload);
        // The cipher refuses only what is longer than 256 GiB.
        let bytes = bytes.map_err(|_| VaultError::TooLong(secret.len()))?;
        Ok(Self { nonce, bytes })
    }

    fn open(&self, key: &[u8; KEY_BYTES], bound_to: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let payload = Payload { msg: &self.bytes, aad: bound_to };
        let opened = XChaCha20Poly1305::new(key.into()).decrypt(&XNonce::from(self.nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| VaultError::NotAuthentic)
    }
}

/// The stored form of a secret.
struct Envelope<'a> {
    key_id: &'a str,
    wrapped: Sealed,
    sealed: Sealed,
}

impl<'a> Envelope<'a> {
    fn encode(&self) -> String {
        let base64 = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let sealed = |sealed: &Sealed| format!("{}|{}", base64(&sealed.nonce), base64(&sealed.bytes));
        format!("{VERSION}|{}|{}|{}", self.key_id, sealed(&self.wrapped), sealed(&self.sealed))
    }

    fn decode(text: &'a str) -> Result<Self, VaultError> {
        let fields: Vec<&str> = text.split('|').collect();
        let [VERSION, key_id, wrap_nonce, wrapped, nonce, sealed] = fields[..] else {
            return Err(VaultError::UnknownForm);
        };
        Ok(Self { key_id, wrapped: decode_sealed(wrap_nonce, wrapped)?, sealed: decode_sealed(nonce, sealed)? })
    }
}

fn decode_sealed(nonce: &str, bytes: &str) -> Result<Sealed, VaultError> {
    let base64 = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| VaultError::UnknownForm);
    let nonce = base64(nonce)?.try_into().map_err(|_| VaultError::UnknownForm)?;
    Ok(Sealed { nonce, bytes: base64(bytes)? })
}
