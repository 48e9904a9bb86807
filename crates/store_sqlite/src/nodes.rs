//! The nodes of a store that has one owner: kept in memory, because they are void when its process ends. Several
//! engines of one process may be nodes of it, which is how a simulation makes a cluster.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::charge::Charge;
use domain::{DeliveryId, Tenant, Timestamp};
use store::Verb;
use store::dispatch::{Ask, Claim, Lease, Owner};
use store::nodes::{Beat, Charges, GONE_SHOWN_FOR, Hint, Node, NodeSelf, Nodes};

use crate::SqliteStore;

#[derive(Default)]
pub(crate) struct Roster {
    table: Mutex<Table>,
    configured: AtomicU64,
}

#[derive(Default)]
struct Table {
    nodes: BTreeMap<u64, Kept>,
    charges: Charges,
    /// Counts every change of hands; the last generation given.
    charged: u64,
}

struct Kept {
    own: NodeSelf,
    beat_at: Timestamp,
    until: Timestamp,
}

impl Table {
    fn lives(&self, owner: Owner, now: Timestamp) -> bool {
        self.nodes.get(&owner.0).is_some_and(|node| node.until > now)
    }

    fn listed(&self, now: Timestamp) -> Vec<Node> {
        let node = |kept: &Kept| Node { own: kept.own.clone(), beat_at: kept.beat_at, left: kept.until.since(now) };
        let mut nodes: Vec<Node> = self.nodes.values().map(node).collect();
        nodes.sort_by_key(|node| (node.own.started_at, node.own.owner.0));
        nodes
    }

    fn forget_gone(&mut self, now: Timestamp) {
        let Self { nodes, charges, .. } = self;
        nodes.retain(|owner, node| {
            now.since(node.until) < GONE_SHOWN_FOR || charges.values().any(|claim| claim.owner.0 == *owner)
        });
    }

    fn drop_charges(&mut self, drop: impl Fn(&Charge, &Claim) -> bool) {
        let before = self.charges.len();
        self.charges.retain(|charge, claim| !drop(charge, claim));
        self.charged += u64::from(self.charges.len() < before);
    }
}

impl Roster {
    fn lock(&self) -> MutexGuard<'_, Table> {
        // Each change leaves it whole, so a panic elsewhere did not spoil it.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether who asks is in charge of the destination, if it says under which generation.
    pub(crate) fn permits(&self, ask: &Ask, owner: Owner) -> bool {
        let Some(generation) = ask.charge else { return true };
        let charge = Charge::Destination(ask.tenant.clone(), ask.destination.clone());
        self.lock().charges.get(&charge) == Some(&Claim { owner, generation })
    }

    /// Nodes whose lease is over.
    pub(crate) fn dead(&self, now: Timestamp) -> Vec<Owner> {
        let table = self.lock();
        table.nodes.values().filter(|node| node.until <= now).map(|node| node.own.owner).collect()
    }

    /// Something was configured, paused or paired.
    pub(crate) fn note_configured(&self) {
        self.count_configured(1);
    }

    /// So often.
    pub(crate) fn count_configured(&self, times: u64) {
        self.configured.fetch_add(times, Ordering::Release);
    }

    pub(crate) fn configured(&self) -> u64 {
        self.configured.load(Ordering::Acquire)
    }

    /// What the end of the process does.
    pub(crate) fn clear(&self) {
        let mut table = self.lock();
        table.nodes.clear();
        table.charges.clear();
    }
}

impl Nodes for SqliteStore {
    fn is_shared(&self) -> bool {
        self.shared.options.shared
    }

    /// Nothing is written: leases are in memory.
    fn beat(&self, own: NodeSelf, span: Duration, now: Timestamp) -> Verb<'_, Beat> {
        Box::pin(async move {
            self.shared.open()?;
            self.shared.claims.renew(Lease { owner: own.owner, span }, now);
            let mut table = self.shared.nodes.lock();
            table.nodes.insert(own.owner.0, Kept { own, beat_at: now, until: now + span });
            table.forget_gone(now);
            let configured = self.shared.nodes.configured();
            Ok(Beat { nodes: table.listed(now), configured, charged: table.charged })
        })
    }

    fn nodes(&self, now: Timestamp) -> Verb<'_, Vec<Node>> {
        Box::pin(async move {
            self.shared.open()?;
            Ok(self.shared.nodes.lock().listed(now))
        })
    }

    fn configured(&self) -> Verb<'_, u64> {
        Box::pin(async move {
            self.shared.open()?;
            Ok(self.shared.nodes.configured())
        })
    }

    fn charges(&self) -> Verb<'_, Charges> {
        Box::pin(async move {
            self.shared.open()?;
            Ok(self.shared.nodes.lock().charges.clone())
        })
    }

    fn take_charges(&self, lease: Lease, from: Vec<Charge>, most: u32, now: Timestamp) -> Verb<'_, Charges> {
        Box::pin(async move {
            self.shared.open()?;
            let mut table = self.shared.nodes.lock();
            if !table.lives(lease.owner, now) {
                return Ok(Charges::new());
            }
            let is_free = |charge: &Charge| table.charges.get(charge).is_none_or(|by| !table.lives(by.owner, now));
            let free: Vec<Charge> = from.into_iter().filter(is_free).take(most as usize).collect();
            if free.is_empty() {
                return Ok(Charges::new());
            }
            table.charged += 1;
            let claim = Claim { owner: lease.owner, generation: table.charged };
            let taken: Charges = free.into_iter().map(|charge| (charge, claim)).collect();
            table.charges.extend(taken.clone());
            Ok(taken)
        })
    }

    fn leave_charges(&self, owner: Owner, charges: Vec<Charge>) -> Verb<'_, ()> {
        Box::pin(async move {
            self.shared.open()?;
            self.shared.nodes.lock().drop_charges(|charge, by| by.owner == owner && charges.contains(charge));
            Ok(())
        })
    }

    fn leave(&self, owner: Owner) -> Verb<'_, ()> {
        Box::pin(async move {
            self.shared.open()?;
            let mut table = self.shared.nodes.lock();
            table.nodes.remove(&owner.0);
            table.drop_charges(|_, by| by.owner == owner);
            Ok(())
        })
    }

    fn lost_claims(&self, owner: Owner, claims: Vec<(Tenant, DeliveryId)>) -> Verb<'_, Vec<DeliveryId>> {
        Box::pin(async move {
            self.shared.open()?;
            let is_lost = |id: &DeliveryId| !self.shared.claims.is_owned_by(*id, owner);
            Ok(claims.into_iter().map(|(_, id)| id).filter(is_lost).collect())
        })
    }

    /// Whoever uses this store is in this process.
    fn tell(&self, _hint: Hint) {}

    fn hint(&self) -> Verb<'_, Option<Hint>> {
        Box::pin(std::future::pending())
    }
}
