//! The node that ran on this data folder before, on a store that several share. If its process is gone, which the lock
//! of a file tells for sure, nobody has to wait for its lease: its successor ends it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use domain::Timestamp;
use rustix::fs::{FlockOperation, flock};
use store::dispatch::Owner;
use store::{Store, StoreError};

/// What is read of the file: more than is ever written.
const TEXT_BYTES_MAX: u64 = 160;
/// What the system is called from its start to its end.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Held for as long as the process lives; says as which node it does.
#[derive(Debug)]
pub struct NodeLock {
    file: File,
    /// Who had it before, and lives no more.
    former: Option<Owner>,
}

impl NodeLock {
    /// `None` while another process has it: that one may still act.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let mut text = String::new();
        (&mut file).take(TEXT_BYTES_MAX).read_to_string(&mut text)?;
        let former = match text.trim().split_once(' ') {
            Some((owner, place)) if identity(&file).is_some_and(|own| own == place) => parsed(owner),
            _ => None,
        };
        Ok(Some(Self { file, former }))
    }

    /// Ends the lease of the one before, so that what it had is free at once.
    pub async fn end_former(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        let Some(former) = self.former else { return Ok(()) };
        let nodes = store.nodes(now).await?;
        if let Some(node) = nodes.into_iter().find(|node| node.own.owner == former && node.lives()) {
            tracing::info!(event = "former_node_ended", node = %node.own.name);
            store.beat(node.own, Duration::ZERO, now).await?;
        }
        Ok(())
    }

    /// From here on this process is that node.
    pub fn sign(&mut self, own: Owner) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        if let Some(identity) = identity(&self.file) {
            writeln!(self.file, "{:016x} {identity}", own.0)?;
        }
        self.file.sync_all()
    }
}

fn parsed(owner: &str) -> Option<Owner> {
    u64::from_str_radix(owner, 16).ok().map(Owner)
}

/// What tells this very file from a copy of it, here or on another machine: the lock of a copy is free although whoever
/// signed the original lives.
fn identity(file: &File) -> Option<String> {
    let boot = std::fs::read_to_string(BOOT_ID).ok()?;
    let metadata = file.metadata().ok()?;
    Some(format!("{} {}:{}", boot.trim(), metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_had_the_folder_is_known_once_it_is_gone_and_not_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.lock");
        let mut first = NodeLock::take(&path).expect("a file").expect("free");
        assert_eq!(first.former, None);
        first.sign(Owner(7)).expect("written");
        assert!(NodeLock::take(&path).expect("a file").is_none(), "it lives");
        drop(first);
        let mut second = NodeLock::take(&path).expect("a file").expect("free again");
        assert_eq!(second.former, Some(Owner(7)));
        second.sign(Owner(u64::MAX)).expect("written");
        drop(second);
        let third = NodeLock::take(&path).expect("a file").expect("free again");
        assert_eq!(third.former, Some(Owner(u64::MAX)));
    }

    #[test]
    fn the_lock_of_a_copy_says_nothing_of_who_signed_the_original() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, copy) = (folder.path().join("node.lock"), folder.path().join("copied.lock"));
        let mut signed = NodeLock::take(&path).expect("a file").expect("free");
        signed.sign(Owner(7)).expect("written");
        std::fs::copy(&path, &copy).expect("copied");
        assert_eq!(NodeLock::take(&copy).expect("a file").expect("free").former, None);
        let elsewhere = std::fs::read_to_string(&path).expect("read").replacen('-', "0", 1);
        drop(signed);
        std::fs::write(&path, elsewhere).expect("written");
        assert_eq!(NodeLock::take(&path).expect("a file").expect("free").former, None, "after another boot");
    }
}
