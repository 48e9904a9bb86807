//! Schemas: what the events of a type and the records of a stream look like, as it was learned, and what changed.

use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use domain::Timestamp;
use domain::shape::{Line, Severity, json_schema, outline};
use engine::access::Scope;
use maud::{Markup, html};
use serde::Deserialize;
use store::shapes::{ShapeChange, ShapeHead, ShapeKey, ShapeOf, ShapeRow};

use crate::desk::Desk;
use crate::extract::{Form, Query};
use crate::list::{address, page_after, pager, said};
use crate::part::form::{Weight, button, field};
use crate::part::tag::{self, Tone, number};
use crate::part::time::{Ago, ago};
use crate::part::{self, facts, table};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::{crumbs, page};
use crate::written::told;

/// Places that a page shows: a schema with more is read as JSON Schema, not as a table.
const PLACES_MAX: usize = 200;
/// Changes that a page shows; the API lists all that are kept.
const CHANGES_MAX: usize = 50;
/// What the texts of either may come to, in bytes: a page stays below a hundred kilobytes with all its markup.
const TEXT_MAX: usize = 8_000;

/// How many of these fit into a page, by the length of the texts of each.
fn fitting<T>(all: &[T], most: usize, length: impl Fn(&T) -> usize) -> usize {
    let mut sum = 0;
    all.iter()
        .take(most)
        .take_while(|one| {
            sum += length(one);
            sum <= TEXT_MAX
        })
        .count()
}

#[derive(Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    source: String,
    after: Option<String>,
    done: Option<String>,
}

/// What names one schema, in an address and in a form.
#[derive(Deserialize)]
pub(crate) struct Place {
    source: String,
    of: String,
    name: String,
}

impl Place {
    fn key(&self, visitor: &Visitor) -> Result<ShapeKey, Trouble> {
        let missing = || Trouble::not_found("schema");
        let of = match self.of.as_str() {
            "event" => ShapeOf::Event,
            "stream" => ShapeOf::Stream,
            _ => return Err(missing()),
        };
        let source = self.source.parse().map_err(|_| missing())?;
        Ok(ShapeKey { tenant: visitor.tenant().clone(), source, of, name: self.name.as_str().into() })
    }
}

fn word(of: ShapeOf) -> &'static str {
    match of {
        ShapeOf::Event => "event",
        ShapeOf::Stream => "stream",
    }
}

fn place(path: &str, key: &ShapeKey) -> String {
    let parameters = [("source", Some(key.source.as_str())), ("of", Some(word(key.of))), ("name", Some(&*key.name))];
    address(path, &parameters)
}

pub(crate) async fn list(State(desk): State<Desk>, visitor: Visitor, Query(which): Query<Which>) -> Answer {
    visitor.needs(Scope::Read)?;
    let source = said(&which.source).map(str::parse).transpose();
    let source = source.map_err(|error| Trouble::wrong(format!("source: {error}")))?;
    let tenant = visitor.tenant().clone();
    let listed = desk.store().shapes(tenant, source, page_after(which.after.as_deref())).await?;
    let now = desk.now();
    let headings = ["Of", "Source", "Version", "Changed", "Looked at", "Last"];
    let content = html! {
        h1 { "Schemas" }
        (part::done(which.done.as_deref(), None))
        form.filters method="get" action="/schemas" {
            (field("Source", "source", &which.source, "any"))
            button type="submit" { "Show" }
        }
        @if listed.rows.is_empty() {
            (part::empty("Nothing is learned yet", &html! {
                p { "What events and records look like is learned from the first ones that come. " a href="/events" { "See the events" } }
            }))
        } @else {
            (table::table("Schemas", &headings, listed.rows.iter().map(|head| row(head, now))))
        }
        (pager("/schemas", &[("source", Some(&which.source))], listed.next.as_ref(), false))
    };
    Ok(page(&visitor, "/schemas", "Schemas", &content))
}

fn row(head: &ShapeHead, now: Timestamp) -> Vec<Markup> {
    vec![
        html! { a href=(place("/schemas/show", &head.key)) { (head.key.name) } div.dim { (word(head.key.of)) } },
        html! { (head.key.source) },
        html! { (head.version) },
        html! { (ago(head.changed_at, now)) },
        html! { (number(head.seen)) },
        html! { (Ago { at: head.last_at, now }) },
    ]
}

async fn find(desk: &Desk, key: &ShapeKey) -> Result<ShapeRow, Trouble> {
    desk.store().shape(key.clone()).await?.ok_or_else(|| Trouble::not_found("schema"))
}

pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor, Query(which): Query<Place>) -> Answer {
    visitor.needs(Scope::Read)?;
    let key = which.key(&visitor)?;
    let row = find(&desk, &key).await?;
    let changes = desk.store().shape_changes(key.clone()).await?;
    let now = desk.now();
    let content = html! {
        (crumbs("/schemas", "Schemas"))
        h1 { (key.name) }
        (about(&row, now))
        p {
            a.button href=(place("/schemas/schema.json", &key)) { "As JSON Schema" } " "
            @if visitor.may(Scope::Operate) {
                (button("/schemas/forget", "Learn it anew", &[("source", key.source.as_str()), ("of", word(key.of)), ("name", &*key.name)], Weight::Grave))
            }
        }
        h2 { "Changes" }
        @if changes.is_empty() { p.dim { "None: every value looked as those before." } }
        @else { (changed(&changes, now)) }
        h2 { "What it looks like" }
        (looks(&outline(&row.shape)))
    };
    Ok(page(&visitor, "/schemas", &key.name, &content))
}

fn about(row: &ShapeRow, now: Timestamp) -> Markup {
    let ShapeHead { key, version, seen, first_at, last_at, changed_at } = &row.head;
    let what = match key.of {
        ShapeOf::Event => "the data of events of a type",
        ShapeOf::Stream => "the records of a stream",
    };
    facts(vec![
        ("Of", Some(html! { (what) ", source " a href={ "/sources/" (key.source) } { (key.source) } })),
        ("Version", Some(html! { (version) @if changed_at.is_some() { ", " (ago(*changed_at, now)) } })),
        (
            "Looked at",
            Some(
                html! { (tag::of(*seen, "value", "values")) ", from " (Ago { at: *first_at, now }) " to " (Ago { at: *last_at, now }) },
            ),
        ),
        (
            "Learning",
            (!row.shape.is_trusted()).then(|| html! { "Too few were seen for anything to count as a change." }),
        ),
        ("Partly", row.shape.is_partial().then(|| html! { "The values have more places than are remembered." })),
    ])
}

fn changed(changes: &[ShapeChange], now: Timestamp) -> Markup {
    let row = |change: &ShapeChange| {
        let severity = change.change.what.severity();
        let tone = match severity {
            Severity::Compatible => Tone::Dim,
            Severity::Notable => Tone::Warn,
            Severity::Breaking => Tone::Bad,
        };
        vec![
            html! { (Ago { at: change.at, now }) },
            html! { (change.version) },
            tag::tag(tone, severity.as_str()),
            html! { (change.change.sentence()) },
            html! {
                @if !change.example.is_empty() { code { (change.example) } }
                @if let Some(event) = change.event { div { a href={ "/events/" (event) } { "the event" } } }
            },
        ]
    };
    let headings = ["When", "Version", "Severity", "What", "Example"];
    let shown = fitting(changes, CHANGES_MAX, |change| change.change.sentence().len() + change.example.len());
    html! {
        (table::table("Changes", &headings, changes.iter().take(shown).map(row)))
        @if changes.len() > shown { p.dim { (changes.len() - shown) " older ones are not shown." } }
    }
}

fn looks(lines: &[Line]) -> Markup {
    let row = |line: &Line| {
        let kinds: Vec<&str> = line.kinds.iter().map(|kind| kind.as_str()).collect();
        vec![
            table::mono(&line.at),
            html! { (kinds.join(" or ")) @if let Some(format) = line.format { div.dim { (format.as_str()) } } },
            html! { @if line.optional { span.dim { "sometimes" } } @else { "always" } },
            html! { @for (nth, value) in line.values.iter().enumerate() { @if nth > 0 { ", " } code { (value) } } },
        ]
    };
    let shown = fitting(lines, PLACES_MAX, |line| line.at.len() + line.values.iter().map(String::len).sum::<usize>());
    html! {
        (table::table("Places", &["Where", "Kind", "There", "One of"], lines.iter().take(shown).map(row)))
        @if lines.len() > shown { p.dim { (lines.len() - shown) " more places are in the JSON Schema." } }
    }
}

pub(crate) async fn export(
    State(desk): State<Desk>,
    visitor: Visitor,
    Query(which): Query<Place>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Read)?;
    let row = find(&desk, &which.key(&visitor)?).await?;
    let schema = json_schema(&row.shape, &row.head.key.name);
    let headers =
        [(CONTENT_TYPE, "application/schema+json"), (CONTENT_DISPOSITION, "attachment; filename=\"schema.json\"")];
    Ok((headers, schema.to_string()).into_response())
}

pub(crate) async fn forget(
    State(desk): State<Desk>,
    visitor: Visitor,
    Form(which): Form<Place>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    if !desk.store().forget_shape(which.key(&visitor)?).await? {
        return Err(Trouble::not_found("schema"));
    }
    let object = format!("source/{}/{}/{}", which.source, which.of, which.name);
    Ok(told(Some(object), "", Redirect::to("/schemas?done=forgotten")))
}
