//! Retention, a bounded piece per transaction: never anything with an open delivery, never a dead letter before its
//! own time.

use domain::Timestamp;
use domain::identity::Digest;
use domain::ordering::Lane;
use domain::request::Verdict;
use rusqlite::params;
use store::keep::{Pruned, Retention};
use store::listen::IDLE_MAX;

use crate::code::verdict_of;
use crate::connection::{LAST_DELIVERY, LAST_EVENT};
use crate::failure::Failure;
use crate::intake::requests;
use crate::lane;
use crate::query::Query;
use crate::row::{text_or_none, time};
use crate::tx::Tx;

/// Rows that are looked at for each that may be removed: what is kept lies among what goes.
const LOOK_PER_ROW: u32 = 4;
/// Share of their retention that identities and lanes may outlive it by, so that a whole walk through them is rare.
const SLACK: u32 = 30;

/// How far walks through tables without an index by age have got. Forgotten with the process: they start over.
#[derive(Default)]
pub(crate) struct Pruning {
    /// The highest event, request and lane looked at; 0: the walk is at its start.
    event: i64,
    request: i64,
    identities: Ages<(i64, Digest)>,
    lanes: Ages<i64>,
}

/// A walk through a table in the order of its key, and the age of the oldest row that it left.
struct Ages<K> {
    at: Option<K>,
    /// The oldest so far in this walk.
    oldest: Option<Timestamp>,
    /// Nothing is older than this; `None`: not known.
    settled: Option<Timestamp>,
}

impl<K> Default for Ages<K> {
    fn default() -> Self {
        Self { at: None, oldest: None, settled: None }
    }
}

impl<K> Ages<K> {
    /// Whether a walk is on, or worth beginning.
    fn due(&self, before: Timestamp, slack: std::time::Duration) -> bool {
        self.at.is_some() || self.settled.is_none_or(|oldest| oldest + slack < before)
    }

    fn kept(&mut self, age: Timestamp) {
        self.oldest = Some(self.oldest.map_or(age, |oldest| oldest.min(age)));
    }

    /// The walk goes on from `at`, or is over.
    fn step(&mut self, at: Option<K>, now: Timestamp) {
        if at.is_none() {
            self.settled = Some(self.oldest.take().unwrap_or(now));
        }
        self.at = at;
    }
}

pub(crate) fn prune(tx: &mut Tx<'_, '_>, retention: &Retention, now: Timestamp, limit: u32) -> Result<Pruned, Failure> {
    let limit = limit.max(1);
    let mut pruned = Pruned::default();
    events(tx, retention, now, limit, &mut pruned)?;
    old_requests(tx, now - retention.requests, limit, &mut pruned)?;
    identities(tx, retention, now, limit, &mut pruned)?;
    lanes(tx, retention, now, limit, &mut pruned)?;
    pruned.more |=
        tx.execute(Query::old_idempotency, ((now - retention.idempotency).as_micros(), limit))? >= limit as usize;
    let longest = retention.events.max(retention.dead_letters);
    tx.execute(Query::old_alerts, ((now - longest).as_micros(), limit))?;
    tx.execute(Query::old_notices, ((now - longest).as_micros(), limit))?;
    tx.execute(Query::old_replays, ((now - longest).as_micros(), limit))?;
    tx.execute(Query::old_listeners, [(now - IDLE_MAX).as_micros()])?;
    Ok(pruned)
}

/// In the order of acceptance, until a stretch of it ends with one that is too young. A single one that claims to be
/// from the future holds nobody back.
fn events(
    tx: &mut Tx<'_, '_>,
    retention: &Retention,
    now: Timestamp,
    limit: u32,
    pruned: &mut Pruned,
) -> Result<(), Failure> {
    let dead_before = (now - retention.dead_letters).as_micros();
    let look = limit.saturating_mul(LOOK_PER_ROW);
    let read = |row: &rusqlite::Row<'_>| Ok(Candidate { seq: row.get(0)?, received_at: time(row, 1)?, rest: () });
    let candidates = tx.sql.rows(Query::old_events, (tx.memory.pruning.event, look), read)?;
    let bounds = Bounds { before: now - retention.events, look, limit };
    tx.memory.pruning.event = go_through(tx, candidates, bounds, |tx, event, ()| {
        let read = |row: &rusqlite::Row<'_>| Ok((crate::row::count(row, 0)?, row.get::<_, i64>(1)?));
        let (deliveries, keeping) = tx.row(Query::deliveries_left, (event, dead_before), read)?.unwrap_or_default();
        if keeping > 0 {
            return Ok(0);
        }
        remove_event(tx, event, now)?;
        pruned.events += 1;
        pruned.deliveries += deliveries;
        Ok(deliveries.max(1))
    })?;
    pruned.more |= tx.memory.pruning.event != 0;
    keep_numbers(tx, pruned)
}

/// What may be removed for its age.
struct Candidate<R> {
    seq: i64,
    received_at: Timestamp,
    rest: R,
}

/// Of one round.
#[derive(Clone, Copy)]
struct Bounds {
    before: Timestamp,
    /// Candidates that were asked for.
    look: u32,
    /// Rows to remove.
    limit: u32,
}

/// Goes through candidates in order until enough rows are removed, of which `remove` says how many it removed. Gives
/// where the next round goes on, or 0: from the beginning, because the last one seen was the last one there is or too
/// young.
fn go_through<R>(
    tx: &mut Tx<'_, '_>,
    candidates: Vec<Candidate<R>>,
    bounds: Bounds,
    mut remove: impl FnMut(&mut Tx<'_, '_>, i64, R) -> Result<u64, Failure>,
) -> Result<i64, Failure> {
    let Bounds { before, look, limit } = bounds;
    let whole = candidates.len() == look as usize;
    let (mut last, mut removed) = (None, 0);
    for Candidate { seq, received_at, rest } in candidates {
        if removed >= u64::from(limit) {
            break;
        }
        last = Some(seq).filter(|_| received_at < before);
        if received_at < before {
            removed += remove(tx, seq, rest)?;
        }
    }
    Ok(last.filter(|_| whole || removed >= u64::from(limit)).unwrap_or(0))
}

fn remove_event(tx: &mut Tx<'_, '_>, event: i64, now: Timestamp) -> Result<(), Failure> {
    let blocked =
        tx.sql.rows(Query::blocked_lanes, [event], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    for (seq, lane) in blocked {
        lane::leave(tx, lane, seq, now)?;
    }
    for query in [
        Query::delete_attempts,
        Query::delete_prepared_of,
        Query::delete_deliveries,
        Query::delete_sightings,
        Query::delete_event,
    ] {
        tx.execute(query, [event])?;
    }
    Ok(())
}

/// Numbers are never given twice, even if the rows that had the highest are gone.
fn keep_numbers(tx: &mut Tx<'_, '_>, pruned: &Pruned) -> Result<(), Failure> {
    if pruned.events > 0 {
        tx.execute(Query::put_counter, params![LAST_EVENT, tx.memory.next_event - 1])?;
        tx.execute(Query::put_counter, params![LAST_DELIVERY, tx.memory.next_delivery - 1])?;
    }
    Ok(())
}

/// Pending ones stay: what they bring was answered 2xx.
fn old_requests(tx: &mut Tx<'_, '_>, before: Timestamp, limit: u32, pruned: &mut Pruned) -> Result<(), Failure> {
    let look = limit.saturating_mul(LOOK_PER_ROW);
    let candidates = tx.sql.rows(Query::old_requests, (tx.memory.pruning.request, look), |row| {
        let counted = (row.get::<_, i64>(3)?, row.get::<_, i64>(4)?, text_or_none(row, 5)?, row.get::<_, i64>(6)?);
        Ok(Candidate { seq: row.get(0)?, received_at: time(row, 1)?, rest: (verdict_of(row.get(2)?)?, counted) })
    })?;
    let bounds = Bounds { before, look, limit };
    tx.memory.pruning.request = go_through(tx, candidates, bounds, |tx, seq, (verdict, counted)| {
        let (tenant, source, reason, bytes) = counted;
        if verdict == Verdict::Pending {
            return Ok(0);
        }
        if let (Verdict::Rejected, Some(reason)) = (verdict, &reason) {
            requests::count(tx, (tenant, source, reason), -1, -bytes)?;
        }
        tx.execute(Query::delete_request, [seq])?;
        pruned.requests += 1;
        Ok(1)
    })?;
    pruned.more |= tx.memory.pruning.request != 0;
    Ok(())
}

/// Identities have no index by age, which would cost every event more than this walk does now and then.
fn identities(
    tx: &mut Tx<'_, '_>,
    retention: &Retention,
    now: Timestamp,
    limit: u32,
    pruned: &mut Pruned,
) -> Result<(), Failure> {
    let before = now - retention.identities;
    if !tx.memory.pruning.identities.due(before, retention.identities / SLACK) {
        return Ok(());
    }
    let (tenant, digest) = tx.memory.pruning.identities.at.take().unwrap_or((i64::MIN, Digest([0; 32])));
    let look = limit.saturating_mul(LOOK_PER_ROW);
    let rows = tx.sql.rows(Query::identities_from, params![tenant, digest.0, look], |row| {
        Ok(((row.get::<_, i64>(0)?, Digest(row.get(1)?)), time(row, 2)?))
    })?;
    let mut at = None;
    let whole = rows.len() == look as usize;
    for (key, seen_at) in rows {
        if pruned.identities >= u64::from(limit) {
            break;
        }
        at = Some(key);
        if seen_at >= before {
            tx.memory.pruning.identities.kept(seen_at);
            continue;
        }
        tx.execute(Query::delete_identity, params![key.0, key.1.0])?;
        pruned.identities += 1;
    }
    let at = at.filter(|_| whole || pruned.identities >= u64::from(limit));
    pruned.more |= at.is_some();
    tx.memory.pruning.identities.step(at, now);
    Ok(())
}

/// Lanes of subjects that nobody waits in and that no event used for as long as identities live. A delivery that is
/// retried later makes its lane anew from its event.
fn lanes(
    tx: &mut Tx<'_, '_>,
    retention: &Retention,
    now: Timestamp,
    limit: u32,
    pruned: &mut Pruned,
) -> Result<(), Failure> {
    let before = now - retention.identities;
    if !tx.memory.pruning.lanes.due(before, retention.identities / SLACK) {
        return Ok(());
    }
    let from = tx.memory.pruning.lanes.at.take().unwrap_or(0);
    let rows = tx.sql.rows(Query::lanes_from, (from, limit), |row| {
        let idle = row.get::<_, Option<i64>>(1)?.is_none() && Lane::from_stored(row.get(3)?).goes_by_version();
        Ok((row.get::<_, i64>(0)?, idle, time(row, 2)?))
    })?;
    let at = rows.last().map(|(id, ..)| *id).filter(|_| rows.len() == limit as usize);
    for (id, idle, used_at) in rows {
        if idle && used_at < before {
            tx.execute(Query::delete_lane, [id])?;
        } else {
            tx.memory.pruning.lanes.kept(used_at);
        }
    }
    pruned.more |= at.is_some();
    tx.memory.pruning.lanes.step(at, now);
    Ok(())
}
