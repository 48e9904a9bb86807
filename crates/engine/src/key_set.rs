//! The keys that a source's requests are judged by: those configured, and beside them those that its sender handed over.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use connectors::provider::{Incoming, KeyError, Keys, Recipe, Settings};
use domain::ConnectionName;
use domain::request::SecretPlaces;
use rustc_hash::FxHashMap;

use crate::spec::{RoleSecret, SourceSpec, WebhookSpec};

/// All keys of a source, compiled.
#[derive(Debug)]
pub struct KeySet {
    /// The source's own keys; `None` where only its connections have secrets.
    pub(crate) keys: Option<Keys>,
    connections: BTreeMap<ConnectionName, Keys>,
    by_key_name: ByKeyName,
    secret_places: SecretPlaces,
}

/// Which connections a request may be of that says by which key it is signed.
#[derive(Debug, Default)]
struct ByKeyName {
    named: FxHashMap<Box<[u8]>, Vec<ConnectionName>>,
    /// Of any key: those with a secret that is called nothing.
    others: Vec<ConnectionName>,
}

/// A secret that a sender handed over, and for whom: the source itself or one of its connections.
pub type Paired = (Option<ConnectionName>, RoleSecret);

impl KeySet {
    /// Of what is configured and what was handed over.
    pub fn compile(
        recipe: &Recipe,
        spec: &SourceSpec,
        webhook: &WebhookSpec,
        paired: &[Paired],
    ) -> Result<Self, KeyError> {
        let settings = Settings::from_json(&webhook.settings)?;
        let keys_of = |configured: &[RoleSecret], connection: Option<&ConnectionName>| {
            let own = paired.iter().filter(|(of, _)| of.as_ref() == connection).map(|(_, secret)| secret);
            let secrets = configured.iter().chain(own).map(RoleSecret::key).collect::<Result<Vec<_>, _>>()?;
            // A connection without secrets of its own is judged by the source's.
            let shares = secrets.is_empty() && connection.is_some();
            if shares {
                return Ok(None);
            }
            match Keys::compile(recipe, &secrets, &settings) {
                // Its secret comes with the subscription: until then nothing passes.
                Err(KeyError::MissingSecret { .. }) if spec.subscribes() => Ok(None),
                keys => keys.map(Some),
            }
        };
        let mut connections = BTreeMap::new();
        for (name, configured) in &spec.connections {
            if let Some(keys) = keys_of(configured, Some(name))? {
                connections.insert(name.clone(), keys);
            }
        }
        // Who hands its secret over has to be understood before there is one.
        let none_own = webhook.secrets.is_empty() && paired.iter().all(|(of, _)| of.is_some());
        let only_connections = none_own && !connections.is_empty() && recipe.pairs().is_none();
        let keys = if only_connections { None } else { keys_of(&webhook.secrets, None)? };
        let by_key_name = ByKeyName::of(&connections);
        Ok(Self { keys, connections, by_key_name, secret_places: recipe.secret_places(&settings)? })
    }

    pub(crate) fn of(&self, connection: &ConnectionName) -> Option<&Keys> {
        self.connections.get(connection)
    }

    /// Where requests show one of the secrets itself.
    pub(crate) fn secret_places(&self) -> &SecretPlaces {
        &self.secret_places
    }

    /// The connection that a payload names, if it has keys of its own.
    pub(crate) fn told(&self, name: &str) -> Option<(&ConnectionName, &Keys)> {
        self.connections.get_key_value(name)
    }

    /// All of them, the source's own first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Keys> {
        self.keys.iter().chain(self.connections.values())
    }

    /// The connections by whose keys a request may pass that came to the source itself. A request that says which key
    /// or which account it is of is tried by that one alone, so that thousands cost no more than one; else by all.
    pub(crate) fn candidates(&self, incoming: &Incoming<'_>) -> Vec<(&ConnectionName, &Keys)> {
        let Some((any, keys)) = self.connections.first_key_value() else { return Vec::new() };
        let account = keys.account_said_by(incoming);
        if let Some(found) = account.and_then(|account| self.connections.get_key_value(account.as_str())) {
            return vec![found];
        }
        let Some(name) = keys.name_said_by(incoming) else { return self.connections.iter().collect() };
        let chosen = self.by_key_name.connections(&name).filter_map(|name| self.connections.get_key_value(name));
        let chosen: Vec<_> = chosen.collect();
        // Nobody's, so any of them refuses it, and says what is wrong with it.
        if chosen.is_empty() { vec![(any, keys)] } else { chosen }
    }
}

impl ByKeyName {
    fn of(connections: &BTreeMap<ConnectionName, Keys>) -> Self {
        let mut all = Self::default();
        for (connection, keys) in connections {
            let Some(names) = keys.names() else {
                all.others.push(connection.clone());
                continue;
            };
            for name in names {
                let known = all.named.entry(name.as_bytes().into()).or_default();
                // Two secrets of one name rotate.
                if known.last() != Some(connection) {
                    known.push(connection.clone());
                }
            }
        }
        all
    }

    fn connections(&self, name: &[u8]) -> impl Iterator<Item = &ConnectionName> {
        self.named.get(name).into_iter().flatten().chain(&self.others)
    }
}

/// The set in force: exchanged whole while requests are judged.
#[derive(Debug)]
pub struct KeysInForce(RwLock<Arc<KeySet>>);

impl KeysInForce {
    pub(crate) fn new(set: KeySet) -> Self {
        Self(RwLock::new(Arc::new(set)))
    }

    #[must_use]
    pub fn get(&self) -> Arc<KeySet> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn exchange(&self, set: KeySet) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
    }
}
