//! A recorder that bounds how many label sets a metric may have.
//!
//! Labels name sources and destinations, of which an owner can make any number; a metric past its bound goes on
//! under the label value `other` instead of growing memory and scrapes.

use std::sync::{PoisonError, RwLock};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit};
use rustc_hash::{FxHashMap, FxHashSet};

/// Label sets of one metric.
const LABEL_SETS_MAX: usize = 2_000;

pub struct Bounded<R> {
    inner: R,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    /// Keys that are recorded as they are. Not by their hashes: those of similar labels do collide.
    keys: FxHashSet<Key>,
    per_metric: FxHashMap<String, usize>,
}

impl<R> Bounded<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, known: RwLock::default() }
    }

    fn is_admitted(&self, key: &Key) -> bool {
        if key.labels().len() == 0 {
            return true;
        }
        if let Some(verdict) = self.verdict(key) {
            return verdict;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let count = known.per_metric.entry(key.name().to_owned()).or_default();
        if *count >= LABEL_SETS_MAX {
            return false;
        }
        *count += 1;
        known.keys.insert(key.clone());
        true
    }

    /// What is known already, without keeping other threads from asking.
    fn verdict(&self, key: &Key) -> Option<bool> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.keys.contains(key) {
            return Some(true);
        }
        known.per_metric.get(key.name()).filter(|count| **count >= LABEL_SETS_MAX).map(|_| false)
    }

    fn with_key<T>(&self, key: &Key, register: impl FnOnce(&R, &Key) -> T) -> T {
        if self.is_admitted(key) {
            return register(&self.inner, key);
        }
        let labels: Vec<Label> = key.labels().map(|label| Label::new(label.key().to_owned(), "other")).collect();
        register(&self.inner, &Key::from_parts(key.name().to_owned(), labels))
    }
}

impl<R: Recorder> Recorder for Bounded<R> {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.with_key(key, |inner, key| inner.register_counter(key, metadata))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.with_key(key, |inner, key| inner.register_gauge(key, metadata))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.with_key(key, |inner, key| inner.register_histogram(key, metadata))
    }
}

#[cfg(test)]
mod tests {
    use metrics::counter;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn a_metric_past_its_bound_goes_on_as_other() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&Bounded::new(recorder), || {
            for number in 0..LABEL_SETS_MAX + 3 {
                counter!("many_total", "source" => number.to_string()).increment(1);
            }
            counter!("many_total", "source" => "0").increment(1);
            counter!("few_total", "source" => "a").increment(1);
        });
        let text = handle.render();
        assert_eq!(text.lines().filter(|line| line.starts_with("many_total{")).count(), LABEL_SETS_MAX + 1);
        for line in ["many_total{source=\"other\"} 3", "many_total{source=\"0\"} 2", "few_total{source=\"a\"} 1"] {
            assert!(text.lines().any(|told| told == line), "{line}");
        }
    }
}
