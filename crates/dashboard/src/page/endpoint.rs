//! Instant endpoints: made in one click, seen live, told what to answer, and given a sender.

mod act;
mod sender;

use axum::extract::State;
use domain::SourceName;
use engine::access::Scope;
use engine::definition::print_duration;
use engine::endpoint::is_endpoint;
use engine::topology::Source;
use maud::{Markup, html};
use serde::Deserialize;
use store::read::EventFilter;

use super::events;
use super::source::find;
use crate::desk::{Base, Desk};
use crate::extract::{Path, Query};
use crate::list::{address, page_after};
use crate::part::form::{Weight, area, button, field};
use crate::part::{self, text_block};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::{crumbs, page};

pub(crate) use act::{choose, make, remove, set_reply};

#[derive(Deserialize)]
pub(crate) struct Place {
    done: Option<String>,
    /// Whose secrets are asked for.
    #[serde(default)]
    sender: String,
}

pub(crate) async fn show(
    State(desk): State<Desk>,
    visitor: Visitor,
    base: Base,
    Path(name): Path<SourceName>,
    Query(place): Query<Place>,
) -> Answer {
    visitor.needs(Scope::Read)?;
    let source = find(&desk, &visitor, &name)?;
    if !is_endpoint(&source.spec) {
        return Err(Trouble::not_found("endpoint"));
    }
    let url = base.ingest(visitor.tenant(), &name);
    let filter = EventFilter { source: Some(name.clone()), ..EventFilter::default() };
    let tail = desk.store().tail_position(visitor.tenant().clone()).await?;
    let seen = desk.store().events(visitor.tenant().clone(), filter, page_after(None)).await?;
    let live = address("/events/live", &[("source", Some(name.as_str())), ("from", Some(tail.0.as_str()))]);
    let waits = part::empty(
        "Waiting for the first request",
        &html! { p { "It shows up here by itself." noscript { " Without JavaScript: once you load the page again." } } },
    );
    let content = html! {
        (crumbs(&format!("/sources/{name}"), name.as_str()))
        h1 { "Endpoint" }
        (part::done(place.done.as_deref(), None))
        (how_to(&url, &source))
        h2 { "What it gets " span.dim.live data-live-status {} }
        (events::table(&seen.rows, desk.now(), Some(&live), &waits))
        @if visitor.may(Scope::Admin) {
            (answer(&name, &source))
            (sender::choose(&desk, &name, &source, &place.sender, &url))
            h2 { "Then" }
            div.row {
                a.button href=(address("/try", &[("from", Some(name.as_str()))])) { "Route its events" }
                (button(&format!("/endpoints/{name}/remove"), "Remove the endpoint", &[], Weight::Grave))
            }
        }
    };
    Ok(page(&visitor, "/sources", "Endpoint", &content))
}

fn how_to(url: &str, source: &Source) -> Markup {
    let curl =
        format!("curl -X POST {url} \\\n  -H 'content-type: application/json' \\\n  -d '{{\"hello\":\"world\"}}'");
    let verified = source.listener.as_ref().is_some_and(|listener| listener.recipe.roles().next().is_some());
    html! {
        section.card {
            h2.first { "Its address" }
            (text_block("url", "Address", url))
            @if verified {
                @if let Some(listener) = &source.listener { p { "It accepts what " (listener.recipe.title()) " signed, and nothing else." } }
            } @else {
                p { "Give it to a sender, or try it yourself. It takes anything: whoever knows the address can send, so keep it to yourself." }
                (text_block("curl", "A request to try", &curl))
            }
        }
    }
}

fn answer(name: &SourceName, source: &Source) -> Markup {
    let webhook = source.spec.webhook.as_ref();
    let takes_anything = source.listener.as_ref().is_some_and(|listener| listener.recipe.roles().next().is_none());
    let own = webhook.and_then(|webhook| webhook.reply.clone());
    let reply = own.clone().unwrap_or_default();
    let headers: Vec<_> = reply.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let delay = if reply.delay.is_zero() { String::new() } else { print_duration(reply.delay) };
    html! {
        @if takes_anything {
            details open[own.is_some()] { summary { "What it answers" }
                form.card.stackform method="post" action={ "/endpoints/" (name) "/reply" } {
                    div.row {
                        (field("Status", "status", &reply.status.to_string(), "200"))
                        (field("After", "delay", &delay, "0s, up to 30s"))
                    }
                    (area("Headers, one a line", "headers", &headers.join("\n"), "content-type: application/json", 3))
                    (area("Body", "body", &reply.body, "{\"ok\": true}", 4))
                    p.dim.small { "It is given once the event is on disk. Nothing filled in: our own list of the events." }
                    div.row {
                        button.main type="submit" { "Answer so" }
                        @if own.is_some() { button type="submit" name="plain" value="yes" { "Answer plainly again" } }
                    }
                }
            }
        }
    }
}
