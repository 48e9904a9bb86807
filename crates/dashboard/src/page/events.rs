//! Events: filtered by the address, newest first, going on by itself while one looks.

use axum::extract::{Query, State};
use domain::{Assurance, Timestamp};
use engine::access::Scope;
use maud::{Markup, html};
use serde::Deserialize;
use store::read::{EventFilter, EventRow, Listed, Page, Position};

use crate::desk::Desk;
use crate::list::{ROWS, address, pager};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::{self, Ago, empty, page};

/// Time that a page may scan for what has no index; `Search on` continues.
const SCAN: std::time::Duration = std::time::Duration::from_millis(500);

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
    q: String,
    after: Option<String>,
    /// Where a live list goes on.
    pub(crate) from: Option<String>,
}

impl EventsQuery {
    pub(crate) fn filter(&self) -> Result<EventFilter, Trouble> {
        let text = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        fn wrong(what: &str, error: &dyn std::fmt::Display) -> Trouble {
            Trouble::wrong(format!("{what}: {error}"))
        }
        Ok(EventFilter {
            source: text(&self.source).map(|text| text.parse().map_err(|error| wrong("source", &error))).transpose()?,
            connection: text(&self.connection)
                .map(|text| text.parse().map_err(|error| wrong("connection", &error)))
                .transpose()?,
            event_type: text(&self.event_type),
            subject: text(&self.subject),
            q: text(&self.q),
            ..EventFilter::default()
        })
    }

    fn parameters(&self) -> [(&'static str, Option<&str>); 5] {
        [
            ("source", Some(&self.source)),
            ("connection", Some(&self.connection)),
            ("type", Some(&self.event_type)),
            ("subject", Some(&self.subject)),
            ("q", Some(&self.q)),
        ]
    }
}

pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor, Query(query): Query<EventsQuery>) -> Answer {
    visitor.needs(Scope::Read)?;
    let filter = query.filter()?;
    let tenant = visitor.0.tenant.clone();
    // Before the list, so that nothing accepted in between is missing from both.
    let tail = desk.store().tail_position(tenant.clone()).await?;
    let after = query.after.clone().map(Position);
    let first = after.is_none();
    let list = desk.store().events(tenant, filter, Page { limit: ROWS, after, scan: SCAN }).await?;
    let content = html! {
        h1 { "Events" }
        (filters(&query))
        (table(&query, &list, desk.now(), first.then_some(&tail)))
        (pager("/events", &query.parameters(), list.next.as_ref(), list.searched_until.is_some()))
    };
    Ok(page(&visitor, "/events", "Events", &content))
}

fn filters(query: &EventsQuery) -> Markup {
    let field = |name: &str, label: &str, value: &str, hint: &str| {
        html! { label { (label) input name=(name) value=(value) placeholder=(hint); } }
    };
    html! {
        form.filters method="get" action="/events" role="search" {
            (field("source", "Source", &query.source, "github"))
            (field("connection", "Connection", &query.connection, "default"))
            (field("type", "Type", &query.event_type, "push or order.*"))
            (field("subject", "Subject", &query.subject, "orders/17"))
            (field("q", "Contains", &query.q, "text of the payload"))
            button.main type="submit" { "Filter" }
            @if query.parameters().iter().any(|(_, value)| value.is_some_and(|value| !value.is_empty())) {
                a.button href="/events" { "Clear" }
            }
        }
    }
}

fn table(query: &EventsQuery, list: &Listed<EventRow>, now: Timestamp, tail: Option<&Position>) -> Markup {
    let live = tail.map(|Position(from)| {
        address("/events/live", &[&query.parameters()[..], &[("from", Some(from.as_str()))]].concat())
    });
    html! {
        @if tail.is_some() { p.dim { "New ones appear by themselves: " span data-live-status { "not yet" } "." } }
        div.scroll hidden[list.rows.is_empty()] {
            table data-live=[live] {
                thead { tr {
                    th scope="col" { "Received" } th scope="col" { "Type" } th scope="col" { "Source" }
                    th scope="col" { "Subject" } th scope="col" { "Origin" } th scope="col" { "Assurance" }
                    th scope="col" { "Size" }
                } }
                tbody { @for row in &list.rows { (event_row(row, now)) } }
            }
        }
        (blank_row())
        @if list.rows.is_empty() {
            div data-empty { (empty("No events here", &html! {
                p { "Send a signed sample: " code { "trireme send github --to URL" } ", or widen the filter." }
            })) }
        }
    }
}

fn event_row(row: &EventRow, now: Timestamp) -> Markup {
    let event = &row.event;
    html! {
        tr {
            td { a href={ "/events/" (event.id) } { (Ago { at: event.received_at, now }) } }
            td.wide.mono { (event.event_type) }
            td { (event.source) @if event.connection.as_str() != "default" { span.dim { " / " (event.connection) } } }
            td.wide.mono { @if let Some(subject) = &event.subject { (subject) } }
            td { (event.origin.as_str()) }
            td { (view::assurance(event.assurance)) }
            td.dim { (view::bytes(row.payload_bytes)) }
        }
    }
}

/// What the script makes the rows of new events of.
fn blank_row() -> Markup {
    html! {
        template data-row="event" {
            tr.fresh {
                td { a href="#" { time datetime="" { } } }
                td.wide.mono data-text="type" {}
                td data-text="source" {}
                td.wide.mono data-text="subject" {}
                td data-text="origin" {}
                td { span.tag data-text="assurance" data-tone="assurance_tone" {} }
                td.dim data-text="size" {}
            }
        }
    }
}

/// The colour of an assurance, for rows that the script makes.
pub(crate) const fn tone(assurance: Assurance) -> &'static str {
    match assurance {
        Assurance::Body | Assurance::Partial => "good",
        Assurance::Origin => "busy",
        Assurance::Shared => "warn",
        Assurance::None => "bad",
    }
}
