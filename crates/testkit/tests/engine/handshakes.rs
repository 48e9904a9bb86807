//! Handshakes with effects: addresses that wait for a person, and secrets that survive a restart.

mod nodes;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use connectors::provider::{Catalogue, Recipe};
use data_encoding::HEXLOWER;
use domain::{SourceName, Tenant};
use engine::EngineError;
use engine::handshakes::{PAIRING_DEFAULT, PROPOSALS_WAITING_MAX, Proposal, ProposalState};
use engine::receive::Receipt;
use engine::spec::{RoleSecret, Secret, Specs};
use ring::hmac;

use crate::rig::{Rig, listening, memory};

const SECRET: &str = "a-secret-of-sufficient-length";
const URL: &str = "https://confirm.eu.asking.example/yes?Token=t1";

const RECIPE: &str = "provider: asking
title: A sender that asks for an address to be opened
docs: https://asking.example
secrets: [{ role: signing, about: its secret }]
verify:
  hmac:
    hash: sha256
    key: signing
    message: [body]
    signature: { from: { header: x-signature }, encoding: hex }
handshakes:
  - when: [{ present: { json: /confirm } }]
    verified: true
    effect: { propose_url: { from: { json: /confirm }, hosts: ['confirm.{label}.asking.example'] } }
    respond: { status: 200 }
  - when: [{ present: { header: x-new-secret } }]
    effect: { store_secret: { role: signing, from: { header: x-new-secret } } }
    respond: { status: 200 }
event: { type: [[{ const: came }]], type_otherwise: came, id: [[{ json: /id }]] }
facts: { as_of: 2026-01-31, source: https://asking.example }
";

fn name() -> SourceName {
    "sender".parse().expect("a name")
}

fn specs(secret: Option<&str>) -> Specs {
    let recipe = Recipe::from_yaml("asking.yaml", RECIPE).expect("a recipe");
    let catalogue = Catalogue::with_own([recipe]).expect("no other is called so");
    let secrets = secret.map(|secret| RoleSecret::new(String::new(), Secret::new(secret.to_owned())));
    let source = listening("sender", "asking", secrets.into_iter().collect());
    Specs { catalogue: Arc::new(catalogue), sources: vec![source], ..Specs::default() }
}

async fn send(rig: &Rig, headers: &[(&str, &str)], body: &str) -> Receipt {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), Bytes::from((*value).to_owned())));
    let request = rig.request("sender", headers.collect(), body.to_owned().into());
    rig.engine.receive(request).await
}

async fn signed(rig: &Rig, secret: &str, body: &str) -> Receipt {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    send(rig, &[("x-signature", &HEXLOWER.encode(tag.as_ref()))], body).await
}

async fn ask(rig: &Rig, url: &str) -> Receipt {
    signed(rig, SECRET, &format!(r#"{{"confirm":"{url}"}}"#)).await
}

async fn proposals(rig: &Rig) -> Vec<Proposal> {
    rig.engine.proposals(&Tenant::default_tenant(), &name()).await.expect("proposals")
}

fn answers(rig: &Rig, status: u16) {
    *rig.network.published.lock().expect("nobody panicked") = (status, Bytes::new());
}

fn opened(rig: &Rig) -> u64 {
    rig.network.fetched.load(Ordering::SeqCst)
}

async fn approve(rig: &Rig) -> Result<Proposal, EngineError> {
    let id = proposals(rig).await.first().expect("one that waits").id;
    rig.engine.approve_proposal(&Tenant::default_tenant(), &name(), id).await
}

#[tokio::test(start_paused = true)]
async fn threat_05_an_address_is_opened_only_after_a_person_said_so_and_once() {
    let rig = Rig::with(memory(), specs(Some(SECRET))).await;
    answers(&rig, 200);
    assert!(matches!(ask(&rig, URL).await, Receipt::Handshake(_)));
    assert!(matches!(ask(&rig, URL).await, Receipt::Handshake(_)), "a repetition is the same");
    rig.pass(Duration::from_secs(600)).await;
    assert_eq!((proposals(&rig).await.len(), opened(&rig)), (1, 0), "nobody said so");
    assert_eq!(rig.open().await, [("handshake_waiting".to_owned(), "source/sender".to_owned())]);
    approve(&rig).await.expect("approved");
    rig.pass(Duration::from_secs(60)).await;
    assert_eq!((proposals(&rig).await[0].state, opened(&rig)), (ProposalState::Opened, 1));
    assert!(rig.open().await.is_empty(), "nothing waits any more");
    assert!(matches!(approve(&rig).await, Err(EngineError::Invalid { code: "state_refused", .. })));
    assert_eq!(opened(&rig), 1);
}

#[tokio::test(start_paused = true)]
async fn threat_05_no_other_address_is_even_proposed_and_no_stranger_proposes() {
    let rig = Rig::with(memory(), specs(Some(SECRET))).await;
    for url in [
        "http://confirm.eu.asking.example/yes",
        "https://confirm.eu.asking.example:8443/yes",
        "https://confirm.eu.asking.example.evil/yes",
        "https://user@confirm.eu.asking.example/yes",
        "https://evil.example/confirm.eu.asking.example/",
        "https://127.0.0.1/yes",
    ] {
        assert!(matches!(ask(&rig, url).await, Receipt::Rejected { .. }), "{url}");
    }
    let forged = signed(&rig, "another secret altogether", &format!(r#"{{"confirm":"{URL}"}}"#)).await;
    assert!(matches!(forged, Receipt::Rejected { .. }));
    assert!(proposals(&rig).await.is_empty());
    for number in 0..PROPOSALS_WAITING_MAX {
        assert!(matches!(ask(&rig, &format!("{URL}{number}")).await, Receipt::Handshake(_)));
    }
    assert!(matches!(ask(&rig, &format!("{URL}more")).await, Receipt::Rejected { .. }));
    assert_eq!(proposals(&rig).await.len(), PROPOSALS_WAITING_MAX);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_nobody_answers_at_is_tried_for_a_while_and_may_be_approved_again() {
    let rig = Rig::with(memory(), specs(Some(SECRET))).await;
    answers(&rig, 503);
    ask(&rig, URL).await;
    approve(&rig).await.expect("approved");
    rig.pass(Duration::from_secs(3600)).await;
    assert_eq!((proposals(&rig).await[0].state, opened(&rig)), (ProposalState::Failed, 5));
    answers(&rig, 302);
    approve(&rig).await.expect("approved again");
    rig.pass(Duration::from_secs(60)).await;
    assert_eq!((proposals(&rig).await[0].state, opened(&rig)), (ProposalState::Failed, 6), "no redirect is followed");
    answers(&rig, 200);
    approve(&rig).await.expect("approved again");
    rig.pass(Duration::from_secs(60)).await;
    assert_eq!(proposals(&rig).await[0].state, ProposalState::Opened);
}

#[tokio::test(start_paused = true)]
async fn what_was_approved_before_a_restart_is_opened_after_it() {
    let store = memory();
    let rig = Rig::with(Arc::clone(&store), specs(Some(SECRET))).await;
    answers(&rig, 503);
    ask(&rig, URL).await;
    approve(&rig).await.expect("approved");
    rig.pass(Duration::from_secs(1)).await;
    let later = Rig::at(store, specs(Some(SECRET)), Arc::clone(&rig.clock)).await;
    drop(rig);
    answers(&later, 200);
    later.pass(Duration::from_secs(60)).await;
    assert_eq!(proposals(&later).await[0].state, ProposalState::Opened);
}

#[tokio::test(start_paused = true)]
async fn threat_05_a_secret_that_was_handed_over_survives_a_restart_and_waiting_ends_by_itself() {
    let store = memory();
    let rig = Rig::with(Arc::clone(&store), specs(None)).await;
    let offer = async |rig: &Rig, secret: &str| send(rig, &[("x-new-secret", secret)], "{}").await;
    let (tenant, source) = (Tenant::default_tenant(), name());
    rig.engine.open_pairing(&tenant, &source, None, PAIRING_DEFAULT).await.expect("it waits");
    rig.pass(PAIRING_DEFAULT).await;
    assert!(matches!(offer(&rig, SECRET).await, Receipt::Rejected { .. }), "too late");
    rig.engine.open_pairing(&tenant, &source, None, PAIRING_DEFAULT).await.expect("it waits again");
    assert!(matches!(offer(&rig, SECRET).await, Receipt::Handshake(_)));
    rig.engine.configure(specs(None)).await.expect("a reload");
    assert!(matches!(signed(&rig, SECRET, r#"{"id":1}"#).await, Receipt::Accepted { .. }), "a reload leaves it");
    let raw = store.setting("handshakes/default/sender".into()).await.expect("read").expect("kept");
    assert!(!String::from_utf8_lossy(&raw).contains(SECRET), "it is sealed");
    let later = Rig::at(store, specs(Some("configured beside it")), Arc::clone(&rig.clock)).await;
    assert!(matches!(signed(&later, SECRET, r#"{"id":2}"#).await, Receipt::Accepted { .. }));
    assert!(matches!(signed(&later, "configured beside it", r#"{"id":3}"#).await, Receipt::Accepted { .. }));
    assert!(matches!(offer(&later, "a-secret-of-an-attacker").await, Receipt::Rejected { .. }));
}

fn duplicates(receipt: &Receipt) -> Vec<bool> {
    match receipt {
        Receipt::Accepted { events, .. } => events.iter().map(|(_, duplicate)| *duplicate).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn threat_03_a_replayed_request_has_one_effect_soon_late_after_a_restart_and_at_once() {
    let store = memory();
    let rig = Rig::with(Arc::clone(&store), specs(Some(SECRET))).await;
    let body = r#"{"id":"one"}"#;
    assert_eq!(duplicates(&signed(&rig, SECRET, body).await), [false]);
    for pause in [Duration::from_secs(1), Duration::from_secs(24 * 60 * 60)] {
        rig.pass(pause).await;
        assert_eq!(duplicates(&signed(&rig, SECRET, body).await), [true], "after {pause:?}");
    }
    let later = Rig::at(store, specs(Some(SECRET)), Arc::clone(&rig.clock)).await;
    assert_eq!(duplicates(&signed(&later, SECRET, body).await), [true], "after a restart");
    let other = r#"{"id":"two"}"#;
    let (one, two) = tokio::join!(signed(&later, SECRET, other), signed(&later, SECRET, other));
    let mut both = [duplicates(&one), duplicates(&two)].concat();
    both.sort_unstable();
    assert_eq!(both, [false, true], "of two at once one is the first");
}
