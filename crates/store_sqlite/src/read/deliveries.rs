//! Lists of deliveries, newest first by id: by state and destination where they wait, by replay, else row after row.

use bytes::Bytes;
use domain::{DeliveryId, DeliveryState};
use rusqlite::Row;
use store::dispatch::Prepared;
use store::read::{Backlog, DeliveryDetail, DeliveryFilter, DeliveryRow, Listed, Page, Position};
use uuid::Uuid;

use crate::code::Stored;
use crate::failure::Failure;
use crate::names::NameId;
use crate::query::Query;
use crate::read::events::not_a_position;
use crate::read::merge::{self, Merge, RANGES_MAX, Walk};
use crate::row::{Lookup, attempt, bytes, delivery, text, time, uuid};
use crate::view::View;

/// Where a delivery is in a list: its id, and its number.
type Key = (Uuid, i64);

/// Which index to walk.
struct DeliveryWalk {
    tenant: NameId,
    index: Index,
}

enum Index {
    Id,
    /// Each destination is a range of its own.
    State(Stored),
    Replay(i64),
    /// What is in flight is known in memory alone.
    Claimed(Vec<Key>),
}

impl Walk for DeliveryWalk {
    type Key = Key;

    fn chunk(
        &self,
        view: &mut View<'_, '_>,
        destination: i64,
        (before, _): Key,
        limit: usize,
    ) -> Result<Vec<Key>, Failure> {
        let below = super::before((before != Uuid::max()).then_some(before));
        let rows = i64::try_from(limit).unwrap_or(i64::MAX);
        let key = |row: &Row<'_>| Ok((uuid(row, 0)?, row.get(1)?));
        match &self.index {
            Index::Id => view.rows(Query::deliveries_by_id, (self.tenant, below, rows), key),
            Index::State(state) => {
                let params = (self.tenant, below, rows, *state as i64, destination);
                view.rows(Query::deliveries_by_state, params, key)
            }
            Index::Replay(seq) => view.rows(Query::deliveries_by_replay, (self.tenant, below, rows, seq), key),
            Index::Claimed(keys) => {
                let mut older: Vec<Key> = keys.iter().copied().filter(|(id, _)| *id < before).collect();
                older.sort_unstable_by(|a, b| b.cmp(a));
                older.truncate(limit);
                Ok(older)
            }
        }
    }
}

fn walk(
    view: &mut View<'_, '_>,
    tenant: NameId,
    filter: &DeliveryFilter,
    before: Uuid,
) -> Result<Merge<DeliveryWalk>, Failure> {
    let (index, ranges) = index(view, tenant, filter)?;
    Ok(Merge::new(DeliveryWalk { tenant, index }, ranges, (before, i64::MAX)))
}

/// The index that fits a filter best, and the ranges of it to walk.
fn index(view: &mut View<'_, '_>, tenant: NameId, filter: &DeliveryFilter) -> Result<(Index, Vec<i64>), Failure> {
    let whole = vec![0];
    if filter.state == Some(DeliveryState::InFlight) {
        let claimed = view.shared.claims.select(|held| held.tenant == tenant);
        return Ok((Index::Claimed(claimed.into_iter().map(|(id, held)| (id.uuid(), held.seq)).collect()), whole));
    }
    if let Some(replay) = filter.replay {
        let seq = view.row(Query::replay_seq, (tenant, replay.as_bytes()), |row| Ok(row.get(0)?))?;
        return Ok(seq.map_or((Index::Id, Vec::new()), |seq| (Index::Replay(seq), whole)));
    }
    let stored = filter.state.and_then(Stored::from_state).filter(|state| Stored::INDEXED.contains(state));
    let Some(state) = stored else { return Ok((Index::Id, whole)) };
    let destinations = match &filter.destination {
        Some(name) => view.lookup().id(name.as_str())?.into_iter().collect(),
        None => open_destinations(view, tenant, state)?,
    };
    Ok(if destinations.len() > RANGES_MAX { (Index::Id, whole) } else { (Index::State(state), destinations) })
}

/// The destinations that have deliveries in a state that waits.
pub(crate) fn open_destinations(view: &mut View<'_, '_>, tenant: NameId, state: Stored) -> Result<Vec<i64>, Failure> {
    merge::ranges(view, Query::next_open_destination, usize::MAX, |last| (tenant, state as i64, last))
}

pub(crate) fn list(
    view: &mut View<'_, '_>,
    tenant: &str,
    filter: &DeliveryFilter,
    page: &Page,
) -> Result<Listed<DeliveryRow>, Failure> {
    let lookup = view.lookup();
    let Some(tenant) = lookup.id(tenant)? else {
        return Ok(Listed { rows: Vec::new(), next: None, searched_until: None });
    };
    let after = page.after.as_ref().map_or(Ok(Uuid::max()), parse)?;
    let walk = walk(view, tenant, filter, after)?;
    walk.page(
        view,
        page,
        |(id, _)| position(id),
        |view, (_, seq)| {
            let row = load(view, lookup, seq)?;
            Ok(row.map(|row| (row.created_at, Some(row).filter(|row| matches(filter, row)))))
        },
    )
}

/// Ids of up to `limit` deliveries that match, however long that takes.
pub(crate) fn matching(
    view: &mut View<'_, '_>,
    tenant: &str,
    filter: &DeliveryFilter,
    before: Uuid,
    limit: usize,
) -> Result<Vec<DeliveryId>, Failure> {
    let lookup = view.lookup();
    let Some(tenant) = lookup.id(tenant)? else { return Ok(Vec::new()) };
    let mut walk = walk(view, tenant, filter, before)?;
    let mut found = Vec::new();
    while let Some((_, seq)) = walk.next(view)? {
        if found.len() >= limit {
            break;
        }
        if let Some(row) = load(view, lookup, seq)?.filter(|row| matches(filter, row)) {
            found.push(row.id);
        }
    }
    Ok(found)
}

fn load(view: &mut View<'_, '_>, lookup: Lookup<'_>, seq: i64) -> Result<Option<DeliveryRow>, Failure> {
    let claims = &view.shared.claims;
    view.sql.row(Query::delivery_row, [seq], |row| delivery(row, lookup, claims))
}

fn matches(filter: &DeliveryFilter, row: &DeliveryRow) -> bool {
    filter.state.is_none_or(|state| state == row.state)
        && filter.destination.as_ref().is_none_or(|name| *name == row.destination)
        && filter.route.as_ref().is_none_or(|name| *name == row.route)
        && filter.source.as_ref().is_none_or(|name| *name == row.source)
        && filter.replay.is_none_or(|replay| row.replay == Some(replay))
        && filter.cause.as_ref().is_none_or(|code| row.cause.as_ref().is_some_and(|cause| *cause.code == **code))
        && filter.since.is_none_or(|since| row.created_at >= since)
        && filter.until.is_none_or(|until| row.created_at < until)
}

pub(crate) fn detail(view: &mut View<'_, '_>, tenant: &str, id: DeliveryId) -> Result<Option<DeliveryDetail>, Failure> {
    let lookup = view.lookup();
    let Some(tenant) = lookup.id(tenant)? else { return Ok(None) };
    let claims = &view.shared.claims;
    let found = view.sql.row(Query::delivery_by_id, (tenant, id.as_bytes()), |row| {
        Ok((row.get::<_, i64>(0)?, delivery(row, lookup, claims)?))
    })?;
    let Some((seq, row)) = found else { return Ok(None) };
    let attempts = view.rows(Query::attempts, [seq], attempt)?;
    let prepared = view.row(Query::prepared, [seq], |row| {
        let enriched = row.get::<_, Option<Vec<u8>>>(3)?.map(Bytes::from);
        Ok(Prepared { content_type: text(row, 0)?, stale: row.get(1)?, body: bytes(row, 2)?, enriched })
    })?;
    Ok(Some(DeliveryDetail { row, attempts, prepared }))
}

pub(crate) fn of_event(view: &mut View<'_, '_>, event: i64) -> Result<Vec<DeliveryRow>, Failure> {
    let (lookup, claims) = (view.lookup(), &view.shared.claims);
    view.sql.rows(Query::deliveries_of_event, [event], |row| delivery(row, lookup, claims))
}

/// What is open or dead, counted by what waits for it. What is claimed is counted in memory: as many as fit the
/// windows.
pub(crate) fn backlog(view: &mut View<'_, '_>) -> Result<Vec<Backlog>, Failure> {
    let mut claimed = view.shared.claims.select(|_| true);
    let groups = view.rows(Query::open_groups, [], |row| {
        Ok((row.get::<_, NameId>(0)?, Stored::of(row.get(1)?)?, row.get::<_, NameId>(2)?, row.get::<_, i64>(3)?))
    })?;
    let mut backlog = Vec::new();
    for (tenant, state, destination, rows) in groups {
        let mine = claimed
            .iter()
            .filter(|(_, held)| (held.tenant, held.state, held.destination) == (tenant, state, destination));
        let count = u64::try_from(rows).unwrap_or(0).saturating_sub(mine.count() as u64);
        if count > 0 {
            let oldest = oldest(view, (tenant, state, destination))?;
            backlog.push(group(view, (tenant, destination), state.shown(false), count, oldest)?);
        }
    }
    claimed.sort_unstable_by_key(|(_, held)| (held.tenant, held.destination, held.seq));
    for same in claimed.chunk_by(|(_, a), (_, b)| (a.tenant, a.destination) == (b.tenant, b.destination)) {
        let Some((_, first)) = same.first() else { continue };
        let lookup = view.lookup();
        let oldest = load(view, lookup, first.seq)?.map(|row| row.created_at);
        let count = same.len() as u64;
        backlog.push(group(view, (first.tenant, first.destination), DeliveryState::InFlight, count, oldest)?);
    }
    Ok(backlog)
}

fn group(
    view: &View<'_, '_>,
    (tenant, destination): (NameId, NameId),
    state: DeliveryState,
    count: u64,
    oldest: Option<domain::Timestamp>,
) -> Result<Backlog, Failure> {
    let lookup = view.lookup();
    let (tenant, destination) = (lookup.name(tenant)?.tenant()?, lookup.name(destination)?.destination()?);
    Ok(Backlog { tenant, destination, state, count, oldest })
}

/// When the first unclaimed one of a group was made.
fn oldest(
    view: &mut View<'_, '_>,
    (tenant, state, destination): (NameId, Stored, NameId),
) -> Result<Option<domain::Timestamp>, Failure> {
    let claims = &view.shared.claims;
    let mut oldest = None;
    view.sql.rows_while(Query::oldest_open, (tenant, state as i64, destination), |row| {
        if claims.has_seq(row.get(0)?) {
            return Ok(Some(()));
        }
        oldest = Some(time(row, 1)?);
        Ok(None)
    })?;
    Ok(oldest)
}

fn position(last: Uuid) -> Position {
    Position(last.simple().to_string())
}

fn parse(position: &Position) -> Result<Uuid, Failure> {
    Uuid::try_parse(&position.0).map_err(|_| not_a_position(position))
}
