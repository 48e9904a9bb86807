//! A storm of duplicates: every message many times, interleaved, from several senders, across a restart and a kill.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;

use crate::api::Api;
use crate::dice::Dice;
use crate::gateway::Home;
use crate::generator::{answer_of, post};
use crate::http::Client;
use crate::ledger::{Answer, Ledger};
use crate::oracle::{Owed, check_database, judge_at_rest};
use crate::payload::Message;
use crate::setup::{Setup, quick_retries};
use crate::sink::Sink;

const MESSAGES: u64 = 60;
const TIMES: u64 = 40;
const SENDERS: usize = 8;
const OWED: [Owed; 1] = [Owed { route: "load-app", destination: "app", ordered: false }];

#[test]
fn every_duplicate_gets_the_first_events_id() {
    let mut dice = Dice::of("duplicate storm");
    let sink = Sink::start();
    let setup = Setup::new().source("load").destination("app", &sink, &json!({ "retry": quick_retries(20) })).route(
        "load",
        "app",
        &json!({}),
    );
    let home = Home::new(setup.value());
    let ledger = Ledger::new();
    let mut acks: HashMap<u64, u64> = HashMap::new();
    let mut sent = 0;
    let mut gateway = home.start();
    for phase in 0..4 {
        sent += storm(&home, &ledger, &mut dice, TIMES / 4, &mut acks);
        if phase % 2 == 0 {
            assert_eq!(gateway.terminate().code(), Some(0));
        } else {
            gateway.kill();
        }
        sink.next_generation();
        gateway = home.start();
    }
    let verdict = judge_at_rest(&home, &ledger, &sink, &OWED);
    let api = Api { address: home.address };
    let events = api.events();
    assert_eq!(events.len() as u64, MESSAGES, "one event each");
    let mut sightings = 0;
    for (key, event) in ledger.acked() {
        let detail = api.get(&format!("/api/v1/events/{event}"));
        let counts = detail["sightings"].as_array().expect("an event has sightings").iter();
        let seen: u64 = counts.map(|sighting| sighting["count"].as_u64().expect("a count")).sum();
        assert_eq!(seen, acks[&key] - 1, "sightings of message {key}");
        sightings += seen;
    }
    drop(gateway);
    check_database(&home.database());
    eprintln!("duplicate storm: {MESSAGES} messages, {sent} arrivals, {sightings} sightings; {verdict}");
    assert_eq!(sent, MESSAGES * TIMES);
    assert_eq!(sightings, sent - MESSAGES);
    assert_eq!(verdict.sent.duplicates, sightings, "each was told that it is one");
}

/// Sends every message so many times, in an order of chance, over several connections at once.
fn storm(home: &Home, ledger: &Arc<Ledger>, dice: &mut Dice, times: u64, acks: &mut HashMap<u64, u64>) -> u64 {
    let mut all: Vec<Message> = (0..MESSAGES)
        .flat_map(|key| (0..times).map(move |_| Message { key, subject: key, step: key, bytes: 300 }))
        .collect();
    dice.shuffle(&mut all);
    let share = all.len().div_ceil(SENDERS);
    let answered: Vec<u64> = std::thread::scope(|scope| {
        let senders: Vec<_> =
            all.chunks(share).map(|messages| scope.spawn(|| send_all(home, ledger, messages))).collect();
        senders.into_iter().flat_map(|sender| sender.join().expect("a sender does not panic")).collect()
    });
    for key in &answered {
        *acks.entry(*key).or_default() += 1;
    }
    answered.len() as u64
}

fn send_all(home: &Home, ledger: &Ledger, messages: &[Message]) -> Vec<u64> {
    let mut client = Client::connect(home.address).expect("the gateway listens");
    let mut acked = Vec::new();
    for message in messages {
        let response = post(&mut client, "/in/load", message).expect("the gateway answers");
        let answer = answer_of(&response, ledger);
        ledger.note(message.key, &answer);
        if matches!(answer, Answer::Acknowledged { .. }) {
            acked.push(message.key);
        }
    }
    acked
}
