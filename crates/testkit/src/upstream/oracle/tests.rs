//! The oracle must be able to fail: a perfect gateway passes, and each thing that one could get wrong is found.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::*;
use crate::upstream::{Act, Deed, Habits, HookHabits, Limit, Script};

const OPENED: Timestamp = Timestamp::from_secs(1_800_000_000);
const SECRET: &str = crate::simulation::SECRET;

fn at(secs: u64) -> Timestamp {
    OPENED + Duration::from_secs(secs)
}

/// Order 1 is opened, paid and sent, order 2 opened and deleted; customer 1 goes to B and back to A.
fn shop(habits: Habits) -> Shop {
    let deed = |secs, object, id, act| Deed { after: Duration::from_secs(secs), account: 0, object, id, act };
    let deeds = vec![
        deed(10, Object::Orders, 1, Act::Create("open")),
        deed(20, Object::Orders, 1, Act::Change("paid")),
        deed(30, Object::Orders, 1, Act::Change("sent")),
        deed(40, Object::Orders, 2, Act::Create("open")),
        deed(50, Object::Orders, 2, Act::Delete),
        deed(60, Object::Customers, 1, Act::Create("open")),
        deed(70, Object::Customers, 1, Act::Change("paid")),
        deed(80, Object::Customers, 1, Act::Change("open")),
    ];
    let mut shop = Shop::new(1, habits, Script::of(deeds), OPENED);
    shop.listen(0, "https://hooks.example/in/shop", SECRET);
    shop.advance(at(1_000));
    shop
}

fn promise() -> Promise {
    Promise {
        told_since: Object::ALL.into_iter().map(|object| ((0, object), OPENED)).collect(),
        ordered: true,
        sight: Some(Duration::from_secs(5)),
        activities_since: BTreeMap::new(),
        limit_known: true,
        ..Promise::default()
    }
}

/// A message as a gateway sends it that polled at the right moments.
fn message(change: &Change, origin: &str) -> Message {
    let id = format!("{origin}-{}", change.number);
    let data = match origin {
        "native" => json!({ "type": topic(change), "timestamp": change.at, "data": change.record }),
        _ => change.record.clone(),
    };
    let mut body = json!({
        "id": format!("evt_{id}"), "connection": "acme", "type": topic(change), "subject": change.subject(),
        "action": change.action, "origin": origin, "data": data,
    });
    if change.object == Object::Orders {
        body["version"] = json!(change.version);
    }
    read(&format!("msg_{id}"), &body)
}

fn topic(change: &Change) -> String {
    format!("{}.{}", change.object.singular(), change.action.as_str())
}

fn read(id: &str, body: &Json) -> Message {
    Message::read(OPENED, id, body.to_string().as_bytes()).expect("an envelope")
}

fn perfect(shop: &Shop) -> Vec<Message> {
    shop.truth().changes().iter().map(|change| message(change, "virtual")).collect()
}

/// A mutation of what a perfect gateway sent, and a part of what must be found of it.
type Mutation = (&'static str, fn(&Shop, &mut Vec<Message>), &'static str);

const MUTATIONS: [Mutation; 13] = [
    ("the last state is lost", |_, all| drop(all.remove(2)), "the destination believes"),
    ("nothing of a record comes", |_, all| drop(all.drain(..3)), "told nothing of order/1"),
    ("a deletion is lost", |_, all| drop(all.remove(4)), "the destination believes"),
    ("a change in between is lost", |_, all| drop(all.remove(1)), "change 1 was never told"),
    ("there and back again is lost", |_, all| drop(all.drain(6..)), "change 6 was never told"),
    (
        "a change is two events",
        |_, all| all.push(renamed(&all[2], "evt_other", "msg_other")),
        "by 0 webhooks and 2 readings",
    ),
    ("a state is told twice", |_, all| all.push(renamed(&all[7], "evt_other", "msg_other")), "told twice as it is"),
    ("an event is two messages", |_, all| all.push(renamed(&all[7], "evt_virtual-7", "msg_other")), "came as"),
    (
        "a webhook and a reading are two events",
        |shop, all| all.push(message(&shop.truth().changes()[2], "native")),
        "by 1 webhooks and 1 readings",
    ),
    ("a message has two bodies", |_, all| all.push(changed(&all[7])), "came with two bodies"),
    ("an earlier version comes later", |_, all| all.swap(0, 1), "does not say that it is stale"),
    ("an earlier one comes again after a later one", |_, all| all.push(all[0].clone()), "came again after"),
    ("a record of nobody comes", |_, all| all.push(elsewhere(&all[0])), "has no order/77"),
];

fn renamed(message: &Message, event: &str, id: &str) -> Message {
    let mut body = message.body.clone();
    body["id"] = json!(event);
    read(id, &body)
}

fn changed(message: &Message) -> Message {
    let mut body = message.body.clone();
    body["data"]["status"] = json!("other");
    read(&message.webhook_id, &body)
}

fn elsewhere(message: &Message) -> Message {
    let mut body = message.body.clone();
    body["subject"] = json!("order/77");
    read("msg_77", &body)
}

#[test]
fn a_perfect_gateway_passes_and_was_judged() {
    let shop = shop(Habits::default());
    let figures = judge(&shop, &perfect(&shop), &promise()).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!((figures.states, figures.owed, figures.messages), (3, 8, 8));
}

#[test]
fn whatever_a_gateway_gets_wrong_is_found() {
    let shop = shop(Habits::default());
    for (what, mutate, found) in MUTATIONS {
        let mut messages = perfect(&shop);
        mutate(&shop, &mut messages);
        let findings = judge(&shop, &messages, &promise()).err().unwrap_or_else(|| panic!("{what} is not found"));
        assert!(findings.contains(found), "{what}: {findings}");
    }
}

#[test]
fn a_message_that_comes_again_and_a_late_one_that_says_so_are_no_findings() {
    let shop = shop(Habits::default());
    let mut messages = perfect(&shop);
    messages.insert(1, messages[0].clone());
    let mut late = messages.remove(2);
    late.stale = true;
    messages.push(late);
    let figures = judge(&shop, &messages, &promise()).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!((figures.again, figures.stale), (1, 1));
}

#[test]
fn a_webhook_that_was_acknowledged_must_be_told_and_one_that_was_refused_is_a_finding() {
    let hooks = HookHabits { second_topic: 100, ..HookHabits::default() };
    let answered = |status| {
        let mut shop = shop(Habits { hooks, ..Habits::default() });
        while let Some(due) = shop.next_due() {
            for hook in shop.due(due) {
                shop.told(hook.number, Some(status), due);
            }
        }
        judge(&shop, &perfect(&shop), &promise()).expect_err("nothing but readings were told")
    };
    assert!(answered(200).contains("order_noticed was acknowledged and never told"), "{}", answered(200));
    assert!(answered(401).contains("was refused with 401"), "{}", answered(401));
}

#[test]
fn two_events_of_one_webhook_are_found() {
    let shop = shop(Habits::default());
    let mut messages: Vec<Message> = shop.truth().changes().iter().map(|change| message(change, "native")).collect();
    judge(&shop, &messages, &promise()).unwrap_or_else(|found| panic!("{found}"));
    messages.push(renamed(&messages[2], "evt_other", "msg_other"));
    let findings = judge(&shop, &messages, &promise()).expect_err("a webhook is two events");
    assert!(findings.contains("is several events"), "{findings}");
}

#[test]
fn a_request_too_many_is_found() {
    let limit = Limit { requests: 1, per: Duration::from_secs(10), shared: true };
    let mut shop = shop(Habits { limit: Some(limit), ..Habits::default() });
    let messages = perfect(&shop);
    let head = http::Request::builder().uri("https://shop.example/orders").header("authorization", "Bearer key-acme");
    let asked = crate::scripted::Asked::new(&head.body(()).expect("a request").into_parts().0, bytes::Bytes::new());
    for (secs, is_fine) in [(1_000, true), (1_010, true), (1_019, false)] {
        shop.answer(&asked, at(secs));
        assert_eq!(judge(&shop, &messages, &promise()).is_ok(), is_fine, "{secs}");
    }
}

#[test]
fn rows_without_a_key_are_told_once_each() {
    let shop = shop(Habits::default());
    let promise = Promise { activities_since: BTreeMap::from([(0, OPENED)]), ..promise() };
    let row = |number: usize, id: &str| {
        let change = &shop.truth().changes()[number];
        let data = crate::upstream::lists::activity(change);
        read(
            id,
            &json!({ "id": id, "connection": "acme", "type": "activities.created", "origin": "virtual", "data": data }),
        )
    };
    let all: Vec<Message> = (0..8).map(|number| row(number, &format!("row-{number}"))).collect();
    let judged = |rows: &[Message]| judge(&shop, &[perfect(&shop), rows.to_vec()].concat(), &promise);
    assert!(judged(&all).is_ok(), "{:?}", judged(&all));
    assert!(judged(&all[1..]).expect_err("one is lost").contains("was never told"));
    let twice = [all, vec![row(3, "row-again")]].concat();
    assert!(judged(&twice).expect_err("one is told twice").contains("happened 1 times"));
}
