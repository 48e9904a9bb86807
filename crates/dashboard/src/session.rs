//! Sessions: a sealed cookie names the key that opened it. Nothing is kept here, so any node knows it, and a revoked
//! key ends it at once.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use domain::{Tenant, Timestamp};
use engine::access::{Caller, Scope};
use engine::vault::Place;
use http::header::{COOKIE, HOST, HeaderName, HeaderValue, ORIGIN, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use maud::{DOCTYPE, html};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::desk::Desk;
use crate::reply::Trouble;

/// Long enough for a working week; a browser that was left open does not stay open for ever.
const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const PLACE: Place<'static> = Place { tenant: "", object: "dashboard", role: "session" };
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What the cookie holds, sealed.
#[derive(Serialize, Deserialize)]
struct Ticket {
    key: String,
    until: Timestamp,
}

/// The person at a page: who they are, checked for this request.
#[derive(Clone, Debug)]
pub(crate) struct Visitor(pub(crate) Caller);

impl Visitor {
    pub(crate) fn tenant(&self) -> &Tenant {
        &self.0.tenant
    }

    /// The name of their key: what is written beside what they did.
    pub(crate) fn key(&self) -> std::sync::Arc<str> {
        std::sync::Arc::clone(&self.0.key)
    }

    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.0.scopes.allow(scope)
    }

    /// Fails unless their key has the scope.
    pub(crate) fn needs(&self, scope: Scope) -> Result<(), Trouble> {
        if self.may(scope) {
            return Ok(());
        }
        Err(Trouble::refused(format!("Your key has not got the scope '{}'.", scope.as_str())))
    }
}

impl FromRequestParts<Desk> for Visitor {
    type Rejection = Redirect;

    /// A page that asks for a visitor without being behind [`known_only`] lets nobody in.
    async fn from_request_parts(parts: &mut Parts, _: &Desk) -> Result<Self, Redirect> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Redirect::to("/login"))
    }
}

fn cookie_name(https: bool) -> &'static str {
    // The prefix makes browsers refuse what another host, or plain HTTP, tries to set.
    if https { "__Host-trireme" } else { "trireme" }
}

/// The cookie for someone whose key was checked. `None` if it cannot be sealed.
pub(crate) fn begin(desk: &Desk, caller: &Caller) -> Option<HeaderValue> {
    let ticket = Ticket { key: caller.key.to_string(), until: desk.now() + LIFE };
    let text = serde_json::to_vec(&ticket).ok()?;
    let sealed = desk.engine.vault().seal(desk.engine.entropy().as_ref(), &PLACE, &text).ok()?;
    cookie(desk.https, &data_encoding::BASE64URL_NOPAD.encode(sealed.as_bytes()), LIFE)
}

pub(crate) fn end(desk: &Desk) -> Option<HeaderValue> {
    cookie(desk.https, "", Duration::ZERO)
}

fn cookie(https: bool, value: &str, life: Duration) -> Option<HeaderValue> {
    let (name, secure) = (cookie_name(https), if https { "; Secure" } else { "" });
    let text = format!("{name}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}", life.as_secs());
    HeaderValue::try_from(text).ok()
}

pub(crate) async fn visitor(desk: &Desk, headers: &HeaderMap) -> Result<Option<Visitor>, Trouble> {
    let name = cookie_name(desk.https);
    let all = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let ours = all.filter_map(|pair| pair.trim().split_once('=')).find(|(known, _)| *known == name);
    let open = |value: &str| {
        let sealed = data_encoding::BASE64URL_NOPAD.decode(value.as_bytes()).ok()?;
        let text = desk.engine.vault().open(&PLACE, std::str::from_utf8(&sealed).ok()?).ok()?;
        serde_json::from_slice::<Ticket>(&text).ok()
    };
    let Some(ticket) = ours.and_then(|(_, value)| open(value)).filter(|ticket| desk.now() < ticket.until) else {
        return Ok(None);
    };
    Ok(desk.access.holder(&ticket.key).await?.map(Visitor))
}

/// Lets those through who have a session, and asks the others to begin one.
pub(crate) async fn known_only(State(desk): State<Desk>, mut request: Request, next: Next) -> Response {
    match visitor(&desk, request.headers()).await {
        Ok(Some(visitor)) => {
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        Ok(None) if came_from_elsewhere(request.headers()) => knock_again(),
        // A form that is sent again by a link is another thing: after that the person looks first.
        Ok(None) if request.method() != Method::GET => Redirect::to("/login").into_response(),
        Ok(None) => Redirect::to(&login_for(request.uri())).into_response(),
        Err(trouble) => trouble.into_response(),
    }
}

/// A strict cookie is not sent along with a link from another site: the page asks once more by itself.
fn came_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get(FETCH_SITE).is_some_and(|site| site == "cross-site")
}

fn knock_again() -> Response {
    html! { (DOCTYPE) html lang="en" { head { meta http-equiv="refresh" content="0"; title { "Trireme" } } } }
        .into_response()
}

fn login_for(uri: &Uri) -> String {
    let wanted = uri.path_and_query().map_or("/", |path| path.as_str());
    let wanted = if wanted == "/now" { "/" } else { wanted };
    format!("/login?to={}", percent(wanted))
}

/// Everything but what is plain in a query.
pub(crate) fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

/// What changes something must come from a page of ours: the browser says where a form stands.
pub(crate) async fn own_forms_only(request: Request, next: Next) -> Response {
    if request.method() == Method::GET || request.method() == Method::HEAD || is_own(request.headers()) {
        return next.run(request).await;
    }
    Trouble::refused("This form does not stand on a page of this dashboard.").into_response()
}

fn is_own(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(FETCH_SITE) {
        return site == "same-origin";
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()?.split_once("://"));
    matches!((host, origin), (Some(host), Some((_, origin))) if host.eq_ignore_ascii_case(origin))
}

/// A response with a cookie.
pub(crate) fn with_cookie(cookie: Option<HeaderValue>, response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_our_own_pages_may_post() {
        for (own, pairs) in [
            (true, &[("sec-fetch-site", "same-origin")][..]),
            (false, &[("sec-fetch-site", "cross-site")]),
            (false, &[("sec-fetch-site", "same-site")]),
            (false, &[("sec-fetch-site", "none")]),
            (false, &[("sec-fetch-site", "cross-site"), ("origin", "http://a.example"), ("host", "a.example")]),
            (true, &[("origin", "http://a.example:8080"), ("host", "A.example:8080")]),
            (false, &[("origin", "http://b.example"), ("host", "a.example")]),
            (false, &[("origin", "null"), ("host", "a.example")]),
            (false, &[("host", "a.example")]),
            (false, &[]),
        ] {
            assert_eq!(is_own(&headers(pairs)), own, "{pairs:?}");
        }
    }

    #[test]
    fn a_wanted_page_is_kept_for_after_the_login() {
        let uri = "/events?q=a%20b&source=x".parse().unwrap();
        assert_eq!(login_for(&uri), "/login?to=/events%3Fq%3Da%2520b%26source%3Dx");
        assert_eq!(login_for(&"/now".parse().unwrap()), "/login?to=/");
    }

    #[test]
    fn cookies_are_out_of_reach_of_scripts_and_other_sites() {
        let plain = cookie(false, "x", LIFE).unwrap();
        assert_eq!(plain, "trireme=x; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict");
        let secure = cookie(true, "x", Duration::ZERO).unwrap();
        assert_eq!(secure, "__Host-trireme=x; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure");
    }
}
