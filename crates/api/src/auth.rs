//! Who may call: the bearer key of a request, and the scope that its route needs.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine::access::{Caller, Scope};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::app::App;
use crate::problem::{Code, Problem};
use crate::written::{Action, refused};

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (value, another) = (all.next()?, all.next());
    // Two credentials leave open which one counts.
    if another.is_some() {
        return None;
    }
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// One answer for every key that does not open.
pub(crate) fn unauthorized() -> Problem {
    Code::Unauthorized
        .because("Send 'Authorization: Bearer trk_…' with an API key that is known here, not expired and not revoked.")
}

/// Lets only keys with `needed` through to the routes below it, and tells those who is calling.
pub async fn authorize(
    State((app, needed, action)): State<(App, Scope, Option<Action>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match caller(&app, request.headers()).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if !caller.scopes.allow(needed) {
        if let Some(action) = action {
            refused(&app, &caller, action, needed, request).await;
        }
        return lacking(needed).into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

async fn caller(app: &App, headers: &HeaderMap) -> Result<Caller, Problem> {
    app.access.caller(bearer(headers)).await?.ok_or_else(unauthorized)
}

fn lacking(needed: Scope) -> Problem {
    Code::Forbidden.because(format!("This needs a key with the scope '{}'; this key has not got it.", needed.as_str()))
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    /// A route that asks for a caller without being behind `authorize` lets nobody in.
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(unauthorized)
    }
}
