//! Handshakes that do more than be answered: secrets that senders hand over while a person waits for them, and
//! addresses that senders ask to be opened. State, not configuration: it survives restarts and reloads, and sources of
//! the file have it as well.

mod open;
mod pair;
mod propose;
mod state;

use std::sync::{Arc, Mutex, PoisonError};

use crate::latest;
use bytes::Bytes;
use domain::{ConnectionName, HandshakeId, SourceName, Tenant};
use rustc_hash::{FxHashMap, FxHashSet};
use store::nodes::Hint;
use store::registry::HANDSHAKES;
use store::{Store, StoreError};
use tokio::sync::MutexGuard;
use zeroize::Zeroizing;

pub use pair::{PAIRING_DEFAULT, PAIRING_MAX, Pairings};
pub use state::{
    HAND_BACK_FOR, OpenPairing, PAIRINGS_OPEN_MAX, PROPOSALS_WAITING_MAX, PairedSecret, Proposal, ProposalState,
    SourceHandshakes,
};

use crate::alert::Alerts;
use crate::clock::SharedClock;
use crate::engine::EngineError;
use crate::entropy::{Entropy, SharedEntropy};
use crate::key_set::{KeySet, Paired};
use crate::settings;
use crate::spec::{RoleSecret, Secret};
use crate::subscriptions::SubscriptionSecrets;
use crate::topology::{Policies, Source, Topology};
use crate::transport::Transport;
use crate::vault::{Place, Vault, VaultError};

type Key = (Tenant, SourceName);
type Known = FxHashMap<Key, SourceHandshakes>;

pub(crate) struct Handshakes {
    pub store: Arc<dyn Store>,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub vault: Arc<Vault>,
    pub alerts: Alerts,
    pub transport: Arc<dyn Transport>,
    pub policies: Arc<dyn Policies + Send + Sync>,
    /// Those that sign what subscriptions of ours send.
    pub subscribed: Arc<SubscriptionSecrets>,
    pub topology: latest::Receiver<Arc<Topology>>,
    /// Held over every change and its write, so that they come one after another; those of other nodes the store keeps
    /// apart, so that of two secrets that come at once one is taken.
    pub known: tokio::sync::Mutex<Known>,
    /// Addresses that are being opened by this process.
    pub opening: Mutex<FxHashSet<HandshakeId>>,
}

impl Handshakes {
    /// Gives the listeners of a new topology the secrets that were handed over. Until the guard is dropped nothing
    /// changes, so that the topology can be put in its place.
    pub async fn take_over(&self, topology: &Topology) -> Result<MutexGuard<'_, Known>, EngineError> {
        let mut known = self.known.lock().await;
        for source in topology.sources() {
            let Some(listener) = &source.listener else { continue };
            let is_subscribed = self.subscribed.has_any(&source.spec.tenant, &source.spec.name);
            if listener.recipe.pairs().is_none() && !listener.recipe.proposes() && !is_subscribed {
                continue;
            }
            let state = self.of(&mut known, &key_of(source)).await?.clone();
            if !state.paired.is_empty() || is_subscribed {
                listener.keys.exchange(self.keys(source, &state)?);
            }
        }
        Ok(known)
    }

    /// Makes a source's keys anew: a secret of a subscription has come or gone. A source that is not there, or takes no
    /// webhooks, has none to make.
    pub async fn refresh(&self, tenant: &Tenant, source: &SourceName) -> Result<(), EngineError> {
        let mut known = self.known.lock().await;
        let source = self.topology.borrow().source(tenant.as_str(), source.as_str()).cloned();
        let Some(source) = source else { return Ok(()) };
        let Some(listener) = &source.listener else { return Ok(()) };
        let state = self.of(&mut known, &key_of(&source)).await?.clone();
        listener.keys.exchange(self.keys(&source, &state)?);
        Ok(())
    }

    /// Another node may have changed them: they are read again when they are needed.
    pub async fn forget_known(&self) {
        self.known.lock().await.clear();
    }

    /// A source is gone: one that takes its name later must not trust its senders.
    pub async fn forget_source(&self, tenant: &Tenant, source: &str) -> Result<(), EngineError> {
        let Ok(name) = source.parse::<SourceName>() else { return Ok(()) };
        self.change(&(tenant.clone(), name), |state| {
            *state = SourceHandshakes::default();
            Ok(())
        })
        .await
    }

    /// What is known of a source, read from the store the first time.
    async fn of<'k>(&self, known: &'k mut Known, key: &Key) -> Result<&'k SourceHandshakes, EngineError> {
        if !known.contains_key(key) {
            let state = match self.store.setting(setting_of(&key.0, key.1.as_str()).into()).await? {
                None => SourceHandshakes::default(),
                Some(bytes) => read(&bytes)?,
            };
            known.insert(key.clone(), state);
        }
        Ok(known.entry(key.clone()).or_default())
    }

    async fn read(&self, key: &Key) -> Result<SourceHandshakes, EngineError> {
        let mut known = self.known.lock().await;
        self.of(&mut known, key).await.cloned()
    }

    /// Decides on a change of what the store has, writes it, and only then lets it count. What this process knew is not
    /// built upon: another node may have taken its trust back since.
    async fn change<T>(
        &self,
        key: &Key,
        decide: impl Fn(&mut SourceHandshakes) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut known = self.known.lock().await;
        let source = self.topology.borrow().source(key.0.as_str(), key.1.as_str()).cloned();
        let in_force = known.get(key).cloned();
        let decided = settings::change(&*self.store, setting_of(&key.0, key.1.as_str()).into(), |stored| {
            let before = stored.map_or_else(|| Ok(SourceHandshakes::default()), |bytes| read(bytes))?;
            let mut next = before.clone();
            let answer = decide(&mut next);
            if answer.is_err() {
                next.clone_from(&before);
            }
            let keys = self.keys_anew(source.as_deref(), in_force.as_ref(), &next)?;
            let after = if next == before { None } else { Some(written(&next)?) };
            let is_changed = after.is_some();
            Ok::<_, EngineError>((after, Decided { answer, next, keys, is_changed }))
        });
        let Decided { answer, next, keys, is_changed } = decided.await?;
        if is_changed {
            self.store.tell(Hint::Configured);
        }
        known.insert(key.clone(), next);
        if let (Some(keys), Some(listener)) = (keys, source.as_ref().and_then(|source| source.listener.as_ref())) {
            listener.keys.exchange(keys);
        }
        answer
    }

    /// The keys for this state; `None` if those in force are of the same secrets, or there is nothing to judge by them.
    fn keys_anew(
        &self,
        source: Option<&Source>,
        in_force: Option<&SourceHandshakes>,
        next: &SourceHandshakes,
    ) -> Result<Option<KeySet>, EngineError> {
        let is_same = in_force.is_some_and(|known| known.paired == next.paired);
        let listening = source.filter(|source| source.listener.is_some() && !is_same);
        listening.map(|source| self.keys(source, next)).transpose()
    }

    /// The keys of a source with what was handed over to it.
    fn keys(&self, source: &Source, state: &SourceHandshakes) -> Result<KeySet, EngineError> {
        let (Some(listener), Some(webhook)) = (&source.listener, &source.spec.webhook) else {
            return Err(no_listener(&source.spec.name));
        };
        let own = state.paired.iter().filter(|paired| paired.provider == listener.recipe.name());
        let opened = own.map(|paired| {
            let value = self.open_secret(&key_of(source), paired)?;
            Ok((paired.connection.clone(), RoleSecret::new(paired.role.clone(), Secret::new(value.to_string()))))
        });
        let mut paired = opened.collect::<Result<Vec<Paired>, EngineError>>()?;
        paired.extend(self.subscribed.of(&source.spec));
        KeySet::compile(&listener.recipe, &source.spec, webhook, &paired)
            .map_err(|problem| EngineError::Invalid { code: problem.code(), detail: problem.to_string() })
    }

    fn open_secret(&self, key: &Key, paired: &PairedSecret) -> Result<Zeroizing<String>, EngineError> {
        let unreadable = |error: VaultError| EngineError::Invalid {
            code: error.code(),
            detail: format!("the secret {} of source '{}': {error}", paired.id, key.1),
        };
        let bytes = at_place(&key.0, key.1.as_str(), paired, |place| self.vault.open(place, &paired.sealed));
        let text =
            bytes.map(|bytes| std::str::from_utf8(&bytes).map(str::to_owned).map_err(|_| VaultError::NotAuthentic));
        text.and_then(|text| text).map(Zeroizing::new).map_err(unreadable)
    }
}

fn key_of(source: &Source) -> Key {
    (source.spec.tenant.clone(), source.spec.name.clone())
}

fn no_listener(source: &SourceName) -> EngineError {
    EngineError::NotFound(format!("there is no source '{source}' that takes webhooks"))
}

/// The account that a path names: no name and the default one are the source itself.
fn account(connection: &str) -> Option<ConnectionName> {
    connection.parse().ok().filter(|name| *name != ConnectionName::default_connection())
}

/// The setting under which a source's handshakes are kept.
#[must_use]
pub fn setting_of(tenant: &Tenant, source: &str) -> String {
    format!("{HANDSHAKES}{tenant}/{source}")
}

/// What a change came to, before it counts.
struct Decided<T> {
    answer: Result<T, EngineError>,
    next: SourceHandshakes,
    keys: Option<KeySet>,
    is_changed: bool,
}

fn written(state: &SourceHandshakes) -> Result<Bytes, StoreError> {
    serde_json::to_vec(state).map(Bytes::from).map_err(|error| StoreError::Refused(error.to_string()))
}

fn read(bytes: &[u8]) -> Result<SourceHandshakes, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Corrupt(format!("a source's handshakes: {error}")))
}

/// To what a secret is bound: its tenant, source, connection and role, so that a copy elsewhere opens nothing.
fn at_place<T>(tenant: &Tenant, source: &str, paired: &PairedSecret, act: impl FnOnce(&Place<'_>) -> T) -> T {
    let connection = paired.connection.as_ref().map_or("", ConnectionName::as_str);
    let object = format!("source/{source}/{connection}");
    let role = format!("paired/{}/{}", paired.provider, paired.role);
    act(&Place { tenant: tenant.as_str(), object: &object, role: &role })
}

/// A source's handshakes with every secret under another master key. What is there already stays.
pub fn rewrap(
    from: &Vault,
    to: &Vault,
    entropy: &dyn Entropy,
    (tenant, source): (&Tenant, &str),
    bytes: &[u8],
) -> Result<Bytes, VaultError> {
    let mut state = read(bytes).map_err(|_| VaultError::UnknownForm)?;
    for index in 0..state.paired.len() {
        let sealed = at_place(tenant, source, &state.paired[index], |place| {
            match from.rewrap(to, entropy, place, &state.paired[index].sealed) {
                Err(VaultError::WrongMasterKey { sealed_by, .. }) if sealed_by == to.key_id() => {
                    Ok(state.paired[index].sealed.clone())
                }
                other => other,
            }
        })?;
        state.paired[index].sealed = sealed;
    }
    serde_json::to_vec(&state).map(Bytes::from).map_err(|_| VaultError::UnknownForm)
}

/// Claims an address for opening by this process; gives whether nobody else has it.
fn claim(opening: &Mutex<FxHashSet<HandshakeId>>, id: HandshakeId) -> bool {
    opening.lock().unwrap_or_else(PoisonError::into_inner).insert(id)
}

fn release(opening: &Mutex<FxHashSet<HandshakeId>>, id: HandshakeId) {
    opening.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
}
