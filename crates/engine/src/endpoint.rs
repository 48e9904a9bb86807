//! Instant endpoints: sources under names that nobody can guess. They take anything until their sender is chosen.

use std::collections::BTreeMap;

use data_encoding::BASE32_DNSSEC;
use domain::{SourceName, Tenant};
use serde_json::{Map, Value as Json, json};
use store::registry::{ManagedBy, ObjectKind};

use crate::definition::write_source;
use crate::engine::{Engine, EngineError};
use crate::entropy::Entropy;
use crate::manage::Key;
use crate::spec::{SourceSpec, Specs};

/// The provider that verifies nothing.
const TAKES_ANYTHING: &str = "none";

/// A sender, and what it is verified by.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    pub provider: String,
    /// By role.
    pub secrets: BTreeMap<String, String>,
    pub settings: BTreeMap<String, String>,
}

/// A name of 128 random bits.
#[must_use]
pub fn endpoint_name(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    format!("hook-{}", BASE32_DNSSEC.encode(&bytes))
}

/// Whether a source is nothing but an endpoint, whose reply can be set and whose sender can be chosen.
#[must_use]
pub fn is_endpoint(spec: &SourceSpec) -> bool {
    let other = spec.publish || spec.connector.is_some() || !spec.connections.is_empty();
    spec.managed_by == ManagedBy::Api && spec.webhook.is_some() && !other
}

impl Engine {
    /// Makes an endpoint that takes anything.
    pub async fn make_endpoint(&self, tenant: Tenant) -> Result<SourceName, EngineError> {
        let name = endpoint_name(&*self.inner.entropy);
        let definition = json!({ "webhook": { "provider": TAKES_ANYTHING } });
        self.put_object(ObjectKind::Source, tenant, &name, definition, true).await?;
        name.parse().map_err(|error| EngineError::Invalid { code: "name_invalid", detail: format!("{error}") })
    }

    /// Says what an endpoint answers, as a definition has it under `reply`; `None`: our own list of events.
    pub async fn set_endpoint_reply(
        &self,
        tenant: Tenant,
        name: &SourceName,
        reply: Option<Json>,
    ) -> Result<(), EngineError> {
        let with_reply = |before: &Specs| {
            let endpoint = endpoint_among(before, &tenant, name)?;
            let mut definition = write_source(endpoint, &mut |secret| secret.expose().to_owned());
            if let Some(webhook) = definition.get_mut("webhook").and_then(Json::as_object_mut) {
                match &reply {
                    Some(reply) => drop(webhook.insert("reply".to_owned(), reply.clone())),
                    None => drop(webhook.remove("reply")),
                }
            }
            Ok(definition)
        };
        self.change_object(key_of(&tenant, name), &with_reply).await
    }

    /// Turns an endpoint into the source of one sender: from then on only what that sender signed is accepted. Its
    /// address stays, and so do its events.
    pub async fn choose_sender(&self, tenant: Tenant, name: &SourceName, sender: Sender) -> Result<(), EngineError> {
        let mut webhook = Map::new();
        webhook.insert("provider".to_owned(), sender.provider.into());
        if !sender.secrets.is_empty() {
            webhook.insert("secrets".to_owned(), json!(sender.secrets));
        }
        webhook.extend(sender.settings.into_iter().map(|(name, value)| (name, value.into())));
        let definition = json!({ "webhook": webhook });
        let of_sender = |before: &Specs| endpoint_among(before, &tenant, name).map(|_| definition.clone());
        self.change_object(key_of(&tenant, name), &of_sender).await
    }
}

fn key_of(tenant: &Tenant, name: &SourceName) -> Key {
    (ObjectKind::Source, tenant.clone(), name.as_str().to_owned())
}

fn endpoint_among<'s>(specs: &'s Specs, tenant: &Tenant, name: &SourceName) -> Result<&'s SourceSpec, EngineError> {
    let Some(source) = specs.sources.iter().find(|source| source.tenant == *tenant && source.name == *name) else {
        return Err(EngineError::NotFound(format!("there is no source '{name}'")));
    };
    if !is_endpoint(source) {
        return Err(EngineError::Conflict(format!("source '{name}' is more than an endpoint: replace it whole")));
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn a_name_is_a_name_and_no_two_are_alike() {
        let entropy = SeededEntropy::new(7);
        let (one, other) = (endpoint_name(&entropy), endpoint_name(&entropy));
        assert!(one != other && one.len() == "hook-".len() + 26, "{one}");
        assert!(one.parse::<SourceName>().is_ok_and(|name| name.as_str() == one), "{one}");
    }
}
