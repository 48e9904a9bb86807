//! Lanes on disk: who is the head, who waits behind it, and who goes next.
//!
//! A delivery behind another is due at the end of time, so that it is in no index that claiming looks at; only the
//! head is ever due. Every step is a lookup in an index, however many wait.

use domain::ordering::{Lane, OnDead, goes_before, is_stale};
use domain::{Timestamp, Version};
use rusqlite::{Row, params};

use crate::code::{Stored, version_code, version_of};
use crate::failure::Failure;
use crate::names::NameId;
use crate::query::Query;
use crate::tx::Tx;

/// A lane's row, with what its head is.
pub(crate) struct LaneRow {
    pub(crate) id: i64,
    head: Option<Head>,
    sent: Option<Version>,
}

struct Head {
    seq: i64,
    state: Stored,
    attempts: i64,
    version: Option<Version>,
    backfill: bool,
}

/// One that enters a lane.
#[derive(Clone, Copy)]
pub(crate) struct Newcomer {
    pub(crate) seq: i64,
    pub(crate) version: Option<Version>,
    pub(crate) backfill: bool,
}

/// Where a delivery stands in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) lane: i64,
    pub(crate) behind: bool,
    /// A later version was sent already.
    pub(crate) stale: bool,
    /// Nobody is before it, and nobody waits behind it.
    pub(crate) alone: bool,
    /// It waits behind a backfilled one, which goes first for it.
    pub(crate) hurries: bool,
}

/// Puts a new delivery into its lane, which is made if it is the first.
pub(crate) fn enter(
    tx: &mut Tx<'_, '_>,
    (tenant, destination): (NameId, NameId),
    lane: &Lane,
    newcomer: Newcomer,
    now: Timestamp,
) -> Result<Standing, Failure> {
    let found = tx.row(Query::lane, params![tenant, destination, lane.as_str()], read)?;
    let Some(row) = found else {
        let params = params![tenant, destination, lane.as_str(), newcomer.seq, now.as_micros()];
        let lane = tx.row(Query::insert_lane, params, |row| Ok(row.get(0)?))?.unwrap_or_default();
        return Ok(Standing { lane, behind: false, stale: false, alone: true, hurries: false });
    };
    join(tx, &row, newcomer, now)
}

/// Puts a delivery that a person retried back into the lane it was in; `None` if that is there no more.
pub(crate) fn enter_again(
    tx: &mut Tx<'_, '_>,
    lane: i64,
    newcomer: Newcomer,
    now: Timestamp,
) -> Result<Option<Standing>, Failure> {
    tx.row(Query::lane_head, [lane], read)?.map(|row| join(tx, &row, newcomer, now)).transpose()
}

/// Becomes the head of a lane without one, takes over from a head that goes later, or waits behind it. A backfilled head
/// behind which one waits that is not lets nobody else go first any more.
fn join(tx: &mut Tx<'_, '_>, row: &LaneRow, newcomer: Newcomer, now: Timestamp) -> Result<Standing, Failure> {
    let Newcomer { seq, version, backfill } = newcomer;
    let behind = match &row.head {
        None => false,
        Some(head) if head.seq == seq => false,
        Some(head) if untouched(tx, head) && goes_before((version, seq), (head.version, head.seq)) => {
            tx.execute(Query::set_due, params![head.seq, Timestamp::NEVER.as_micros()])?;
            if head.backfill {
                // Who waits in a lane goes with the others once it is its turn: nobody knows who waits behind it then.
                tx.execute(Query::hurry, [head.seq])?;
            }
            false
        }
        Some(_) => true,
    };
    if !behind {
        tx.execute(Query::set_head, params![row.id, seq, now.as_micros()])?;
    }
    let hurries = behind && !backfill && row.head.as_ref().is_some_and(|head| head.backfill);
    if let Some(head) = row.head.as_ref().filter(|_| hurries) {
        tx.execute(Query::hurry, [head.seq])?;
    }
    let alone = row.head.is_none();
    Ok(Standing { lane: row.id, behind, stale: is_stale(version, row.sent), alone, hurries })
}

/// Whether a head was never tried and nobody is about to: only then another may go before it.
fn untouched(tx: &Tx<'_, '_>, head: &Head) -> bool {
    head.state.is_open() && head.attempts == 0 && !tx.shared().claims.has_seq(head.seq)
}

/// A delivery of this lane was settled: notes what was sent, and lets the next one go if the head is done. Gives
/// whether one became due.
pub(crate) fn settled(
    tx: &mut Tx<'_, '_>,
    (lane, seq): (i64, i64),
    (state, on_dead): (Stored, OnDead),
    sent: Option<Version>,
    now: Timestamp,
) -> Result<bool, Failure> {
    if let (Some(kind), Some(version)) = version_code(sent) {
        tx.execute(Query::set_sent, params![lane, kind, version, now.as_micros()])?;
    }
    let keeps = state.is_open() || (state == Stored::Dead && on_dead == OnDead::Block);
    if keeps { Ok(false) } else { leave(tx, lane, seq, now) }
}

/// Lets the next one go if `seq` was the head. Gives whether one became due.
pub(crate) fn leave(tx: &mut Tx<'_, '_>, lane: i64, seq: i64, now: Timestamp) -> Result<bool, Failure> {
    let head = tx.row(Query::lane_head, [lane], read)?.and_then(|row| row.head);
    if head.is_none_or(|head| head.seq != seq) {
        return Ok(false);
    }
    let next = next(tx, lane)?;
    tx.execute(Query::set_head, params![lane, next.map(|(seq, _)| seq), now.as_micros()])?;
    let Some((seq, state)) = next else { return Ok(false) };
    tx.execute(Query::set_due, params![seq, now.as_micros()])?;
    Ok(state.is_waiting())
}

/// Whether this delivery is what its lane waits for.
pub(crate) fn is_head(tx: &mut Tx<'_, '_>, lane: i64, seq: i64) -> Result<bool, Failure> {
    Ok(tx.row(Query::lane_head, [lane], read)?.and_then(|row| row.head).is_some_and(|head| head.seq == seq))
}

/// Who goes next: [`domain::ordering::head`] of all that wait, found without looking at all of them. The first
/// accepted goes, unless it has a version and a later accepted one has an earlier version of the same kind.
fn next(tx: &mut Tx<'_, '_>, lane: i64) -> Result<Option<(i64, Stored)>, Failure> {
    let waiting = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, Stored::of(row.get(1)?)?, row.get::<_, Option<i64>>(2)?));
    match tx.row(Query::first_behind, [lane], waiting)? {
        Some((_, _, Some(kind))) => {
            let earliest = tx.row(Query::first_behind_version, params![lane, kind], waiting)?;
            Ok(earliest.map(|(seq, state, _)| (seq, state)))
        }
        first => Ok(first.map(|(seq, state, _)| (seq, state))),
    }
}

fn read(row: &Row<'_>) -> Result<LaneRow, Failure> {
    let head = match (row.get(1)?, row.get::<_, Option<i64>>(4)?) {
        (Some(seq), Some(state)) => Some(Head {
            seq,
            state: Stored::of(state)?,
            attempts: row.get(5)?,
            version: version_of(row.get(6)?, row.get(7)?)?,
            backfill: row.get(8)?,
        }),
        // A head that was pruned holds nobody up.
        _ => None,
    };
    Ok(LaneRow { id: row.get(0)?, head, sent: version_of(row.get(2)?, row.get(3)?)? })
}
