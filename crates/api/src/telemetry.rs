//! Every metric of the HTTP face, and the recorder that keeps the number of their labels bounded.

mod bounded;
mod fading;

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

use bounded::Bounded;
use fading::Fading;
pub use fading::Handle as MetricsHandle;

/// Upper bounds in seconds: from a commit in memory to a replay of a day.
const DURATION_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// How long a gauge that is told at each collection is shown without being told: two collectors at once need not agree
/// which of them told it last.
const FADES_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("the metrics recorder cannot be built: {0}")]
    Build(#[from] BuildError),
    #[error("another metrics recorder is installed already")]
    Taken,
}

/// Makes this process record its metrics; the handle renders them for `/metrics`. Once per process.
pub fn install_metrics() -> Result<MetricsHandle, InstallError> {
    let suffix = Matcher::Suffix("_seconds".to_owned());
    let lasting = PrometheusBuilder::new().set_buckets_for_metric(suffix, &DURATION_BUCKETS)?;
    let recorder = Fading::new(lasting, FADES_AFTER);
    let handle = recorder.handle();
    metrics::set_global_recorder(Bounded::new(recorder)).map_err(|_| InstallError::Taken)?;
    Ok(handle)
}

pub(crate) fn ingest_refused(reason: &'static str) {
    counter!("trireme_ingest_refused_total", "reason" => reason).increment(1);
}

pub(crate) fn connections(count: usize) {
    gauge!("trireme_http_connections").set(count as f64);
}

pub(crate) fn connection_refused() {
    counter!("trireme_http_connections_refused_total").increment(1);
}

/// `route` is the route's pattern, never the path that was asked for.
pub(crate) fn answered(route: &str, method: &str, status: u16, took: Duration) {
    let labels = [("route", route.to_owned()), ("method", method.to_owned()), ("status", status.to_string())];
    counter!("trireme_http_requests_total", &labels).increment(1);
    histogram!("trireme_http_request_seconds", "route" => route.to_owned()).record(took.as_secs_f64());
}
