//! Births: deliveries that were claimed as they were made, kept by the transaction instead of one by one. Nearly all of them
//! are ended by their first try, and then they were never open deliveries: a row and its index entries less for each.
//!
//! A claim tells the row of its birth: the generations of a row are a block of numbers that no other claim has. So whoever has
//! anything else to do with such a delivery than to end it unfolds its row first, by the claim if it is known, and finds it
//! open. Rows of births are locked before lanes and open deliveries, in the order of their keys.

mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::Tenant;
use store::dispatch::{Claim, Lease};
use uuid::Uuid;

use crate::failure::Failure;
use crate::owe::Owed;
use crate::perform::{Inner, owner_code};
use crate::query::Query;
use crate::row::{cell, name};
use crate::session::Session;
use crate::value::{Param, Text, column, params};
pub(crate) use known::{Known, Newborn, Place};

/// The most deliveries of one row, and the generations that are set aside for it.
const BLOCK: i64 = 1_024;
/// Generations from here on are those of births, and of whoever claims such a delivery later.
const BIRTHS: i64 = 1 << 62;

/// The row of a tenant's births: who claimed them, and under which generation the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BirthKey {
    owner: i64,
    first: i64,
}

impl BirthKey {
    /// The row that a claim may be of.
    pub(crate) fn of(claim: Claim) -> Option<Self> {
        let generation = claim.generation.cast_signed();
        (generation >= BIRTHS).then(|| Self { owner: owner_code(claim.owner), first: generation - generation % BLOCK })
    }

    pub(crate) const fn first(self) -> i64 {
        self.first
    }

    pub(crate) fn all(claims: impl IntoIterator<Item = Claim>) -> BTreeSet<Self> {
        claims.into_iter().filter_map(Self::of).collect()
    }
}

/// Rows of births of one claimer, as parameters: who, which, and from where to where they lie. The planner takes so small a table
/// for a single row and would read all of the tenant's, dead ones too, to look for each of a list; a range it always goes by.
pub(crate) struct Rows {
    owner: i64,
    pub(crate) firsts: Vec<i64>,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Rows {
    /// Of no rows at all there is a range too: it holds none.
    pub(crate) fn of(owner: i64, keys: &BTreeSet<BirthKey>) -> Self {
        let firsts: Vec<i64> = keys.iter().filter(|key| key.owner == owner).map(|key| key.first).collect();
        let (from, to) = (firsts.first().copied().unwrap_or(1), firsts.last().copied().unwrap_or(0));
        Self { owner, firsts, from, to }
    }

    /// Those of each claimer, in the order in which they are locked.
    fn each(keys: &BTreeSet<BirthKey>) -> impl Iterator<Item = Self> {
        let owners: BTreeSet<i64> = keys.iter().map(|key| key.owner).collect();
        owners.into_iter().map(|owner| Self::of(owner, keys))
    }

    fn params(self, tenant: &Tenant) -> Vec<Param> {
        params![Text::from(tenant.as_str()), self.owner, self.firsts, self.from, self.to]
    }
}

/// The generations of claims that are made with their deliveries.
pub(crate) struct Generations<'i> {
    inner: &'i Inner,
    /// The next of each row of births that is being filled, by what all of a row have in common.
    filling: BTreeMap<(i64, i64, i64), i64>,
}

impl<'i> Generations<'i> {
    pub(crate) fn new(inner: &'i Inner) -> Self {
        Self { inner, filling: BTreeMap::new() }
    }

    pub(crate) fn next(&mut self, owed: &Owed) -> i64 {
        let Some(lease) = owed.born_under() else { return self.inner.generations(1) };
        let common = (owner_code(lease.owner), self.inner.lease_time(owed.now).0, span(lease));
        let next = self.filling.entry(common).or_default();
        if *next % BLOCK == 0 {
            *next = BIRTHS + BLOCK * self.inner.generations(1);
        }
        *next += 1;
        *next - 1
    }
}

/// How long a lease is, in micros.
pub(crate) fn span(lease: Lease) -> i64 {
    i64::try_from(lease.span.as_micros()).unwrap_or(i64::MAX)
}

/// Writes births with the commit, each under its generation.
pub(crate) fn write(session: &Session, inner: &Inner, tenant: &Tenant, born: &[(&Owed, Lease, i64)]) {
    let mut by_row: BTreeMap<i64, Vec<&(&Owed, Lease, i64)>> = BTreeMap::new();
    for one in born {
        by_row.entry(one.2 - one.2 % BLOCK).or_default().push(one);
    }
    for (first, some) in by_row {
        let Some((owed, lease, _)) = some.first() else { continue };
        let (base, clock) = inner.lease_time(owed.now);
        let newborn = |(owed, ..): &&(&Owed, Lease, i64)| Newborn {
            id: owed.id.uuid(),
            event: owed.event.uuid(),
            created_at: owed.now.as_micros(),
            route: Text::from(&owed.route),
            destination: Text::from(&owed.destination),
        };
        let newborns = column(&some, newborn);
        let row = params![
            Text::from(tenant.as_str()),
            owner_code(lease.owner),
            first,
            base,
            clock,
            span(*lease),
            column(&newborns, |one| one.id),
            column(&newborns, |one| one.event),
            column(&newborns, |one| one.created_at),
            column(&newborns, |one| one.route.clone()),
            column(&newborns, |one| one.destination.clone()),
        ];
        session.later(Query::insert_births, row);
        inner.births.add(BirthKey { owner: owner_code(lease.owner), first }, newborns);
    }
}

/// Locks these rows, as far as they are there: for who will need several of them, one after another.
pub(crate) async fn lock(session: &Session, tenant: &Tenant, keys: &BTreeSet<BirthKey>) -> Result<(), Failure> {
    for rows in Rows::each(keys) {
        session.rows(Query::lock_births, rows.params(tenant)).await?;
    }
    Ok(())
}

/// The events of those deliveries that are born and still under these claims, by delivery and generation. They stay so until
/// the commit.
pub(crate) async fn share(
    session: &Session,
    tenant: &Tenant,
    claims: &[(Uuid, Claim)],
) -> Result<BTreeMap<(Uuid, u64), Uuid>, Failure> {
    let mut events = BTreeMap::new();
    for rows in Rows::each(&BirthKey::all(claims.iter().map(|(_, claim)| *claim))) {
        let own: Vec<_> = claims.iter().filter(|(_, claim)| owner_code(claim.owner) == rows.owner).collect();
        let mut row = rows.params(tenant);
        row.extend(params![column(&own, |(id, _)| *id), column(&own, |(_, claim)| claim.generation.cast_signed())]);
        for row in session.rows(Query::share_births, row).await? {
            events.insert((cell(&row, 0)?, cell::<i64>(&row, 1)?.cast_unsigned()), cell(&row, 2)?);
        }
    }
    Ok(events)
}

/// Makes open deliveries of what is left of these rows. Somebody else may have done so meanwhile.
pub(crate) async fn unfold(session: &Session, tenant: &Tenant, keys: &BTreeSet<BirthKey>) -> Result<(), Failure> {
    for rows in Rows::each(keys) {
        session.execute(Query::unfold_births, rows.params(tenant)).await?;
    }
    Ok(())
}

/// The same of the rows that these deliveries are in, for who does not know their claims.
pub(crate) async fn unfold_those_with(session: &Session, tenant: &Tenant, ids: &[Uuid]) -> Result<(), Failure> {
    if ids.is_empty() {
        return Ok(());
    }
    let rows = session.rows(Query::births_of, params![Text::from(tenant.as_str()), ids.to_vec()]).await?;
    let keys: Result<_, Failure> =
        rows.iter().map(|row| Ok(BirthKey { owner: cell(row, 0)?, first: cell(row, 1)? })).collect();
    unfold(session, tenant, &keys?).await
}

/// The same of those that nobody is at: what is somebody's who stands still is left for the next time.
async fn unfold_free(session: &Arc<Session>, tenant: &Tenant, keys: &BTreeSet<BirthKey>) -> Result<(), Failure> {
    let mut free = BTreeSet::new();
    for rows in Rows::each(keys) {
        let owner = rows.owner;
        for row in session.rows(Query::lock_free_births, rows.params(tenant)).await? {
            free.insert(BirthKey { owner, first: cell(&row, 0)? });
        }
    }
    unfold(session, tenant, &free).await
}

/// The same of rows that `query` finds among all tenants, each tenant's in a transaction of its own. One that fails keeps
/// none of the others from it.
pub(crate) async fn unfold_found(inner: &Inner, query: Query, params: impl Fn() -> Vec<Param>) -> Result<(), Failure> {
    let mut found: BTreeMap<Tenant, BTreeSet<BirthKey>> = BTreeMap::new();
    for row in inner.rows(query, params).await? {
        let key = BirthKey { owner: cell(&row, 1)?, first: cell(&row, 2)? };
        found.entry(name(&row, 0)?).or_default().insert(key);
    }
    let mut failed = None;
    for (tenant, keys) in &found {
        let unfold = |session| async move { unfold_free(&session, tenant, keys).await };
        failed = inner.transaction(keys.len(), unfold).await.err().or(failed);
    }
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::dispatch::Owner;

    #[test]
    fn a_claim_tells_the_row_of_its_birth() {
        let key = |generation: i64| BirthKey::of(Claim { owner: Owner(7), generation: generation.cast_unsigned() });
        assert_eq!(key(BIRTHS + BLOCK), Some(BirthKey { owner: 7, first: BIRTHS + BLOCK }));
        assert_eq!(key(BIRTHS + 2 * BLOCK - 1), key(BIRTHS + BLOCK));
        assert_ne!(key(BIRTHS + 2 * BLOCK), key(BIRTHS + BLOCK));
        assert_eq!(key(BIRTHS - 1), None, "a claim of what was due");
    }
}
