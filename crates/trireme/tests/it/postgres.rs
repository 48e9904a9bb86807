//! The same process on PostgreSQL: what it needs, what it says without it, and what a kill leaves.

use std::collections::BTreeSet;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use store_postgres::testkit::Database;

use super::support::destination::Destination;
use super::support::http::post;
use super::support::process::{Gateway, Process, serve};
use super::support::{Folder, NOBODY, eventually, github_webhook};

const MASTER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Acknowledged before the kill: more than are sent at once.
const WEBHOOKS: u64 = 40;

/// `serve` on a folder, its state in this database.
fn serve_on(folder: &Folder, address: &str) -> Command {
    let mut command = serve(folder);
    command.args(["--store", address]).env("TRIREME_MASTER_KEY", MASTER_KEY);
    command
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_a_kill_and_another_node_goes_on() {
    let (database, destination) = (Database::new(), Destination::start().await);
    let (first, second) = (Folder::new(), Folder::new());
    for folder in [&first, &second] {
        folder.configure(&destination.url());
    }
    // Nothing is answered before the kill: whatever was sent was not settled.
    destination.hold();
    let gateway = Gateway::of(&mut serve_on(&first, &database.address()), &first);
    assert!(!first.data().join("master.key").exists(), "no key is made beside a shared store");
    let mut acknowledged = BTreeSet::new();
    for number in 0..WEBHOOKS {
        let (headers, body) = github_webhook(number);
        let answer = post(gateway.address, "/in/github", &headers, body).await.expect("an answer");
        assert_eq!(answer.status, 200);
        acknowledged.insert(answer.json()["events"][0]["id"].as_str().expect("an id").to_owned());
    }
    destination.has_got(1).await;
    let key = gateway.key.clone();
    gateway.process.signal(Signal::KILL);
    drop(gateway);
    destination.release();
    // Another machine: nothing of the first one's folder is there.
    let gateway = Gateway::of(&mut serve_on(&second, &database.address()), &second);
    assert_eq!(gateway.announced["api_key"], Value::Null, "the first node's key opens this one too");
    eventually("every acknowledged event is delivered", async || {
        let got = destination.got();
        let bodies = got.iter().filter_map(|one| serde_json::from_slice::<Value>(&one.body).ok());
        let ids: BTreeSet<String> = bodies.filter_map(|body| body["id"].as_str().map(str::to_owned)).collect();
        acknowledged.is_subset(&ids).then_some(())
    })
    .await;
    let (headers, body) = github_webhook(0);
    let again = post(gateway.address, "/in/github", &headers, body).await.expect("an answer");
    assert_eq!(again.json()["events"][0]["duplicate"], true, "what the first node knew, the second knows");
    let authorization = [("authorization", format!("Bearer {key}"))];
    let listed = super::support::http::get(gateway.address, "/api/v1/events?limit=100", &authorization).await;
    let listed = listed.expect("an answer").json();
    assert_eq!(listed["data"].as_array().map(Vec::len), usize::try_from(WEBHOOKS).ok());
}

#[tokio::test]
async fn without_a_key_or_a_database_it_says_so_and_ends() {
    let folder = Folder::new();
    folder.configure(NOBODY);
    let mut command = serve_on(&folder, "postgres://trireme:geheim@127.0.0.1:1/trireme");
    let mut process = Process::start(&mut command, folder.path());
    assert_eq!(process.exit_code().await, Some(3));
    let log = process.log();
    assert!(log.contains("store_unreachable") && log.contains("127.0.0.1:1/trireme"), "{log}");
    assert!(!log.contains("geheim"), "{log}");

    let mut command = serve(&folder);
    command.args(["--store", "postgres://trireme:geheim@127.0.0.1:1/trireme"]);
    let mut process = Process::start(&mut command, folder.path());
    assert_eq!(process.exit_code().await, Some(4));
    let log = process.log();
    assert!(log.contains("TRIREME_MASTER_KEY") && !log.contains("geheim"), "{log}");
    assert!(!folder.data().join("master.key").exists());
}

#[tokio::test]
async fn a_node_with_another_master_key_is_refused() {
    let database = Database::new();
    let (first, second) = (Folder::new(), Folder::new());
    for folder in [&first, &second] {
        folder.configure(NOBODY);
    }
    let gateway = Gateway::of(&mut serve_on(&first, &database.address()), &first);
    let mut command = serve_on(&second, &database.address());
    command.env("TRIREME_MASTER_KEY", MASTER_KEY.replace("00", "11"));
    let mut process = Process::start(&mut command, second.path());
    assert_eq!(process.exit_code().await, Some(4), "{}", process.log());
    drop(gateway);
}
