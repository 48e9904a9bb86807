//! Accepting: the event, what makes it known again, and what it owes, in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use domain::event::Origin;
use domain::{DeliveryId, Event, Tenant, Timestamp};
use store::StoreError;
use store::intake::{AcceptGroup, Accepted, NewEvent};

use crate::code::{action_code, assurance_code, origin_code, version_code};
use crate::doubt::Untold;
use crate::failure::Failure;
use crate::intake::identify::{Arrival, Keys, identify};
use crate::intake::requests;
use crate::owe::{self, Made, Owed};
use crate::perform::{Inner, Moment};
use crate::query::Query;
use crate::session::Session;
use crate::value::{Blob, Text, column, micros, params};

/// The events of one request, and when they are accepted.
pub(crate) struct Arriving {
    pub(crate) group: AcceptGroup,
    pub(crate) now: Timestamp,
}

/// Accepts some of the groups in one transaction: all of them or none.
pub(crate) async fn accept(
    inner: &Inner,
    untold: &mut Untold,
    all: &Arc<Vec<Arriving>>,
    some: Range<usize>,
) -> Result<Vec<Vec<Accepted>>, Failure> {
    let began = Moment::now();
    let events = || all[some.clone()].iter().flat_map(|arriving| &arriving.group.events);
    inner.know_tenants(events().map(|new| &new.event.tenant)).await?;
    if events().all(waits_for_nobody) && inner.is_taken_for_new(events().count()) {
        match accept_by(inner, untold, all, some.clone(), Keys::Unasked).await {
            // The server says so, and so nothing was kept: one of them is known, or refused whoever asks.
            Err(Failure::Row(StoreError::Refused(_))) => inner.novelty.was_disappointed(),
            done => return done,
        }
        if inner.is_late(began) {
            let late = "some of a group are known, which took so long to find that it was not taken in again";
            return Err(StoreError::Unreachable(late.to_owned()).into());
        }
    }
    accept_by(inner, untold, all, some, Keys::Asked).await
}

/// Whether nothing but its keys is locked for it: keys that are written with the commit come after every other lock, and
/// those that are asked for before.
fn waits_for_nobody(new: &NewEvent) -> bool {
    new.state.is_none() && new.deliveries.iter().all(|delivery| delivery.lane.is_none())
}

async fn accept_by(
    inner: &Inner,
    untold: &mut Untold,
    all: &Arc<Vec<Arriving>>,
    some: Range<usize>,
    keys: Keys,
) -> Result<Vec<Vec<Accepted>>, Failure> {
    let rows = all[some.clone()].iter().map(|arriving| arriving.group.events.len().max(1)).sum();
    inner
        .claiming(rows, untold, |session| {
            let (all, some) = (Arc::clone(all), some.clone());
            async move { accept_groups(&session, inner, &all[some], keys).await }
        })
        .await
}

async fn accept_groups(
    session: &Session,
    inner: &Inner,
    groups: &[Arriving],
    keys: Keys,
) -> Result<Vec<Vec<Accepted>>, Failure> {
    let mut events = Vec::new();
    for arriving in groups {
        events.extend(arriving.group.events.iter().map(|new| (new, arriving.now)));
    }
    let mut accepted = accept_events(session, inner, &events, keys).await?.into_iter();
    let answers: Vec<Vec<Accepted>> =
        groups.iter().map(|arriving| accepted.by_ref().take(arriving.group.events.len()).collect()).collect();
    for (arriving, answer) in groups.iter().zip(&answers) {
        let Some(kept) = &arriving.group.request else { continue };
        // A sender's repetition of a whole request would only be kept again and again.
        let worth_keeping = answer.is_empty() || answer.iter().any(|event| !event.duplicate);
        requests::keep_accepted(session, kept, worth_keeping).await?;
    }
    Ok(answers)
}

/// Accepts events of any tenants, and answers in their order. Keys and subjects of all are locked before the lanes of any,
/// and numbers are given last: of two transactions with the same tenants none has what the other waits for.
pub(crate) async fn accept_events(
    session: &Session,
    inner: &Inner,
    events: &[(&NewEvent, Timestamp)],
    keys: Keys,
) -> Result<Vec<Accepted>, Failure> {
    let mut by_tenant: BTreeMap<&Tenant, Vec<usize>> = BTreeMap::new();
    for (index, (new, _)) in events.iter().enumerate() {
        by_tenant.entry(&new.event.tenant).or_default().push(index);
    }
    let mut identified = Vec::with_capacity(by_tenant.len());
    for (tenant, indexes) in by_tenant {
        let own: Vec<&NewEvent> = indexes.iter().map(|index| events[*index].0).collect();
        identified.push((tenant, indexes, identify(session, tenant, &own, keys).await?));
    }
    let mut answers: Vec<Option<Accepted>> = events.iter().map(|_| None).collect();
    for (tenant, indexes, arrivals) in identified {
        let own: Vec<_> = indexes.iter().map(|index| events[*index]).collect();
        for (index, accepted) in indexes.into_iter().zip(accept_of(session, inner, tenant, &own, &arrivals).await?) {
            answers[index] = Some(accepted);
        }
    }
    let lost = || StoreError::Corrupt("an event was left without an answer".to_owned()).into();
    answers.into_iter().map(|answer| answer.ok_or_else(lost)).collect()
}

/// Those of one tenant, as they were identified.
async fn accept_of(
    session: &Session,
    inner: &Inner,
    tenant: &Tenant,
    events: &[(&NewEvent, Timestamp)],
    arrivals: &[Arrival],
) -> Result<Vec<Accepted>, Failure> {
    let own: Vec<&NewEvent> = events.iter().map(|(new, _)| *new).collect();
    let mut owed = Vec::new();
    for ((new, now), arrival) in events.iter().zip(arrivals) {
        if *arrival == Arrival::New {
            let event = &new.event;
            let backfill = event.origin == Origin::Backfill;
            // What the schema refuses among open deliveries it has to see there.
            let with_event =
                new.deliveries.iter().map(|one| &one.route).collect::<BTreeSet<_>>().len() == new.deliveries.len();
            let owe = |one| Owed { backfill, with_event, ..Owed::of(one, event.id, event.version, *now) };
            owed.extend(new.deliveries.iter().map(owe));
        }
    }
    let ids: Vec<DeliveryId> = owed.iter().map(|one| one.id).collect();
    let destinations: Vec<_> = owed.iter().map(|one| one.destination.clone()).collect();
    let made = owe::make(session, inner, tenant, owed).await?;
    insert_events(session, tenant, &own, arrivals);
    let mut made = ids.into_iter().zip(destinations).zip(made);
    let answer = |(new, arrival): (&&NewEvent, &Arrival)| {
        let mut accepted = Accepted { id: new.event.id, duplicate: false, claims: Vec::new(), waiting: Vec::new() };
        match arrival {
            Arrival::Known(known) | Arrival::Nothing(known) => {
                return Accepted { id: *known, duplicate: true, ..accepted };
            }
            Arrival::New => {}
        }
        for ((id, destination), made) in made.by_ref().take(new.deliveries.len()) {
            match made {
                Made::Claimed(claim) => accepted.claims.push((id, claim)),
                Made::Waiting if !accepted.waiting.contains(&destination) => accepted.waiting.push(destination),
                Made::Waiting | Made::Quiet => {}
            }
        }
        accepted
    };
    let accepted = own.iter().zip(arrivals).map(answer).collect();
    write_sightings(session, tenant, &own, arrivals);
    Ok(accepted)
}

fn insert_events(session: &Session, tenant: &Tenant, own: &[&NewEvent], arrivals: &[Arrival]) {
    let new = own.iter().zip(arrivals).filter(|(_, arrival)| **arrival == Arrival::New);
    let events: Vec<Arc<Event>> = new.map(|(new, _)| Arc::clone(&new.event)).collect();
    if events.is_empty() {
        return;
    }
    let row = params![
        Text::from(tenant.as_str()),
        column(&events, |event| event.id.uuid()),
        column(&events, |event| Text::from(&event.source)),
        column(&events, |event| Text::from(&event.connection)),
        column(&events, |event| origin_code(event.origin)),
        column(&events, |event| assurance_code(event.assurance)),
        column(&events, |event| event.action.map(action_code)),
        column(&events, |event| version_code(event.version).0),
        column(&events, |event| version_code(event.version).1),
        column(&events, |event| micros(event.occurred_at)),
        column(&events, |event| event.received_at.as_micros()),
        column(&events, |event| event.request.map(domain::RequestId::uuid)),
        column(&events, |event| Text::from(&event.event_type)),
        column(&events, |event| event.native_type.as_ref().map(Text::from)),
        column(&events, |event| event.subject.as_ref().map(|subject| Text::from(subject.as_str()))),
        column(&events, |event| Text::from(&event.content_type)),
        column(&events, |event| Blob(event.head.clone())),
        column(&events, |event| Blob(event.payload.clone())),
    ];
    // Both go with the commit, after all that other nodes need not wait for: a node that is stopped in between holds
    // nobody up.
    session.later(Query::lock_tenant, params![Text::from(tenant.as_str())]);
    session.later(Query::insert_events, row);
}

/// Adds up the later arrivals of each event by each path.
fn write_sightings(session: &Session, tenant: &Tenant, own: &[&NewEvent], arrivals: &[Arrival]) {
    let mut sightings = BTreeMap::new();
    for (new, arrival) in own.iter().zip(arrivals) {
        let Arrival::Known(known) = arrival else { continue };
        let at = new.event.received_at.as_micros();
        let sighting = sightings.entry((known.uuid(), &*new.path)).or_insert((at, at, 0i64));
        *sighting = (sighting.0.min(at), sighting.1.max(at), sighting.2 + 1);
    }
    if sightings.is_empty() {
        return;
    }
    let sightings: Vec<_> = sightings.into_iter().collect();
    let row = params![
        Text::from(tenant.as_str()),
        column(&sightings, |((event, _), _)| *event),
        column(&sightings, |((_, path), _)| Text::from(*path)),
        column(&sightings, |(_, (first, _, _))| *first),
        column(&sightings, |(_, (_, last, _))| *last),
        column(&sightings, |(_, (_, _, count))| *count),
    ];
    session.later(Query::sight, row);
}
