//! Retry and cancel, and many cancelled at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::ordering::Lane;
use domain::{DeliveryId, DeliveryState, EventId, Tenant, Timestamp};
use store::StoreError;
use store::people::Wish;
use store::read::DeliveryFilter;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::births::unfold_those_with;
use crate::code::{state_code, state_of};
use crate::dispatch::settle::{Move, Open, lock, move_all};
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

/// All in one transaction; if one of them cannot be made again, each in its own.
pub(crate) async fn retry_all(
    inner: &Inner,
    tenant: &Tenant,
    ids: &[DeliveryId],
    now: Timestamp,
) -> Result<Vec<Wish>, Failure> {
    match retry(inner, tenant, ids, now).await {
        Err(Failure::Row(_)) if ids.len() > 1 => {}
        ended => return ended,
    }
    let mut wishes = Vec::with_capacity(ids.len());
    for id in ids {
        wishes.extend(retry(inner, tenant, std::slice::from_ref(id), now).await?);
    }
    Ok(wishes)
}

async fn retry(inner: &Inner, tenant: &Tenant, ids: &[DeliveryId], now: Timestamp) -> Result<Vec<Wish>, Failure> {
    let retry = |session: Arc<Session>| async move { retry_some(&session, inner, tenant, ids, now).await };
    inner.transaction(ids.len(), retry).await
}

/// Back among the open ones and into their lanes, which are made anew if they were forgotten meanwhile.
async fn retry_some(
    session: &Session,
    inner: &Inner,
    tenant: &Tenant,
    ids: &[DeliveryId],
    now: Timestamp,
) -> Result<Vec<Wish>, Failure> {
    let asked: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let mut ended = BTreeMap::new();
    for row in session.rows(Query::lock_ended, params![Text::from(tenant.as_str()), asked.clone()]).await? {
        let again = Again::read(&row, now)?;
        ended.insert(again.ended.id, again);
    }
    let events = kept_events(session, tenant, ended.values().filter(|again| again.is_allowed())).await?;
    let can_be_made = |again: &&Again| again.is_allowed() && events.contains(&again.ended.event);
    let (mut made, mut owed) = (BTreeMap::new(), Vec::new());
    for again in asked.iter().filter_map(|id| ended.get(id)).filter(can_be_made) {
        if made.insert(again.ended.id, again.ended.event).is_none() {
            owed.push(again.owed.clone());
        }
    }
    make_again(session, inner, tenant, &made, owed).await?;
    // Last, because lanes are locked before open deliveries.
    let elsewhere: Vec<Uuid> = asked.iter().filter(|id| !ended.contains_key(id)).copied().collect();
    let open = open_states(session, tenant, elsewhere).await?;
    let wish = |id: Uuid| match ended.get(&id) {
        None => open.get(&id).map_or(Wish::NotFound, |state| Wish::Refused(*state)),
        Some(again) if !again.is_allowed() => Wish::Refused(again.ended.state),
        Some(_) if made.remove(&id).is_some() => Wish::Done,
        // Asked for twice.
        Some(again) if events.contains(&again.ended.event) => Wish::Refused(DeliveryState::Pending),
        Some(_) => Wish::NotFound,
    };
    Ok(asked.into_iter().map(wish).collect())
}

/// `made` says of which event each of them is.
async fn make_again(
    session: &Session,
    inner: &Inner,
    tenant: &Tenant,
    made: &BTreeMap<Uuid, Uuid>,
    owed: Vec<Owed>,
) -> Result<(), Failure> {
    if made.is_empty() {
        return Ok(());
    }
    let (ids, events): (Vec<Uuid>, Vec<Uuid>) = made.iter().unzip();
    let row = || params![Text::from(tenant.as_str()), events.clone(), ids.clone()];
    session.later(Query::delete_ended, row());
    session.later(Query::delete_prepared, row());
    owe::make(session, inner, tenant, owed).await.map(drop)
}

/// An ended delivery, and what it is if it is made again.
struct Again {
    ended: Ended,
    owed: Owed,
}

impl Again {
    fn read(row: &Row, now: Timestamp) -> Result<Self, Failure> {
        let ended = read_ended(row)?;
        let owed = Owed {
            id: DeliveryId::from_uuid(ended.id),
            event: EventId::from_uuid(ended.event),
            route: name(row, 10)?,
            destination: name(row, 11)?,
            replay: replay(row, 2)?,
            lane: ended.lane.clone().map(|key| key.lane),
            version: version(row, 7)?,
            held: false,
            claim: None,
            backfill: false,
            now,
            with_event: false,
            before: Some(Before {
                created_at: time(row, 3)?,
                generation: cell(row, 4)?,
                tried: small(row, 5)?,
                place: cell(row, 6)?,
            }),
        };
        Ok(Self { ended, owed })
    }

    fn is_allowed(&self) -> bool {
        matches!(self.ended.state, DeliveryState::Dead | DeliveryState::Cancelled)
    }
}

/// The events of these that retention has not taken, and does not take before the commit.
async fn kept_events(
    session: &Session,
    tenant: &Tenant,
    some: impl Iterator<Item = &Again>,
) -> Result<BTreeSet<Uuid>, Failure> {
    let events: BTreeSet<Uuid> = some.map(|again| again.ended.event).collect();
    if events.is_empty() {
        return Ok(events);
    }
    let row = params![Text::from(tenant.as_str()), events.into_iter().collect::<Vec<_>>()];
    session.rows(Query::lock_event, row).await?.iter().map(|row| cell(row, 0)).collect()
}

async fn open_states(
    session: &Session,
    tenant: &Tenant,
    ids: Vec<Uuid>,
) -> Result<BTreeMap<Uuid, DeliveryState>, Failure> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    // First among births, from where they only go to the open ones.
    let born = session.rows(Query::born_among, params![Text::from(tenant.as_str()), ids.clone()]).await?;
    let mut states = BTreeMap::new();
    for row in &born {
        states.insert(cell(row, 0)?, DeliveryState::InFlight);
    }
    for row in session.rows(Query::lock_open, params![Text::from(tenant.as_str()), ids]).await? {
        states.insert(cell(&row, 0)?, state_of(cell(&row, 2)?)?);
    }
    Ok(states)
}

fn read_ended(row: &Row) -> Result<Ended, Failure> {
    let lane = match string_or_none(row, 12)? {
        Some(lane) => Some(LaneKey { destination: name(row, 11)?, lane: Lane::from_stored(lane) }),
        None => None,
    };
    Ok(Ended { id: cell(row, 0)?, event: cell(row, 1)?, state: state_of(cell(row, 9)?)?, lane })
}

/// Gives how each ended, in their order. Of a lane those behind are cancelled first and its head after them, so that it
/// lets none of them go.
pub(crate) async fn cancel_all(
    inner: &Inner,
    tenant: &Tenant,
    ids: &[DeliveryId],
    now: Timestamp,
) -> Result<Vec<Wish>, Failure> {
    let mut wishes = BTreeMap::new();
    loop {
        let left: Vec<Uuid> = ids.iter().map(|id| id.uuid()).filter(|id| !wishes.contains_key(id)).collect();
        if left.is_empty() {
            break;
        }
        let left = &left;
        let cancel = |session: Arc<Session>| async move { cancel_open(&session, tenant, left, now).await };
        let cancelled = inner.transaction(left.len(), cancel).await?;
        if cancelled.is_empty() {
            break;
        }
        wishes.extend(cancelled.into_iter().map(|id| (id, Wish::Done)));
    }
    let mut answers = Vec::with_capacity(ids.len());
    let mut seen = BTreeSet::new();
    for id in ids.iter().map(|id| id.uuid()) {
        let done = wishes.get(&id).filter(|_| seen.insert(id)).copied();
        answers.push(match done {
            Some(wish) => wish,
            // Few are asked for that have ended: each is looked at alone.
            None => {
                inner.transaction(1, |session| async move { cancel_ended(&session, tenant, id, now).await }).await?
            }
        });
    }
    Ok(answers)
}

/// Cancels those that are open, but not the head of a lane before the others of that lane. Gives which.
async fn cancel_open(session: &Session, tenant: &Tenant, ids: &[Uuid], now: Timestamp) -> Result<Vec<Uuid>, Failure> {
    unfold_those_with(session, tenant, ids).await?;
    let (mut lanes, open) = lock(session, tenant, ids, now).await?;
    let is_head = |one: &Open| one.lane.as_ref().is_some_and(|lane| lanes.is_head(lane, one.id));
    let behind: BTreeSet<LaneKey> =
        open.values().filter(|one| !is_head(one)).filter_map(|one| one.lane.clone()).collect();
    let waits = |one: &Open| is_head(one) && one.lane.as_ref().is_some_and(|lane| behind.contains(lane));
    let now_ended: Vec<Open> = open.into_values().filter(|one| !waits(one)).collect();
    let left: Vec<LaneKey> = now_ended.iter().filter(|one| is_head(one)).filter_map(|one| one.lane.clone()).collect();
    let ended: Vec<Uuid> = now_ended.iter().map(|one| one.id).collect();
    let moves = now_ended.into_iter().map(|open| {
        let (attempts, tried) = (open.attempts, open.tried);
        Move { open, state: DeliveryState::Cancelled, at: now, attempts, tried, cause: None }
    });
    // Whoever was sending one is fenced from here on.
    move_all(session, tenant, &moves.collect::<Vec<_>>());
    lanes.advance(session, &left, now).await?;
    lanes.write(session);
    Ok(ended)
}

/// A dead delivery that its lane stands still for lets the next one go.
async fn cancel_ended(session: &Session, tenant: &Tenant, id: Uuid, now: Timestamp) -> Result<Wish, Failure> {
    let row = session.row(Query::lock_ended, params![Text::from(tenant.as_str()), vec![id]]).await?;
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
