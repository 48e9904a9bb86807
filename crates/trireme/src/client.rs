//! The gateway's API as the commands use it. It goes through the engine's transport like every outgoing request.

mod follow;
mod problem;
mod sse;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::clock::{SharedClock, SystemClock};
use engine::spec::Secret;
use engine::transport::{
    BodyEnd, EgressPolicy, HttpTransport, Limits, OpenResponse, OutboundRequest, OutboundResponse, SendError, Target,
    Transport, TransportOptions,
};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use crate::exit::{Failure, Outcome};

pub use follow::{Follow, wait_after};
pub use sse::{Message, Reader};

/// Largest answer that a command reads: a page of 500 events, or the largest payload, with room to spare.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Commands wait longer than deliveries do: a person can stop them.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(10),
    first_byte: Duration::from_secs(60),
    body: Duration::from_secs(60),
    total: Duration::from_secs(120),
    body_bytes: ANSWER_BYTES_MAX,
};

/// Where the gateway is, and the key that opens it.
#[derive(clap::Args, Clone, Debug)]
pub struct GatewayArgs {
    /// Address of the gateway
    #[arg(long, env = "TRIREME_URL", default_value = "http://127.0.0.1:8080", help_heading = "Gateway")]
    pub url: String,
    /// API key; the first one is printed when the gateway starts for the first time
    #[arg(long, env = "TRIREME_KEY", hide_env_values = true, help_heading = "Gateway")]
    pub key: Option<String>,
}

/// The transport of a person at the command line, who may reach whatever their machine can reach.
pub struct Caller {
    transport: HttpTransport,
    policy: Arc<EgressPolicy>,
}

impl Caller {
    pub fn new(clock: SharedClock) -> Outcome<Self> {
        let transport = HttpTransport::new(clock, TransportOptions::default())
            .map_err(|error| Failure::general("tls_setup", error.to_string()))?;
        let everywhere = ["0.0.0.0/0", "::/0"].map(|net| net.parse().expect("these are all addresses there are"));
        Ok(Self { transport, policy: Arc::new(EgressPolicy::new(everywhere.to_vec(), Vec::new())) })
    }

    pub fn target(&self, url: &str) -> Outcome<Arc<Target>> {
        let parsed = Target::parse(url, &self.policy).map_err(|refused| Failure::usage(refused.to_string()))?;
        Ok(Arc::new(parsed))
    }

    pub async fn send(&self, method: Method, url: &str, headers: HeaderMap, body: Bytes) -> Outcome<OutboundResponse> {
        self.exchange(method, url, headers, body, LIMITS).await?.map_err(|error| unreachable(url, &error))
    }

    /// The same, where no answer is an answer too.
    pub async fn exchange(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
        limits: Limits,
    ) -> Outcome<Result<OutboundResponse, SendError>> {
        let request = OutboundRequest { method, target: self.target(url)?, headers, body, limits };
        Ok(self.transport.send(request).await)
    }
}

/// The API of one gateway.
pub struct Gateway {
    caller: Caller,
    base: String,
    key: Option<Secret>,
    pub clock: SharedClock,
}

impl Gateway {
    pub fn new(args: &GatewayArgs) -> Outcome<Self> {
        let clock = SystemClock::shared();
        let caller = Caller::new(SharedClock::clone(&clock))?;
        let base = args.url.trim_end_matches('/').to_owned();
        caller.target(&base)?;
        Ok(Self { caller, base, key: args.key.clone().map(Secret::new), clock })
    }

    /// The JSON that a path answers.
    pub async fn get(&self, path: &str) -> Outcome<Value> {
        json_of(&self.call(Method::GET, path, None).await?)
    }

    /// The same, where "there is none" is an answer too.
    pub async fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        json_of(&self.call(Method::POST, path, Some(body)).await?)
    }

    pub async fn put(&self, path: &str, body: &Value) -> Outcome<Value> {
        json_of(&self.call(Method::PUT, path, Some(body)).await?)
    }

    pub async fn delete(&self, path: &str) -> Outcome<Value> {
        json_of(&self.call(Method::DELETE, path, None).await?)
    }

    /// The bytes that a path answers.
    pub async fn bytes(&self, path: &str) -> Outcome<Bytes> {
        Ok(self.call(Method::GET, path, None).await?.body_head)
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Outcome<OutboundResponse> {
        let mut headers = self.headers("application/json")?;
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let response = self.caller.send(method, &self.url(path), headers, bytes).await?;
        match response.body_end {
            BodyEnd::Complete => problem::check(response.status, &response.body_head)?,
            BodyEnd::Cut => return Err(Failure::general("answer_too_large", "the answer is larger than 64 MiB")),
            BodyEnd::TimedOut | BodyEnd::Broken => {
                return Err(Failure::general("answer_incomplete", "the connection ended before the answer did"));
            }
        }
        Ok(response)
    }

    /// Opens a stream of server-sent events, after the event with this id if one is given.
    pub async fn open(&self, path: &str, last_id: Option<&str>) -> Outcome<OpenResponse> {
        let mut headers = self.headers("text/event-stream")?;
        if let Some(id) = last_id {
            let id = HeaderValue::from_str(id).map_err(|_| Failure::usage(format!("'{id}' is not an event's id")))?;
            headers.insert(HeaderName::from_static("last-event-id"), id);
        }
        let url = self.url(path);
        let (method, target, body) = (Method::GET, self.caller.target(&url)?, Bytes::new());
        let request = OutboundRequest { method, target, headers, body, limits: LIMITS };
        let opened = self.caller.transport.open(request).await;
        let mut response = opened.map_err(|error| unreachable(&url, &error))?;
        if response.status == 200 {
            return Ok(response);
        }
        let body = response.chunk().await.and_then(Result::ok).unwrap_or_default();
        problem::check(response.status, &body)?;
        Err(Failure::general("unexpected_answer", format!("{url} answered {} instead of a stream", response.status)))
    }

    fn headers(&self, accept: &'static str) -> Outcome<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        // The audit log tells the command line from other programs by this.
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("trireme-cli/", env!("CARGO_PKG_VERSION"))));
        if let Some(key) = &self.key {
            let value = HeaderValue::from_str(&format!("Bearer {}", key.expose()));
            let mut value = value.map_err(|_| Failure::usage("the key holds characters that no key has"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn json_of(response: &OutboundResponse) -> Outcome<Value> {
    if response.body_head.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&response.body_head).map_err(|error| {
        Failure::general("unexpected_answer", format!("the answer is not JSON: {error}"))
            .hint("Does the URL name a trireme gateway?")
    })
}

fn unreachable(url: &str, error: &SendError) -> Failure {
    let host = url.split('/').take(3).collect::<Vec<_>>().join("/");
    let failure = Failure::general(error.code(), format!("nothing usable at {host}: {error}"));
    match error {
        SendError::ConnectFailed(_) | SendError::ConnectTimeout(_) | SendError::DnsFailed { .. } => failure.hint(
            "Is it running? Start it with `trireme serve`, or `trireme demo` to try it out.\n\
             If it listens elsewhere, say where with --url or TRIREME_URL.",
        ),
        _ => failure,
    }
}

/// Whether the same call may succeed a little later, because the gateway is away or busy.
#[must_use]
pub fn is_passing(failure: &Failure) -> bool {
    const PASSING: [&str; 16] = [
        "answer_incomplete",
        "bad_gateway",
        "body_incomplete",
        "body_timeout",
        "connect_failed",
        "connect_timeout",
        "connection_reset",
        "dns_failed",
        "first_byte_timeout",
        "overloaded",
        "shutting_down",
        "store_disk_full",
        "store_unavailable",
        "tls_failed",
        "too_many_streams",
        "total_timeout",
    ];
    PASSING.contains(&failure.code.as_str())
}

/// A query string of the parameters that have a value.
pub fn query<'a>(parameters: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            encoded.append_pair(name, &value);
        }
    }
    let text = encoded.finish();
    if text.is_empty() { text } else { format!("?{text}") }
}

/// One segment of a path: whatever a person typed stays one segment.
#[must_use]
pub fn segment(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_hold_whatever_was_typed() {
        assert_eq!(segment("../x y?#"), "..%2Fx%20y%3F%23");
        let parameters = [("type", Some("a&b=c".to_owned())), ("q", None), ("limit", Some("5".to_owned()))];
        assert_eq!(query(parameters), "?type=a%26b%3Dc&limit=5");
        assert_eq!(query([("q", None)]), "");
    }

    #[tokio::test]
    async fn a_gateway_that_is_not_there_is_asked_after() {
        let unused = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let url = format!("http://{}", unused.expect("a port"));
        let gateway = Gateway::new(&GatewayArgs { url, key: None }).expect("a client");
        let failure = gateway.get("/healthz").await.expect_err("nobody listens");
        assert_eq!(failure.code, "connect_failed");
        assert!(failure.hint.is_some_and(|hint| hint.contains("trireme serve")));
    }
}
