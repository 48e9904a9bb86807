//! What every handler is given: the engine, the keys, the settings and the limits of the HTTP face.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use domain::Timestamp;
use engine::Engine;
use engine::clock::SharedClock;
use engine::entropy::uuid_v7;
use engine::explain::Model;
use ipnet::IpNet;
use store::Store;
use tokio::sync::Semaphore;
use url::Url;
use uuid::Uuid;

use crate::ingest::IngestGate;
use crate::telemetry::MetricsHandle;
use engine::access::Access;

/// Where pages have what a browser sees that opens `/`.
pub const START_PAGE: &str = "/now";

/// What the owner decides about the HTTP face.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What senders call; part of some signatures. Without it the URL is put together from `Host`.
    pub public_url: Option<Url>,
    /// Peers whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Serve only local host names, as is done by itself when every API listener is bound to loopback: a page in a
    /// browser must not reach the API through a DNS name that points here.
    pub loopback_only: bool,
    pub limits: Limits,
    /// What may be asked beside our own rules; `None`: nothing.
    pub model: Option<Arc<Model>>,
}

/// What one caller, and all together, may ask of the HTTP face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of a webhook or a published event, on the wire. Providers send up to 25 MiB (GitHub's cap).
    pub body_bytes_max: usize,
    /// Of any other API request: the largest is a definition.
    pub api_body_bytes_max: usize,
    /// Request line and headers together: senders with JWT headers need 16 KiB, nobody needs 64.
    pub head_bytes_max: usize,
    pub headers_max: usize,
    /// For the whole head of a request, the first one of a connection included.
    pub head_time: Duration,
    /// A connection without a request.
    pub idle_time: Duration,
    /// Between two pieces of a body.
    pub body_idle: Duration,
    /// For the whole of a body.
    pub body_time: Duration,
    /// A response that its caller does not read.
    pub write_stall: Duration,
    pub connections_max: usize,
    /// Of one address that is not a trusted proxy.
    pub connections_per_ip_max: usize,
    /// Webhooks under way at once: what is beyond is told to come back.
    pub ingest_in_flight_max: usize,
    /// Bytes of all webhook bodies in memory at once.
    pub ingest_bytes_max: usize,
    /// API requests under way at once.
    pub api_in_flight_max: usize,
    /// Live tails open at once: each holds a connection and reads the store at every event.
    pub tails_max: usize,
    /// For what is under way when the gateway stops.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            body_bytes_max: 25 * MIB,
            api_body_bytes_max: MIB,
            head_bytes_max: 64 * 1024,
            headers_max: 100,
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(75),
            body_idle: Duration::from_secs(10),
            body_time: Duration::from_secs(60),
            write_stall: Duration::from_secs(30),
            connections_max: 10_000,
            connections_per_ip_max: 2_000,
            ingest_in_flight_max: 8_192,
            ingest_bytes_max: 256 * MIB,
            api_in_flight_max: 256,
            tails_max: 256,
            drain_time: Duration::from_secs(25),
        }
    }
}

/// Cheap to clone: everything is shared.
#[derive(Clone)]
pub struct App(Arc<Shared>);

pub struct Shared {
    pub engine: Engine,
    pub access: Arc<Access>,
    pub settings: Settings,
    pub started_at: Timestamp,
    /// Renders `/metrics`; `None` where nobody records.
    pub(crate) metrics: Option<MetricsHandle>,
    /// Pages for people, beside the API; `None` where nobody looks.
    pub(crate) pages: Option<Router>,
    pub(crate) ingest: IngestGate,
    pub(crate) api_permits: Semaphore,
    pub(crate) tail_permits: Arc<Semaphore>,
}

impl App {
    #[must_use]
    pub fn new(engine: Engine, settings: Settings, metrics: Option<MetricsHandle>) -> Self {
        let access = Arc::new(Access::new(Arc::clone(engine.store()), SharedClock::clone(engine.clock())));
        Self::with_pages(engine, access, settings, metrics, None)
    }

    /// As [`new`](Self::new), with pages that know callers by the same keys. Their start page is at [`START_PAGE`].
    #[must_use]
    pub fn with_pages(
        engine: Engine,
        access: Arc<Access>,
        settings: Settings,
        metrics: Option<MetricsHandle>,
        pages: Option<Router>,
    ) -> Self {
        let limits = &settings.limits;
        let ingest = IngestGate::new(limits.ingest_in_flight_max, limits.ingest_bytes_max);
        let api_permits = Semaphore::new(limits.api_in_flight_max);
        let tail_permits = Arc::new(Semaphore::new(limits.tails_max));
        let started_at = engine.clock().now();
        Self(Arc::new(Shared {
            engine,
            access,
            settings,
            started_at,
            metrics,
            pages,
            ingest,
            api_permits,
            tail_permits,
        }))
    }
}

impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    pub(crate) fn store(&self) -> &dyn Store {
        self.engine.store().as_ref()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.clock().now()
    }

    pub(crate) fn new_uuid(&self, now: Timestamp) -> Uuid {
        uuid_v7(self.engine.entropy().as_ref(), now)
    }
}
