//! Runs: what a poll, a first scan or a reconciliation read and found, and how far the sender can be relied on.

use axum::extract::State;
use domain::run::{Gap, Run, RunKind, RunState, Trust};
use domain::{RunId, Timestamp};
use engine::access::Scope;
use engine::streams::is_unjudged;
use maud::{Markup, html};

use crate::desk::Desk;
use crate::extract::Path;
use crate::part::form::{Weight, button};
use crate::part::tag::{self, Tone, number};
use crate::part::time::{Ago, took};
use crate::part::{facts, table, tile};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::{crumbs, page};

/// Gaps shown; all of them are events that can be searched.
const GAPS_MAX: usize = 200;

/// Some runs, for the page of their source.
pub(crate) fn list(runs: &[Run], now: Timestamp) -> Markup {
    let headings = ["Began", "What", "Stream", "State", "Read", "Told", "Missed", "Trust"];
    let row = |run: &Run| {
        vec![
            html! { a href={ "/runs/" (run.id) } { (Ago { at: run.started_at, now }) } },
            html! { (kind(run)) },
            html! { (run.key.stream) @if run.key.connection.as_str() != "default" { div.dim { (run.key.connection) } } },
            tag::run(run.state),
            html! { (number(run.figures.seen)) div.dim { (tag::of(run.figures.requests, "request", "requests")) } },
            html! { (number(run.figures.told)) },
            html! { @if run.figures.missed > 0 { (tag::tag(Tone::Warn, &number(run.figures.missed))) } @else { "0" } },
            html! { @if let Some(trust) = &run.trust { (caught(trust)) } @else { span.dim { "–" } } },
        ]
    };
    table::table("Runs", &headings, runs.iter().map(row))
}

fn kind(run: &Run) -> &'static str {
    match (run.kind, run.dry) {
        (RunKind::Poll, _) => "poll",
        (RunKind::Backfill, _) => "first scan",
        (RunKind::Reconcile, false) => "reconciliation",
        (RunKind::Reconcile, true) => "dry run",
    }
}

fn caught(trust: &Trust) -> Markup {
    let percent = trust.caught * 100.0;
    let tone = if percent >= 99.0 {
        Tone::Good
    } else if percent >= 90.0 {
        Tone::Warn
    } else {
        Tone::Bad
    };
    tag::told(
        tone,
        &format!("{percent:.1} %"),
        "Of the changes that were looked at: the share that a webhook had told.",
    )
}

pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor, Path(id): Path<RunId>) -> Answer {
    visitor.needs(Scope::Read)?;
    let tenant = visitor.tenant().clone();
    let run = desk.store().run(tenant.clone(), id).await?.ok_or_else(|| Trouble::not_found("run"))?;
    let gaps = desk.store().gaps(tenant, id).await?;
    let (now, source) = (desk.now(), &run.key.source);
    let content = html! {
        (crumbs(&format!("/sources/{source}"), source.as_str()))
        h1 { (kind(&run)) " of " (run.key.stream) }
        @if run.state == RunState::Running {
            p.said role="status" data-refresh="2" { "It goes on; this page shows how far it is when it is loaded again." }
        }
        @if let Some(problem) = &run.problem { p.note { (problem) } }
        @if run.state == RunState::Waiting && !is_unjudged(&run) && visitor.may(Scope::Operate) { (confirm(&run)) }
        (about(&run, now))
        (counted(&run))
        (found(&gaps, now))
    };
    Ok(page(&visitor, "/sources", kind(&run), &content))
}

fn confirm(run: &Run) -> Markup {
    let path = format!("/sources/{}/reconcile", run.key.source);
    let hidden =
        [("connection", run.key.connection.as_str()), ("stream", &*run.key.stream), ("wish", "confirm_deletes")];
    button(&path, "These are really gone: tell all of them", &hidden, Weight::Grave)
}

fn about(run: &Run, now: Timestamp) -> Markup {
    let ended = run.finished_at.map(|end| html! { (took(end.since(run.started_at))) });
    html! {
        section.card { (facts(vec![
            ("State", Some(tag::run(run.state))),
            ("Connection", Some(html! { (run.key.connection) })),
            ("Began", Some(html! { (Ago { at: run.started_at, now }) })),
            ("Took", ended),
            ("Webhooks told", run.trust.as_ref().map(caught)),
            ("Webhook delay", run.trust.as_ref().and_then(delay)),
        ])) }
    }
}

fn delay(trust: &Trust) -> Option<Markup> {
    let (half, most) = (trust.delay_p50?, trust.delay_p99?);
    Some(html! { "half within " (took(half)) ", 99 of 100 within " (took(most)) })
}

fn counted(run: &Run) -> Markup {
    let figures = &run.figures;
    let rows = [
        ("Requests", figures.requests, "sent to the source"),
        ("Read", figures.seen, "records"),
        ("Known", figures.matched, "as they were"),
        ("Told", figures.told, "events made"),
        ("Missed", figures.missed, "nobody had told"),
        ("Too young", figures.young, "judged in the next run"),
        ("Late", figures.late, "their webhook came after all"),
        ("Changed quietly", figures.changed, "without a new version"),
        ("Gone", figures.deleted, "deleted"),
        ("Perhaps gone", figures.unconfirmed, "not confirmed"),
    ];
    html! {
        div.tiles.small {
            @for (name, count, what) in rows { (tile(name, &number(count), &html! { span.dim { (what) } })) }
        }
    }
}

fn found(gaps: &[Gap], now: Timestamp) -> Markup {
    let row = |gap: &Gap| {
        vec![
            html! { span.mono { (gap.subject) } },
            html! { (gap.action.as_str()) },
            html! { @if let Some(event) = gap.event { a href={ "/events/" (event) } { "the event made of it" } } @else { span.dim { "none, a dry run" } } },
            html! { (Ago { at: gap.found_at, now }) },
            html! { @if let Some(at) = gap.late_at { (Ago { at, now }) } @else { span.dim { "no" } } },
        ]
    };
    html! {
        @if !gaps.is_empty() {
            h2 { "What was missing" }
            (table::table("Gaps", &["Subject", "What", "Event", "Found", "Did its webhook come"], gaps.iter().take(GAPS_MAX).map(row)))
            @if gaps.len() > GAPS_MAX { p.dim { (gaps.len() - GAPS_MAX) " more are not shown." } }
        }
    }
}
