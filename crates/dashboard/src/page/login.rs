//! Coming in with an API key, and leaving.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;

use crate::desk::Desk;
use crate::extract::{Form, Query};
use crate::reply::Trouble;
use crate::session::{begin, end, visitor, with_cookie};
use crate::view::bare;
use crate::written::Door;

#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    to: String,
}

#[derive(Deserialize)]
pub(crate) struct Presented {
    key: String,
    #[serde(default)]
    to: String,
}

pub(crate) async fn show(Query(wanted): Query<Wanted>) -> Markup {
    form(&wanted.to, None)
}

fn form(to: &str, wrong: Option<&str>) -> Markup {
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
        let wrong = "This key opens nothing: it is mistyped, expired or revoked.";
        return Ok((StatusCode::UNAUTHORIZED, form(&presented.to, Some(wrong))).into_response());
    };
    door.comes_in(&desk, &caller).await?;
    Ok(with_cookie(begin(&desk, &caller), Redirect::to(own_path(&presented.to))))
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
