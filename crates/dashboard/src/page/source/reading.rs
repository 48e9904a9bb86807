//! How the API of a source is read: streams, what they may spend, what runs found, and what was asked.

use std::sync::Arc;

use domain::{Call, Timestamp};
use engine::access::Scope;
use engine::budget::BudgetView;
use engine::spec::BudgetScope;
use engine::streams::StreamView;
use engine::topology::Source;
use maud::{Markup, html};
use store::read::Page;
use store::reading::RunFilter;
use store::watch::CallFilter;

use crate::desk::Desk;
use crate::page::runs;
use crate::part::form::{Weight, button};
use crate::part::table;
use crate::part::tag::{Tone, bytes, number, of, percent, tag, told};
use crate::part::time::{Ago, ago, took};
use crate::reply::Trouble;
use crate::session::Visitor;

/// Streams shown; a source with more of them, or with many connections, is read through the API.
const STREAMS_MAX: usize = 40;
const RUNS_MAX: u32 = 10;
const CALLS_MAX: u32 = 15;
/// Of a stream's own state: enough to see where it stands.
const STATE_CHARS_MAX: usize = 200;

pub(super) async fn streams(desk: &Desk, visitor: &Visitor, source: &Source) -> Result<Markup, Trouble> {
    if source.spec.connector.is_none() {
        return Ok(html! {});
    }
    let mut own = desk.engine.streams(visitor.tenant()).await?;
    own.retain(|stream| stream.key.source == source.spec.name);
    let (count, now) = (own.len(), desk.now());
    let headings = ["Stream", "Last read", "Next", "Checkpoint", "Found", "Now"];
    let path = format!("/sources/{}", source.spec.name);
    let rows = own.iter().take(STREAMS_MAX).map(|stream| stream_row(visitor, &path, stream, now));
    Ok(html! {
        h2 { "Streams" }
        @if count == 0 {
            p.dim { "Nothing is read by itself. Say what is in the definition: " code { "streams: { orders: { poll: 30s } }" } "." }
        } @else { (table::table("Streams", &headings, rows)) }
        @if count > STREAMS_MAX { p.dim { (count - STREAMS_MAX) " more are not shown." } }
    })
}

fn stream_row(visitor: &Visitor, path: &str, stream: &StreamView, now: Timestamp) -> Vec<Markup> {
    let key = &stream.key;
    vec![
        html! { strong { (key.stream) } @if key.connection.as_str() != "default" { div.dim { (key.connection) } } },
        html! {
            (ago(stream.progress.read_at, now))
            @if stream.failures > 0 { div { (told(Tone::Bad, &format!("failed {} ×", stream.failures), "Polls that failed in a row.")) } }
        },
        html! {
            @if stream.running { (tag(Tone::Busy, "reading")) }
            @else if let Some(at) = stream.next_at { (Ago { at, now }) }
            @else { span.dim { "as the budget allows" } }
            @if let Some(at) = stream.reconcile_at { div.dim { "compared " (Ago { at, now }) } }
        },
        checkpoint(stream, now),
        found(stream),
        html! { @if visitor.may(Scope::Operate) { (orders(path, stream)) } },
    ]
}

/// What the format writes where a stream has no cursor: nothing that would tell a person where it stands.
const NO_CURSOR: &str = "__ab_no_cursor_state_message";

fn checkpoint(stream: &StreamView, now: Timestamp) -> Markup {
    let state: String = stream.state.chars().take(STATE_CHARS_MAX).collect();
    let is_telling = !matches!(&*state, "" | "{}" | "null") && !state.contains(NO_CURSOR);
    html! {
        @if stream.baseline_at.is_none() { (told(Tone::Warn, "first scan", "Until its first complete scan ends, nothing else is told of it.")) }
        @if is_telling { div.mono.small { (state) } }
        @else if let Some(at) = stream.baseline_at { div.dim { "first scan " (Ago { at, now }) } }
    }
}

fn found(stream: &StreamView) -> Markup {
    let progress = &stream.progress;
    html! {
        (of(progress.changes, "change", "changes"))
        div.dim {
            (of(progress.polls, "poll", "polls")) ", " (percent(progress.empty, progress.polls)) " for nothing"
            @if let Some(each) = stream.requests_per_change() { ", " (format!("{each:.1}")) " requests each" }
        }
    }
}

fn orders(path: &str, stream: &StreamView) -> Markup {
    let (connection, name) = (stream.key.connection.as_str(), &*stream.key.stream);
    let stream = [("connection", connection), ("stream", name)];
    let compare = |label: &str, wish: &str| {
        button(&format!("{path}/reconcile"), label, &[&stream[..], &[("wish", wish)]].concat(), Weight::Plain)
    };
    html! {
        div.row {
            (button(&format!("{path}/poll"), "Poll", &stream, Weight::Plain))
            (compare("Compare, dry run", "dry_run"))
            (compare("Reconcile", "reconcile"))
        }
    }
}

/// Whether what a source is asked for is paid from this budget.
fn is_paid_from(scope: &str, source: &str, shared: Option<&str>) -> bool {
    let mut parts = scope.split('/');
    match (parts.next(), parts.next()) {
        (Some("connection" | "source" | "polls"), Some(name)) => name == source,
        (Some("shared"), name) => name.is_some() && name == shared,
        _ => false,
    }
}

pub(super) async fn budgets(desk: &Desk, visitor: &Visitor, source: &Source) -> Result<Markup, Trouble> {
    let Some(connector) = &source.spec.connector else { return Ok(html! {}) };
    let shared = connector.budget.as_ref().and_then(|budget| match &budget.scope {
        BudgetScope::Named(name) => Some(name.clone()),
        BudgetScope::Connection | BudgetScope::Source => None,
    });
    let mut all = desk.engine.budget_views(visitor.tenant()).await?;
    all.retain(|budget| is_paid_from(&budget.scope, source.spec.name.as_str(), shared.as_deref()));
    let now = desk.now();
    Ok(html! {
        @if !all.is_empty() {
            h2 { "Budget" }
            (table::table("Budget", &["Who shares it", "Allowed", "Used", "Left, says the source", "Waiting"], all.iter().take(STREAMS_MAX).map(|budget| budget_row(budget, now))))
        }
    })
}

fn budget_row(budget: &BudgetView, now: Timestamp) -> Vec<Markup> {
    let allowed = budget.allowance.map(|allowance| allowance.rate.to_string());
    let used = number(budget.used);
    vec![
        table::mono(&budget.scope),
        html! { @if let Some(allowed) = allowed { (allowed) } @else { span.dim { "as the source says" } } },
        html! {
            (used)
            @if let Some(share) = budget.share() { " " meter min="0" max="1" high="0.9" value=(format!("{share:.3}")) aria-label={ "Used of " (budget.scope) } {} }
        },
        html! {
            @if let Some(left) = budget.left { (number(left)) } @else { span.dim { "–" } }
            @if let Some(until) = budget.stopped_until.filter(|until| *until > now) { div { (tag(Tone::Warn, "stopped")) " " (Ago { at: until, now }) } }
        },
        html! { (budget.waiting) },
    ]
}

pub(super) async fn runs(desk: &Desk, visitor: &Visitor, source: &Source) -> Result<Markup, Trouble> {
    if source.spec.connector.is_none() {
        return Ok(html! {});
    }
    let filter = RunFilter { source: Some(source.spec.name.clone()), ..RunFilter::default() };
    let runs = desk.store().runs(visitor.tenant().clone(), filter, Page::first(RUNS_MAX)).await?.rows;
    Ok(html! {
        h2 { "Last runs" }
        @if runs.is_empty() { p.dim { "None yet: polls that find nothing are counted, not listed." } }
        @else { (runs::list(&runs, desk.now())) }
    })
}

pub(super) async fn calls(desk: &Desk, visitor: &Visitor, source: &Source) -> Result<Markup, Trouble> {
    if source.spec.connector.is_none() {
        return Ok(html! {});
    }
    let filter = CallFilter { source: Some(source.spec.name.clone()), ..CallFilter::default() };
    let calls = desk.store().calls(visitor.tenant().clone(), filter, Page::first(CALLS_MAX)).await?.rows;
    let now = desk.now();
    let headings = ["When", "What for", "Asked", "Answer", "Took", "Left"];
    Ok(html! {
        h2 { "Last calls" }
        @if calls.is_empty() { p.dim { "Nothing was asked yet." } }
        @else { (table::table("Last calls", &headings, calls.iter().map(|call| call_row(call, now)))) }
    })
}

fn call_row(call: &Call, now: Timestamp) -> Vec<Markup> {
    let stream = call.stream.as_ref().map(Arc::as_ref).unwrap_or_default();
    let answer = match (call.status, &call.error) {
        (Some(status), _) => status.to_string(),
        (None, Some(error)) => error.to_string(),
        (None, None) => "none".to_owned(),
    };
    vec![
        html! { (Ago { at: call.started_at, now }) },
        html! { (call.purpose.as_str()) @if !stream.is_empty() { div.dim { (stream) } } },
        html! { span.mono.small { (call.method) " " (call.url) } },
        tag(if call.failed() { Tone::Bad } else { Tone::Good }, &answer),
        html! { (took(call.duration)) div.dim { (bytes(call.bytes)) } },
        html! { @if let Some(left) = call.budget_left { (number(left)) } @else { span.dim { "–" } } },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_shown_the_budgets_it_pays_from_and_no_others() {
        for (scope, is_its_own) in [
            ("connection/shop/acme", true),
            ("source/shop", true),
            ("polls/shop", true),
            ("shared/crm", true),
            ("shared/other", false),
            ("connection/shopify/acme", false),
            ("", false),
        ] {
            assert_eq!(is_paid_from(scope, "shop", Some("crm")), is_its_own, "{scope}");
        }
        assert!(!is_paid_from("shared", "shop", None));
    }
}
