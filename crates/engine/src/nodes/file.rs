//! The file that the nodes of a store go by. Who has another one serves nothing until a person applies it, or until
//! nobody else is there who could go by the former.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use domain::Timestamp;
use domain::identity::Digest;
use store::dispatch::Owner;
use store::nodes::Node;
use store::registry::FILE;
use store::{Store, StoreError};

/// Which file this node goes by, and whether the others go by another one by now.
#[derive(Debug, Default)]
pub struct FileStanding {
    digest: Mutex<Option<Digest>>,
    differs: AtomicBool,
}

impl FileStanding {
    /// From here on this node goes by this file, as all others do.
    pub fn goes_by(&self, digest: Digest) {
        *self.own() = Some(digest);
        self.differs.store(false, Ordering::Release);
    }

    /// The cluster goes by another one, and this node by the one that it had.
    pub fn falls_behind(&self) {
        self.differs.store(true, Ordering::Release);
    }

    /// Whether this node has another file than the cluster.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.differs.load(Ordering::Acquire)
    }

    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        *self.own()
    }

    fn own(&self) -> MutexGuard<'_, Option<Digest>> {
        // A digest is written as a whole.
        self.digest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a node says that it wants while it waits for its file to be applied: nobody agrees with it.
#[must_use]
pub fn waiting() -> Digest {
    Digest::of(b"waits for its file to be applied")
}

/// Whether a node may go by its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayGo {
    /// It is the one that the cluster goes by, or a person says that it is to be that, or no other node is there.
    Yes,
    /// The leases of all other nodes have run out: they are gone, or the store was away for all of them.
    IfTheyStayAway,
    /// Another one counts while other nodes go by it.
    No,
}

/// Whether a node may go by its file. It becomes the cluster's by [`now_goes_by`], once the node runs.
pub async fn may_go_by(
    store: &dyn Store,
    file: Digest,
    apply: bool,
    own: Owner,
    now: Timestamp,
) -> Result<MayGo, StoreError> {
    if !store.is_shared() {
        return Ok(MayGo::Yes);
    }
    // The first one's counts from its beginning, for those that begin at the same time.
    let bytes = Bytes::copy_from_slice(&file.0);
    if store.keep_setting(FILE.into(), bytes.clone()).await? == bytes || apply {
        return Ok(MayGo::Yes);
    }
    let nodes = store.nodes(now).await?;
    let others: Vec<&Node> = nodes.iter().filter(|node| goes_by_a_file(node, own)).collect();
    Ok(match others.iter().any(|node| node.lives()) {
        true => MayGo::No,
        false if others.is_empty() => MayGo::Yes,
        false => MayGo::IfTheyStayAway,
    })
}

/// A node runs with this file, so the cluster goes by it from here on. Not sooner: with one that turns out to be of no
/// use, nodes that have the former one could not start any more.
pub async fn now_goes_by(store: &dyn Store, file: Digest) -> Result<(), StoreError> {
    if !store.is_shared() || of_cluster(store).await? == Some(file) {
        return Ok(());
    }
    store.put_setting(FILE.into(), Bytes::copy_from_slice(&file.0)).await
}

/// Who waits itself, or is about to end, hinders nobody: both say that they leave.
fn goes_by_a_file(node: &Node, own: Owner) -> bool {
    node.own.owner != own && !node.own.leaving
}

/// The digest of the file that the cluster goes by, if a node ever said so; a single node is no cluster.
pub async fn of_cluster(store: &dyn Store) -> Result<Option<Digest>, StoreError> {
    if !store.is_shared() {
        return Ok(None);
    }
    let kept = store.setting(FILE.into()).await?;
    Ok(kept.and_then(|bytes| bytes[..].try_into().ok()).map(Digest))
}
