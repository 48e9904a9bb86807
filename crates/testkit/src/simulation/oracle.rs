//! What must be true at the end, whatever happened: the promises, counted.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ordering::Ordering;
use domain::{DeliveryState, EventId};
use engine::spec::RouteSpec;
use store::read::DeliveryRow;

use super::Report;
use super::network::LATENCY_MAX;
use super::person::Asked;
use super::plan::OWN;
use super::world::{Received, Record, Sent, World};

/// Judges a world at rest.
pub(super) fn judge(world: &World) -> Result<Report, String> {
    let trace = world.trace_digest();
    let record = world.record();
    let mut report = Report { trace, verbs: world.verbs(), tries: record.received.len(), ..Report::default() };
    for sent in &record.sent {
        one_event(sent)?;
        report.acknowledged += 1;
        for route in world.plan.routes().iter().filter(|route| route.from.as_str() == sent.source) {
            owed(&record, sent, route, &mut report)?;
        }
    }
    report.duplicates = same_bytes(&record)?;
    report.wishes = record.wishes.iter().filter(|wish| wish.done_at.is_some()).count();
    nothing_after_its_cancellation(&record, world.plan.routes(), world.heard_within)?;
    for route in world.plan.routes() {
        in_order(&record, route)?;
    }
    Ok(report)
}

/// Promise 3: once in, once.
fn one_event(sent: &Sent) -> Result<EventId, String> {
    match sent.ids.as_slice() {
        [only] => Ok(*only),
        ids => Err(format!("message {} of {} is {} events: {ids:?}", sent.number, sent.source, ids.len())),
    }
}

/// Promise 2: nothing accepted is lost.
fn owed(record: &Record, sent: &Sent, route: &RouteSpec, report: &mut Report) -> Result<(), String> {
    let id = one_event(sent)?;
    let mut rows = record.deliveries.iter().filter(|row| row.event == id && row.route == route.name);
    let told = format!("message {} ({id}) along route {}", sent.number, route.name);
    let Some(row) = rows.next() else { return Err(format!("{told} has no delivery")) };
    if rows.next().is_some() {
        return Err(format!("{told} has two deliveries"));
    }
    let arrived = record.received.iter().filter(|received| received.event_id == id.to_string() && to(received, route));
    let (mut count, mut answered) = (0, false);
    for received in arrived {
        count += 1;
        answered |= received.answered;
    }
    let filtered = route.when.is_some() && sent.number.is_multiple_of(3);
    match row.state {
        DeliveryState::Delivered if !answered => Err(format!("{told} counts as delivered, but no 2xx was given")),
        DeliveryState::Delivered if filtered => Err(format!("{told} was delivered although `when` says no")),
        DeliveryState::Filtered if !filtered || count > 0 => {
            Err(format!("{told} was filtered wrongly ({count} arrived)"))
        }
        DeliveryState::Delivered => counted(&mut report.delivered),
        DeliveryState::Filtered => counted(&mut report.filtered),
        DeliveryState::Dead if row.cause.is_none() => Err(format!("{told} is dead without a cause")),
        DeliveryState::Dead => counted(&mut report.dead),
        DeliveryState::Held => counted(&mut report.held),
        DeliveryState::Cancelled if was_asked(record, row, Asked::Cancel) => counted(&mut report.cancelled),
        state => Err(format!("{told} ended as {}", state.as_str())),
    }
}

fn was_asked(record: &Record, row: &DeliveryRow, asked: Asked) -> bool {
    record.wishes.iter().any(|wish| wish.delivery == row.id && wish.asked == asked)
}

/// What a person cancelled, and nobody retried since, is not sent any more: only what was on its way may arrive.
fn nothing_after_its_cancellation(record: &Record, routes: &[RouteSpec], heard: Duration) -> Result<(), String> {
    for (number, wish) in record.wishes.iter().enumerate().filter(|(_, wish)| wish.asked == Asked::Cancel) {
        let Some(done_at) = wish.done_at else { continue };
        let again =
            record.wishes[number..].iter().any(|later| later.delivery == wish.delivery && later.asked == Asked::Retry);
        let Some(route) = routes.iter().find(|route| route.name == wish.route) else { continue };
        let event = wish.event.to_string();
        let late = |received: &&Received| {
            received.event_id == event && to(received, route) && received.time > done_at + LATENCY_MAX + heard
        };
        if !again && let Some(received) = record.received.iter().find(late) {
            return Err(format!("{} was cancelled at {done_at} and arrived at {}", wish.delivery, received.time));
        }
    }
    Ok(())
}

fn counted(count: &mut usize) -> Result<(), String> {
    *count += 1;
    Ok(())
}

fn to(received: &Received, route: &RouteSpec) -> bool {
    received.destination.starts_with(&format!("https://{}.", route.to))
}

/// Every try of a message sends the same bytes. Gives how many came more than once.
fn same_bytes(record: &Record) -> Result<usize, String> {
    let mut first: BTreeMap<(&str, &str), &Received> = BTreeMap::new();
    let mut again = 0;
    for received in &record.received {
        let key = (received.destination.as_str(), received.message_id.as_str());
        match first.get(&key) {
            None => drop(first.insert(key, received)),
            Some(known) if known.body != received.body => {
                return Err(format!(
                    "{} came with two bodies: {:?} and {:?}",
                    received.message_id, known.body, received.body
                ));
            }
            Some(_) => again += 1,
        }
    }
    Ok(again)
}

/// Promise 5: the events of a lane arrive one after another, in the order in which they were accepted: once a later
/// one has arrived, an earlier one arrives no more.
fn in_order(record: &Record, route: &RouteSpec) -> Result<(), String> {
    if route.ordering != Ordering::Subject || route.from.as_str() != OWN {
        return Ok(());
    }
    let mut lanes: BTreeMap<&str, Vec<&Sent>> = BTreeMap::new();
    for sent in record.sent.iter().filter(|sent| sent.source == OWN) {
        lanes.entry(&sent.subject).or_default().push(sent);
    }
    for (subject, mut lane) in lanes {
        lane.sort_by_key(|sent| sent.order);
        let mut last: Option<(usize, u64)> = None;
        for sent in lane {
            let event = one_event(sent)?;
            if record.wishes.iter().any(|wish| wish.event == event && wish.route == route.name) {
                // A person took it out of its order, and perhaps put it back at another place.
                continue;
            }
            let id = event.to_string();
            let arrivals = record.received.iter().filter(|received| received.event_id == id && to(received, route));
            let times: Vec<usize> = arrivals.map(|received| received.at).collect();
            let (Some(first), Some(end)) = (times.first(), times.last()) else { continue };
            if let Some((before, number)) = last
                && *first < before
            {
                return Err(format!(
                    "{subject} along {}: {} arrived before {number} had ended",
                    route.name, sent.number
                ));
            }
            last = Some((*end, sent.number));
        }
    }
    Ok(())
}
