//! The requester: builds each request of a stream from its templates and from what paginator, slicer and
//! authenticator add. Never sends one.

pub mod additions;
pub mod address;
pub(super) mod body;
pub mod fields;
mod input;
pub mod option;
pub mod properties;
pub mod text;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value as Json};

use super::auth::{Authenticator, Token};
use super::expression::Template;
use super::failure::{ErrorHandler, Errors};
use super::node::{Node, Parameters, Read};
use super::page::PageToken;
use super::problem::{Fault, Problem};
use super::properties::QueryProperties;
use super::scope::Scope;
use super::trouble::Trouble;
use super::wire::{HEADER_BYTES_MAX, Request};
use additions::merge;
use body::Body;
use fields::template;
use input::Input;
use text::python_text;

pub use additions::{Additions, Hosts};
pub use option::{RequestOption, Target};

/// Most headers of one request.
const HEADERS_MAX: usize = 128;
/// Longest time-out that a manifest may ask for.
const TIMEOUT_MAX: Duration = Duration::from_secs(3_600);

/// Builds the requests of one stream, one login or one step of a job.
#[derive(Clone, Debug)]
pub struct Requester {
    url: Option<Template>,
    url_base: Option<Template>,
    path: Option<Template>,
    method: Method,
    parameters_sent: Input,
    /// The parameter that carries the properties of the slice, if the manifest names one.
    properties_key: Option<String>,
    properties: Option<QueryProperties>,
    headers: Input,
    body: Body,
    authenticator: Authenticator,
    errors: ErrorHandler,
    use_cache: Option<bool>,
    timeouts: Timeouts,
    parameters: Parameters,
}

/// How long the transport waits, where the manifest says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Option<Duration>,
    pub read: Option<Duration>,
}

impl Requester {
    /// The request for this slice and page. The scope knows the slice (or that there is none); the page's token comes
    /// with the additions, and the authenticator's token, if it needs one, apart.
    pub fn request(&self, scope: &Scope<'_>, additions: Additions, token: Option<&Token>) -> Result<Request, Trouble> {
        let page = additions.page.clone();
        let scope =
            scope.parameters(&self.parameters).next_page_token(page.as_ref().map_or(&Json::Null, |p| p.as_json()));
        let mut additions = additions;
        let mut credentials = Additions::new();
        self.authenticator.add(&scope, token, &mut credentials)?;
        additions.merge(credentials)?;
        let parameters = self.parameters_of(&scope, &mut additions)?;
        let url = self.url(&scope, &additions)?;
        let pairs = text::pairs(&parameters)?;
        let url = address::prepare(&url, &text::without_known(pairs, &parameters, &url))?;
        let mut headers = self.headers_of(&scope, &mut additions)?;
        let has_body = !matches!(self.method, Method::HEAD | Method::DELETE);
        let body = self.body.encode(&scope, additions.json, additions.form, &mut headers)?;
        let body = if has_body { body } else { bytes::Bytes::new() };
        headers.entry(http::header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        Ok(Request { method: self.method.clone(), url, headers, body })
    }

    fn parameters_of(&self, scope: &Scope<'_>, additions: &mut Additions) -> Result<Map<String, Json>, Trouble> {
        let mut own = self.parameters_sent.parameters(scope)?;
        if let Some(key) = &self.properties_key {
            own.insert(key.clone(), Json::String(properties::joined(scope)?));
        }
        merge(&mut own, std::mem::take(&mut additions.parameters), "query", false)?;
        Ok(own)
    }

    fn headers_of(&self, scope: &Scope<'_>, additions: &mut Additions) -> Result<HeaderMap, Trouble> {
        let mut own = self.headers.headers(scope)?;
        merge(&mut own, std::mem::take(&mut additions.headers), "header", false)?;
        header_map(&own)
    }

    /// The URL, and on a page after the first the check that it leads nowhere else.
    fn url(&self, scope: &Scope<'_>, additions: &Additions) -> Result<String, Trouble> {
        let page_path = additions.page.as_ref().and_then(|page| page.path());
        let path = match page_path {
            Some(path) => path,
            None => self.part(self.path.as_ref(), scope)?.trim_start_matches('/').to_owned(),
        };
        let base = self.part(self.url_base.as_ref(), scope)?;
        let base = if base.is_empty() { self.part(self.url.as_ref(), scope)? } else { base };
        let url = address::join(&base, &path);
        match &additions.page {
            Some(page) => self.stay_home(url, page, scope, &additions.hosts),
            None => Ok(url),
        }
    }

    /// A page's link may lead to the host it came from, the manifest's own, or an allowed one. One that drops TLS on
    /// the way (a proxy's doing) is followed with TLS.
    fn stay_home(&self, url: String, page: &PageToken, scope: &Scope<'_>, hosts: &Hosts) -> Result<String, Trouble> {
        let host = address::host(&url).unwrap_or_default().to_ascii_lowercase();
        // A token that is no link leads nowhere; one that templates use may be the whole URL.
        if page.path().is_none() && page.host().is_none_or(|linked| linked != host) {
            return Ok(url);
        }
        let own = self.own_base(scope);
        let own_host = own.as_deref().and_then(address::host).unwrap_or_default();
        let is_known = host.eq_ignore_ascii_case(own_host)
            || page.came_from() == Some(host.as_str())
            || hosts.iter().any(|allowed| address::is_within(&host, allowed));
        if !is_known {
            let expected = if own_host.is_empty() { page.came_from().unwrap_or_default() } else { own_host };
            return Err(Trouble::AnotherHost { host, expected: expected.to_owned() });
        }
        let drops_tls = own.as_deref().is_some_and(|own| own.starts_with("https:")) && url.starts_with("http:");
        Ok(if drops_tls { address::with_tls(&url) } else { url })
    }

    /// The base without a page, as far as it has a value then.
    fn own_base(&self, scope: &Scope<'_>) -> Option<String> {
        let scope = scope.next_page_token(&Json::Null);
        let bases = [&self.url_base, &self.url];
        bases.into_iter().find_map(|base| self.part(base.as_ref(), &scope).ok().filter(|base| !base.is_empty()))
    }

    fn part(&self, template: Option<&Template>, scope: &Scope<'_>) -> Result<String, Trouble> {
        template.map_or(Ok(String::new()), |template| Ok(template.text(scope)?))
    }

    /// What judges the replies to these requests.
    #[must_use]
    pub const fn errors(&self) -> Errors<'_> {
        Errors::new(&self.errors, &self.authenticator)
    }

    #[must_use]
    pub const fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// The properties to ask for in turns, if the stream does that.
    #[must_use]
    pub const fn properties(&self) -> Option<&QueryProperties> {
        self.properties.as_ref()
    }

    /// Whether the same request within one sync may be answered from memory, where the manifest says so.
    #[must_use]
    pub const fn use_cache(&self) -> Option<bool> {
        self.use_cache
    }

    #[must_use]
    pub const fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }
}

/// Headers as they are sent: values in Python's text, marked as not to be shown.
pub(super) fn header_map(fields: &Map<String, Json>) -> Result<HeaderMap, Trouble> {
    let mut headers = HeaderMap::new();
    if fields.len() > HEADERS_MAX {
        return Err(Trouble::TooLarge { what: "list of headers", bytes: fields.len(), limit: HEADERS_MAX });
    }
    for (name, value) in fields {
        let text = python_text(value);
        if text.len() > HEADER_BYTES_MAX {
            return Err(Trouble::TooLarge { what: "header", bytes: text.len(), limit: HEADER_BYTES_MAX });
        }
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Trouble::HeaderName { name: name.clone() })?;
        let value = HeaderValue::from_bytes(text.trim_matches([' ', '\t']).as_bytes());
        let mut value = value.map_err(|_| Trouble::HeaderValue { name: name.clone() })?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

impl Read for Requester {
    fn read(node: &Node) -> Result<Self, Problem> {
        if &*node.kind("HttpRequester")? != "HttpRequester" {
            return Err(node.unsupported());
        }
        let (url, url_base) = (template(node, "url")?, template(node, "url_base")?);
        if url.is_none() && url_base.is_none() {
            return Err(node.problem(Fault::Wrong, "needs 'url' (or 'url_base')".to_owned()));
        }
        let (properties_key, properties, parameters_sent) = input::parameters_at(node)?;
        let mut authenticator: Authenticator = node.maybe("authenticator")?.unwrap_or_default();
        if let Some(base) = url.as_ref().or(url_base.as_ref()) {
            authenticator.based_at(base);
        }
        // Connections are the transport's own matter; what is written must be of the format's type all the same.
        node.maybe::<bool>("use_tcp_keepalive")?;
        Ok(Self {
            url,
            url_base,
            path: template(node, "path")?,
            method: method(node)?,
            parameters_sent,
            properties_key,
            properties,
            headers: Input::read_at(node, "request_headers")?,
            body: Body::read(node)?,
            authenticator,
            errors: node.maybe("error_handler")?.unwrap_or_default(),
            use_cache: node.maybe("use_cache")?,
            timeouts: Timeouts {
                connect: timeout(node, "connect_timeout_in_seconds")?,
                read: timeout(node, "read_timeout_in_seconds")?,
            },
            parameters: node.parameters(),
        })
    }
}

fn method(node: &Node) -> Result<Method, Problem> {
    let Some(field) = node.get("http_method") else { return Ok(Method::GET) };
    match String::read(&field)?.as_str() {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "DELETE" => Ok(Method::DELETE),
        "HEAD" => Ok(Method::HEAD),
        _ => Err(field.wrong("GET, POST, PUT, PATCH, DELETE or HEAD")),
    }
}

fn timeout(node: &Node, field: &str) -> Result<Option<Duration>, Problem> {
    let Some(field) = node.get(field) else { return Ok(None) };
    let seconds = f64::read(&field)?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(timeout) if !timeout.is_zero() && timeout <= TIMEOUT_MAX => Ok(Some(timeout)),
        _ => Err(field.wrong(format!("a number of seconds up to {}", TIMEOUT_MAX.as_secs()))),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) mod trial;
