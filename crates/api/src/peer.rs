//! Who is at the other end of a connection, and what its request was before trusted proxies passed it on.
//!
//! `X-Forwarded-*` is read only from peers that the owner trusts; from anyone else it is just another header.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::app::Settings;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Most hops of a forwarded list that are looked at, from the nearest on.
const HOPS_MAX: usize = 32;

/// The peer of a connection, worked out once for all of its requests.
#[derive(Clone, Debug)]
pub struct Peer {
    pub ip: IpAddr,
    pub text: Arc<str>,
    pub trusted: bool,
}

impl Peer {
    #[must_use]
    pub fn new(address: IpAddr, trusted_proxies: &[IpNet]) -> Self {
        // A dual-stack listener shows IPv4 peers as mapped IPv6: the owner's ranges are meant either way.
        let ip = address.to_canonical();
        Self { ip, text: ip.to_string().into(), trusted: is_trusted(ip, trusted_proxies) }
    }

    /// The address of the client: the peer's own, or the nearest untrusted hop that trusted proxies report.
    #[must_use]
    pub fn client(&self, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> Arc<str> {
        if !self.trusted || !headers.contains_key(FORWARDED_FOR) {
            return Arc::clone(&self.text);
        }
        let mut nearest = self.ip;
        for hop in forwarded_hops(headers) {
            // Past junk nobody knows who wrote what.
            let Some(ip) = parse_hop(hop) else { break };
            nearest = ip;
            if !is_trusted(ip, trusted_proxies) {
                break;
            }
        }
        nearest.to_string().into()
    }
}

fn is_trusted(ip: IpAddr, trusted_proxies: &[IpNet]) -> bool {
    trusted_proxies.iter().any(|range| range.contains(&ip))
}

/// The hops that proxies have appended, the nearest first.
fn forwarded_hops(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines: Vec<&str> =
        headers.get_all(FORWARDED_FOR).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    lines.into_iter().rev().flat_map(|line| line.rsplit(',')).take(HOPS_MAX)
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(ip.to_canonical())
}

/// The URL as the sender called it, query included.
#[must_use]
pub fn called_url(parts: &Parts, peer: &Peer, settings: &Settings) -> Arc<str> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut url = String::with_capacity(64 + path.len());
    if let Some(public) = &settings.public_url {
        url.push_str(public.as_str().trim_end_matches('/'));
    } else {
        let forwarded = |name: HeaderName| peer.trusted.then(|| first_of_list(&parts.headers, &name)).flatten();
        let scheme = match forwarded(FORWARDED_PROTO) {
            Some(proto) if proto.eq_ignore_ascii_case("https") => "https",
            _ => "http",
        };
        let host = forwarded(FORWARDED_HOST).filter(|host| is_host(host)).or_else(|| host_of(parts));
        // Writing to a String cannot fail.
        let _ = write!(url, "{scheme}://{}", host.unwrap_or("localhost"));
    }
    url.push_str(path);
    url.into()
}

/// What the client, the first in the list, asked for.
fn first_of_list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()?.split(',').next().map(str::trim)
}

/// The host that a request names, with its port.
#[must_use]
pub fn host_of(parts: &Parts) -> Option<&str> {
    if let Some(authority) = parts.uri.authority() {
        return Some(authority.as_str());
    }
    parts.headers.get(HOST)?.to_str().ok().filter(|host| is_host(host))
}

fn is_host(text: &str) -> bool {
    text.parse::<Authority>().is_ok_and(|authority| !authority.host().is_empty() && !text.contains('@'))
}

#[cfg(test)]
mod tests {
    use http::Request;
    use url::Url;

    use super::*;

    fn proxies() -> Vec<IpNet> {
        ["10.0.0.0/8", "fd00::/8"].map(|range| range.parse().expect("a range")).to_vec()
    }

    fn peer(text: &str) -> Peer {
        Peer::new(text.parse().expect("an address"), &proxies())
    }

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn the_client_is_the_nearest_untrusted_hop_and_only_trusted_proxies_may_say_so() {
        let table: &[(&str, &[&str], &str)] = &[
            ("192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["junk"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("fd00::1", &["[2001:db8::7]:4711, fd00::2"], "2001:db8::7"),
            ("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ];
        for (from, lines, expected) in table {
            let headers: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            let client = peer(from).client(&parts("/", &headers).headers, &proxies());
            assert_eq!(&*client, *expected, "{from} {lines:?}");
        }
    }

    #[test]
    fn the_url_is_the_one_that_the_sender_called() {
        let public = Settings {
            public_url: Some(Url::parse("https://hooks.example/base/").expect("a URL")),
            ..Settings::default()
        };
        let none = Settings::default();
        type Case<'a> = (&'a Settings, &'a str, &'a [(&'a str, &'a str)], &'a str);
        let table: &[Case<'_>] = &[
            (&public, "192.0.2.1", &[("host", "evil.example")], "https://hooks.example/base/in/a?x=1&x=%2F"),
            (&none, "192.0.2.1", &[("host", "a.example:8080")], "http://a.example:8080/in/a?x=1&x=%2F"),
            (
                &none,
                "192.0.2.1",
                &[("host", "a.example"), ("x-forwarded-proto", "https")],
                "http://a.example/in/a?x=1&x=%2F",
            ),
            (
                &none,
                "10.0.0.1",
                &[("host", "a.example"), ("x-forwarded-proto", "https")],
                "https://a.example/in/a?x=1&x=%2F",
            ),
            (
                &none,
                "10.0.0.1",
                &[
                    ("host", "inner"),
                    ("x-forwarded-host", "outer.example, inner"),
                    ("x-forwarded-proto", "https, http"),
                ],
                "https://outer.example/in/a?x=1&x=%2F",
            ),
            (
                &none,
                "10.0.0.1",
                &[("host", "a.example"), ("x-forwarded-host", "x/y@z")],
                "http://a.example/in/a?x=1&x=%2F",
            ),
            (&none, "192.0.2.1", &[("host", "user@a.example")], "http://localhost/in/a?x=1&x=%2F"),
            (&none, "192.0.2.1", &[], "http://localhost/in/a?x=1&x=%2F"),
        ];
        for (settings, from, headers, expected) in table {
            let url = called_url(&parts("/in/a?x=1&x=%2F", headers), &peer(from), settings);
            assert_eq!(&*url, *expected, "{from} {headers:?}");
        }
    }
}
