//! A gateway between a shop that fails and a destination that stumbles: hundreds of seeds, each judged by what really
//! happened.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use engine::spec::{ReconcileSpec, Schedule, StreamSpec};
use testkit::shop_simulation::{Plan, Report, every, run};
use testkit::upstream::oracle::{Figures, Message};
use testkit::upstream::{Act, Deed, Deletes, Habits, HookHabits, Manifest, Object, Script, SecretWay};

/// A folder in memory where there is one: a simulation needs a file that survives its process, not a disk.
fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder")
}

fn simulate(plan: &Plan) -> Report {
    let folder = folder();
    run(plan, folder.path()).unwrap_or_else(|found| panic!("seed {}: {found}\n{plan:#?}", plan.seed))
}

/// Runs seeds and checks that, taken together, they did what simulations are for.
fn sweep(seeds: Range<u64>) {
    let names = ["deaths", "states", "owed", "messages", "again", "visits", "unmodified", "fetched"];
    let mut counts = names.map(|name| (name, 0));
    for seed in seeds {
        let Report { lives, figures, .. } = simulate(&Plan::of_seed(seed));
        let Figures { states, owed, messages, again, visits, unmodified, fetched, .. } = figures;
        let seen = [lives - 1, states, owed, messages, again, visits, unmodified, fetched];
        counts.iter_mut().zip(seen).for_each(|((_, count), seen)| *count += seen);
    }
    for (what, count) in counts {
        assert!(count > 0, "the seeds tested nothing: no {what} in {counts:?}");
    }
}

#[test]
fn the_destination_believes_what_is_so_in_the_first_130_seeds() {
    sweep(0..130);
}

#[test]
fn the_destination_believes_what_is_so_in_the_second_130_seeds() {
    sweep(130..260);
}

#[test]
fn the_destination_believes_what_is_so_in_the_third_130_seeds() {
    sweep(260..390);
}

#[test]
fn the_destination_believes_what_is_so_in_the_last_130_seeds() {
    sweep(390..520);
}

/// More seeds for `make soak`: `TRIREME_SEEDS=from..to`.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
fn the_destination_believes_what_is_so_in_the_seeds_asked_for() {
    let Ok(asked) = std::env::var("TRIREME_SEEDS") else { return };
    let (from, to) = asked.split_once("..").expect("TRIREME_SEEDS=from..to");
    sweep(from.parse().expect("a number")..to.parse().expect("a number"));
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in [3, 42, 719, 761, 1206] {
        assert_eq!(simulate(&Plan::of_seed(seed)), simulate(&Plan::of_seed(seed)), "seed {seed}");
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// So many milliseconds after the gateway has started and scanned the shop.
fn deed(millis: u64, object: Object, id: u64, act: Act) -> Deed {
    Deed { after: Duration::from_secs(610) + Duration::from_millis(millis), account: 0, object, id, act }
}

/// Records that were there before the gateway was.
fn opening(object: Object, id: u64) -> Deed {
    Deed { after: Duration::ZERO, account: 0, object, id, act: Act::Create("open") }
}

/// What came of each subject, in order: connection, subject, type and state.
fn told(report: &Report) -> Vec<String> {
    let shown = |message: &Message| {
        let state = message.record()["status"].as_str().unwrap_or("?").to_owned();
        let subject = message.subject.as_deref().unwrap_or_default();
        format!("{} {subject} {} {state}", message.connection, message.event_type)
    };
    report.messages.iter().map(shown).collect()
}

fn with_webhooks(plan: Plan) -> Plan {
    Plan { hooks: true, ..plan }
}

#[test]
fn the_same_id_in_two_connections_is_two_records() {
    let both = |millis, act| (0..2).map(move |account| Deed { account, ..deed(millis, Object::Orders, 1, act) });
    let script = || Script::of(both(0, Act::Create("open")).chain(both(20_000, Act::Change("paid"))).collect());
    let accounts = vec!["acme".to_owned(), "blue".to_owned()];
    for plan in [
        Plan::plain(script(), &[("orders", every(5 * SECOND))]),
        with_webhooks(Plan::plain(script(), &[("orders", every(5 * SECOND))])),
    ] {
        let habits = Habits { accounts: accounts.clone(), ..plan.habits.clone() };
        let mut all = told(&simulate(&Plan { habits, ..plan }));
        all.sort();
        let of = |account: &str| {
            [format!("{account} order/1 order.created open"), format!("{account} order/1 order.updated paid")]
        };
        assert_eq!(all, [of("acme"), of("blue")].concat());
    }
}

/// What came, by the sender's own names of it.
fn topics(report: &Report) -> Vec<&str> {
    let mut topics: Vec<&str> = report.messages.iter().map(|message| message.topic.as_str()).collect();
    topics.sort_unstable();
    topics
}

#[test]
fn two_topics_with_one_version_are_two_events_whatever_they_mean_and_a_poll_adds_none() {
    let script = || Script::of(vec![opening(Object::Orders, 1), deed(0, Object::Orders, 1, Act::Change("paid"))]);
    // Both webhooks come long before a poll by itself; each has the order polled at once.
    let plan = with_webhooks(Plan::plain(script(), &[("orders", every(60 * SECOND))]));
    let hooks = HookHabits { second_topic: 100, ..HookHabits::default() };
    let habits = Habits { hooks, ..plan.habits.clone() };
    let manifest = Manifest::of(&habits);
    for (manifest, second_is) in
        [(manifest.clone().with_a_second_word_for_changes(), "order.updated"), (manifest, "order.noticed")]
    {
        let report = simulate(&Plan { habits: habits.clone(), manifest, ..plan.clone() });
        assert_eq!(topics(&report), ["order.noticed", "order.updated"], "as {second_is}");
        assert!(report.messages.iter().all(Message::is_native), "a poll adds none");
        let of = |topic: &str| report.messages.iter().find(|message| message.topic == topic).expect("it came");
        assert_eq!(of("order.noticed").event_type, second_is);
        if second_is == "order.updated" {
            // Both say that the order changed, and both name its one version: a state key would make one of them.
            assert!(of("order.noticed").version.is_some());
            assert_eq!(of("order.noticed").version, of("order.updated").version);
        }
    }
}

#[test]
fn there_and_back_again_is_two_changes_with_a_version_and_without() {
    for object in Object::ALL {
        let script = Script::of(vec![
            opening(object, 1),
            deed(0, object, 1, Act::Change("paid")),
            deed(20_000, object, 1, Act::Change("open")),
        ]);
        let name = object.singular();
        let report = simulate(&Plan::plain(script, &[(object.plural(), every(5 * SECOND))]));
        let expected = [format!("acme {name}/1 {name}.updated paid"), format!("acme {name}/1 {name}.updated open")];
        assert_eq!(told(&report), expected);
    }
}

#[test]
fn what_is_deleted_and_made_again_is_told_as_both_in_every_way_of_deleting() {
    for deletes in [Deletes::Tombstone, Deletes::Feed, Deletes::Absence] {
        for object in Object::ALL {
            let script = Script::of(vec![
                opening(object, 1),
                deed(0, object, 1, Act::Delete),
                deed(60_000, object, 1, Act::Create("sent")),
            ]);
            let habits = Habits { deletes, ..Habits::default() };
            let reconcile = ReconcileSpec {
                schedule: Schedule::Every(15 * SECOND),
                lookback: None,
                grace: Some(Duration::ZERO),
                max_deletes: None,
            };
            let spec = StreamSpec { reconcile: Some(reconcile), ..every(5 * SECOND) };
            let plan = Plan::plain(script, &[(object.plural(), spec)]);
            let report = simulate(&Plan { manifest: Manifest::of(&habits), habits, ..plan });
            let types: Vec<&str> = report.messages.iter().map(|message| message.event_type.as_str()).collect();
            let name = object.singular();
            assert_eq!(types, [format!("{name}.deleted"), format!("{name}.created")], "{deletes:?}");
        }
    }
}

/// Orders that are polled this often, where what is gone is told in this way.
fn polled(deletes: Deletes, interval: Duration, deeds: Vec<Deed>) -> Plan {
    let habits = Habits { deletes, ..Habits::default() };
    let plan = Plan::plain(Script::of(deeds), &[("orders", every(interval))]);
    Plan { manifest: Manifest::of(&habits), habits, ..plan }
}

fn types(report: &Report) -> Vec<&str> {
    report.messages.iter().map(|message| message.event_type.as_str()).collect()
}

#[test]
fn what_is_back_and_gone_again_between_two_polls_is_told_as_gone_again() {
    let order = |millis, act| deed(millis, Object::Orders, 1, act);
    for deletes in [Deletes::Tombstone, Deletes::Feed] {
        let gone = order(0, Act::Delete);
        let deeds =
            vec![opening(Object::Orders, 1), gone, order(62_000, Act::Create("sent")), order(70_000, Act::Delete)];
        let report = simulate(&polled(deletes, 30 * SECOND, deeds));
        assert_eq!(types(&report), ["order.deleted", "order.deleted"], "{deletes:?}");
        assert!(report.messages[0].version < report.messages[1].version, "{deletes:?}");
    }
}

#[test]
fn what_goes_twice_between_two_polls_is_told_as_often_as_it_is_listed() {
    let order = |millis, act| deed(millis, Object::Orders, 1, act);
    for (deletes, listed) in [(Deletes::Tombstone, 1), (Deletes::Feed, 2)] {
        let (gone, back, gone_again) = (Act::Delete, Act::Create("sent"), Act::Delete);
        let deeds = vec![order(2_000, gone), order(4_000, back), order(8_000, gone_again)];
        let report = simulate(&polled(deletes, 30 * SECOND, [vec![opening(Object::Orders, 1)], deeds].concat()));
        assert_eq!(types(&report), vec!["order.deleted"; listed], "{deletes:?}");
    }
}

#[test]
fn what_comes_and_goes_before_the_first_poll_is_listed_as_gone_since_the_first_scan() {
    let deeds = vec![deed(0, Object::Orders, 1, Act::Create("open")), deed(5_000, Object::Orders, 1, Act::Delete)];
    let report = simulate(&polled(Deletes::Feed, 60 * SECOND, deeds));
    assert_eq!(types(&report), ["order.deleted"]);
}

/// Each of these found something once. What that was is in the tests above and below, and in those of the stores: 2471,
/// that of two changes of one second, both read, the second webhook was an event of its own if it came after a reading of
/// the next second.
#[test]
fn the_destination_believes_what_is_so_in_the_seeds_that_found_something() {
    for seed in [719, 761, 840, 949, 1092, 1206, 1386, 1660, 1715, 2205, 2471] {
        simulate(&Plan::of_seed(seed));
    }
}

#[test]
fn two_changes_within_one_tick_of_the_version_are_both_told() {
    let script = || {
        Script::of(vec![
            opening(Object::Orders, 1),
            deed(0, Object::Orders, 1, Act::Change("paid")),
            deed(900, Object::Orders, 1, Act::Change("sent")),
        ])
    };
    // Polls begin with the second, so one comes between the two.
    let polled = Plan::plain(script(), &[("orders", every(SECOND))]);
    let hooked = with_webhooks(Plan::plain(script(), &[("orders", every(30 * SECOND))]));
    for plan in [polled, hooked] {
        let habits = Habits { precision: SECOND, ..plan.habits.clone() };
        let report = simulate(&Plan { manifest: Manifest::of(&habits), habits, ..plan });
        assert_eq!(told(&report), ["acme order/1 order.updated paid", "acme order/1 order.updated sent"]);
    }
}

#[test]
fn a_gateway_that_subscribes_by_itself_tells_what_happens_before_during_and_after() {
    let change = |at, state| deed(at, Object::Orders, 1, Act::Change(state));
    let script = Script::of(vec![
        opening(Object::Orders, 1),
        change(0, "paid"),
        Deed { act: Act::DropHooks, ..change(20_000, "") },
        change(21_000, "sent"),
        change(150_000, "done"),
    ]);
    let reconcile = ReconcileSpec {
        schedule: Schedule::Every(30 * SECOND),
        lookback: None,
        grace: Some(SECOND),
        max_deletes: None,
    };
    let plan = Plan::plain(script, &[("orders", StreamSpec { reconcile: Some(reconcile), ..every(5 * SECOND) })]);
    let mut habits = plan.habits.clone();
    habits.subscriptions.secret = SecretWay::Given;
    let manifest = Manifest::of(&habits);
    let report = simulate(&Plan { habits, manifest, hooks: true, subscribes: true, ..plan });
    assert_eq!(told(&report), ["paid", "sent", "done"].map(|state| format!("acme order/1 order.updated {state}")));
    let origins: Vec<&str> = report.messages.iter().map(|message| message.origin.as_str()).collect();
    assert_eq!(origins[2], "native", "{origins:?}");
}
