//! Where a redirect leads, and what of the request goes along. Credentials never go to another host.

use connectors::manifest::wire::Request;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{HeaderMap, Method};
use url::Url;

/// Redirects of one request that are followed. Browsers follow 20, the reference 30; a chain of five is already a loop.
pub(super) const REDIRECTS_MAX: usize = 10;

/// Why a redirect is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotFollowed {
    #[error("its redirect to '{0}' is not a URL")]
    NotAUrl(String),
    #[error("it redirects from https to http, where everybody could read along")]
    Downgrade,
    #[error("it redirects a request with a body to another host, {0}")]
    BodyElsewhere(String),
}

/// The request to send next, if `status` is a redirect that names a place.
pub(super) fn follow(sent: &Request, status: u16, headers: &HeaderMap) -> Result<Option<Request>, NotFollowed> {
    let location = headers.get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, location) else { return Ok(None) };
    let not_a_url = |_| NotFollowed::NotAUrl(location.chars().take(200).collect());
    let from = Url::parse(&sent.url).map_err(not_a_url)?;
    let to = from.join(&location).map_err(not_a_url)?;
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(NotFollowed::Downgrade);
    }
    let mut next = Request { url: String::from(to.clone()), ..sent.clone() };
    drop_body(&mut next, status);
    if !same_place(&from, &to) {
        if !next.body.is_empty() {
            return Err(NotFollowed::BodyElsewhere(to.host_str().unwrap_or_default().to_owned()));
        }
        keep_only_harmless(&mut next.headers);
    }
    Ok(Some(next))
}

/// What every browser does: only 307 and 308 ask for the same request again.
fn drop_body(next: &mut Request, status: u16) {
    let becomes_get = match status {
        301 => next.method == Method::POST,
        302 | 303 => next.method != Method::HEAD,
        _ => false,
    };
    if becomes_get {
        next.method = Method::GET;
        next.body = bytes::Bytes::new();
        next.headers.remove(CONTENT_TYPE);
        next.headers.remove(CONTENT_LENGTH);
    }
}

fn same_place(from: &Url, to: &Url) -> bool {
    let upgrade = from.scheme() == "http" && to.scheme() == "https" && from.port().is_none() && to.port().is_none();
    from.host() == to.host()
        && (upgrade || (from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default()))
}

/// Which header carries a credential is the manifest's choice, so only those go along that never do.
fn keep_only_harmless(headers: &mut HeaderMap) {
    let harmless = [ACCEPT, ACCEPT_ENCODING, USER_AGENT];
    *headers = harmless.into_iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect();
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;

    fn sent(method: Method, url: &str) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", HeaderValue::from_static("secret"));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = if method == Method::GET { Bytes::new() } else { Bytes::from_static(b"{}") };
        Request { method, url: url.to_owned(), headers, body }
    }

    fn to(location: &str) -> HeaderMap {
        HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).unwrap())])
    }

    #[test]
    fn relative_and_absolute_places_on_the_same_host_keep_the_credentials() {
        for (location, url) in [
            ("/v2/items?page=2", "https://api.example/v2/items?page=2"),
            ("more", "https://api.example/v1/more"),
            ("https://api.example/x", "https://api.example/x"),
        ] {
            let next = follow(&sent(Method::GET, "https://api.example/v1/items"), 302, &to(location)).unwrap().unwrap();
            assert_eq!((next.url.as_str(), next.headers.contains_key("x-api-key")), (url, true), "{location}");
        }
    }

    #[test]
    fn another_host_port_or_scheme_gets_no_credentials() {
        for (from, location, kept) in [
            ("https://api.example/a", "https://files.example/a", false),
            ("http://api.example/a", "https://api.example/a", true),
            ("http://api.example:8080/a", "https://api.example/a", false),
            ("http://api.example:8080/a", "http://api.example:8081/a", false),
        ] {
            let next = follow(&sent(Method::GET, from), 307, &to(location)).unwrap().unwrap();
            assert_eq!(next.headers.contains_key("x-api-key"), kept, "{from} to {location}");
            assert!(next.headers.contains_key(ACCEPT));
        }
    }

    #[test]
    fn only_307_and_308_repeat_the_method_and_the_body() {
        for (status, method, becomes, body) in [
            (301, Method::POST, Method::GET, 0),
            (301, Method::PUT, Method::PUT, 2),
            (302, Method::POST, Method::GET, 0),
            (303, Method::PUT, Method::GET, 0),
            (307, Method::POST, Method::POST, 2),
            (308, Method::POST, Method::POST, 2),
        ] {
            let next = follow(&sent(method.clone(), "https://a.example/"), status, &to("/b")).unwrap().unwrap();
            assert_eq!((next.method, next.body.len()), (becomes, body), "{status} of {method}");
            assert_eq!(next.headers.contains_key(CONTENT_TYPE), body > 0);
        }
    }

    #[test]
    fn what_would_give_something_away_is_not_followed() {
        let downgrade = follow(&sent(Method::GET, "https://a.example/"), 302, &to("http://a.example/"));
        assert_eq!(downgrade.unwrap_err(), NotFollowed::Downgrade);
        let body = follow(&sent(Method::POST, "https://a.example/"), 307, &to("https://b.example/"));
        assert_eq!(body.unwrap_err(), NotFollowed::BodyElsewhere("b.example".to_owned()));
        let broken = follow(&sent(Method::GET, "https://a.example/"), 302, &to("http://[::"));
        assert!(matches!(broken, Err(NotFollowed::NotAUrl(_))));
    }

    #[test]
    fn other_answers_are_no_redirects() {
        let request = sent(Method::GET, "https://a.example/");
        assert!(follow(&request, 200, &to("/b")).unwrap().is_none());
        assert!(follow(&request, 304, &to("/b")).unwrap().is_none());
        assert!(follow(&request, 302, &HeaderMap::new()).unwrap().is_none());
    }
}
