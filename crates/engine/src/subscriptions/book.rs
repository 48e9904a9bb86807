//! The state of all connections' subscriptions, in memory and in the store: a setting for each, and a list of those that
//! have one. What is written counts; what could not be written is written at the next occasion.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use domain::StreamKey;
use rustc_hash::{FxHashMap, FxHashSet};
use store::dispatch::Claim;
use store::nodes::Hint;
use store::registry::SUBSCRIPTIONS;
use store::{Store, StoreError};
use zeroize::Zeroizing;

use super::farewell::Kit;
use super::state::State;
use crate::entropy::{Entropy, SharedEntropy};
use crate::settings;
use crate::upstream::Account;
use crate::vault::{Place, Vault, VaultError};

/// The setting that lists the connections that have a state.
const LIST: &str = "subscriptions";
/// Before the name of a connection: the setting that keeps what its subscriptions can be ended with.
const KIT: &str = "subscription-kit/";
/// What sealed texts are for: the secret of a subscription, and the configuration that it can be ended with.
const ROLE_SECRET: &str = "subscription";
const ROLE_CONFIG: &str = "subscription_config";

/// The right to look after a connection: what is written down under it is refused once another node has it.
pub(super) type Held = (StreamKey, Claim);

pub(crate) struct Book {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    entropy: SharedEntropy,
    states: Mutex<FxHashMap<Account, State>>,
    /// Those whose state the store did not take: what is known here is newer.
    unsaved: Mutex<FxHashSet<Account>>,
    /// The list as far as this node knows it, held while it is written; `None`: it was not read yet, so that nothing may be
    /// written either.
    listed: tokio::sync::Mutex<Option<BTreeSet<Account>>>,
}

impl Book {
    pub fn new(store: &Arc<dyn Store>, vault: &Arc<Vault>, entropy: &SharedEntropy) -> Self {
        let (store, vault, entropy) = (Arc::clone(store), Arc::clone(vault), Arc::clone(entropy));
        let (states, unsaved, listed) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        Self { store, vault, entropy, states, unsaved, listed }
    }

    /// Reads what earlier processes left, once; gives whether this was the time.
    pub async fn load(&self) -> Result<bool, StoreError> {
        let mut listed = self.listed.lock().await;
        if listed.is_some() {
            return Ok(false);
        }
        let accounts = read_list(&*self.store).await?;
        for account in &accounts {
            if let Some(state) = read_state(&*self.store, account).await? {
                self.states().insert(account.clone(), state);
            }
        }
        *listed = Some(accounts);
        Ok(true)
    }

    /// Reads again what other nodes have done; gives all of whom anything is or was kept.
    pub async fn reload(&self) -> Result<BTreeSet<Account>, StoreError> {
        let mut listed = self.listed.lock().await;
        let Some(before) = listed.take() else { return Ok(BTreeSet::new()) };
        let read = read_list(&*self.store).await;
        let known = listed.insert(match &read {
            Ok(accounts) => accounts.clone(),
            Err(_) => before.clone(),
        });
        let all: BTreeSet<Account> = before.union(known).cloned().collect();
        drop(listed);
        read?;
        for account in &all {
            self.reread(account).await?;
        }
        Ok(all)
    }

    /// Puts connections on the list, before anything is kept of them.
    pub async fn enlist(&self, accounts: impl IntoIterator<Item = Account>) -> Result<(), StoreError> {
        let mut listed = self.listed.lock().await;
        let Some(known) = listed.as_mut() else { return Ok(()) };
        let accounts: BTreeSet<Account> = accounts.into_iter().collect();
        change_list(&*self.store, |listed| listed.extend(accounts.iter().cloned())).await?;
        known.extend(accounts);
        Ok(())
    }

    /// Forgets a connection: nothing is left of its subscriptions.
    pub(super) async fn strike(&self, account: &Account, held: &Held) -> Result<(), StoreError> {
        let mut listed = self.listed.lock().await;
        self.put(held, setting_of(KIT, account), Bytes::new()).await?;
        self.put(held, setting_of(SUBSCRIPTIONS, account), Bytes::new()).await?;
        self.states().remove(account);
        self.store.tell(Hint::Configured);
        let Some(known) = listed.as_mut() else { return Ok(()) };
        known.remove(account);
        let off = |listed: &mut BTreeSet<Account>| {
            listed.remove(account);
        };
        change_list(&*self.store, off).await
    }

    /// Those of whom anything is kept.
    pub fn accounts(&self) -> Vec<Account> {
        self.states().keys().cloned().collect()
    }

    pub(super) fn state(&self, account: &Account) -> State {
        self.states().get(account).cloned().unwrap_or_default()
    }

    pub fn has(&self, account: &Account) -> bool {
        self.states().contains_key(account)
    }

    /// The state as it is in the store: another node may have looked after the connection since.
    pub(super) async fn reread(&self, account: &Account) -> Result<State, StoreError> {
        if !self.unsaved().contains(account) {
            let kept = read_state(&*self.store, account).await?;
            let mut states = self.states();
            match kept {
                Some(state) => drop(states.insert(account.clone(), state)),
                None => drop(states.remove(account)),
            }
        }
        Ok(self.state(account))
    }

    fn unsaved(&self) -> std::sync::MutexGuard<'_, FxHashSet<Account>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one process knows counts for it even if the store does not take it, unless another one knows better.
    pub(super) async fn save(&self, account: &Account, state: &State, held: &Held) -> Result<(), StoreError> {
        let bytes = written(state)?;
        self.states().insert(account.clone(), state.clone());
        self.unsaved().insert(account.clone());
        let written = self.put(held, setting_of(SUBSCRIPTIONS, account), bytes).await;
        if matches!(written, Ok(()) | Err(StoreError::Fenced)) {
            self.unsaved().remove(account);
        }
        written?;
        self.store.tell(Hint::Configured);
        Ok(())
    }

    async fn put(&self, (key, claim): &Held, name: Arc<str>, value: Bytes) -> Result<(), StoreError> {
        self.store.put_claimed_setting(key.clone(), *claim, name, value).await
    }

    pub fn seal(&self, account: &Account, secret: &str) -> Result<String, VaultError> {
        at(account, ROLE_SECRET, |place| self.vault.seal(&*self.entropy, place, secret.as_bytes()))
    }

    pub fn open(&self, account: &Account, sealed: &str) -> Result<Zeroizing<String>, VaultError> {
        let bytes = at(account, ROLE_SECRET, |place| self.vault.open(place, sealed))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| VaultError::NotAuthentic)?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    pub fn seal_config(&self, account: &Account, config: &str) -> Result<String, VaultError> {
        at(account, ROLE_CONFIG, |place| self.vault.seal(&*self.entropy, place, config.as_bytes()))
    }

    pub fn open_config(&self, account: &Account, sealed: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        at(account, ROLE_CONFIG, |place| self.vault.open(place, sealed))
    }

    pub(super) async fn put_kit(&self, account: &Account, kit: &Kit, held: &Held) -> Result<(), StoreError> {
        self.put(held, setting_of(KIT, account), written(kit)?).await
    }

    /// Forgets the credentials. What the store does not take now goes when the connection is struck.
    pub(super) async fn drop_kit(&self, account: &Account, held: &Held) {
        if let Err(error) = self.put(held, setting_of(KIT, account), Bytes::new()).await {
            crate::telemetry::store_failed("put_claimed_setting", &error);
        }
    }

    pub(super) async fn kit(&self, account: &Account) -> Result<Option<Kit>, StoreError> {
        read(&*self.store, setting_of(KIT, account)).await
    }

    fn states(&self) -> std::sync::MutexGuard<'_, FxHashMap<Account, State>> {
        // Entries are put in and taken out whole.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every sealed text under another master key. Interrupted, it can be begun again.
pub async fn rewrap_subscriptions(
    store: &dyn Store,
    (former, next): (&Vault, &Vault),
    entropy: &dyn Entropy,
) -> Result<Result<(), VaultError>, StoreError> {
    for account in read_list(store).await? {
        if let Some(mut state) = read_state(store, &account).await? {
            for sealed in state.sealed_mut() {
                match at(&account, ROLE_SECRET, |place| rewrapped(former, next, entropy, place, sealed)) {
                    Ok(text) => *sealed = text,
                    Err(error) => return Ok(Err(error)),
                }
            }
            write(store, setting_of(SUBSCRIPTIONS, &account), &state).await?;
        }
        let name = setting_of(KIT, &account);
        if let Some(mut kit) = read::<Kit>(store, Arc::clone(&name)).await? {
            match at(&account, ROLE_CONFIG, |place| rewrapped(former, next, entropy, place, &kit.config)) {
                Ok(text) => kit.config = text,
                Err(error) => return Ok(Err(error)),
            }
            write(store, name, &kit).await?;
        }
    }
    Ok(Ok(()))
}

/// What an earlier try has wrapped already stays as it is.
fn rewrapped(
    former: &Vault,
    next: &Vault,
    entropy: &dyn Entropy,
    place: &Place<'_>,
    sealed: &str,
) -> Result<String, VaultError> {
    if next.open(place, sealed).is_ok() { Ok(sealed.to_owned()) } else { former.rewrap(next, entropy, place, sealed) }
}

async fn read_list(store: &dyn Store) -> Result<BTreeSet<Account>, StoreError> {
    listed(store.setting(LIST.into()).await?.as_ref())
}

/// Changes the list as it is in the store: other nodes may have put connections on it, or taken some off.
async fn change_list(store: &dyn Store, change: impl Fn(&mut BTreeSet<Account>)) -> Result<(), StoreError> {
    let changed = settings::change(store, LIST.into(), |kept| {
        let before = listed(kept)?;
        let mut after = before.clone();
        change(&mut after);
        Ok::<_, StoreError>((if after == before { None } else { Some(written(&listing(&after))?) }, ()))
    });
    changed.await
}

/// A list that cannot be read is not an empty one: whoever took it for that would forget whose secrets are kept.
fn listed(kept: Option<&Bytes>) -> Result<BTreeSet<Account>, StoreError> {
    let Some(kept) = kept else { return Ok(BTreeSet::new()) };
    let rows: Vec<[String; 3]> = serde_json::from_slice(kept).map_err(|error| corrupt(LIST, &error))?;
    let account = |[tenant, source, connection]: [String; 3]| {
        Ok(Account {
            tenant: tenant.parse().map_err(|error| corrupt(LIST, &error))?,
            source: source.parse().map_err(|error| corrupt(LIST, &error))?,
            connection: connection.parse().map_err(|error| corrupt(LIST, &error))?,
        })
    };
    rows.into_iter().map(account).collect()
}

fn listing(accounts: &BTreeSet<Account>) -> Vec<[String; 3]> {
    let row = |own: &Account| [own.tenant.to_string(), own.source.to_string(), own.connection.to_string()];
    accounts.iter().map(row).collect()
}

async fn read_state(store: &dyn Store, account: &Account) -> Result<Option<State>, StoreError> {
    read(store, setting_of(SUBSCRIPTIONS, account)).await
}

/// `None` also for what was emptied.
async fn read<T: serde::de::DeserializeOwned>(store: &dyn Store, name: Arc<str>) -> Result<Option<T>, StoreError> {
    let Some(bytes) = store.setting(Arc::clone(&name)).await?.filter(|bytes| !bytes.is_empty()) else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| corrupt(&name, &error))
}

async fn write<T: serde::Serialize>(store: &dyn Store, name: Arc<str>, value: &T) -> Result<(), StoreError> {
    store.put_setting(name, written(value)?).await
}

fn written<T: serde::Serialize>(value: &T) -> Result<Bytes, StoreError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| StoreError::Refused(error.to_string()))
}

fn corrupt(name: &str, problem: &dyn Display) -> StoreError {
    StoreError::Corrupt(format!("the setting {name}: {problem}"))
}

fn setting_of(what: &str, account: &Account) -> Arc<str> {
    format!("{what}{}/{}/{}", account.tenant, account.source, account.connection).into()
}

/// To what a sealed text is bound.
fn at<T>(account: &Account, role: &str, act: impl FnOnce(&Place<'_>) -> T) -> T {
    let object = format!("source/{}/{}", account.source, account.connection);
    act(&Place { tenant: account.tenant.as_str(), object: &object, role })
}
