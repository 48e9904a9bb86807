//! Settling: what a try leaves behind, where its delivery goes on, and who in its lane is next.

use std::collections::{BTreeMap, BTreeSet};

use domain::delivery::waiting;
use domain::ordering::{Lane, OnDead};
use domain::{DeliveryId, DeliveryState, Tenant, Timestamp};
use store::StoreError;
use store::dispatch::{Attempt, Cause, Claim, PreparedDelivery, RESPONSE_BYTES_MAX, Settled, Settlement};
use tokio_postgres::Row;
use uuid::Uuid;

use super::claim::Unreadable;
use super::end;
use crate::births::{self, BirthKey, unfold};
use crate::code::{state_code, state_of};
use crate::failure::Failure;
use crate::lane::{LaneKey, Lanes};
use crate::perform::{Inner, owner_code};
use crate::query::Query;
use crate::row::{cell, small as small_cell, string_or_none};
use crate::session::Session;
use crate::value::{Blob, Text, column, params, signed, small};

/// An open delivery that this transaction has locked.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) id: Uuid,
    pub(crate) event: Uuid,
    pub(crate) state: DeliveryState,
    owner: Option<i64>,
    generation: i64,
    pub(crate) attempts: u32,
    pub(crate) tried: u32,
    pub(crate) lane: Option<LaneKey>,
}

/// How an open delivery goes on, decided.
pub(crate) struct Move {
    pub(crate) open: Open,
    pub(crate) state: DeliveryState,
    pub(crate) at: Timestamp,
    pub(crate) attempts: u32,
    pub(crate) tried: u32,
    pub(crate) cause: Option<Cause>,
}

/// The lanes of these deliveries, which never change: asked before they are locked, because lanes are locked first.
pub(crate) async fn lock(
    session: &Session,
    tenant: &Tenant,
    ids: &[Uuid],
    now: Timestamp,
) -> Result<(Lanes, BTreeMap<Uuid, Open>), Failure> {
    let peeked = session.rows(Query::peek_lanes, params![Text::from(tenant.as_str()), ids.to_vec()]).await?;
    let mut keys = BTreeSet::new();
    for row in &peeked {
        keys.extend(lane_key(row, 0)?);
    }
    let lanes = Lanes::lock(session, tenant, keys, now).await?;
    Ok((lanes, lock_open(session, tenant, ids.to_vec()).await?))
}

async fn lock_open(session: &Session, tenant: &Tenant, ids: Vec<Uuid>) -> Result<BTreeMap<Uuid, Open>, Failure> {
    let rows = session.rows(Query::lock_open, params![Text::from(tenant.as_str()), ids]).await?;
    let open: Result<Vec<Open>, Failure> = rows.iter().map(read_open).collect();
    Ok(open?.into_iter().map(|open| (open.id, open)).collect())
}

/// Those that are under these very claims, wherever they were kept.
async fn lock_claimed(
    session: &Session,
    tenant: &Tenant,
    claims: &[(Uuid, Claim)],
) -> Result<BTreeMap<Uuid, Open>, Failure> {
    unfold(session, tenant, &BirthKey::all(claims.iter().map(|(_, claim)| *claim))).await?;
    let claims: BTreeMap<Uuid, Vec<Claim>> = claims.iter().fold(BTreeMap::new(), |mut claims, (id, claim)| {
        claims.entry(*id).or_default().push(*claim);
        claims
    });
    let mut open = lock_open(session, tenant, claims.keys().copied().collect()).await?;
    open.retain(|id, open| claims.get(id).is_some_and(|claims| claims.iter().any(|claim| open.is_under(*claim))));
    Ok(open)
}

fn lane_key(row: &Row, at: usize) -> Result<Option<LaneKey>, Failure> {
    let Some(lane) = string_or_none(row, at + 1)? else { return Ok(None) };
    Ok(Some(LaneKey { destination: crate::row::name(row, at)?, lane: Lane::from_stored(lane) }))
}

fn read_open(row: &Row) -> Result<Open, Failure> {
    Ok(Open {
        id: cell(row, 0)?,
        event: cell(row, 1)?,
        state: state_of(cell(row, 2)?)?,
        owner: cell(row, 3)?,
        generation: cell(row, 4)?,
        attempts: small_cell(row, 5)?,
        tried: small_cell(row, 6)?,
        lane: lane_key(row, 7)?,
    })
}

impl Open {
    fn is_under(&self, claim: Claim) -> bool {
        self.state == DeliveryState::InFlight
            && self.owner == Some(owner_code(claim.owner))
            && self.generation == claim.generation.cast_signed()
    }
}

fn by_tenant<T>(batch: &[T], tenant: impl Fn(&T) -> &Tenant) -> BTreeMap<&Tenant, Vec<usize>> {
    let mut by_tenant: BTreeMap<&Tenant, Vec<usize>> = BTreeMap::new();
    for (index, one) in batch.iter().enumerate() {
        by_tenant.entry(tenant(one)).or_default().push(index);
    }
    by_tenant
}

pub(crate) async fn settle(
    session: &Session,
    inner: &Inner,
    batch: &[Settlement],
    now: Timestamp,
) -> Result<Vec<Settled>, Failure> {
    let mut answers = vec![Settled { fenced: true, lane_moved: false }; batch.len()];
    for (tenant, indexes) in by_tenant(batch, |one| &one.tenant) {
        // Before lanes are locked, which come first elsewhere: a deadlock is run again, and two looks at a lane in one
        // transaction would not see what the other left for the commit.
        let (plain, mut others) = end::split(batch, indexes);
        unfold_some(session, inner, tenant, batch, (&plain, &others)).await?;
        others.extend(end::plain(session, inner, tenant, batch, plain, &mut answers).await?);
        others.sort_unstable();
        settle_each(session, tenant, batch, others, now, &mut answers).await?;
    }
    Ok(answers)
}

/// Makes open deliveries of the births that are not simply ended. With those that are they are locked at once, because two who
/// lock some first and others later would wait for each other.
async fn unfold_some(
    session: &Session,
    inner: &Inner,
    tenant: &Tenant,
    batch: &[Settlement],
    (plain, others): (&[usize], &[usize]),
) -> Result<(), Failure> {
    let keys_of = |indexes: &[usize]| BirthKey::all(indexes.iter().map(|index| batch[*index].claim));
    let (mut all, unfolded) = (keys_of(plain), keys_of(others));
    if !unfolded.is_empty() && !all.is_empty() {
        all.extend(&unfolded);
        births::lock(session, tenant, &all).await?;
    }
    inner.births.forget(unfolded.iter().copied());
    unfold(session, tenant, &unfolded).await
}

/// Those of one tenant, each with its lane.
async fn settle_each(
    session: &Session,
    tenant: &Tenant,
    batch: &[Settlement],
    indexes: Vec<usize>,
    now: Timestamp,
    answers: &mut [Settled],
) -> Result<(), Failure> {
    if indexes.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = indexes.iter().map(|index| batch[*index].id.uuid()).collect();
    let (mut lanes, mut open) = lock(session, tenant, &ids, now).await?;
    let mut late = Vec::new();
    let (mut moves, mut attempts, mut left, mut leaving) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for index in indexes {
        let one = &batch[index];
        // Taken out, so that a second settlement of the same claim finds it gone.
        let held = open.get(&one.id.uuid()).is_some_and(|open| open.is_under(one.claim));
        let Some(known) = held.then(|| open.remove(&one.id.uuid())).flatten() else {
            late.push(one);
            continue;
        };
        answers[index].fenced = false;
        let tried = known.tried + u32::from(one.attempt.is_some());
        attempts.extend(one.attempt.as_ref().map(|attempt| (known.clone(), attempt.clone())));
        if let Some(lane) = &known.lane
            && lanes.settled(lane, known.id, (one.state, one.on_dead), one.sent_version, now)
        {
            left.push(lane.clone());
            leaving.push((index, lane.clone()));
        }
        let cause = one.cause.clone();
        moves.push(Move { open: known, state: one.state, at: one.due, attempts: one.attempts, tried, cause });
    }
    keep_late(session, tenant, &late, &mut attempts).await?;
    insert_attempts(session, tenant, &attempts);
    move_all(session, tenant, &moves);
    let moved = lanes.advance(session, &left, now).await?;
    for (index, lane) in leaving {
        answers[index].lane_moved = moved.contains(&lane);
    }
    lanes.write(session);
    Ok(())
}

/// The try of a delivery that was cancelled meanwhile changes nothing about it, but a person sees that it was made.
async fn keep_late(
    session: &Session,
    tenant: &Tenant,
    late: &[&Settlement],
    attempts: &mut Vec<(Open, Attempt)>,
) -> Result<(), Failure> {
    let tried: Vec<&&Settlement> = late.iter().filter(|one| one.attempt.is_some()).collect();
    if tried.is_empty() {
        return Ok(());
    }
    let ids = column(&tried, |one| one.id.uuid());
    let generations = column(&tried, |one| one.claim.generation.cast_signed());
    let row = params![Text::from(tenant.as_str()), ids, generations];
    for row in session.rows(Query::count_late_tries, row).await? {
        let (id, event): (Uuid, Uuid) = (cell(&row, 0)?, cell(&row, 1)?);
        let Some(attempt) = tried.iter().find(|one| one.id.uuid() == id).and_then(|one| one.attempt.clone()) else {
            continue;
        };
        // The count is that with this try: its number is the count before, and one.
        let (tried, state) = (small_cell(&row, 2)?.saturating_sub(1), DeliveryState::Cancelled);
        let ended = Open { id, event, state, owner: None, generation: 0, attempts: 0, tried, lane: None };
        attempts.push((ended, attempt));
    }
    Ok(())
}

/// Writes where deliveries go on: those that are owed no more leave the open ones.
pub(crate) fn move_all(session: &Session, tenant: &Tenant, moves: &[Move]) {
    let (open, ended): (Vec<&Move>, Vec<&Move>) = moves.iter().partition(|one| one.state.is_open());
    let text = |cause: &Option<Cause>, of: fn(&Cause) -> Text| cause.as_ref().map(of);
    let code = |one: &&Move| text(&one.cause, |cause| Text::from(&cause.code));
    let detail = |one: &&Move| text(&one.cause, |cause| Text::from(&cause.detail));
    let at = |one: &&Move| before_never(one.at);
    for (query, some) in [(Query::move_open, &open), (Query::end_open, &ended)] {
        if some.is_empty() {
            continue;
        }
        let row = params![
            Text::from(tenant.as_str()),
            column(some, |one| one.open.id),
            column(some, |one| state_code(one.state)),
            column(some, at),
            column(some, |one| small(one.attempts)),
            column(some, |one| small(one.tried)),
            column(some, code),
            column(some, detail),
        ];
        session.later(query, row);
    }
}

/// The end of time has a meaning of its own: a delivery that waits for something else.
pub(super) fn before_never(at: Timestamp) -> i64 {
    at.as_micros().min(Timestamp::NEVER.as_micros() - 1)
}

/// What is kept of an answer.
pub(super) fn response(attempt: &Attempt) -> bytes::Bytes {
    attempt.response.slice(..attempt.response.len().min(RESPONSE_BYTES_MAX))
}

/// Appends tries under the numbers that they are, whatever they say of themselves.
fn insert_attempts(session: &Session, tenant: &Tenant, attempts: &[(Open, Attempt)]) {
    if attempts.is_empty() {
        return;
    }
    let row = params![
        Text::from(tenant.as_str()),
        column(attempts, |(open, _)| open.event),
        column(attempts, |(open, _)| open.id),
        column(attempts, |(open, _)| small(open.tried + 1)),
        column(attempts, |(_, attempt)| attempt.id.uuid()),
        column(attempts, |(_, attempt)| attempt.started_at.as_micros()),
        column(attempts, |(_, attempt)| signed(attempt.duration_us)),
        column(attempts, |(_, attempt)| attempt.connect_us.map(signed)),
        column(attempts, |(_, attempt)| attempt.first_byte_us.map(signed)),
        column(attempts, |(_, attempt)| attempt.status.map(i32::from)),
        column(attempts, |(_, attempt)| Text::from(&attempt.outcome)),
        column(attempts, |(_, attempt)| attempt.error.as_ref().map(Text::from)),
        column(attempts, |(_, attempt)| attempt.peer.as_ref().map(Text::from)),
        column(attempts, |(_, attempt)| Blob(response(attempt))),
    ];
    session.later(Query::insert_attempts, row);
}

pub(crate) async fn keep_prepared(
    session: &Session,
    batch: &[PreparedDelivery],
) -> Result<Vec<Result<(), StoreError>>, Failure> {
    let mut answers = vec![Err(StoreError::Fenced); batch.len()];
    for (tenant, indexes) in by_tenant(batch, |one| &one.tenant) {
        let claims = column(&indexes, |index| (batch[*index].id.uuid(), batch[*index].claim));
        // First among births, from where they only go to the open ones.
        let born = births::share(session, tenant, &claims).await?;
        let others = claims.iter().filter(|(id, claim)| !born.contains_key(&(*id, claim.generation)));
        let open = lock_open(session, tenant, others.map(|(id, _)| *id).collect()).await?;
        let mut kept = BTreeMap::new();
        for index in indexes {
            let one = &batch[index];
            let (id, claim) = (one.id.uuid(), one.claim);
            let open = open.get(&id).filter(|open| open.is_under(claim)).map(|open| open.event);
            let Some(event) = open.or(born.get(&(id, claim.generation)).copied()) else { continue };
            answers[index] = Ok(());
            kept.insert(id, (event, &one.prepared));
        }
        let kept: Vec<_> = kept.into_iter().collect();
        let row = params![
            Text::from(tenant.as_str()),
            column(&kept, |(_, (event, _))| *event),
            column(&kept, |(id, _)| *id),
            column(&kept, |(_, (_, prepared))| prepared.stale),
            column(&kept, |(_, (_, prepared))| Text::from(&prepared.content_type)),
            column(&kept, |(_, (_, prepared))| Blob(prepared.body.clone())),
            column(&kept, |(_, (_, prepared))| prepared.enriched.clone().map(Blob)),
        ];
        session.later(Query::put_prepared, row);
    }
    Ok(answers)
}

/// Puts back what nobody settled in time. Its try may have been sent, so it counts; its lane it keeps.
pub(crate) async fn rescue_lapsed(inner: &Inner, now: Timestamp, limit: u32) -> Result<u32, Failure> {
    let (base, clock) = inner.lease_time(now);
    let unfolded = births::unfold_found(inner, Query::lapsed_births, || params![base, clock, i64::from(limit)]).await;
    let lapsed = inner
        .read(|session| async move {
            let mut lapsed: BTreeMap<Tenant, Vec<Uuid>> = BTreeMap::new();
            for row in session.rows(Query::lapsed, params![base, clock, i64::from(limit)]).await? {
                lapsed.entry(crate::row::name(&row, 0)?).or_default().push(cell(&row, 1)?);
            }
            Ok(lapsed)
        })
        .await?;
    let mut rescued = crate::doubt::rescue(inner, now).await?;
    for (tenant, ids) in &lapsed {
        let rescue = inner.transaction(ids.len(), |session| async move {
            let row = params![Text::from(tenant.as_str()), ids.clone(), base, clock];
            let open: Vec<Open> =
                session.rows(Query::lock_lapsed, row).await?.iter().map(read_open).collect::<Result<_, _>>()?;
            put_back(&session, tenant, &open, now);
            Ok(open.len())
        });
        rescued += rescue.await?;
    }
    unfolded?;
    Ok(u32::try_from(rescued).unwrap_or(u32::MAX))
}

/// Puts back those of these that are in flight under these very claims. Gives which.
pub(crate) async fn put_back_under(
    session: &Session,
    tenant: &Tenant,
    claims: &[(Uuid, Claim)],
    now: Timestamp,
) -> Result<BTreeSet<Uuid>, Failure> {
    let open: Vec<Open> = lock_claimed(session, tenant, claims).await?.into_values().collect();
    put_back(session, tenant, &open, now);
    Ok(open.iter().map(|open| open.id).collect())
}

fn put_back(session: &Session, tenant: &Tenant, lapsed: &[Open], now: Timestamp) {
    let unseen = |open: &Open| Attempt::unseen(DeliveryId::from_uuid(open.id), open.tried, now);
    let tries: Vec<(Open, Attempt)> = lapsed.iter().map(|open| (open.clone(), unseen(open))).collect();
    insert_attempts(session, tenant, &tries);
    let moves = lapsed.iter().map(|open| Move {
        open: open.clone(),
        state: waiting(open.attempts + 1),
        at: now,
        attempts: open.attempts + 1,
        tried: open.tried + 1,
        cause: None,
    });
    move_all(session, tenant, &moves.collect::<Vec<_>>());
}

/// Lets go of deliveries that cannot be read: a person sees why, and their lanes go on.
pub(crate) async fn bury(
    session: &Session,
    tenant: &Tenant,
    unreadable: &[Unreadable],
    now: Timestamp,
) -> Result<(), Failure> {
    let ids: Vec<Uuid> = unreadable.iter().map(|(id, ..)| DeliveryId::uuid(*id)).collect();
    let (mut lanes, mut open) = lock(session, tenant, &ids, now).await?;
    let (mut moves, mut left) = (Vec::new(), Vec::new());
    for (id, claim, cause) in unreadable {
        let Some(known) = open.remove(&id.uuid()).filter(|open| open.is_under(*claim)) else { continue };
        if let Some(lane) = &known.lane
            && lanes.settled(lane, known.id, (DeliveryState::Dead, OnDead::Continue), None, now)
        {
            left.push(lane.clone());
        }
        let (attempts, tried) = (known.attempts, known.tried);
        let cause = Some(cause.clone());
        moves.push(Move { open: known, state: DeliveryState::Dead, at: now, attempts, tried, cause });
    }
    move_all(session, tenant, &moves);
    lanes.advance(session, &left, now).await?;
    lanes.write(session);
    Ok(())
}
