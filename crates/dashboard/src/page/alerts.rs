//! Alerts: what a person should know, open until it is resolved.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::AlertId;
use engine::access::Scope;
use maud::html;

use crate::desk::Desk;
use crate::list::ROWS;
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::{Ago, empty, page};

pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor) -> Answer {
    visitor.needs(Scope::Read)?;
    let alerts = desk.store().alerts(visitor.0.tenant.clone(), false, ROWS).await?;
    let now = desk.now();
    let content = html! {
        h1 { "Alerts" }
        @if alerts.is_empty() { (empty("Nothing to tell", &html! { p { "What needs a person shows up here." } })) }
        @else {
            div.scroll { table {
                thead { tr { th scope="col" { "State" } th scope="col" { "What" } th scope="col" { "About" } th scope="col" { "Since" } th scope="col" { "Times" } th scope="col" { "" } } }
                tbody { @for alert in &alerts { tr {
                    td { @if alert.resolved_at.is_some() { span.tag.dim { "resolved" } } @else { span.tag.bad { "open" } } }
                    td.wide { strong { (alert.kind) } div.dim { (alert.detail) } }
                    td.mono { (alert.object) }
                    td { (Ago { at: alert.opened_at, now }) }
                    td { (alert.count) }
                    td { @if alert.resolved_at.is_none() && visitor.may(Scope::Operate) {
                        form method="post" action={ "/alerts/" (alert.id) "/resolve" } { button type="submit" { "Resolve" } }
                    } }
                } } }
            } }
        }
    };
    Ok(page(&visitor, "/alerts", "Alerts", &content))
}

pub(crate) async fn resolve(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(id): Path<AlertId>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    desk.engine.dismiss_alert(&visitor.0.tenant, id).await?.ok_or_else(|| Trouble::not_found("open alert"))?;
    Ok(Redirect::to("/alerts").into_response())
}
