//! The master key: given, or in a file of its own; and always the one that the store was made with.

use bytes::Bytes;
use engine::entropy::SystemEntropy;
use engine::spec::Secret;
use engine::vault::{KeyFileError, MasterKey, Vault, VaultError};
use store::{Store, StoreError};

use super::folder::DataFolder;
use crate::exit::{Exit, Failure, Outcome};

/// Under this name the store keeps what only the right key opens.
const CHECK_SETTING: &str = "master_key_check";
/// Under this name it keeps which key it is being changed to; empty, if to none.
const CHANGING_SETTING: &str = "master_key_changing";

/// The vault of this store. `given` is the value of `TRIREME_MASTER_KEY`; without it the key is in the data folder,
/// and made there with the store.
pub async fn open_vault(folder: &DataFolder, store: &dyn Store, given: Option<&Secret>) -> Outcome<Vault> {
    not_changing(store).await?;
    let check = read_check(store).await?;
    let key = match (known(folder, given)?, &check) {
        (Some(key), _) => key,
        (None, Some(_)) => return Err(missing(folder)),
        (None, None) => key_file(folder)?,
    };
    let vault = Vault::new(key);
    let check = match check {
        Some(check) => check,
        // Of nodes that start at once with different keys one is the first.
        None => keep_check(store, &vault).await?,
    };
    vault.verify_check(&check).map_err(|error| check_failure(&error, folder, store.is_shared()))?;
    Ok(vault)
}

/// Fails while the key of this store is being changed: a node would read half of its secrets with each.
pub async fn not_changing(store: &dyn Store) -> Outcome {
    let marker = store.setting(CHANGING_SETTING.into()).await.map_err(|error| store_failure(&error))?;
    let Some(to) = marker.filter(|marker| !marker.is_empty()) else { return Ok(()) };
    let message = format!("the master key of this store is being changed to {}", String::from_utf8_lossy(&to));
    let hint = "Run `trireme key rewrap` to its end with the same keys, then start with the new one.";
    Err(Failure::new(Exit::MasterKey, "master_key_changing", message).hint(hint))
}

/// Marks the store as one whose key is being changed to this one; gives whether it was not so before.
pub async fn mark_changing(store: &dyn Store, to: &str) -> Outcome<bool> {
    let before = store.setting(CHANGING_SETTING.into()).await.map_err(|error| store_failure(&error))?;
    let kept = store.keep_setting(CHANGING_SETTING.into(), Bytes::from(to.to_owned())).await;
    let kept = kept.map_err(|error| store_failure(&error))?;
    if kept == to.as_bytes() {
        return Ok(before.is_none_or(|before| before.is_empty()));
    }
    let message = format!("the key of this store is being changed to another one, {}", String::from_utf8_lossy(&kept));
    Err(Failure::new(Exit::MasterKey, "master_key_changing", message).hint("Finish that change first."))
}

pub async fn unmark_changing(store: &dyn Store) -> Outcome {
    store.put_setting(CHANGING_SETTING.into(), Bytes::new()).await.map_err(|error| store_failure(&error))
}

async fn keep_check(store: &dyn Store, vault: &Vault) -> Outcome<String> {
    let check = vault.seal_check(&SystemEntropy::new()).map_err(|error| key_failure(error.to_string()))?;
    let kept = store.keep_setting(CHECK_SETTING.into(), Bytes::from(check)).await;
    Ok(String::from_utf8_lossy(&kept.map_err(|error| store_failure(&error))?).into_owned())
}

/// The key that there is, before the store is asked.
pub fn known(folder: &DataFolder, given: Option<&Secret>) -> Outcome<Option<MasterKey>> {
    match given {
        Some(given) => given_key("TRIREME_MASTER_KEY", given).map(Some),
        None if folder.master_key_file().exists() => key_file(folder).map(Some),
        None => Ok(None),
    }
}

/// Beside a store that several nodes share no key is made: each of them would have another.
pub fn must_be_given(folder: &DataFolder, given: Option<&Secret>) -> Outcome {
    if known(folder, given)?.is_some() {
        return Ok(());
    }
    let message = "a store on PostgreSQL needs a master key, the same for each of its nodes";
    let hint = "Set TRIREME_MASTER_KEY to 64 hexadecimal digits, made once with: openssl rand -hex 32";
    Err(Failure::new(Exit::MasterKey, "master_key_missing", message).hint(hint))
}

/// A key that stands in the variable `name`.
pub fn given_key(name: &str, given: &Secret) -> Outcome<MasterKey> {
    MasterKey::from_hex(given.expose()).map_err(|error| key_failure(format!("{name}: {error}")))
}

fn key_file(folder: &DataFolder) -> Outcome<MasterKey> {
    file_failure(MasterKey::from_file(&folder.master_key_file(), &SystemEntropy::new()))
}

/// A key's file that cannot be used ends with the code for keys, a disk that fails with the one for disks.
pub fn file_failure(read: Result<MasterKey, KeyFileError>) -> Outcome<MasterKey> {
    read.map_err(|error| match error {
        KeyFileError::Io { .. } => Failure::new(Exit::Io, "master_key_unreadable", error.to_string()),
        other => key_failure(other.to_string()),
    })
}

fn key_failure(message: String) -> Failure {
    Failure::new(Exit::MasterKey, "master_key_invalid", message)
}

/// A new key could open nothing that is there.
fn missing(folder: &DataFolder) -> Failure {
    let message = format!("the master key of {} is gone: there is no master.key", folder.path().display());
    let hint = "Put it back from your backup, or give it as TRIREME_MASTER_KEY.\n\
                Without it the secrets in the store cannot be read.";
    Failure::new(Exit::MasterKey, "master_key_missing", message).hint(hint)
}

fn check_failure(error: &VaultError, folder: &DataFolder, is_shared: bool) -> Failure {
    if is_shared {
        let message = format!("this node has another master key than the store it shares with others: {error}");
        let hint = "Start it with the TRIREME_MASTER_KEY that the other nodes have.\n\
                    If the key was changed by `trireme key rewrap`, that is the new one.";
        return Failure::new(Exit::MasterKey, error.code(), message).hint(hint);
    }
    let folder = folder.path().display();
    Failure::new(Exit::MasterKey, error.code(), format!("the master key does not belong to {folder}: {error}"))
}

pub async fn read_check(store: &dyn Store) -> Outcome<Option<String>> {
    let value = store.setting(CHECK_SETTING.into()).await.map_err(|error| store_failure(&error))?;
    Ok(value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// From here on the store belongs to this vault's key.
pub async fn write_check(store: &dyn Store, vault: &Vault) -> Outcome {
    let check = vault.seal_check(&SystemEntropy::new()).map_err(|error| key_failure(error.to_string()))?;
    store.put_setting(CHECK_SETTING.into(), Bytes::from(check)).await.map_err(|error| store_failure(&error))
}

pub fn store_failure(error: &StoreError) -> Failure {
    let exit = if error.fatal() { Exit::Io } else { Exit::Store };
    Failure::new(exit, error.code(), error.to_string())
}

#[cfg(test)]
mod tests {
    use store_sqlite::{OpenOptions, SqliteStore};

    use super::*;

    const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    async fn code_of(folder: &DataFolder, store: &dyn Store, given: Option<&str>) -> Option<(Exit, String)> {
        let given = given.map(|text| Secret::new(text.to_owned()));
        open_vault(folder, store, given.as_ref()).await.err().map(|failure| (failure.exit, failure.code))
    }

    #[tokio::test]
    async fn the_first_start_makes_a_key_and_every_later_one_must_have_it() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = DataFolder::open(parent.path()).expect("a data folder");
        let store = SqliteStore::open(OpenOptions::memory()).expect("a store");
        assert_eq!(code_of(&folder, &store, None).await, None);
        assert_eq!(code_of(&folder, &store, None).await, None, "the same file again");
        let refused = |code: &str| Some((Exit::MasterKey, code.to_owned()));
        assert_eq!(code_of(&folder, &store, Some(KEY)).await, refused("master_key_mismatch"));
        assert_eq!(code_of(&folder, &store, Some("short")).await, refused("master_key_invalid"));
        std::fs::remove_file(folder.master_key_file()).expect("it was made");
        assert_eq!(code_of(&folder, &store, None).await, refused("master_key_missing"));
        assert!(!folder.master_key_file().exists(), "no key is made that opens nothing");
    }

    #[tokio::test]
    async fn a_given_key_leaves_no_file_and_one_that_others_may_read_is_refused() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = DataFolder::open(parent.path()).expect("a data folder");
        let store = SqliteStore::open(OpenOptions::memory()).expect("a store");
        assert_eq!(code_of(&folder, &store, Some(KEY)).await, None);
        assert!(!folder.master_key_file().exists());
        std::fs::write(folder.master_key_file(), KEY).expect("written");
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder.master_key_file(), std::fs::Permissions::from_mode(0o644)).expect("ours");
        let refused = code_of(&folder, &store, None).await;
        assert_eq!(refused, Some((Exit::MasterKey, "master_key_invalid".to_owned())));
    }
}
