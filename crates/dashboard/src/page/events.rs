//! Events: filtered by the address, newest first, going on by itself while one looks.

use axum::extract::State;
use domain::{Origin, Timestamp};
use engine::access::Scope;
use maud::{Markup, html};
use serde::Deserialize;
use store::read::{EventFilter, EventRow, Position};

use crate::desk::Desk;
use crate::extract::Query;
use crate::list::{address, page_after, pager, said};
use crate::part;
use crate::part::form::{choice, field};
use crate::part::tag::{self, bytes};
use crate::part::time::Ago;
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::page;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct EventsQuery {
    #[serde(default)]
    source: String,
    #[serde(default)]
    connection: String,
    #[serde(default, rename = "type")]
    event_type: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    origin: String,
    /// Received at or after, and before.
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    q: String,
    after: Option<String>,
    /// Where a live list goes on.
    pub(crate) from: Option<String>,
}

impl EventsQuery {
    pub(crate) fn filter(&self) -> Result<EventFilter, Trouble> {
        fn read<T: std::str::FromStr<Err: std::fmt::Display>>(what: &str, text: &str) -> Result<Option<T>, Trouble> {
            let read = said(text).map(str::parse).transpose();
            read.map_err(|error| Trouble::wrong(format!("{what}: {error}")))
        }
        let origin = said(&self.origin).map(|text| Origin::parse(text).ok_or_else(|| no_origin(text))).transpose()?;
        Ok(EventFilter {
            source: read("source", &self.source)?,
            connection: read("connection", &self.connection)?,
            event_type: said(&self.event_type).map(str::to_owned),
            subject: said(&self.subject).map(str::to_owned),
            origin,
            since: read("since", &self.since)?,
            until: read("until", &self.until)?,
            q: said(&self.q).map(str::to_owned),
        })
    }

    fn parameters(&self) -> [(&'static str, Option<&str>); 8] {
        [
            ("source", Some(&self.source)),
            ("connection", Some(&self.connection)),
            ("type", Some(&self.event_type)),
            ("subject", Some(&self.subject)),
            ("origin", Some(&self.origin)),
            ("since", Some(&self.since)),
            ("until", Some(&self.until)),
            ("q", Some(&self.q)),
        ]
    }

    fn is_narrowed(&self) -> bool {
        self.parameters().iter().any(|(_, value)| value.is_some_and(|value| !value.is_empty()))
    }
}

fn no_origin(text: &str) -> Trouble {
    Trouble::wrong(format!("There is no origin '{text}': it is native, virtual, reconciled, backfill or published."))
}

pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor, Query(query): Query<EventsQuery>) -> Answer {
    visitor.needs(Scope::Read)?;
    let filter = query.filter()?;
    let tenant = visitor.tenant();
    // Before the list, so that nothing accepted in between is missing from both.
    let Position(tail) = desk.store().tail_position(tenant.clone()).await?;
    let list = desk.store().events(tenant.clone(), filter, page_after(query.after.as_deref())).await?;
    let live = address("/events/live", &[&query.parameters()[..], &[("from", Some(tail.as_str()))]].concat());
    // Only the newest page goes on by itself, and only where new events can belong to it.
    let live = (query.after.is_none() && query.until.is_empty()).then_some(live.as_str());
    let unfinished = list.searched_until.is_some();
    let content = html! {
        h1 { "Events" }
        (filters(&query))
        @if live.is_some() { p.dim.live { "New ones appear by themselves: " span data-live-status { "load the page again to see them" } "." } }
        (table(&list.rows, desk.now(), live, &none(&visitor, &query, unfinished)))
        (pager("/events", &query.parameters(), list.next.as_ref(), unfinished))
    };
    Ok(page(&visitor, "/events", "Events", &content))
}

fn none(visitor: &Visitor, query: &EventsQuery, unfinished: bool) -> Markup {
    match (unfinished, query.is_narrowed()) {
        (true, _) => part::empty("None of these so far", &html! { p { "There is more to look through." } }),
        (false, true) => part::empty("No events here", &html! { p { a href="/events" { "See all events" } } }),
        (false, false) => part::empty(
            "No events yet",
            &html! {
                p { "Send a signed sample: " code { "trireme send github --to URL" } @if visitor.may(Scope::Admin) { ", or make an endpoint on the page " a href="/sources" { "Sources" } } "." }
            },
        ),
    }
}

fn filters(query: &EventsQuery) -> Markup {
    let origins = std::iter::once((String::new(), "any".to_owned()));
    let origins: Vec<_> =
        origins.chain(Origin::ALL.map(|one| (one.as_str().to_owned(), one.as_str().to_owned()))).collect();
    html! {
        form.filters method="get" action="/events" role="search" {
            (field("Contains", "q", &query.q, "text of payload, type or subject"))
            (field("Source", "source", &query.source, "github"))
            (field("Type", "type", &query.event_type, "push or order.*"))
            (field("Subject", "subject", &query.subject, "orders/17"))
            details.more open[!query.connection.is_empty() || !query.origin.is_empty() || !query.since.is_empty() || !query.until.is_empty()] {
                summary { "More" }
                div.row {
                    (field("Connection", "connection", &query.connection, "default"))
                    (choice("Origin", "origin", &origins, &query.origin))
                    (field("Since", "since", &query.since, "2026-01-31T09:00:00Z"))
                    (field("Until", "until", &query.until, "2026-01-31T10:00:00Z"))
                }
            }
            button.main type="submit" { "Filter" }
            @if query.is_narrowed() { a.button href="/events" { "Clear" } }
        }
    }
}

/// Events, newest first; `live` is where new ones come from, `none` what stands there while there are none.
pub(crate) fn table(rows: &[EventRow], now: Timestamp, live: Option<&str>, none: &Markup) -> Markup {
    html! {
        div.sheet hidden[rows.is_empty()] {
            table data-live=[live] {
                caption.out { "Events" }
                thead { tr {
                    @for heading in HEADINGS { th scope="col" { (heading) } }
                } }
                tbody { @for row in rows { (event_row(row, now)) } }
            }
        }
        @if live.is_some() { (blank_row()) }
        @if rows.is_empty() { div data-empty { (none) } }
    }
}

const HEADINGS: [&str; 7] = ["Received", "Type", "Source", "Subject", "Origin", "Assurance", "Size"];

fn event_row(row: &EventRow, now: Timestamp) -> Markup {
    let event = &row.event;
    html! {
        tr {
            td data-label="Received" { a href={ "/events/" (event.id) } { (Ago { at: event.received_at, now }) } }
            td.mono data-label="Type" { (event.event_type) }
            td data-label="Source" { (event.source) @if event.connection.as_str() != "default" { span.dim { " / " (event.connection) } } }
            td.mono data-label="Subject" { @if let Some(subject) = &event.subject { (subject) } }
            td data-label="Origin" { (event.origin.as_str()) }
            td data-label="Assurance" { (tag::assurance(event.assurance)) }
            td.dim data-label="Size" { (bytes(row.payload_bytes)) }
        }
    }
}

/// What the script makes the rows of new events of.
fn blank_row() -> Markup {
    html! {
        template data-row="event" {
            tr.fresh {
                td data-label="Received" { a href="#" { time datetime="" { } } }
                td.mono data-label="Type" data-text="type" {}
                td data-label="Source" data-text="source" {}
                td.mono data-label="Subject" data-text="subject" {}
                td data-label="Origin" data-text="origin" {}
                td data-label="Assurance" { span.tag data-text="assurance" data-tone="assurance_tone" {} }
                td.dim data-label="Size" data-text="size" {}
            }
        }
    }
}
