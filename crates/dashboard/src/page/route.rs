//! One route: what it takes, what it makes of it, and what it delivered.

use axum::extract::State;
use domain::RouteName;
use engine::access::Scope;
use engine::spec::OnStale;
use engine::topology::Route;
use maud::{Markup, html};
use serde::Deserialize;
use store::read::{DeliveryFilter, Page};
use store::registry::ManagedBy;

use super::destination::deliveries;
use super::routes::order;
use crate::desk::Desk;
use crate::extract::{Path, Query};
use crate::list::address;
use crate::part::tag;
use crate::part::{self, facts, text_block};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::{crumbs, page};

const DELIVERIES_MAX: u32 = 15;

#[derive(Deserialize)]
pub(crate) struct Place {
    done: Option<String>,
}

pub(crate) async fn show(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(name): Path<RouteName>,
    Query(place): Query<Place>,
) -> Answer {
    visitor.needs(Scope::Read)?;
    let tenant = visitor.tenant();
    let topology = desk.engine.topology();
    let found = topology.route(tenant.as_str(), name.as_str());
    let route = found.ok_or_else(|| Trouble::not_found("route"))?;
    let filter = DeliveryFilter { route: Some(name.clone()), ..DeliveryFilter::default() };
    let last = desk.store().deliveries(tenant.clone(), filter, Page::first(DELIVERIES_MAX)).await?.rows;
    let content = html! {
        (crumbs("/routes", "Routes"))
        div.head {
            h1 { (name) }
            @if visitor.may(Scope::Operate) { a.button.main href=(address("/try", &[("route", Some(name.as_str()))])) { "Try it on an event" } }
        }
        (part::done(place.done.as_deref(), None))
        (about(route))
        (expression("when", "Lets through", route.spec.when.as_deref()))
        (expression("map", "Makes", route.spec.map.as_deref()))
        h2 { "Last deliveries" }
        @if last.is_empty() { p.dim { "It took no event yet." } } @else { (deliveries(&last, desk.now())) }
        details { summary { "Definition" }
            (text_block("definition", "The definition", &serde_json::to_string_pretty(&route.shown()).unwrap_or_default()))
        }
    };
    Ok(page(&visitor, "/routes", name.as_str(), &content))
}

fn about(route: &Route) -> Markup {
    let spec = &route.spec;
    let connections = spec.connections.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let fetched = spec.enrich.iter().map(|enrich| enrich.name.to_string()).collect::<Vec<_>>().join(", ");
    html! {
        section.card { (facts(vec![
            ("From", Some(html! { a href={ "/sources/" (spec.from) } { (spec.from) } })),
            ("To", Some(html! { a href={ "/destinations/" (spec.to) } { (spec.to) } })),
            ("Connections", (!connections.is_empty()).then(|| html! { (connections) })),
            ("Requires", spec.assurance.map(tag::assurance)),
            ("Fetches", (!fetched.is_empty()).then(|| html! { (fetched) })),
            ("Order", Some(html! { (order(spec.ordering)) })),
            ("Stale events", Some(html! { @match spec.stale { OnStale::Deliver => "delivered, and say so", OnStale::Drop => "dropped" } })),
            ("Managed by", Some(html! { @if spec.managed_by == ManagedBy::File { "the configuration file" } @else { "the API" } })),
        ])) }
    }
}

fn expression(id: &str, title: &str, text: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = text { h2 { (title) " " code { (id) } } (text_block(id, title, text)) }
    }
}
