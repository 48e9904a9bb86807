//! Alerts: what a person should know, who looks after it, and the channels by which people are told.

use std::cmp::Reverse;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domain::alert::Severity;
use domain::alert::rule::standard_of;
use domain::{AlertId, ChannelName, Timestamp};
use engine::access::Scope;
use engine::alert::{ChannelView, Spoken, TestFailed};
use maud::{Markup, html};
use store::read::Page;
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

/// Open alerts that are put in order. There is one per cause and object.
const OPEN_MAX: u32 = 500;

/// What is open: what nobody looks after first, the worst of it at the top.
pub(crate) async fn open(desk: &Desk, visitor: &Visitor) -> Result<Vec<(Severity, Alert)>, Trouble> {
    let open = desk.store().alerts(visitor.tenant().clone(), true, Page::first(OPEN_MAX)).await?.rows;
    let mut open: Vec<_> = open.into_iter().map(|alert| (severity(desk, visitor, &alert), alert)).collect();
    // Among equals the newest stays first.
    open.sort_by_key(|(severity, alert)| (alert.acknowledged_at.is_some(), Reverse(*severity)));
    Ok(open)
}

fn severity(desk: &Desk, visitor: &Visitor, alert: &Alert) -> Severity {
    desk.engine.alert_rule(visitor.tenant(), &alert.kind).severity
}

/// What is open stands above what is over, however much is over since.
pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor) -> Answer {
    visitor.needs(Scope::Read)?;
    let mut alerts = open(&desk, &visitor).await?;
    let more = alerts.len().saturating_sub(ROWS as usize);
    alerts.truncate(ROWS as usize);
    let newest = desk.store().alerts(visitor.tenant().clone(), false, Page::first(ROWS)).await?.rows;
    let over = newest.into_iter().filter(|alert| alert.resolved_at.is_some()).take(ROWS as usize - alerts.len());
    alerts.extend(over.map(|alert| (severity(&desk, &visitor, &alert), alert)));
    let channels = desk.engine.channels(visitor.tenant()).await?;
    let now = desk.now();
    let headings = ["State", "Severity", "What", "About", "Since", "Times", ""];
    let content = html! {
        h1 { "Alerts" }
        @if alerts.is_empty() { (part::empty("Nothing to tell", &html! { p { "What needs a person shows up here." } })) }
        @else {
            @if more > 0 { p.dim { (number(more as u64)) " more are open, which matter less: " code { "trireme alert list --limit 500" } " has them." } }
            (table::table("Alerts", &headings, alerts.iter().map(|(severity, alert)| row(&visitor, alert, *severity, now))))
        }
        (told(&visitor, &channels, now))
    };
    Ok(page(&visitor, "/alerts", "Alerts", &content))
}

fn row(visitor: &Visitor, alert: &Alert, severity: Severity, now: Timestamp) -> Vec<Markup> {
    let is_open = alert.resolved_at.is_none();
    vec![
        state(alert),
        tag(if is_open { tone(severity) } else { Tone::Dim }, severity.as_str()),
        html! {
            strong { (alert.kind.replace('_', " ")) }
            div.dim { (alert.detail) }
            @if let Some(rule) = standard_of(&alert.kind).filter(|_| is_open) { div { (part::words(rule.advice)) } }
        },
        about(&alert.object),
        html! { (Ago { at: alert.opened_at, now }) @if alert.count > 1 { div.dim { "last " (Ago { at: alert.last_at, now }) } } },
        html! { (number(alert.count)) @if alert.reopened > 0 { div.dim { "came back " (number(u64::from(alert.reopened))) } } },
        html! {
            @if is_open && visitor.may(Scope::Operate) {
                @if alert.acknowledged_at.is_none() {
                    (button(&format!("/alerts/{}/acknowledge", alert.id), "Acknowledge", &[], Weight::Plain))
                }
                (button(&format!("/alerts/{}/resolve", alert.id), "Resolve", &[], Weight::Plain))
            }
        },
    ]
}

fn state(alert: &Alert) -> Markup {
    match (alert.resolved_at, alert.acknowledged_at) {
        (Some(_), _) => html! {
            (tag(Tone::Dim, "resolved")) @if let Some(by) = &alert.resolved_by { div.dim { "by " (by) } }
        },
        (None, Some(_)) => html! {
            (tag(Tone::Warn, "acknowledged")) @if let Some(by) = &alert.acknowledged_by { div.dim { "by " (by) } }
        },
        (None, None) => tag(Tone::Bad, "open"),
    }
}

pub(crate) fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Critical => Tone::Bad,
        Severity::Warning => Tone::Warn,
        Severity::Info => Tone::Dim,
    }
}

/// By which ways people are told, and a button that tries each.
fn told(visitor: &Visitor, channels: &[ChannelView], now: Timestamp) -> Markup {
    let row = |channel: &ChannelView| {
        vec![
            html! { strong { (channel.name) } },
            html! { (channel.way) },
            tag(tone(channel.least), channel.least.as_str()),
            html! { (number(channel.waiting as u64)) },
            html! { @if let Some(at) = channel.sent_at { (Ago { at, now }) } },
            html! { @if let Some(problem) = &channel.problem { (tag(Tone::Bad, "failing")) div.dim { (problem) } } },
            html! {
                @if visitor.may(Scope::Operate) {
                    (button(&format!("/alerts/channels/{}/test", channel.name), "Send a test", &[], Weight::Plain))
                }
            },
        ]
    };
    html! {
        h2 { "Channels" }
        @if channels.is_empty() {
            p.fine { "Nobody is told of alerts outside of this page: channels are configured below " code { "alerts.channels" } "." }
        } @else {
            (table::table("Channels", &["Name", "Way", "From", "Waiting", "Last sent", "Problem", ""], channels.iter().map(row)))
        }
    }
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

pub(crate) async fn acknowledge(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(id): Path<AlertId>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    let known = desk.engine.acknowledge_alert(visitor.tenant(), id, visitor.key()).await?;
    known.ok_or_else(|| Trouble::not_found("open alert"))?;
    Ok(Redirect::to("/alerts").into_response())
}

/// Sends a test, and shows what came back.
pub(crate) async fn test(State(desk): State<Desk>, visitor: Visitor, Path(name): Path<ChannelName>) -> Answer {
    visitor.needs(Scope::Operate)?;
    let content = match desk.engine.test_channel(visitor.tenant(), name.as_str()).await {
        Err(TestFailed::NoChannel(_)) => return Err(Trouble::not_found("channel")),
        Err(TestFailed::Trouble(trouble)) => html! {
            h1 { "The test did not go through" }
            p { "Channel " strong { (name) } ": " (trouble.problem) }
        },
        Ok(Spoken { said, complaint }) => html! {
            h1 { "The test went through" }
            p { "Channel " strong { (name) } " answered: " span.mono { (said) } }
            @if let Some(complaint) = complaint { p.note { (complaint) } }
        },
    };
    let content = html! { (content) p { a href="/alerts" { "Back to the alerts" } } };
    Ok(page(&visitor, "/alerts", "Test of a channel", &content))
}

pub(crate) async fn resolve(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(id): Path<AlertId>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    desk.engine
        .dismiss_alert(visitor.tenant(), id, visitor.key())
        .await?
        .ok_or_else(|| Trouble::not_found("open alert"))?;
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
