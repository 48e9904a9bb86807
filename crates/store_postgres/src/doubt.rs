//! Claims in doubt: a transaction that made them broke during its commit, so that nobody was told of them and yet they may
//! be there. Their node lives on, so no lease would ever end them; they are looked for, and put back.

use std::collections::BTreeMap;
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

    fn take(&self) -> Vec<Doubt> {
        std::mem::take(&mut *self.all())
    }

    fn all(&self) -> MutexGuard<'_, Vec<Doubt>> {
        // Put in and taken out whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts back those that are there. Gives how many.
pub(crate) async fn rescue(inner: &Inner, now: Timestamp) -> Result<usize, Failure> {
    let mut by_tenant: BTreeMap<Tenant, Vec<Doubt>> = BTreeMap::new();
    for doubt in inner.figures.doubts.take() {
        by_tenant.entry(doubt.tenant.clone()).or_default().push(doubt);
    }
    let (mut rescued, mut failed) = (0, None);
    for (tenant, doubts) in by_tenant {
        let (tenant, some) = (&tenant, &doubts);
        let claims: &Vec<(Uuid, Claim)> = &some.iter().map(|doubt| (doubt.id, doubt.claim)).collect();
        let put_back = inner
            .transaction(some.len(), |session| async move { put_back_under(&session, tenant, claims, now).await })
            .await;
        match put_back {
            Ok(ids) => {
                rescued += ids.len();
                let left = doubts.into_iter().filter(|doubt| doubt.looks > 1 && !ids.contains(&doubt.id));
                inner.figures.doubts.add(left.map(|doubt| Doubt { looks: doubt.looks - 1, ..doubt }));
            }
            Err(failure) => {
                inner.figures.doubts.add(doubts);
                failed = Some(failure);
            }
        }
    }
    failed.map_or(Ok(rescued), Err)
}
