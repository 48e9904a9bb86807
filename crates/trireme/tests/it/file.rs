//! Real nodes with different configuration files: who has another one than the cluster says so, and waits for a person.

use std::net::SocketAddr;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use store_postgres::testkit::Database;

use super::support::http::{Answer, get, post};
use super::support::process::{ADMIN_KEY, Gateway, Process, serve_at};
use super::support::{Folder, NOBODY, config_to, eventually, github_webhook};

const MASTER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn serve_on(folder: &Folder, database: &Database, name: &str, address: &str) -> Command {
    let mut command = serve_at(folder, address);
    command.args(["--store", &database.address(), "--node", name]);
    command.env("TRIREME_MASTER_KEY", MASTER_KEY).env("TRIREME_ADMIN_KEY", ADMIN_KEY);
    command
}

fn node(folder: &Folder, database: &Database, name: &str) -> Gateway {
    Gateway::of(&mut serve_on(folder, database, name, "127.0.0.1:0"), folder)
}

/// A node that is not to announce itself yet, and where it listens.
fn waiting(folder: &Folder, database: &Database, name: &str) -> (Process, SocketAddr) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let process = Process::start(&mut serve_on(folder, database, name, &free.to_string()), folder.path());
    (process, free)
}

/// The file with a second route that is called so.
fn with_route(name: &str) -> String {
    config_to(NOBODY).replace("routes:\n", &format!("routes:\n  - {{ from: github, to: app, name: {name} }}\n"))
}

fn folder_with(text: &str) -> Folder {
    let folder = Folder::new();
    folder.write_config(text);
    folder
}

/// What a node says of its own file, and whether it is ready.
async fn readiness(address: SocketAddr) -> (u16, Option<Value>) {
    let Ok(answer) = get(address, "/readyz", &[]).await else { return (0, None) };
    let checks = answer.json()["checks"].as_array().cloned().unwrap_or_default();
    (answer.status.as_u16(), checks.into_iter().find(|check| check["name"] == "file"))
}

async fn states(asked: &Gateway) -> Vec<(String, String, bool)> {
    let nodes = asked.api("/api/v1/nodes").await.json();
    let text = |node: &Value, key: &str| node[key].as_str().unwrap_or_default().to_owned();
    let nodes = nodes["data"].as_array().expect("a list").clone();
    nodes.iter().map(|node| (text(node, "name"), text(node, "state"), node["agrees"] == json!(true))).collect()
}

async fn has_route(asked: &Gateway, name: &str) -> bool {
    asked.api(&format!("/api/v1/routes/{name}")).await.status == 200
}

async fn webhook(address: SocketAddr) -> Answer {
    let (headers, body) = github_webhook(1);
    post(address, "/in/github", &headers, body).await.expect("an answer")
}

#[tokio::test]
async fn a_node_with_another_file_takes_nothing_in_until_it_is_the_only_one() {
    let database = Database::new();
    let (one, two) = (folder_with(&config_to(NOBODY)), folder_with(&with_route("more")));
    let first = node(&one, &database, "first");
    let (mut second, address) = waiting(&two, &database, "second");
    let (status, check) = eventually("it says that it waits", async || {
        let (status, check) = readiness(address).await;
        (status != 0).then_some((status, check))
    })
    .await;
    assert_eq!(status, 503);
    assert!(check.is_some_and(|check| check["ok"] == false && check["detail"].to_string().contains("--apply")));
    assert_eq!(get(address, "/healthz", &[]).await.expect("an answer").status, 200, "nobody is to restart it");
    let refused = webhook(address).await;
    assert_eq!(refused.status, 503, "its sender comes again");
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(refused.json()["code"], "store_unavailable", "{refused:?}");
    eventually("the other one tells of it", async || {
        states(&first).await.contains(&("second".to_owned(), "waits".to_owned(), false)).then_some(())
    })
    .await;
    assert!(first.run(&["nodes"]).contains("waits"));
    assert_eq!(webhook(first.address).await.status, 200, "the other one serves");
    assert!(!has_route(&first, "more").await);
    first.stop();
    let announced: Value = serde_json::from_str(&second.line()).expect("now it serves");
    assert_eq!(announced["listening"][0]["address"].as_str(), Some(address.to_string().as_str()));
    assert_eq!(readiness(address).await, (200, None));
    assert_eq!(webhook(address).await.json()["events"][0]["duplicate"], true, "on the same store");
    second.signal(Signal::TERM);
    assert_eq!(second.ended().code(), Some(0));
}

#[tokio::test]
async fn an_applied_file_is_taken_over_by_who_has_it_and_told_of_by_who_has_not() {
    let database = Database::new();
    let [one, two, three, four] = [(); 4].map(|()| folder_with(&config_to(NOBODY)));
    let (first, second) = (node(&one, &database, "first"), node(&two, &database, "second"));
    four.write_config(&with_route("other"));
    let (mut fourth, address) = waiting(&four, &database, "fourth");
    eventually("it waits", async || (readiness(address).await.0 == 503).then_some(())).await;

    // The new file is on two machines; on one of them it is applied.
    for folder in [&two, &three] {
        folder.write_config(&with_route("more"));
    }
    let mut command = serve_on(&three, &database, "third", "127.0.0.1:0");
    let third = Gateway::of(command.arg("--apply"), &three);
    assert!(has_route(&third, "more").await);
    eventually("who has the file goes by it, unasked", async || has_route(&second, "more").await.then_some(())).await;
    let (status, check) = eventually("who has another file says so", async || {
        let (status, check) = readiness(first.address).await;
        check.map(|check| (status, check))
    })
    .await;
    assert_eq!((status, &check["ok"]), (200, &json!(true)), "it goes on with what it had: {check}");
    eventually("and the others say so of it", async || {
        states(&third).await.contains(&("first".to_owned(), "lives".to_owned(), false)).then_some(())
    })
    .await;
    assert_eq!(readiness(address).await.0, 503, "a third file is still nobody's");

    // A changed file that nobody applied is not taken over by a signal.
    one.write_config(&with_route("unasked"));
    first.process.signal(Signal::HUP);
    first.process.logs("file_waits").await;
    assert!(!has_route(&first, "unasked").await);
    one.write_config(&with_route("more"));
    first.process.signal(Signal::HUP);
    eventually("all go by one file", async || {
        let own = readiness(first.address).await == (200, None);
        let all = states(&first).await.iter().filter(|(_, state, _)| state == "lives").all(|(_, _, agrees)| *agrees);
        (own && all && has_route(&first, "more").await).then_some(())
    })
    .await;
    fourth.signal(Signal::TERM);
    assert_eq!(fourth.ended().code(), Some(0), "waiting, it ends when it is asked to");
    for gateway in [first, second, third] {
        gateway.stop();
    }
}

#[tokio::test]
async fn a_file_that_cannot_run_becomes_nobodys_although_it_is_applied() {
    let database = Database::new();
    let [one, two, three] = [(); 3].map(|()| folder_with(&config_to(NOBODY)));
    let first = node(&one, &database, "first");
    let headers = [("authorization", format!("Bearer {ADMIN_KEY}")), ("content-type", "application/json".to_owned())];
    let taken = json!({ "name": "taken", "http": { "url": NOBODY, "unsigned": true } }).to_string();
    let made = post(first.address, "/api/v1/destinations", &headers, taken).await.expect("an answer");
    assert!(made.status.is_success(), "{made:?}");

    let with_taken = format!("destinations:\n  taken: {{ http: {{ url: \"{NOBODY}\", unsigned: true }} }}\n");
    two.write_config(&config_to(NOBODY).replace("destinations:\n", &with_taken));
    let mut refused = Process::start(serve_on(&two, &database, "second", "127.0.0.1:0").arg("--apply"), two.path());
    assert_eq!(refused.exit_code().await, Some(2));
    assert!(refused.log().contains("taken"), "{}", refused.log());
    assert_eq!(readiness(first.address).await, (200, None), "the others go by what they went by");
    let third = node(&three, &database, "third");
    assert_eq!(webhook(third.address).await.status, 200, "and who has the same starts as before");
    for gateway in [first, third] {
        gateway.stop();
    }
}
