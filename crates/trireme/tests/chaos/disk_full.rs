//! A disk that really has no room: ingest stops at the reserve, deliveries go on, and when there is room again so does
//! everything, without a restart.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::dice::Dice;
use crate::gateway::Home;
use crate::generator::{Generator, Plan};
use crate::ledger::Ledger;
use crate::oracle::{Owed, check_database, judge_at_rest};
use crate::pressure::{Ballast, SmallDisk, free_bytes};
use crate::setup::{Setup, no_breaker, quick_retries};
use crate::sink::{Behaviour, Sink};
use crate::wait::until;

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;
const OWED: [Owed; 1] = [Owed { route: "load-app", destination: "app", ordered: false }];

fn setup(sink: &Sink, reserve: u64) -> Setup {
    let destination = json!({ "retry": quick_retries(1_000), "breaker": no_breaker() });
    Setup::new()
        .source("load")
        .destination("app", sink, &destination)
        .route("load", "app", &json!({}))
        .with("limits", json!({ "disk_reserve": format!("{}MiB", reserve / MIB) }))
}

struct Refusals(Arc<Ledger>);

impl Refusals {
    fn count(&self) -> u64 {
        self.0.sent().refused.get(&503).copied().unwrap_or_default()
    }

    /// Until many messages in a row were refused and none was taken.
    fn wait(&self) {
        until("ingest stops", || {
            let (refused, acked) = (self.count(), self.0.acked_count());
            until("messages are refused or taken", || self.count() > refused + 30 || self.0.acked_count() > acked);
            self.0.acked_count() == acked
        });
    }
}

#[test]
fn ingest_stops_at_the_reserve_while_deliveries_go_on() {
    let mut dice = Dice::of("disk reserve");
    let sink = Sink::start();
    sink.behave("app", Behaviour::Status(503));
    let room = free_bytes(env!("CARGO_TARGET_TMPDIR").as_ref());
    // The reserve lies a good way below what is free now, and the ballast reaches as far below the reserve, so that
    // whatever else this machine writes meanwhile decides nothing.
    let margin = (room / 8).clamp(GIB / 2, 8 * GIB);
    let home = Home::new(setup(&sink, room - margin).value());
    let ledger = Ledger::new();
    let mut gateway = home.start();
    let plan = Plan { gap: Duration::from_millis(5), ..Plan::to(home.address, "/in/load") };
    let generator = Generator::start(&plan, &ledger, &mut dice);
    until("messages are acknowledged", || ledger.acked_count() > 100);
    let ballast = Ballast::of(home.folder().join("ballast"), 2 * margin);
    let refusals = Refusals(Arc::clone(&ledger));
    refusals.wait();
    let waiting = ledger.acked_count();
    sink.behave("app", Behaviour::Healthy);
    until("what was taken is delivered although nothing more is taken", || sink.accepted_at("app") >= waiting);
    assert_eq!(ledger.acked_count(), waiting, "something was taken below the reserve");
    drop(ballast);
    until("ingest goes on by itself", || ledger.acked_count() > waiting + 100);
    generator.stop();
    assert_eq!(gateway.ended(), None);
    let verdict = judge_at_rest(&home, &ledger, &sink, &OWED);
    assert_eq!(gateway.terminate().code(), Some(0));
    check_database(&home.database());
    eprintln!("disk reserve: {waiting} were delivered below it, {} refused; {verdict}", refusals.count());
    assert!(refusals.count() > 0 && verdict.delivered > waiting);
}

#[test]
fn threat_12_a_really_full_disk_is_survived() {
    let mut dice = Dice::of("full disk");
    let Some(small) = SmallDisk::mount(160 * MIB) else {
        eprintln!("full disk: NOT TRIED: no small disk may be mounted here; the preloaded library plays one elsewhere");
        return;
    };
    let sink = Sink::start();
    sink.behave("app", Behaviour::Status(503));
    let home = Home::new(setup(&sink, 16 * MIB).value()).with_data(small.path().join("data"));
    let ledger = Ledger::new();
    let mut gateway = home.start();
    let ballast = Ballast::of(small.path().join("ballast"), 60 * MIB);
    let plan = Plan { bytes: 20_000..60_000, ..Plan::to(home.address, "/in/load") };
    let generator = Generator::start(&plan, &ledger, &mut dice);
    let refusals = Refusals(Arc::clone(&ledger));
    refusals.wait();
    let waiting = ledger.acked_count();
    // Now nothing at all is left, not even the reserve.
    let last = Ballast::of(small.path().join("last"), free_bytes(small.path()));
    assert_eq!(free_bytes(small.path()), 0);
    sink.behave("app", Behaviour::Healthy);
    until("deliveries are tried all the same", || sink.accepted_at("app") > 0);
    assert_eq!(gateway.ended(), None, "{}", home.log_end());
    drop(last);
    until("what was taken is delivered out of the reserve", || sink.accepted_at("app") >= waiting);
    drop(ballast);
    until("ingest goes on by itself", || ledger.acked_count() > waiting + 50);
    generator.stop();
    let verdict = judge_at_rest(&home, &ledger, &sink, &OWED);
    assert_eq!(gateway.terminate().code(), Some(0));
    check_database(&home.database());
    eprintln!("full disk: {waiting} waited on it, {} refused; {verdict}", refusals.count());
    assert!(waiting > 0 && refusals.count() > 0 && verdict.delivered > waiting);
}
