//! Destinations: how each takes what it is owed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use domain::{DeliveryState, DestinationName, Tenant, Timestamp};
use engine::access::Scope;
use engine::topology::Destination;
use maud::{Markup, html};
use serde::Deserialize;
use store::people::{DestinationState, DestinationStatus};
use store::watch::Series;

use super::in_charge::{self, Live};
use crate::desk::Desk;
use crate::extract::Query;
use crate::figures::{Span, Track, tracks};
use crate::list::{by_name, pager};
use crate::part::form::{Weight, button};
use crate::part::tag::{self, Tone, number, percent};
use crate::part::time::{Ago, took};
use crate::part::{self, chart, table};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::page;

#[derive(Deserialize)]
pub(crate) struct Place {
    after: Option<String>,
    done: Option<String>,
}

/// What a destination is owed, counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owed {
    /// Pending, in flight, retrying and held.
    pub(crate) by_state: BTreeMap<&'static str, u64>,
    pub(crate) open: u64,
    pub(crate) dead: u64,
    pub(crate) oldest: Option<Timestamp>,
}

/// What each destination of a tenant is owed. Those that were removed may still be owed something.
pub(crate) async fn owed(desk: &Desk, tenant: &Tenant) -> Result<BTreeMap<DestinationName, Owed>, Trouble> {
    let mut all: BTreeMap<DestinationName, Owed> = BTreeMap::new();
    for group in desk.store().backlog().await?.into_iter().filter(|group| group.tenant == *tenant) {
        let owed = all.entry(group.destination).or_default();
        if group.state == DeliveryState::Dead {
            owed.dead += group.count;
            continue;
        }
        *owed.by_state.entry(group.state.as_str()).or_default() += group.count;
        owed.open += group.count;
        owed.oldest = owed.oldest.into_iter().chain(group.oldest).min();
    }
    Ok(all)
}

/// How a destination stands; one that nothing is said of is active.
pub(crate) fn status_of<'a>(
    all: &'a [(Tenant, DestinationName, DestinationStatus)],
    tenant: &Tenant,
    name: &DestinationName,
) -> Option<&'a DestinationStatus> {
    let own = all.iter().find(|(whose, known, _)| whose == tenant && known == name);
    own.map(|(_, _, status)| status).filter(|status| status.state != DestinationState::Active)
}

pub(crate) async fn list(State(desk): State<Desk>, visitor: Visitor, Query(place): Query<Place>) -> Answer {
    visitor.needs(Scope::Read)?;
    let tenant = visitor.tenant();
    let topology = desk.engine.topology();
    let own = topology.destinations().filter(|destination| destination.spec.tenant == *tenant);
    let all: Vec<_> = own.map(|own| (own.spec.name.to_string(), Arc::clone(own))).collect();
    let is_empty = all.is_empty();
    let (shown, next) = by_name(all, place.after.as_deref());
    let attempts = tracks(&desk, tenant, Series::Attempts, Span::Day).await?;
    let (owed, statuses) = (owed(&desk, tenant).await?, desk.store().destination_statuses().await?);
    let mut live = in_charge::live(&desk, tenant, shown.iter().map(|(_, shown)| &shown.spec.name)).await?;
    let mut rows = Vec::with_capacity(shown.len());
    for (_, destination) in &shown {
        let name = &destination.spec.name;
        let about = About {
            destination,
            track: attempts.get(name.as_str()).cloned().unwrap_or_else(|| Track::empty(Span::Day)),
            owed: owed.get(name).cloned().unwrap_or_default(),
            status: status_of(&statuses, tenant, name),
            live: live.remove(name).unwrap_or(Live::Unused),
        };
        rows.push(row(&visitor, &about, desk.now()));
    }
    let headings =
        ["Destination", "State", "Breaker", "Tries, 24 h", "Succeed", "Latency", "Waiting", "Dead letters", ""];
    let content = html! {
        h1 { "Destinations" }
        (part::done(place.done.as_deref(), None))
        @if is_empty { (part::empty("Nothing goes anywhere yet", &html! {
            p { "Add one to the configuration file: " code { "destinations: { app: { http: { url: \"https://app.example/hooks\", secret: … } } }" } ", and a route to it." }
        })) }
        @else { (table::table("Destinations", &headings, rows)) }
        (pager("/destinations", &[], next.as_ref(), false))
    };
    Ok(page(&visitor, "/destinations", "Destinations", &content))
}

struct About<'a> {
    destination: &'a Destination,
    track: Track,
    owed: Owed,
    status: Option<&'a DestinationStatus>,
    live: Live,
}

fn row(visitor: &Visitor, about: &About<'_>, now: Timestamp) -> Vec<Markup> {
    let name = &about.destination.spec.name;
    let (track, owed) = (&about.track, &about.owed);
    vec![
        html! { a href={ "/destinations/" (name) } { (name) } div.dim.small { (host_of(about.destination.shown_url())) } },
        state(about.status),
        about.live.breaker(),
        html! { (number(track.count)) (chart::bars(&format!("Tries to {name} by the hour"), &track.bars)) },
        html! { (percent(track.count - track.failed.min(track.count), track.count)) },
        latency(track),
        html! {
            (number(owed.open))
            @if let Some(at) = owed.oldest { div.dim { "oldest " (Ago { at, now }) } }
        },
        html! {
            @if owed.dead > 0 { a href={ "/dead-letters?destination=" (name) } { (tag::tag(Tone::Bad, &number(owed.dead))) } } @else { "0" }
        },
        html! { @if visitor.may(Scope::Operate) { (switch(name, about.status, "/destinations")) } },
    ]
}

pub(crate) fn state(status: Option<&DestinationStatus>) -> Markup {
    tag::destination(status.map_or(DestinationState::Active, |status| status.state))
}

pub(crate) fn latency(track: &Track) -> Markup {
    html! {
        @match (track.latencies.quantile(0.5), track.latencies.quantile(0.95)) {
            (Some(half), Some(most)) => { (took(half)) div.dim { "p95 " (took(most)) } },
            _ => span.dim { "–" },
        }
    }
}

/// Pausing what runs, resuming what does not; back to the page where that was asked for.
pub(crate) fn switch(name: &DestinationName, status: Option<&DestinationStatus>, back: &str) -> Markup {
    let act = |what: &str, label: &str| {
        button(&format!("/destinations/{name}/{what}"), label, &[("back", back)], Weight::Plain)
    };
    if status.is_some() { act("resume", "Resume") } else { act("pause", "Pause") }
}

/// The host of a URL: its path and query may hold what only the owner knows.
pub(crate) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_by_its_host_alone() {
        for (url, host) in [
            ("https://app.example/hooks?token=canary", "app.example"),
            ("https://user:canary@app.example:8443", "app.example:8443"),
            ("http://127.0.0.1:3000/x", "127.0.0.1:3000"),
            ("", ""),
        ] {
            assert_eq!(host_of(url), host);
        }
    }
}
