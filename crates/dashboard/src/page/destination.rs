//! One destination: how it does, what it is owed, and stopping or starting what goes there.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domain::{DestinationName, Timestamp};
use engine::access::Scope;
use engine::definition::print_duration;
use engine::manage::REASON_BYTES_MAX;
use engine::topology::Destination;
use maud::{Markup, html};
use serde::Deserialize;
use store::people::DestinationStatus;
use store::read::{DeliveryFilter, DeliveryRow, Page};
use store::registry::ManagedBy;
use store::watch::Series;

use super::destinations::{Owed, host_of, latency, owed, state, status_of};
use super::in_charge::{self, Live};
use crate::desk::Desk;
use crate::extract::{Form, Path, Query};
use crate::figures::{Span, Track, Waits, tracks, waits};
use crate::list::said;
use crate::part::form::{Weight, button, field};
use crate::part::tag::{self, number, percent};
use crate::part::time::{Ago, took};
use crate::part::{self, chart, facts, table, text_block, tile};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::{crumbs, page};

/// Deliveries on this page; all of them are listed by the API.
const DELIVERIES_MAX: u32 = 15;

#[derive(Deserialize)]
pub(crate) struct Place {
    done: Option<String>,
    #[serde(default)]
    span: Span,
}

pub(crate) async fn show(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(name): Path<DestinationName>,
    Query(place): Query<Place>,
) -> Answer {
    visitor.needs(Scope::Read)?;
    let (tenant, now) = (visitor.tenant(), desk.now());
    let topology = desk.engine.topology();
    let found = topology.destination(tenant.as_str(), name.as_str());
    let destination = found.ok_or_else(|| Trouble::not_found("destination"))?;
    let statuses = desk.store().destination_statuses().await?;
    let status = status_of(&statuses, tenant, &name);
    let owed = owed(&desk, tenant).await?.remove(&name).unwrap_or_default();
    let live = in_charge::live(&desk, tenant, std::iter::once(&name)).await?.remove(&name).unwrap_or(Live::Unused);
    let track = tracks(&desk, tenant, Series::Attempts, place.span).await?.remove(name.as_str());
    let track = track.unwrap_or_else(|| Track::empty(place.span));
    let waited = waits(&desk, tenant, place.span).await?.remove(name.as_str());
    let waited = waited.unwrap_or_else(|| Waits::none(place.span));
    let filter = DeliveryFilter { destination: Some(name.clone()), ..DeliveryFilter::default() };
    let last = desk.store().deliveries(tenant.clone(), filter, Page::first(DELIVERIES_MAX)).await?.rows;
    let content = html! {
        (crumbs("/destinations", "Destinations"))
        h1 { (name) " " (state(status)) }
        (part::done(place.done.as_deref(), None))
        @if let Some(status) = status { (stopped(status, now)) }
        @if visitor.may(Scope::Operate) { (acts(&name, status)) }
        (about(destination, &live))
        (super::spans(&format!("/destinations/{name}"), place.span))
        (figures(&track, &waited, &owed, &name, place.span, now))
        h2 { "Last deliveries" }
        @if last.is_empty() { p.dim { "It was never owed anything." } }
        @else { (deliveries(&last, now)) }
        details { summary { "Definition" }
            (text_block("definition", "The definition, without its secrets", &definition(destination)))
        }
    };
    Ok(page(&visitor, "/destinations", name.as_str(), &content))
}

fn stopped(status: &DestinationStatus, now: Timestamp) -> Markup {
    html! {
        p.note { (status.state.as_str()) " " (Ago { at: status.since, now })
            @if !status.reason.is_empty() { ": " (status.reason) }
        }
    }
}

fn acts(name: &DestinationName, status: Option<&DestinationStatus>) -> Markup {
    let back = format!("/destinations/{name}");
    html! {
        @if status.is_some() {
            p { (button(&format!("{back}/resume"), "Resume", &[("back", &back)], Weight::Main)) }
        } @else {
            form.filters method="post" action={ (back) "/pause" } {
                input type="hidden" name="back" value=(back);
                (field("Why (others will read it)", "reason", "", "a deploy is under way"))
                button type="submit" { "Pause" }
                button.grave type="submit" formaction={ (back) "/disable" } { "Disable" }
            }
        }
    }
}

fn about(destination: &Destination, live: &Live) -> Markup {
    let spec = &destination.spec;
    let lines = [
        ("Sent to", Some(html! { span.mono { (host_of(destination.shown_url())) } })),
        (
            "Signed",
            Some(
                html! { @if spec.http.secrets.is_empty() { "no: it cannot tell messages from forged ones" } @else { "by Standard Webhooks" } },
            ),
        ),
        ("Tries at most", Some(html! { (spec.retry.attempts) })),
        ("Rate", spec.rate_limit.map(|rate| html! { (rate) " at most" })),
        ("Given up after", Some(html! { (print_duration(spec.http.timeouts.total)) " a try" })),
        (
            "Managed by",
            Some(html! { @if spec.managed_by == ManagedBy::File { "the configuration file" } @else { "the API" } }),
        ),
    ];
    html! { section.card { (facts(live.facts().into_iter().chain(lines).collect())) } }
}

/// What waits, and what did.
pub(crate) fn waiting(owed: &Owed, more: &Markup, waited: &Waits, span: Span) -> Markup {
    let bars: Vec<_> = waited.deliveries.iter().map(|deliveries| (*deliveries, 0)).collect();
    let heard = format!("Deliveries that waited {}, on average while any did, {}", span.words(), span.bar_words());
    tile("Waiting", &number(owed.open), &html! { span.dim { (more) } (chart::bars(&heard, &bars)) })
}

/// How long the oldest of them has waited, and did.
pub(crate) fn oldest(owed: &Owed, waited: &Waits, span: Span, now: Timestamp) -> Markup {
    let age = owed.oldest.map(|oldest| took(now.since(oldest)));
    let heard = format!("How long the oldest had waited at most {}, {}", span.words(), span.bar_words());
    let more = html! { span.dim { "longest wait" } (chart::durations(&heard, &waited.oldest)) };
    tile("Lag", age.as_deref().unwrap_or("none"), &more)
}

fn figures(track: &Track, waited: &Waits, owed: &Owed, name: &DestinationName, span: Span, now: Timestamp) -> Markup {
    let states = owed.by_state.iter().map(|(state, count)| format!("{} {}", number(*count), state.replace('_', " ")));
    let states = states.collect::<Vec<_>>().join(", ");
    html! {
        div.tiles {
            (tile("Tries", &number(track.count), &html! {
                span.dim { (percent(track.count - track.failed.min(track.count), track.count)) " succeed" }
                (chart::bars(&format!("Tries {}", span.bar_words()), &track.bars))
            }))
            (waiting(owed, &html! { (states) }, waited, span))
            (oldest(owed, waited, span, now))
            (tile("Dead letters", &number(owed.dead), &html! {
                @if owed.dead > 0 { a href={ "/dead-letters?destination=" (name) } { "See why" } }
            }))
            div.tile { span.dim { "Latency" } div { (latency(track)) } }
        }
    }
}

/// Some deliveries, newest first.
pub(crate) fn deliveries(rows: &[DeliveryRow], now: Timestamp) -> Markup {
    let row = |row: &DeliveryRow| {
        vec![
            html! { a href={ "/events/" (row.event) } { (Ago { at: row.created_at, now }) } },
            html! { span.mono { (row.event_type) } @if let Some(subject) = &row.subject { div.dim.mono { (subject) } } },
            html! { a href={ "/routes/" (row.route) } { (row.route) } },
            html! { (tag::state(row.state)) @if let Some(cause) = &row.cause { div.dim { (cause.code) } } },
            html! { (row.attempts) },
        ]
    };
    table::table("Deliveries", &["Made", "Event", "Route", "State", "Tries"], rows.iter().map(row))
}

fn definition(destination: &Destination) -> String {
    serde_json::to_string_pretty(&destination.shown()).unwrap_or_default()
}

#[derive(Deserialize)]
pub(crate) struct Wish {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    back: String,
}

impl Wish {
    fn reason(&self) -> Result<String, Trouble> {
        let reason = said(&self.reason).unwrap_or_default();
        if reason.len() > REASON_BYTES_MAX || reason.chars().any(char::is_control) {
            return Err(Trouble::wrong(format!("A reason is one line of at most {REASON_BYTES_MAX} bytes.")));
        }
        Ok(reason.to_owned())
    }

    /// Only to one of the two pages that ask for it.
    fn back(&self, name: &DestinationName, done: &str) -> Response {
        let list = self.back == "/destinations";
        let path = if list { self.back.clone() } else { format!("/destinations/{name}") };
        Redirect::to(&format!("{path}?done={done}")).into_response()
    }
}

pub(crate) async fn pause(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(name): Path<DestinationName>,
    Form(wish): Form<Wish>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    desk.engine.pause(visitor.tenant().clone(), name.clone(), wish.reason()?).await?;
    Ok(wish.back(&name, "paused"))
}

pub(crate) async fn disable(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(name): Path<DestinationName>,
    Form(wish): Form<Wish>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    desk.engine.disable(visitor.tenant().clone(), name.clone(), wish.reason()?).await?;
    Ok(wish.back(&name, "disabled"))
}

pub(crate) async fn resume(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(name): Path<DestinationName>,
    Form(wish): Form<Wish>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    desk.engine.resume(visitor.tenant().clone(), name.clone()).await?;
    Ok(wish.back(&name, "resumed"))
}
