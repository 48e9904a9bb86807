//! The generator on its own: a stalled gateway shows in the latency of every event that was due meanwhile.

use std::sync::Arc;
use std::time::Duration;

use bench::gateway::{Gateway, Launch, Launcher};
use bench::generator::{Generator, Load, Pace};
use bench::ledger::{Ledger, Moment};
use bench::payload::Template;
use bench::signing::Signing;
use tokio::sync::watch;

use crate::fake_gateway::{FakeLauncher, Faults, SECRET};

/// A gateway by itself, with one destination that nobody listens at.
fn gateway(faults: Faults, folder: &std::path::Path) -> (Box<dyn Gateway>, Launch) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let listen = listener.local_addr().unwrap();
    drop(listener);
    let config = folder.join("trireme.yaml");
    std::fs::write(&config, "  d0: { http: { url: \"http://127.0.0.1:9/d/0\" } }\n").unwrap();
    let launch = Launch { config, data: folder.to_owned(), listen, log: folder.join("log"), store: None };
    (FakeLauncher::with(faults).launch(&launch).unwrap(), launch)
}

fn load(launch: &Launch, connections: usize, pace: Pace, limit: u64) -> Load {
    let template = Template::new(launch.listen, "/in/s0", &Signing::generic_hmac(SECRET));
    Load { target: launch.listen, templates: vec![template], connections, pace, limit: Some(limit) }
}

#[test]
fn an_open_loop_counts_the_waiting_behind_a_stalled_gateway() {
    const EVENTS: u64 = 20;
    let folder = tempfile::tempdir().unwrap();
    let (open, gate) = watch::channel(false);
    let (mut gateway, launch) = gateway(Faults { gate: Some(gate), ..Faults::default() }, folder.path());
    let ledger = Arc::new(Ledger::new(EVENTS as usize));
    // All 20 are due within 100 ms; one connection, so that 19 cannot even be sent before the gate opens.
    let load = load(&launch, 1, Pace::Open { per_second: 200.0 }, EVENTS);
    let generator = Generator::start(load, Arc::clone(&ledger)).unwrap();
    let started = ledger.stopwatch().elapsed();
    ledger.stopwatch().wait_until(started + Duration::from_millis(400));
    assert_eq!(ledger.acked(), 0, "the gateway is stalled");
    open.send(true).unwrap();

    assert_eq!(generator.wait().unwrap().accepted, EVENTS);
    let waits = ledger.waits(Moment::Due, Moment::Acked, |_, _| true);
    assert_eq!(waits.len() as u64, EVENTS);
    // The gate opened 300 ms after the last was due, so each of them waited longer, in whatever order it was sent.
    let shortest = waits.iter().min().unwrap();
    assert!(*shortest >= 290_000, "an event that was due during the stall shows only {shortest} µs");
    gateway.kill();
}

#[test]
fn what_was_due_before_the_stop_is_sent_although_the_gateway_is_stalled() {
    let folder = tempfile::tempdir().unwrap();
    let (open, gate) = watch::channel(false);
    let (mut gateway, launch) = gateway(Faults { gate: Some(gate), ..Faults::default() }, folder.path());
    let ledger = Arc::new(Ledger::new(1000));
    let load = load(&launch, 1, Pace::Open { per_second: 200.0 }, 1000);
    let generator = Generator::start(load, Arc::clone(&ledger)).unwrap();
    let started = ledger.stopwatch().elapsed();
    ledger.stopwatch().wait_until(started + Duration::from_millis(200));
    let stopping = std::thread::spawn(|| generator.stop().unwrap());
    ledger.stopwatch().wait_until(started + Duration::from_millis(300));
    open.send(true).unwrap();

    let sent = stopping.join().unwrap();
    // 40 were due in 200 ms, of which the stalled gateway had let the one connection send a single one.
    assert!(sent.accepted >= 39, "{sent:?}");
    assert_eq!(sent.unanswered, 0, "{sent:?}");
    gateway.kill();
}

#[test]
fn a_closed_loop_sends_exactly_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (mut gateway, launch) = gateway(Faults::default(), folder.path());
    let ledger = Arc::new(Ledger::new(1000));
    let sent = Generator::start(load(&launch, 8, Pace::Closed, 300), Arc::clone(&ledger)).unwrap().wait().unwrap();
    assert_eq!((sent.accepted, sent.refused, sent.unavailable, sent.failed), (300, 0, 0, 0));
    assert_eq!((ledger.taken(), ledger.acked(), sent.ledger_full), (300, 300, false));
    gateway.kill();
}

#[test]
fn a_full_ledger_ends_the_generator_and_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (mut gateway, launch) = gateway(Faults::default(), folder.path());
    let ledger = Arc::new(Ledger::new(5));
    let sent = Generator::start(load(&launch, 2, Pace::Closed, 300), Arc::clone(&ledger)).unwrap().wait().unwrap();
    assert!(sent.ledger_full);
    assert_eq!(sent.accepted, 5);
    gateway.kill();
}

#[test]
fn requests_to_nobody_fail_and_are_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (mut gateway, launch) = gateway(Faults::default(), folder.path());
    gateway.kill();
    let ledger = Arc::new(Ledger::new(10));
    let sent = Generator::start(load(&launch, 2, Pace::Closed, 4), Arc::clone(&ledger)).unwrap().wait().unwrap();
    assert_eq!((sent.accepted, sent.failed, ledger.acked()), (0, 4, 0));
    assert!(sent.refusal.unwrap().contains("refused"), "the reason is kept for the message");
}
