//! The master key: from 64 hexadecimal digits, or from a file that nobody else can read.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER_PERMISSIVE;
use ring::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::KEY_BYTES;
use crate::entropy::Entropy;

/// Owner reads and writes, nobody else does anything.
const KEY_FILE_MODE: u32 = 0o600;
/// What others may not have any of.
const OTHERS_MODE: u32 = 0o077;
/// The digits and a line end or two.
const KEY_FILE_BYTES_MAX: u64 = 256;

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("a master key is 64 hexadecimal digits, as `openssl rand -hex 32` prints them")]
    NotHex,
    #[error(
        "{path} can be read by others (mode {mode:03o}): run `chmod 600 {path}`, and change the key if they may have"
    )]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error("{path} holds no master key: it must be 64 hexadecimal digits")]
    NoKey { path: PathBuf },
    #[error("the master key's file {path} cannot be used: {error}")]
    Io { path: PathBuf, error: io::Error },
}

/// 256 bits that everything else is sealed with; wiped when dropped.
pub struct MasterKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: String,
}

impl MasterKey {
    pub fn from_hex(text: &str) -> Result<Self, KeyFileError> {
        let decoded = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map(Zeroizing::new);
        let decoded = decoded.map_err(|_| KeyFileError::NotHex)?;
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        if decoded.len() != KEY_BYTES {
            return Err(KeyFileError::NotHex);
        }
        bytes.copy_from_slice(&decoded);
        let id = id_of(&bytes);
        Ok(Self { bytes, id })
    }

    /// Reads the key's file, and makes it first where there is none. `entropy` must be the system's.
    pub fn from_file(path: &Path, entropy: &dyn Entropy) -> Result<Self, KeyFileError> {
        let io = |error| KeyFileError::Io { path: path.to_owned(), error };
        match read(path) {
            Err(KeyFileError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => {
                make(path, entropy).map_err(io)?;
                read(path)
            }
            other => other,
        }
    }

    /// Which key this is: a digest of it, safe to show.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

fn id_of(bytes: &[u8; KEY_BYTES]) -> String {
    const SHOWN_BYTES: usize = 8;
    let mut context = Context::new(&SHA256);
    context.update(b"trireme master key id\0");
    context.update(bytes);
    HEXLOWER_PERMISSIVE.encode(&context.finish().as_ref()[..SHOWN_BYTES])
}

fn read(path: &Path) -> Result<MasterKey, KeyFileError> {
    let io = |error| KeyFileError::Io { path: path.to_owned(), error };
    let file = File::open(path).map_err(io)?;
    // Of the open file, so that it cannot be exchanged in between.
    let mode = file.metadata().map_err(io)?.mode() & 0o777;
    if mode & OTHERS_MODE != 0 {
        return Err(KeyFileError::OpenToOthers { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(io)?;
    MasterKey::from_hex(&text).map_err(|_| KeyFileError::NoKey { path: path.to_owned() })
}

/// Written beside its place and then linked there: a crash leaves no half a key, and of two processes that start
/// together one key remains.
fn make(path: &Path, entropy: &dyn Entropy) -> io::Result<()> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    entropy.fill(&mut *bytes);
    let mut text = Zeroizing::new(HEXLOWER_PERMISSIVE.encode(&*bytes));
    text.push('\n');
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(KEY_FILE_MODE).open(&draft)?;
    let linked = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| {
        match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    });
    fs::remove_file(&draft)?;
    linked?;
    // The name must last as well: secrets will be sealed with this key.
    File::open(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()
}
