//! Traces over OTLP (HTTP, protobuf). The engine's spans exist only for whoever collects them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::clock::SystemClock;
use engine::transport::{
    BodyEnd, EgressPolicy, HttpTransport, Limits, OutboundRequest, Target, Transport, TransportOptions,
};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::Layer;

use super::BoxLayer;
use crate::exit::{Failure, Outcome};

/// For the last spans when the process ends: a collector that is away must not keep it.
const LAST_EXPORT_TIME: Duration = Duration::from_secs(2);
/// A collector answers with next to nothing.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What collects the spans until it is told to finish.
pub struct Traces(SdkTracerProvider);

impl Traces {
    pub fn finish(self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST_EXPORT_TIME) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// A layer that collects the engine's spans and sends them to `endpoint` on the runtime's threads.
pub fn start(endpoint: &str, runtime: &Handle) -> Outcome<(BoxLayer, Traces)> {
    let failed = |error: &dyn fmt::Display| Failure::usage(format!("--otlp-endpoint {endpoint}: {error}"));
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let client = Client::new(runtime.clone())?;
    client.target(&url).map_err(|error| failed(&error))?;
    let exporter = SpanExporter::builder().with_http().with_http_client(client).with_endpoint(url).build();
    let exporter = exporter.map_err(|error| failed(&error))?;
    let resource = Resource::builder().with_service_name("trireme").build();
    let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("trireme"));
    let engine_only = Targets::new().with_target("engine", LevelFilter::DEBUG);
    Ok((spans.with_filter(engine_only).boxed(), Traces(provider)))
}

/// The exporter runs on a thread without a runtime, so the request is sent on ours.
#[derive(Clone)]
struct Client {
    transport: Arc<HttpTransport>,
    policy: Arc<EgressPolicy>,
    runtime: Handle,
}

impl Client {
    /// The owner of the process names the collector, which is nearly always on a private address.
    fn new(runtime: Handle) -> Outcome<Self> {
        let transport = HttpTransport::new(SystemClock::shared(), TransportOptions::default())
            .map_err(|error| Failure::general("tls_setup", error.to_string()))?;
        let everywhere = ["0.0.0.0/0", "::/0"].map(|net| net.parse().expect("these are all addresses there are"));
        let policy = Arc::new(EgressPolicy::new(everywhere.to_vec(), Vec::new()));
        Ok(Self { transport: Arc::new(transport), policy, runtime })
    }

    fn target(&self, url: &str) -> Result<Target, engine::transport::EgressRefused> {
        Target::parse(url, &self.policy)
    }

    async fn send(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let target = Arc::new(self.target(&head.uri.to_string())?);
        let limits = Limits { body_bytes: ANSWER_BYTES_MAX, ..Limits::default() };
        let outbound = OutboundRequest { method: head.method, target, headers: head.headers, body, limits };
        let answer = self.transport.send(outbound).await?;
        if answer.body_end != BodyEnd::Complete {
            return Err("the collector's answer is not complete".into());
        }
        let mut response = Response::new(answer.body_head);
        *response.status_mut() = http::StatusCode::from_u16(answer.status)?;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl HttpClient for Client {
    fn send_bytes<'client, 'sending>(
        &'client self,
        request: Request<Bytes>,
    ) -> BoxFuture<'sending, Result<Response<Bytes>, HttpError>>
    where
        'client: 'sending,
        Self: 'sending,
    {
        let sending = self.runtime.spawn(self.clone().send(request));
        Box::pin(async move { sending.await? })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn the_engines_spans_reach_the_collector_and_no_others_do() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("one");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let collecting = runtime.spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("the exporter");
            let mut heard = Vec::new();
            while !heard.windows(6).any(|window| window == b"github") {
                assert!(stream.read_buf(&mut heard).await.expect("bytes") > 0, "the span is not in it");
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("it listens");
            String::from_utf8_lossy(&heard).into_owned()
        });
        let (layer, traces) = start(&endpoint, runtime.handle()).expect("started");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::debug_span!(target: "engine::telemetry", "receive", source = "github").in_scope(|| ());
            tracing::info_span!(target: "api", "secretive").in_scope(|| ());
        });
        traces.finish();
        let heard = runtime.block_on(collecting).expect("no panic");
        assert!(heard.starts_with("POST /v1/traces HTTP/1.1") && heard.contains("receive"), "{heard}");
        assert!(!heard.contains("secretive"));
    }

    #[test]
    fn an_endpoint_that_is_no_url_is_refused_at_the_start() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("one");
        let Err(failure) = start("collector:4318", runtime.handle()) else { panic!("it is no URL") };
        assert!(failure.message.contains("collector:4318"), "{failure}");
    }
}
