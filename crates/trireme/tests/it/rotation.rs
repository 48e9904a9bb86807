//! A sender's secret is changed while it sends: nothing that it signs is refused, and an old secret counts no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::process::Signal;

use super::support::http::post;
use super::support::process::Gateway;
use super::support::{Folder, eventually};

const OLD: &str = "the-secret-that-is-to-go";
const NEW: &str = "the-secret-that-is-to-come";
/// How many senders send at once.
const SENDERS: usize = 4;

async fn sent(address: std::net::SocketAddr, secret: &str, number: u64) -> u16 {
    let body = format!(r#"{{"action":"opened","number":{number}}}"#);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let signature = data_encoding::HEXLOWER.encode(ring::hmac::sign(&key, body.as_bytes()).as_ref());
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("x-github-event", "issues".to_owned()),
        ("x-github-delivery", format!("delivery-{number}")),
        ("x-hub-signature-256", format!("sha256={signature}")),
    ];
    post(address, "/in/hub", &headers, body).await.expect("an answer").status.as_u16()
}

/// Has the running gateway take these secrets over, and waits until it did.
async fn secrets(folder: &Folder, gateway: &Gateway, secrets: &str) {
    let taken = || gateway.process.log().matches("the configuration was taken over").count();
    let before = taken();
    folder.write_config(&format!("sources: {{ hub: {{ webhook: {{ provider: github, secret: {secrets} }} }} }}\n"));
    gateway.process.signal(Signal::HUP);
    eventually("it is taken over", async || (taken() > before).then_some(())).await;
}

#[tokio::test]
async fn threat_23_a_secret_is_changed_under_load_without_a_refusal_and_counts_no_more_at_once() {
    let folder = Folder::new();
    folder.write_config(&format!("sources: {{ hub: {{ webhook: {{ provider: github, secret: {OLD} }} }} }}\n"));
    let gateway = Gateway::start(&folder);
    let (number, signs_by_new, enough) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let senders = (0..SENDERS).map(|_| {
        let (number, signs_by_new, enough) = (Arc::clone(&number), Arc::clone(&signs_by_new), Arc::clone(&enough));
        let address = gateway.address;
        tokio::spawn(async move {
            let (mut by_old, mut by_new, mut refused) = (0_u64, 0_u64, 0_u64);
            while !enough.load(Ordering::SeqCst) {
                let is_new = signs_by_new.load(Ordering::SeqCst);
                let status = sent(address, if is_new { NEW } else { OLD }, number.fetch_add(1, Ordering::SeqCst)).await;
                *(if is_new { &mut by_new } else { &mut by_old }) += 1;
                refused += u64::from(status != 200);
            }
            (by_old, by_new, refused)
        })
    });
    let senders: Vec<_> = senders.collect();
    let more = async |than: u64| {
        let at_least = number.load(Ordering::SeqCst) + than;
        eventually("they send on", async || (number.load(Ordering::SeqCst) >= at_least).then_some(())).await;
    };

    more(20).await;
    secrets(&folder, &gateway, &format!("[{OLD}, {NEW}]")).await;
    more(20).await;
    signs_by_new.store(true, Ordering::SeqCst);
    // What is on its way was signed by the old one.
    more(20 + SENDERS as u64).await;
    secrets(&folder, &gateway, &format!("[{NEW}]")).await;
    more(20).await;
    enough.store(true, Ordering::SeqCst);
    for sender in senders {
        let (by_old, by_new, refused) = sender.await.expect("it sends to the end");
        assert!(by_old > 0 && by_new > 0, "{by_old} {by_new}");
        assert_eq!(refused, 0, "of {by_old} and {by_new}");
    }

    let next = || number.fetch_add(1, Ordering::SeqCst);
    assert_eq!((sent(gateway.address, OLD, next()).await, sent(gateway.address, NEW, next()).await), (401, 200));
    let lapsed = format!("[{{ value: {NEW}, not_after: '2020-01-01T00:00:00Z' }}, {{ value: {OLD} }}]");
    secrets(&folder, &gateway, &lapsed).await;
    assert_eq!((sent(gateway.address, NEW, next()).await, sent(gateway.address, OLD, next()).await), (401, 200));
    let rejected = gateway.api("/api/v1/requests?verdict=rejected").await.json();
    let reasons: Vec<_> =
        rejected["data"].as_array().expect("requests").iter().map(|one| one["reason"]["code"].clone()).collect();
    assert_eq!(reasons, ["secret_lapsed", "signature_mismatch"], "{rejected}");
    gateway.stop();
}
