//! What a person decides about a sender, by `trireme source`: its secret comes, is shown once, is trusted under another
//! master key and then no more; and addresses that it asks for are approved or refused.

use serde_json::{Value, json};

use super::support::http::{Answer, post};
use super::support::process::{Gateway, trireme};
use super::support::{Folder, eventually};

const TOKEN: &str = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl";
const ASKING_SECRET: &str = "a-secret-of-sufficient-length";

/// A sender that asks for an address of this machine to be opened, which no address rule lets it have.
const ASKING: &str = "provider: asking
title: A sender that asks for an address to be opened
docs: https://asking.example
secrets: [{ role: signing, about: its secret }]
verify:
  hmac: { hash: sha256, key: signing, message: [body], signature: { from: { header: x-signature }, encoding: hex } }
handshakes:
  - when: [{ present: { json: /confirm } }]
    verified: true
    effect: { propose_url: { from: { json: /confirm }, hosts: ['{label}.asking.localhost'] } }
    respond: { status: 200 }
event: { type: [[{ const: came }]], type_otherwise: came }
facts: { as_of: 2026-01-31, source: https://asking.example }
";

fn signature(secret: &str, body: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    data_encoding::HEXLOWER.encode(ring::hmac::sign(&key, body.as_bytes()).as_ref())
}

async fn call(gateway: &Gateway, path: &str, headers: &[(&str, String)], body: &str) -> Answer {
    post(gateway.address, path, headers, body.to_owned()).await.expect("an answer")
}

/// What a sender whose token was taken sends from then on.
async fn page_changed(gateway: &Gateway, number: u64) -> u16 {
    let body = format!(r#"{{"id":"page-{number}","type":"page.content_updated"}}"#);
    let headers = [("x-notion-signature", format!("sha256={}", signature(TOKEN, &body)))];
    call(gateway, "/in/wiki", &headers, &body).await.status.as_u16()
}

async fn hand_over(gateway: &Gateway) -> u16 {
    call(gateway, "/in/wiki", &[], &json!({ "verification_token": TOKEN }).to_string()).await.status.as_u16()
}

fn json_of(gateway: &Gateway, arguments: &[&str]) -> Value {
    let text = gateway.run(&[arguments, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A command that is to fail: its exit code, and what it says.
fn refused(gateway: &Gateway, arguments: &[&str]) -> (Option<i32>, String) {
    let output = gateway.command(arguments).output().expect("the binary can be started");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn a_secret_is_waited_for_shown_once_kept_under_another_master_key_and_trusted_no_more() {
    let folder = Folder::new();
    folder.write_config("sources: { wiki: { webhook: { provider: notion } } }\n");
    let gateway = Gateway::start(&folder);
    assert_eq!(hand_over(&gateway).await, 401, "nobody waits");
    let (code, said) = refused(&gateway, &["source", "hand-back", "wiki"]);
    assert!(code == Some(1) && said.contains("no secret"), "{code:?} {said}");

    let waiting = gateway.run(&["source", "pair", "wiki", "--minutes", "5"]);
    assert!(waiting.starts_with("Waiting for the secret until "), "{waiting}");
    assert_eq!(hand_over(&gateway).await, 200);
    assert_eq!(page_changed(&gateway, 1).await, 200);

    let pairing = json_of(&gateway, &["source", "pairing", "wiki"]);
    let secret = &pairing["paired"][0];
    assert_eq!((&secret["role"], &secret["from"]), (&json!("signing"), &json!("127.0.0.1")), "{pairing}");
    assert!(secret["hand_back_until"].is_string() && pairing["waiting"] == json!([]), "{pairing}");
    let listed = gateway.run(&["source", "pairing", "wiki"]);
    assert!(!pairing.to_string().contains(TOKEN) && !listed.contains(TOKEN), "listing shows no secret");
    assert_eq!(gateway.run(&["source", "hand-back", "wiki"]), format!("{TOKEN}\n"));
    let (code, said) = refused(&gateway, &["source", "hand-back", "wiki"]);
    assert!(code == Some(1) && said.contains("no secret") && !said.contains(TOKEN), "once: {code:?} {said}");

    gateway.stop();
    let former = std::fs::read(folder.data().join("master.key")).expect("it was made");
    let rewrap = trireme().args(["key", "rewrap", "--data"]).arg(folder.data()).output().expect("it runs");
    assert!(rewrap.status.success(), "{}", String::from_utf8_lossy(&rewrap.stderr));
    assert_ne!(std::fs::read(folder.data().join("master.key")).expect("a new one"), former);
    let gateway = Gateway::start(&folder);
    assert_eq!(page_changed(&gateway, 2).await, 200, "what was handed over opens under the new key");

    let (code, said) = refused(&gateway, &["source", "unpair", "wiki"]);
    assert!(code != Some(0) && said.contains("--yes"), "it asks first: {code:?} {said}");
    assert_eq!(page_changed(&gateway, 3).await, 200, "and does nothing without an answer");
    let id = json_of(&gateway, &["source", "pairing", "wiki"])["paired"][0]["id"].clone();
    gateway.run(&["source", "unpair", "wiki", "--id", id.as_str().expect("an id"), "--yes"]);
    assert_eq!(page_changed(&gateway, 4).await, 401);
    assert_eq!(json_of(&gateway, &["source", "pairing", "wiki"])["paired"], json!([]));
    gateway.stop();
}

#[tokio::test]
async fn everything_that_was_handed_over_can_be_given_up_at_once() {
    let folder = Folder::new();
    folder.write_config("sources: { wiki: { webhook: { provider: notion } } }\n");
    let gateway = Gateway::start(&folder);
    gateway.run(&["source", "pair", "wiki"]);
    assert_eq!(hand_over(&gateway).await, 200);
    gateway.run(&["source", "pair", "wiki"]);
    assert_eq!(json_of(&gateway, &["source", "unpair", "wiki", "--yes"]), json!({ "unpaired": true }));
    assert_eq!(page_changed(&gateway, 1).await, 401);
    assert_eq!(hand_over(&gateway).await, 401, "nobody waits any more either");
    gateway.stop();
}

/// The sender asks for an address, which is noted.
async fn ask(gateway: &Gateway, name: &str) {
    let body = json!({ "confirm": format!("https://{name}.asking.localhost/yes?Topic=oars&Token=t1") }).to_string();
    let headers = [("x-signature", signature(ASKING_SECRET, &body))];
    assert_eq!(call(gateway, "/in/sender", &headers, &body).await.status, 200);
}

fn handshake(gateway: &Gateway, index: usize) -> Value {
    json_of(gateway, &["source", "handshakes", "sender"])["data"][index].clone()
}

#[tokio::test]
async fn an_address_is_listed_refused_for_good_or_approved_and_held_to_the_address_rules_all_the_same() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("providers")).expect("the folder is ours");
    std::fs::write(folder.path().join("providers/asking.yaml"), ASKING).expect("the folder is ours");
    let source = json!({ "webhook": { "provider": "asking", "secret": ASKING_SECRET } });
    folder.write_config(&json!({ "sources": { "sender": source } }).to_string());
    let gateway = Gateway::start(&folder);
    assert_eq!(json_of(&gateway, &["source", "handshakes", "sender"])["data"], json!([]));
    ask(&gateway, "one").await;
    ask(&gateway, "two").await;

    let figures = String::from_utf8_lossy(&gateway.api("/metrics").await.body).into_owned();
    for figure in ["trireme_alerts_raised_total", "trireme_alerts_open"] {
        assert!(figures.contains(&format!("{figure}{{kind=\"handshake_waiting\"}} 1\n")), "{figure}:\n{figures}");
    }
    assert_eq!(gateway.process.log().matches("\"alert_raised\"").count(), 1, "{}", gateway.process.log());

    let listed = gateway.run(&["source", "handshakes", "sender"]);
    assert!(listed.starts_with("ASKED\tSTATE\tFROM\tADDRESS\tID\n"), "{listed}");
    let row = "\twaiting\t127.0.0.1\thttps://one.asking.localhost/yes?Topic=oars&Token=***\t";
    assert!(listed.contains(row), "what it is for is shown, and no credential: {listed}");
    let ids = [0, 1].map(|index| handshake(&gateway, index)["id"].as_str().expect("an id").to_owned());

    assert_eq!(gateway.run(&["source", "refuse", "sender", &ids[0]]), "It is refused now.\n");
    for settle in ["refuse", "approve"] {
        let (code, said) = refused(&gateway, &["source", settle, "sender", &ids[0]]);
        assert!(code == Some(1) && said.contains("refused already"), "{settle}: {code:?} {said}");
    }
    assert_eq!(gateway.run(&["source", "approve", "sender", &ids[1]]), "It is approved now.\n");
    let settled = eventually("it is tried", async || {
        let one = handshake(&gateway, 1);
        (one["state"] != "approved").then_some(one)
    });
    let settled = settled.await;
    assert_eq!(settled["state"], "failed", "{settled}");
    assert!(settled["detail"].as_str().is_some_and(|detail| detail.contains("localhost")), "{settled}");
    assert_eq!(handshake(&gateway, 0)["state"], "refused");
    for settle in ["refuse", "approve"] {
        let (code, said) = refused(&gateway, &["source", settle, "sender", "hsk_00000000000000000000000000"]);
        assert_eq!(code, Some(1), "{settle} of an unknown one: {said}");
    }
    gateway.stop();
}
