//! Sources: what is listened to and asked, and how each does.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use engine::access::Scope;
use engine::streams::StreamView;
use engine::topology::Source;
use maud::{Markup, html};
use serde::Deserialize;
use store::read::Page;
use store::registry::{Alert, ManagedBy};
use store::watch::Series;

use crate::desk::Desk;
use crate::extract::Query;
use crate::figures::{Span, Track, tracks};
use crate::list::{by_name, pager};
use crate::part::tag::{Tone, number, percent, tag, told};
use crate::part::time::{rough, took};
use crate::part::{self, chart, form, table};
use crate::reply::Page as Answer;
use crate::session::Visitor;
use crate::view::page;

/// Open alerts that are looked through for those about a source.
const ALERTS_MAX: u32 = 200;

#[derive(Deserialize)]
pub(crate) struct Place {
    after: Option<String>,
    done: Option<String>,
}

/// What is known of all sources, by their names.
struct Known {
    events: BTreeMap<Arc<str>, Track>,
    rejected: BTreeMap<Arc<str>, Track>,
    calls: BTreeMap<Arc<str>, Track>,
    streams: Vec<StreamView>,
    alerts: Vec<Alert>,
}

pub(crate) async fn list(State(desk): State<Desk>, visitor: Visitor, Query(place): Query<Place>) -> Answer {
    visitor.needs(Scope::Read)?;
    let tenant = visitor.tenant();
    let topology = desk.engine.topology();
    let own = topology.sources().filter(|source| source.spec.tenant == *tenant);
    let all: Vec<_> = own.map(|source| (source.spec.name.to_string(), Arc::clone(source))).collect();
    let is_empty = all.is_empty();
    let (rows, next) = by_name(all, place.after.as_deref());
    let known = Known {
        events: tracks(&desk, tenant, Series::Events, Span::Day).await?,
        rejected: tracks(&desk, tenant, Series::Rejected, Span::Day).await?,
        calls: tracks(&desk, tenant, Series::Calls, Span::Day).await?,
        streams: desk.engine.streams(tenant).await?,
        alerts: desk.store().alerts(tenant.clone(), true, Page::first(ALERTS_MAX)).await?.rows,
    };
    let headings = ["Source", "Takes events", "Events, 24 h", "Rejected", "Calls, 24 h", "Reading", "Health"];
    let content = html! {
        div.head {
            h1 { "Sources" }
            @if visitor.may(Scope::Admin) { (form::button("/endpoints", "New endpoint", &[], form::Weight::Main)) }
        }
        (part::done(place.done.as_deref(), None))
        @if is_empty { (nothing(&visitor)) }
        @else { (table::table("Sources", &headings, rows.iter().map(|(_, source)| row(source, &known, &desk)))) }
        (pager("/sources", &[], next.as_ref(), false))
    };
    Ok(page(&visitor, "/sources", "Sources", &content))
}

fn nothing(visitor: &Visitor) -> Markup {
    part::empty(
        "Nothing is listened to yet",
        &html! {
            @if visitor.may(Scope::Admin) {
                p { "An endpoint takes anything at once, under an address that nobody can guess." }
                (form::button("/endpoints", "Make an endpoint", &[], form::Weight::Main))
            }
            p { "Or add a source to the configuration file: " code { "sources: { github: { webhook: { provider: github, secret: … } } }" } }
        },
    )
}

fn row(source: &Source, known: &Known, desk: &Desk) -> Vec<Markup> {
    let name = &source.spec.name;
    let figures =
        |all: &BTreeMap<Arc<str>, Track>| all.get(name.as_str()).cloned().unwrap_or_else(|| Track::empty(Span::Day));
    let (events, rejected, calls) = (figures(&known.events), figures(&known.rejected), figures(&known.calls));
    vec![
        html! {
            a href={ "/sources/" (name) } { (name) }
            @if source.spec.managed_by == ManagedBy::Api { " " (told(Tone::Dim, "api", "Made through the API or here, not by the file.")) }
        },
        ways(source),
        html! { (number(events.count)) (chart::bars(&format!("Events of {name} by the hour"), &events.bars)) },
        html! {
            @if rejected.count > 0 { a href={ "/requests?verdict=rejected&source=" (name) } { (number(rejected.count)) } }
            @else { "0" }
        },
        called(source, &calls),
        reading(source, known, desk),
        health(name.as_str(), known, &events),
    ]
}

/// How events come from a source.
pub(crate) fn ways(source: &Source) -> Markup {
    let spec = &source.spec;
    html! {
        @if let Some(listener) = &source.listener { div { (listener.recipe.title()) span.dim { " webhooks" } } }
        @if let Some(connector) = &spec.connector { div { span.dim { "API by " } (connector.name) } }
        @if spec.publish { div.dim { "published by you" } }
    }
}

fn called(source: &Source, calls: &Track) -> Markup {
    html! {
        @if source.spec.connector.is_some() {
            (number(calls.count))
            @if calls.count > 0 {
                div.dim { (percent(calls.failed, calls.count)) " failed"
                    @if let Some(p95) = calls.latencies.quantile(0.95) { ", p95 " (took(p95)) }
                }
            }
        } @else { span.dim { "–" } }
    }
}

fn reading(source: &Source, known: &Known, desk: &Desk) -> Markup {
    let own: Vec<_> = known.streams.iter().filter(|stream| stream.key.source == source.spec.name).collect();
    let now = desk.now();
    let worst = own.iter().filter_map(|stream| stream.lag(now)).max();
    html! {
        @if own.is_empty() { span.dim { "–" } }
        @else {
            (own.len()) @if own.len() == 1 { " stream" } @else { " streams" }
            @if let Some(lag) = worst { div.dim { "up to " (rough(lag)) " behind" } }
        }
    }
}

fn health(name: &str, known: &Known, events: &Track) -> Markup {
    let about = |alert: &&Alert| is_about(&alert.object, name);
    let failing = known.streams.iter().any(|stream| stream.key.source.as_str() == name && stream.failures > 0);
    html! {
        @if let Some(alert) = known.alerts.iter().find(about) { (told(Tone::Bad, "needs attention", &alert.detail)) }
        @else if failing { (told(Tone::Warn, "failing", "The last poll of one of its streams failed; it is tried again.")) }
        @else if events.count == 0 { (told(Tone::Dim, "quiet", "No event in the last 24 hours.")) }
        @else { (tag(Tone::Good, "well")) }
    }
}

/// Whether an alert's object is a source or something of it.
pub(crate) fn is_about(object: &str, source: &str) -> bool {
    let rest = object.strip_prefix("source/").and_then(|rest| rest.strip_prefix(source));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_about_its_source_and_not_about_one_of_a_longer_name() {
        assert!(is_about("source/shop", "shop") && is_about("source/shop/connection/a", "shop"));
        assert!(!is_about("source/shopify", "shop") && !is_about("destination/shop", "shop"));
    }
}
