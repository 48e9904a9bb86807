//! `routes[]`: which events of a source go to a destination, in what form and order.

use std::collections::{BTreeMap, BTreeSet};

use connectors::provider::Catalogue;
use domain::ordering::{OnDead, Ordering};
use domain::suggest::nearest;
use domain::{Assurance, ConnectionName, DestinationName, RouteName, SourceName};

use super::enrich::enrich;
use super::http::BODIES;
use super::reader::{At, Fields};
use super::retry::retry;
use super::{Context, provider};
use crate::expression::Expression;
use crate::expression::doubt::{self, Doubt};
use crate::spec::{BodyMode, OnStale, RouteSpec, SourceSpec};

/// Most connections that a route lists; more than these are better told apart by sources.
const CONNECTIONS_MAX: usize = 1_000;

const ORDERINGS: [(&str, Ordering); 3] =
    [("none", Ordering::None), ("subject", Ordering::Subject), ("destination", Ordering::Destination)];
const ON_DEAD: [(&str, OnDead); 2] = [("continue", OnDead::Continue), ("block", OnDead::Block)];
const ON_STALE: [(&str, OnStale); 2] = [("deliver", OnStale::Deliver), ("drop", OnStale::Drop)];

/// What a route may name. Objects that are there but wrong count: their own findings say what is wrong with them.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub sources: BTreeMap<SourceName, Option<SourceFacts>>,
    pub destinations: BTreeSet<DestinationName>,
}

/// What a route needs to know of a source.
#[derive(Clone, Debug)]
pub struct SourceFacts {
    /// The most that verification can prove of its webhooks; `None` if it takes none.
    pub proves: Option<Assurance>,
    /// Where its events can come from.
    pub connections: BTreeSet<ConnectionName>,
    /// The streams of which one record can be asked for; `None` if it has no connector.
    pub readable: Option<Vec<String>>,
}

impl Known {
    /// Adds a source; `spec` is `None` if it could not be read.
    pub fn source(&mut self, name: SourceName, spec: Option<&SourceSpec>, catalogue: &Catalogue) {
        let always = [ConnectionName::default_connection(), ConnectionName::unassigned()];
        let facts = |spec: &SourceSpec| SourceFacts {
            proves: spec.webhook.as_ref().and_then(|webhook| provider::assurance(webhook, catalogue)),
            connections: spec.connections.keys().cloned().chain(always).collect(),
            readable: spec.connector.as_ref().map(|spec| {
                let streams = spec.connector.extension.streams.iter();
                streams.filter(|(_, stream)| stream.get.is_some()).map(|(name, _)| name.clone()).collect()
            }),
        };
        self.sources.insert(name, spec.map(facts));
    }
}

/// Reads one route.
#[must_use]
pub fn route(at: &At<'_>, known: &Known, context: &Context) -> Option<RouteSpec> {
    let mut fields = at.fields()?;
    let (from, to) = ends(&mut fields, known);
    let name: Option<RouteName> = fields.take("name").and_then(|at| at.named());
    let facts = from.as_ref().and_then(|from| known.sources.get(from)?.as_ref());
    let connections = fields.take("connections").map(|at| connections(&at, facts)).unwrap_or_default();
    let assurance = assurance(&mut fields, facts.and_then(|facts| facts.proves));
    let when = fields.take("when").and_then(|at| filter(&at));
    let enrich = fields.take("enrich").map(|at| enrich(&at, from.as_ref(), &known.sources)).unwrap_or_default();
    let (map, body) = form(&mut fields);
    let (ordering, on_dead) = order(&mut fields);
    let stale = fields.take("stale").and_then(|at| at.choice(&ON_STALE)).unwrap_or_default();
    let retry = fields.take("retry").and_then(|at| retry(&at));
    fields.finish();
    let (from, to) = (from?, to?);
    let name = name.unwrap_or_else(|| RouteName::of_pair(&from, &to));
    let Context { tenant, managed_by, .. } = context.clone();
    #[rustfmt::skip]
    let spec = RouteSpec {
        tenant, name, managed_by, from, to, connections, assurance, when, enrich, map, ordering, on_dead, stale, retry, body,
    };
    Some(spec)
}

fn ends(fields: &mut Fields<'_>, known: &Known) -> (Option<SourceName>, Option<DestinationName>) {
    let Known { sources, destinations } = known;
    let from = fields.require("from", "the name of a source, as from: github");
    let from = from.and_then(|at| one_of_those(&at, "source", |name| sources.contains_key(name), sources.keys()));
    let to = fields.require("to", "the name of a destination, as to: app");
    let to =
        to.and_then(|at| one_of_those(&at, "destination", |name| destinations.contains(name), destinations.iter()));
    (from, to)
}

fn one_of_those<'n, N>(
    at: &At<'_>,
    kind: &str,
    is_known: impl Fn(&N) -> bool,
    known: impl ExactSizeIterator<Item = &'n N> + Clone,
) -> Option<N>
where
    N: std::str::FromStr + AsRef<str> + 'n,
    N::Err: std::fmt::Display,
{
    let name: N = at.named()?;
    if is_known(&name) {
        return Some(name);
    }
    let shown = at.shown(at.text()?);
    let near = nearest(name.as_ref(), known.clone().map(AsRef::as_ref));
    let help = match near {
        Some(near) => format!("did you mean '{near}'?"),
        None if known.len() == 0 => format!("there are no {kind}s yet: add one below '{kind}s'"),
        None => {
            let names: Vec<&str> = known.take(10).map(AsRef::as_ref).collect();
            format!("the {kind}s are: {}", names.join(", "))
        }
    };
    at.error("unknown_name", format!("there is no {kind} '{shown}'"), help);
    None
}

fn connections(at: &At<'_>, facts: Option<&SourceFacts>) -> Vec<ConnectionName> {
    let items = at.items().unwrap_or_default();
    if items.len() > CONNECTIONS_MAX {
        let message = format!("{} connections, at most {CONNECTIONS_MAX} are allowed", items.len());
        at.error("too_many", message, "leave 'connections' out to take the events of all");
    }
    items.iter().filter_map(|at| connection(at, facts)).collect()
}

fn connection(at: &At<'_>, facts: Option<&SourceFacts>) -> Option<ConnectionName> {
    let name: ConnectionName = at.named()?;
    if let Some(facts) = facts.filter(|facts| !facts.connections.contains(&name)) {
        let near = nearest(name.as_str(), facts.connections.iter().map(ConnectionName::as_str));
        let help = near.map_or_else(
            || "add it to the source's 'connections'".to_owned(),
            |near| format!("did you mean '{near}'?"),
        );
        at.warning("unknown_name", "the source has no such connection: none of its events will match", help);
    }
    Some(name)
}

/// `proves` is the most that the source's verification can prove.
fn assurance(fields: &mut Fields<'_>, proves: Option<Assurance>) -> Option<Assurance> {
    let at = fields.take("assurance");
    let wanted = at.as_ref().and_then(|at| at.choice(&Assurance::ALL.map(|one| (one.as_str(), one))));
    match (at, proves) {
        (Some(at), Some(proves)) if wanted.is_some_and(|wanted| wanted > proves) => {
            let message = format!("nothing would pass: the source's webhooks prove '{proves}' at most");
            at.error("assurance_unreachable", message, format!("write assurance: {proves}, or verify them better"));
        }
        (None, Some(Assurance::None)) => {
            let message = "anyone who knows the source's address can send events by this route: nothing is verified";
            let help = "write assurance: none if that is meant, or another to hold such events back";
            fields.at().warning("unverified", message, help);
        }
        _ => {}
    }
    wanted
}

/// `map` writes the body itself, so that `body` would say nothing beside it.
fn form(fields: &mut Fields<'_>) -> (Option<String>, Option<BodyMode>) {
    let map = fields.take("map");
    let body = fields.take("body");
    if let (Some(_), Some(body)) = (&map, &body) {
        body.error("conflict", "'body' says nothing beside 'map', whose result is the body", "remove one of them");
    }
    (map.and_then(|at| expression(&at)), body.and_then(|at| at.choice(&BODIES)))
}

fn order(fields: &mut Fields<'_>) -> (Ordering, OnDead) {
    let ordering = fields.take("ordering").and_then(|at| at.choice(&ORDERINGS)).unwrap_or_default();
    let on_dead = fields.take("on_dead");
    if let Some(at) = on_dead.as_ref().filter(|_| ordering == Ordering::None) {
        let message = "'on_dead' says nothing without an order: nothing waits for a dead delivery";
        at.error("conflict", message, "add ordering: subject, or remove 'on_dead'");
    }
    (ordering, on_dead.and_then(|at| at.choice(&ON_DEAD)).unwrap_or_default())
}

/// A filter that can only be a mistake is no error: it runs, and lets nothing through.
fn filter(at: &At<'_>) -> Option<String> {
    let text = expression(at)?;
    match doubt::of_filter(&text) {
        None => {}
        Some(Doubt::ConstantFalse) => {
            at.warning("when_is_false", "this lets nothing through", "pause the destination, or remove the route");
        }
        Some(Doubt::UnknownField { name, near }) => {
            let message = format!("no event has a field '{name}': whatever asks for it gets nothing");
            let help = match near {
                Some(near) => format!("did you mean '{near}'?"),
                None => "the payload's fields are below 'data', as in data.action".to_owned(),
            };
            at.warning("unknown_field", message, help);
        }
    }
    Some(text)
}

pub(super) fn expression(at: &At<'_>) -> Option<String> {
    let text = at.text()?.as_str();
    if let Err(error) = Expression::compile(text) {
        let place = error.place.map(|place| (place.line, place.column));
        at.error_within(place, error.code(), &error.message, error.hint.as_deref().unwrap_or_default());
    }
    Some(text.to_owned())
}
