//! The arithmetic of the yardstick, and one real measurement for its plausibility.

use super::*;

fn sample() -> Calibration {
    Calibration {
        server_us: 5.0,
        client_us: 6.0,
        hmac_us: 1.0,
        lookup_us: 0.25,
        store: Some(StoreCost { write_us: 10.0, settle_us: 1.0 }),
        generator_us: 100.0,
        sink_us: 100.0,
        round_trip_us: 50.0,
        scheduled_round_trip_us: 90.0,
        sync_us: 150.0,
        sync_overwrite_us: 120.0,
    }
}

#[test]
fn the_ideal_is_the_sum_of_the_products_steps_and_not_the_tools() {
    assert_eq!(sample().ideal_us(), Some(5.0 + 1.0 + 0.25 + 10.0 + 1.0 + 6.0 + 1.0));
    assert_eq!(Calibration { store: None, ..sample() }.ideal_us(), None);
    assert_eq!(sample().ack_floor_us(), 200.0);
}

#[test]
fn the_ratio_is_one_when_every_event_costs_the_ideal() {
    // 40,000 events of 25 µs are one second of CPU: one core, fully used.
    assert_eq!(ratio(40_000.0, 25.0, 1.0), 1.0);
    assert_eq!(ratio(40_000.0, 25.0, 2.0), 0.5);
}

#[test]
fn every_part_is_measured_on_a_real_machine() {
    let folder = tempfile::tempdir().unwrap();
    let cost = StoreCost { write_us: 9.0, settle_us: 1.0 };
    let measure = |path: &Path| {
        assert!(path.is_dir());
        Ok(cost)
    };
    let measured = Calibration::measure(4, Duration::from_millis(200), folder.path(), Some(&measure)).unwrap();
    let parts = [
        measured.server_us,
        measured.client_us,
        measured.hmac_us,
        measured.lookup_us,
        measured.generator_us,
        measured.sink_us,
        measured.round_trip_us,
        measured.scheduled_round_trip_us,
        measured.sync_us,
        measured.sync_overwrite_us,
    ];
    assert!(parts.iter().all(|part| part.is_finite() && *part > 0.0), "{measured:?}");
    assert_eq!(measured.store, Some(cost));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "calibration left files behind");
}

#[test]
fn a_store_that_cannot_be_measured_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let measure = |_: &Path| Err("no such store".into());
    let error = Calibration::measure(1, Duration::from_millis(10), folder.path(), Some(&measure)).unwrap_err();
    assert_eq!(error.code(), "store_calibration_failed");
}

#[test]
fn nothing_is_divided_by_no_requests() {
    assert_eq!(each_us(Duration::ZERO, 0, "x").unwrap_err().code(), "unmeasurable");
    assert_eq!(each_us(Duration::from_secs(1), 0, "x").unwrap_err().code(), "unmeasurable");
}
