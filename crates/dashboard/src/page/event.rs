//! One event: what it is, what was proved, how it came, and the way that it took.

mod curl;
mod way;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domain::request::Head;
use domain::{Event, EventId, Timestamp};
use engine::access::Scope;
use engine::replay::ReplayRequest;
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use maud::{Markup, html};
use serde::Deserialize;
use store::people::ReplaySelection;
use store::read::EventDetail;

use super::request::headers;
use crate::desk::{Base, Desk};
use crate::extract::{Path, Query};
use crate::list::address;
use crate::part::form::{Weight, button};
use crate::part::json::laid_out;
use crate::part::tag::{self, bytes};
use crate::part::time::{Ago, rough};
use crate::part::{self, cut, facts, length_of, text_block};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::{crumbs, page};
use crate::written::told;

/// Payload shown on the page, laid out and as it came; all of it can be downloaded.
const SHOWN_BYTES_MAX: usize = 40 * 1024;
/// What the payload and the way that an event took may take of the page together, which has a head and headers too.
const BOTH_BYTES_MAX: usize = 72 * 1024;
/// Sightings shown, one for each path that it came by.
const SIGHTINGS_MAX: usize = 20;

#[derive(Deserialize)]
pub(crate) struct Place {
    done: Option<String>,
}

pub(crate) async fn show(
    State(desk): State<Desk>,
    visitor: Visitor,
    base: Base,
    Path(id): Path<EventId>,
    Query(place): Query<Place>,
) -> Answer {
    visitor.needs(Scope::Read)?;
    let found = desk.store().event(visitor.tenant().clone(), id).await?;
    let detail = found.ok_or_else(|| Trouble::not_found("event"))?;
    let (event, now) = (&detail.event, desk.now());
    let head = desk.engine.shown_head(event);
    let taken = way::taken(&desk, &visitor, &detail, now).await?;
    let left = BOTH_BYTES_MAX.saturating_sub(taken.0.len()).min(SHOWN_BYTES_MAX);
    let content = html! {
        (crumbs("/events", "Events"))
        div.head {
            h1 { span.mono { (event.event_type) } }
            @if visitor.may(Scope::Operate) {
                (button(&format!("/events/{id}/replay"), "Replay", &[], Weight::Plain))
            }
        }
        (part::done(place.done.as_deref(), None))
        (about(&detail, now))
        (taken)
        (payload(event, left))
        (came(event, &head, &base.ingest(visitor.tenant(), &event.source)))
    };
    Ok(page(&visitor, "/events", &event.event_type, &content))
}

fn about(detail: &EventDetail, now: Timestamp) -> Markup {
    let event = &detail.event;
    let subject = event.subject.as_ref().map(|subject| {
        html! { a.mono href=(address("/events", &[("subject", Some(subject.as_str()))])) { (subject) } }
    });
    let seen = (!detail.sightings.is_empty()).then(|| sightings(detail, now));
    html! {
        section.card { (facts(vec![
            ("Source", Some(html! { a href={ "/sources/" (event.source) } { (event.source) } span.dim { " / " (event.connection) } })),
            ("Sender's own type", event.native_type.as_ref().map(|native| html! { span.mono { (native) } })),
            ("Subject", subject),
            ("Action", event.action.map(|action| html! { (action.as_str()) })),
            ("Version", event.version.map(|version| html! { span.mono { (version.encode()) } })),
            ("Origin", Some(html! { (event.origin.as_str()) })),
            ("Assurance", Some(html! { (tag::assurance(event.assurance)) " " span.dim { (tag::proves(event.assurance)) } })),
            ("Occurred", event.occurred_at.map(|at| html! { (Ago { at, now }) " " span.dim { "told after " (rough(event.received_at.since(at))) } })),
            ("Received", Some(html! { (Ago { at: event.received_at, now }) })),
            ("Seen again", seen),
            ("Id", Some(html! { span.mono #id { (event.id) } " " button.quiet type="button" data-copy="id" hidden { "Copy" } })),
        ])) }
    }
}

fn sightings(detail: &EventDetail, now: Timestamp) -> Markup {
    html! {
        @for sighting in detail.sightings.iter().take(SIGHTINGS_MAX) {
            div { (sighting.count) " × by " (sighting.path) ", last " (Ago { at: sighting.last_at, now }) }
        }
    }
}

/// The payload in so many bytes of the page.
fn payload(event: &Event, most: usize) -> Markup {
    let whole = &event.payload;
    let raw = String::from_utf8_lossy(&whole[..whole.len().min(SHOWN_BYTES_MAX)]);
    let laid_out = laid_out(whole, most);
    let text = laid_out.as_deref().unwrap_or_else(|| cut(&raw, most));
    let is_whole = laid_out.is_some() || text.len() >= whole.len();
    let both = laid_out.is_some() && length_of(text) + length_of(&raw) <= most && raw.len() >= whole.len();
    html! {
        h2 { "Payload " span.dim { (bytes(whole.len() as u64)) " " (event.content_type) } }
        p { a.button href={ "/events/" (event.id) "/payload" } download { "Download the exact bytes" } }
        @if !is_whole { p.dim { "The first " (bytes(text.len() as u64)) "." } }
        (text_block("payload", "Payload", text))
        @if both { details { summary { "As it came" } (text_block("raw", "Payload as it came", &raw)) } }
    }
}

/// The request that brought it, where one did.
fn came(event: &Event, head: &Head, url: &str) -> Markup {
    let again = curl::command(event, head, url);
    html! {
        @if !head.method.is_empty() {
            h2 { "The request" }
            p.mono.small { (head.method) " " (head.url) span.dim { " from " (head.remote) } }
            details { summary { "Headers" }
                (headers(head.headers.iter().map(|(name, value)| (name.as_str(), value.clone()))))
            }
            @if let Some(again) = &again {
                details { summary { "As a curl command" }
                    p.dim.small { "What proved the sender is left out, so a source that verifies will reject it." }
                    (text_block("curl", "A curl command", again))
                }
            }
        }
    }
}

/// The exact bytes, as a file that no browser opens as a page.
pub(crate) async fn payload_file(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(id): Path<EventId>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Read)?;
    let found = desk.store().event(visitor.tenant().clone(), id).await?;
    let event = found.ok_or_else(|| Trouble::not_found("event"))?.event;
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.bin\"")),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
    ];
    Ok((headers, event.payload.clone()).into_response())
}

pub(crate) async fn replay(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(id): Path<EventId>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    let request = ReplayRequest {
        tenant: visitor.tenant().clone(),
        selection: ReplaySelection::Events(vec![id]),
        destination: None,
        rate: None,
        new_ids: false,
    };
    let replay = desk.engine.start_replay(request).await?;
    Ok(told(None, format!("replay/{}", replay.id), Redirect::to(&format!("/events/{id}?done=replayed"))))
}
