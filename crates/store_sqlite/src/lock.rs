//! One process owns a store: an advisory lock on a file beside it, which the kernel drops with the process.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use store::StoreError;

/// How often a waiting process asks again: short against the second that a hand-over takes.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// The path of a file that belongs to the database, such as its log.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl Lock {
    /// Takes the lock of the database at `path`, or tells who has it.
    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let path = beside(path, ".lock");
        let unusable = |error: std::io::Error| StoreError::Io(format!("{}: {error}", path.display()));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(unusable)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StoreError::Locked(owner(&mut file))),
            Err(error) => return Err(unusable(error.into())),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(unusable)?;
        writeln!(file, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self { _file: file })
    }

    /// Waits for the lock, up to `patience`; `on_wait` hears once who has it.
    pub(crate) fn wait(path: &Path, patience: Duration, on_wait: impl FnOnce(&str)) -> Result<Self, StoreError> {
        let mut on_wait = Some(on_wait);
        // Counted in sleeps, because only the engine reads clocks.
        for _ in 0..patience.as_millis() / ASK_AGAIN.as_millis() {
            match Self::take(path) {
                Err(StoreError::Locked(owner)) => {
                    if let Some(tell) = on_wait.take() {
                        tell(&owner);
                    }
                    std::thread::sleep(ASK_AGAIN);
                }
                taken => return taken,
            }
        }
        Self::take(path)
    }
}

/// Who wrote the lock file, for people.
fn owner(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(32).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => format!("process {}", text.trim()),
        _ => "a process that is starting".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_the_first_ones_process_id_and_may_wait() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        let first = Lock::take(&path).expect("a free lock");
        let Err(StoreError::Locked(owner)) = Lock::take(&path) else { panic!("it was free") };
        assert_eq!(owner, format!("process {}", std::process::id()));
        let mut told = None;
        let refused = Lock::wait(&path, Duration::from_millis(40), |owner| told = Some(owner.to_owned()));
        assert!(matches!(refused, Err(StoreError::Locked(_))));
        assert_eq!(told, Some(owner));
        drop(first);
        Lock::wait(&path, Duration::ZERO, |_| ()).expect("free again");
    }
}
