//! `kill -9` at random moments of the real process: under load, while it starts, folds its log, replays and prunes.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::api::Api;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::gateway::Home;
use crate::generator::{Generator, Plan};
use crate::ledger::Ledger;
use crate::oracle::{Owed, check_database, judge_at_rest};
use crate::setup::{Setup, no_breaker, quick_retries};
use crate::sink::{Behaviour, Sink};
use crate::wait::{pause, until, until_some};

const ROUNDS: u64 = 50;
/// How many of the last acknowledged events are looked up right after each restart.
const LAST: usize = 20;
/// Most messages under way to one destination.
const CONCURRENCY: usize = 8;
/// What a crash may have sent to one destination without noting it: those under way, and those that were answered
/// and wait for the commit that says so. Both are bounded by what a destination may have in memory.
const UNNOTED: usize = 4 * CONCURRENCY;

/// Rounds of a suite; `TRIREME_CHAOS_ROUNDS` sets them for all suites of this file.
fn rounds(usual: u64) -> u64 {
    let given = std::env::var("TRIREME_CHAOS_ROUNDS").ok();
    given.map_or(usual, |text| text.parse().expect("TRIREME_CHAOS_ROUNDS is a whole number"))
}

/// Four destinations that get everything: one healthy, one in order, one that refuses first, one that never takes any.
fn everything(sink: &Sink) -> Setup {
    sink.behave("stubborn", Behaviour::Stubborn(2));
    sink.behave("broken", Behaviour::Status(500));
    let http = json!({ "concurrency": CONCURRENCY });
    let destination = |attempts| json!({ "http": http, "retry": quick_retries(attempts), "breaker": no_breaker() });
    Setup::new()
        .source("load")
        .destination("healthy", sink, &destination(20))
        .destination("ordered", sink, &destination(20))
        .destination("stubborn", sink, &destination(20))
        .destination("broken", sink, &destination(2))
        .route("load", "healthy", &json!({}))
        .route("load", "ordered", &json!({ "ordering": "subject" }))
        .route("load", "stubborn", &json!({}))
        .route("load", "broken", &json!({}))
}

const EVERYTHING: [Owed; 4] = [
    Owed { route: "load-healthy", destination: "healthy", ordered: false },
    Owed { route: "load-ordered", destination: "ordered", ordered: true },
    Owed { route: "load-stubborn", destination: "stubborn", ordered: false },
    Owed { route: "load-broken", destination: "broken", ordered: false },
];

/// One healthy destination.
fn plain(sink: &Sink) -> Setup {
    let destination = json!({ "http": { "concurrency": CONCURRENCY }, "retry": quick_retries(20) });
    Setup::new().source("load").destination("healthy", sink, &destination).route("load", "healthy", &json!({}))
}

const PLAIN: [Owed; 1] = [Owed { route: "load-healthy", destination: "healthy", ordered: false }];

#[test]
fn threat_12_kills_under_load_lose_nothing() {
    let mut dice = Dice::of("kill under load");
    let sink = Sink::start();
    let home = Home::new(everything(&sink).value());
    let ledger = Ledger::new();
    let mut gateway = home.start();
    let plan = Plan { gap: Duration::from_millis(3), ..Plan::to(home.address, "/in/load") };
    let generator = Generator::start(&plan, &ledger, &mut dice);
    let (rounds, mut busy, mut looked_up) = (rounds(ROUNDS), 0, 0);
    for round in 0..rounds {
        let before = ledger.acked_count();
        pause(dice.millis(50..700));
        gateway.kill();
        sink.next_generation();
        busy += u64::from(ledger.acked_count() > before);
        if round % 10 == 9 {
            check_database(&home.database());
        }
        gateway = home.start();
        looked_up += find_last(&home, &ledger);
    }
    generator.stop();
    let verdict = judge_at_rest(&home, &ledger, &sink, &EVERYTHING);
    assert_eq!(gateway.terminate().code(), Some(0));
    check_database(&home.database());
    eprintln!("kill under load: {rounds} kills, {busy} of them busy, {looked_up} looked up at once; {verdict}");
    assert!(busy * 10 >= rounds * 9 && looked_up > 0, "the load was not there when it was killed");
    assert!(verdict.delivered > 0 && verdict.dead > 0 && verdict.ordered > 0);
    assert!(verdict.duplicates <= rounds as usize * UNNOTED * EVERYTHING.len(), "more than was under way");
}

/// The events acknowledged last are there; gives how many.
fn find_last(home: &Home, ledger: &Ledger) -> usize {
    let api = Api { address: home.address };
    let last = ledger.last_acked(LAST);
    for event in &last {
        assert!(api.has(*event), "LOST: {event} was acknowledged before the kill\n{}", home.log_end());
    }
    last.len()
}

#[test]
fn kills_during_a_start_lose_nothing() {
    let mut dice = Dice::of("kill during a start");
    let (mut first, mut again) = (Aim::new(), Aim::new());
    let (mut early, mut fresh) = (0, 0);
    let mut kills = 0;
    for _ in 0..rounds(4) {
        let sink = Sink::start();
        let home = Home::new(plain(&sink).value());
        // The first start makes the folder, the key and the schema.
        for _ in 0..3 {
            fresh += u64::from(kill_early(&home, &mut first, &mut dice));
        }
        let ledger = Ledger::new();
        let gateway = home.start();
        Generator::start(&Plan { messages: Some(300), ..Plan::to(home.address, "/in/load") }, &ledger, &mut dice)
            .wait();
        drop(gateway);
        for _ in 0..4 {
            sink.next_generation();
            early += u64::from(kill_early(&home, &mut again, &mut dice));
            kills += 1;
        }
        sink.next_generation();
        let gateway = home.start();
        let verdict = judge_at_rest(&home, &ledger, &sink, &PLAIN);
        assert_eq!(gateway.terminate().code(), Some(0));
        check_database(&home.database());
        assert!(verdict.delivered > 0);
        assert!(verdict.duplicates <= kills * UNNOTED);
    }
    eprintln!("kill during a start: {fresh} first starts and {early} restarts killed before they were ready");
    assert!(fresh > 0 && early > 0, "every start was over before it was killed");
}

/// Starts and kills it at a moment before it is usually ready; gives whether it was not ready yet.
fn kill_early(home: &Home, aim: &mut Aim, dice: &mut Dice) -> bool {
    let mut gateway = home.spawn();
    pause(aim.shot(dice));
    let early = !gateway.is_ready();
    gateway.kill();
    aim.saw(early)
}

/// Shoots into a span whose length is a matter of the machine: a shot after its end makes the next ones earlier, one
/// before it lets them go later, so that some hit on any machine.
struct Aim(Duration);

impl Aim {
    fn new() -> Self {
        Self(Duration::from_millis(40))
    }

    fn shot(&self, dice: &mut Dice) -> Duration {
        Duration::from_nanos(dice.between(0..u64::try_from(self.0.as_nanos()).expect("less than a second") + 1))
    }

    /// Takes whether the last shot hit, and gives it back.
    fn saw(&mut self, hit: bool) -> bool {
        self.0 = if hit { (self.0 * 2).min(Duration::from_millis(160)) } else { self.0 / 4 };
        hit
    }
}

#[test]
fn kills_during_a_checkpoint_lose_nothing() {
    let mut dice = Dice::of("kill during a checkpoint");
    let sink = Sink::start();
    let home = Home::new(plain(&sink).value());
    let ledger = Ledger::new();
    let rounds = rounds(3);
    let mut gateway = home.start();
    // Large bodies fill the log, which is folded into the database when it is long.
    let plan = Plan { bytes: 100_000..200_000, senders: 4, ..Plan::to(home.address, "/in/load") };
    let generator = Generator::start(&plan, &ledger, &mut dice);
    for _ in 0..rounds {
        let (database, before) = (home.database(), modified(&home.database()));
        until("the log is folded into the database", || modified(&database) != before);
        pause(Duration::from_micros(dice.between(0..20_000)));
        gateway.kill();
        sink.next_generation();
        check_database(&home.database());
        gateway = home.start();
        find_last(&home, &ledger);
    }
    generator.stop();
    // The other fold is the one at a stop.
    let (mut stops, mut aim) = (0, Aim::new());
    for _ in 0..rounds * 3 {
        gateway.ask_to_stop();
        stops += u64::from(aim.saw(gateway.ends_within(aim.shot(&mut dice)).is_none()));
        gateway.kill();
        sink.next_generation();
        gateway = home.start();
    }
    let verdict = judge_at_rest(&home, &ledger, &sink, &PLAIN);
    drop(gateway);
    check_database(&home.database());
    eprintln!("kill during a checkpoint: {rounds} kills while folding, {stops} while stopping; {verdict}");
    assert!(verdict.delivered > 0 && stops > 0);
}

/// When the database file was last written: while a gateway runs, only folding the log does so.
fn modified(database: &Path) -> Option<(i64, i64)> {
    std::fs::metadata(database).ok().map(|file: Metadata| (file.mtime(), file.mtime_nsec()))
}

#[test]
fn kills_during_a_replay_lose_nothing_of_it() {
    let mut dice = Dice::of("kill during a replay");
    let sink = Sink::start();
    let home = Home::new(plain(&sink).value());
    let api = Api { address: home.address };
    let ledger = Ledger::new();
    let mut gateway = home.start();
    let plan = Plan { messages: Some(1_500), ..Plan::to(home.address, "/in/load") };
    Generator::start(&plan, &ledger, &mut dice).wait();
    until("all is delivered once", || api.is_quiet());
    let created = api.post("/api/v1/replays", &json!({ "filter": { "source": "load" }, "rate": 500 }));
    assert!((200..300).contains(&created.status), "{}", created.text());
    let replay = created.json()["id"].as_str().expect("a replay has an id").to_owned();
    let path = format!("/api/v1/replays/{replay}");
    let mut kills = 0;
    for _ in 0..rounds(6) {
        pause(dice.millis(5..150));
        if api.get(&path)["state"] == "done" {
            break;
        }
        gateway.kill();
        kills += 1;
        sink.next_generation();
        gateway = home.start();
    }
    let done = until_some("the replay is done", || Some(api.get(&path)).filter(|replay| replay["state"] == "done"));
    let verdict = judge_at_rest(&home, &ledger, &sink, &PLAIN);
    let made = api.deliveries().values().flatten().filter(|row| row.replay).count();
    let again = sink.count(|arrival| arrival.replay && arrival.accepted());
    drop(gateway);
    check_database(&home.database());
    eprintln!("kill during a replay: {kills} kills, {made} deliveries made again, {again} arrived; {verdict}");
    assert!(kills > 0, "the replay was over before it was killed");
    assert_eq!((made, done["events_done"].as_u64()), (verdict.sent.acked + verdict.unheard, Some(made as u64)));
    assert!(again >= made && again <= made + kills * UNNOTED);
}

#[test]
fn kills_while_pruning_lose_nothing_that_has_to_stay() {
    let mut dice = Dice::of("kill while pruning");
    let sink = Sink::start();
    // Nobody takes these, so they wait, whatever their age.
    sink.behave("waiting", Behaviour::Status(503));
    let waiting = json!({ "retry": { "list": ["1h"], "attempts": 100 }, "http": { "concurrency": CONCURRENCY } });
    let setup = plain(&sink).source("kept").destination("waiting", &sink, &waiting);
    let setup =
        setup.route("kept", "waiting", &json!({})).with("retention", json!({ "events": "1m", "requests": "1m" }));
    let (home, disk) = Disk::under(Home::new(setup.value()));
    let (old, kept) = (Ledger::new(), Ledger::new());
    let api = Api { address: home.address };
    let mut gateway = home.start();
    let plan = Plan { messages: Some(3_000), ..Plan::to(home.address, "/in/load") };
    Generator::start(&plan, &old, &mut dice).wait();
    let plan = Plan { messages: Some(50), ..Plan::to(home.address, "/in/kept") };
    Generator::start(&plan, &kept, &mut dice).wait();
    until("the old ones are delivered", || sink.accepted_at("healthy") >= old.acked_count());
    gateway.kill();
    // Two hours later nearly everything is past its retention.
    disk.shift_clock(2 * 60 * 60);
    let mut kills = 0;
    for _ in 0..rounds(4) {
        gateway = home.start();
        if api.is_empty("/api/v1/events?source=load") {
            break;
        }
        let quiet = log_writes(&disk);
        disk.shift_timers(TO_THE_NEXT_PRUNING * (kills + 1));
        until("pruning has begun", || log_writes(&disk) > quiet + 10);
        pause(dice.millis(0..60));
        gateway.kill();
        kills += 1;
        check_database(&home.database());
    }
    disk.shift_timers(TO_THE_NEXT_PRUNING * (kills + 1));
    gateway = home.start();
    until("the old events are gone", || api.is_empty("/api/v1/events?source=load"));
    let left = api.events();
    assert!(kept.acked().values().all(|event| left.contains(event)), "LOST: what waits was pruned");
    drop(gateway);
    check_database(&home.database());
    let pruned = old.acked_count();
    eprintln!("kill while pruning: {kills} kills, {pruned} pruned, {} that wait stayed", left.len());
    assert!(kills > 0 && !left.is_empty() && disk.attached() > 0);
}

/// Past the first round of pruning after a start.
const TO_THE_NEXT_PRUNING: i64 = 120;

fn log_writes(disk: &Disk) -> u64 {
    disk.seen(crate::disk::WRITES, crate::disk::LOG)
}
