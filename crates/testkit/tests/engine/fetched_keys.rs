//! Keys that a sender publishes: fetched once and from nowhere else, waited for while nobody answers, and no storm
//! for whoever makes names up.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use connectors::provider::{Catalogue, FetchedKeys, KeyFormat, Pending, Recipe};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use domain::Tenant;
use domain::request::Verdict;
use engine::fetch::KeyFetcher;
use engine::receive::Receipt;
use engine::spec::Specs;
use engine::transport::{EgressPolicy, Transport};
use ring::signature::{Ed25519KeyPair, KeyPair};
use store::Store;
use store::read::{Page, RequestFilter};

use crate::rig::{Rig, listening, memory};

const MINUTE: Duration = Duration::from_secs(60);
const URL: &str = "https://keys.eu.sender.example/set";

const RECIPE: &str = "provider: publishing
title: A sender that publishes its keys
docs: https://sender.example
verify:
  signature:
    algorithm: ed25519
    fetched:
      url: { header: x-key-url }
      hosts: ['keys.{label}.sender.example']
      format: jwks
      kid: { header: x-key-id }
    message: [body]
    signature: { from: { header: x-signature }, encoding: base64 }
event: { type: [[{ const: came }]], type_otherwise: came, id: [[{ json: /id }]] }
facts: { as_of: 2026-01-31, source: https://sender.example }
";

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed")
}

fn key_set(kid: &str) -> Vec<u8> {
    let x = BASE64URL_NOPAD.encode(pair().public_key().as_ref());
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}]}}"#).into_bytes()
}

fn specs() -> Specs {
    let recipe = Recipe::from_yaml("publishing.yaml", RECIPE).expect("a recipe");
    let catalogue = Catalogue::with_own([recipe]).expect("no other is called so");
    let source = listening("sender", "publishing", Vec::new());
    Specs { catalogue: Arc::new(catalogue), sources: vec![source], ..Specs::default() }
}

async fn rig() -> Rig {
    let rig = Rig::with(memory(), specs()).await;
    publish(&rig, "k1");
    rig
}

fn publish(rig: &Rig, kid: &str) {
    *rig.network.published.lock().expect("nobody panicked") = (200, key_set(kid).into());
}

fn fetches(rig: &Rig) -> u64 {
    rig.network.fetched.load(Ordering::SeqCst)
}

async fn send(rig: &Rig, url: &str, kid: &str, body: &str) -> Receipt {
    let signature = BASE64.encode(pair().sign(body.as_bytes()).as_ref());
    let headers = [("x-key-url", url.to_owned()), ("x-key-id", kid.to_owned()), ("x-signature", signature)];
    let headers = headers.map(|(name, value)| (name.into(), Bytes::from(value))).to_vec();
    let request = rig.request("sender", headers, body.to_owned().into());
    rig.engine.receive(request).await
}

fn events(receipt: &Receipt) -> usize {
    match receipt {
        Receipt::Accepted { events, .. } => events.len(),
        other => panic!("accepted, not {other:?}"),
    }
}

async fn kept(store: &Arc<dyn Store>, verdict: Verdict) -> Vec<String> {
    let filter = RequestFilter { verdict: Some(verdict), ..RequestFilter::default() };
    let rows = store.requests(Tenant::default_tenant(), filter, Page::first(100)).await.expect("requests").rows;
    rows.into_iter().map(|row| row.reason.map(|reason| reason.code.to_string()).unwrap_or_default()).collect()
}

#[tokio::test(start_paused = true)]
async fn threat_07_a_key_is_fetched_once_for_all_who_wait_and_kept() {
    let rig = rig().await;
    let several = (0..20).map(|number| {
        let rig = &rig;
        async move { events(&send(rig, URL, "k1", &format!(r#"{{"id":{number}}}"#)).await) }
    });
    let accepted: usize = futures_util::future::join_all(several).await.into_iter().sum();
    assert_eq!((accepted, fetches(&rig)), (20, 1));
    rig.pass(61 * MINUTE).await;
    events(&send(&rig, URL, "k1", r#"{"id":21}"#).await);
    assert_eq!(fetches(&rig), 2, "an old document is fetched again");
}

#[tokio::test(start_paused = true)]
async fn threat_07_keys_come_from_the_recipes_hosts_only() {
    let rig = rig().await;
    for url in [
        "https://keys.eu.sender.example.evil.example/set",
        "https://keys.eu.sender.example:8443/set",
        "https://user@keys.eu.sender.example/set",
        "http://keys.eu.sender.example/set",
        "https://127.0.0.1/set",
    ] {
        assert!(matches!(send(&rig, url, "k1", "{}").await, Receipt::Rejected { .. }), "{url}");
    }
    assert_eq!(fetches(&rig), 0);
    assert!(kept(&rig.store, Verdict::Rejected).await.iter().all(|code| code == "key_url_refused"));
}

#[tokio::test(start_paused = true)]
async fn threat_07_ten_thousand_unknown_names_and_addresses_cause_a_few_fetches() {
    let rig = rig().await;
    let network = Arc::clone(&rig.network) as Arc<dyn Transport>;
    let (fetcher, policy) = (KeyFetcher::new(network, Arc::clone(&rig.clock)), Arc::new(EgressPolicy::default()));
    for number in 0..10_000 {
        if fetcher.document(URL, Some(&format!("made-up-{number}"))).is_none() {
            let wanted = Pending { key_url: URL.to_owned(), format: KeyFormat::Jwks, request: None };
            fetcher.fetch(&wanted, &policy).await.expect("the document is there");
        }
    }
    assert_eq!(fetches(&rig), 1, "one document, however many names");
    for number in 0..200 {
        let receipt = send(&rig, URL, &format!("made-up-{number}"), "{}").await;
        assert!(matches!(receipt, Receipt::Rejected { .. }), "{receipt:?}");
    }
    assert_eq!(fetches(&rig), 2, "and one of the engine's own");
    events(&send(&rig, URL, "k1", r#"{"id":1}"#).await);
    rig.network.published.lock().expect("nobody panicked").0 = 404;
    let mut told_to_wait = 0;
    for number in 0..200 {
        match send(&rig, &format!("{URL}/{number}"), "k1", "{}").await {
            Receipt::Rejected { .. } => {}
            Receipt::Unavailable { .. } => told_to_wait += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((fetches(&rig), told_to_wait), (31, 171));
    events(&send(&rig, URL, "k1", r#"{"id":2}"#).await);
    assert!(kept(&rig.store, Verdict::Pending).await.is_empty(), "strangers leave nothing to wait for");
}

#[tokio::test(start_paused = true)]
async fn threat_07_strangers_do_not_keep_a_known_key_from_being_fetched_again() {
    let rig = rig().await;
    events(&send(&rig, URL, "k1", r#"{"id":1}"#).await);
    rig.pass(61 * MINUTE).await;
    rig.network.published.lock().expect("nobody panicked").0 = 404;
    let mut told_to_wait = 0;
    for number in 0..60 {
        let receipt = send(&rig, &format!("{URL}/{number}"), "k1", "{}").await;
        told_to_wait += u32::from(matches!(receipt, Receipt::Unavailable { .. }));
    }
    assert_eq!(told_to_wait, 30, "this minute's fetches are spent");
    rig.network.published.lock().expect("nobody panicked").0 = 200;
    assert_eq!(events(&send(&rig, URL, "k1", r#"{"id":2}"#).await), 1);
    assert_eq!(fetches(&rig), 1 + 30 + 1);
}

#[tokio::test(start_paused = true)]
async fn threat_07_a_new_key_is_found_within_a_minute() {
    let rig = rig().await;
    events(&send(&rig, URL, "k1", r#"{"id":1}"#).await);
    publish(&rig, "k2");
    rig.pass(MINUTE).await;
    events(&send(&rig, URL, "k2", r#"{"id":2}"#).await);
    assert!(matches!(send(&rig, URL, "k1", r#"{"id":3}"#).await, Receipt::Rejected { .. }), "the old one is gone");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_key_cannot_be_fetched_waits_and_becomes_its_event() {
    let rig = rig().await;
    rig.network.down.store(true, Ordering::SeqCst);
    assert_eq!(events(&send(&rig, URL, "k1", r#"{"id":1}"#).await), 0, "a 2xx without an event yet");
    assert_eq!(kept(&rig.store, Verdict::Pending).await.len(), 1);
    rig.pass(9 * MINUTE).await;
    assert!(rig.open().await.is_empty(), "too early for an alert");
    rig.pass(12 * MINUTE).await;
    assert_eq!(rig.open().await, [("key_unreachable".to_owned(), "source/sender".to_owned())]);
    assert!(fetches(&rig) < 20, "with back-off, not {}", fetches(&rig));
    rig.network.down.store(false, Ordering::SeqCst);
    rig.pass(20 * MINUTE).await;
    assert!(kept(&rig.store, Verdict::Pending).await.is_empty());
    assert_eq!(kept(&rig.store, Verdict::Accepted).await.len(), 1);
    assert!(rig.open().await.is_empty(), "the alert is resolved");
    let again = send(&rig, URL, "k1", r#"{"id":1}"#).await;
    assert!(matches!(again, Receipt::Accepted { events, .. } if events[0].1), "the same event is known");
}

#[tokio::test(start_paused = true)]
async fn a_forged_request_that_waited_is_rejected_once_its_key_is_there() {
    let rig = rig().await;
    rig.network.down.store(true, Ordering::SeqCst);
    send(&rig, URL, "made-up", r#"{"id":1}"#).await;
    rig.network.down.store(false, Ordering::SeqCst);
    rig.pass(2 * MINUTE).await;
    assert!(kept(&rig.store, Verdict::Pending).await.is_empty());
    assert_eq!(kept(&rig.store, Verdict::Rejected).await, ["key_unknown"]);
}

#[tokio::test(start_paused = true)]
async fn waiting_requests_are_found_after_a_restart() {
    let store = memory();
    let before = Rig::with(Arc::clone(&store), specs()).await;
    before.network.down.store(true, Ordering::SeqCst);
    send(&before, URL, "k1", r#"{"id":1}"#).await;
    let clock = Arc::clone(&before.clock);
    // Nothing is told to it: the process is gone.
    before.engine.stopping().cancel();
    let after = Rig::at(store, specs(), clock).await;
    publish(&after, "k1");
    after.pass(2 * MINUTE).await;
    assert_eq!(kept(&after.store, Verdict::Accepted).await.len(), 1);
}
