//! Accepting: the event, what makes it known again, and what it owes, in one transaction.

use domain::event::Origin;
use domain::ordering::Lane;
use domain::{Event, EventId, Timestamp, Version};
use rusqlite::params;
use store::intake::{AcceptGroup, Accepted, NewDelivery, NewEvent};

use crate::claims::Held;
use crate::code::{Stored, action_code, assurance_code, origin_code, version_code};
use crate::failure::Failure;
use crate::intake::identify::{Arrival, identify};
use crate::intake::{Place, requests};
use crate::lane::{self, Newcomer, Standing};
use crate::names::NameId;
use crate::query::Query;
use crate::row::{micros, request_column};
use crate::tx::Tx;

/// The events of one request, all or none.
pub(crate) fn accept_group(tx: &mut Tx<'_, '_>, group: &AcceptGroup, now: Timestamp) -> Result<Vec<Accepted>, Failure> {
    let accepted = accept_events(tx, &group.events, now)?;
    if let Some(kept) = &group.request {
        // A sender's repetition of a whole request would only be kept again and again.
        let worth_keeping = group.events.is_empty() || accepted.iter().any(|event| !event.duplicate);
        requests::keep_accepted(tx, kept, worth_keeping)?;
    }
    Ok(accepted)
}

pub(crate) fn accept_events(
    tx: &mut Tx<'_, '_>,
    events: &[NewEvent],
    now: Timestamp,
) -> Result<Vec<Accepted>, Failure> {
    events.iter().map(|new| accept_event(tx, new, now)).collect()
}

fn accept_event(tx: &mut Tx<'_, '_>, new: &NewEvent, now: Timestamp) -> Result<Accepted, Failure> {
    let event = &*new.event;
    let place = Place {
        tenant: tx.name(event.tenant.as_str())?,
        source: tx.name(event.source.as_str())?,
        connection: tx.name(event.connection.as_str())?,
    };
    match identify(tx, place, new)? {
        Arrival::New => {}
        Arrival::Known(known) => {
            let at = event.received_at.as_micros();
            tx.execute(Query::sight, params![place.tenant, known.as_bytes(), &*new.path, at])?;
            return Ok(duplicate_of(known));
        }
        Arrival::Nothing(known) => return Ok(duplicate_of(known)),
    }
    let seq = tx.memory.next_event;
    tx.memory.next_event += 1;
    insert_event(tx, place, seq, event)?;
    let mut accepted = Accepted { id: event.id, duplicate: false, claims: Vec::new(), waiting: Vec::new() };
    let backfill = event.origin == Origin::Backfill;
    let owing = Owing { tenant: place.tenant, event: seq, version: event.version, replay: 0, backfill, now };
    for delivery in &new.deliveries {
        owe(tx, owing, delivery, &mut accepted)?;
    }
    Ok(accepted)
}

fn duplicate_of(known: EventId) -> Accepted {
    Accepted { id: known, duplicate: true, claims: Vec::new(), waiting: Vec::new() }
}

fn insert_event(tx: &mut Tx<'_, '_>, place: Place, seq: i64, event: &Event) -> Result<(), Failure> {
    let (version_kind, version) = version_code(event.version);
    let row = params![
        seq,
        event.id.as_bytes(),
        place.tenant,
        place.source,
        place.connection,
        origin_code(event.origin),
        assurance_code(event.assurance),
        event.action.map(action_code),
        version_kind,
        version,
        micros(event.occurred_at),
        event.received_at.as_micros(),
        request_column(event),
        &*event.event_type,
        event.native_type.as_deref(),
        event.subject.as_ref().map(domain::Subject::as_str),
        &*event.content_type,
        &*event.head,
        &*event.payload,
    ];
    tx.execute(Query::insert_event, row).map(drop)
}

/// On whose behalf a delivery is made.
#[derive(Clone, Copy)]
pub(crate) struct Owing {
    pub(crate) tenant: NameId,
    pub(crate) event: i64,
    pub(crate) version: Option<Version>,
    /// Number of the replay, or 0.
    pub(crate) replay: i64,
    /// It lets all others of its destination go first.
    pub(crate) backfill: bool,
    pub(crate) now: Timestamp,
}

/// Writes one delivery: claimed at birth where that was asked for and nothing is in its way.
pub(crate) fn owe(
    tx: &mut Tx<'_, '_>,
    owing: Owing,
    new: &NewDelivery,
    accepted: &mut Accepted,
) -> Result<(), Failure> {
    let destination = tx.name(new.destination.as_str())?;
    let route = tx.name(new.route.as_str())?;
    let seq = tx.memory.next_delivery;
    tx.memory.next_delivery += 1;
    let version = new.lane.as_ref().and_then(|lane| lane.version_of(owing.version));
    let standing = match &new.lane {
        Some(lane) => Some(stand(tx, owing, destination, lane, (seq, version))?),
        None => None,
    };
    let behind = standing.is_some_and(|standing| standing.behind);
    let hurries = standing.is_some_and(|standing| standing.hurries);
    let stale = standing.is_some_and(|standing| standing.stale);
    let backfill = owing.backfill && standing.is_none_or(|standing| standing.alone);
    let lease = new.claim.filter(|_| !new.held && !behind && !stale);
    let state = match lease {
        Some(_) => Stored::Fresh,
        None if new.held => Stored::Held,
        None => Stored::Pending,
    };
    let due = if behind { Timestamp::NEVER } else { owing.now };
    let (version_kind, version) = version_code(version);
    let lane = standing.map(|standing| standing.lane);
    let row = params![
        seq,
        new.id.as_bytes(),
        owing.tenant,
        owing.event,
        route,
        destination,
        owing.replay,
        state as i64,
        owing.now.as_micros(),
        due.as_micros(),
        lane,
        version_kind,
        version,
        backfill.then_some(true),
    ];
    tx.execute(Query::insert_delivery, row)?;
    if let Some(lease) = lease {
        let claim = tx.shared().claims.next(lease.owner);
        let until = owing.now + lease.span;
        let tenant = owing.tenant;
        tx.claim(new.id, Held { seq, tenant, destination, claim, until, state, attempts: 0, tried: 0, lane });
        accepted.claims.push((new.id, claim));
    } else if !new.held && (!behind || hurries) && !accepted.waiting.contains(&new.destination) {
        accepted.waiting.push(new.destination.clone());
    }
    Ok(())
}

fn stand(
    tx: &mut Tx<'_, '_>,
    owing: Owing,
    destination: NameId,
    lane: &Lane,
    (seq, version): (i64, Option<Version>),
) -> Result<Standing, Failure> {
    let newcomer = Newcomer { seq, version, backfill: owing.backfill };
    lane::enter(tx, (owing.tenant, destination), lane, newcomer, owing.now)
}
