//! The keys that a source's requests are judged by: those configured, and beside them those that its sender handed over.

use std::sync::{Arc, PoisonError, RwLock};

use connectors::provider::{KeyError, Keys, Recipe, Settings};
use domain::ConnectionName;

use crate::spec::{RoleSecret, SourceSpec, WebhookSpec};

/// All keys of a source, compiled.
#[derive(Debug)]
pub struct KeySet {
    /// The source's own keys; `None` where only its connections have secrets.
    pub keys: Option<Keys>,
    pub connection_keys: Vec<(ConnectionName, Keys)>,
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
            Ok(if shares { None } else { Some(Keys::compile(recipe, &secrets, &settings)?) })
        };
        let mut connection_keys = Vec::new();
        for (name, configured) in &spec.connections {
            if let Some(keys) = keys_of(configured, Some(name))? {
                connection_keys.push((name.clone(), keys));
            }
        }
        // Who hands its secret over has to be understood before there is one.
        let only_connections = webhook.secrets.is_empty() && !connection_keys.is_empty() && recipe.pairs().is_none();
        let keys = if only_connections { None } else { keys_of(&webhook.secrets, None)? };
        Ok(Self { keys, connection_keys })
    }

    pub(crate) fn of(&self, connection: &ConnectionName) -> Option<&Keys> {
        self.connection_keys.iter().find(|(own, _)| own == connection).map(|(_, keys)| keys)
    }

    /// All of them, the source's own first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Keys> {
        self.keys.iter().chain(self.connection_keys.iter().map(|(_, keys)| keys))
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
