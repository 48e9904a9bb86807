//! Pairing: a person lets a source wait for its secret, the first request that brings one is believed, and then
//! nobody waits any more. Outside of that time such a request is refused.

use std::time::Duration;

use connectors::provider::{OfferedSecret, Role};
use domain::request::{InboundRequest, Reason};
use domain::{ConnectionName, PairingId, SourceName, Tenant};
use zeroize::Zeroizing;

use super::{Handshakes, Key, SourceHandshakes, account, at_place, key_of, no_listener};
use crate::engine::{Engine, EngineError};
use crate::entropy::uuid_v7;
use crate::handshakes::state::{HAND_BACK_FOR, PAIRINGS_OPEN_MAX, PairedSecret};
use crate::topology::Source;
use crate::vault::Place;

/// How long a source waits unless a person says otherwise.
pub const PAIRING_DEFAULT: Duration = Duration::from_secs(10 * 60);
/// The longest: whoever knows the address could hand a secret over meanwhile.
pub const PAIRING_MAX: Duration = Duration::from_secs(60 * 60);

/// How a source's pairing stands.
#[derive(Clone, Debug)]
pub struct Pairings {
    pub provider: String,
    /// What the secret is for; `None`: its sender hands none over.
    pub role: Option<Role>,
    pub state: SourceHandshakes,
}

impl Handshakes {
    /// Takes a secret that a request brought, if a person waits for it. `Err(Ok(reason))`: it is refused.
    pub async fn offer(
        &self,
        source: &Source,
        request: &InboundRequest,
        offered: &OfferedSecret,
    ) -> Result<(), Result<Reason, EngineError>> {
        let (key, connection, now) = (key_of(source), account(&request.connection), self.clock.now());
        let provider = source.listener.as_ref().map_or("", |listener| listener.recipe.name());
        let unsealed = PairedSecret {
            id: PairingId::from_uuid(uuid_v7(&*self.entropy, now)),
            connection: connection.clone(),
            provider: provider.to_owned(),
            role: offered.role.as_str().to_owned(),
            sealed: String::new(),
            paired_at: now,
            from: request.remote.to_string(),
            hand_back_until: offered.hand_back.then(|| now + HAND_BACK_FOR),
        };
        let seal = |place: &Place<'_>| self.vault.seal(&*self.entropy, place, offered.value.as_bytes());
        let paired = self.change(&key, |state| {
            if !state.is_open(connection.as_ref(), now) {
                return Err(EngineError::Conflict(String::new()));
            }
            let mut secret = unsealed.clone();
            secret.sealed = at_place(&key.0, key.1.as_str(), &secret, seal)
                .map_err(|error| EngineError::Invalid { code: error.code(), detail: error.to_string() })?;
            state.pair(secret);
            Ok(())
        });
        paired.await.map_err(|error| match error {
            EngineError::Conflict(_) => Ok(not_pairing(&key.1)),
            // Such as one secret more than a source may have: what is wrong is told to people, not to the sender.
            EngineError::Invalid { detail, .. } => Ok(Reason { code: "pairing_refused".into(), detail }),
            error => Err(error),
        })
    }
}

fn not_pairing(source: &SourceName) -> Reason {
    let detail = format!(
        "it brings a secret to be trusted from now on, and nobody waits for one: if it is the sender's, let source \
         '{source}' wait (`trireme source pair {source}`) and have it sent again"
    );
    Reason { code: "not_pairing".into(), detail }
}

impl Engine {
    /// Lets a source, or one of its connections, wait for the secret that its sender hands over.
    pub async fn open_pairing(
        &self,
        tenant: &Tenant,
        name: &SourceName,
        connection: Option<ConnectionName>,
        time: Duration,
    ) -> Result<Pairings, EngineError> {
        let key = self.pairing_source(tenant, name, connection.as_ref(), true)?;
        let connection = connection.filter(|name| *name != ConnectionName::default_connection());
        let now = self.inner.clock.now();
        let until = now + time.min(PAIRING_MAX);
        let opened = self.inner.handshakes.change(&key, |state| {
            if state.open(connection.clone(), until, now) {
                return Ok(());
            }
            let detail = format!("{PAIRINGS_OPEN_MAX} accounts of source '{name}' wait for their secrets already");
            Err(EngineError::Conflict(detail))
        });
        opened.await?;
        tracing::info!(event = "pairing_opened", source = %name);
        self.pairings(tenant, name).await
    }

    /// Ends every wait of a source.
    pub async fn close_pairing(&self, tenant: &Tenant, name: &SourceName) -> Result<(), EngineError> {
        let key = self.pairing_source(tenant, name, None, false)?;
        let closed = self.inner.handshakes.change(&key, |state| {
            state.open.clear();
            Ok(())
        });
        closed.await
    }

    pub async fn pairings(&self, tenant: &Tenant, name: &SourceName) -> Result<Pairings, EngineError> {
        let key = self.pairing_source(tenant, name, None, false)?;
        let mut state = self.inner.handshakes.read(&key).await?;
        let now = self.inner.clock.now();
        state.open.retain(|open| open.until > now);
        let topology = self.topology();
        let listener = topology.source(tenant.as_str(), name.as_str()).and_then(|source| source.listener.as_ref());
        let recipe = &listener.ok_or_else(|| no_listener(name))?.recipe;
        state.paired.retain(|secret| secret.provider == recipe.name());
        Ok(Pairings { provider: recipe.name().to_owned(), role: recipe.pairs(), state })
    }

    /// The secret as it came, for a person who has to give it back to the sender. Once, and only for a while.
    pub async fn hand_back(
        &self,
        tenant: &Tenant,
        name: &SourceName,
        id: PairingId,
    ) -> Result<Zeroizing<String>, EngineError> {
        let key = self.pairing_source(tenant, name, None, false)?;
        let now = self.inner.clock.now();
        let shown = self.inner.handshakes.change(&key, |state| {
            if !state.paired.iter().any(|secret| secret.id == id) {
                return Err(no_secret(name, id));
            }
            Ok(state.hand_back(id, now))
        });
        let secret = shown.await?.ok_or_else(|| EngineError::Invalid {
            code: "state_refused",
            detail: format!("the secret {id} was shown already, came too long ago, or is not to be handed back"),
        })?;
        tracing::info!(event = "secret_handed_back", source = %name, %id);
        self.inner.handshakes.open_secret(&key, &secret)
    }

    /// Trusts a secret no more; without an id none that was handed over, and nobody waits for another.
    pub async fn unpair(&self, tenant: &Tenant, name: &SourceName, id: Option<PairingId>) -> Result<(), EngineError> {
        let key = self.pairing_source(tenant, name, None, false)?;
        let removed = self.inner.handshakes.change(&key, |state| {
            let before = state.paired.len();
            match id {
                Some(id) => state.paired.retain(|secret| secret.id != id),
                None => (state.paired, state.open) = (Vec::new(), Vec::new()),
            }
            match id.filter(|_| state.paired.len() == before) {
                Some(id) => Err(no_secret(name, id)),
                None => Ok(()),
            }
        });
        removed.await
    }

    fn pairing_source(
        &self,
        tenant: &Tenant,
        name: &SourceName,
        connection: Option<&ConnectionName>,
        to_pair: bool,
    ) -> Result<Key, EngineError> {
        let topology = self.topology();
        let source = topology.source(tenant.as_str(), name.as_str());
        let found = source.and_then(|source| Some((source, source.listener.as_ref()?)));
        let (source, listener) = found.ok_or_else(|| no_listener(name))?;
        if to_pair && listener.recipe.pairs().is_none() {
            let detail = format!(
                "provider '{}' of source '{name}' hands no secret over by itself: configure it as `secret`",
                listener.recipe.name()
            );
            return Err(EngineError::Invalid { code: "pairing_not_offered", detail });
        }
        let known = |name: &ConnectionName| {
            source.spec.connections.contains_key(name) || *name == ConnectionName::default_connection()
        };
        match connection.filter(|connection| !known(connection)) {
            Some(unknown) => Err(EngineError::NotFound(format!("source '{name}' has no connection '{unknown}'"))),
            None => Ok(key_of(source)),
        }
    }
}

fn no_secret(source: &SourceName, id: PairingId) -> EngineError {
    EngineError::NotFound(format!("no secret {id} was handed over to source '{source}'"))
}
