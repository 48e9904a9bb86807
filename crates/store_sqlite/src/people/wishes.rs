//! Retry and cancel, one delivery at a time.

use domain::ordering::{Lane, Ordering};
use domain::{DeliveryId, DeliveryState, Timestamp, Version};
use rusqlite::{Row, params};
use store::StoreError;
use store::people::Wish;

use crate::code::{Stored, version_of};
use crate::failure::Failure;
use crate::lane::{self, Newcomer, Standing};
use crate::names::NameId;
use crate::query::Query;
use crate::row::{Lookup, event};
use crate::tx::Tx;

/// What a wish has to know of its delivery.
struct Head {
    seq: i64,
    state: Stored,
    attempts: i64,
    tried: i64,
    lane: Option<i64>,
    version: Option<Version>,
    event: i64,
    destination: NameId,
}

pub(crate) fn retry(tx: &mut Tx<'_, '_>, tenant: &str, id: DeliveryId, now: Timestamp) -> Result<Wish, Failure> {
    let Some(head) = find(tx, tenant, id)? else { return Ok(Wish::NotFound) };
    let shown = head.state.shown(tx.shared().claims.has(id));
    if !matches!(shown, DeliveryState::Dead | DeliveryState::Cancelled) {
        return Ok(Wish::Refused(shown));
    }
    let standing = match head.lane {
        Some(lane) => Some(stand_again(tx, &head, lane, now)?),
        None => None,
    };
    let due = if standing.is_some_and(|standing| standing.behind) { Timestamp::NEVER } else { now };
    let lane = standing.map(|standing| standing.lane);
    tx.execute(Query::delete_prepared, [head.seq])?;
    tx.execute(Query::reopen_delivery, params![head.seq, due.as_micros(), lane])?;
    Ok(Wish::Done)
}

/// Back into its lane; one that was forgotten meanwhile is made anew, for the subject of the event.
fn stand_again(tx: &mut Tx<'_, '_>, head: &Head, lane: i64, now: Timestamp) -> Result<Standing, Failure> {
    let delivery = Newcomer { seq: head.seq, version: head.version, backfill: false };
    if let Some(standing) = lane::enter_again(tx, lane, delivery, now)? {
        return Ok(standing);
    }
    let lookup = Lookup { names: &tx.memory.shared.names, connection: tx.sql.connection() };
    let found = tx.sql.row(Query::event_by_seq, [head.event], |row| Ok((row.get(2)?, event(row, lookup)?)))?;
    let remade = found.and_then(|(tenant, event): (_, domain::Event)| {
        let lane = Lane::of(Ordering::Subject, &event.source, &event.connection, event.subject.as_ref())?;
        Some((tenant, lane))
    });
    match remade {
        Some((tenant, lane)) => lane::enter(tx, (tenant, head.destination), &lane, delivery, now),
        None => Err(StoreError::Corrupt(format!("delivery {} is in a lane that is not there", head.seq)).into()),
    }
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
        event: row.get(7)?,
        destination: row.get(8)?,
    })
}
