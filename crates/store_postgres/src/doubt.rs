//! Claims in doubt: nobody was told of them, because their transaction broke during its commit, or because the verb was cut
//! off or its caller gone before the answer was handed over; and yet they may be there. Their node lives on, so no lease
//! would ever end them; they are looked for, and put back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Tenant, Timestamp};
use store::dispatch::Claim;
use uuid::Uuid;

use crate::dispatch::settle::put_back_under;
use crate::failure::Failure;
use crate::perform::{Inner, Moment};
use crate::session::Figures;

/// How long a claim that is not there is looked for: a commit that the server still works on when its connection is gone
/// takes no longer than a statement may.
const LOOKED_FOR: Duration = Duration::from_secs(30);

/// One that may have been made.
#[derive(Clone, Debug)]
pub(crate) struct Doubt {
    pub(crate) tenant: Tenant,
    pub(crate) id: Uuid,
    pub(crate) claim: Claim,
    until: Moment,
}

impl Doubt {
    pub(crate) fn new(tenant: Tenant, id: Uuid, claim: Claim) -> Self {
        Self { tenant, id, claim, until: Moment::now() + LOOKED_FOR }
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

/// What a verb has claimed and committed so far. What is left of it when this is dropped is in doubt: a verb
/// may be cut off wherever it waits.
pub(crate) struct Untold {
    figures: Arc<Figures>,
    /// By delivery too: generations tell only the claims of one of them apart.
    claims: BTreeMap<(Uuid, u64), Doubt>,
}

impl Drop for Untold {
    fn drop(&mut self) {
        if !self.claims.is_empty() {
            self.figures.doubts.add(std::mem::take(&mut self.claims).into_values());
        }
    }
}

impl Untold {
    pub(crate) fn new(figures: &Arc<Figures>) -> Self {
        Self { figures: Arc::clone(figures), claims: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, claims: impl IntoIterator<Item = Doubt>) {
        self.claims.extend(claims.into_iter().map(|doubt| ((doubt.id, doubt.claim.generation), doubt)));
    }

    /// These of them, apart from the others.
    pub(crate) fn part(&mut self, claims: impl IntoIterator<Item = (Uuid, Claim)>) -> Self {
        let part = claims.into_iter().filter_map(|(id, claim)| self.claims.remove_entry(&(id, claim.generation)));
        Self { claims: part.collect(), figures: Arc::clone(&self.figures) }
    }

    pub(crate) fn told_by<T>(self, value: T) -> Answer<T> {
        Answer { value, untold: self }
    }
}

/// An answer on its way to who asked, with the claims that it tells of: where it is dropped they are in doubt.
pub(crate) struct Answer<T> {
    value: T,
    untold: Untold,
}

impl<T> Answer<T> {
    /// Only for who gives it to its caller before anything is waited for: from here on somebody else has the claims.
    pub(crate) fn hand_over(mut self) -> T {
        self.untold.claims.clear();
        self.value
    }

    pub(crate) fn split(self) -> (T, Untold) {
        (self.value, self.untold)
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
    fn looked(&mut self, tenant: &Tenant, found: &BTreeSet<Uuid>, now: Moment) {
        self.left.retain(|doubt| doubt.tenant != *tenant || (now < doubt.until && !found.contains(&doubt.id)));
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
                taken.looked(tenant, &ids, Moment::now());
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

    fn ids(doubts: &Doubts) -> Vec<u128> {
        doubts.all().iter().map(|doubt| doubt.id.as_u128()).collect()
    }

    #[test]
    fn what_a_rescue_did_not_come_to_is_in_doubt_again_however_it_ended() {
        let doubts = Doubts::default();
        doubts.add([doubt("blue", 1), doubt("blue", 2), doubt("red", 3)]);
        let mut taken = doubts.take();
        assert_eq!(ids(&doubts), [0; 0], "nobody else looks for them");
        let blue = "blue".parse().expect("a name");
        assert_eq!(taken.claims_of(&blue).len(), 2);
        taken.looked(&blue, &BTreeSet::from([Uuid::from_u128(1)]), Moment::now());
        doubts.add([doubt("red", 4)]);
        // As when the verb runs out of its time.
        drop(taken);
        assert_eq!(ids(&doubts), [4, 2, 3]);
    }

    #[test]
    fn what_nobody_was_told_of_is_in_doubt_and_what_was_handed_over_is_not() {
        let figures = Arc::<Figures>::default();
        let claimed = |id: u64| {
            let claim = Claim { owner: Owner(7), generation: id };
            Doubt::new("blue".parse().expect("a name"), Uuid::from_u128(id.into()), claim)
        };
        let mut untold = Untold::new(&figures);
        untold.add((1..=4).map(claimed));
        let claim = |id| (claimed(id).id, claimed(id).claim);
        let heard = untold.part([claim(1)]).told_by("heard");
        let unheard = untold.part([claim(2), claim(3)]).told_by("unheard");
        assert_eq!(heard.hand_over(), "heard");
        assert_eq!(ids(&figures.doubts), [0; 0], "the others are on their way");
        // As when its caller is gone.
        drop(unheard);
        assert_eq!(ids(&figures.doubts), [2, 3]);
        // As when the verb is cut off.
        drop(untold);
        assert_eq!(ids(&figures.doubts), [2, 3, 4]);
    }

    #[test]
    fn two_claims_of_one_generation_are_two() {
        let figures = Arc::<Figures>::default();
        let (one, two) = (doubt("blue", 1), doubt("blue", 2));
        assert_eq!(one.claim, two.claim);
        let mut untold = Untold::new(&figures);
        untold.add([one.clone(), two]);
        untold.part([(one.id, one.claim)]).told_by("heard").hand_over();
        drop(untold);
        assert_eq!(ids(&figures.doubts), [2]);
    }

    #[test]
    fn what_never_comes_is_looked_for_so_long_however_often_and_no_longer() {
        let doubts = Doubts::default();
        doubts.add([doubt("blue", 1)]);
        let (blue, began) = ("blue".parse().expect("a name"), Moment::now());
        for _ in 0..20 {
            doubts.take().looked(&blue, &BTreeSet::new(), began);
            assert_eq!(ids(&doubts), [1], "rescues may come one upon the other");
        }
        doubts.take().looked(&blue, &BTreeSet::new(), Moment::now() + LOOKED_FOR);
        assert_eq!(ids(&doubts), [0; 0]);
    }
}
