//! Births that this process wrote, while they are under way: who ends one need not ask the server what it was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::dispatch::Claim;
use uuid::Uuid;

use super::BirthKey;
use crate::value::Text;

/// Most deliveries that are remembered, some 200 bytes each. What is under way for longer than it takes so many others to be
/// born is read from the server.
const DELIVERIES_MAX: usize = 16_384;

/// What the row of births says of one of its deliveries.
#[derive(Clone, Debug)]
pub(crate) struct Newborn {
    pub(crate) id: Uuid,
    pub(crate) event: Uuid,
    pub(crate) created_at: i64,
    pub(crate) route: Text,
    pub(crate) destination: Text,
}

/// A row of births as it was written, and the place of one of its deliveries in it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) row: Arc<[Newborn]>,
    pub(crate) nth: usize,
}

impl Place {
    pub(crate) fn newborn(&self) -> &Newborn {
        &self.row[self.nth]
    }
}

/// Only what a row held when it was written: what became of it the server knows. A row may be remembered that was never
/// committed, or is there no more.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// By their numbers, which count up in a process whoever claims: the oldest come first.
    rows: BTreeMap<(i64, i64), Arc<[Newborn]>>,
    deliveries: usize,
}

impl Known {
    pub(super) fn add(&self, key: BirthKey, row: Vec<Newborn>) {
        let mut all = self.all();
        all.forget(key);
        all.deliveries += row.len();
        all.rows.insert((key.first, key.owner), row.into());
        while all.deliveries > DELIVERIES_MAX
            && let Some((_, oldest)) = all.rows.pop_first()
        {
            all.deliveries -= oldest.len();
        }
    }

    /// Where the delivery stands that this claim is of.
    pub(crate) fn place(&self, id: Uuid, claim: Claim) -> Option<Place> {
        let key = BirthKey::of(claim)?;
        let row = Arc::clone(self.all().rows.get(&(key.first, key.owner))?);
        let nth = usize::try_from(claim.generation.cast_signed() - key.first).ok()?;
        // A claim may name a row of ours and be another's.
        row.get(nth).is_some_and(|newborn| newborn.id == id).then_some(Place { row, nth })
    }

    pub(crate) fn forget(&self, keys: impl IntoIterator<Item = BirthKey>) {
        let mut all = self.all();
        keys.into_iter().for_each(|key| all.forget(key));
    }

    fn all(&self) -> MutexGuard<'_, Remembered> {
        // Whoever panics in here has only counted wrong.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn forget(&mut self, key: BirthKey) {
        if let Some(row) = self.rows.remove(&(key.first, key.owner)) {
            self.deliveries -= row.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::births::{BIRTHS, BLOCK};
    use store::dispatch::Owner;

    fn key(nth: i64) -> BirthKey {
        // A process has one claimer, and in tests two.
        BirthKey { owner: 7 - nth % 2, first: BIRTHS + nth * BLOCK }
    }

    fn row(ids: std::ops::Range<usize>) -> Vec<Newborn> {
        let newborn = |id: usize| Newborn {
            id: Uuid::from_u128(id as u128),
            event: Uuid::nil(),
            created_at: 1,
            route: "shop-to-crm".into(),
            destination: "crm".into(),
        };
        ids.map(newborn).collect()
    }

    fn place(known: &Known, row: i64, nth: i64, id: usize) -> Option<usize> {
        let key = key(row);
        let claim = Claim { owner: Owner(key.owner.cast_unsigned()), generation: (key.first + nth).cast_unsigned() };
        known.place(Uuid::from_u128(id as u128), claim).map(|place| place.nth)
    }

    #[test]
    fn a_delivery_is_known_by_its_claim_and_its_id() {
        let known = Known::default();
        known.add(key(1), row(10..13));
        assert_eq!(place(&known, 1, 2, 12), Some(2));
        assert_eq!(place(&known, 1, 2, 11), None, "that claim is of another");
        assert_eq!((place(&known, 1, 3, 13), place(&known, 2, 0, 10)), (None, None));
        known.forget([key(1), key(2)]);
        assert_eq!(place(&known, 1, 2, 12), None);
    }

    #[test]
    fn the_oldest_are_forgotten_first_and_never_is_more_remembered_than_so_much() {
        let known = Known::default();
        let rows = DELIVERIES_MAX / 1_000 + 4;
        for nth in 0..rows {
            known.add(key(nth as i64), row(nth * 1_000..nth * 1_000 + 1_000));
            // Written again, as a transaction is that is run again.
            known.add(key(nth as i64), row(nth * 1_000..nth * 1_000 + 1_000));
        }
        assert_eq!(place(&known, 3, 0, 3_000), None);
        let last = rows - 1;
        assert_eq!(place(&known, last as i64, 999, last * 1_000 + 999), Some(999));
        let all = known.all();
        assert_eq!(all.deliveries, all.rows.values().map(|row| row.len()).sum::<usize>());
        assert!(all.deliveries <= DELIVERIES_MAX && all.deliveries > DELIVERIES_MAX - 1_000);
    }
}
