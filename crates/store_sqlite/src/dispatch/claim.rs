//! Claiming: due deliveries of one destination, oldest due first and the backfilled ones last, those that are claimed
//! already passed over.

use std::sync::Arc;

use domain::ordering::{Lane, is_stale};
use domain::{DeliveryId, ReplayId, RouteName, Timestamp};
use rusqlite::{Row, params};
use store::StoreError;
use store::dispatch::{Ask, Claim, ClaimAnswer, Claimed, Lease, Prepared, ReplayOf, UNREADABLE};
use uuid::Uuid;

use crate::claims::Held;
use crate::code::{Stored, version_of};
use crate::failure::Failure;
use crate::lane;
use crate::names::NameId;
use crate::query::Query;
use crate::row::{Lookup, bytes, event, small, text, uuid};
use crate::tx::Tx;

/// A delivery that could be claimed: its number and when it is due.
type Due = (i64, Timestamp);

pub(crate) fn claim_due(tx: &mut Tx<'_, '_>, ask: &Ask, lease: Lease, now: Timestamp) -> Result<ClaimAnswer, Failure> {
    let mut answer = ClaimAnswer::default();
    if !tx.shared().nodes.permits(ask, lease.owner) {
        return Ok(ClaimAnswer { fenced: true, ..answer });
    }
    let tenant = tx.known_name(ask.tenant.as_str())?;
    let destination = tx.known_name(ask.destination.as_str())?;
    let (Some(tenant), Some(destination)) = (tenant, destination) else { return Ok(answer) };
    let whose = (tenant, destination);
    answer.next_due = give(tx, (ask, lease, now), whose, (Query::due_deliveries, ask.limit), &mut answer)?;
    answer.more = answer.next_due.is_some_and(|due| due <= now);
    if ask.backfill > 0 {
        let next = give(tx, (ask, lease, now), whose, (Query::due_backfill, ask.backfill), &mut answer)?;
        answer.more_backfill = next.is_some_and(|due| due <= now);
        answer.next_due = answer.next_due.into_iter().chain(next.filter(|due| *due > now)).min();
    }
    Ok(answer)
}

/// Gives up to `limit` of those that a query finds; and when the next one of them is due.
fn give(
    tx: &mut Tx<'_, '_>,
    (ask, lease, now): (&Ask, Lease, Timestamp),
    (tenant, destination): (NameId, NameId),
    (query, limit): (Query, u32),
    answer: &mut ClaimAnswer,
) -> Result<Option<Timestamp>, Failure> {
    let before = answer.claimed.len();
    let mut payloads: u64 = answer.claimed.iter().map(|claimed| claimed.event.payload.len() as u64).sum();
    let mut left = unclaimed(tx, query, (tenant, destination), limit as usize, now)?.into_iter().peekable();
    let wants_more = |answer: &ClaimAnswer, payloads: u64| {
        let given = answer.claimed.len();
        given - before < limit as usize && (given == 0 || payloads < ask.bytes_max)
    };
    while let Some((seq, _)) = left.next_if(|(_, due)| *due <= now && wants_more(answer, payloads)) {
        let claim = tx.shared().claims.next(lease.owner);
        let (held, claimed) = match take(tx, seq, (tenant, destination), (claim, now + lease.span)) {
            Ok(taken) => taken,
            Err(Failure::Row(error @ StoreError::Corrupt(_))) => {
                answer.unreadable.extend(bury(tx, seq, &error, now)?);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        payloads += claimed.event.payload.len() as u64;
        tx.claim(claimed.id, held);
        answer.claimed.push(claimed);
    }
    Ok(left.peek().map(|(_, due)| *due))
}

/// Up to `limit` deliveries that are due and nobody's, and the one after them.
fn unclaimed(
    tx: &mut Tx<'_, '_>,
    query: Query,
    (tenant, destination): (NameId, NameId),
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Due>, Failure> {
    let claims = &tx.memory.shared.claims;
    let mut found = 0;
    let rows = tx.sql.rows_while(query, params![tenant, destination], |row| {
        if found > limit {
            return Ok(None);
        }
        let (seq, due) = (row.get(0)?, crate::row::time(row, 1)?);
        if claims.has_seq(seq) {
            return Ok(Some(None));
        }
        // The first that is not due yet ends the search: nothing after it is due either.
        found = if due > now { usize::MAX } else { found + 1 };
        Ok(Some(Some((seq, due))))
    })?;
    Ok(rows.into_iter().flatten().collect())
}

/// Lets go of a delivery that cannot be read; gives what of it can be.
fn bury(
    tx: &mut Tx<'_, '_>,
    seq: i64,
    error: &StoreError,
    now: Timestamp,
) -> Result<Option<(DeliveryId, RouteName)>, Failure> {
    let row = params![seq, now.as_micros(), UNREADABLE, error.to_string()];
    let read = |row: &Row<'_>| Ok((row.get::<_, Option<i64>>(0)?, uuid(row, 1).ok(), row.get::<_, NameId>(2)?));
    let Some((lane, id, route)) = tx.row(Query::bury_delivery, row, read)? else { return Ok(None) };
    if let Some(lane) = lane {
        lane::leave(tx, lane, seq, now)?;
    }
    let lookup = Lookup { names: &tx.memory.shared.names, connection: tx.sql.connection() };
    let route = lookup.name(route).ok().and_then(|name| name.route().ok());
    Ok(id.map(DeliveryId::from_uuid).zip(route))
}

/// Reads all that a try needs, and what settling it will need.
fn take(
    tx: &mut Tx<'_, '_>,
    seq: i64,
    whose: (NameId, NameId),
    term: (Claim, Timestamp),
) -> Result<(Held, Claimed), Failure> {
    let lookup = Lookup { names: &tx.memory.shared.names, connection: tx.sql.connection() };
    let destination = lookup.name(whose.1)?.destination()?;
    let found = tx.sql.row(Query::claim_delivery, [seq], |row| {
        let held = held(row, seq, whose, term)?;
        let version = version_of(row.get(25)?, row.get(26)?)?;
        let claimed = Claimed {
            id: DeliveryId::from_uuid(uuid(row, 19)?),
            claim: term.0,
            route: lookup.name(row.get(20)?)?.route()?,
            destination,
            event: Arc::new(event(row, lookup)?),
            attempts: held.attempts,
            replay: replay(row)?,
            prepared: prepared(row)?,
            lane: row.get::<_, Option<String>>(27)?.map(Lane::from_stored),
            stale: is_stale(version, version_of(row.get(28)?, row.get(29)?)?),
            backfill: row.get(35)?,
        };
        Ok((held, claimed))
    })?;
    found.ok_or_else(|| StoreError::Corrupt(format!("delivery {seq} has lost its event")).into())
}

fn held(
    row: &Row<'_>,
    seq: i64,
    (tenant, destination): (NameId, NameId),
    (claim, until): (Claim, Timestamp),
) -> Result<Held, Failure> {
    Ok(Held {
        seq,
        tenant,
        destination,
        claim,
        until,
        state: Stored::of(row.get(21)?)?,
        attempts: small(row, 22)?,
        tried: small(row, 23)?,
        lane: row.get(24)?,
    })
}

fn replay(row: &Row<'_>) -> Result<Option<ReplayOf>, Failure> {
    let Some(id) = row.get::<_, Option<[u8; 16]>>(30)? else { return Ok(None) };
    Ok(Some(ReplayOf { id: ReplayId::from_uuid(Uuid::from_bytes(id)), new_ids: row.get(31)? }))
}

fn prepared(row: &Row<'_>) -> Result<Option<Prepared>, Failure> {
    let Some(stale) = row.get::<_, Option<bool>>(33)? else { return Ok(None) };
    Ok(Some(Prepared { content_type: text(row, 32)?, stale, body: bytes(row, 34)?, enriched: None }))
}
