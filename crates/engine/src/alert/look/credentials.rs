//! Credentials that end: secrets of senders that count only until a time, and keys of the API.

use std::collections::{BTreeMap, BTreeSet};

use domain::alert::trend::Found;
use domain::{Tenant, Timestamp};
use store::StoreError;

use super::Lookout;
use crate::alert::CREDENTIALS_EXPIRING;
use crate::alert::message::shown;
use crate::spec::{RoleSecret, SourceSpec};
use crate::topology::Topology;

impl Lookout {
    pub(super) async fn look_at_credentials(&self, topology: &Topology, now: Timestamp) -> Result<(), StoreError> {
        let mut kept: BTreeSet<(Tenant, String)> = BTreeSet::new();
        let mut tell = |tenant: &Tenant, object: String, detail: String| {
            kept.insert((tenant.clone(), object.clone()));
            self.found(tenant, CREDENTIALS_EXPIRING, object, Found::Trouble, || detail);
        };
        for source in topology.sources() {
            let spec = &source.spec;
            let before = topology.alerting(&spec.tenant).rules.thresholds.expiring_before;
            if let Some(end) = first_end(spec, now).filter(|end| *end <= now + before) {
                let detail =
                    format!("the secret of source '{}' ends at {}, and no other follows it", spec.name, shown(end));
                tell(&spec.tenant, format!("source/{}", spec.name), detail);
            }
        }
        for key in self.store.api_keys(None).await? {
            let before = topology.alerting(&key.tenant).rules.thresholds.expiring_before;
            let end = key.expires_at.filter(|end| now < *end && *end <= now + before);
            if let Some(end) = end.filter(|_| key.revoked_at.is_none()) {
                let detail = format!("the API key {} ({}) ends at {}", key.id, key.note, shown(end));
                tell(&key.tenant, format!("api_key/{}", key.id), detail);
            }
        }
        self.over_except(CREDENTIALS_EXPIRING, &kept);
        Ok(())
    }
}

/// When the first role of an account will be without a secret; `None`: never. What ended long ago is over: its sender's
/// requests fail, which has a rule of its own.
fn first_end(spec: &SourceSpec, now: Timestamp) -> Option<Timestamp> {
    let own = spec.webhook.iter().map(|webhook| webhook.secrets.as_slice());
    let accounts = own.chain(spec.connections.values().map(Vec::as_slice));
    accounts.flat_map(ends_of_roles).filter(|end| *end > now).min()
}

/// When each role's last secret ends.
fn ends_of_roles(secrets: &[RoleSecret]) -> Vec<Timestamp> {
    let mut ends: BTreeMap<(&str, Option<&str>), Timestamp> = BTreeMap::new();
    for secret in secrets {
        let end = ends.entry((secret.role.as_str(), secret.name.as_deref())).or_default();
        *end = (*end).max(secret.window.not_after.unwrap_or(Timestamp::NEVER));
    }
    ends.into_values().filter(|end| *end < Timestamp::NEVER).collect()
}

#[cfg(test)]
mod tests {
    use connectors::provider::Window;

    use super::*;
    use crate::spec::Secret;

    #[test]
    fn a_role_ends_with_the_last_of_its_secrets() {
        let at = Timestamp::from_secs;
        let secret = |role: &str, end: Option<i64>| RoleSecret {
            window: Window { not_before: None, not_after: end.map(at) },
            ..RoleSecret::new(role.to_owned(), Secret::new("x".to_owned()))
        };
        for (secrets, ends) in [
            (vec![secret("", None)], vec![]),
            (vec![secret("", Some(5))], vec![at(5)]),
            (vec![secret("", Some(5)), secret("", Some(9))], vec![at(9)]),
            (vec![secret("", Some(5)), secret("", None)], vec![]),
            (vec![secret("a", Some(5)), secret("b", None)], vec![at(5)]),
        ] {
            assert_eq!(ends_of_roles(&secrets), ends);
        }
    }
}
