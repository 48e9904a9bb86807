//! Routes: which events go where, and in what form.

use std::sync::Arc;

use axum::extract::State;
use domain::ordering::Ordering;
use engine::access::Scope;
use engine::topology::Route;
use maud::{Markup, html};
use serde::Deserialize;

use crate::desk::Desk;
use crate::extract::Query;
use crate::list::{by_name, pager};
use crate::part::{self, table};
use crate::reply::Page as Answer;
use crate::session::Visitor;
use crate::view::page;

/// Of an expression: enough to recognise it.
const EXPRESSION_CHARS_MAX: usize = 120;

#[derive(Deserialize)]
pub(crate) struct Place {
    after: Option<String>,
    done: Option<String>,
}

pub(crate) async fn list(State(desk): State<Desk>, visitor: Visitor, Query(place): Query<Place>) -> Answer {
    visitor.needs(Scope::Read)?;
    let topology = desk.engine.topology();
    let own = topology.routes().filter(|route| route.spec.tenant == *visitor.tenant());
    let all: Vec<_> = own.map(|route| (route.spec.name.to_string(), Arc::clone(route))).collect();
    let is_empty = all.is_empty();
    let (rows, next) = by_name(all, place.after.as_deref());
    let headings = ["Route", "From", "To", "Lets through", "Makes", "Order"];
    let content = html! {
        div.head {
            h1 { "Routes" }
            @if visitor.may(Scope::Operate) { a.button.main href="/try" { "Try a new one" } }
        }
        (part::done(place.done.as_deref(), None))
        @if is_empty { (part::empty("No event goes anywhere yet", &html! {
            p { "A route takes the events of a source to a destination: " code { "routes: [{ from: github, to: app }]" } "." }
        })) }
        @else { (table::table("Routes", &headings, rows.iter().map(|(_, route)| row(route)))) }
        (pager("/routes", &[], next.as_ref(), false))
    };
    Ok(page(&visitor, "/routes", "Routes", &content))
}

fn row(route: &Route) -> Vec<Markup> {
    let spec = &route.spec;
    vec![
        html! { a href={ "/routes/" (spec.name) } { (spec.name) } },
        html! { a href={ "/sources/" (spec.from) } { (spec.from) } },
        html! { a href={ "/destinations/" (spec.to) } { (spec.to) } },
        expression(spec.when.as_deref(), "everything"),
        expression(spec.map.as_deref(), "the event as it is"),
        html! { (order(spec.ordering)) },
    ]
}

fn expression(text: Option<&str>, without: &str) -> Markup {
    html! {
        @if let Some(text) = text { code { (text.chars().take(EXPRESSION_CHARS_MAX).collect::<String>()) } }
        @else { span.dim { (without) } }
    }
}

pub(crate) const fn order(ordering: Ordering) -> &'static str {
    match ordering {
        Ordering::None => "none",
        Ordering::Subject => "by subject",
        Ordering::Destination => "one after another",
    }
}
