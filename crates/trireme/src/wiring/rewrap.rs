//! Changing the master key of a store that nobody runs. Interrupted anywhere, it can be begun again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use domain::audit::Outcome as Ended;
use engine::audit::rewrap_audit_key;
use engine::clock::{Clock, SystemClock};
use engine::entropy::SystemEntropy;
use engine::sealed_head::{KEY_SETTING, rewrap_key};
use engine::spec::Secret;
use engine::subscriptions::rewrap_subscriptions;
use engine::upstream::rewrap_rotated;
use engine::vault::{MasterKey, Vault, VaultError};
use engine::{handshakes, rewrap_object};
use store::Store;
use store::registry::{ManagedBy, Object, ObjectKind};

use super::copying;
use super::folder::DataFolder;
use super::master_key::{self, file_failure, given_key, store_failure};
use super::offline::Deed;
use super::state::StoreOptions;
use crate::config::StoreChoice;
use crate::exit::{Exit, Failure, Outcome};

/// Keys that are not in files.
pub struct GivenKeys {
    /// Value of `TRIREME_MASTER_KEY`.
    pub now: Option<Secret>,
    /// Value of `TRIREME_NEW_MASTER_KEY`.
    pub next: Option<Secret>,
}

/// What came of it.
#[derive(Debug)]
pub struct Rewrapped {
    pub objects: usize,
    /// Public name of the new key.
    pub key_id: String,
    /// Where the former key is kept, if it was in a file.
    pub former_file: Option<PathBuf>,
}

pub async fn rewrap(data: &Path, store: StoreChoice, given: GivenKeys) -> Outcome<Rewrapped> {
    let folder = DataFolder::open(data)?;
    let _starting = folder.lock_start()?;
    let options = StoreOptions::of(store, &folder, 0, SystemClock::new().now());
    let store = options.open(Duration::ZERO, &folder).await?;
    let moved = move_all(&*store, &folder, &given).await;
    // In any case: whoever comes next must find it free.
    let closed = store.close().await.map_err(|error| store_failure(&error));
    let (objects, former, next) = moved?;
    closed?;
    let former_file = match given.now {
        Some(_) => None,
        None => Some(exchange_files(&folder, former.key_id(), given.next.as_ref())?),
    };
    Ok(Rewrapped { objects, key_id: next.key_id().to_owned(), former_file })
}

/// Nothing is made, a new key's file least of all, before it is known that nobody uses the store.
async fn move_all(store: &dyn Store, folder: &DataFolder, given: &GivenKeys) -> Outcome<(usize, Vault, Vault)> {
    copying::begins_to_be_used(store, SystemClock::new().now()).await?;
    if store.is_shared() {
        must_be_idle(store).await?;
    }
    let (former, next) = keys(folder, given)?;
    let objects = if store.is_shared() {
        move_shared(store, &former, &next).await?
    } else {
        move_to(store, &former, &next).await?
    };
    Ok((objects, former, next))
}

/// The key that is in force and the one to come.
fn keys(folder: &DataFolder, given: &GivenKeys) -> Outcome<(Vault, Vault)> {
    let former = master_key::known(folder, given.now.as_ref())?.ok_or_else(|| {
        let message = format!("there is no master key in {}, and none in TRIREME_MASTER_KEY", folder.path().display());
        Failure::new(Exit::MasterKey, "master_key_missing", message)
    })?;
    let next = match (&given.now, &given.next) {
        (_, Some(next)) => given_key("TRIREME_NEW_MASTER_KEY", next)?,
        (None, None) => file_failure(MasterKey::from_file(&folder.next_key_file(), &SystemEntropy::new()))?,
        (Some(_), None) => {
            let message = "the master key comes from TRIREME_MASTER_KEY, so the new one has to be given too";
            let hint = "Set TRIREME_NEW_MASTER_KEY=$(openssl rand -hex 32), and keep it.";
            return Err(Failure::usage(message).hint(hint));
        }
    };
    Ok((Vault::new(former), Vault::new(next)))
}

/// The same on a store that several nodes share: none of them may run, and none starts until all is done. A node says
/// that it lives before it looks at the mark a second time, and here it is the other way round: one of them sees the
/// other.
async fn move_shared(store: &dyn Store, former: &Vault, next: &Vault) -> Outcome<usize> {
    let is_first = master_key::mark_changing(store, next.key_id()).await?;
    if let Err(in_use) = must_be_idle(store).await {
        if is_first {
            master_key::unmark_changing(store).await?;
        }
        return Err(in_use);
    }
    let moved = move_to(store, former, next).await?;
    master_key::unmark_changing(store).await?;
    Ok(moved)
}

/// Fails if a node runs on the store.
async fn must_be_idle(store: &dyn Store) -> Outcome {
    let nodes = store.nodes(SystemClock::new().now()).await.map_err(|error| store_failure(&error))?;
    let living: Vec<_> = nodes.iter().filter(|node| node.lives()).map(|node| node.own.name.to_string()).collect();
    if living.is_empty() {
        return Ok(());
    }
    let message = format!("nodes run on this store: {}", living.join(", "));
    let hint = "Stop them first. One that was killed counts as running for another 15 seconds.";
    Err(Failure::new(Exit::Store, "store_in_use", message).hint(hint))
}

/// Wraps every secret anew, and last of all makes the store the new key's.
async fn move_to(store: &dyn Store, former: &Vault, next: &Vault) -> Outcome<usize> {
    let check = master_key::read_check(store).await?.ok_or_else(|| {
        Failure::new(
            Exit::Store,
            "store_unused",
            "nothing was ever started on this store, so there is no key to change",
        )
    })?;
    if next.verify_check(&check).is_err() {
        former.verify_check(&check).map_err(|error| vault_failure(&error))?;
    }
    let detail = format!("from {} to {}", former.key_id(), next.key_id());
    let deed = Deed { action: "master_key.rewrap", object: "master_key", detail };
    let now = || SystemClock::new().now();
    let begun = deed.write(store, now(), Ended::Begun, None).await.map_err(|error| store_failure(&error))?;
    let count = move_secrets(store, former, next).await?;
    deed.write(store, now(), Ended::Done, begun).await.map_err(|error| store_failure(&error))?;
    master_key::write_check(store, next).await?;
    Ok(count)
}

async fn move_secrets(store: &dyn Store, former: &Vault, next: &Vault) -> Outcome<usize> {
    let objects = store.objects().await.map_err(|error| store_failure(&error))?;
    for source in objects.iter().filter(|object| object.kind == ObjectKind::Source) {
        rewrap_handshakes(store, former, next, source).await?;
        rewrap_connections(store, former, next, source).await?;
    }
    let subscriptions = rewrap_subscriptions(store, (former, next), &SystemEntropy::new()).await;
    subscriptions.map_err(|error| store_failure(&error))?.map_err(|error| vault_failure(&error))?;
    let sealed: Vec<Object> = objects.into_iter().filter(|object| object.managed_by == ManagedBy::Api).collect();
    let count = sealed.len();
    for object in sealed {
        let definition =
            rewrap_object(former, next, &SystemEntropy::new(), &object).map_err(|error| vault_failure(&error))?;
        let rewrapped = Object { definition, ..object };
        store.put_object(rewrapped, false, None).await.map_err(|error| store_failure(&error))?;
    }
    rewrap_request_key(store, former, next).await?;
    let audit = rewrap_audit_key(store, (former, next), &SystemEntropy::new()).await;
    audit.map_err(|error| store_failure(&error))?.map_err(|error| vault_failure(&error))?;
    Ok(count)
}

/// The secrets that a source's sender handed over.
async fn rewrap_handshakes(store: &dyn Store, former: &Vault, next: &Vault, source: &Object) -> Outcome {
    let name: Arc<str> = handshakes::setting_of(&source.tenant, &source.name).into();
    let Some(kept) = store.setting(Arc::clone(&name)).await.map_err(|error| store_failure(&error))? else {
        return Ok(());
    };
    let place = (&source.tenant, &*source.name);
    let rewrapped = handshakes::rewrap(former, next, &SystemEntropy::new(), place, &kept);
    let rewrapped = rewrapped.map_err(|error| vault_failure(&error))?;
    store.put_setting(name, rewrapped).await.map_err(|error| store_failure(&error))
}

/// What a source changed in the configurations of its connections.
async fn rewrap_connections(store: &dyn Store, former: &Vault, next: &Vault, source: &Object) -> Outcome {
    let rewrapped = rewrap_rotated(store, (former, next), &SystemEntropy::new(), &source.tenant, &source.name).await;
    rewrapped.map_err(|error| store_failure(&error))?.map_err(|error| vault_failure(&error))
}

/// Of the requests themselves nothing changes: their heads are sealed by this key.
async fn rewrap_request_key(store: &dyn Store, former: &Vault, next: &Vault) -> Outcome {
    let Some(sealed) = store.setting(KEY_SETTING.into()).await.map_err(|error| store_failure(&error))? else {
        return Ok(());
    };
    let sealed = String::from_utf8_lossy(&sealed);
    let sealed = rewrap_key(former, next, &SystemEntropy::new(), &sealed).map_err(|error| vault_failure(&error))?;
    store.put_setting(KEY_SETTING.into(), sealed.into_bytes().into()).await.map_err(|error| store_failure(&error))
}

fn vault_failure(error: &VaultError) -> Failure {
    Failure::new(Exit::MasterKey, error.code(), error.to_string())
}

/// Puts the new key's file in the place of the former one, which is kept under its name. There is a `master.key` at
/// every moment, unless the new key was given.
fn exchange_files(folder: &DataFolder, former_id: &str, given: Option<&Secret>) -> Outcome<PathBuf> {
    let (file, kept) = (folder.master_key_file(), folder.former_key_file(former_id));
    let linked = match fs::hard_link(&file, &kept) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    };
    let exchanged = linked.and_then(|()| match given {
        Some(_) => fs::remove_file(&file),
        None => fs::rename(folder.next_key_file(), &file),
    });
    let lasting = exchanged.and_then(|()| fs::File::open(folder.path())?.sync_all());
    lasting.map_err(|error| Failure::file("cannot exchange", &file, &error))?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use store::keep::Keep as _;
    use store_sqlite::{OpenOptions, SqliteStore};

    use super::*;

    const NEXT: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

    /// A store as a first start leaves it.
    async fn started(folder: &DataFolder, given: Option<&Secret>) -> Outcome<Vault> {
        let store = SqliteStore::open(OpenOptions::file(folder.store_file())).expect("free");
        let vault = master_key::open_vault(folder, &store, given).await;
        store.close().await.expect("closed");
        vault
    }

    fn no_keys() -> GivenKeys {
        GivenKeys { now: None, next: None }
    }

    #[tokio::test]
    async fn a_key_in_a_file_is_exchanged_and_the_former_one_kept() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = DataFolder::open(parent.path()).expect("a data folder");
        let former = started(&folder, None).await.expect("a first start").key_id().to_owned();
        let rewrapped = rewrap(parent.path(), StoreChoice::Default, no_keys()).await.expect("changed");
        assert_ne!(rewrapped.key_id, former);
        assert_eq!(started(&folder, None).await.expect("the new key").key_id(), rewrapped.key_id);
        let kept = rewrapped.former_file.expect("it was in a file");
        assert_eq!(MasterKey::from_file(&kept, &SystemEntropy::new()).expect("a key").id(), former);
    }

    #[tokio::test]
    async fn a_store_in_use_is_left_alone_and_no_key_is_made() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = DataFolder::open(parent.path()).expect("a data folder");
        started(&folder, None).await.expect("a first start");
        let serving = SqliteStore::open(OpenOptions::file(folder.store_file())).expect("free");
        let refused = rewrap(parent.path(), StoreChoice::Default, no_keys()).await.expect_err("it is in use");
        assert_eq!((refused.exit, refused.code.as_str()), (Exit::Store, "store_locked"));
        assert!(!folder.next_key_file().exists());
        serving.close().await.expect("closed");
    }

    #[tokio::test]
    async fn one_that_was_interrupted_is_finished_by_the_next() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = DataFolder::open(parent.path()).expect("a data folder");
        started(&folder, None).await.expect("a first start");
        let former = fs::read(folder.master_key_file()).expect("a key");
        let first = rewrap(parent.path(), StoreChoice::Default, no_keys()).await.expect("changed");
        // As if it had ended before the files were exchanged.
        fs::rename(folder.master_key_file(), folder.next_key_file()).expect("ours");
        fs::rename(first.former_file.expect("kept"), folder.master_key_file()).expect("ours");
        assert_eq!(fs::read(folder.master_key_file()).expect("a key"), former);
        let second = rewrap(parent.path(), StoreChoice::Default, no_keys()).await.expect("finished");
        assert_eq!(second.key_id, first.key_id);
        assert!(started(&folder, None).await.is_ok());
    }

    #[tokio::test]
    async fn a_given_key_needs_a_given_successor_and_a_wrong_one_changes_nothing() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = DataFolder::open(parent.path()).expect("a data folder");
        let secret = |text: &str| Some(Secret::new(text.to_owned()));
        let now = "0".repeat(64);
        started(&folder, secret(&now).as_ref()).await.expect("a first start");
        let alone = rewrap(parent.path(), StoreChoice::Default, GivenKeys { now: secret(&now), next: None }).await;
        assert_eq!(alone.expect_err("no successor").exit, Exit::Usage);
        let wrong = GivenKeys { now: secret(&"1".repeat(64)), next: secret(NEXT) };
        assert_eq!(
            rewrap(parent.path(), StoreChoice::Default, wrong).await.expect_err("not its key").exit,
            Exit::MasterKey
        );
        let right = GivenKeys { now: secret(&now), next: secret(NEXT) };
        assert_eq!(rewrap(parent.path(), StoreChoice::Default, right).await.expect("changed").former_file, None);
        assert!(started(&folder, secret(NEXT).as_ref()).await.is_ok());
    }
}
