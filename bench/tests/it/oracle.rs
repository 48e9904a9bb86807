//! What the oracle says of a gateway that breaks its promise: an error with a name, never a figure.

use std::time::Duration;

use bench::scenario::{Throughput, ThroughputOptions, throughput};
use bench::signing::Signing;
use bench::{Bench, BenchError};

use crate::fake_gateway::{FakeLauncher, Faults};
use crate::scenarios::{calibration, with_bench};

fn run(faults: Faults) -> Result<Throughput, BenchError> {
    let options = ThroughputOptions {
        connections: 4,
        destinations: 2,
        warm_up: Duration::from_millis(50),
        window: Duration::from_millis(250),
    };
    with_bench(&FakeLauncher::with(faults), |bench| throughput(bench, &options, &calibration()))
}

#[test]
fn a_faultless_gateway_delivers_all_that_it_accepted() {
    let result = run(Faults::default()).unwrap();
    assert!(result.accepted > 0 && result.accepted_per_s > 0.0 && result.delivered_per_s > 0.0, "{result:?}");
    assert_eq!((result.duplicates, result.unavailable, result.failed), (0, 0, 0));
    assert!(result.ack.count > 0 && result.ack.count == result.end_to_end.count, "{result:?}");
    assert!(result.cpu_us_per_event > 0.0 && result.ratio.is_some(), "{result:?}");
    let statements = result.statements_per_event.unwrap();
    assert!(statements > 1.5, "the fake counts two for each event: {statements}");
}

#[test]
fn a_lost_event_fails_the_run_and_is_named() {
    let error = run(Faults { lose_every: Some(50), ..Faults::default() }).unwrap_err();
    let BenchError::EventsMissing { count, acked, first, .. } = error else { panic!("{error}") };
    assert_eq!(count, acked / 50, "every 50th of the acknowledged events was lost");
    assert!(!first.is_empty());
}

#[test]
fn a_repeated_event_is_counted_and_fails_nothing() {
    let result = run(Faults { repeat_every: Some(5), ..Faults::default() }).unwrap();
    assert!(result.duplicates >= 1, "{result:?}");
    assert!(result.duplicates <= result.accepted / 5, "{result:?}");
}

#[test]
fn unsigned_deliveries_fail_the_run() {
    let error = run(Faults { unsigned: true, ..Faults::default() }).unwrap_err();
    assert_eq!(error.code(), "deliveries_unsigned", "{error}");
}

#[test]
fn a_gateway_that_rejects_every_signature_is_reported_with_its_answer() {
    let launcher = FakeLauncher::default();
    let options = ThroughputOptions {
        connections: 1,
        destinations: 1,
        warm_up: Duration::from_millis(100),
        window: Duration::from_millis(100),
    };
    let error = with_bench(&launcher, |bench| {
        let signing = Signing::generic_hmac("another secret");
        throughput(&Bench { signing, ..*bench }, &options, &calibration())
    });
    let error = error.unwrap_err();
    assert_eq!(error.code(), "nothing_accepted");
    assert!(error.to_string().contains("401"), "{error}");
}
