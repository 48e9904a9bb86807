//! Real shortage of room: a file that takes it, and a small disk of its own where the system lets us mount one.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// Bytes free to us on the disk of this folder.
pub fn free_bytes(folder: &Path) -> u64 {
    let disk = statvfs(folder).expect("the folder is there");
    disk.f_bavail * disk.f_frsize
}

/// A file that takes room until it is dropped.
pub struct Ballast(PathBuf);

impl Ballast {
    pub fn of(path: PathBuf, bytes: u64) -> Self {
        let file = File::create(&path).expect("there is room for an empty file");
        fallocate(&file, FallocateFlags::empty(), 0, bytes).expect("there is room for the ballast");
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).expect("the ballast is ours");
    }
}

/// A disk of a given size, unmounted when dropped.
pub struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` where mounting is not permitted.
    pub fn mount(bytes: u64) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("small-disk-").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.expect("the target folder takes another one");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o"]).arg(format!("size={bytes}")).arg("chaos").arg(folder.path());
        let done = mount.output().ok()?;
        done.status.success().then_some(Self { folder })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a process that was just killed may hold it for a moment.
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}
