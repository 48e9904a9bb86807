//! Coming in with an API key, and leaving.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;

use crate::desk::Desk;
use crate::extract::{Form, Query};
use crate::reply::Trouble;
use crate::session::{begin, end, percent, visitor, with_cookie};
use crate::view::bare;
use crate::written::Door;

#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    to: String,
    /// A good key was given a moment ago.
    fresh: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Presented {
    key: String,
    #[serde(default)]
    to: String,
}

pub(crate) async fn show(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Trouble> {
    if wanted.fresh.is_none() {
        return Ok(form(&wanted.to, None).into_response());
    }
    if visitor(&desk, &headers).await?.is_some() {
        return Ok(Redirect::to(own_path(&wanted.to)).into_response());
    }
    Ok(form(&wanted.to, Some(&not_kept(&desk))).into_response())
}

/// Why a browser whose key was good comes back without its cookie.
fn not_kept(desk: &Desk) -> Markup {
    html! {
        "Your key is good, and your browser kept no session. "
        @match desk.public_url.as_deref().filter(|_| desk.https) {
            Some(url) => { "This gateway's cookies need https: open " a href=(url) { (url) } "." },
            None => { "Allow it the cookies of this page." },
        }
    }
}

fn form(to: &str, wrong: Option<&Markup>) -> Markup {
    bare(
        "Come in",
        &html! {
            section.card.narrow {
                h1 { "Come in" }
                @if let Some(wrong) = wrong { p.note role="alert" { (wrong) } }
                form method="post" action="/login" {
                    input type="hidden" name="to" value=(to);
                    label { "API key"
                        input type="password" name="key" required autofocus autocomplete="current-password" placeholder="trk_…";
                    }
                    p { button.main type="submit" { "Open the dashboard" } }
                }
                p.dim { "The first key was printed when the gateway started for the first time. \
                    Another one: " code { "trireme key create" } "." }
            }
        },
    )
}

pub(crate) async fn enter(
    State(desk): State<Desk>,
    door: Door,
    Form(presented): Form<Presented>,
) -> Result<Response, Trouble> {
    let Some(caller) = desk.access.caller(Some(presented.key.trim())).await? else {
        door.turned_away(&desk).await;
        let wrong = html! { "This key opens nothing: it is mistyped, expired or revoked." };
        return Ok((StatusCode::UNAUTHORIZED, form(&presented.to, Some(&wrong))).into_response());
    };
    door.comes_in(&desk, &caller).await?;
    Ok(with_cookie(begin(&desk, &caller), Redirect::to(&after_key(desk.https, own_path(&presented.to)))))
}

/// Where a good key leads. Over plain http a browser drops a cookie for https without a word, so it is looked for first.
fn after_key(https: bool, to: &str) -> String {
    if https { format!("/login?to={}&fresh=1", percent(to)) } else { to.to_owned() }
}

pub(crate) async fn leave(State(desk): State<Desk>, door: Door, headers: HeaderMap) -> Response {
    if let Ok(Some(visitor)) = visitor(&desk, &headers).await {
        door.leaves(&desk, &visitor).await;
    }
    with_cookie(end(&desk), Redirect::to("/login"))
}

/// Only a path of ours: a form must not send people elsewhere.
fn own_path(to: &str) -> &str {
    let plain = to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\n', '\r']);
    if plain { to } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for (to, path) in [
            ("/events?q=x", "/events?q=x"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nset-cookie: x", "/"),
        ] {
            assert_eq!(own_path(to), path);
        }
    }
}
