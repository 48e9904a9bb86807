//! Retry and cancel, one delivery at a time.

use domain::{DeliveryId, DeliveryState, Timestamp, Version};
use rusqlite::{Row, params};
use store::people::Wish;

use crate::code::{Stored, version_of};
use crate::failure::Failure;
use crate::lane;
use crate::query::Query;
use crate::tx::Tx;

/// What a wish has to know of its delivery.
struct Head {
    seq: i64,
    state: Stored,
    attempts: i64,
    tried: i64,
    lane: Option<i64>,
    version: Option<Version>,
}

pub(crate) fn retry(tx: &mut Tx<'_, '_>, tenant: &str, id: DeliveryId, now: Timestamp) -> Result<Wish, Failure> {
    let Some(head) = find(tx, tenant, id)? else { return Ok(Wish::NotFound) };
    let shown = head.state.shown(tx.shared().claims.has(id));
    if !matches!(shown, DeliveryState::Dead | DeliveryState::Cancelled) {
        return Ok(Wish::Refused(shown));
    }
    let behind = match head.lane {
        Some(lane) => lane::enter_again(tx, lane, (head.seq, head.version), now)?.behind,
        None => false,
    };
    let due = if behind { Timestamp::NEVER } else { now };
    tx.execute(Query::delete_prepared, [head.seq])?;
    tx.execute(Query::reopen_delivery, params![head.seq, due.as_micros()])?;
    Ok(Wish::Done)
}

pub(crate) fn cancel(tx: &mut Tx<'_, '_>, tenant: &str, id: DeliveryId, now: Timestamp) -> Result<Wish, Failure> {
    let Some(head) = find(tx, tenant, id)? else { return Ok(Wish::NotFound) };
    if head.state == Stored::Dead {
        return give_way(tx, &head, now);
    }
    if !head.state.is_open() {
        return Ok(Wish::Refused(head.state.shown(false)));
    }
    // Whoever was sending it is fenced from here on.
    tx.release(id);
    let none: Option<&str> = None;
    let at = now.as_micros();
    let state = Stored::Cancelled as i64;
    let row = params![head.seq, state, None::<i64>, at, head.attempts, head.tried, none, none];
    tx.execute(Query::move_delivery, row)?;
    if let Some(lane) = head.lane {
        lane::leave(tx, lane, head.seq, now)?;
    }
    Ok(Wish::Done)
}

/// A dead delivery that its lane stands still for lets the next one go.
fn give_way(tx: &mut Tx<'_, '_>, head: &Head, now: Timestamp) -> Result<Wish, Failure> {
    match head.lane {
        Some(lane) if lane::is_head(tx, lane, head.seq)? => {
            lane::leave(tx, lane, head.seq, now)?;
            Ok(Wish::Done)
        }
        _ => Ok(Wish::Refused(DeliveryState::Dead)),
    }
}

fn find(tx: &mut Tx<'_, '_>, tenant: &str, id: DeliveryId) -> Result<Option<Head>, Failure> {
    let Some(tenant) = tx.known_name(tenant)? else { return Ok(None) };
    tx.row(Query::delivery_head, params![tenant, id.as_bytes()], read)
}

fn read(row: &Row<'_>) -> Result<Head, Failure> {
    Ok(Head {
        seq: row.get(0)?,
        state: Stored::of(row.get(1)?)?,
        attempts: row.get(2)?,
        tried: row.get(3)?,
        lane: row.get(4)?,
        version: version_of(row.get(5)?, row.get(6)?)?,
    })
}
