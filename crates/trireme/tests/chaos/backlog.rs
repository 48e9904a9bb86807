//! A destination that is dead while events keep coming: they wait in the store, not in memory, and all go out when it
//! is back, after a crash with all of them waiting.

use std::time::Duration;

use serde_json::json;

use crate::api::Api;
use crate::dice::Dice;
use crate::gateway::Home;
use crate::generator::{Generator, Plan};
use crate::ledger::Ledger;
use crate::oracle::{check_database, panics};
use crate::setup::{Setup, quick_retries};
use crate::sink::{Behaviour, Sink};
use crate::wait::{pause, until_some};

const MESSAGES: u64 = 100_000;
const MESSAGES_SOAK: u64 = 1_000_000;
/// Most that memory may grow while so many wait; a backlog in memory would be several times this.
const GROWTH_MAX: u64 = 200 * 1024 * 1024;
/// A backlog that stands still for so long is stuck.
const STANDSTILL: Duration = Duration::from_secs(30);

#[test]
fn a_backlog_waits_on_disk_and_drains_whole() {
    let mut dice = Dice::of("backlog");
    let messages = if std::env::var("TRIREME_SOAK").is_ok() { MESSAGES_SOAK } else { MESSAGES };
    let sink = Sink::start();
    sink.behave("app", Behaviour::Status(503));
    let destination = json!({
        "retry": quick_retries(1_000), "breaker": { "pause": "200ms", "pause_max": "500ms" },
        "http": { "concurrency": 64 },
    });
    let setup = Setup::new().source("load").destination("app", &sink, &destination).route("load", "app", &json!({}));
    let home = Home::new(setup.value());
    let ledger = Ledger::new();
    let mut gateway = home.start();
    let idle = gateway.memory_bytes();
    let plan = Plan { messages: Some(messages), senders: 32, insist: true, ..Plan::to(home.address, "/in/load") };
    Generator::start(&plan, &ledger, &mut dice).wait();
    let waiting = gateway.memory_bytes();
    assert_eq!(ledger.acked_count() as u64, messages);
    gateway.kill();
    sink.next_generation();
    sink.behave("app", Behaviour::Healthy);
    gateway = home.start();
    let mut most = gateway.memory_bytes();
    drain(&sink, messages, || most = most.max(gateway.memory_bytes()));
    let api = Api { address: home.address };
    until_some("the last ones are settled", || api.is_quiet().then_some(()));
    for (state, expected) in [("dead", true), ("delivered", false)] {
        assert_eq!(api.is_empty(&format!("/api/v1/deliveries?state={state}")), expected, "{state}");
    }
    let (faults, problems, panics) = (ledger.faults(), sink.problems(), panics(&home.log()));
    assert_eq!(gateway.terminate().code(), Some(0));
    check_database(&home.database());
    let arrived = sink.accepted_at("app") as u64;
    let mib = |bytes: u64| bytes / 1024 / 1024;
    eprintln!(
        "backlog: {messages} waited and arrived, {} of them twice; memory {} MiB idle, {} full, {} at most in the drain",
        arrived - messages,
        mib(idle),
        mib(waiting),
        mib(most)
    );
    assert!(faults.is_empty() && problems.is_empty() && panics.is_empty(), "{faults:?} {problems:?} {panics:?}");
    assert!(waiting.saturating_sub(idle) < GROWTH_MAX && most.saturating_sub(idle) < GROWTH_MAX);
    assert!(arrived - messages <= 64, "more arrived twice than were under way");
}

/// Until every acknowledged event arrived, for as long as more keep arriving.
fn drain(sink: &Sink, messages: u64, mut look: impl FnMut()) {
    let mut before = 0;
    while before < messages {
        let mut now = before;
        let moved = crate::wait::within(STANDSTILL, || {
            pause(Duration::from_millis(100));
            look();
            now = sink.distinct_at("app") as u64;
            (now > before).then_some(())
        });
        assert!(moved.is_some(), "LOST or stuck: {before} of {messages} arrived, then nothing for {STANDSTILL:?}");
        before = now;
    }
}
