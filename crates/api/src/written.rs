//! What a call does is written down in the audit log: before it, so that nothing succeeds that stands nowhere, and after
//! it, how it ended.

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::audit::{Outcome, Who, WhoKind};
use engine::access::{Caller, Scope};
use engine::audit::{Act, CallerAddress, Told, object_of};
use http::StatusCode;
use http::header::USER_AGENT;

use crate::app::App;
use crate::auth::unauthorized;
use crate::peer::Peer;
use crate::problem::{Code, Problem};

/// What our own command line calls itself. Anybody can say so: what is proven is the key.
pub const CLI_AGENT: &str = "trireme-cli/";
const REPEATED: &str = "idempotent-replayed";

/// As what a route is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// A stable code.
    pub code: &'static str,
    /// What it is done to; parts in braces are those of the path.
    pub object: &'static str,
    /// Only what was refused stands in the log.
    pub refusals_only: bool,
}

impl Action {
    pub fn is_whole(&self) -> bool {
        !self.refusals_only
    }
}

/// Puts the caller's address beside every request.
pub async fn know_address(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if let Some(peer) = request.extensions().get::<Peer>() {
        let address = peer.client(request.headers(), &app.settings.trusted_proxies);
        request.extensions_mut().insert(CallerAddress(address));
    }
    next.run(request).await
}

/// Around what is done.
pub async fn written_down(State((app, action)): State<(App, Action)>, request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        // Behind `authorize` there is one; elsewhere nobody is let in.
        return unauthorized().into_response();
    };
    let (act, request) = act_of(&caller, action, request).await;
    let audit = app.engine.audit();
    let begun = match audit.begin(&caller.tenant, act).await {
        Ok(begun) => begun,
        Err(error) => return Problem::from(error).into_response(),
    };
    let response = next.run(request).await;
    let (outcome, told) = ended(&response);
    audit.end(begun, outcome, told).await;
    response
}

/// Somebody whose key has not got the scope.
pub async fn refused(app: &App, caller: &Caller, action: Action, needed: Scope, request: Request) {
    let (act, _) = act_of(caller, action, request).await;
    let act = act.saying(format!("the key has not got the scope '{}'", needed.as_str()));
    app.engine.audit().record_refused(&caller.tenant, act).await;
}

async fn act_of(caller: &Caller, action: Action, request: Request) -> (Act, Request) {
    let (mut parts, body) = request.into_parts();
    // A path that cannot be read as text has no such parts; its handler says so.
    let params = RawPathParams::from_request_parts(&mut parts, &()).await.ok();
    let param = |name: &str| {
        let found = params.iter().flatten().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.to_owned())
    };
    let is_cli = parts.headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(CLI_AGENT.as_bytes()));
    let act = Act {
        who: Who::new(if is_cli { WhoKind::Cli } else { WhoKind::Key }, caller.key.clone()),
        from: parts.extensions.get::<CallerAddress>().map_or_else(|| "".into(), |address| address.0.clone()),
        action: action.code,
        object: object_of(action.object, param),
        detail: String::new(),
    };
    (act, Request::from_parts(parts, body))
}

/// How it ended, by what is answered.
fn ended(response: &Response) -> (Outcome, Told) {
    let status = response.status();
    let told = response.extensions().get::<Told>().cloned().unwrap_or_default();
    if status.is_success() {
        let is_repeated = response.headers().contains_key(REPEATED);
        let told = if is_repeated { Told { detail: "answered as the first time".to_owned(), ..told } } else { told };
        return (Outcome::Done, told);
    }
    let code = response.extensions().get::<Code>().map_or("", |code| code.as_str());
    let outcome = if status == StatusCode::FORBIDDEN { Outcome::Refused } else { Outcome::Failed };
    (outcome, Told { detail: format!("{} {code}", status.as_u16()), ..told })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::Method;

    use crate::router::table;

    /// What may be left out when it was done: an event is a record of itself, a listener says with every event how far
    /// it is, and trying something out changes nothing.
    const REFUSALS_ONLY: [&str; 3] = ["event.publish", "listener.handled", "route.try"];

    #[test]
    fn every_route_that_may_change_something_has_a_name_in_the_audit_log() {
        let mut codes = BTreeSet::new();
        for route in table().into_iter().filter(|route| route.method != Method::GET) {
            let Some(action) = route.audited else {
                assert!(route.ingest, "{} {} stands nowhere in the audit log", route.method, route.path);
                continue;
            };
            assert!(route.needs.is_some(), "{}: nobody is known who could be written down", route.path);
            assert!(codes.insert(action.code), "{} stands for two routes", action.code);
            let known: Vec<&str> = route.path_parameters().collect();
            for part in action.object.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                assert!(known.contains(&part), "{} has no part {part}", route.path);
            }
            assert_eq!(action.refusals_only, REFUSALS_ONLY.contains(&action.code), "{}", action.code);
        }
        assert!(codes.len() > 25, "{codes:?}");
    }
}
