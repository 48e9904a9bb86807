//! The URL forms and query fields that signatures cover, cut out of the text without normalising it.

use std::borrow::Cow;

use super::form;

struct Parts<'a> {
    /// `https://user@` as written.
    before_host: &'a str,
    scheme: &'a str,
    host: &'a str,
    port: Option<&'a str>,
    rest: &'a str,
}

fn split(url: &str) -> Option<Parts<'_>> {
    let (scheme, after) = url.split_once("://")?;
    let authority_end = after.find(['/', '?', '#']).unwrap_or(after.len());
    let (authority, rest) = after.split_at(authority_end);
    let host_start = authority.rfind('@').map_or(0, |at| at + 1);
    let host_and_port = &authority[host_start..];
    // A colon starts the port only after the bracket that closes an IPv6 literal.
    let bracket = host_and_port.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match host_and_port[bracket..].find(':') {
        Some(colon) => (&host_and_port[..bracket + colon], Some(&host_and_port[bracket + colon + 1..])),
        None => (host_and_port, None),
    };
    let before_host = &url[..url.len() - after.len() + host_start];
    Some(Parts { before_host, scheme, host, port, rest })
}

/// With the scheme's own port spelt out where none is.
pub(crate) fn with_port(url: &str) -> Cow<'_, str> {
    match split(url) {
        Some(Parts { before_host, scheme, host, port: None, rest }) => {
            let port = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
            Cow::Owned(format!("{before_host}{host}:{port}{rest}"))
        }
        _ => Cow::Borrowed(url),
    }
}

pub(crate) fn without_port(url: &str) -> Cow<'_, str> {
    match split(url) {
        Some(Parts { before_host, host, port: Some(_), rest, .. }) => Cow::Owned(format!("{before_host}{host}{rest}")),
        _ => Cow::Borrowed(url),
    }
}

/// From the first `/` to the query; `/` where there is none.
pub(crate) fn path(url: &str) -> &str {
    let rest = split(url).map_or(url, |parts| parts.rest);
    let path = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
    if path.is_empty() { "/" } else { path }
}

/// From the first `/` on, without a fragment.
pub(crate) fn path_and_query(url: &str) -> &str {
    let rest = split(url).map_or(url, |parts| parts.rest);
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    if rest.is_empty() { "/" } else { rest }
}

/// What comes before the query.
pub(crate) fn without_query(url: &str) -> &str {
    &url[..url.find(['?', '#']).unwrap_or(url.len())]
}

/// A query field, decoded. Comes twice: `Err`.
pub(crate) fn query<'a>(url: &'a str, name: &str) -> Result<Option<Cow<'a, [u8]>>, form::Repeated> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    form::field(query.as_bytes(), name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ports_come_and_go_without_touching_the_rest() {
        for (url, with, without) in [
            ("https://a.example/x?q='1'", "https://a.example:443/x?q='1'", "https://a.example/x?q='1'"),
            ("http://a.example:8080/x", "http://a.example:8080/x", "http://a.example/x"),
            ("http://a.example", "http://a.example:80", "http://a.example"),
            ("https://u:p@a.example/:1", "https://u:p@a.example:443/:1", "https://u:p@a.example/:1"),
            ("https://[::1]:8443/x", "https://[::1]:8443/x", "https://[::1]/x"),
            ("https://[::1]/x", "https://[::1]:443/x", "https://[::1]/x"),
            ("not a url", "not a url", "not a url"),
        ] {
            assert_eq!(with_port(url), with);
            assert_eq!(without_port(url), without);
        }
    }

    #[test]
    fn paths_and_queries_are_cut_out() {
        assert_eq!(path("https://a.example/in/x?b=/c"), "/in/x");
        assert_eq!(path("https://a.example"), "/");
        let url = "https://a.example/?a=1&b=%41+c&b2=&a%31=z#b=no";
        let value = |name| query(url, name).ok().flatten().map(|value| value.into_owned());
        assert_eq!(value("b").as_deref(), Some(b"A c".as_slice()));
        assert_eq!(value("a1").as_deref(), Some(b"z".as_slice()));
        assert_eq!(value("b2").as_deref(), Some(b"".as_slice()));
        assert_eq!(value("c"), None);
        assert!(query("/?a=1&a=2", "a").is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(url: String) {
            let _ = (with_port(&url), without_port(&url), path(&url), query(&url, "a"));
        }
    }
}
