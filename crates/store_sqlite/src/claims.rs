//! Which deliveries are claimed, by whom and until when. Kept in memory only: the file lock makes this process the
//! one owner, and after a crash its claims are void (design §6, Leases).

use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{DeliveryId, Timestamp};
use rustc_hash::{FxHashMap, FxHashSet};
use store::dispatch::{Claim, Lease, Owner};

use crate::code::Stored;
use crate::names::NameId;

/// A claimed delivery, with what settling it needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) seq: i64,
    pub(crate) tenant: NameId,
    pub(crate) destination: NameId,
    pub(crate) claim: Claim,
    pub(crate) until: Timestamp,
    /// As its row has it while it is claimed.
    pub(crate) state: Stored,
    pub(crate) attempts: u32,
    /// Tries in all, those before a person's retry included.
    pub(crate) tried: u32,
    pub(crate) lane: Option<i64>,
}

#[derive(Default)]
pub(crate) struct Claims {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    held: FxHashMap<DeliveryId, Held>,
    seqs: FxHashSet<i64>,
    generation: u64,
}

impl Claims {
    /// A claim that no other was or will be.
    pub(crate) fn next(&self, owner: Owner) -> Claim {
        let mut table = self.lock();
        table.generation += 1;
        Claim { owner, generation: table.generation }
    }

    pub(crate) fn insert(&self, id: DeliveryId, held: Held) {
        let mut table = self.lock();
        table.seqs.insert(held.seq);
        table.held.insert(id, held);
    }

    pub(crate) fn remove(&self, id: DeliveryId) -> Option<Held> {
        let mut table = self.lock();
        let held = table.held.remove(&id)?;
        table.seqs.remove(&held.seq);
        Some(held)
    }

    /// What is held under exactly this claim.
    pub(crate) fn under(&self, id: DeliveryId, tenant: NameId, claim: Claim) -> Option<Held> {
        self.lock().held.get(&id).filter(|held| held.claim == claim && held.tenant == tenant).cloned()
    }

    pub(crate) fn has(&self, id: DeliveryId) -> bool {
        self.lock().held.contains_key(&id)
    }

    pub(crate) fn is_owned_by(&self, id: DeliveryId, owner: Owner) -> bool {
        self.lock().held.get(&id).is_some_and(|held| held.claim.owner == owner)
    }

    pub(crate) fn has_seq(&self, seq: i64) -> bool {
        self.lock().seqs.contains(&seq)
    }

    pub(crate) fn renew(&self, lease: Lease, now: Timestamp) {
        for held in self.lock().held.values_mut().filter(|held| held.claim.owner == lease.owner) {
            held.until = now + lease.span;
        }
    }

    /// Up to `limit` claims whose lease is over, or whose node's is, in the order of their deliveries.
    pub(crate) fn lapsed(&self, now: Timestamp, limit: usize, dead: &[Owner]) -> Vec<(DeliveryId, Held)> {
        let mut lapsed = self.select(|held| held.until <= now || dead.contains(&held.claim.owner));
        lapsed.truncate(limit);
        lapsed
    }

    /// Every claim that `wanted` says yes to, in the order of their deliveries. As many as fit the windows.
    pub(crate) fn select(&self, wanted: impl Fn(&Held) -> bool) -> Vec<(DeliveryId, Held)> {
        let table = self.lock();
        let mut found: Vec<_> =
            table.held.iter().filter(|(_, held)| wanted(held)).map(|(id, held)| (*id, held.clone())).collect();
        drop(table);
        found.sort_unstable_by_key(|(_, held)| held.seq);
        found
    }

    /// The lowest number of a delivery that was claimed at birth and is so still.
    pub(crate) fn first_fresh(&self) -> Option<i64> {
        self.lock().held.values().filter(|held| held.state == Stored::Fresh).map(|held| held.seq).min()
    }

    /// What the end of the process does.
    pub(crate) fn clear(&self) {
        let mut table = self.lock();
        table.held.clear();
        table.seqs.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change under the lock is a single insert or remove of a pair, so a panic elsewhere left it whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
