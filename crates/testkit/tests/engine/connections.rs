//! Thousands of accounts behind one address, each with a secret of its own: whose an event is shows in who signed it.

use std::collections::BTreeMap;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use domain::{ConnectionName, EventId, Tenant};
use engine::receive::Receipt;
use engine::spec::{RoleSecret, Secret, SourceSpec, Specs};
use ring::hmac;
use store::read::{EventFilter, Page};

use crate::rig::{Rig, listening, memory};

const CONNECTIONS: usize = 4_000;

fn connection(number: usize) -> ConnectionName {
    format!("app-{number}").parse().expect("a name")
}

fn key(number: usize) -> String {
    format!("278d425bdf{number:010}")
}

fn secret(number: usize) -> String {
    format!("7ad3773142a6692b{number:04x}")
}

/// The source `channels`, of Pusher, whose requests say by which key they are signed.
fn specs() -> Specs {
    let own = |number: usize| {
        let secret = RoleSecret::new(String::new(), Secret::new(secret(number)));
        (connection(number), vec![RoleSecret { name: Some(key(number)), ..secret }])
    };
    let source =
        SourceSpec { connections: (0..CONNECTIONS).map(own).collect(), ..listening("channels", "pusher", Vec::new()) };
    Specs { sources: vec![source], ..Specs::default() }
}

/// A request that says one account's key and is signed by another's secret, where they differ.
async fn send(rig: &Rig, says: usize, signs: usize, event: usize) -> Receipt {
    let at = rig.clock.now().as_micros() / 1_000;
    let body = format!(r#"{{"time_ms":{at},"events":[{{"name":"channel_occupied","channel":"galley-{event}"}}]}}"#);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret(signs).as_bytes()), body.as_bytes());
    let headers = [("x-pusher-key", key(says)), ("x-pusher-signature", HEXLOWER.encode(tag.as_ref()))];
    let headers = headers.map(|(name, value)| (name.into(), Bytes::from(value))).to_vec();
    let request = rig.request("channels", headers, body.into());
    rig.engine.receive(request).await
}

fn only_event(receipt: &Receipt) -> EventId {
    match receipt {
        Receipt::Accepted { events, .. } if events.len() == 1 => events[0].0,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn of_thousands_of_accounts_behind_one_address_each_event_is_its_own() {
    let rig = Rig::with(memory(), specs()).await;
    let mut expected = BTreeMap::new();
    // A step that meets every remainder, so that the accounts come in no order.
    for number in (0..CONNECTIONS).map(|step| step * 1_237 % CONNECTIONS).step_by(13) {
        let event = only_event(&send(&rig, number, number, number).await);
        expected.insert(event, connection(number));
    }
    let first = Page::first(500);
    let stored = rig.store.events(Tenant::default_tenant(), EventFilter::default(), first).await.expect("events").rows;
    let told: BTreeMap<_, _> = stored.iter().map(|row| (row.event.id, row.event.connection.clone())).collect();
    assert_eq!(told, expected);
    assert!(expected.len() > 300, "{} of {CONNECTIONS} were heard", expected.len());
    assert!(rig.open().await.is_empty(), "none is unassigned: {:?}", rig.open().await);
}

#[tokio::test(start_paused = true)]
async fn no_account_speaks_for_another_of_thousands() {
    let rig = Rig::with(memory(), specs()).await;
    for (says, signs) in [(1, 2), (2, 1), (CONNECTIONS - 1, 0), (CONNECTIONS, 5), (5, CONNECTIONS)] {
        let receipt = send(&rig, says, signs, 1).await;
        assert!(matches!(receipt, Receipt::Rejected { .. }), "{says} by {signs}: {receipt:?}");
    }
    let stored = rig.store.events(Tenant::default_tenant(), EventFilter::default(), Page::first(10)).await;
    assert!(stored.expect("events").rows.is_empty());
}
