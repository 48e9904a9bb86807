//! Settlements that end a delivery which waits for nobody and for which nobody waits: nearly all of them, in one statement.

use std::collections::{BTreeMap, BTreeSet};

use domain::{DeliveryId, Tenant};
use store::dispatch::{Attempt, Settled, Settlement};
use uuid::Uuid;

use super::settle::{before_never, response};
use crate::births::{BirthKey, Rows};
use crate::code::state_code;
use crate::failure::Failure;
use crate::perform::owner_code;
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
        ended.extend(end(session, tenant, owner, &some).await?);
    }
    let (ended, left): (Vec<usize>, Vec<usize>) =
        indexes.into_iter().partition(|index| ended.contains(&batch[*index].id.uuid()));
    ended.into_iter().for_each(|index| answers[index].fenced = false);
    Ok(left)
}

/// Those under claims of one owner.
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
