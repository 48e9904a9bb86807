//! Replays: jobs that make new deliveries of stored events, step by step.

use std::collections::BTreeMap;

use domain::{EventId, ReplayId, Tenant, Timestamp};
use store::StoreError;
use store::people::{Replay, ReplayState, ReplayStep};
use store::read::{Listed, Page, Position};
use tokio_postgres::Row;
use uuid::Uuid;

use super::wishes::missing;
use crate::failure::Failure;
use crate::owe::{self, Owed};
use crate::perform::Inner;
use crate::query::Query;
use crate::read::requests::parse as parse_id;
use crate::row::{cell, count, name, string_or_none, time, time_or_none, version};
use crate::session::Session;
use crate::value::{Text, micros, params, signed};

pub(crate) async fn create(inner: &Inner, replay: &Replay) -> Result<(), Failure> {
    let selection = serde_json::to_string(&replay.selection)
        .map_err(|error| StoreError::Refused(format!("the selection of replay {}: {error}", replay.id)))?;
    inner
        .transaction(1, |session| {
            let row = params![
                Text::from(replay.tenant.as_str()),
                replay.id.uuid(),
                Text::from(&selection),
                replay.destination.as_ref().map(|name| Text::from(name.as_str())),
                replay.rate.map(i64::from),
                replay.new_ids,
                Text::from(replay.state.as_str()),
                signed(replay.planned),
                signed(replay.events_done),
                signed(replay.deliveries_made),
                replay.position.as_ref().map(Text::from),
                replay.created_at.as_micros(),
                micros(replay.finished_at),
            ];
            async move { session.execute(Query::insert_replay, row).await.map(drop) }
        })
        .await
}

/// Makes the step's deliveries and moves the replay's position; nothing of it if the replay is not running any more, or
/// not where the step begins.
pub(crate) async fn step(inner: &Inner, step: &ReplayStep, now: Timestamp) -> Result<Replay, Failure> {
    inner
        .transaction(step.deliveries.len() + 1, |session| async move { take_step(&session, inner, step, now).await })
        .await
}

async fn take_step(session: &Session, inner: &Inner, step: &ReplayStep, now: Timestamp) -> Result<Replay, Failure> {
    let replay = find(session, &step.tenant, step.id).await?.ok_or_else(|| missing(step.id))?;
    if replay.state != ReplayState::Running || replay.position != step.from {
        return Ok(replay);
    }
    let events: Vec<Uuid> = step.deliveries.iter().map(|one| one.event.uuid()).collect();
    let mut versions = BTreeMap::new();
    for row in session.rows(Query::event_versions, params![Text::from(step.tenant.as_str()), events]).await? {
        versions.insert(EventId::from_uuid(cell(&row, 0)?), version(&row, 1)?);
    }
    let mut owed = Vec::new();
    for one in &step.deliveries {
        // Retention may have removed it since the replay was planned.
        let Some(version) = versions.get(&one.event) else { continue };
        let new = Owed::of(&one.delivery, one.event, *version, now);
        owed.push(Owed { replay: Some(step.id), claim: None, ..new });
    }
    let made = owed.len() as u64;
    owe::make(session, inner, &step.tenant, owed).await?;
    let after = Replay {
        events_done: replay.events_done + step.events_done,
        deliveries_made: replay.deliveries_made + made,
        position: step.position.clone(),
        state: if step.finished { ReplayState::Done } else { ReplayState::Running },
        finished_at: step.finished.then_some(now),
        ..replay
    };
    let row = params![
        Text::from(step.tenant.as_str()),
        step.id.uuid(),
        signed(after.events_done),
        signed(after.deliveries_made),
        after.position.as_ref().map(Text::from),
        Text::from(after.state.as_str()),
        micros(after.finished_at),
    ];
    session.later(Query::step_replay, row);
    Ok(after)
}

pub(crate) async fn cancel(
    inner: &Inner,
    tenant: &Tenant,
    id: ReplayId,
    now: Timestamp,
) -> Result<Option<Replay>, Failure> {
    inner
        .transaction(1, |session| async move {
            let Some(replay) = find(&session, tenant, id).await? else { return Ok(None) };
            if replay.state != ReplayState::Running {
                return Ok(Some(replay));
            }
            let state = ReplayState::Cancelled;
            let key = (Text::from(tenant.as_str()), id.uuid());
            session.later(Query::end_replay, params![key.0, key.1, Text::from(state.as_str()), now.as_micros()]);
            Ok(Some(Replay { state, finished_at: Some(now), ..replay }))
        })
        .await
}

/// The replay, which nobody else moves until the commit.
async fn find(session: &Session, tenant: &Tenant, id: ReplayId) -> Result<Option<Replay>, Failure> {
    let row = session.row(Query::lock_replay, params![Text::from(tenant.as_str()), id.uuid()]).await?;
    row.as_ref().map(read).transpose()
}

/// Newest made first, by their ids.
pub(crate) async fn list(inner: &Inner, tenant: &Tenant, page: &Page) -> Result<Listed<Replay>, Failure> {
    let before = page.after.as_ref().map_or(Ok(Uuid::max()), parse_id)?;
    let row = || params![Text::from(tenant.as_str()), before, i64::from(page.limit) + 1];
    let mut found = Vec::new();
    for row in &inner.rows(Query::replays, row).await? {
        let replay = read(row)?;
        found.push((Position(replay.id.uuid().simple().to_string()), replay));
    }
    Ok(Listed::one_beyond(found, page.limit))
}

/// The replay in the columns of `replay`.
pub(crate) fn read(row: &Row) -> Result<Replay, Failure> {
    let damaged = |what: &str| StoreError::Corrupt(format!("a replay's {what} cannot be read"));
    let selection = string_or_none(row, 2)?.unwrap_or_default();
    Ok(Replay {
        id: ReplayId::from_uuid(cell(row, 0)?),
        tenant: name(row, 1)?,
        selection: serde_json::from_str(&selection).map_err(|_| damaged("selection"))?,
        destination: match cell::<Option<&str>>(row, 3)? {
            Some(_) => Some(name(row, 3)?),
            None => None,
        },
        rate: cell::<Option<i64>>(row, 4)?.and_then(|rate| u32::try_from(rate).ok()),
        new_ids: cell(row, 5)?,
        state: ReplayState::parse(cell(row, 6)?).ok_or_else(|| damaged("state"))?,
        planned: count(row, 7)?,
        events_done: count(row, 8)?,
        deliveries_made: count(row, 9)?,
        position: string_or_none(row, 10)?,
        created_at: time(row, 11)?,
        finished_at: time_or_none(row, 12)?,
    })
}
