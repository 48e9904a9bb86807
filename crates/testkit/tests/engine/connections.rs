//! Thousands of accounts behind one address, each with a secret of its own: whose an event is shows in who signed it.

use std::collections::BTreeMap;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use domain::request::InboundRequest;
use domain::{Assurance, ConnectionName, EventId, Tenant};
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

/// The source `pay`, of Stripe, with a secret of its own beside that of the account `acct_own`.
fn with_a_shared_secret() -> Specs {
    let secret = |text: &str| vec![RoleSecret::new(String::new(), Secret::new(text.to_owned()))];
    let connections = [("acct_own".parse().expect("a name"), secret("whsec_own"))].into();
    Specs {
        sources: vec![SourceSpec { connections, ..listening("pay", "stripe", secret("whsec_shared")) }],
        ..Specs::default()
    }
}

/// An event of `acct_own`, signed with this secret, to the path of this connection.
async fn pay(rig: &Rig, path: &str, secret: &str, note: &str) -> Receipt {
    let at = rig.clock.now().as_micros() / 1_000_000;
    let body = format!(
        r#"{{"id":"evt_77","type":"charge.succeeded","account":"acct_own","created":{at},"data":{{"object":{{"id":"ch_1","object":"charge","note":"{note}"}}}}}}"#
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("stripe-signature", format!("t={at},v1={}", HEXLOWER.encode(tag.as_ref()))),
    ];
    let headers = headers.map(|(name, value)| (name.into(), Bytes::from(value))).to_vec();
    let request = InboundRequest { connection: path.into(), ..rig.request("pay", headers, body.into()) };
    rig.engine.receive(request).await
}

#[tokio::test(start_paused = true)]
async fn who_knows_the_sources_secret_does_not_speak_for_an_account_with_its_own() {
    let rig = Rig::with(memory(), with_a_shared_secret()).await;
    let forged = pay(&rig, "", "whsec_shared", "forged").await;
    assert!(matches!(forged, Receipt::Rejected { .. }), "{forged:?}");
    let genuine = pay(&rig, "acct_own", "whsec_own", "genuine").await;
    assert!(matches!(&genuine, Receipt::Accepted { events, .. } if !events[0].1), "no duplicate: {genuine:?}");
    let again = pay(&rig, "", "whsec_own", "genuine").await;
    assert!(matches!(&again, Receipt::Accepted { events, .. } if events[0].1), "by the source's own path: {again:?}");
    let stored = rig.store.events(Tenant::default_tenant(), EventFilter::default(), Page::first(10)).await;
    let rows = stored.expect("events").rows;
    let told: Vec<_> = rows.iter().map(|row| (row.event.connection.as_str(), row.event.assurance)).collect();
    assert_eq!(told, [("acct_own", Assurance::Body)]);
    let detail = rig.store.event(Tenant::default_tenant(), rows[0].event.id).await.expect("read").expect("there");
    assert!(String::from_utf8_lossy(&detail.event.payload).contains("genuine"));
}
