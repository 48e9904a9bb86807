//! One inbound HTTP request as received, with its verdict.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{RequestId, SourceName, Tenant, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Accepted,
    Rejected,
    /// Its key could not be fetched yet: answered 2xx, verified again with back-off.
    Pending,
}

impl Verdict {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Pending => "pending",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Accepted, Self::Rejected, Self::Pending].into_iter().find(|verdict| verdict.as_str() == text)
    }
}

/// A request with everything a later verification needs. Headers keep their order and repetitions;
/// names are lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundRequest {
    pub id: RequestId,
    pub tenant: Tenant,
    pub source: SourceName,
    /// The connection as the path named it; empty when it named none.
    pub connection: Arc<str>,
    pub method: Arc<str>,
    /// The URL as the sender called it (`public_url` and trusted proxies applied), query included.
    pub url: Arc<str>,
    pub headers: Vec<(Arc<str>, Bytes)>,
    /// Exactly the bytes received, still compressed if they came so. Empty if they were refused for their size.
    pub body: Bytes,
    /// The peer's address, behind trusted proxies the client's; text, because it is only shown.
    pub remote: Arc<str>,
    pub received_at: Timestamp,
}

/// Why a request was not accepted: a stable code for machines and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Snake case, from a fixed list of few: requests are bounded per source and code.
    pub code: Arc<str>,
    pub detail: String,
}

/// Headers that carry a credential of the sender: an accepted request keeps their names, not their values.
pub const SECRET_HEADERS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-gitlab-token"];

/// Said by the gateway itself of a request that a trusted proxy handed on; whoever else sends it is not believed.
pub const BY_TRUSTED_PROXY: &str = "trireme-by-trusted-proxy";
/// What stands in the place of a secret that is not shown.
pub const MASK: &str = "***";
/// Headers and query parameters whose names contain one of these carry credentials or signatures.
const SECRET_WORDS: [&str; 11] = [
    "authorization",
    "cookie",
    "signature",
    "token",
    "secret",
    "password",
    "hmac",
    "api-key",
    "apikey",
    "api_key",
    "x-auth",
];

/// Whether a header or query parameter of this name carries a credential or a signature.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word)) || matches!(&*name, "key" | "sig" | "auth" | "pass")
}

/// The headers and query parameters in which one sender shows its secret itself, whatever they are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretPlaces {
    /// In lower case.
    pub headers: BTreeSet<Box<str>>,
    pub query: BTreeSet<Box<str>>,
    /// Nobody knows any more which they are, so it may be any.
    pub anywhere: bool,
}

impl SecretPlaces {
    /// Those of a sender of which nothing is known any more.
    #[must_use]
    pub fn anywhere() -> Self {
        Self { anywhere: true, ..Self::default() }
    }

    #[must_use]
    pub fn has_header(&self, name: &str) -> bool {
        self.anywhere || self.headers.contains(name)
    }

    #[must_use]
    pub fn has_parameter(&self, name: &str) -> bool {
        self.anywhere || self.query.contains(name)
    }
}

/// A URL whose query shows no credentials.
#[must_use]
pub fn masked_url(url: &str) -> Cow<'_, str> {
    masked_url_of(url, &SecretPlaces::default())
}

/// The same of a sender that shows its secret in these places too.
#[must_use]
pub fn masked_url_of<'u>(url: &'u str, places: &SecretPlaces) -> Cow<'u, str> {
    let Some((before, query)) = url.split_once('?') else { return Cow::Borrowed(url) };
    let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if is_secret(name) || places.has_parameter(name) => format!("{name}={MASK}"),
        _ => parameter.to_owned(),
    });
    Cow::Owned(format!("{before}?{}", parameters.collect::<Vec<_>>().join("&")))
}

/// What came before the body, in the one line per header that an event keeps it as:
/// `METHOD URL`, the remote address, then `name: value` lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub method: String,
    pub url: String,
    pub remote: String,
    pub headers: Vec<(String, String)>,
}

impl InboundRequest {
    /// Whether a trusted proxy handed it on.
    #[must_use]
    pub fn by_trusted_proxy(&self) -> bool {
        self.headers.iter().any(|(name, _)| **name == *BY_TRUSTED_PROXY)
    }

    /// The head as an accepted event keeps it: values of [`SECRET_HEADERS`], of the headers in which its sender shows
    /// its secret, and credentials in the query are left out. Signatures stay: whoever is handed them can verify them.
    #[must_use]
    pub fn encode_head(&self, places: &SecretPlaces) -> Bytes {
        let size = self.headers.iter().map(|(name, value)| name.len() + value.len() + 3).sum::<usize>();
        let mut out = Vec::with_capacity(size + self.method.len() + self.url.len() + self.remote.len() + 4);
        let url = masked_url_of(&self.url, places);
        for part in [self.method.as_bytes(), b" ", url.as_bytes(), b"\n", self.remote.as_bytes(), b"\n"] {
            out.extend_from_slice(part);
        }
        for (name, value) in &self.headers {
            let is_secret = SECRET_HEADERS.contains(&name.as_ref()) || places.has_header(name);
            let value: &[u8] = if is_secret { MASK.as_bytes() } else { value };
            for part in [name.as_bytes(), b": ", value, b"\n"] {
                out.extend_from_slice(part);
            }
        }
        out.into()
    }
}

impl Head {
    /// Reads what [`InboundRequest::encode_head`] wrote; whatever it cannot read is left out.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split('\n');
        let (method, url) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
        let remote = lines.next().unwrap_or_default();
        let headers =
            lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { method: method.to_owned(), url: url.to_owned(), remote: remote.to_owned(), headers: headers.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_back_without_its_secrets() {
        let header = |name: &str, value: &'static str| (Arc::from(name), Bytes::from_static(value.as_bytes()));
        let request = InboundRequest {
            id: RequestId::from_uuid(uuid::Uuid::nil()),
            tenant: Tenant::default_tenant(),
            source: "github".parse().expect("a name"),
            connection: "".into(),
            method: "POST".into(),
            url: "https://hooks.example/in/github?a=b c&token=canary&oar=canary".into(),
            headers: vec![
                header("authorization", "Basic canary"),
                header("x-github-event", "push: x"),
                header("x-oar", "canary"),
            ],
            body: Bytes::new(),
            remote: "192.0.2.1".into(),
            received_at: Timestamp::EPOCH,
        };
        let places = SecretPlaces {
            headers: [Box::from("x-oar")].into(),
            query: [Box::from("oar")].into(),
            ..SecretPlaces::default()
        };
        let head = Head::decode(&request.encode_head(&places));
        assert_eq!(
            (head.method.as_str(), head.url.as_str(), head.remote.as_str()),
            ("POST", "https://hooks.example/in/github?a=b c&token=***&oar=***", "192.0.2.1")
        );
        assert_eq!(head.headers[0], ("authorization".to_owned(), "***".to_owned()));
        assert_eq!(head.headers[1], ("x-github-event".to_owned(), "push: x".to_owned()));
        assert_eq!(head.headers[2], ("x-oar".to_owned(), "***".to_owned()));
        let unknown = Head::decode(&request.encode_head(&SecretPlaces::anywhere()));
        assert_eq!(unknown.url, "https://hooks.example/in/github?a=***&token=***&oar=***");
        assert!(unknown.headers.iter().all(|(_, value)| value == MASK), "{unknown:?}");
    }

    #[test]
    fn credentials_and_signatures_are_masked_and_nothing_else() {
        for name in [
            "authorization",
            "proxy-authorization",
            "cookie",
            "x-hub-signature-256",
            "stripe-signature",
            "webhook-signature",
            "x-gitlab-token",
            "x-shopify-hmac-sha256",
            "x-api-key",
            "X-Secret",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["content-type", "x-github-event", "webhook-id", "user-agent", "x-monkey", "design"] {
            assert!(!is_secret(name), "{name}");
        }
        let url = "https://a.example/in/x?token=canary&a=b&sig=canary&flag&access_token=canary";
        assert_eq!(masked_url(url), "https://a.example/in/x?token=***&a=b&sig=***&flag&access_token=***");
        assert_eq!(masked_url("https://a.example/in/x"), "https://a.example/in/x");
    }
}
