//! One request as it came: its verdict, its headers without what proves its sender, its body, and judging it again.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domain::RequestId;
use domain::request::{MASK, Verdict, is_secret, masked_url};
use engine::access::Scope;
use maud::{Markup, html};
use store::intake::KeptRequest;

use super::ask;
use crate::desk::Desk;
use crate::extract::Path;
use crate::part::form::{Weight, button};
use crate::part::json::laid_out;
use crate::part::tag::{self, bytes};
use crate::part::time::Ago;
use crate::part::{cut, explain, facts, text_block};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::{crumbs, page};

/// Of a body: enough to see what it is. Whoever needs all of it asks the API.
const SHOWN_BYTES_MAX: usize = 16 * 1024;
/// Headers shown, and of each value so many characters.
const HEADERS_MAX: usize = 60;
const VALUE_CHARS_MAX: usize = 400;

pub(crate) async fn show(State(desk): State<Desk>, visitor: Visitor, Path(id): Path<RequestId>) -> Answer {
    visitor.needs(Scope::Read)?;
    let kept = desk.store().request(visitor.tenant().clone(), id).await?;
    let kept = desk.engine.shown(kept.ok_or_else(|| Trouble::not_found("request"))?);
    let (request, now) = (&kept.request, desk.now());
    let explained = desk.engine.explain_request(visitor.tenant().clone(), id).await?;
    let place = ask::place(&desk, &visitor, "requests", &id).filter(|_| !explained.context.is_empty());
    let content = html! {
        (crumbs("/requests", "Requests"))
        h1 { "A request to " (request.source) " " (tag::verdict(kept.verdict)) }
        (why(&visitor, &kept))
        @if kept.verdict != Verdict::Accepted { (explain::why(&explained.diagnoses, place.as_deref())) }
        section.card { (facts(vec![
            ("Received", Some(html! { (Ago { at: request.received_at, now }) })),
            ("Source", Some(html! { a href={ "/sources/" (request.source) } { (request.source) } })),
            ("Asked", Some(html! { span.mono { (request.method) " " (masked_url(&request.url)) } })),
            ("From", Some(html! { span.mono { (request.remote) } })),
            ("Id", Some(html! { span.mono { (request.id) } })),
        ])) }
        h2 { "Headers" }
        (headers(request.headers.iter().map(|(name, value)| (&**name, String::from_utf8_lossy(value).into_owned()))))
        h2 { "Body " span.dim { (bytes(request.body.len() as u64)) } }
        (body(&request.body))
    };
    Ok(page(&visitor, "/requests", "Request", &content))
}

fn why(visitor: &Visitor, kept: &KeptRequest) -> Markup {
    html! {
        @if let Some(reason) = &kept.reason {
            p.note { strong { (reason.code.replace('_', " ")) } ": " (reason.detail) }
        }
        @if kept.verdict != Verdict::Accepted && visitor.may(Scope::Operate) {
            p { (button(&format!("/requests/{}/reverify", kept.request.id), "Judge it again by the secrets of now", &[], Weight::Main)) }
        }
    }
}

/// Names and values as text; what proves a sender is not shown, so that whoever looks cannot send.
pub(crate) fn headers<'a>(all: impl Iterator<Item = (&'a str, String)>) -> Markup {
    let all: Vec<_> = all.collect();
    let shown = |name: &str, value: &str| match is_secret(name) {
        true => MASK.to_owned(),
        false => value.chars().take(VALUE_CHARS_MAX).collect(),
    };
    html! {
        @if all.is_empty() { p.dim { "None were kept." } }
        @else {
            section.card { dl.facts.mono.small {
                @for (name, value) in all.iter().take(HEADERS_MAX) { dt { (name) } dd { (shown(name, value)) } }
            } }
        }
        @if all.len() > HEADERS_MAX { p.dim { (all.len() - HEADERS_MAX) " more are not shown." } }
    }
}

/// Bytes as text: JSON is laid out, what is no text is told by its size.
pub(crate) fn body(bytes_: &[u8]) -> Markup {
    if bytes_.is_empty() {
        return html! { p.dim { "There is none." } };
    }
    let raw = String::from_utf8_lossy(&bytes_[..bytes_.len().min(SHOWN_BYTES_MAX)]);
    let laid_out = laid_out(bytes_, SHOWN_BYTES_MAX);
    let text = laid_out.as_deref().unwrap_or_else(|| cut(&raw, SHOWN_BYTES_MAX));
    let is_whole = laid_out.is_some() || text.len() >= bytes_.len();
    html! {
        @if !is_whole { p.dim { "The first " (bytes(text.len() as u64)) "." } }
        (text_block("body", "Body", text))
    }
}

pub(crate) async fn reverify(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(id): Path<RequestId>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Operate)?;
    let judged = desk.engine.reverify(visitor.tenant().clone(), id).await?;
    let to = match (judged.verdict, judged.events.as_slice()) {
        (Verdict::Accepted, [only]) => format!("/events/{}", only.id),
        _ => format!("/requests/{id}"),
    };
    Ok(Redirect::to(&to).into_response())
}
