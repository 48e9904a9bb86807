//! One source: where its sender sends, its accounts, its streams, and what was asked of its API.

mod act;
mod reading;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use domain::{ConnectionName, SourceName};
use engine::access::Scope;
use engine::endpoint::is_endpoint;
use engine::topology::Source;
use maud::{Markup, html};
use serde::Deserialize;
use store::read::Page;
use store::registry::ManagedBy;
use store::watch::Series;

use super::sources::{is_about, ways};
use crate::desk::{Base, Desk};
use crate::extract::{Path, Query};
use crate::figures::{Span, Track, tracks};
use crate::part::form::{Weight, button};
use crate::part::tag::{Tone, number, percent, tag};
use crate::part::time::{Ago, took};
use crate::part::{self, chart, facts, table, text_block, tile};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::{crumbs, page};

pub(crate) use act::{check, poll, reconcile};

/// Connections shown; a source may have thousands, which the API lists.
const CONNECTIONS_MAX: usize = 50;
const ALERTS_MAX: u32 = 200;

#[derive(Deserialize)]
pub(crate) struct Place {
    done: Option<String>,
    #[serde(default)]
    span: Span,
}

pub(crate) async fn show(
    State(desk): State<Desk>,
    visitor: Visitor,
    base: Base,
    Path(name): Path<SourceName>,
    Query(place): Query<Place>,
) -> Answer {
    visitor.needs(Scope::Read)?;
    let source = find(&desk, &visitor, &name)?;
    let (tenant, now) = (visitor.tenant(), desk.now());
    let alerts = desk.store().alerts(tenant.clone(), true, Page::first(ALERTS_MAX)).await?.rows;
    let content = html! {
        (crumbs("/sources", "Sources"))
        div.head {
            h1 { (name) }
            @if is_endpoint(&source.spec) && visitor.may(Scope::Admin) { a.button href={ "/endpoints/" (name) } { "Reply and sender" } }
        }
        (part::done(place.done.as_deref(), None))
        @for alert in alerts.iter().filter(|alert| is_about(&alert.object, name.as_str())) {
            p.note { strong { (alert.kind.replace('_', " ")) } ": " (alert.detail) " (" (Ago { at: alert.last_at, now }) ")" }
        }
        (about(&source, &base.ingest(tenant, &name)))
        (figures(&desk, &visitor, &source, place.span).await?)
        (connections(&visitor, &source))
        (reading::streams(&desk, &visitor, &source).await?)
        (reading::budgets(&desk, &visitor, &source).await?)
        (reading::runs(&desk, &visitor, &source).await?)
        (reading::calls(&desk, &visitor, &source).await?)
        details { summary { "Definition" }
            (text_block("definition", "The definition, without its secrets", &definition(&source)))
        }
    };
    Ok(page(&visitor, "/sources", name.as_str(), &content))
}

pub(crate) fn find(desk: &Desk, visitor: &Visitor, name: &SourceName) -> Result<Arc<Source>, Trouble> {
    let topology = desk.engine.topology();
    let found = topology.source(visitor.tenant().as_str(), name.as_str()).cloned();
    found.ok_or_else(|| Trouble::not_found("source"))
}

fn definition(source: &Source) -> String {
    serde_json::to_string_pretty(&source.shown()).unwrap_or_default()
}

fn about(source: &Source, url: &str) -> Markup {
    let spec = &source.spec;
    let mut routes: Vec<_> = source.routes.iter().map(|route| route.spec.name.clone()).collect();
    routes.sort();
    let address = source.listener.is_some().then(|| {
        html! { span.mono id="address" { (url) } " " button.quiet type="button" data-copy="address" hidden { "Copy" } }
    });
    let weak = source.listener.iter().flat_map(|listener| listener.recipe.weaknesses()).next().map(str::to_owned);
    html! {
        section.card {
            (facts(vec![
                ("Takes events", Some(ways(source))),
                ("Address", address),
                ("Good to know", weak.map(|weak| html! { (weak) })),
                ("Routes", Some(html! {
                    @if routes.is_empty() { span.dim { "None: its events are kept and go nowhere." } }
                    @for route in routes { a href={ "/routes/" (route) } { (route) } " " }
                })),
                ("Managed by", Some(html! { @if spec.managed_by == ManagedBy::File { "the configuration file" } @else { "the API" } })),
            ]))
        }
    }
}

async fn figures(desk: &Desk, visitor: &Visitor, source: &Source, span: Span) -> Result<Markup, Trouble> {
    let name = &source.spec.name;
    let path = format!("/sources/{name}");
    let of = async |series| -> Result<Track, Trouble> {
        let mut all = tracks(desk, visitor.tenant(), series, span).await?;
        Ok(all.remove(name.as_str()).unwrap_or_else(|| Track::empty(span)))
    };
    let (events, rejected) = (of(Series::Events).await?, of(Series::Rejected).await?);
    let calls = if source.spec.connector.is_some() { Some(of(Series::Calls).await?) } else { None };
    let bars = |what: &str, track: &Track| chart::bars(&format!("{what} {}", span.bar_words()), &track.bars);
    Ok(html! {
        (super::spans(&path, span))
        div.tiles {
            (tile("Events", &number(events.count), &bars("Events", &events)))
            (tile("Rejected requests", &number(rejected.count), &bars("Rejected requests", &rejected)))
            @if let Some(calls) = calls {
                (tile("Calls to its API", &number(calls.count), &html! {
                    span.dim { (percent(calls.failed, calls.count)) " failed"
                        @if let Some(p95) = calls.latencies.quantile(0.95) { ", p95 " (took(p95)) }
                    }
                    (bars("Calls", &calls))
                }))
            }
        }
    })
}

/// Every account by its name, with what it has.
fn accounts(source: &Source) -> BTreeSet<ConnectionName> {
    let asked = source.spec.connector.iter().flat_map(|connector| connector.connections());
    source.spec.connections.keys().cloned().chain(asked).collect()
}

fn connections(visitor: &Visitor, source: &Source) -> Markup {
    let all = accounts(source);
    let count = all.len();
    let has_webhook = source.listener.is_some();
    let asked: BTreeSet<_> = source.spec.connector.iter().flat_map(|connector| connector.connections()).collect();
    let row = |name: ConnectionName| {
        let secrets = source.spec.connections.get(&name).map_or(0, Vec::len);
        vec![
            html! { (name) },
            html! {
                @if secrets > 0 { (secrets) @if secrets == 1 { " secret of its own" } @else { " secrets of its own" } }
                @else if has_webhook { span.dim { "the source's" } }
                @else { span.dim { "–" } }
            },
            html! { @if asked.contains(&name) { (tag(Tone::Busy, "asked")) } @else { span.dim { "webhooks only" } } },
            html! { a href={ "/events?source=" (source.spec.name) "&connection=" (name) } { "Events" } },
            html! {
                @if asked.contains(&name) && visitor.may(Scope::Operate) {
                    (button(&format!("/sources/{}/check", source.spec.name), "Check credentials", &[("connection", name.as_str())], Weight::Plain))
                }
            },
        ]
    };
    html! {
        @if count > 0 {
            h2 { "Connections" }
            (table::table("Connections", &["Connection", "Webhook secrets", "API", "Seen", "Does it work"], all.into_iter().take(CONNECTIONS_MAX).map(row)))
            @if count > CONNECTIONS_MAX { p.dim { (count - CONNECTIONS_MAX) " more are not shown." } }
        }
    }
}
