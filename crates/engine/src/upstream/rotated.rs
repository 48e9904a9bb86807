//! What a source changed in a connection's configuration, such as a refresh token that replaces the one before: sealed,
//! field by field, each beside the digest of what the owner wrote there. Whoever edits another field of the connection
//! keeps the token; whoever writes another token there has written the one that counts.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use domain::identity::Digest;
use domain::{ConnectionName, Tenant};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use store::{Store, StoreError};
use tokio::sync::Mutex;

use super::Account;
use crate::entropy::{Entropy, SharedEntropy};
use crate::reading::ConfigWriter;
use crate::settings;
use crate::vault::{Place, Vault, VaultError};

/// What a secret of this kind is for.
const ROLE: &str = "rotated";

/// One field as the source changed it.
#[derive(Serialize, Deserialize)]
struct Change {
    path: Vec<String>,
    /// Digest of what the owner's configuration had there.
    was: String,
    now: Json,
}

/// The changes of one connection, as the store has them.
pub(super) struct Rotated {
    pub account: Account,
    pub store: Arc<dyn Store>,
    pub vault: Arc<Vault>,
    pub entropy: SharedEntropy,
    /// Held while the list of those that have changes is written, so that the connections of one node need not try again.
    pub listing: Arc<Mutex<()>>,
    pub is_listed: AtomicBool,
    /// The latest reader that wrote. One of an earlier definition must not undo what a later one wrote.
    pub last: Mutex<u64>,
}

/// Keeps what one reader's source changes.
pub(super) struct Keeper {
    pub rotated: Arc<Rotated>,
    /// The number of the reader.
    pub number: u64,
    /// The owner's configuration, as the reader began with it.
    pub owner: Arc<Json>,
}

impl Rotated {
    /// The owner's configuration with what the source changed in it.
    pub async fn applied(&self, owner: &Arc<Json>) -> Result<Arc<Json>, RotatedError> {
        let Some(sealed) = self.store.setting(setting_of(&self.account)).await? else { return Ok(Arc::clone(owner)) };
        let object = object_of(&self.account.source, &self.account.connection);
        let text = std::str::from_utf8(&sealed).map_err(|_| VaultError::UnknownForm)?;
        let opened = self.vault.open(&place_of(&self.account.tenant, &object), text)?;
        let changes: Vec<Change> = serde_json::from_slice(&opened).map_err(|_| VaultError::UnknownForm)?;
        Ok(with(owner, changes).map_or_else(|| Arc::clone(owner), Arc::new))
    }

    async fn keep(&self, owner: &Json, now: &Json, number: u64) -> Result<(), RotatedError> {
        let mut last = self.last.lock().await;
        if number < *last {
            return Err(RotatedError::Outdated);
        }
        let object = object_of(&self.account.source, &self.account.connection);
        let changes = serde_json::to_vec(&changes(owner, now)).map_err(|_| VaultError::UnknownForm)?;
        let sealed = self.vault.seal(&*self.entropy, &place_of(&self.account.tenant, &object), &changes)?;
        let listed = self.list().await;
        // Also if it could not be listed: the source takes the one before it no more.
        self.store.put_setting(setting_of(&self.account), sealed.into_bytes().into()).await?;
        *last = number;
        Ok(listed?)
    }

    /// Puts the connection on the list of those that have changes: a new master key is for them as well.
    async fn list(&self) -> Result<(), StoreError> {
        if self.is_listed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let _alone = self.listing.lock().await;
        let Account { tenant, source, connection } = &self.account;
        let name = list_of(tenant, source.as_str());
        let listed = settings::change(&*self.store, Arc::clone(&name), |before| {
            let mut listed = read_list(&name, before)?;
            if listed.contains(connection) {
                return Ok((None, ()));
            }
            listed.push(connection.clone());
            let names: Vec<&str> = listed.iter().map(ConnectionName::as_str).collect();
            Ok::<_, StoreError>((Some(Json::from(names).to_string().into()), ()))
        });
        listed.await?;
        self.is_listed.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl ConfigWriter for Keeper {
    fn keep(&self, config: Arc<Json>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let kept = self.rotated.keep(&self.owner, &config, self.number).await;
            kept.map_err(|error| error.to_string())
        })
    }

    fn latest(&self) -> BoxFuture<'_, Result<Option<Arc<Json>>, String>> {
        Box::pin(async move {
            if !self.rotated.store.is_shared() {
                return Ok(None);
            }
            self.rotated.applied(&self.owner).await.map(Some).map_err(|error| error.to_string())
        })
    }
}

/// Why changes cannot be kept or read.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum RotatedError {
    #[error("the connection was configured anew meanwhile")]
    Outdated,
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The same changes under another master key: of all connections of a source.
pub async fn rewrap_rotated(
    store: &dyn Store,
    (former, next): (&Vault, &Vault),
    entropy: &dyn Entropy,
    tenant: &Tenant,
    source: &str,
) -> Result<Result<(), VaultError>, StoreError> {
    for connection in listed(store, tenant, source).await? {
        let name = setting(tenant, source, &connection);
        let Some(sealed) = store.setting(Arc::clone(&name)).await? else { continue };
        let object = object_of(source, &connection);
        let sealed = String::from_utf8_lossy(&sealed);
        match rewrapped(former, next, entropy, &place_of(tenant, &object), &sealed) {
            Ok(Some(sealed)) => store.put_setting(name, sealed).await?,
            Ok(None) => {}
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

/// `None` if the new key opens it already: an earlier try got so far.
fn rewrapped(
    former: &Vault,
    next: &Vault,
    entropy: &dyn Entropy,
    place: &Place<'_>,
    sealed: &str,
) -> Result<Option<Bytes>, VaultError> {
    if next.open(place, sealed).is_ok() {
        return Ok(None);
    }
    former.rewrap(next, entropy, place, sealed).map(|sealed| Some(sealed.into_bytes().into()))
}

async fn listed(store: &dyn Store, tenant: &Tenant, source: &str) -> Result<Vec<ConnectionName>, StoreError> {
    let name = list_of(tenant, source);
    read_list(&name, store.setting(Arc::clone(&name)).await?.as_ref())
}

/// A list that cannot be read is not an empty one: whoever took it for that would forget whose tokens are kept.
fn read_list(name: &str, kept: Option<&Bytes>) -> Result<Vec<ConnectionName>, StoreError> {
    let Some(kept) = kept else { return Ok(Vec::new()) };
    let corrupt = |problem: &dyn Display| StoreError::Corrupt(format!("the setting {name}: {problem}"));
    let names: Vec<String> = serde_json::from_slice(kept).map_err(|error| corrupt(&error))?;
    names.into_iter().map(|name| name.parse().map_err(|error| corrupt(&error))).collect()
}

fn list_of(tenant: &Tenant, source: &str) -> Arc<str> {
    format!("rotated/{tenant}/{source}").into()
}

fn setting_of(account: &Account) -> Arc<str> {
    setting(&account.tenant, account.source.as_str(), &account.connection)
}

fn setting(tenant: &Tenant, source: &str, connection: &ConnectionName) -> Arc<str> {
    format!("rotated/{tenant}/{source}/{connection}").into()
}

fn object_of(source: &(impl AsRef<str> + ?Sized), connection: &ConnectionName) -> String {
    format!("source/{}/{connection}", source.as_ref())
}

fn place_of<'p>(tenant: &'p Tenant, object: &'p str) -> Place<'p> {
    Place { tenant: tenant.as_str(), object, role: ROLE }
}

/// The fields in which `now` is not what the owner wrote.
fn changes(owner: &Json, now: &Json) -> Vec<Change> {
    let mut found = Vec::new();
    collect(owner, now, &mut Vec::new(), &mut found);
    found
}

fn collect(owner: &Json, now: &Json, path: &mut Vec<String>, found: &mut Vec<Change>) {
    if owner == now {
        return;
    }
    if let (Json::Object(_) | Json::Null, Json::Object(fields)) = (owner, now) {
        for (name, now) in fields {
            path.push(name.clone());
            collect(owner.get(name).unwrap_or(&Json::Null), now, path, found);
            path.pop();
        }
        return;
    }
    found.push(Change { path: path.clone(), was: digest(owner), now: now.clone() });
}

/// `None` if the owner wrote something else since, in any of the fields: they belong together.
fn with(owner: &Json, changes: Vec<Change>) -> Option<Json> {
    let mut config = owner.clone();
    for Change { path, was, now } in changes {
        let mut at = &mut config;
        for name in path {
            if at.is_null() {
                *at = Json::Object(Map::new());
            }
            at = at.as_object_mut()?.entry(name).or_insert(Json::Null);
        }
        if digest(at) != was {
            return None;
        }
        *at = now;
    }
    Some(config)
}

fn digest(value: &Json) -> String {
    HEXLOWER.encode(&Digest::of(value.to_string().as_bytes()).0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_source_changed_outlives_edits_of_other_fields_and_gives_way_to_those_of_its_own() {
        let owner = json!({ "start": "2024", "auth": { "id": "a", "refresh_token": "r0" } });
        let now = json!({ "start": "2024", "auth": { "id": "a", "refresh_token": "r1", "expires": "soon" },
                          "token": { "access": "t" } });
        let kept = || changes(&owner, &now);
        assert_eq!(kept().len(), 3);
        assert_eq!(with(&owner, kept()), Some(now.clone()));
        let mut edited = owner.clone();
        edited["start"] = json!("2025");
        let mut expected = now.clone();
        expected["start"] = json!("2025");
        assert_eq!(with(&edited, kept()), Some(expected));
        for (pointer, value) in [("/auth/refresh_token", json!("other")), ("/auth", json!("gone"))] {
            let mut edited = owner.clone();
            *edited.pointer_mut(pointer).expect("it is there") = value;
            assert_eq!(with(&edited, kept()), None, "{pointer}");
        }
        assert!(changes(&owner, &owner).is_empty());
    }
}
