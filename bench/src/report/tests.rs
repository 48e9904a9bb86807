//! The tables of a made-up run: every row is there, judged, printed and explained.

use super::*;
use crate::calibration::StoreCost;
use crate::scenario::{
    AccountsHalf, Choice, Connections, Day, FirstRequest, IdleConnectors, Nodes, ReadCost, Shared, Simulated,
};
use crate::stats::Percentiles;

const PAGE: &str = include_str!("../../../docs/performance.md");

fn waits(p50_ms: f64, p99_ms: f64) -> Percentiles {
    Percentiles { count: 1000, p50_ms, p90_ms: p50_ms, p99_ms, max_ms: p99_ms }
}

fn throughput(accepted_per_s: f64, ratio: Option<f64>) -> Throughput {
    Throughput {
        connections: 64,
        destinations: 8,
        accepted_per_s,
        delivered_per_s: 15_000.0,
        ack: waits(1.0, 9.0),
        end_to_end: waits(2.0, 12.0),
        cpu_us_per_event: 48.0,
        database_us_per_event: 0.0,
        cores: 0.9,
        ratio,
        statements_per_event: Some(0.1),
        written_bytes_per_event: 2345.6,
        accepted: 200_000,
        duplicates: 0,
        unavailable: 0,
        failed: 0,
        generator_us_per_event: 5.0,
        others_cores: 0.01,
    }
}

fn latency() -> Latency {
    let (ack, end_to_end, accepted_to_delivered) = (waits(0.3, 1.0), waits(0.9, 2.0), waits(0.4, 1.0));
    Latency { offered_per_s: 50.0, ack, end_to_end, accepted_to_delivered, failed: 0 }
}

fn backlog() -> Backlog {
    Backlog {
        events: 1_000_000,
        accepted_per_s: 16_000.0,
        quarter_rss_mib: 50.0,
        full_rss_mib: 52.0,
        filling_rss_max_mib: 53.0,
        draining_rss_max_mib: 54.0,
        ready_ms: 900.0,
        first_delivery_ms: 950.0,
        drained_per_s: 12_000.0,
        live_per_s: 50.0,
        live: waits(1.0, 20.0),
        duplicates: 3,
    }
}

fn half(accepted_per_s: f64, idle_rss_mib: f64) -> AccountsHalf {
    AccountsHalf { accepted_per_s, ack: waits(3.0, 9.0), cpu_us_per_event: 60.0, idle_rss_mib, rss_mib: 40.0 }
}

fn results() -> Results {
    Results {
        throughput: vec![
            throughput(12_345.6, Some(0.6)),
            throughput(11_000.0, Some(0.4)),
            throughput(13_000.0, Some(0.55)),
        ],
        latency: vec![latency()],
        isolation: vec![Isolation {
            destinations: 100,
            hanging: 20,
            baseline: latency(),
            beside_hanging: latency(),
            p50_ratio: 1.0,
            p99_ratio: 1.3,
            held: 40,
        }],
        ack_one: vec![AckOne { ack: waits(0.35, 1.0), floor_ms: 0.2, over_floor: 1.75 }],
        accounts: vec![Accounts { accounts: 5_000, one: half(10_000.0, 20.0), many: half(9_000.0, 30.0) }],
        idle: vec![Idle { rss_mib: 21.5, cpu_ms_per_s: 0.4 }],
        ready: vec![Ready { first_ms: 90.0, again_ms: 40.0 }],
        backlog: vec![backlog()],
        reading: vec![Reading {
            records: 200_000,
            record_bytes: 486,
            ours: read_cost(133_333.0),
            reference: Some(read_cost(9_000.0)),
            first_request: FirstRequest { manifest_bytes: 1_000_000, wall_ms: 30.0, cpu_ms: 25.0 },
            idle: Some(IdleConnectors { connectors: 500, loaded_rss_mib: 90.0, rss_mib: 100.0 }),
        }],
        polling: vec![polling()],
        postgres: vec![postgres()],
        held: vec![held()],
    }
}

fn postgres() -> Postgres {
    let load = Throughput { database_us_per_event: 60.0, ..throughput(8_000.0, Some(0.45)) };
    let nodes = vec![Nodes { nodes: 1, load: load.clone() }, Nodes { nodes: 2, load }];
    let cost = StoreCost { write_us: 20.0, settle_us: 9.0 };
    Postgres { cost, ideal_us: 43.0, nodes, heard: waits(2.0, 9.0), unheard: waits(500.0, 990.0) }
}

fn held() -> Held {
    Held {
        held_s: 50.0,
        before_per_s: 5_000.0,
        held_per_s: 4_000.0,
        accepted_before_per_s: 5_000.0,
        accepted_held_per_s: 4_500.0,
        removed: 200_000,
    }
}

#[test]
fn what_is_left_under_a_held_transaction_is_held_against_what_was_promised() {
    let report = full();
    let left = report.figures.iter().find(|figure| figure.unit == "× before" && figure.name == "delivered under it");
    assert_eq!(left.map(|left| (left.spread.median, left.met)), Some((0.8, Some(true))));
    assert_eq!(named(&report, "R, 2 nodes on PostgreSQL, 64 senders", "").met, Some(false));
}

fn polling() -> Polling {
    let day = Day { changes: 1_200, requests_per_h: 360.0, full_per_h: 360.0, wasted: 0.87, mean_delay_s: 5.0 };
    let shared = Shared {
        fixed_delay_s: 36.0,
        adaptive_delay_s: 18.0,
        bound: 2.67,
        fixed_per_h: 5_000.0,
        adaptive_per_h: 4_930.0,
        busiest_hour: 4_960,
        cap: 5_000,
    };
    let choice = Choice { streams: 1_000, pick_us: 12.0, update_us: 1.5 };
    let connections = Connections {
        connections: 10_000,
        rss_mib: 120.0,
        waiting_core_percent: 0.2,
        polled_core_percent: 21.0,
        polls_per_s: 166.7,
    };
    let simulated = Simulated { polled: day, conditional: day, hooked: day, shared, choice };
    Polling { simulated, connections }
}

#[test]
fn what_polling_costs_is_held_against_what_was_promised() {
    let report = full();
    let of = "100 streams under 5,000 requests/h";
    let met = |name: &str, unit: &str| named(&report, name, unit).met;
    assert_eq!(met(&format!("{of}: delay"), "× shorter"), Some(false), "2 is less than 2.4");
    assert_eq!(met(&format!("{of}: requests of the busiest hour"), ""), Some(true));
    for (name, unit) in [("one of 1,000 streams: picked", "µs"), ("10,000 polled connections: memory", "MiB")] {
        assert_eq!(met(name, unit), Some(true), "{name}");
    }
    let wasted = named(&report, "50 orders/h, polled every 10 s: wasted", "%");
    assert!((wasted.spread.median - 87.0).abs() < 1e-9);
}

fn read_cost(records_per_cpu_s: f64) -> ReadCost {
    ReadCost {
        cpu_s: 200_000.0 / records_per_cpu_s,
        records_per_cpu_s,
        peak_rss_mib: 20.0,
        wall_s: 2.0,
        first_output_ms: 12.0,
    }
}

fn report(results: Results, store: Option<StoreCost>) -> Report {
    let [commit, date, command, mode] = ["0123abc", "2026-11-21", "make bench", "full"].map(str::to_owned);
    let calibration = Calibration {
        server_us: 5.0,
        client_us: 6.0,
        hmac_us: 1.0,
        lookup_us: 0.5,
        store,
        generator_us: 5.0,
        sink_us: 4.0,
        round_trip_us: 50.0,
        scheduled_round_trip_us: 90.0,
        sync_us: 150.0,
        sync_overwrite_us: 130.0,
    };
    Report::new(About { commit, date, command, mode }, Machine::read(), calibration, results, Vec::new())
}

fn full() -> Report {
    report(results(), Some(StoreCost { write_us: 10.0, settle_us: 1.0 }))
}

fn named<'a>(report: &'a Report, name: &str, unit: &str) -> &'a Figure {
    report.figures.iter().find(|figure| figure.name == name && figure.unit == unit).unwrap()
}

#[test]
fn goals_are_judged_by_the_median() {
    let report = full();
    let cases = [
        ("accepted", "/s", Some(true)),
        ("R", "", Some(true)),
        ("CPU per event", "µs", None),
        ("end to end p50, 50/s", "ms", Some(false)),
        ("end to end p99, 50/s", "ms", Some(true)),
        ("end to end p99, beside 20 of 100 hanging", "× alone", Some(false)),
        ("memory, 1,000,000 waiting", "× a quarter of it", Some(true)),
        ("drained", "× delivered", Some(true)),
    ];
    for (name, unit, met) in cases {
        assert_eq!(named(&report, name, unit).met, met, "{name}");
    }
    let accepted = named(&report, "accepted", "/s").spread;
    assert_eq!((accepted.runs, accepted.median, accepted.least, accepted.most), (3, 12_345.6, 11_000.0, 13_000.0));
}

#[test]
fn what_was_not_measured_has_no_row() {
    let unmeasured = report(Results { throughput: vec![throughput(1.0, None)], ..Results::default() }, None);
    assert!(unmeasured.figures.iter().all(|figure| figure.name != "R" && !figure.name.contains("waiting")));
    assert!(!unmeasured.text().contains("sum = ideal"), "no sum without its largest part");
    assert!(report(Results::default(), None).figures.is_empty());
}

#[test]
fn every_row_is_explained_in_the_document() {
    let explained = PAGE.split_once("| figure | what it is |").unwrap().1;
    for figure in full().figures {
        // However many nodes and senders there are, it is the same figure.
        let name = match figure.name.split_once(" on PostgreSQL") {
            Some((what, _)) => format!("{}, nodes on PostgreSQL", what.rsplit_once(", ").unwrap().0),
            None => figure.name.clone(),
        };
        let ends = [("| ", " |"), ("| ", " · "), (" · ", " · "), (" · ", " |")];
        let cells = ends.map(|(before, after)| format!("{before}{name}{after}"));
        assert!(cells.iter().any(|cell| explained.contains(cell)), "`{}` is not explained", figure.name);
    }
}

#[test]
fn columns_are_aligned_whatever_stands_in_them() {
    let text = full().text();
    let row = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let end_of = |line: &str, cell: &str| line[..line.find(cell).unwrap() + cell.len()].chars().count();
    assert_eq!(end_of(&row("accepted "), "12,346"), end_of(&row("CPU per event"), "48.0"), "{text}");
    assert!(row("end to end p50, 50/s").ends_with("MISSED"), "{text}");
    assert!(row("sum = ideal CPU per event").contains("24.5"), "{text}");
}

#[test]
fn the_document_keeps_its_words_and_gets_the_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("performance.md");
    std::fs::write(&path, PAGE).unwrap();
    full().write_markdown(&path).unwrap();
    let once = std::fs::read_to_string(&path).unwrap();
    assert!(once.contains("| accepted | /s | ≥ 12,000 | 12,346 | 11,000 | 13,000 | 3 | met |"), "{once}");
    assert!(once.contains("## How to read the tables"));
    full().write_markdown(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), once, "written twice is written once");
}

#[test]
fn a_document_without_its_marks_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("performance.md");
    for page in ["no marks", "<!-- bench: begin --> only"] {
        std::fs::write(&path, page).unwrap();
        assert_eq!(full().write_markdown(&path).unwrap_err().code(), "mark_missing");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), page);
    }
}

#[test]
fn numbers_have_the_digits_that_mean_something() {
    let cases = [
        (0.0, "0"),
        (0.456, "0.46"),
        (12.34, "12.3"),
        (999.4, "999"),
        (12_345.6, "12,346"),
        (1_000_000.0, "1,000,000"),
        (-1234.5, "-1,234"),
        (f64::NAN, "NaN"),
    ];
    for (value, text) in cases {
        assert_eq!(number(value), text);
    }
}

#[test]
fn many_accounts_are_shown_beside_one() {
    let report = full();
    for (name, unit, value) in [
        ("accepted, 5,000 accounts", "/s", 9_000.0),
        ("accepted, 5,000 accounts", "× one account", 0.9),
        ("CPU per event, 5,000 accounts", "× one account", 1.0),
        ("idle memory, 5,000 accounts", "× one account", 1.5),
    ] {
        assert_eq!(named(&report, name, unit).spread.median, value, "{name} {unit}");
    }
}
