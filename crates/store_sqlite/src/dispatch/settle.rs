//! Settling: what a try leaves behind, where its delivery goes on, and who in its lane is next.

use domain::Timestamp;
use domain::delivery::waiting;
use rusqlite::params;
use store::StoreError;
use store::dispatch::{Attempt, Cause, PreparedDelivery, RESPONSE_BYTES_MAX, Settled, Settlement};

use crate::claims::Held;
use crate::code::Stored;
use crate::failure::Failure;
use crate::lane;
use crate::names::NameId;
use crate::query::Query;
use crate::row::signed;
use crate::tx::Tx;

pub(crate) fn keep_prepared(tx: &mut Tx<'_, '_>, one: &PreparedDelivery) -> Result<Result<(), StoreError>, Failure> {
    let Some(tenant) = tx.known_name(one.tenant.as_str())? else { return Ok(Err(StoreError::Fenced)) };
    let Some(held) = tx.shared().claims.under(one.id, tenant, one.claim) else { return Ok(Err(StoreError::Fenced)) };
    let prepared = &one.prepared;
    let enriched = prepared.enriched.as_deref();
    let row = params![held.seq, &*prepared.content_type, prepared.stale, &*prepared.body, enriched];
    tx.execute(Query::put_prepared, row)?;
    Ok(Ok(()))
}

pub(crate) fn settle(tx: &mut Tx<'_, '_>, one: &Settlement, now: Timestamp) -> Result<Settled, Failure> {
    let fenced = Settled { fenced: true, lane_moved: false };
    let Some(tenant) = tx.known_name(one.tenant.as_str())? else { return Ok(fenced) };
    let Some(held) = tx.shared().claims.under(one.id, tenant, one.claim) else {
        keep_late(tx, tenant, one)?;
        return Ok(fenced);
    };
    tx.release(one.id);
    let Some(state) = Stored::from_state(one.state) else {
        return Err(StoreError::Refused("in flight is not how a try ends".to_owned()).into());
    };
    if let Some(attempt) = &one.attempt {
        insert_attempt(tx, (held.seq, held.tried), attempt)?;
    }
    let tried = held.tried + u32::from(one.attempt.is_some());
    move_to(tx, &held, state, one.due, (one.attempts, tried), one.cause.as_ref())?;
    let lane_moved = match held.lane {
        Some(lane) => lane::settled(tx, (lane, held.seq), (state, one.on_dead), one.sent_version, now)?,
        None => false,
    };
    Ok(Settled { fenced: false, lane_moved })
}

fn move_to(
    tx: &mut Tx<'_, '_>,
    held: &Held,
    state: Stored,
    at: Timestamp,
    (attempts, tried): (u32, u32),
    cause: Option<&Cause>,
) -> Result<(), Failure> {
    // The end of time is what being behind in a lane is written as.
    let at = at.as_micros().min(Timestamp::NEVER.as_micros() - 1);
    let (due, finished) = if state.is_open() { (Some(at), None) } else { (None, Some(at)) };
    let (code, detail) = cause.map(|cause| (&*cause.code, &*cause.detail)).unzip();
    let row = params![held.seq, state as i64, due, finished, attempts, tried, code, detail];
    tx.execute(Query::move_delivery, row).map(drop)
}

/// The try of a delivery that was cancelled meanwhile changes nothing about it, but a person sees that it was made.
fn keep_late(tx: &mut Tx<'_, '_>, tenant: NameId, one: &Settlement) -> Result<(), Failure> {
    let Some(attempt) = &one.attempt else { return Ok(()) };
    let cancelled = tx.row(Query::delivery_head, params![tenant, one.id.as_bytes()], |row| {
        let (seq, state, tried): (i64, i64, u32) = (row.get(0)?, row.get(1)?, row.get(3)?);
        Ok((Stored::of(state)? == Stored::Cancelled).then_some((seq, tried)))
    })?;
    if let Some((seq, tried)) = cancelled.flatten() {
        insert_attempt(tx, (seq, tried), attempt)?;
        tx.execute(Query::count_try, [seq])?;
    }
    Ok(())
}

/// Appends a try under the number that it is, whatever it says of itself.
fn insert_attempt(tx: &mut Tx<'_, '_>, (seq, tried): (i64, u32), attempt: &Attempt) -> Result<(), Failure> {
    let response = &attempt.response[..attempt.response.len().min(RESPONSE_BYTES_MAX)];
    let row = params![
        seq,
        tried + 1,
        attempt.id.as_bytes(),
        attempt.started_at.as_micros(),
        signed(attempt.duration_us),
        &*attempt.outcome,
        attempt.status,
        attempt.error,
        attempt.connect_us.map(signed),
        attempt.first_byte_us.map(signed),
        attempt.peer,
        response,
    ];
    tx.execute(Query::insert_attempt, row).map(drop)
}

/// Puts back what nobody settled in time. Its try may have been sent, so it counts; its lane it keeps.
pub(crate) fn rescue_lapsed(tx: &mut Tx<'_, '_>, now: Timestamp, limit: u32) -> Result<u32, Failure> {
    let dead = tx.shared().nodes.dead(now);
    let lapsed = tx.shared().claims.lapsed(now, limit as usize, &dead);
    for (id, held) in &lapsed {
        tx.release(*id);
        insert_attempt(tx, (held.seq, held.tried), &Attempt::unseen(*id, held.tried, now))?;
        let attempts = held.attempts + 1;
        let state = Stored::from_state(waiting(attempts)).unwrap_or(Stored::Retrying);
        move_to(tx, held, state, now, (attempts, held.tried + 1), None)?;
    }
    Ok(u32::try_from(lapsed.len()).unwrap_or(u32::MAX))
}
