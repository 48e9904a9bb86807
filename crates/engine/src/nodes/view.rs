//! Who shares the store, and who is in charge of what, for people.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::charge::{Charge, ChargeKind};
use domain::{DestinationName, Tenant, Timestamp};
use store::StoreError;
use store::nodes::Node;

use crate::engine::Engine;

/// A node as people see it.
#[derive(Clone, Debug)]
pub struct NodeView {
    pub name: String,
    pub address: String,
    pub version: String,
    pub started_at: Timestamp,
    /// When it last said that it lives.
    pub beat_at: Timestamp,
    /// What is left of its lease.
    pub left: Duration,
    pub leaving: bool,
    /// It waits for its configuration file to be applied, and does nothing else.
    pub waits: bool,
    /// The one that was asked.
    pub is_this: bool,
    /// Names of what it is in charge of, of the tenant who asks, by kind.
    pub charges: BTreeMap<ChargeKind, Vec<String>>,
    /// How many of each kind, of all tenants.
    pub counts: BTreeMap<ChargeKind, usize>,
    /// What it knows has to be looked after is the same as what the one that was asked knows.
    pub agrees: bool,
}

impl Engine {
    /// Completes once this process has said to the nodes that share its store that it lives, or stops.
    pub async fn joined(&self) {
        let _ = self.inner.joined.clone().wait_for(|joined| *joined).await;
    }

    /// Changes whenever something was configured, by whomever.
    #[must_use]
    pub fn changes(&self) -> crate::latest::Receiver<u64> {
        self.inner.configured_elsewhere.clone()
    }

    /// Whether the nodes go by another configuration file than this one.
    #[must_use]
    pub fn has_another_file(&self) -> bool {
        self.inner.file.differs()
    }

    /// Which node of the store this process is.
    #[must_use]
    pub fn owner(&self) -> store::dispatch::Owner {
        self.inner.owner
    }

    /// All nodes that share the store, those included that ended without a word a while ago.
    pub async fn nodes(&self, tenant: &Tenant) -> Result<Vec<NodeView>, StoreError> {
        let nodes = self.inner.store.nodes(self.inner.clock.now()).await?;
        let charges = self.inner.store.charges().await?;
        let own = nodes.iter().find(|node| node.own.owner == self.inner.owner).map(|node| node.own.wanted);
        let view = |node: Node| {
            let is_this = node.own.owner == self.inner.owner;
            let has = charges.iter().filter(|(_, claim)| claim.owner == node.own.owner).map(|(charge, _)| charge);
            let agrees = own.is_none_or(|own| own == node.own.wanted);
            let mut view = NodeView {
                name: node.own.name.to_string(),
                address: node.own.address.to_string(),
                version: node.own.version.to_string(),
                started_at: node.own.started_at,
                beat_at: node.beat_at,
                left: node.left,
                leaving: node.own.leaving,
                waits: node.own.wanted == super::waiting(),
                is_this,
                charges: BTreeMap::new(),
                counts: BTreeMap::new(),
                agrees,
            };
            if self.inner.store.is_shared() {
                has.for_each(|charge| view.add(charge, tenant));
            } else {
                self.everything().iter().for_each(|charge| view.add(charge, tenant));
            }
            view
        };
        Ok(nodes.into_iter().map(view).collect())
    }

    /// Name of the node that is in charge of a destination; `None`: nobody is just now.
    pub async fn node_of(&self, tenant: &Tenant, name: &DestinationName) -> Result<Option<String>, StoreError> {
        let charge = Charge::Destination(tenant.clone(), name.clone());
        let charges = self.inner.store.charges().await?;
        let nodes = self.inner.store.nodes(self.inner.clock.now()).await?;
        let holder = charges.get(&charge).map(|claim| claim.owner);
        let holder = if self.inner.store.is_shared() { holder } else { Some(self.inner.owner) };
        let living = nodes.into_iter().find(|node| Some(node.own.owner) == holder && node.lives());
        Ok(living.map(|node| node.own.name.to_string()))
    }

    /// Where nobody else could be in charge, this node is.
    fn everything(&self) -> Vec<Charge> {
        super::roster::configured(&self.topology())
    }
}

impl NodeView {
    fn add(&mut self, charge: &Charge, tenant: &Tenant) {
        *self.counts.entry(charge.kind()).or_default() += 1;
        if charge.tenant() == tenant {
            self.charges.entry(charge.kind()).or_default().push(charge.name());
        }
    }
}
