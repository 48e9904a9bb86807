//! Retry and cancel, and many cancelled at once.

use std::collections::BTreeSet;

use domain::ordering::Lane;
use domain::{DeliveryId, DeliveryState, EventId, Tenant, Timestamp};
use store::StoreError;
use store::people::Wish;
use store::read::DeliveryFilter;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::code::{state_code, state_of};
use crate::dispatch::settle::{Move, lock, move_all};
use crate::failure::Failure;
use crate::lane::{LaneKey, Lanes};
use crate::owe::{self, Before, Owed};
use crate::perform::Inner;
use crate::query::Query;
use crate::row::{cell, name, replay, small, string_or_none, time, version};
use crate::session::Session;
use crate::value::{Text, micros, params};

/// An ended delivery.
struct Ended {
    id: Uuid,
    event: Uuid,
    state: DeliveryState,
    lane: Option<LaneKey>,
}

pub(crate) async fn retry(inner: &Inner, tenant: &Tenant, id: DeliveryId, now: Timestamp) -> Result<Wish, Failure> {
    inner.transaction(1, |session| async move { retry_one(&session, inner, tenant, id, now).await }).await
}

/// Back among the open ones and into its lane, which is made anew if it was forgotten meanwhile.
async fn retry_one(
    session: &Session,
    inner: &Inner,
    tenant: &Tenant,
    id: DeliveryId,
    now: Timestamp,
) -> Result<Wish, Failure> {
    let key = || params![Text::from(tenant.as_str()), id.uuid()];
    let Some(row) = session.row(Query::lock_ended, key()).await? else {
        return Ok(match open_state(session, tenant, id.uuid()).await? {
            Some(state) => Wish::Refused(state),
            None => Wish::NotFound,
        });
    };
    let ended = read_ended(&row)?;
    if !matches!(ended.state, DeliveryState::Dead | DeliveryState::Cancelled) {
        return Ok(Wish::Refused(ended.state));
    }
    let owed = Owed {
        id,
        event: EventId::from_uuid(ended.event),
        route: name(&row, 10)?,
        destination: name(&row, 11)?,
        replay: replay(&row, 2)?,
        lane: ended.lane.map(|key| key.lane),
        version: version(&row, 7)?,
        held: false,
        claim: None,
        backfill: false,
        now,
        before: Some(Before {
            created_at: time(&row, 3)?,
            generation: cell(&row, 4)?,
            tried: small(&row, 5)?,
            place: cell(&row, 6)?,
        }),
    };
    let text = || Text::from(tenant.as_str());
    if session.row(Query::lock_event, params![text(), ended.event]).await?.is_none() {
        return Ok(Wish::NotFound);
    }
    session.later(Query::delete_ended, params![text(), ended.event, ended.id]);
    session.later(Query::delete_prepared, params![text(), ended.event, ended.id]);
    owe::make(session, inner, tenant, vec![owed]).await?;
    Ok(Wish::Done)
}

async fn open_state(session: &Session, tenant: &Tenant, id: Uuid) -> Result<Option<DeliveryState>, Failure> {
    let row = session.row(Query::lock_open, params![Text::from(tenant.as_str()), vec![id]]).await?;
    row.map(|row| Ok(state_of(cell(&row, 2)?)?)).transpose()
}

fn read_ended(row: &Row) -> Result<Ended, Failure> {
    let lane = match string_or_none(row, 12)? {
        Some(lane) => Some(LaneKey { destination: name(row, 11)?, lane: Lane::from_stored(lane) }),
        None => None,
    };
    Ok(Ended { id: cell(row, 0)?, event: cell(row, 1)?, state: state_of(cell(row, 9)?)?, lane })
}

/// One after another, each in a transaction of its own: what one of a lane does to the next is seen by it.
pub(crate) async fn cancel_all(
    inner: &Inner,
    tenant: &Tenant,
    ids: &[DeliveryId],
    now: Timestamp,
) -> Result<Vec<Wish>, Failure> {
    let mut wishes = Vec::with_capacity(ids.len());
    for id in ids {
        let id = id.uuid();
        let cancelled =
            inner.transaction(1, |session| async move { cancel_one(&session, tenant, id, now).await }).await?;
        wishes.push(cancelled);
    }
    Ok(wishes)
}

async fn cancel_one(session: &Session, tenant: &Tenant, id: Uuid, now: Timestamp) -> Result<Wish, Failure> {
    let (mut lanes, mut open) = lock(session, tenant, &[id], now).await?;
    let Some(known) = open.remove(&id) else { return cancel_ended(session, tenant, id, now).await };
    let left = known.lane.clone().filter(|lane| lanes.is_head(lane, id));
    let (attempts, tried) = (known.attempts, known.tried);
    let end = Move { open: known, state: DeliveryState::Cancelled, at: now, attempts, tried, cause: None };
    // Whoever was sending it is fenced from here on.
    move_all(session, tenant, &[end]);
    lanes.advance(session, left.as_slice(), now).await?;
    lanes.write(session);
    Ok(Wish::Done)
}

/// A dead delivery that its lane stands still for lets the next one go.
async fn cancel_ended(session: &Session, tenant: &Tenant, id: Uuid, now: Timestamp) -> Result<Wish, Failure> {
    let row = session.row(Query::lock_ended, params![Text::from(tenant.as_str()), id]).await?;
    let Some(ended) = row.as_ref().map(read_ended).transpose()? else { return Ok(Wish::NotFound) };
    let refused = Wish::Refused(ended.state);
    let Some(lane) = ended.lane.filter(|_| ended.state == DeliveryState::Dead) else { return Ok(refused) };
    let mut lanes = Lanes::lock(session, tenant, BTreeSet::from([lane.clone()]), now).await?;
    if !lanes.is_head(&lane, id) {
        return Ok(refused);
    }
    lanes.advance(session, &[lane], now).await?;
    lanes.write(session);
    Ok(Wish::Done)
}

/// Up to `limit` open deliveries that match, whatever they wait for.
pub(crate) async fn open_matching(
    inner: &Inner,
    tenant: &Tenant,
    filter: &DeliveryFilter,
    limit: u32,
) -> Result<Vec<DeliveryId>, Failure> {
    if filter.state.is_some_and(|state| !state.is_open()) {
        return Ok(Vec::new());
    }
    let text = |name: Option<&str>| name.map(Text::from);
    let row = || {
        params![
            Text::from(tenant.as_str()),
            filter.state.map(state_code),
            text(filter.destination.as_ref().map(|name| name.as_str())),
            text(filter.route.as_ref().map(|name| name.as_str())),
            text(filter.source.as_ref().map(|name| name.as_str())),
            filter.replay.map(domain::ReplayId::uuid),
            text(filter.cause.as_deref()),
            micros(filter.since),
            micros(filter.until),
            i64::from(limit),
        ]
    };
    let rows = inner.rows(Query::open_ids, row).await?;
    rows.iter().map(|row| Ok(DeliveryId::from_uuid(cell(row, 0)?))).collect()
}

/// A row that ought to be there.
pub(crate) fn missing(what: impl std::fmt::Display) -> Failure {
    StoreError::Refused(format!("there is no {what}")).into()
}
