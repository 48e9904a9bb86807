//! What is told of an alert beside its row: one line in the log, and the figures, however often its cause comes.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use domain::alert::rule::STANDARD;
use domain::{Tenant, Timestamp};
use engine::alert::{Alerts, DEAD_LETTERS, STORE};
use engine::entropy::SeededEntropy;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use serde_json::Value;
use store::Store;
use testkit::sim_clock::SimClock;
use tracing_subscriber::fmt::MakeWriter;

use crate::rig::memory;

const RAISED: &str = "trireme_alerts_raised_total";
const OPEN: &str = "trireme_alerts_open";

/// The codes of all kinds, as the list of them says them.
fn kinds() -> Vec<&'static str> {
    let text = include_str!("../../../engine/src/alert/kind.rs");
    let code = |line: &'static str| line.strip_prefix("pub const ")?.split('"').nth(1);
    let kinds: Vec<_> = text.lines().filter_map(code).filter(|code| *code != STORE).collect();
    assert!(kinds.len() >= 13, "{kinds:?}");
    kinds
}

#[test]
fn every_kind_has_a_rule_that_says_how_much_it_matters_and_what_to_do() {
    let mut kinds = kinds();
    kinds.sort_unstable();
    let ruled: Vec<_> = STANDARD.iter().map(|rule| rule.kind).collect();
    assert_eq!(kinds, ruled, "without one it matters little, advises nothing and cannot be configured");
}

/// What one process tells: its figures and its log.
struct Told {
    recorder: PrometheusRecorder,
    log: Lines,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Told {
    fn new() -> Self {
        Self { recorder: PrometheusBuilder::new().build_recorder(), log: Lines::default() }
    }

    /// Runs something that alerts, on this thread.
    fn of(&self, act: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(self.log.clone()).finish();
        tracing::subscriber::with_default(log, || {
            metrics::with_local_recorder(&self.recorder, || runtime.block_on(act))
        });
    }

    /// A figure of one kind.
    fn figure(&self, name: &str, kind: &str) -> Option<f64> {
        let series = format!("{name}{{kind=\"{kind}\"}} ");
        let rendered = self.recorder.handle().render();
        rendered.lines().find_map(|line| line.strip_prefix(&series)).and_then(|value| value.parse().ok())
    }

    fn lines(&self, event: &str, kind: &str) -> Vec<Value> {
        let log = self.log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8(log).expect("text");
        let all = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        all.filter(|line| line["event"] == event && line["kind"] == kind).collect()
    }
}

fn alerts(store: &Arc<dyn Store>) -> Alerts {
    let clock = SimClock::starting_at(Timestamp::from_secs(1_800_000_000));
    Alerts::new(Arc::clone(store), Arc::new(clock), Arc::new(SeededEntropy::new(7)))
}

#[test]
fn every_kind_is_counted_and_logged_once_however_often_its_cause_comes() {
    for kind in kinds() {
        let (told, tenant) = (Told::new(), Tenant::default_tenant());
        told.of(async {
            let alerts = alerts(&memory());
            for times in 0..5 {
                alerts.note(&tenant, kind, "object/one", format!("cause {times}"));
                alerts.flush().await;
            }
        });
        assert_eq!(told.figure(RAISED, kind), Some(1.0), "{kind}");
        assert_eq!(told.figure(OPEN, kind), Some(1.0), "{kind}");
        let lines = told.lines("alert_raised", kind);
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        assert_eq!([&line["level"], &line["object"], &line["detail"]], ["WARN", "object/one", "cause 0"]);
        assert!(told.lines("alert_resolved", kind).is_empty());
    }
}

#[test]
fn each_object_counts_and_what_is_resolved_is_told_once_and_opens_anew() {
    for kind in kinds() {
        let (told, tenant) = (Told::new(), Tenant::default_tenant());
        told.of(async {
            let alerts = alerts(&memory());
            for object in ["object/one", "object/two"] {
                alerts.raise(&tenant, kind, object.to_owned(), "a cause".to_owned()).await;
            }
            for _ in 0..3 {
                alerts.resolve(&tenant, kind, "object/one".to_owned()).await;
            }
        });
        assert_eq!(told.figure(RAISED, kind), Some(2.0), "{kind}");
        assert_eq!(told.figure(OPEN, kind), Some(1.0), "{kind}");
        assert_eq!(told.lines("alert_raised", kind).len(), 2, "{kind}");
        let resolved = told.lines("alert_resolved", kind);
        assert_eq!(resolved.iter().map(|line| &line["object"]).collect::<Vec<_>>(), ["object/one"], "{kind}");
        told.of(async {
            let alerts = alerts(&memory());
            alerts.raise(&tenant, kind, "object/one".to_owned(), "it came back".to_owned()).await;
        });
        assert_eq!(told.figure(RAISED, kind), Some(3.0), "{kind}");
        assert_eq!(told.lines("alert_raised", kind).len(), 3, "{kind}");
    }
}

#[test]
fn an_alert_of_an_earlier_process_is_open_in_the_figures_and_not_raised_again() {
    let (told, tenant, kind) = (Told::new(), Tenant::default_tenant(), DEAD_LETTERS);
    told.of(async {
        let store = memory();
        alerts(&store).raise(&tenant, kind, "object/one".to_owned(), "a cause".to_owned()).await;
        let later = alerts(&store);
        later.load().await.expect("read");
        later.raise(&tenant, kind, "object/one".to_owned(), "the same".to_owned()).await;
    });
    assert_eq!(told.figure(RAISED, kind), Some(1.0));
    assert_eq!(told.lines("alert_raised", kind).len(), 1);
    // Each of the two books has it open.
    assert_eq!(told.figure(OPEN, kind), Some(2.0));
}
