//! Audit: who did what, whether the log holds, and the whole of it to take away.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::Timestamp;
use domain::audit::{Entry, Outcome, Verdict};
use engine::access::Scope;
use engine::audit::{RECENT_ENTRIES, Reader};
use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use maud::{Markup, html};
use serde::Deserialize;
use store::StoreError;
use store::audit::AuditFilter;

use crate::desk::Desk;
use crate::extract::Query;
use crate::list::{page_after, pager, said};
use crate::part::form::{Weight, button, choice, field};
use crate::part::tag::{Tone, number, tag};
use crate::part::time::Ago;
use crate::part::{self, table};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::page;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    who: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    object: String,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    after: Option<String>,
}

impl Which {
    fn filter(&self) -> Result<AuditFilter, Trouble> {
        let text = |text: &str| said(text).map(str::to_owned);
        let time = |text: &str| said(text).map(str::parse::<Timestamp>).transpose();
        let time = |text: &str| time(text).map_err(|error| Trouble::wrong(error.to_string()));
        let outcome = match said(&self.outcome) {
            None => None,
            Some(text) => Some(Outcome::parse(text).ok_or_else(|| Trouble::wrong("There is no such outcome."))?),
        };
        Ok(AuditFilter {
            who: text(&self.who),
            action: text(&self.action),
            object: text(&self.object),
            outcome,
            since: time(&self.since)?,
            until: time(&self.until)?,
        })
    }

    fn parameters(&self) -> [(&'static str, Option<&str>); 6] {
        [
            ("who", Some(&self.who)),
            ("action", Some(&self.action)),
            ("object", Some(&self.object)),
            ("outcome", Some(&self.outcome)),
            ("since", Some(&self.since)),
            ("until", Some(&self.until)),
        ]
    }
}

pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor, Query(which): Query<Which>) -> Answer {
    visitor.needs(Scope::Admin)?;
    let (tenant, now) = (visitor.tenant(), desk.now());
    let list = desk.store().audit(tenant.clone(), which.filter()?, page_after(which.after.as_deref())).await?;
    let verdict = desk.engine.audit().verify_recent(tenant).await?;
    let headings = ["When", "Who", "Did", "To", "Outcome", "Entry"];
    let content = html! {
        h1 { "Audit" }
        (shown(&verdict))
        (filters(&which))
        @if list.rows.is_empty() {
            (part::empty("No such entries", &html! { p { a href="/audit" { "See all" } } }))
        } @else {
            (table::table("Entries", &headings, list.rows.iter().map(|entry| row(entry, now))))
        }
        (pager("/audit", &which.parameters(), list.next.as_ref(), list.searched_until.is_some()))
    };
    Ok(page(&visitor, "/audit", "Audit", &content))
}

fn shown(verdict: &Verdict) -> Markup {
    html! {
        section.card role="status" {
            @if verdict.holds() {
                p { (tag(Tone::Good, "unbroken")) " The last " (number(verdict.entries)) " entries follow from one another, \
                    and are what the nodes signed." }
            } @else {
                p { (tag(Tone::Bad, "broken")) " Somebody changed what was written down:" }
                ul { @for fault in &verdict.faults { li { (fault.to_string()) } } }
                @if verdict.more > 0 { p.dim { (number(verdict.more)) " more." } }
            }
            p.dim { "This looks back " (number(RECENT_ENTRIES)) " entries at most; " code { "trireme audit verify" } " looks at all." }
            (button("/audit/export", "Export all", &[], Weight::Plain))
        }
    }
}

fn filters(which: &Which) -> Markup {
    let outcomes = Outcome::ALL.map(|outcome| (outcome.as_str().to_owned(), outcome.as_str().to_owned()));
    let outcomes: Vec<_> = [(String::new(), "any".to_owned())].into_iter().chain(outcomes).collect();
    html! {
        form.filters method="get" action="/audit" role="search" {
            (field("Who", "who", &which.who, "session, or a key's id"))
            (field("Did", "action", &which.action, "destination.*"))
            (field("To", "object", &which.object, "destination/app"))
            (choice("Outcome", "outcome", &outcomes, &which.outcome))
            (field("Since", "since", &which.since, "2026-01-31T09:30:00Z"))
            (field("Until", "until", &which.until, "2026-02-01T00:00:00Z"))
            button type="submit" { "Filter" }
        }
    }
}

fn row(entry: &Entry, now: Timestamp) -> Vec<Markup> {
    let note = &entry.note;
    vec![
        html! { (Ago { at: note.at, now }) },
        html! {
            (note.who.kind.as_str()) @if !note.who.id.is_empty() { " " span.mono { (note.who.id) } }
            @if !note.from.is_empty() { div.dim.mono { (note.from) } }
        },
        html! { span.mono { (note.action) } },
        html! { span.mono { (note.object) } @if !note.detail.is_empty() { div.dim { (note.detail) } } },
        outcome(note.outcome),
        html! { span.mono { (entry.sequence) } div.dim { (entry.node) } },
    ]
}

fn outcome(outcome: Outcome) -> Markup {
    match outcome {
        Outcome::Begun => tag(Tone::Warn, "begun"),
        Outcome::Done => tag(Tone::Good, "done"),
        Outcome::Failed => tag(Tone::Bad, "failed"),
        Outcome::Refused => tag(Tone::Warn, "refused"),
    }
}

/// The whole log, read as it is sent, as the API gives it.
pub(crate) async fn export(State(desk): State<Desk>, visitor: Visitor) -> Response {
    let lines = stream::try_unfold(desk.engine.audit().export(visitor.tenant()), next_lines);
    let headers =
        [(CONTENT_TYPE, "application/x-ndjson"), (CONTENT_DISPOSITION, "attachment; filename=\"trireme-audit.jsonl\"")];
    (headers, Body::from_stream(lines)).into_response()
}

async fn next_lines(mut reader: Reader) -> Result<Option<(String, Reader)>, StoreError> {
    let text = reader.next_text().await?;
    Ok(text.map(|text| (text, reader)))
}
