//! Claims in doubt: a transaction that made them broke during its commit, so that nobody was told of them and yet they may
//! be there. Their node lives on, so no lease would ever end them; they are looked for, and put back.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{Tenant, Timestamp};
use store::dispatch::Claim;
use uuid::Uuid;

use crate::dispatch::settle::put_back_under;
use crate::failure::Failure;
use crate::perform::Inner;

/// How often a claim that is not there is looked for again: rescues are seconds apart, and a commit that the server still
/// works on when its connection is gone takes no longer than a statement may.
const LOOKS: u32 = 6;

/// One that may have been made.
#[derive(Clone, Debug)]
pub(crate) struct Doubt {
    pub(crate) tenant: Tenant,
    pub(crate) id: Uuid,
    pub(crate) claim: Claim,
    looks: u32,
}

impl Doubt {
    pub(crate) fn new(tenant: Tenant, id: Uuid, claim: Claim) -> Self {
        Self { tenant, id, claim, looks: LOOKS }
    }
}

/// All that are in doubt just now.
#[derive(Debug, Default)]
pub(crate) struct Doubts(Mutex<Vec<Doubt>>);

impl Doubts {
    pub(crate) fn add(&self, doubts: impl IntoIterator<Item = Doubt>) {
        self.all().extend(doubts);
    }

    fn take(&self) -> Taken<'_> {
        Taken { doubts: self, left: std::mem::take(&mut *self.all()) }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Doubt>> {
        // Put in and taken out whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those that somebody looks for. What is left of them when this is dropped is in doubt again: a rescue may be cut off
/// wherever it waits.
struct Taken<'a> {
    doubts: &'a Doubts,
    left: Vec<Doubt>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.doubts.add(std::mem::take(&mut self.left));
    }
}

impl Taken<'_> {
    fn tenants(&self) -> BTreeSet<Tenant> {
        self.left.iter().map(|doubt| doubt.tenant.clone()).collect()
    }

    fn claims_of(&self, tenant: &Tenant) -> Vec<(Uuid, Claim)> {
        let own = self.left.iter().filter(|doubt| doubt.tenant == *tenant);
        own.map(|doubt| (doubt.id, doubt.claim)).collect()
    }

    /// These of a tenant's were there, and are claims no more; the others may come yet.
    fn looked(&mut self, tenant: &Tenant, found: &BTreeSet<Uuid>) {
        self.left.retain_mut(|doubt| {
            if doubt.tenant != *tenant {
                return true;
            }
            doubt.looks -= 1;
            doubt.looks > 0 && !found.contains(&doubt.id)
        });
    }
}

/// Puts back those that are there. Gives how many.
pub(crate) async fn rescue(inner: &Inner, now: Timestamp) -> Result<usize, Failure> {
    let mut taken = inner.figures.doubts.take();
    let (mut rescued, mut failed) = (0, None);
    for tenant in &taken.tenants() {
        let claims = &taken.claims_of(tenant);
        let put_back = inner
            .transaction(claims.len(), |session| async move { put_back_under(&session, tenant, claims, now).await })
            .await;
        match put_back {
            Ok(ids) => {
                rescued += ids.len();
                taken.looked(tenant, &ids);
            }
            Err(failure) => failed = Some(failure),
        }
    }
    failed.map_or(Ok(rescued), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::dispatch::Owner;

    fn doubt(tenant: &str, id: u128) -> Doubt {
        let claim = Claim { owner: Owner(7), generation: 1 };
        Doubt::new(tenant.parse().expect("a name"), Uuid::from_u128(id), claim)
    }

    fn ids(doubts: &Doubts) -> Vec<(u128, u32)> {
        doubts.all().iter().map(|doubt| (doubt.id.as_u128(), doubt.looks)).collect()
    }

    #[test]
    fn what_a_rescue_did_not_come_to_is_in_doubt_again_however_it_ended() {
        let doubts = Doubts::default();
        doubts.add([doubt("blue", 1), doubt("blue", 2), doubt("red", 3)]);
        let mut taken = doubts.take();
        assert_eq!(ids(&doubts), [], "nobody else looks for them");
        let blue = "blue".parse().expect("a name");
        assert_eq!(taken.claims_of(&blue).len(), 2);
        taken.looked(&blue, &BTreeSet::from([Uuid::from_u128(1)]));
        doubts.add([doubt("red", 4)]);
        // As when the verb runs out of its time.
        drop(taken);
        assert_eq!(ids(&doubts), [(4, LOOKS), (2, LOOKS - 1), (3, LOOKS)]);
    }

    #[test]
    fn what_never_comes_is_looked_for_so_often_and_no_more() {
        let doubts = Doubts::default();
        doubts.add([doubt("blue", 1)]);
        let blue = "blue".parse().expect("a name");
        for looks in (0..LOOKS).rev() {
            doubts.take().looked(&blue, &BTreeSet::new());
            let left: &[(u128, u32)] = if looks == 0 { &[] } else { &[(1, looks)] };
            assert_eq!(ids(&doubts), left);
        }
    }
}
