//! A recorder that forgets the gauges of what is there no more. Those that are told anew at each collection are kept
//! apart from all others, whose last value holds however old it is.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_util::MetricKindMask;

pub struct Fading {
    lasting: PrometheusRecorder,
    fading: PrometheusRecorder,
}

/// Renders both.
#[derive(Clone)]
pub struct Handle {
    lasting: PrometheusHandle,
    fading: PrometheusHandle,
}

impl Fading {
    /// A gauge of [`engine::telemetry::LOOKED_AT`] that was not told since the last collection, and for so long, fades.
    pub fn new(lasting: PrometheusBuilder, after: Duration) -> Self {
        let fading = PrometheusBuilder::new().idle_timeout(MetricKindMask::GAUGE, Some(after));
        Self { lasting: lasting.build_recorder(), fading: fading.build_recorder() }
    }

    pub fn handle(&self) -> Handle {
        Handle { lasting: self.lasting.handle(), fading: self.fading.handle() }
    }

    fn of(&self, name: &str) -> &PrometheusRecorder {
        if engine::telemetry::LOOKED_AT.contains(&name) { &self.fading } else { &self.lasting }
    }
}

impl Handle {
    /// Gathers what histograms were told since the last time; now and then, or they grow.
    pub(crate) fn run_upkeep(&self) {
        self.lasting.run_upkeep();
    }

    #[must_use]
    pub fn render(&self) -> String {
        self.lasting.render() + &self.fading.render()
    }
}

impl Recorder for Fading {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.lasting.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.of(key.as_str()).describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.lasting.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.lasting.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.of(key.name()).register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.lasting.register_histogram(key, metadata)
    }
}

#[cfg(test)]
mod tests {
    use metrics::gauge;

    use super::*;

    #[test]
    fn a_stream_that_is_not_told_any_more_fades_and_what_is_told_once_stays() {
        let recorder = Fading::new(PrometheusBuilder::new(), Duration::ZERO);
        let handle = recorder.handle();
        let tell = |streams: &[&str]| {
            metrics::with_local_recorder(&recorder, || {
                streams.iter().for_each(|stream| engine::telemetry::stream("shop", stream, None, 2));
            });
            let text = handle.render();
            let lines = text.lines().filter(|line| line.contains("shop") || line.starts_with("told_once"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        metrics::with_local_recorder(&recorder, || gauge!("told_once").set(7.0));
        let of = |stream: &str| format!("trireme_stream_failures_in_a_row{{source=\"shop\",stream=\"{stream}\"}} 2");
        let mut both = tell(&["orders", "items"]);
        both.sort();
        assert_eq!(both, ["told_once 7".to_owned(), of("items"), of("orders")]);
        assert_eq!(tell(&["orders"]), ["told_once 7".to_owned(), of("orders")]);
        assert_eq!(tell(&["orders"]), ["told_once 7".to_owned(), of("orders")], "it is told again and again");
    }
}
