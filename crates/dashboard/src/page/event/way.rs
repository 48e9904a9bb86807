//! The way that an event took: route by route, what `when` said of it, what was sent, and how each try ended.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{DeliveryId, DeliveryState, Event, Timestamp};
use engine::access::Scope;
use engine::topology::Route;
use maud::{Markup, html};
use store::dispatch::{Attempt, Prepared};
use store::read::{DeliveryDetail, EventDetail};

use crate::desk::Desk;
use crate::list::address;
use crate::page::ask;
use crate::part::form::{Weight, button};
use crate::part::json::laid_out;
use crate::part::tag::{self, Tone, bytes};
use crate::part::time::{Ago, took};
use crate::part::{cut, explain, text_block};
use crate::reply::Trouble;
use crate::session::Visitor;

/// Deliveries whose attempts are shown. More than that is a replay of many, listed elsewhere.
const DELIVERIES_MAX: usize = 10;
/// Tries of one delivery: the last ones, which say how it stands.
const ATTEMPTS_MAX: usize = 12;
/// Tries of all that are shown together.
const ALL_ATTEMPTS_MAX: usize = 40;
/// Of what a destination answered, and of what it was sent.
const ANSWER_BYTES_MAX: usize = 300;
const SENT_BYTES_MAX: usize = 6 * 1024;
/// Of what destinations were sent, together.
const ALL_SENT_BYTES_MAX: usize = 24 * 1024;
/// Of a route's `when`, which its own page has whole.
const WHEN_CHARS_MAX: usize = 200;
/// Routes that did not take it.
const OTHERS_MAX: usize = 20;

pub(super) async fn taken(
    desk: &Desk,
    visitor: &Visitor,
    detail: &EventDetail,
    now: Timestamp,
) -> Result<Markup, Trouble> {
    let mut deliveries = Vec::new();
    for row in detail.deliveries.iter().take(DELIVERIES_MAX) {
        deliveries.extend(desk.store().delivery(visitor.tenant().clone(), row.id).await?);
    }
    let reasons = reasons(desk, visitor, &deliveries).await?;
    let others = passed_by(desk, detail);
    Ok(html! {
        h2 { "The way it took" }
        @if deliveries.is_empty() && others.is_empty() {
            section.card.dim { "No route leaves its source: it is kept, and goes nowhere." }
        }
        @for (index, delivery) in deliveries.iter().enumerate() {
            (one(visitor, delivery, (reasons.get(&delivery.row.id), when_of(desk, visitor, delivery).as_ref()), (index, deliveries.len()), now))
        }
        @if detail.deliveries.len() > DELIVERIES_MAX {
            p.dim { (detail.deliveries.len() - DELIVERIES_MAX) " more deliveries of this event are not shown." }
        }
        @for (name, why) in others.iter().take(OTHERS_MAX) {
            section.card { div.row {
                a href={ "/routes/" (name) } { (name) } (tag::tag(Tone::Dim, "not taken")) span.dim { (why) }
                @if visitor.may(Scope::Operate) { (trying(name, &detail.event)) }
            } }
        }
    })
}

/// Why those are not delivered that are not.
async fn reasons(
    desk: &Desk,
    visitor: &Visitor,
    deliveries: &[DeliveryDetail],
) -> Result<HashMap<DeliveryId, Markup>, Trouble> {
    let is_well = |state| matches!(state, DeliveryState::Delivered | DeliveryState::Cancelled);
    let unwell: Vec<_> = deliveries.iter().filter(|delivery| !is_well(delivery.row.state)).cloned().collect();
    if unwell.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<_> = unwell.iter().map(|delivery| (delivery.row.id, delivery.row.state)).collect();
    let explained = desk.engine.explain_deliveries(visitor.tenant(), unwell).await?;
    let reasons = rows.into_iter().zip(explained).map(|((id, state), explained)| {
        let failed = !explained.diagnoses.is_empty() && state != DeliveryState::Filtered;
        let place = ask::place(desk, visitor, "deliveries", &id).filter(|_| failed);
        (id, explain::why(&explained.diagnoses, place.as_deref()))
    });
    Ok(reasons.collect())
}

/// The routes of its source that owe nothing for it, and why.
fn passed_by(desk: &Desk, detail: &EventDetail) -> Vec<(String, String)> {
    let event = &detail.event;
    let topology = desk.engine.topology();
    let source = topology.source(event.tenant.as_str(), event.source.as_str());
    let routes = source.map(|source| source.routes.clone()).unwrap_or_default();
    let owes = |route: &&Arc<Route>| !detail.deliveries.iter().any(|row| row.route == route.spec.name);
    let mut others: Vec<_> =
        routes.iter().filter(owes).map(|route| (route.spec.name.to_string(), why(route, event))).collect();
    others.sort();
    others
}

fn why(route: &Route, event: &Event) -> String {
    let spec = &route.spec;
    if !spec.connections.is_empty() && !spec.connections.contains(&event.connection) {
        return format!("It takes no events of connection '{}'.", event.connection);
    }
    match spec.assurance.filter(|required| event.assurance < *required) {
        Some(required) => format!("It asks for the assurance '{required}', and this has '{}'.", event.assurance),
        None => "It was made after the event came; a replay goes along it.".to_owned(),
    }
}

fn trying(route: &str, event: &Event) -> Markup {
    let event = event.id.to_string();
    html! { a.button href=(address("/try", &[("route", Some(route)), ("event", Some(event.as_str()))])) { "Try it" } }
}

/// What `when` said of what came past it. Those that it stopped, or that are not judged yet, say so by their state.
/// Nobody keeps what a route's `when` was when it was asked: what is shown beside it is the one of now.
fn when_of(desk: &Desk, visitor: &Visitor, delivery: &DeliveryDetail) -> Option<Markup> {
    let row = &delivery.row;
    let judged = delivery.attempts.iter().any(is_judged) && row.state != DeliveryState::Filtered;
    let topology = desk.engine.topology();
    let route = topology.route(visitor.tenant().as_str(), row.route.as_str()).filter(|_| judged)?;
    let when: String = route.spec.when.as_ref()?.chars().take(WHEN_CHARS_MAX).collect();
    Some(html! {
        p {
            (tag::tag(Tone::Good, "let through")) span.dim { " Its route's when of now, which may have been another then: " }
            code { (when) }
        }
    })
}

/// An event's own record is fetched before `when` is asked.
fn is_judged(attempt: &Attempt) -> bool {
    &*attempt.outcome != "record_unfetched"
}

fn one(
    visitor: &Visitor,
    delivery: &DeliveryDetail,
    (why, when): (Option<&Markup>, Option<&Markup>),
    (index, of): (usize, usize),
    now: Timestamp,
) -> Markup {
    let row = &delivery.row;
    html! {
        section.card {
            div.row {
                a href={ "/routes/" (row.route) } { strong { (row.route) } }
                span.dim { "to" }
                a href={ "/destinations/" (row.destination) } { strong { (row.destination) } }
                (tag::state(row.state))
                @if row.replay.is_some() { (tag::tag(Tone::Dim, "replay")) }
                @if row.behind { span.dim { "waits for another of its subject" } }
                @else if let Some(at) = row.due_at { span.dim { "next try " (Ago { at, now }) } }
            }
            @if let Some(when) = when { (when) }
            @if let Some(cause) = &row.cause {
                @if row.state == DeliveryState::Filtered { p.dim { (cause.detail) } }
                @else { p.note { strong { (cause.code.replace('_', " ")) } ": " (cause.detail) } }
            }
            @if let Some(why) = why { (why) }
            (tries(&delivery.attempts, (ALL_ATTEMPTS_MAX / of).min(ATTEMPTS_MAX), now))
            @if let Some(prepared) = &delivery.prepared {
                @let most = (ALL_SENT_BYTES_MAX / of).min(SENT_BYTES_MAX);
                @if let Some(records) = &prepared.enriched { (fetched(records, index, most / 2)) }
                (sent(prepared, index, most / if prepared.enriched.is_some() { 2 } else { 1 }))
            }
            (acts(visitor, delivery))
        }
    }
}

fn acts(visitor: &Visitor, delivery: &DeliveryDetail) -> Markup {
    let (id, state) = (delivery.row.id, delivery.row.state);
    let event = delivery.row.event.to_string();
    let same = [("route", Some(delivery.row.route.as_str())), ("event", Some(event.as_str()))];
    html! {
        @if visitor.may(Scope::Operate) {
            div.row {
                @if matches!(state, DeliveryState::Dead | DeliveryState::Cancelled) {
                    (button(&format!("/deliveries/{id}/retry"), "Try again", &[], Weight::Plain))
                } @else if state.is_open() {
                    (button(&format!("/deliveries/{id}/cancel"), "Cancel", &[], Weight::Grave))
                }
                a.button href=(address("/try", &same)) { "Open in the try-it panel" }
            }
        }
    }
}

/// Tries from the first to the last, each with what it took and what came back.
fn tries(attempts: &[Attempt], most: usize, now: Timestamp) -> Markup {
    let left_out = attempts.len().saturating_sub(most);
    html! {
        @if left_out > 0 { p.dim { (left_out) " earlier tries are not shown." } }
        @if !attempts.is_empty() {
            ol.timeline start=(left_out + 1) { @for attempt in &attempts[left_out..] { (one_try(attempt, now)) } }
        }
    }
}

fn one_try(attempt: &Attempt, now: Timestamp) -> Markup {
    let good = &*attempt.outcome == "delivered";
    let micros = std::time::Duration::from_micros;
    let answer = String::from_utf8_lossy(&attempt.response[..attempt.response.len().min(ANSWER_BYTES_MAX)]);
    let answer = cut(&answer, 2 * ANSWER_BYTES_MAX);
    html! {
        li.(if good { "good" } else { "bad" }) {
            div.row {
                span.dim { "try " (attempt.number) }
                (tag::tag(if good { Tone::Good } else { Tone::Bad }, &attempt.outcome.replace('_', " ")))
                @if let Some(status) = attempt.status { strong { (status) } }
                (Ago { at: attempt.started_at, now })
                span.dim { "took " (took(micros(attempt.duration_us)))
                    @if let Some(connect) = attempt.connect_us { ", connected in " (took(micros(connect))) }
                    @if let Some(first) = attempt.first_byte_us { ", first byte after " (took(micros(first))) }
                }
            }
            @if let Some(error) = &attempt.error { div { (error) } }
            @if !answer.trim().is_empty() { div.mono.small.answer { (answer) } }
        }
    }
}

fn fetched(records: &[u8], index: usize, most: usize) -> Markup {
    let summary = html! { "What was fetched for it: " (bytes(records.len() as u64)) };
    folded(&summary, (&format!("fetched-{index}"), "The records that were fetched"), records, most)
}

fn sent(prepared: &Prepared, index: usize, most: usize) -> Markup {
    let summary = html! { "What is sent: " (bytes(prepared.body.len() as u64)) " " (prepared.content_type) };
    folded(&summary, (&format!("sent-{index}"), "The body that is sent"), &prepared.body, most)
}

/// Bytes to be opened, laid out where they are JSON.
fn folded(summary: &Markup, (id, label): (&str, &str), body: &[u8], most: usize) -> Markup {
    let raw = String::from_utf8_lossy(&body[..body.len().min(most)]);
    let laid_out = laid_out(body, most);
    let shown = laid_out.as_deref().unwrap_or_else(|| cut(&raw, most));
    let is_whole = laid_out.is_some() || shown.len() >= body.len();
    html! {
        details { summary { (summary) }
            @if !is_whole { p.dim { "The first " (bytes(shown.len() as u64)) "." } }
            (text_block(id, label, shown))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_fetched_is_shown_as_text_and_cut() {
        let shown = fetched(br#"{"customer":{"name":"<b>Ada</b>"}}"#, 0, 1_000).into_string();
        assert!(shown.contains("&lt;b&gt;Ada&lt;/b&gt;") && !shown.contains("<b>"), "{shown}");
        assert!(!shown.contains("The first"), "{shown}");
        let long = format!(r#"{{"customer":"{}"}}"#, "x".repeat(5_000));
        let shown = fetched(long.as_bytes(), 0, 1_000).into_string();
        assert!(shown.contains("The first") && shown.len() < 2_000, "{shown}");
    }
}
