//! Secrets at rest: each sealed under a data key of its own, which the master key wraps (XChaCha20-Poly1305).
//!
//! A sealed secret is bound to its owner: moved to another row it cannot be opened.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use crate::entropy::{Entropy, SharedEntropy};
use crate::spec::Secret;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// What the check value seals: opened with another key it is told at start, not at the first secret.
const CHECK: &str = "trireme";
const CHECK_OWNER: &str = "check";

/// Why a secret cannot be sealed or opened, or a master key not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("a master key is 64 hexadecimal digits; `openssl rand -hex 32` makes one")]
    NotAKey,
    #[error("{path}: others than its owner may read the master key; `chmod 600 {path}` and change the key if they did", path = .0.display())]
    Exposed(PathBuf),
    #[error("{path}: {problem}", path = .0.display(), problem = .1)]
    File(PathBuf, String),
    #[error("sealed by master key {sealed_by}, but this is master key {this}: give the one the store was made with")]
    OtherKey { sealed_by: String, this: String },
    #[error("a sealed secret was changed or moved, and cannot be opened")]
    Tampered,
    #[error("this is no sealed secret")]
    NotSealed,
}

/// The key that wraps all others. Wiped when dropped.
#[derive(Clone)]
pub struct MasterKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    /// A short public name, told in errors and stored beside what the key sealed.
    id: String,
}

impl MasterKey {
    fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let fingerprint = digest(&SHA256, &[b"trireme master key ".as_slice(), &bytes[..]].concat());
        Self { id: BASE64URL_NOPAD.encode(&fingerprint.as_ref()[..6]), bytes }
    }

    /// A key given as 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, VaultError> {
        let decoded =
            Zeroizing::new(HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map_err(|_| VaultError::NotAKey)?);
        let bytes: [u8; KEY_BYTES] = decoded.as_slice().try_into().map_err(|_| VaultError::NotAKey)?;
        Ok(Self::new(Zeroizing::new(bytes)))
    }

    /// The key in a file, or `None` where there is no file. A file that others may read is refused.
    pub fn from_file(path: &Path) -> Result<Option<Self>, VaultError> {
        let failed = |error: std::io::Error| VaultError::File(path.to_owned(), error.to_string());
        let meta = match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed)?,
        };
        if meta.mode() & 0o077 != 0 {
            return Err(VaultError::Exposed(path.to_owned()));
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
        Self::from_hex(&text).map(Some)
    }

    /// Makes a key and writes it to a file of mode 0600 that must not exist yet.
    pub fn create_file(path: &Path, entropy: &dyn Entropy) -> Result<Self, VaultError> {
        let failed = |error: std::io::Error| VaultError::File(path.to_owned(), error.to_string());
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(&mut *bytes);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        let text = Zeroizing::new(format!("{}\n", data_encoding::HEXLOWER.encode(&*bytes)));
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(Self::new(bytes))
    }

    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// Seals and opens secrets under one master key.
pub struct Vault {
    key: MasterKey,
    entropy: SharedEntropy,
}

impl Vault {
    /// `entropy` must be the system's: nonces and data keys are drawn from it.
    #[must_use]
    pub fn new(key: MasterKey, entropy: SharedEntropy) -> Self {
        Self { key, entropy }
    }

    #[must_use]
    pub fn key_id(&self) -> &str {
        self.key.id()
    }

    /// Seals a secret for its owner: `v1|key id|base64url(wrap nonce, wrapped key, nonce, ciphertext)`.
    pub fn seal(&self, owner: &str, secret: &str) -> Result<String, VaultError> {
        let mut data_key = Zeroizing::new([0; KEY_BYTES]);
        self.entropy.fill(&mut *data_key);
        let wrapped = self.encrypt(&self.key.bytes, owner, &*data_key)?;
        let sealed = self.encrypt(&data_key, owner, secret.as_bytes())?;
        Ok(format!("v1|{}|{}", self.key.id, BASE64URL_NOPAD.encode(&[wrapped, sealed].concat())))
    }

    /// Opens what was sealed for this owner under this master key.
    pub fn open(&self, owner: &str, sealed: &str) -> Result<Secret, VaultError> {
        let mut parts = sealed.splitn(3, '|');
        let (Some("v1"), Some(id), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VaultError::NotSealed);
        };
        if id != self.key.id {
            return Err(VaultError::OtherKey { sealed_by: id.to_owned(), this: self.key.id.clone() });
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| VaultError::NotSealed)?;
        let (wrapped, sealed) =
            bytes.split_at_checked(NONCE_BYTES + KEY_BYTES + TAG_BYTES).ok_or(VaultError::NotSealed)?;
        let data_key = decrypt(&self.key.bytes, owner, wrapped)?;
        let data_key: &[u8; KEY_BYTES] = data_key.as_slice().try_into().map_err(|_| VaultError::Tampered)?;
        let plain = decrypt(data_key, owner, sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| VaultError::Tampered)?;
        Ok(Secret::new(text.to_owned()))
    }

    /// A value to keep in the store, by which a later start tells that it has the same key.
    pub fn check_value(&self) -> Result<String, VaultError> {
        self.seal(CHECK_OWNER, CHECK)
    }

    /// Whether this is the key that made the check value.
    pub fn verify_check(&self, value: &str) -> Result<(), VaultError> {
        let opened = self.open(CHECK_OWNER, value)?;
        if opened.expose() == CHECK { Ok(()) } else { Err(VaultError::Tampered) }
    }

    fn encrypt(&self, key: &[u8; KEY_BYTES], owner: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0; NONCE_BYTES];
        self.entropy.fill(&mut nonce);
        let payload = Payload { msg: plain, aad: owner.as_bytes() };
        let cipher = XChaCha20Poly1305::new(&Key::from(*key)).encrypt(&XNonce::from(nonce), payload);
        Ok([nonce.as_slice(), &cipher.map_err(|_| VaultError::Tampered)?].concat())
    }
}

const TAG_BYTES: usize = 16;

fn decrypt(key: &[u8; KEY_BYTES], owner: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (nonce, cipher) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(VaultError::NotSealed)?;
    let payload = Payload { msg: cipher, aad: owner.as_bytes() };
    let plain = XChaCha20Poly1305::new(&Key::from(*key)).decrypt(&XNonce::from(*nonce), payload);
    plain.map(Zeroizing::new).map_err(|_| VaultError::Tampered)
}
