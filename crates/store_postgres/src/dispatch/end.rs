//! Settlements that end a delivery which waits for nobody and for which nobody waits: nearly all of them, in one statement.

use std::collections::{BTreeMap, BTreeSet};

use domain::{DeliveryId, DeliveryState, Tenant};
use store::dispatch::{Attempt, Settled, Settlement};
use uuid::Uuid;

use super::settle::{before_never, response};
use crate::births::{self, BirthKey, Place, Rows};
use crate::code::state_code;
use crate::failure::Failure;
use crate::perform::{Inner, owner_code};
use crate::query::Query;
use crate::row::cell;
use crate::session::Session;
use crate::value::{Blob, Text, column, params, signed, small};

/// Those of a batch that can probably be ended so, and the others. What `ordered` says only saves a look: a delivery that
/// is in a lane all the same is left by [`plain`]. What was claimed at birth is in none. One that is settled twice is left to
/// be settled in turn.
pub(super) fn split(batch: &[Settlement], indexes: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
    let mut times: BTreeMap<DeliveryId, usize> = BTreeMap::new();
    indexes.iter().for_each(|index| *times.entry(batch[*index].id).or_default() += 1);
    indexes.into_iter().partition(|index| {
        let one = &batch[*index];
        let perhaps_in_lane = one.ordered && BirthKey::of(one.claim).is_none();
        !perhaps_in_lane && !one.state.is_open() && times.get(&one.id) == Some(&1)
    })
}

/// Ends them, and gives which are left.
pub(super) async fn plain(
    session: &Session,
    inner: &Inner,
    tenant: &Tenant,
    batch: &[Settlement],
    indexes: Vec<usize>,
    answers: &mut [Settled],
) -> Result<Vec<usize>, Failure> {
    if indexes.is_empty() {
        return Ok(indexes);
    }
    let mut by_owner: BTreeMap<i64, Vec<&Settlement>> = BTreeMap::new();
    for one in indexes.iter().map(|index| &batch[*index]) {
        by_owner.entry(owner_code(one.claim.owner)).or_default().push(one);
    }
    let mut ended = BTreeSet::new();
    for (owner, some) in by_owner {
        ended.extend(end_all(session, inner, tenant, owner, &some).await?);
    }
    let (ended, left): (Vec<usize>, Vec<usize>) =
        indexes.into_iter().partition(|index| ended.contains(&batch[*index].id.uuid()));
    ended.into_iter().for_each(|index| answers[index].fenced = false);
    Ok(left)
}

/// A birth that its first try has delivered, and that is known.
struct Delivered<'b> {
    settlement: &'b Settlement,
    attempt: &'b Attempt,
    place: Place,
}

impl<'b> Delivered<'b> {
    fn of(inner: &Inner, settlement: &'b Settlement) -> Option<Self> {
        let is_plain = settlement.state == DeliveryState::Delivered && settlement.cause.is_none();
        let attempt = settlement.attempt.as_ref().filter(|_| is_plain)?;
        Some(Self { settlement, attempt, place: inner.births.place(settlement.id.uuid(), settlement.claim)? })
    }
}

/// Those under claims of one owner.
async fn end_all(
    session: &Session,
    inner: &Inner,
    tenant: &Tenant,
    owner: i64,
    some: &[&Settlement],
) -> Result<BTreeSet<Uuid>, Failure> {
    let (mut born, mut others) = (Vec::new(), Vec::new());
    for one in some.iter().copied() {
        match Delivered::of(inner, one) {
            Some(delivered) => born.push(delivered),
            None => others.push(one),
        }
    }
    let mut ended = BTreeSet::new();
    if !born.is_empty() {
        let own = BirthKey::all(born.iter().map(|one| one.settlement.claim));
        let other = BirthKey::all(others.iter().map(|one| one.claim));
        if !other.is_subset(&own) {
            births::lock(session, tenant, &(&own | &other)).await?;
        }
        let settlements = born.iter().map(|one| one.settlement);
        if end_born(session, inner, tenant, owner, &born).await? {
            ended.extend(settlements.map(|one| one.id.uuid()));
        } else {
            others.extend(settlements);
        }
    }
    if !others.is_empty() {
        ended.extend(end(session, tenant, owner, &others).await?);
    }
    Ok(ended)
}

/// Ends them by what is known of them. Gives whether they were as they are known: else nothing is done.
async fn end_born(
    session: &Session,
    inner: &Inner,
    tenant: &Tenant,
    owner: i64,
    some: &[Delivered<'_>],
) -> Result<bool, Failure> {
    let mut ends: BTreeMap<BirthKey, Vec<bool>> = BTreeMap::new();
    let mut members: BTreeMap<BirthKey, Uuid> = BTreeMap::new();
    for Delivered { settlement, place, .. } in some {
        let Some(key) = BirthKey::of(settlement.claim) else { continue };
        ends.entry(key).or_insert_with(|| vec![false; place.row.len()])[place.nth] = true;
        members.insert(key, place.row[0].id);
    }
    let keys: BTreeSet<BirthKey> = ends.keys().copied().collect();
    let rows = Rows::of(owner, &keys);
    let row = params![
        Text::from(tenant.as_str()),
        owner,
        rows.firsts,
        rows.from,
        rows.to,
        ends.into_values().map(bits).collect::<Vec<String>>(),
        column(some, |one| one.place.newborn().id),
        column(some, |one| one.place.newborn().event),
        column(some, |one| one.place.newborn().created_at),
        column(some, |one| before_never(one.settlement.due)),
        column(some, |one| one.settlement.claim.generation.cast_signed()),
        column(some, |one| small(one.settlement.attempts)),
        column(some, |one| one.place.newborn().route.clone()),
        column(some, |one| one.place.newborn().destination.clone()),
        column(some, |one| one.attempt.id.uuid()),
        column(some, |one| one.attempt.started_at.as_micros()),
        column(some, |one| signed(one.attempt.duration_us)),
        column(some, |one| one.attempt.connect_us.map(signed)),
        column(some, |one| one.attempt.first_byte_us.map(signed)),
        column(some, |one| one.attempt.status.map(i32::from)),
        column(some, |one| Text::from(&one.attempt.outcome)),
        column(some, |one| one.attempt.error.as_ref().map(Text::from)),
        column(some, |one| one.attempt.peer.as_ref().map(Text::from)),
        column(some, |one| Blob(response(one.attempt))),
        members.into_values().collect::<Vec<Uuid>>(),
    ];
    let Some(answer) = session.row(Query::end_born, row).await? else { return Ok(false) };
    let (done, emptied): (bool, Vec<i64>) = (cell(&answer, 0)?, cell(&answer, 1)?);
    // Even if the commit fails: of what is forgotten the server is asked.
    inner.births.forget(keys.into_iter().filter(|key| !done || emptied.contains(&key.first())));
    Ok(done)
}

/// As a text that is cast to a bit string.
fn bits(ends: Vec<bool>) -> String {
    ends.into_iter().map(|ends| if ends { '1' } else { '0' }).collect()
}

/// The others.
async fn end(session: &Session, tenant: &Tenant, owner: i64, some: &[&Settlement]) -> Result<BTreeSet<Uuid>, Failure> {
    let tried = |one: &Settlement, of: fn(&Attempt) -> i64| one.attempt.as_ref().map(of);
    let told = |one: &Settlement, of: fn(&Attempt) -> Option<Text>| one.attempt.as_ref().and_then(of);
    let births = Rows::of(owner, &BirthKey::all(some.iter().map(|one| one.claim)));
    let row = params![
        Text::from(tenant.as_str()),
        column(some, |one| one.id.uuid()),
        owner,
        column(some, |one| one.claim.generation.cast_signed()),
        column(some, |one| state_code(one.state)),
        column(some, |one| before_never(one.due)),
        column(some, |one| small(one.attempts)),
        column(some, |one| one.cause.as_ref().map(|cause| Text::from(&cause.code))),
        column(some, |one| one.cause.as_ref().map(|cause| Text::from(&cause.detail))),
        column(some, |one| one.attempt.as_ref().map(|attempt| attempt.id.uuid())),
        column(some, |one| tried(one, |attempt| attempt.started_at.as_micros())),
        column(some, |one| tried(one, |attempt| signed(attempt.duration_us))),
        column(some, |one| one.attempt.as_ref().and_then(|attempt| attempt.connect_us.map(signed))),
        column(some, |one| one.attempt.as_ref().and_then(|attempt| attempt.first_byte_us.map(signed))),
        column(some, |one| one.attempt.as_ref().and_then(|attempt| attempt.status.map(i32::from))),
        column(some, |one| told(one, |attempt| Some(Text::from(&attempt.outcome)))),
        column(some, |one| told(one, |attempt| attempt.error.as_ref().map(Text::from))),
        column(some, |one| told(one, |attempt| attempt.peer.as_ref().map(Text::from))),
        column(some, |one| one.attempt.as_ref().map(|attempt| Blob(response(attempt)))),
        births.firsts,
        births.from,
        births.to,
    ];
    let rows = session.rows(Query::end_plain, row).await?;
    rows.iter().map(|row| cell(row, 0)).collect()
}
