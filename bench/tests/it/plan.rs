//! A whole run, small: results, figures and failures end up in the report.

use std::time::Duration;

use bench::calibration::StoreCost;
use bench::plan::{Plan, Scenario};
use bench::report::{About, Report};
use bench::scenario::{
    AccountsOptions, BacklogOptions, HeldOptions, IsolationOptions, LatencyOptions, PollingOptions, PostgresOptions,
    ReadingOptions, ThroughputOptions,
};

use crate::fake_gateway::{FakeLauncher, Faults};
use crate::scenarios::with_bench;

fn tiny() -> Plan {
    let time = Duration::from_millis(150);
    let load = LatencyOptions { per_second: 200.0, warm_up: time, window: time };
    let throughput = ThroughputOptions { connections: 2, destinations: 1, warm_up: time, window: time };
    Plan {
        // These need what the fake gateway does not have: connectors, or a database.
        scenarios: Scenario::ALL
            .into_iter()
            .filter(|scenario| !matches!(scenario, Scenario::Reading | Scenario::Polling))
            .filter(|scenario| !Scenario::ON_DATABASE.contains(scenario))
            .collect(),
        rounds: 2,
        connections: 2,
        calibration: time,
        throughput,
        latency: load,
        isolation: IsolationOptions { destinations: 5, hanging: 1, load },
        ack_one: time,
        accounts: AccountsOptions { accounts: 50, connections: 2, warm_up: time, window: time },
        idle: time,
        backlog: BacklogOptions { events: 100, connections: 2, live_per_second: 100.0 },
        reading: ReadingOptions { records: 100, manifest_bytes: 0, starts: 1, connectors: 0, connector_bytes: 0 },
        polling: PollingOptions {
            hours: 1,
            shared_hours: [0, 1],
            choices: 10,
            connections: 0,
            interval: time,
            window: time,
        },
        postgres: PostgresOptions {
            set_ups: vec![(1, 2)],
            throughput,
            calibration: time,
            per_second: 100.0,
            window: time,
        },
        held: HeldOptions { load: throughput, held: time },
    }
}

fn run(plan: &Plan, faults: Faults) -> Report {
    let about = ["0123abc", "2026-11-21", "make bench", "quick"].map(str::to_owned);
    let [commit, date, command, mode] = about;
    let measure = |_: &std::path::Path| Ok(StoreCost { write_us: 10.0, settle_us: 1.0 });
    let about = About { commit, date, command, mode };
    with_bench(&FakeLauncher::with(faults), |bench| plan.run(bench, Some(&measure), about)).unwrap()
}

#[test]
fn a_whole_run_has_every_result_and_says_where_it_comes_from() {
    let report = run(&tiny(), Faults::default());
    assert!(report.is_complete(), "{:?}", report.failures);
    let results = &report.results;
    let runs = [results.throughput.len(), results.latency.len(), results.isolation.len(), results.ack_one.len()];
    assert_eq!(runs, [2; 4]);
    assert_eq!([results.accounts.len(), results.accounts[0].accounts], [2, 50]);
    assert_eq!([results.idle.len(), results.ready.len(), results.backlog.len()], [2, 2, 1]);
    assert!(results.polling.is_empty() && results.reading.is_empty(), "what was not asked for is not made up");

    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
    assert_eq!(json["about"]["commit"], "0123abc");
    assert!(json["results"]["throughput"][0]["accepted_per_s"].as_f64().unwrap() > 0.0);
    assert!(json["calibration"]["server_us"].as_f64().unwrap() > 0.0);
    for page in [report.text(), report.markdown()] {
        for word in ["0123abc", "2026-11-21", "accepted", "R ", "idle memory", "drained"] {
            assert!(page.contains(word), "{word} is missing in:\n{page}");
        }
    }
}

#[test]
fn a_scenario_that_fails_is_reported_and_the_others_still_run() {
    let mut plan = tiny();
    plan.rounds = 1;
    plan.scenarios = vec![Scenario::Backlog, Scenario::Idle];
    let report = run(&plan, Faults { forget_on_crash: true, ..Faults::default() });
    assert!(!report.is_complete());
    assert_eq!((report.failures[0].scenario.as_str(), report.failures[0].code.as_str()), ("backlog", "events_missing"));
    assert_eq!(report.results.idle.len(), 1);
    assert!(report.text().contains("backlog has no result (events_missing)"), "{}", report.text());
    assert!(report.markdown().contains("**backlog has no result** (`events_missing`)"), "{}", report.markdown());
}

#[test]
fn without_a_server_what_needs_one_has_no_result() {
    let plan = Plan { rounds: 1, scenarios: Scenario::ON_DATABASE.to_vec(), ..tiny() };
    let report = run(&plan, Faults::default());
    let codes: Vec<_> = report.failures.iter().map(|failure| failure.code.as_str()).collect();
    assert_eq!(codes, ["no_database", "no_database"]);
    assert!(report.results.postgres.is_empty() && report.results.held.is_empty());
}
