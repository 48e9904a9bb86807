//! What is counted of events and of the tries of their deliveries, before and after a new configuration.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;

use crate::rig::{Rig, specs};

const EXPECTED: [&str; 6] = [
    r#"trireme_events_accepted_total{source="own"} 4"#,
    r#"trireme_delivery_attempts_total{destination="app",outcome="delivered"} 3"#,
    r#"trireme_delivery_attempts_total{destination="app",outcome="refused"} 1"#,
    r#"trireme_delivery_attempt_seconds_count{destination="app"} 4"#,
    r#"trireme_deliveries_finished_total{destination="app",state="delivered"} 3"#,
    r#"trireme_deliveries_finished_total{destination="app",state="dead"} 1"#,
];

#[test]
fn tries_are_counted_by_their_outcome_and_go_on_being_so_under_a_new_configuration() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let act = async {
        let rig = Rig::start().await;
        let told = || recorder.handle().render();
        assert!(!told().contains("destination=\"app\""), "nothing was tried yet");
        for status in [200, 500, 200] {
            rig.answer(status);
            rig.publish().await;
            rig.pass(Duration::from_secs(1)).await;
        }
        rig.engine.configure(specs()).await.expect("the specs are valid");
        rig.publish().await;
        rig.pass(Duration::from_secs(1)).await;
        rig.engine.stop(Duration::from_secs(60)).await;
        let told = told();
        let counted = |name: &str| told.lines().filter(|line| line.starts_with(name)).count();
        for line in EXPECTED {
            assert!(told.lines().any(|told| told == line), "{line}\n{told}");
        }
        assert_eq!(counted("trireme_events_accepted_total"), 1);
        assert_eq!(counted("trireme_delivery_attempts_total{"), 2);
        assert_eq!(counted("trireme_deliveries_finished_total{"), 2);
    };
    metrics::with_local_recorder(&recorder, || runtime.expect("a runtime").block_on(act));
}
