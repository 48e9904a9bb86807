//! Destinations that hang, drip and break connections beside healthy ones: the healthy ones are served to the end
//! while the others are not.

use serde_json::json;

use crate::dice::Dice;
use crate::gateway::Home;
use crate::generator::{Generator, Plan};
use crate::ledger::Ledger;
use crate::oracle::{check_database, judge};
use crate::setup::{Setup, quick_retries};
use crate::sink::{Behaviour, Sink};
use crate::wait::until;

const HEALTHY: usize = 8;
const BAD: [(&str, Behaviour); 6] = [
    ("hangs-a", Behaviour::Hang),
    ("hangs-b", Behaviour::Hang),
    ("hangs-c", Behaviour::Hang),
    ("drips", Behaviour::Drip),
    ("resets", Behaviour::Reset),
    ("fails", Behaviour::Status(500)),
];
const MESSAGES: u64 = 3_000;

#[test]
fn bad_destinations_hold_nobody_up() {
    let mut dice = Dice::of("bad destinations");
    let sink = Sink::start();
    let healthy: Vec<String> = (0..HEALTHY).map(|number| format!("healthy-{number}")).collect();
    // The bad ones keep what they get for as long as a policy allows, so that they are in the way all the time.
    let http = json!({ "timeouts": { "connect": "5s", "first_byte": "5m", "total": "5m" }, "concurrency": 16 });
    let bad = json!({ "http": http, "retry": quick_retries(1_000) });
    let mut setup = Setup::new().source("load");
    for (name, behaviour) in BAD {
        sink.behave(name, behaviour);
        setup = setup.destination(name, &sink, &bad).route("load", name, &json!({}));
    }
    for name in &healthy {
        setup = setup.destination(name, &sink, &json!({})).route("load", name, &json!({}));
    }
    let home = Home::new(setup.value());
    let ledger = Ledger::new();
    let mut gateway = home.start();
    let plan = Plan { messages: Some(MESSAGES), ..Plan::to(home.address, "/in/load") };
    Generator::start(&plan, &ledger, &mut dice).wait();
    let sent = ledger.sent();
    assert_eq!(sent.acked as u64, MESSAGES, "{sent:?}");
    for name in &healthy {
        until("every healthy destination got everything", || sink.accepted_at(name) as u64 >= MESSAGES);
    }
    let stuck = BAD.map(|(name, _)| sink.count(|arrival| &*arrival.destination == name));
    assert_eq!(gateway.ended(), None);
    let verdict = judge(&home, &ledger, &sink, &[]);
    // They come back, and nothing that they were owed is lost: what they hold in their hands is given up at a restart.
    gateway.kill();
    sink.next_generation();
    for (name, _) in BAD {
        sink.behave(name, Behaviour::Healthy);
    }
    let gateway = home.start();
    for (name, _) in BAD {
        until("the bad ones get theirs once they are well", || sink.distinct_at(name) as u64 >= MESSAGES);
    }
    drop(gateway);
    check_database(&home.database());
    eprintln!(
        "bad destinations: {MESSAGES} to each of {HEALTHY} while six took {stuck:?} and answered none; {verdict}"
    );
    assert!(stuck.iter().all(|count| *count > 0), "a bad destination was never tried");
    assert!(verdict.duplicates == 0);
}
