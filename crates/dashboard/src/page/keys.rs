//! Keys: who may come in, with what they may do; made and shown once, revoked at once.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domain::Timestamp;
use engine::access::{NewKey as Wanted, Scope};
use engine::audit::Told;
use maud::{Markup, html};
use serde::Deserialize;
use std::time::Duration;
use store::registry::ApiKey;

use crate::desk::Desk;
use crate::extract::{Form, Path};
use crate::list::said;
use crate::part::form::{Weight, button, choice, field};
use crate::part::tag::{Tone, tag};
use crate::part::time::{Ago, ago};
use crate::part::{table, text_block};
use crate::reply::{Page as Answer, Trouble};
use crate::session::Visitor;
use crate::view::page;

/// Keys shown; the API lists all.
const KEYS_MAX: usize = 100;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) async fn list(State(desk): State<Desk>, visitor: Visitor) -> Answer {
    visitor.needs(Scope::Admin)?;
    shown(&desk, &visitor, None).await
}

/// The page; `made` is the text of a key that was just made, which nobody sees again.
async fn shown(desk: &Desk, visitor: &Visitor, made: Option<&str>) -> Answer {
    let mut keys = desk.store().api_keys(Some(visitor.tenant().clone())).await?;
    // Those that open something first, then the newest.
    keys.sort_by_key(|key| (key.revoked_at.is_some(), std::cmp::Reverse(key.created_at)));
    let (now, count) = (desk.now(), keys.len());
    let headings = ["Key", "May", "For", "Made", "Last used", "State", ""];
    let content = html! {
        h1 { "Keys" }
        @if let Some(made) = made {
            section.card role="status" {
                h2.first { "Your new key" }
                p { "It is shown this once and kept nowhere: copy it now." }
                (text_block("made", "The new key", made))
            }
        }
        (new_key())
        (table::table("Keys", &headings, keys.iter().take(KEYS_MAX).map(|key| row(visitor, key, now))))
        @if count > KEYS_MAX { p.dim { (count - KEYS_MAX) " more are not shown." } }
    };
    Ok(page(visitor, "/keys", "Keys", &content))
}

fn new_key() -> Markup {
    let scopes = [
        ("read", "read: see everything but secrets"),
        ("operate", "operate: also retry, replay, pause"),
        ("admin", "admin: also change what is configured"),
        ("ingest:publish", "ingest:publish: publish events, nothing else"),
    ];
    let scopes = scopes.map(|(value, shown)| (value.to_owned(), shown.to_owned()));
    let lives = [("", "for ever"), ("1", "a day"), ("30", "30 days"), ("90", "90 days"), ("365", "a year")];
    let lives = lives.map(|(value, shown)| (value.to_owned(), shown.to_owned()));
    html! {
        form.filters method="post" action="/keys" {
            (choice("May", "scope", &scopes, "read"))
            (field("For", "note", "", "the shop's backend"))
            (choice("Valid", "days", &lives, ""))
            button.main type="submit" { "Make a key" }
        }
    }
}

fn row(visitor: &Visitor, key: &ApiKey, now: Timestamp) -> Vec<Markup> {
    let expired = key.expires_at.is_some_and(|end| end <= now);
    let is_own = *key.id == *visitor.0.key;
    vec![
        html! {
            span.mono { (key.id) }
            @if is_own { div.dim { "the one you came in with" } }
            @if is_own && key.revoked_at.is_none() { div.dim { (how_to_leave(&key.id)) } }
        },
        html! { (key.scopes.join(", ")) },
        html! { @if key.note.is_empty() { span.dim { "–" } } @else { (key.note) } },
        html! { (Ago { at: key.created_at, now }) },
        html! { (ago(key.last_used_at, now)) },
        html! {
            @if let Some(at) = key.revoked_at { (tag(Tone::Dim, "revoked")) div.dim { (Ago { at, now }) } }
            @else if expired { (tag(Tone::Dim, "expired")) }
            @else { (tag(Tone::Good, "valid")) @if let Some(at) = key.expires_at { div.dim { "ends " (Ago { at, now }) } } }
        },
        html! {
            @if key.revoked_at.is_none() && !is_own { (button(&format!("/keys/{}/revoke", key.id), "Revoke", &[], Weight::Grave)) }
        },
    ]
}

/// One's own key may be the only one that lets anybody manage keys: one click must not end that.
fn how_to_leave(id: &str) -> String {
    format!("To revoke it, come in with another admin key, or use `trireme key revoke {id}`.")
}

#[derive(Deserialize)]
pub(crate) struct NewKey {
    scope: Scope,
    #[serde(default)]
    note: String,
    #[serde(default)]
    days: String,
}

pub(crate) async fn make(
    State(desk): State<Desk>,
    visitor: Visitor,
    Form(new): Form<NewKey>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Admin)?;
    let note = said(&new.note).unwrap_or_default();
    let days: Option<u16> =
        said(&new.days).map(str::parse).transpose().map_err(|_| Trouble::wrong("Days are a number."))?;
    let ends = days.map(|days| desk.now() + DAY * u32::from(days));
    let entropy = desk.engine.entropy().as_ref();
    let wanted =
        Wanted { tenant: visitor.tenant().clone(), scopes: vec![new.scope], note: note.to_owned(), expires_at: ends };
    let (text, key) = desk.access.issue(entropy, wanted).await?;
    let told = Told { object: Some(format!("key/{}", key.id)), detail: key.scopes.join(" ") };
    let shown = shown(&desk, &visitor, Some(text.text().expose())).await?;
    Ok((Extension(told), shown).into_response())
}

pub(crate) async fn revoke(
    State(desk): State<Desk>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    visitor.needs(Scope::Admin)?;
    if *id == *visitor.key() {
        return Err(Trouble::wrong(format!("This is the key you came in with. {}", how_to_leave(&id))));
    }
    if !desk.access.revoke(visitor.tenant(), &id).await? {
        return Err(Trouble::not_found("key"));
    }
    Ok(Redirect::to("/keys").into_response())
}
