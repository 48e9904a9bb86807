//! Claiming: due deliveries of some destinations, oldest due first and the backfilled ones last, what others are taking
//! passed over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::ordering::{Lane, is_stale};
use domain::{DeliveryId, RouteName, Tenant, Timestamp};
use store::StoreError;
use store::dispatch::{Ask, Cause, Claim, ClaimAnswer, ClaimDue, Claimed, Prepared, ReplayOf, UNREADABLE};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::dispatch::floor::{Look, Queue};
use crate::dispatch::settle::bury;
use crate::doubt::Untold;
use crate::failure::Failure;
use crate::options::LeaseClock;
use crate::perform::{Inner, Moment, owner_code};
use crate::query::Query;
use crate::row::{EVENT_COLUMNS, bytes, cell, event, name, replay, small, text, time, version};
use crate::session::Session;
use crate::value::{Text, column, params, signed};

/// The shortest time after which one who is told to ask again does so.
const AGAIN_MIN: Duration = Duration::from_millis(1);

/// A delivery that could be claimed.
#[derive(Clone, Copy)]
struct Due {
    id: Uuid,
    payload_bytes: u64,
    at: Timestamp,
}

/// What there is for an ask.
#[derive(Default)]
struct Found {
    due: Vec<Due>,
    /// It was not looked for from the beginning: that will be done after this time.
    again: Option<Duration>,
}

pub(crate) async fn claim_due(inner: &Inner, untold: &mut Untold, ask: &ClaimDue) -> Result<Vec<ClaimAnswer>, Failure> {
    let began = Moment::now();
    let mut by_tenant: BTreeMap<&Tenant, Vec<usize>> = BTreeMap::new();
    for (index, one) in ask.asks.iter().enumerate() {
        by_tenant.entry(&one.tenant).or_default().push(index);
    }
    // Who gets no answer because of a failure, or because the others took so long, asks again at once, and is told of it then.
    let again = Some(ask.now);
    let unanswered = ClaimAnswer { more: true, more_backfill: true, next_due: again, ..ClaimAnswer::default() };
    let mut answers = vec![unanswered; ask.asks.len()];
    for (tenant, indexes) in by_tenant {
        if inner.is_late(began) {
            break;
        }
        let asks: Vec<&Ask> = indexes.iter().map(|index| &ask.asks[*index]).collect();
        let buried = match claim_of(inner, untold, (tenant, &asks), ask).await {
            Ok((given, unreadable)) => {
                for (index, answer) in indexes.into_iter().zip(given) {
                    answers[index] = answer;
                }
                bury_all(inner, untold, (tenant, &unreadable), ask.now).await
            }
            Err(failure) => Err(failure),
        };
        match buried {
            // What was claimed already is to be told: nobody else would ever look after it.
            Err(_) if answers.iter().any(|answer| !answer.claimed.is_empty()) => break,
            ended => ended?,
        }
    }
    Ok(answers)
}

async fn bury_all(
    inner: &Inner,
    untold: &mut Untold,
    (tenant, unreadable): (&Tenant, &[Unreadable]),
    now: Timestamp,
) -> Result<(), Failure> {
    if unreadable.is_empty() {
        return Ok(());
    }
    let buried = inner
        .transaction(unreadable.len(), |session| async move { bury(&session, tenant, unreadable, now).await })
        .await;
    if buried.is_err() {
        // They are claimed, and no answer tells of them.
        drop(untold.part(unreadable.iter().map(|(id, claim, _)| (id.uuid(), *claim))));
    }
    buried
}

/// One that is claimed, and why it can be read no more.
pub(crate) type Unreadable = (DeliveryId, Claim, Cause);

/// The asks of one tenant, in one transaction.
async fn claim_of(
    inner: &Inner,
    untold: &mut Untold,
    (tenant, asks): (&Tenant, &[&Ask]),
    ask: &ClaimDue,
) -> Result<(Vec<ClaimAnswer>, Vec<Unreadable>), Failure> {
    inner
        .claiming(asks.len(), untold, |session| async move {
            let mut answers: Vec<ClaimAnswer> = asks.iter().map(|_| ClaimAnswer::default()).collect();
            let live = due(&session, inner, (tenant, asks), ask.now, false).await?;
            let asks_backfill = asks.iter().any(|ask| ask.backfill > 0);
            let backfill = match asks_backfill {
                true => due(&session, inner, (tenant, asks), ask.now, true).await?,
                false => asks.iter().map(|_| Found::default()).collect(),
            };
            let mut taken = Vec::new();
            for (((live, backfill), one), answer) in live.iter().zip(&backfill).zip(asks).zip(&mut answers) {
                let mut given = Given { bytes_max: one.bytes_max, ..Given::default() };
                let some = given.of(&live.due, one.limit);
                answer.more = some < live.due.len();
                answer.next_due = answer.more.then_some(ask.now);
                let some_backfill = given.of(&backfill.due, one.backfill);
                answer.more_backfill = one.backfill > 0 && some_backfill < backfill.due.len();
                let given = live.due[..some].iter().chain(&backfill.due[..some_backfill]);
                taken.push(given.map(|due| due.id).collect::<Vec<_>>());
            }
            look_ahead(&session, tenant, asks, ask.now, &mut answers).await?;
            for ((live, backfill), answer) in live.iter().zip(&backfill).zip(&mut answers) {
                look_again([live, backfill], ask.now, answer);
            }
            let ids: Vec<Uuid> = taken.iter().flatten().copied().collect();
            let unreadable = if ids.is_empty() {
                Vec::new()
            } else {
                let charges: Vec<Option<i64>> = charges_of(asks, &taken);
                let claims = take(&session, inner, tenant, (&ids, charges), ask).await?;
                note_fenced(&taken, &claims, &mut answers);
                read_whole(&session, tenant, taken, &claims, &mut answers).await?
            };
            Ok((answers, unreadable))
        })
        .await
}

/// For each ask, one more than it has room for, locked: of the live ones, or of those backfilled.
async fn due(
    session: &Session,
    inner: &Inner,
    (tenant, asks): (&Tenant, &[&Ask]),
    now: Timestamp,
    backfill: bool,
) -> Result<Vec<Found>, Failure> {
    let (query, limit): (_, fn(&Ask) -> u32) = match backfill {
        false => (Query::due_deliveries, |ask| ask.limit),
        true => (Query::due_backfill, |ask| ask.backfill),
    };
    let queues: Vec<Queue> = column(asks, |ask| (tenant.clone(), ask.destination.clone(), backfill));
    let began = Moment::now();
    let begins: Vec<Option<Timestamp>> = column(&queues, |queue| inner.floors.begin(queue, began));
    let row = params![
        Text::from(tenant.as_str()),
        column(asks, |ask| Text::from(ask.destination.as_str())),
        column(asks, |ask| i64::from(limit(ask)) + 1),
        now.as_micros(),
        column(&begins, |from| from.map_or(i64::MIN, Timestamp::as_micros)),
    ];
    let rows = session.rows(query, row).await;
    let ended = Moment::now();
    let look = |from, found| Look { from, found, took: ended.since(began), ended };
    // Where time is what the caller says, what is due follows no clock that a floor could go by.
    let has_floors = inner.options.lease_clock != LeaseClock::Caller;
    if has_floors && rows.is_err() {
        queues.iter().zip(&begins).for_each(|(queue, from)| inner.floors.note_failed(queue, look(*from, now)));
    }
    let mut found = read_due(asks.len(), &rows?)?;
    if has_floors {
        for ((queue, from), own) in queues.iter().zip(begins).zip(&mut found) {
            let oldest = own.due.first().map_or(now, |due| due.at);
            own.again = inner.floors.note(queue, look(from, oldest));
        }
    }
    Ok(found)
}

fn read_due(asks: usize, rows: &[Row]) -> Result<Vec<Found>, Failure> {
    let mut found: Vec<Found> = (0..asks).map(|_| Found::default()).collect();
    for row in rows {
        let nth = usize::try_from(cell::<i64>(row, 0)?).unwrap_or_default();
        let payload_bytes = cell::<Option<i32>>(row, 2)?.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
        if let Some(own) = nth.checked_sub(1).and_then(|nth| found.get_mut(nth)) {
            own.due.push(Due { id: cell(row, 1)?, payload_bytes, at: time(row, 3)? });
        }
    }
    Ok(found)
}

/// Where there may be something before where the looks began, and not more after it, who asks asks again when the
/// beginning is looked at: nothing else would tell it.
fn look_again(looks: [&Found; 2], now: Timestamp, answer: &mut ClaimAnswer) {
    let soonest = looks.iter().filter_map(|look| look.again).min();
    if let Some(again) = soonest.filter(|_| !answer.more) {
        // What is due by the time of the question is what there is more of, and is not waited for.
        let at = now + again.max(AGAIN_MIN);
        answer.next_due = Some(answer.next_due.map_or(at, |known| known.min(at)));
    }
}

/// What an ask is given: at least one, until the payloads together pass the bound.
#[derive(Default)]
struct Given {
    count: usize,
    payloads: u64,
    bytes_max: u64,
}

impl Given {
    /// How many of these, up to a limit.
    fn of(&mut self, due: &[Due], limit: u32) -> usize {
        for (given, due) in due.iter().enumerate() {
            if given >= limit as usize || (self.count > 0 && self.payloads >= self.bytes_max) {
                return given;
            }
            self.count += 1;
            self.payloads = self.payloads.saturating_add(due.payload_bytes);
        }
        due.len()
    }
}

/// Where nothing more is due, when the next one is.
async fn look_ahead(
    session: &Session,
    tenant: &Tenant,
    asks: &[&Ask],
    now: Timestamp,
    answers: &mut [ClaimAnswer],
) -> Result<(), Failure> {
    let destinations = column(asks, |ask| Text::from(ask.destination.as_str()));
    let row = params![Text::from(tenant.as_str()), destinations, now.as_micros()];
    for row in session.rows(Query::next_due, row).await? {
        let nth = usize::try_from(cell::<i64>(&row, 0)?).unwrap_or_default();
        if let Some(answer) = nth.checked_sub(1).and_then(|nth| answers.get_mut(nth)).filter(|answer| !answer.more) {
            answer.next_due = Some(time(&row, 1)?);
        }
    }
    Ok(())
}

/// For each delivery, under which generation who asks is in charge of its destination, if it says so.
fn charges_of(asks: &[&Ask], taken: &[Vec<Uuid>]) -> Vec<Option<i64>> {
    let of = |(ask, ids): (&&Ask, &Vec<Uuid>)| std::iter::repeat_n(ask.charge.map(signed), ids.len());
    asks.iter().zip(taken).flat_map(of).collect()
}

/// Of what could be claimed nothing was: the destination has passed to another node.
fn note_fenced(taken: &[Vec<Uuid>], claims: &BTreeMap<Uuid, Claim>, answers: &mut [ClaimAnswer]) {
    for (ids, answer) in taken.iter().zip(answers) {
        answer.fenced = !ids.is_empty() && !ids.iter().any(|id| claims.contains_key(id));
    }
}

async fn take(
    session: &Session,
    inner: &Inner,
    tenant: &Tenant,
    (ids, charges): (&[Uuid], Vec<Option<i64>>),
    ask: &ClaimDue,
) -> Result<BTreeMap<Uuid, Claim>, Failure> {
    let first = inner.generations(ids.len());
    let generations: Vec<i64> = (first..).take(ids.len()).collect();
    let (base, clock) = inner.lease_time(ask.now);
    let span = i64::try_from(ask.lease.as_micros()).unwrap_or(i64::MAX);
    let named = Text::from(tenant.as_str());
    let row = params![named, ids.to_vec(), generations, owner_code(ask.owner), base, clock, span, charges];
    let mut claims = BTreeMap::new();
    for row in session.rows(Query::claim_deliveries, row).await? {
        let generation = cell::<i64>(&row, 1)?.cast_unsigned();
        claims.insert(cell(&row, 0)?, Claim { owner: ask.owner, generation });
    }
    session.claims(tenant, claims.iter().map(|(id, claim)| (*id, *claim)));
    Ok(claims)
}

/// Reads all that the tries need. Gives those that cannot be read, which keep none of the others.
async fn read_whole(
    session: &Session,
    tenant: &Tenant,
    taken: Vec<Vec<Uuid>>,
    claims: &BTreeMap<Uuid, Claim>,
    answers: &mut [ClaimAnswer],
) -> Result<Vec<Unreadable>, Failure> {
    let ids: Vec<Uuid> = claims.keys().copied().collect();
    let mut whole = BTreeMap::new();
    for row in session.rows(Query::claimed_whole, params![Text::from(tenant.as_str()), ids]).await? {
        whole.insert(cell::<Uuid>(&row, EVENT_COLUMNS)?, row);
    }
    let mut unreadable = Vec::new();
    for (ids, answer) in taken.into_iter().zip(answers) {
        for id in ids {
            let (Some(row), Some(claim)) = (whole.get(&id), claims.get(&id)) else { continue };
            match claimed(row, *claim) {
                Ok(claimed) => answer.claimed.push(claimed),
                Err(Failure::Row(error @ StoreError::Corrupt(_))) => {
                    let delivery = DeliveryId::from_uuid(id);
                    let route: RouteName = name(row, EVENT_COLUMNS + 1)?;
                    answer.unreadable.push((delivery, route));
                    unreadable.push((delivery, *claim, Cause { code: UNREADABLE.into(), detail: error.to_string() }));
                }
                Err(failure) => return Err(failure),
            }
        }
    }
    Ok(unreadable)
}

/// The claimed delivery in the columns of `claimed_whole`, those of its event first.
fn claimed(row: &Row, claim: Claim) -> Result<Claimed, Failure> {
    const AT: usize = EVENT_COLUMNS;
    let id = DeliveryId::from_uuid(cell(row, AT)?);
    if cell::<Option<i64>>(row, 0)?.is_none() {
        return Err(StoreError::Corrupt(format!("delivery {id} has lost its event")).into());
    }
    let new_ids: Option<bool> = cell(row, AT + 5)?;
    let prepared_stale: Option<bool> = cell(row, AT + 11)?;
    Ok(Claimed {
        id,
        claim,
        route: name(row, AT + 1)?,
        destination: name(row, AT + 2)?,
        event: Arc::new(event(row, 0)?),
        attempts: small(row, AT + 3)?,
        replay: replay(row, AT + 4)?.zip(new_ids).map(|(id, new_ids)| ReplayOf { id, new_ids }),
        lane: crate::row::string_or_none(row, AT + 6)?.map(Lane::from_stored),
        stale: is_stale(version(row, AT + 7)?, version(row, AT + 9)?),
        backfill: cell(row, AT + 14)?,
        prepared: prepared_stale
            .map(|stale| {
                let (content_type, body) = (text(row, AT + 12)?, bytes(row, AT + 13)?);
                Ok::<_, Failure>(Prepared { stale, content_type, body, enriched: None })
            })
            .transpose()?,
    })
}
