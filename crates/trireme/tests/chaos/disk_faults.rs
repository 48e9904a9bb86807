//! A disk that fails under the real process: syncs, writes and room. What failed is never acknowledged, what was
//! acknowledged is never lost, and the database stays whole.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::dice::Dice;
use crate::disk::{ANY_CALL, DATABASE, Disk, EIO, ENOSPC, Fault, LOG, SHORT, STORE, SYNCS, WRITES};
use crate::gateway::{Gateway, Home};
use crate::generator::{Generator, Plan};
use crate::ledger::Ledger;
use crate::oracle::{Owed, Verdict, check_database, judge_at_rest};
use crate::setup::{Setup, no_breaker, quick_retries};
use crate::sink::{Behaviour, Sink};
use crate::wait::{pause, until, within};

/// Exit code of a process whose disk failed (design §6).
const EXIT_IO: i32 = 74;
const CONCURRENCY: usize = 8;

struct Stage {
    sink: Sink,
    home: Home,
    disk: Disk,
    ledger: Arc<Ledger>,
}

const OWED: [Owed; 2] = [
    Owed { route: "load-healthy", destination: "healthy", ordered: true },
    Owed { route: "load-stubborn", destination: "stubborn", ordered: false },
];

impl Stage {
    fn new() -> Self {
        let sink = Sink::start();
        sink.behave("stubborn", Behaviour::Stubborn(1));
        let destination =
            json!({ "http": { "concurrency": CONCURRENCY }, "retry": quick_retries(100), "breaker": no_breaker() });
        let setup = Setup::new()
            .source("load")
            .destination("healthy", &sink, &destination)
            .destination("stubborn", &sink, &destination)
            .route("load", "healthy", &json!({ "ordering": "subject" }))
            .route("load", "stubborn", &json!({}));
        let (home, disk) = Disk::under(Home::new(setup.value()));
        Self { sink, home, disk, ledger: Ledger::new() }
    }

    fn load(&self, dice: &mut Dice) -> Generator {
        let plan = Plan { gap: Duration::from_millis(2), ..Plan::to(self.home.address, "/in/load") };
        Generator::start(&plan, &self.ledger, dice)
    }

    fn wait_for_acks(&self, more: usize) {
        let enough = self.ledger.acked_count() + more;
        until("messages are acknowledged", || self.ledger.acked_count() >= enough);
    }

    fn refused(&self) -> u64 {
        self.ledger.sent().refused.values().sum()
    }

    /// Starts on a disk that works again, and judges when all has settled.
    fn recover(&self) -> Verdict {
        self.disk.lift();
        self.sink.next_generation();
        check_database(&self.home.database());
        let gateway = self.home.start();
        let verdict = judge_at_rest(&self.home, &self.ledger, &self.sink, &OWED);
        assert_eq!(gateway.terminate().code(), Some(0));
        check_database(&self.home.database());
        verdict
    }
}

/// The harness's own proof: without a fault the library sees every kind of call and changes nothing.
#[test]
fn the_failing_disk_is_really_under_the_store() {
    let mut dice = Dice::of("disk, no fault");
    let stage = Stage::new();
    let gateway = stage.home.start();
    let generator = stage.load(&mut dice);
    stage.wait_for_acks(50);
    generator.stop();
    let verdict = judge_at_rest(&stage.home, &stage.ledger, &stage.sink, &OWED);
    let (writes, syncs) = (stage.disk.seen(WRITES, LOG), stage.disk.seen(SYNCS, LOG));
    assert_eq!(gateway.terminate().code(), Some(0));
    let folded = stage.disk.seen(WRITES, DATABASE);
    eprintln!(
        "disk, no fault: {writes} writes and {syncs} syncs of the log, {folded} writes of the database; {verdict}"
    );
    assert!(writes > 0 && syncs > 0 && folded > 0, "the library does not see the store's calls");
    assert_eq!((stage.disk.attached(), stage.disk.failed()), (1, 0));
    assert!(verdict.delivered > 0 && verdict.sent.refused.is_empty());
}

#[test]
fn a_disk_error_is_never_acknowledged_and_ends_the_process() {
    let mut dice = Dice::of("disk error");
    let torn = |fault: Fault| Fault { torn: true, ..fault };
    let cases = [
        ("a failed sync", Fault::nth(1, EIO, SYNCS, LOG)),
        ("every sync fails", Fault::always(EIO, SYNCS, STORE)),
        ("a failed write", Fault::nth(3, EIO, WRITES, LOG)),
        ("a torn write", torn(Fault::nth(2, EIO, WRITES, LOG))),
        ("every call fails", torn(Fault::always(EIO, ANY_CALL, STORE))),
    ];
    for (name, fault) in cases {
        let stage = Stage::new();
        let mut gateway = stage.home.start();
        let generator = stage.load(&mut dice);
        stage.wait_for_acks(40);
        stage.disk.fail(fault);
        let status = gateway.end();
        generator.stop();
        let (failed, sent) = (stage.disk.failed(), stage.ledger.sent());
        assert_eq!(status.code(), Some(EXIT_IO), "{name}: {status}\n{}", stage.home.log_end());
        let verdict = stage.recover();
        eprintln!("disk error, {name}: {failed} calls failed, {} messages refused; {verdict}", stage.refused());
        assert!(failed > 0, "{name} was never hit");
        assert!(sent.refused.get(&503).is_some_and(|count| *count > 0), "{name}: nobody was told: {sent:?}");
        assert!(verdict.delivered > 0);
    }
}

#[test]
fn a_disk_without_room_refuses_and_recovers_by_itself() {
    let mut dice = Dice::of("no room");
    let stage = Stage::new();
    let mut gateway = stage.home.start();
    let generator = stage.load(&mut dice);
    stage.wait_for_acks(40);
    for torn in [false, true] {
        stage.disk.fail(Fault { torn, ..Fault::always(ENOSPC, ANY_CALL & !SYNCS, STORE) });
        let refused = stage.refused();
        until("messages are refused", || stage.refused() >= refused + 20);
        let acked = stage.ledger.acked_count();
        until("more messages are refused", || stage.refused() >= refused + 60);
        assert_eq!(stage.ledger.acked_count(), acked, "acknowledged although nothing can be written");
        assert_eq!(gateway.ended(), None, "{}", stage.home.log_end());
        assert!(stage.disk.failed() > 0);
        stage.disk.lift();
        stage.wait_for_acks(40);
    }
    generator.stop();
    let verdict = judge_at_rest(&stage.home, &stage.ledger, &stage.sink, &OWED);
    assert_eq!(gateway.terminate().code(), Some(0));
    check_database(&stage.home.database());
    eprintln!("no room: {} messages refused; {verdict}", stage.refused());
    assert!(verdict.delivered > 0 && stage.disk.attached() == 1, "it was one process all the time");
}

/// One failure at every place in turn, the start included: whatever comes of it, nothing acknowledged is lost.
#[test]
fn a_failure_at_any_call_corrupts_nothing() {
    let mut dice = Dice::of("failure at any call");
    let soak = std::env::var("TRIREME_SOAK").is_ok();
    let stage = Stage::new();
    let calls = calls_of_a_clean_run(&stage, &mut dice);
    let (mut hits, mut exits, mut survived, mut refused_start) = (0, 0, 0, 0);
    let places = places(calls, if soak { calls } else { 20 }, &mut dice);
    for (index, place) in places.iter().enumerate() {
        let (error, torn) = [(EIO, false), (ENOSPC, false), (SHORT, false), (EIO, true), (ENOSPC, true)][index % 5];
        let stage = Stage::new();
        stage.disk.fail(Fault { torn, ..Fault::nth(*place, error, ANY_CALL, STORE) });
        match a_short_life(&stage, &mut dice) {
            Life::NeverReady => refused_start += 1,
            Life::Ended => exits += 1,
            Life::Survived => survived += 1,
        }
        hits += stage.disk.failed();
        stage.recover();
    }
    eprintln!(
        "failure at any call: {calls} calls in a clean run, {} places tried, {hits} hit: {refused_start} never got \
         ready, {exits} ended, {survived} went on",
        places.len()
    );
    assert!(hits as usize * 2 > places.len(), "most places were never reached");
    assert!(refused_start > 0 && exits > 0 && survived > 0, "only one kind of end was seen");
}

fn calls_of_a_clean_run(stage: &Stage, dice: &mut Dice) -> u64 {
    stage.disk.fail(Fault::nth(u64::MAX, EIO, ANY_CALL, STORE));
    assert!(matches!(a_short_life(stage, dice), Life::Survived));
    stage.disk.matched()
}

/// The first places one by one, where every kind of call happens for the first time; the rest by chance.
fn places(calls: u64, count: u64, dice: &mut Dice) -> Vec<u64> {
    let first = count / 2;
    let mut places: Vec<u64> = (1..=first.min(calls)).collect();
    places.extend((first..count).map(|_| dice.between(first + 1..calls.max(first + 2))));
    places
}

enum Life {
    NeverReady,
    Ended,
    Survived,
}

/// A start and a few messages.
fn a_short_life(stage: &Stage, dice: &mut Dice) -> Life {
    let mut gateway = stage.home.spawn();
    let ready = within(crate::wait::PATIENCE, || match gateway.ended() {
        Some(status) => Some(Err(status)),
        None => gateway.is_ready().then_some(Ok(())),
    });
    match ready {
        Some(Ok(())) => {}
        Some(Err(status)) => {
            assert!(status.code().is_some_and(|code| code != 0), "{status}\n{}", stage.home.log_end());
            return Life::NeverReady;
        }
        None => panic!("neither ready nor ended\n{}", stage.home.log_end()),
    }
    let plan = Plan { messages: Some(60), senders: 3, ..Plan::to(stage.home.address, "/in/load") };
    Generator::start(&plan, &stage.ledger, dice).wait();
    pause(Duration::from_millis(150));
    ended(&mut gateway)
}

fn ended(gateway: &mut Gateway) -> Life {
    match gateway.ended() {
        Some(status) => {
            assert_eq!(status.code(), Some(EXIT_IO));
            Life::Ended
        }
        None => {
            gateway.kill();
            Life::Survived
        }
    }
}
