//! How many deliveries are being tried is told while they are.

use std::sync::Arc;
use std::time::Duration;

use engine::telemetry::DELIVERIES_IN_FLIGHT;
use engine::transport::{OutboundRequest, OutboundResponse, SendError, Transport};
use futures_util::future::BoxFuture;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use tokio::sync::Notify;

use crate::rig::{Rig, clock, memory, specs};

/// Lets a request wait until it is told to let one go.
#[derive(Default)]
struct Holding(Notify);

impl Transport for Holding {
    fn send(&self, _: OutboundRequest) -> BoxFuture<'_, Result<OutboundResponse, SendError>> {
        Box::pin(async {
            self.0.notified().await;
            Err(SendError::ConnectFailed("nobody listens".to_owned()))
        })
    }
}

fn told(recorder: &PrometheusRecorder) -> Option<String> {
    let rendered = recorder.handle().render();
    rendered.lines().find_map(|line| line.strip_prefix(DELIVERIES_IN_FLIGHT)).map(|value| value.trim().to_owned())
}

#[test]
fn a_delivery_counts_as_in_flight_until_its_try_has_ended() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let act = async {
        let holding = Arc::new(Holding::default());
        let rig = Rig::reaching(memory(), specs(), clock(), Arc::clone(&holding) as _).await;
        for _ in 0..2 {
            rig.publish().await;
        }
        rig.pass(Duration::from_secs(1)).await;
        assert_eq!(told(&recorder).as_deref(), Some("2"));
        holding.0.notify_one();
        rig.pass(Duration::from_secs(1)).await;
        assert_eq!(told(&recorder).as_deref(), Some("1"));
        holding.0.notify_one();
        rig.pass(Duration::from_secs(1)).await;
        assert_eq!(told(&recorder).as_deref(), Some("0"));
        rig.engine.stop(Duration::from_secs(60)).await;
    };
    metrics::with_local_recorder(&recorder, || runtime.expect("a runtime").block_on(act));
}
