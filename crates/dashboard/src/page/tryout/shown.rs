//! The panel as it is shown: what can be changed on one side, what comes of it on the other.

use domain::Timestamp;
use engine::access::Scope;
use engine::prepare::{Passing, Trial};
use maud::{Markup, html};
use store::dispatch::Prepared;
use store::read::EventRow;

use super::Bench;
use super::save::definition_text;
use crate::part::form::{area, choice, field};
use crate::part::json::laid_out;
use crate::part::tag::{Tone, bytes, tag};
use crate::part::time::{Ago, rough};
use crate::part::{self, empty, text_block};
use crate::session::Visitor;
use crate::view::crumbs;

/// Of an event or a result: what fits a page.
const SHOWN_BYTES_MAX: usize = 20 * 1024;

pub(super) fn panel(visitor: &Visitor, bench: &Bench, now: Timestamp) -> Markup {
    let route = &bench.panel.route;
    let title = if route.is_empty() { "A new route".to_owned() } else { format!("Try {route}") };
    html! {
        (crumbs("/routes", "Routes"))
        h1 { (title) }
        @if bench.draft.is_none() {
            (empty("There is nothing to route yet", &html! { p { "A route needs a " a href="/sources" { "source" } " and a " a href="/destinations" { "destination" } "." } }))
        } @else {
            div.halves {
                (form(visitor, bench, now))
                section #result aria-live="polite" data-result { (result(bench)) }
            }
            (root(bench, now))
            (as_text(bench))
        }
    }
}

fn form(visitor: &Visitor, bench: &Bench, now: Timestamp) -> Markup {
    let panel = &bench.panel;
    let names = |names: &[String]| names.iter().map(|name| (name.clone(), name.clone())).collect::<Vec<_>>();
    html! {
        form.card.stackform method="post" action="/try" data-try {
            @if panel.route.is_empty() {
                div.row { (choice("From", "from", &names(&bench.sources), &panel.from)) (choice("To", "to", &names(&bench.destinations), &panel.to))
                    (field("Name", "name", &panel.name, &format!("{}-{}", panel.from, panel.to))) }
            } @else { input type="hidden" name="route" value=(panel.route); }
            // Another source has other events: a script puts those of the answer in the place of these.
            div data-events=(panel.from) {
                @if bench.events.is_empty() { (field("Event", "event", &panel.event, "evt_…")) }
                @else { (choice("Event", "event", &events(&bench.events, &panel.event, now), &panel.event)) }
            }
            (area("Lets through (when)", "when", panel.when.as_deref().unwrap_or_default(), "data.action = 'opened'", 3))
            (area("Makes (map)", "map", panel.map.as_deref().unwrap_or_default(), "{ 'id': data.id }", 8))
            p.dim.small { "Both are JSONata. Empty: everything goes through, as it is." }
            div.row {
                button.main type="submit" { "Try" }
                @if visitor.may(Scope::Admin) && !bench.by_file { button type="submit" formaction="/routes" { "Save the route" } }
            }
        }
    }
}

fn events(rows: &[EventRow], chosen: &str, now: Timestamp) -> Vec<(String, String)> {
    let shown = |row: &EventRow| {
        let event = &row.event;
        let subject = event.subject.as_ref().map(|subject| format!(" · {subject}")).unwrap_or_default();
        (event.id.to_string(), format!("{}{subject} · {} ago", event.event_type, rough(now.since(event.received_at))))
    };
    let mut options: Vec<_> = rows.iter().map(shown).collect();
    if !chosen.is_empty() && !options.iter().any(|(id, _)| id == chosen) {
        options.insert(0, (chosen.to_owned(), chosen.to_owned()));
    }
    options
}

fn result(bench: &Bench) -> Markup {
    let Some(trial) = &bench.trial else {
        return empty("No event to try it on", &html! { p { "This source has accepted none yet." } });
    };
    html! {
        div.row {
            @match &trial.passing {
                Passing::Passes => { (tag(Tone::Good, "goes through")) },
                Passing::Stopped => { (tag(Tone::Warn, "filtered")) span.dim { "when did not let it through" } },
                Passing::Failed(_) => { (tag(Tone::Bad, "when failed")) },
            }
        }
        @if let Passing::Failed(why) = &trial.passing { p.note { (why) } }
        (sent(trial))
        @if let Some(records) = &trial.enriched {
            h2 { "Fetched for it" }
            (text_block("enriched", "Records that were fetched", &cut(&serde_json::to_string_pretty(records).unwrap_or_default())))
        }
    }
}

fn sent(trial: &Trial) -> Markup {
    let is_sent = trial.passing == Passing::Passes;
    html! {
        @match &trial.body {
            Ok(body) => {
                h2 { @if is_sent { "What is sent" } @else { "What would be sent" } " " span.dim { (bytes(body.body.len() as u64)) " " (body.content_type) } }
                (text_block("sent", "The body", &shown_body(body)))
            },
            Err(why) => p.note { (why) },
        }
    }
}

fn shown_body(body: &Prepared) -> String {
    let text =
        laid_out(&body.body, SHOWN_BYTES_MAX).unwrap_or_else(|| String::from_utf8_lossy(&body.body).into_owned());
    cut(&text)
}

fn cut(text: &str) -> String {
    let end = part::cut(text, SHOWN_BYTES_MAX).len();
    if end == text.len() {
        text.to_owned()
    } else {
        format!("{}\n… {} more", &text[..end], bytes((text.len() - end) as u64))
    }
}

fn root(bench: &Bench, now: Timestamp) -> Markup {
    let as_text = |root: Vec<u8>| String::from_utf8_lossy(&root).into_owned();
    let root = bench.root().map(|root| laid_out(&root, SHOWN_BYTES_MAX).unwrap_or_else(|| as_text(root)));
    html! {
        @if let (Some(root), Some(event)) = (root, &bench.event) {
            details data-root open { summary { "The event, as expressions see it" }
                p { a href={ "/events/" (event.id) } { (event.event_type) } " of " (event.source) ", " (Ago { at: event.received_at, now }) }
                (text_block("root", "The event", &cut(&root)))
            }
        }
    }
}

fn as_text(bench: &Bench) -> Markup {
    html! {
        @if let Some(draft) = &bench.draft {
            details data-definition open[bench.by_file] { summary { "For the configuration file" }
                @if bench.by_file { p.dim { "The file owns this route: put this there and reload." } }
                (text_block("definition", "The route as YAML", &definition_text(bench, draft)))
            }
        }
    }
}
