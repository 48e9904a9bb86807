//! The data folder: everything that a gateway keeps on disk, readable by its owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::exit::{Exit, Failure, Outcome};

/// Held by a process from its start until it owns the store.
const START_LOCK: &str = "start.lock";
/// Where a running gateway listens for its successor.
const CONTROL_SOCKET: &str = "control.sock";
/// Held by the node of this folder while it lives, where several share a store.
const NODE_LOCK: &str = "node.lock";
const STORE_FILE: &str = "trireme.db";
const MASTER_KEY_FILE: &str = "master.key";
/// A key that is being changed to.
const NEXT_KEY_FILE: &str = "master.key.next";

#[derive(Clone, Debug)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// Opens the folder, making it if need be.
    pub fn open(path: &Path) -> Outcome<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| {
            Failure::file("cannot make the data folder", path, &error).hint("Choose one with --data.")
        })?;
        let path = path.canonicalize().map_err(|error| Failure::file("cannot open the data folder", path, &error))?;
        let folder = Self(path);
        if let Some(mode) = folder.open_to_others() {
            tracing::warn!(folder = %folder.0.display(), mode = format!("{mode:o}"),
                "the data folder can be entered by other users; `chmod 700` closes it");
        }
        Ok(folder)
    }

    /// The permissions, if they let anyone but the owner in.
    fn open_to_others(&self) -> Option<u32> {
        let mode = fs::metadata(&self.0).ok()?.permissions().mode() & 0o777;
        (mode & 0o077 != 0).then_some(mode)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn store_file(&self) -> PathBuf {
        self.0.join(STORE_FILE)
    }

    pub fn master_key_file(&self) -> PathBuf {
        self.0.join(MASTER_KEY_FILE)
    }

    pub fn next_key_file(&self) -> PathBuf {
        self.0.join(NEXT_KEY_FILE)
    }

    /// Where a key is kept that was changed from.
    pub fn former_key_file(&self, id: &str) -> PathBuf {
        self.0.join(format!("{MASTER_KEY_FILE}.{id}"))
    }

    pub fn node_lock_file(&self) -> PathBuf {
        self.0.join(NODE_LOCK)
    }

    pub fn control_socket(&self) -> PathBuf {
        self.0.join(CONTROL_SOCKET)
    }

    /// Makes this process the one that is starting here. Two at once could both wait for the same store.
    pub fn lock_start(&self) -> Outcome<StartLock> {
        let path = self.0.join(START_LOCK);
        let unusable = |error: io::Error| Failure::file("cannot use", &path, &error);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = opened.map_err(unusable)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                write_pid(&mut file).map_err(unusable)?;
                Ok(StartLock { _file: file })
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let pid =
                    read_pid(&mut file).map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
                let message = format!("{pid} is starting or taking over in {} just now", self.0.display());
                let hint = "Only one can take over at a time. Wait for it, or stop it.";
                Err(Failure::new(Exit::Store, "start_in_progress", message).hint(hint))
            }
            Err(error) => Err(unusable(error.into())),
        }
    }
}

/// Given up when dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub struct StartLock {
    _file: File,
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_is_for_its_owner_alone() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = DataFolder::open(&parent.path().join("a/b")).expect("a data folder");
        assert_eq!(fs::metadata(folder.path()).expect("it is there").permissions().mode() & 0o777, 0o700);
        assert_eq!(folder.open_to_others(), None);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        assert_eq!(folder.open_to_others(), Some(0o755));
        assert_eq!(DataFolder::open(folder.path()).expect("it is there").path(), folder.path());
    }

    #[test]
    fn a_folder_that_cannot_be_is_an_io_failure_that_names_it() {
        let parent = tempfile::tempdir().expect("a folder");
        let file = parent.path().join("file");
        fs::write(&file, "").expect("a file");
        let failure = DataFolder::open(&file.join("data")).expect_err("a file is no folder");
        assert_eq!(failure.exit, Exit::Io);
        assert!(failure.message.contains("file/data"), "{failure}");
    }

    #[test]
    fn only_one_starts_at_a_time_and_the_other_is_told_who() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = DataFolder::open(parent.path()).expect("a data folder");
        let lock = folder.lock_start().expect("free");
        let failure = folder.lock_start().expect_err("taken");
        assert_eq!((failure.exit, failure.code.as_str()), (Exit::Store, "start_in_progress"));
        assert!(failure.message.contains(&format!("process {} ", std::process::id())), "{failure}");
        drop(lock);
        assert!(folder.lock_start().is_ok());
    }
}
