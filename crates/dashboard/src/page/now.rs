//! Now: what needs a person first, then how much comes in, goes out and waits.

use axum::extract::State;
use domain::Timestamp;
use domain::alert::Severity;
use engine::access::Scope;
use maud::{Markup, html};
use serde::Deserialize;
use store::read::{EventFilter, Page};
use store::registry::Alert;
use store::watch::Series;

use super::alerts::{self, about};
use super::destinations::{Owed, owed};
use crate::desk::Desk;
use crate::extract::Query;
use crate::figures::{Span, Track, Waits, total, waits};
use crate::part::form::{Weight, button};
use crate::part::tag::{Tone, number, percent, tag};
use crate::part::time::{Ago, ago, took};
use crate::part::{self, chart, table, tile};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::page;

/// Alerts on this page; all of them have a page of their own.
const ALERTS_MAX: usize = 5;
/// Destinations that something waits for.
const WAITING_MAX: usize = 50;

#[derive(Deserialize)]
pub(crate) struct Place {
    #[serde(default)]
    span: Span,
}

pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor, Query(place): Query<Place>) -> Answer {
    visitor.needs(Scope::Read)?;
    let (now, tenant, span) = (desk.now(), visitor.tenant(), place.span);
    let alerts = alerts::open(&desk, &visitor).await?;
    let owed = owed(&desk, tenant).await?;
    let content = html! {
        h1 { "Now" }
        @if is_new(&desk, &visitor).await? { (welcome(&visitor)) }
        @else {
            (attention(&alerts, now))
            (super::spans("/now", span))
            (figures(&desk, &visitor, span, owed.values(), now).await?)
            h2 { "What waits" }
            @if owed.is_empty() { p.dim { "Nothing: all that was accepted is where it belongs." } }
            @else { (waiting(owed.iter().take(WAITING_MAX), now)) }
        }
    };
    Ok(page(&visitor, "/", "Now", &content))
}

/// Whether nothing has ever been accepted: then there is nothing to see, and something to begin with.
async fn is_new(desk: &Desk, visitor: &Visitor) -> Result<bool, Trouble> {
    let first = desk.store().events(visitor.tenant().clone(), EventFilter::default(), Page::first(1)).await?;
    Ok(first.rows.is_empty())
}

fn welcome(visitor: &Visitor) -> Markup {
    part::empty(
        "No event has come yet",
        &html! {
            @if visitor.may(Scope::Admin) {
                p { "Make an endpoint: an address that takes anything at once. You get a curl line to try it, and see what comes, live." }
                (button("/endpoints", "Make an endpoint", &[], Weight::Main))
            }
            p { "What is configured is on the page " a href="/sources" { "Sources" } "." }
        },
    )
}

fn attention(alerts: &[(Severity, Alert)], now: Timestamp) -> Markup {
    let more = alerts.len().saturating_sub(ALERTS_MAX);
    html! {
        @if alerts.is_empty() { p.fine { (tag(Tone::Good, "well")) " Nothing needs a person." } }
        @else {
            section aria-label="What needs a person" {
                @for (severity, alert) in alerts.iter().take(ALERTS_MAX) {
                    p.note { (tag(alerts::tone(*severity), severity.as_str())) " " strong { (alert.kind.replace('_', " ")) } " " (about(&alert.object)) ": " (alert.detail) " (" (Ago { at: alert.last_at, now }) ")" }
                }
                p { a href="/alerts" { @if more > 0 { (number(more as u64)) " more, and all alerts" } @else { "All alerts" } } }
            }
        }
    }
}

async fn figures(
    desk: &Desk,
    visitor: &Visitor,
    span: Span,
    owed: impl Iterator<Item = &Owed>,
    now: Timestamp,
) -> Result<Markup, Trouble> {
    let tenant = visitor.tenant();
    let (events, tries) =
        (total(desk, tenant, Series::Events, span).await?, total(desk, tenant, Series::Attempts, span).await?);
    let (rejected, calls) =
        (total(desk, tenant, Series::Rejected, span).await?, total(desk, tenant, Series::Calls, span).await?);
    let waited = Waits::together(waits(desk, tenant, span).await?.values(), span);
    let owed = owed.fold(Owed::default(), |sum, one| Owed {
        open: sum.open + one.open,
        oldest: sum.oldest.into_iter().chain(one.oldest).min(),
        ..sum
    });
    Ok(html! {
        div.tiles {
            (counted("Events", &events, span, &html! { (rate(&events, span)) }))
            (counted("Tries of deliveries", &tries, span, &html! { (rate(&tries, span)) ", " (percent(tries.failed, tries.count)) " failed" (delay(&tries)) }))
            (counted("Rejected requests", &rejected, span, &html! { @if rejected.count > 0 { a href="/requests" { "See why" } } @else { "none" } }))
            (super::destination::waiting(&owed, &html! { "for all destinations" }, &waited, span))
            (super::destination::oldest(&owed, &waited, span, now))
            @if calls.count > 0 { (counted("Calls to sources", &calls, span, &html! { (percent(calls.failed, calls.count)) " failed" (delay(&calls)) })) }
        }
    })
}

fn counted(title: &str, track: &Track, span: Span, more: &Markup) -> Markup {
    let heard = format!("{title} {}, {}", span.words(), span.bar_words());
    tile(title, &number(track.count), &html! { span.dim { (more) } (chart::bars(&heard, &track.bars)) })
}

fn delay(track: &Track) -> Markup {
    html! { @if let Some(most) = track.latencies.quantile(0.95) { ", p95 " (took(most)) } }
}

/// How many in a second, or in the time that makes it a number worth reading.
fn rate(track: &Track, span: Span) -> String {
    let each = track.count as f64 / span.length().as_secs_f64();
    match each {
        each if each >= 1.0 => format!("{each:.1} a second"),
        each if each * 60.0 >= 1.0 => format!("{:.1} a minute", each * 60.0),
        each => format!("{:.1} an hour", each * 3_600.0),
    }
}

fn waiting<'a>(owed: impl Iterator<Item = (&'a domain::DestinationName, &'a Owed)>, now: Timestamp) -> Markup {
    let row = |(name, owed): (&domain::DestinationName, &Owed)| {
        vec![
            html! { a href={ "/destinations/" (name) } { (name) } },
            html! { (number(owed.open)) },
            html! { @if owed.oldest.is_some() { (ago(owed.oldest, now)) } @else { span.dim { "–" } } },
            html! { @if owed.dead > 0 { a href={ "/dead-letters?destination=" (name) } { (tag(Tone::Bad, &number(owed.dead))) } } @else { "0" } },
        ]
    };
    table::table("What waits", &["Destination", "Waiting", "Oldest", "Dead letters"], owed.map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_told_in_the_time_that_makes_it_readable() {
        let of = |count| Track { count, ..Track::empty(Span::Hour) };
        for (count, text) in [(7_200, "2.0 a second"), (90, "1.5 a minute"), (3, "3.0 an hour"), (0, "0.0 an hour")] {
            assert_eq!(rate(&of(count), Span::Hour), text);
        }
    }
}
