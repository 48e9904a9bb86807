//! Replays: jobs that make new deliveries of stored events, step by step.

use domain::{ReplayId, Timestamp};
use rusqlite::{Row, params};
use store::StoreError;
use store::intake::Accepted;
use store::people::{Replay, ReplayState, ReplayStep};
use store::read::{Listed, Page, Position};
use uuid::Uuid;

use crate::failure::Failure;
use crate::intake::{Owing, owe};
use crate::names::NameId;
use crate::people::missing;
use crate::query::Query;
use crate::read::requests::parse as parse_id;
use crate::row::{Lookup, count, micros, signed, time, time_or_none, uuid};
use crate::tx::Tx;
use crate::view::View;

pub(crate) fn create(tx: &mut Tx<'_, '_>, replay: &Replay) -> Result<(), Failure> {
    let tenant = tx.name(replay.tenant.as_str())?;
    let selection = serde_json::to_string(&replay.selection)
        .map_err(|error| StoreError::Refused(format!("the selection of replay {}: {error}", replay.id)))?;
    let row = params![
        replay.id.as_bytes(),
        tenant,
        selection,
        replay.destination.as_ref().map(domain::DestinationName::as_str),
        replay.rate,
        replay.new_ids,
        replay.state.as_str(),
        signed(replay.planned),
        signed(replay.events_done),
        signed(replay.deliveries_made),
        replay.position,
        replay.created_at.as_micros(),
        micros(replay.finished_at),
    ];
    tx.execute(Query::insert_replay, row).map(drop)
}

/// Makes the step's deliveries and moves the replay's position; nothing of it if the replay is not running any more, or
/// not where the step begins.
pub(crate) fn step(tx: &mut Tx<'_, '_>, step: &ReplayStep, now: Timestamp) -> Result<Replay, Failure> {
    let (tenant, seq, replay) = find(tx, step.tenant.as_str(), step.id)?.ok_or_else(|| missing(step.id))?;
    if replay.state != ReplayState::Running || replay.position != step.from {
        return Ok(replay);
    }
    let mut made = 0i64;
    for one in &step.deliveries {
        let found = tx.row(Query::event_of_replay, params![tenant, one.event.as_bytes()], |row| {
            Ok((row.get::<_, i64>(0)?, crate::code::version_of(row.get(1)?, row.get(2)?)?))
        })?;
        // Retention may have removed it since the replay was planned.
        let Some((event, version)) = found else { continue };
        let mut delivery = one.delivery.clone();
        delivery.claim = None;
        let mut unheard = Accepted { id: one.event, duplicate: false, claims: Vec::new(), waiting: Vec::new() };
        owe(tx, Owing { tenant, event, version, replay: seq, backfill: false, now }, &delivery, &mut unheard)?;
        made += 1;
    }
    tx.execute(Query::step_replay, params![seq, signed(step.events_done), made, step.position])?;
    if step.finished {
        tx.execute(Query::end_replay, params![seq, ReplayState::Done.as_str(), now.as_micros()])?;
    }
    find(tx, step.tenant.as_str(), step.id)?.map(|(_, _, replay)| replay).ok_or_else(|| missing(step.id))
}

pub(crate) fn cancel(
    tx: &mut Tx<'_, '_>,
    tenant: &str,
    id: ReplayId,
    now: Timestamp,
) -> Result<Option<Replay>, Failure> {
    let Some((_, seq, replay)) = find(tx, tenant, id)? else { return Ok(None) };
    if replay.state == ReplayState::Running {
        tx.execute(Query::end_replay, params![seq, ReplayState::Cancelled.as_str(), now.as_micros()])?;
    }
    Ok(find(tx, tenant, id)?.map(|(_, _, replay)| replay))
}

fn find(tx: &mut Tx<'_, '_>, tenant: &str, id: ReplayId) -> Result<Option<(NameId, i64, Replay)>, Failure> {
    let Some(tenant) = tx.known_name(tenant)? else { return Ok(None) };
    let lookup = Lookup { names: &tx.memory.shared.names, connection: tx.sql.connection() };
    tx.sql.row(Query::replay, params![tenant, id.as_bytes()], |row| {
        Ok((tenant, row.get::<_, i64>(13)?, read(row, lookup)?))
    })
}

/// Newest made first, by their ids.
pub(crate) fn list(view: &mut View<'_, '_>, tenant: &str, page: &Page) -> Result<Listed<Replay>, Failure> {
    let lookup = view.lookup();
    let before = page.after.as_ref().map_or(Ok(Uuid::max()), parse_id)?;
    let Some(tenant) = lookup.id(tenant)? else { return Ok(Listed::one_beyond(Vec::new(), page.limit)) };
    let found = view.rows(Query::replays, (tenant, before.as_bytes(), i64::from(page.limit) + 1), |row| {
        let replay = read(row, lookup)?;
        Ok((Position(replay.id.uuid().simple().to_string()), replay))
    })?;
    Ok(Listed::one_beyond(found, page.limit))
}

/// The replay in the columns of `replay`.
pub(crate) fn read(row: &Row<'_>, lookup: Lookup<'_>) -> Result<Replay, Failure> {
    let damaged = |what: &str| StoreError::Corrupt(format!("a replay's {what} cannot be read"));
    let destination: Option<String> = row.get(3)?;
    let state: String = row.get(6)?;
    Ok(Replay {
        id: ReplayId::from_uuid(uuid(row, 0)?),
        tenant: lookup.name(row.get(1)?)?.tenant()?,
        selection: serde_json::from_str(&row.get::<_, String>(2)?).map_err(|_| damaged("selection"))?,
        destination: destination.map(|name| name.parse().map_err(|_| damaged("destination"))).transpose()?,
        rate: row.get(4)?,
        new_ids: row.get(5)?,
        state: ReplayState::parse(&state).ok_or_else(|| damaged("state"))?,
        planned: count(row, 7)?,
        events_done: count(row, 8)?,
        deliveries_made: count(row, 9)?,
        position: row.get(10)?,
        created_at: time(row, 11)?,
        finished_at: time_or_none(row, 12)?,
    })
}
