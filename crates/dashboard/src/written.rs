//! Forms: each names the scope that it needs and what it is called in the audit log, where it is written down before it
//! is done and after. Other than through here no page takes a form.

use axum::Extension;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, post};
use domain::Tenant;
use domain::audit::{Outcome, Who, WhoKind};
use engine::access::Scope;
use engine::audit::{Act, CallerAddress, Told, object_of};
use futures_util::FutureExt;
use http::StatusCode;
use http::request::Parts;
use std::panic::AssertUnwindSafe;

use crate::desk::Desk;
use crate::reply::Trouble;
use crate::session::Visitor;

/// What one form does.
#[derive(Clone, Copy)]
struct Action {
    code: &'static str,
    /// What it is done to; parts in braces are those of the path.
    object: &'static str,
    needs: Scope,
}

/// Makes the routes of forms.
pub(crate) struct Forms<'d>(pub(crate) &'d Desk);

impl Forms<'_> {
    /// A form that changes something.
    pub(crate) fn act<H, T>(
        &self,
        code: &'static str,
        object: &'static str,
        needs: Scope,
        handler: H,
    ) -> MethodRouter<Desk>
    where
        H: Handler<T, Desk>,
        T: 'static,
    {
        let action = Action { code, object, needs };
        post(handler).route_layer(from_fn_with_state((self.0.clone(), action), written_down))
    }

    /// A form that changes nothing: it only has too much to say for an address.
    pub(crate) fn ask<H, T>(&self, handler: H) -> MethodRouter<Desk>
    where
        H: Handler<T, Desk>,
        T: 'static,
    {
        post(handler)
    }
}

async fn written_down(State((desk, action)): State<(Desk, Action)>, request: Request, next: Next) -> Response {
    let Some(visitor) = request.extensions().get::<Visitor>().cloned() else {
        // Behind `known_only` there is one; elsewhere nobody is let in.
        return Redirect::to("/login").into_response();
    };
    let (mut parts, body) = request.into_parts();
    let act = act_of(&visitor, action, &mut parts).await;
    let (tenant, audit) = (visitor.tenant(), desk.engine.audit());
    if let Err(trouble) = visitor.needs(action.needs) {
        let lacking = format!("the key has not got the scope '{}'", action.needs.as_str());
        audit.record_refused(tenant, act.saying(lacking)).await;
        return trouble.into_response();
    }
    let begun = match audit.begin(tenant, act).await {
        Ok(begun) => begun,
        Err(error) => return Trouble::from(error).into_response(),
    };
    let desk = desk.clone();
    // A browser that goes away must not leave half of it behind.
    let work = tokio::spawn(async move {
        let handled = AssertUnwindSafe(next.run(Request::from_parts(parts, body))).catch_unwind().await;
        let response = handled.unwrap_or_else(|_| mistake());
        let (outcome, told) = ended(&response);
        desk.engine.audit().end(begun, outcome, told).await;
        response
    });
    work.await.unwrap_or_else(|_| mistake())
}

fn mistake() -> Response {
    engine::telemetry::panicked("dashboard");
    Trouble::mistake().into_response()
}

async fn act_of(visitor: &Visitor, action: Action, parts: &mut Parts) -> Act {
    let params = RawPathParams::from_request_parts(parts, &()).await.ok();
    let param = |name: &str| {
        let found = params.iter().flatten().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.to_owned())
    };
    Act {
        who: Who::new(WhoKind::Session, visitor.0.key.clone()),
        from: address(parts),
        action: action.code,
        object: object_of(action.object, param),
        detail: String::new(),
    }
}

fn address(parts: &Parts) -> std::sync::Arc<str> {
    parts.extensions.get::<CallerAddress>().map_or_else(|| "".into(), |address| address.0.clone())
}

/// An answer with what the log says of it beside its code: to what it was done, where the path does not say so, and what
/// it was. Names and numbers alone: what a form says may be a secret.
pub(crate) fn told(object: Option<String>, detail: impl Into<String>, response: impl IntoResponse) -> Response {
    (Extension(Told { object, detail: detail.into() }), response).into_response()
}

/// How it ended: pages answer what was done with another page, or with the way to one.
fn ended(response: &Response) -> (Outcome, Told) {
    let status = response.status();
    let told = response.extensions().get::<Told>().cloned().unwrap_or_default();
    let outcome = match status {
        _ if status.is_success() || status.is_redirection() => return (Outcome::Done, told),
        StatusCode::FORBIDDEN => Outcome::Refused,
        _ => Outcome::Failed,
    };
    (outcome, Told { detail: status.as_u16().to_string(), ..told })
}

/// Sessions begin and end outside of the pages that know their visitor: these say who comes and goes.
pub(crate) struct Door {
    from: std::sync::Arc<str>,
}

impl<S: Send + Sync> FromRequestParts<S> for Door {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self { from: address(parts) })
    }
}

impl Door {
    fn act(self, action: &'static str, who: Who) -> Act {
        Act { who, from: self.from, ..Act::by_system(action, "dashboard") }
    }

    /// Somebody comes in; unless this is written down they do not.
    pub(crate) async fn comes_in(self, desk: &Desk, visitor: &engine::access::Caller) -> Result<(), Trouble> {
        let act = self.act("session.begin", Who::new(WhoKind::Session, visitor.key.clone()));
        Ok(desk.engine.audit().record(&visitor.tenant, act, Outcome::Done).await?)
    }

    /// Somebody has a key that opens nothing. Whose it would be nobody knows, so the gateway's owner is told.
    pub(crate) async fn turned_away(self, desk: &Desk) {
        let act = self.act("session.begin", Who::new(WhoKind::Unknown, "")).saying("a key that opens nothing");
        desk.engine.audit().record_refused(&Tenant::default_tenant(), act).await;
    }

    /// Somebody leaves. They do in any case, so what the store does not take is lost.
    pub(crate) async fn leaves(self, desk: &Desk, visitor: &Visitor) {
        let act = self.act("session.end", Who::new(WhoKind::Session, visitor.0.key.clone()));
        if let Err(error) = desk.engine.audit().record(visitor.tenant(), act, Outcome::Done).await {
            tracing::warn!(code = error.code(), "that somebody left the dashboard was not written down");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_page_takes_a_form_that_is_not_written_down() {
        let desk = include_str!("desk.rs");
        let plain: Vec<&str> = desk.lines().filter(|line| line.contains("post(")).collect();
        // Coming in and leaving write themselves down: nobody is known there yet, or any more.
        assert_eq!(plain.len(), 2, "{plain:#?}");
        assert!(plain.iter().all(|line| line.contains("login::")), "{plain:#?}");
    }
}
