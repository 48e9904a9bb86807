//! The secrets by which subscriptions are signed, opened, for the key sets of their sources. Only in memory.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use domain::{ConnectionName, SourceName, Tenant};
use rustc_hash::FxHashMap;

use crate::key_set::Paired;
use crate::spec::{RoleSecret, SourceSpec};
use crate::upstream::Account;

type OfSource = BTreeMap<ConnectionName, Vec<RoleSecret>>;

#[derive(Debug, Default)]
pub(crate) struct SubscriptionSecrets(RwLock<FxHashMap<(Tenant, SourceName), OfSource>>);

impl SubscriptionSecrets {
    /// Puts a connection's in the place of those before; gives the ones before.
    pub fn put(&self, account: &Account, secrets: Vec<RoleSecret>) -> Vec<RoleSecret> {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let of_source = all.entry((account.tenant.clone(), account.source.clone())).or_default();
        let before = if secrets.is_empty() {
            of_source.remove(&account.connection)
        } else {
            of_source.insert(account.connection.clone(), secrets)
        };
        before.unwrap_or_default()
    }

    pub fn has_any(&self, tenant: &Tenant, source: &SourceName) -> bool {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&(tenant.clone(), source.clone())).is_some_and(|of_source| !of_source.is_empty())
    }

    /// Those that count for a source, each for its connection. Those of a connection that is gone count no more.
    pub fn of(&self, spec: &SourceSpec) -> Vec<Paired> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let of_source = all.get(&(spec.tenant.clone(), spec.name.clone())).into_iter().flatten();
        let whose = |connection: &ConnectionName| {
            if spec.connections.contains_key(connection) {
                return Some(Some(connection.clone()));
            }
            (*connection == ConnectionName::default_connection()).then_some(None)
        };
        of_source
            .filter_map(|(connection, secrets)| Some((whose(connection)?, secrets)))
            .flat_map(|(whose, secrets)| secrets.iter().map(move |secret| (whose.clone(), secret.clone())))
            .collect()
    }
}
