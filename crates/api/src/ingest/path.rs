//! Which source an ingest path means: `/in/{source}[/{connection}]`, for other tenants `/t/{tenant}/in/…`.

use std::borrow::Cow;

use domain::{ConnectionName, SourceName, Tenant};
use std::str::FromStr;

/// Where a request wants to go; whether that exists is for the engine to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    pub tenant: Tenant,
    pub source: SourceName,
    /// Empty when the path names none.
    pub connection: Cow<'a, str>,
}

impl<'a> Target<'a> {
    /// Whether ingest answers this path, with a 404 if it must.
    #[must_use]
    pub fn is_ingest(path: &str) -> bool {
        path.starts_with("/in/") || path == "/in" || path.starts_with("/t/")
    }

    #[must_use]
    pub fn of(path: &'a str) -> Option<Self> {
        let (tenant, rest) = match path.strip_prefix("/t/") {
            Some(rest) => {
                let (tenant, rest) = rest.split_once('/')?;
                (tenant.parse().ok()?, rest.strip_prefix("in/")?)
            }
            None => (Tenant::default_tenant(), path.strip_prefix("/in/")?),
        };
        let (source, connection) = match rest.split_once('/') {
            Some((source, connection)) => (source, decode(connection)?),
            None => (rest, Cow::Borrowed("")),
        };
        // Names with other characters cannot exist, so nothing needs to look for them.
        let named = connection.is_empty() || ConnectionName::from_str(&connection).is_ok();
        let closed = rest.ends_with('/');
        (named && !closed).then_some(Self { tenant, source: source.parse().ok()?, connection })
    }
}

/// Undoes percent-encoding: some senders encode the `@` or `:` of an account's name.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%' {
            let (digits, tail) = rest.split_at_checked(2)?;
            rest = tail;
            out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_tenant_source_and_connection() {
        let table = [
            ("/in/github", Some(("default", "github", ""))),
            ("/in/shop/acme.example", Some(("default", "shop", "acme.example"))),
            ("/in/shop/me%40acme", Some(("default", "shop", "me@acme"))),
            ("/t/acme/in/github", Some(("acme", "github", ""))),
            ("/t/acme/in/shop/eu-1", Some(("acme", "shop", "eu-1"))),
            ("/in", None),
            ("/in/", None),
            ("/in/github/", None),
            ("/in/shop/a/b", None),
            ("/in/shop/a%2Fb", None),
            ("/in/shop/%zz", None),
            ("/in/shop/%4", None),
            ("/in/shop/%+1", None),
            ("/in/shop/%ff", None),
            ("/in/../api", None),
            ("/t/acme/github", None),
            ("/t//in/github", None),
            ("/t/acme", None),
            ("/api/v1/events", None),
        ];
        for (path, expected) in table {
            let target = Target::of(path);
            let told = target.as_ref().map(|it| (it.tenant.as_str(), it.source.as_str(), it.connection.as_ref()));
            assert_eq!(told, expected, "{path}");
            assert!(target.is_none() || Target::is_ingest(path));
        }
    }
}
