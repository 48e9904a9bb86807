//! One event: what it is, what was proved, what it holds, and the way that it took.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::{EventId, Timestamp};
use engine::access::Scope;
use engine::replay::ReplayRequest;
use maud::{Markup, html};
use store::dispatch::Attempt;
use store::people::ReplaySelection;
use store::read::{DeliveryDetail, EventDetail};

use crate::desk::Desk;
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::{self, Ago, page};

/// Payload shown on the page; all of it can be downloaded.
const SHOWN_BYTES_MAX: usize = 48 * 1024;
/// Deliveries whose attempts are shown. More than that is a replay of many, listed elsewhere.
const DELIVERIES_MAX: usize = 20;

pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor, Path(id): Path<EventId>) -> Answer {
    visitor.needs(Scope::Read)?;
    let tenant = visitor.0.tenant.clone();
    let detail = desk.store().event(tenant.clone(), id).await?.ok_or_else(|| Trouble::not_found("event"))?;
    let mut deliveries = Vec::new();
    for row in detail.deliveries.iter().take(DELIVERIES_MAX) {
        deliveries.extend(desk.store().delivery(tenant.clone(), row.id).await?);
    }
    let now = desk.now();
    let content = html! {
        h1 { span.mono { (detail.event.event_type) } }
        (facts(&detail, now))
        (way(&visitor, &detail, &deliveries, now))
        (payload(&detail))
    };
    Ok(page(&visitor, "/events", &detail.event.event_type, &content))
}

fn facts(detail: &EventDetail, now: Timestamp) -> Markup {
    let event = &detail.event;
    html! {
        section.card {
            dl.facts {
                dt { "Id" } dd.mono { (event.id) }
                dt { "Source" } dd { (event.source) " / " (event.connection) }
                @if let Some(native) = &event.native_type { dt { "Sender's own type" } dd.mono { (native) } }
                @if let Some(subject) = &event.subject { dt { "Subject" } dd.mono { a href=(crate::list::address("/events", &[("subject", Some(&subject.to_string()))])) { (subject) } } }
                @if let Some(action) = event.action { dt { "Action" } dd { (action.as_str()) } }
                dt { "Origin" } dd { (event.origin.as_str()) }
                dt { "Assurance" } dd { (view::assurance(event.assurance)) }
                @if let Some(at) = event.occurred_at { dt { "Occurred" } dd { (Ago { at, now }) } }
                dt { "Received" } dd { (Ago { at: event.received_at, now }) }
                @for sighting in &detail.sightings {
                    dt { "Seen again" }
                    dd { (sighting.count) " × by " (sighting.path) ", last " (Ago { at: sighting.last_at, now }) }
                }
            }
        }
    }
}

fn way(visitor: &Visitor, detail: &EventDetail, deliveries: &[DeliveryDetail], now: Timestamp) -> Markup {
    html! {
        h2 { "The way it took" }
        @if deliveries.is_empty() {
            section.card.dim { "No route takes it: nothing was owed for this event." }
        }
        @for delivery in deliveries { (one_delivery(visitor, delivery, now)) }
        @if detail.deliveries.len() > DELIVERIES_MAX {
            p.dim { (detail.deliveries.len() - DELIVERIES_MAX) " more deliveries of this event are not shown." }
        }
        @if visitor.may(Scope::Operate) {
            form method="post" action={ "/events/" (detail.event.id) "/replay" } {
                button type="submit" { "Deliver it again along the routes of now" }
            }
        }
    }
}

fn one_delivery(visitor: &Visitor, delivery: &DeliveryDetail, now: Timestamp) -> Markup {
    let row = &delivery.row;
    let (id, state) = (row.id, row.state);
    html! {
        section.card {
            div.row {
                strong { (row.route) } span.dim { "to" } strong { (row.destination) } (view::state(state))
                @if row.behind { span.dim { "waits for another of its subject" } }
                @else if let Some(at) = row.due_at { span.dim { "next try " (Ago { at, now }) } }
                @if row.replay.is_some() { span.tag.dim { "replay" } }
                @if visitor.may(Scope::Operate) {
                    @if matches!(state, domain::DeliveryState::Dead | domain::DeliveryState::Cancelled) {
                        form method="post" action={ "/deliveries/" (id) "/retry" } { button type="submit" { "Try again" } }
                    } @else if state.is_open() {
                        form method="post" action={ "/deliveries/" (id) "/cancel" } { button type="submit" { "Cancel" } }
                    }
                }
            }
            @if let Some(cause) = &row.cause { p.note { strong { (cause.code) } ": " (cause.detail) } }
            @if !delivery.attempts.is_empty() {
                table {
                    thead { tr { th scope="col" { "Try" } th scope="col" { "When" } th scope="col" { "Outcome" } th scope="col" { "Took" } th scope="col" { "Answer" } } }
                    tbody { @for attempt in &delivery.attempts { (one_attempt(attempt, now)) } }
                }
            }
        }
    }
}

fn one_attempt(attempt: &Attempt, now: Timestamp) -> Markup {
    html! {
        tr {
            td { (attempt.number) }
            td { (Ago { at: attempt.started_at, now }) }
            td {
                span.tag.(if &*attempt.outcome == "delivered" { "good" } else { "bad" }) { (attempt.outcome) }
                @if let Some(status) = attempt.status { " " (status) }
                @if let Some(error) = &attempt.error { div.dim { (error) } }
            }
            td { (format!("{:.1} ms", attempt.duration_us as f64 / 1_000.0)) }
            td.wide.mono { (String::from_utf8_lossy(&attempt.response[..attempt.response.len().min(300)])) }
        }
    }
}

fn payload(detail: &EventDetail) -> Markup {
    let bytes = &detail.event.payload;
    let pretty = serde_json::from_slice::<serde_json::Value>(bytes).ok().filter(|_| bytes.len() <= SHOWN_BYTES_MAX);
    let pretty = pretty.and_then(|value| serde_json::to_string_pretty(&value).ok());
    let cut = bytes.len() > SHOWN_BYTES_MAX;
    html! {
        h2 { "Payload " span.dim { (view::bytes(bytes.len() as u64)) " " (detail.event.content_type) } }
        @if cut { p.dim { "The first " (view::bytes(SHOWN_BYTES_MAX as u64)) "." } }
        p { button type="button" data-copy="payload" hidden { "Copy" } }
        pre id="payload" tabindex="0" {
            @if let Some(pretty) = pretty { (pretty) }
            @else { (String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES_MAX)])) }
        }
    }
}

pub(crate) async fn replay(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(id): Path<EventId>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    let request = ReplayRequest {
        tenant: visitor.0.tenant.clone(),
        selection: ReplaySelection::Events(vec![id]),
        destination: None,
        rate: None,
        new_ids: false,
    };
    desk.engine.start_replay(request).await?;
    Ok(Redirect::to(&format!("/events/{id}")).into_response())
}
