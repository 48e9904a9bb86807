//! A URL that was parsed and judged once, with everything a request needs of it ready to be cloned cheaply.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use rustc_hash::FxHasher;
use rustls::pki_types::ServerName;
use url::Url;

use super::egress::{EgressPolicy, EgressRefused};

/// Longest URL that is accepted: what common servers take in one request line.
pub const URL_BYTES_MAX: usize = 8 * 1024;

/// Where to send, and under which policy that was found to be allowed.
#[derive(Clone)]
pub struct Target {
    pub(super) origin: Arc<Origin>,
    /// The path and query alone, as the request line carries them.
    pub(super) uri: Uri,
    pub(super) host_header: HeaderValue,
    url: Arc<str>,
}

impl Target {
    /// Parses `url` and judges all that can be judged without asking a name server: scheme, credentials, port,
    /// addresses in any spelling, `localhost`. Names are judged when they are dialled.
    pub fn parse(url: &str, policy: &Arc<EgressPolicy>) -> Result<Self, EgressRefused> {
        if url.len() > URL_BYTES_MAX {
            return Err(EgressRefused::UrlTooLong { bytes: url.len(), max: URL_BYTES_MAX });
        }
        let not_a_url = |problem: &dyn fmt::Display| EgressRefused::NotAUrl {
            url: without_secrets(url),
            problem: problem.to_string(),
        };
        let parsed = Url::parse(url).map_err(|error| not_a_url(&error))?;
        let scheme = Scheme::of(parsed.scheme())?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(EgressRefused::Userinfo);
        }
        let host = Host::of(&parsed).ok_or_else(|| not_a_url(&"it names no host"))?;
        let port = parsed.port_or_known_default().ok_or_else(|| not_a_url(&"it names no port"))?;
        EgressPolicy::judge_port(port)?;
        let origin = Origin::new(scheme, host, port, Arc::clone(policy))?;
        origin.known_addresses().transpose()?;
        let path = &parsed[url::Position::BeforePath..url::Position::AfterQuery];
        let path = path.parse::<PathAndQuery>().map_err(|error| not_a_url(&error))?;
        let host_header = HeaderValue::from_str(&origin.authority()).map_err(|error| not_a_url(&error))?;
        Ok(Self { origin: Arc::new(origin), uri: Uri::from(path), host_header, url: parsed.as_str().into() })
    }

    /// A server that speaks another protocol than HTTP, judged alike; for its port whoever configures it is trusted, as
    /// mail has ports that HTTP must not be sent to.
    pub fn server(host: &str, port: u16, policy: &Arc<EgressPolicy>) -> Result<Self, EgressRefused> {
        let not_a_host = |problem: &dyn fmt::Display| EgressRefused::NotAUrl {
            url: without_secrets(host),
            problem: problem.to_string(),
        };
        if host.contains(['/', '@', '?', '#', ':']) && host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(not_a_host(&"it is no name and no address"));
        }
        let bare = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let url = Url::parse(&format!("https://{bare}:{port}/")).map_err(|error| not_a_host(&error))?;
        let known = Host::of(&url).ok_or_else(|| not_a_host(&"it names no host"))?;
        let origin = Origin::new(Scheme::Https, known, port, Arc::clone(policy))?;
        origin.known_addresses().transpose()?;
        let host_header = HeaderValue::from_str(&origin.authority()).map_err(|error| not_a_host(&error))?;
        Ok(Self { origin: Arc::new(origin), uri: Uri::default(), host_header, url: url.as_str().into() })
    }

    /// The whole URL, normalised. Its query may hold secrets: show [`Target::origin`] where people look.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `scheme://host:port`, which is also what connections are kept by.
    #[must_use]
    pub fn origin(&self) -> String {
        let Origin { scheme, port, .. } = &*self.origin;
        format!("{}://{}:{port}", scheme.as_str(), self.origin.host)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.origin())
    }
}

/// What is shown of a text that is not a URL: no query and no credentials, and not much of the rest.
fn without_secrets(url: &str) -> String {
    const SHOWN_CHARS: usize = 100;
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let url = match (url.split_once("//"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}//…@{rest}"),
        _ => url.to_owned(),
    };
    url.chars().take(SHOWN_CHARS).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn of(scheme: &str) -> Result<Self, EgressRefused> {
        match scheme {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            other => Err(EgressRefused::Scheme { scheme: other.chars().take(32).collect() }),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Who is meant: a literal address, this machine, or a name that only a resolver can tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Host {
    Literal(IpAddr),
    Localhost(Box<str>),
    Name(Box<str>),
}

impl Host {
    /// The URL parser has already turned decimal, octal, hexadecimal and full-width spellings into addresses.
    fn of(url: &Url) -> Option<Self> {
        match url.host()? {
            url::Host::Ipv4(ip) => Some(Self::Literal(ip.into())),
            url::Host::Ipv6(ip) => Some(Self::Literal(IpAddr::from(ip).to_canonical())),
            url::Host::Domain(name) => {
                // `name.` and `name` are one host; the dot would only make two pools and two certificates of it.
                let name = name.strip_suffix('.').unwrap_or(name);
                let local = name == "localhost" || name.ends_with(".localhost");
                match name {
                    "" => None,
                    name if local => Some(Self::Localhost(name.into())),
                    name => Some(Self::Name(name.into())),
                }
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Literal(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Localhost(name) | Self::Name(name) => f.write_str(name),
        }
    }
}

/// What one kept connection may be used for: the same scheme, host, port *and* policy.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub scheme: Scheme,
    pub host: Host,
    pub port: u16,
    pub policy: Arc<EgressPolicy>,
    /// Whom the certificate must name; `None` without TLS.
    pub server_name: Option<ServerName<'static>>,
    hash: u64,
}

impl Origin {
    fn new(scheme: Scheme, host: Host, port: u16, policy: Arc<EgressPolicy>) -> Result<Self, EgressRefused> {
        let server_name =
            match (scheme, &host) {
                (Scheme::Http, _) => None,
                (Scheme::Https, Host::Literal(ip)) => Some(ServerName::from(*ip)),
                (Scheme::Https, Host::Localhost(name) | Host::Name(name)) => {
                    let valid = ServerName::try_from(name.to_string());
                    Some(valid.map_err(|error| EgressRefused::NotAUrl {
                        url: name.to_string(),
                        problem: error.to_string(),
                    })?)
                }
            };
        let mut hasher = FxHasher::default();
        (scheme, &host, port, &*policy).hash(&mut hasher);
        Ok(Self { scheme, host, port, policy, server_name, hash: hasher.finish() })
    }

    /// The judged addresses of a host that needs no resolver; `None` for a name.
    pub fn known_addresses(&self) -> Option<Result<Vec<SocketAddr>, EgressRefused>> {
        match &self.host {
            Host::Name(_) => None,
            Host::Literal(ip) => {
                let judged = self.policy.judge(&self.host.to_string(), SocketAddr::new(*ip, self.port));
                Some(judged.map(|address| vec![address]))
            }
            Host::Localhost(name) => Some(self.policy.judge_localhost(name, self.port)),
        }
    }

    fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.port == other.port
            && self.scheme == other.scheme
            && self.host == other.host
            && (Arc::ptr_eq(&self.policy, &other.policy) || self.policy == other.policy)
    }
}

impl Eq for Origin {}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}
