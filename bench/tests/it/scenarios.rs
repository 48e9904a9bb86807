//! Each scenario on a gateway whose behaviour is known.

use std::process::Command;
use std::time::Duration;

use bench::calibration::{Calibration, StoreCost};
use bench::error::BoxError;
use bench::gateway::Launcher;
use bench::scenario::{
    AccountsOptions, BacklogOptions, Choice, Day, IsolationOptions, LatencyOptions, MeasurePolling, PollingOptions,
    ReadLaunch, ReaderCommand, Readers, ReadingOptions, Shared, Simulated, accounts, ack_one, backlog, idle, isolation,
    latency, reading, ready,
};
use bench::signing::Signing;
use bench::{Bench, BenchError};

use crate::fake_gateway::{FakeLauncher, Faults, SECRET};

/// A bench around `launcher`, in a folder that it has to leave empty.
pub fn with_bench<T>(launcher: &dyn Launcher, run: impl FnOnce(&Bench<'_>) -> T) -> T {
    with_reader(launcher, &no_reader, run)
}

/// The same with a program that reads connectors; it is its own reference.
fn with_reader<T>(launcher: &dyn Launcher, reader: ReaderCommand<'_>, run: impl FnOnce(&Bench<'_>) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let signing = Signing::generic_hmac(SECRET);
    // Longer than a busy machine keeps a thread waiting, short enough to wait for in a test.
    let patience = Duration::from_secs(2);
    let readers = Readers { ours: reader, reference: Some(reader) };
    let (admin_key, say) = ("key", &|_: &str| {});
    let (scratch, databases) = (folder.path(), None);
    let polling = &simulated as MeasurePolling<'_>;
    let result = run(&Bench { launcher, scratch, signing, readers, polling, databases, admin_key, patience, say });
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a scenario left its folder behind");
    result
}

/// Polls as a caller may have measured them.
#[expect(clippy::unnecessary_wraps, reason = "real ones may fail")]
fn simulated(options: &PollingOptions) -> Result<Simulated, BoxError> {
    let day = Day { changes: 50, requests_per_h: 360.0, full_per_h: 360.0, wasted: 0.86, mean_delay_s: 5.0 };
    let shared = Shared {
        fixed_delay_s: 36.0,
        adaptive_delay_s: 14.0,
        bound: 2.7,
        fixed_per_h: 5_000.0,
        adaptive_per_h: 4_900.0,
        busiest_hour: 4_990,
        cap: 5_000,
    };
    let choice = Choice { streams: options.choices, pick_us: 9.0, update_us: 1.0 };
    Ok(Simulated { polled: day, conditional: day, hooked: day, shared, choice })
}

/// A connector's reader that reads nothing.
pub fn no_reader(_: &ReadLaunch) -> Command {
    Command::new("true")
}

pub fn calibration() -> Calibration {
    Calibration {
        server_us: 5.0,
        client_us: 6.0,
        hmac_us: 1.0,
        lookup_us: 0.1,
        store: Some(StoreCost { write_us: 10.0, settle_us: 1.0 }),
        generator_us: 5.0,
        sink_us: 5.0,
        round_trip_us: 50.0,
        scheduled_round_trip_us: 90.0,
        sync_us: 150.0,
        sync_overwrite_us: 130.0,
    }
}

fn load(per_second: f64) -> LatencyOptions {
    LatencyOptions { per_second, warm_up: Duration::from_millis(50), window: Duration::from_millis(300) }
}

#[test]
fn latency_counts_every_event_due_in_the_window() {
    let result = with_bench(&FakeLauncher::default(), |bench| latency(bench, &load(200.0))).unwrap();
    assert!(result.end_to_end.count > 0 && result.failed == 0, "{result:?}");
    assert_eq!(result.ack.count, result.end_to_end.count);
    assert!(result.end_to_end.p50_ms > 0.0 && result.end_to_end.p99_ms <= result.end_to_end.max_ms, "{result:?}");
}

fn isolate(faults: Faults) -> Result<bench::scenario::Isolation, BenchError> {
    let options = IsolationOptions { destinations: 10, hanging: 2, load: load(400.0) };
    with_bench(&FakeLauncher::with(faults), |bench| isolation(bench, &options))
}

#[test]
fn hanging_destinations_hold_only_their_own_events() {
    let result = isolate(Faults::default()).unwrap();
    assert_eq!(result.held, 2, "the fake has one request in flight for each destination");
    for half in [&result.baseline, &result.beside_hanging] {
        assert!(half.end_to_end.count > 0, "{result:?}");
    }
    assert!(result.p50_ratio > 0.0 && result.p99_ratio > 0.0, "{result:?}");
}

#[test]
fn a_gateway_that_is_held_up_by_a_hanging_destination_is_found_out() {
    let error = isolate(Faults { one_lane: true, ..Faults::default() }).unwrap_err();
    assert_eq!(error.code(), "events_missing", "{error}");
}

#[test]
fn one_connection_is_compared_with_the_floor_of_the_calibration() {
    let time = Duration::from_millis(150);
    let result = with_bench(&FakeLauncher::default(), |bench| ack_one(bench, time, time, &calibration())).unwrap();
    assert_eq!(result.floor_ms, 0.2);
    assert!(result.ack.count > 0, "{result:?}");
    assert!((result.over_floor - result.ack.p50_ms / 0.2).abs() < 1e-9, "{result:?}");
}

#[test]
fn many_accounts_are_set_against_one() {
    let time = Duration::from_millis(150);
    let options = AccountsOptions { accounts: 100, connections: 2, warm_up: time, window: time };
    let result = with_bench(&FakeLauncher::default(), |bench| accounts(bench, &options)).unwrap();
    assert_eq!(result.accounts, 100);
    for half in [&result.one, &result.many] {
        assert!(half.accepted_per_s > 0.0 && half.cpu_us_per_event > 0.0, "{result:?}");
        assert!(half.idle_rss_mib > 1.0 && half.rss_mib > 1.0, "{result:?}");
    }
}

#[test]
fn idle_and_ready_are_measured() {
    let launcher = FakeLauncher::default();
    let (idle, ready) =
        with_bench(&launcher, |bench| (idle(bench, Duration::from_millis(20)).unwrap(), ready(bench).unwrap()));
    assert!(idle.rss_mib > 1.0 && idle.cpu_ms_per_s >= 0.0, "{idle:?}");
    assert!(ready.first_ms > 0.0 && ready.again_ms > 0.0, "{ready:?}");
}

fn fill(faults: Faults) -> Result<bench::scenario::Backlog, BenchError> {
    let options = BacklogOptions { events: 500, connections: 4, live_per_second: 200.0 };
    with_bench(&FakeLauncher::with(faults), |bench| backlog(bench, &options))
}

#[test]
fn a_backlog_survives_a_crash_and_drains() {
    let result = fill(Faults::default()).unwrap();
    assert_eq!(result.events, 500);
    assert!(result.accepted_per_s > 0.0 && result.drained_per_s > 0.0, "{result:?}");
    assert!(result.ready_ms > 0.0 && result.first_delivery_ms > 0.0, "{result:?}");
    assert!(result.full_rss_mib > 1.0 && result.quarter_rss_mib > 1.0, "{result:?}");
    assert!(result.draining_rss_max_mib > 1.0, "{result:?}");
}

#[test]
fn a_gateway_that_forgets_its_backlog_in_a_crash_is_found_out() {
    let error = fill(Faults { forget_on_crash: true, ..Faults::default() }).unwrap_err();
    let BenchError::EventsMissing { count, .. } = error else { panic!("{error}") };
    assert_eq!(count, 500, "all were waiting, and all are gone");
}

/// Prints the records of a list page by page, as a connector that is read does, with what every system has at hand.
fn scripted_reader(launch: &ReadLaunch) -> Command {
    const SCRIPT: &str = r#"
        address=$(sed -n 's,.*url_base: http://,,p' "$1"); host=${address%:*}; port=${address#*:}; page=0
        while [ -n "$page" ]; do
            exec 3<>"/dev/tcp/$host/$port"
            printf 'GET /items?page=%s HTTP/1.1\r\n\r\n' "$page" >&3
            while read -r line <&3 && [ "$line" != $'\r' ]; do case $line in content-length:*) size=${line#*: };; esac; done
            body=$(head -c "${size%$'\r'}" <&3); exec 3>&-
            grep -o '"id":[0-9]*' <<<"$body" | sed 's/.*/{"type":"RECORD","record":{&}}/'
            page=$(grep -o '"next":"[0-9]*"' <<<"$body" | grep -o '[0-9]*')
        done
        exit 0"#;
    let mut command = Command::new("bash");
    command.arg("-c").arg(SCRIPT).arg("reader").arg(&launch.manifest);
    command
}

/// The reader of these tests understands one stream; nothing here answers for connectors.
fn few() -> ReadingOptions {
    ReadingOptions { records: 250, manifest_bytes: 0, starts: 2, connectors: 0, connector_bytes: 0 }
}

#[test]
fn a_reading_counts_what_is_printed_and_what_was_asked_for() {
    let launcher = FakeLauncher::with(Faults::default());
    let read = with_reader(&launcher, &scripted_reader, |bench| reading(bench, &few())).unwrap();
    assert_eq!((read.records, read.record_bytes), (250, 486));
    for cost in [&read.ours, read.reference.as_ref().unwrap()] {
        assert!(cost.peak_rss_mib > 0.0 && cost.first_output_ms > 0.0, "{read:?}");
        assert!(cost.wall_s * 1000.0 >= cost.first_output_ms, "{read:?}");
    }
    assert!(read.first_request.wall_ms > 0.0, "{read:?}");
    assert!(read.idle.is_none(), "none were wanted");
}

#[test]
fn a_reader_that_leaves_records_out_is_an_error_and_no_figure() {
    let launcher = FakeLauncher::with(Faults::default());
    let failed = with_bench(&launcher, |bench| reading(bench, &few())).unwrap_err();
    assert!(matches!(&failed, BenchError::Exited { how, .. } if how.contains("0 of 250 records")), "{failed}");
}
