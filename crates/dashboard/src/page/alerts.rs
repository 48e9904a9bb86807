//! Alerts: what a person should know, open until it is resolved.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domain::{AlertId, Timestamp};
use engine::access::Scope;
use maud::{Markup, html};
use store::registry::Alert;

use crate::desk::Desk;
use crate::extract::Path;
use crate::list::{ROWS, address};
use crate::part::form::{Weight, button};
use crate::part::tag::{Tone, number, tag};
use crate::part::time::Ago;
use crate::part::{self, table};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::page;

pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor) -> Answer {
    visitor.needs(Scope::Read)?;
    let alerts = desk.store().alerts(visitor.tenant().clone(), false, ROWS).await?;
    let now = desk.now();
    let headings = ["State", "What", "About", "Since", "Times", ""];
    let content = html! {
        h1 { "Alerts" }
        @if alerts.is_empty() { (part::empty("Nothing to tell", &html! { p { "What needs a person shows up here." } })) }
        @else { (table::table("Alerts", &headings, alerts.iter().map(|alert| row(&visitor, alert, now)))) }
    };
    Ok(page(&visitor, "/alerts", "Alerts", &content))
}

fn row(visitor: &Visitor, alert: &Alert, now: Timestamp) -> Vec<Markup> {
    vec![
        html! { @if alert.resolved_at.is_some() { (tag(Tone::Dim, "resolved")) } @else { (tag(Tone::Bad, "open")) } },
        html! { strong { (alert.kind.replace('_', " ")) } div.dim { (alert.detail) } },
        about(&alert.object),
        html! { (Ago { at: alert.opened_at, now }) @if alert.count > 1 { div.dim { "last " (Ago { at: alert.last_at, now }) } } },
        html! { (number(alert.count)) },
        html! {
            @if alert.resolved_at.is_none() && visitor.may(Scope::Operate) {
                (button(&format!("/alerts/{}/resolve", alert.id), "Resolve", &[], Weight::Plain))
            }
        },
    ]
}

/// What an alert is about, with a way there.
pub(crate) fn about(object: &str) -> Markup {
    html! {
        @match path_of(object) {
            Some(path) => a.mono href=(path) { (object) },
            None => span.mono { (object) },
        }
    }
}

/// The page where a person can do something about it.
fn path_of(object: &str) -> Option<String> {
    let parts: Vec<&str> = object.split('/').collect();
    match parts[..] {
        ["route", route, "destination", destination] => {
            Some(address("/dead-letters", &[("route", Some(route)), ("destination", Some(destination))]))
        }
        ["source", name, ..] => Some(format!("/sources/{name}")),
        ["destination", name] => Some(format!("/destinations/{name}")),
        ["route", name] => Some(format!("/routes/{name}")),
        _ => None,
    }
}

pub(crate) async fn resolve(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(id): Path<AlertId>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    desk.engine.dismiss_alert(visitor.tenant(), id).await?.ok_or_else(|| Trouble::not_found("open alert"))?;
    Ok(Redirect::to("/alerts").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_leads_to_where_something_can_be_done() {
        for (object, path) in [
            ("source/shop/connection/acme/stream/orders", Some("/sources/shop")),
            ("destination/app", Some("/destinations/app")),
            ("route/r", Some("/routes/r")),
            ("route/r/destination/app", Some("/dead-letters?route=r&destination=app")),
            ("store", None),
        ] {
            assert_eq!(path_of(object).as_deref(), path);
        }
    }
}
