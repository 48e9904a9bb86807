//! Real nodes on one PostgreSQL: what they tell one another and how soon, and what keeps strangers out.

use std::process::Command;
use std::time::Duration;

use engine::clock::{Clock, SystemClock};
use http::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use store_postgres::testkit::Database;

use super::support::destination::Destination;
use super::support::http::{Connection, post};
use super::support::process::{ADMIN_KEY, Gateway, Process, serve, trireme};
use super::support::{Folder, NOBODY, eventually, github_webhook};

const MASTER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const NEXT_KEY: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

/// `serve` on a folder of its own, its state in this database.
fn serve_on(folder: &Folder, database: &Database) -> Command {
    let mut command = serve(folder);
    command.args(["--store", &database.address()]).env("TRIREME_MASTER_KEY", MASTER_KEY);
    command.env("TRIREME_ADMIN_KEY", ADMIN_KEY);
    command
}

fn node(folder: &Folder, database: &Database, name: &str) -> Gateway {
    Gateway::of(serve_on(folder, database).args(["--node", name]), folder)
}

async fn change(gateway: &Gateway, path: &str, body: &Value) {
    let headers =
        [("authorization", format!("Bearer {}", gateway.key)), ("content-type", "application/json".to_owned())];
    let answer = post(gateway.address, path, &headers, body.to_string()).await.expect("an answer");
    assert!(answer.status.is_success(), "POST {path}: {answer:?}");
}

/// Who has which destinations, as this node tells it.
async fn has(asked: &Gateway, name: &str) -> Vec<String> {
    let nodes = asked.api("/api/v1/nodes").await.json();
    let nodes = nodes["data"].as_array().expect("a list").clone();
    let own = nodes.iter().find(|node| node["name"] == name && node["state"] == "lives");
    let names = own.and_then(|node| node["destinations"].as_array()).into_iter().flatten();
    names.map(|name| name.as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn what_is_configured_and_taken_in_at_one_node_is_known_to_the_other_at_once() {
    let (database, destination) = (Database::new(), Destination::start().await);
    let (one, two) = (Folder::new(), Folder::new());
    for folder in [&one, &two] {
        folder.configure(&destination.url());
    }
    let first = node(&one, &database, "first");
    let second = node(&two, &database, "second");
    eventually("both live", async || {
        let nodes = first.api("/api/v1/nodes").await.json();
        (nodes["data"].as_array().is_some_and(|nodes| nodes.len() == 2)).then_some(())
    })
    .await;
    let clock = SystemClock::new();
    let began = clock.monotonic();
    let definition = json!({ "name": "more", "http": { "url": destination.url(), "unsigned": true } });
    change(&first, "/api/v1/destinations", &definition).await;
    change(&first, "/api/v1/routes", &json!({ "from": "github", "to": "more" })).await;
    eventually("the other node knows the route", async || {
        (second.api("/api/v1/routes/github-more").await.status == 200).then_some(())
    })
    .await;
    let configured = clock.monotonic() - began;
    let taken = async || {
        let all = [has(&second, "first").await, has(&second, "second").await].concat();
        (all.contains(&"more".to_owned()) && all.len() == 2).then_some(())
    };
    eventually("each destination is one node's", taken).await;
    let began = clock.monotonic();
    let (headers, body) = github_webhook(1);
    assert_eq!(post(first.address, "/in/github", &headers, body).await.expect("an answer").status, 200);
    destination.has_got(2).await;
    let delivered = clock.monotonic() - began;
    println!("known elsewhere after {configured:?}, delivered by whoever has it after {delivered:?}");
    assert!(configured < Duration::from_secs(4), "{configured:?} is no sooner than without LISTEN");
    let shown = first.run(&["nodes"]);
    assert!(shown.contains("first (this)") && shown.contains("second"), "{shown}");
    second.stop();
    eventually("who stopped is forgotten, and the other has all", async || {
        (has(&first, "first").await.len() == 2).then_some(())
    })
    .await;
}

/// The status of the answer to a change.
async fn try_change(gateway: &Gateway, method: Method, path: &str, body: &Value) -> u16 {
    let headers =
        [("authorization", format!("Bearer {}", gateway.key)), ("content-type", "application/json".to_owned())];
    let mut connection = Connection::open(gateway.address).await.expect("a connection");
    let body = if method == Method::DELETE { String::new() } else { body.to_string() };
    connection.send(method, path, &headers, body).await.expect("an answer").status.as_u16()
}

#[tokio::test]
async fn a_route_and_the_removal_of_its_destination_at_two_nodes_at_once_leave_what_starts() {
    const ROUNDS: usize = 12;
    let (database, destination) = (Database::new(), Destination::start().await);
    let (one, two, three) = (Folder::new(), Folder::new(), Folder::new());
    for folder in [&one, &two, &three] {
        folder.configure(&destination.url());
    }
    let first = node(&one, &database, "first");
    let second = node(&two, &database, "second");
    let http = json!({ "http": { "url": destination.url(), "unsigned": true } });
    for round in 0..ROUNDS {
        let (name, route) = (format!("/api/v1/destinations/z{round}"), format!("/api/v1/routes/own-z{round}"));
        assert_eq!(try_change(&first, Method::PUT, &name, &http).await, 200);
        let leads = json!({ "from": "github", "to": format!("z{round}") });
        let (removed, made) = tokio::join!(
            try_change(&first, Method::DELETE, &name, &Value::Null),
            try_change(&second, Method::PUT, &route, &leads),
        );
        assert!(matches!((removed, made), (204, 422) | (422, 200)), "round {round}: {removed} and {made}");
        assert_eq!(first.api(&name).await.status == 200, made == 200, "round {round}");
    }
    let third = node(&three, &database, "third");
    assert_eq!(third.api("/api/v1/alerts?open=true").await.json()["data"], json!([]), "nothing is left out");
}

#[tokio::test]
async fn a_node_that_was_killed_and_starts_again_on_its_folder_waits_for_nobody() {
    let (database, destination) = (Database::new(), Destination::start().await);
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    for folder in [&folder, &elsewhere] {
        folder.configure(&destination.url());
    }
    let killed = node(&folder, &database, "killed");
    eventually("it has its destination", async || (has(&killed, "killed").await.len() == 1).then_some(())).await;
    killed.process.signal(Signal::KILL);
    drop(killed);
    let clock = SystemClock::new();
    let began = clock.monotonic();
    let again = node(&folder, &database, "again");
    let (headers, body) = github_webhook(1);
    assert_eq!(post(again.address, "/in/github", &headers, body).await.expect("an answer").status, 200);
    destination.has_got(1).await;
    println!("delivered {:?} after its start", clock.monotonic() - began);
    assert!(again.process.log().contains("former_node_ended"), "{}", again.process.log());
    // On another folder nobody can know that it is gone: there the lease decides.
    again.process.signal(Signal::KILL);
    drop(again);
    let other = node(&elsewhere, &database, "other");
    eventually("the lease is over", async || (has(&other, "other").await.len() == 1).then_some(())).await;
    assert!(!other.process.log().contains("former_node_ended"), "{}", other.process.log());
    other.stop();
}

#[tokio::test]
async fn a_store_of_another_cluster_is_refused_to_who_names_one_and_to_who_names_none() {
    let database = Database::new();
    let (one, two) = (Folder::new(), Folder::new());
    for folder in [&one, &two] {
        folder.configure(NOBODY);
    }
    let first = Gateway::of(serve_on(&one, &database).args(["--cluster", "eu"]), &one);
    for named in [&["--cluster", "us"][..], &[]] {
        let mut other = Process::start(serve_on(&two, &database).args(named), two.path());
        assert_eq!(other.exit_code().await, Some(3), "{named:?}");
        let log = other.log();
        assert!(log.contains("cluster_other") && log.contains("'eu'") && log.contains("--cluster"), "{log}");
    }
    first.stop();
}

#[tokio::test]
async fn the_master_key_is_changed_while_no_node_runs_and_whoever_has_the_former_is_told() {
    let database = Database::new();
    let folder = Folder::new();
    folder.configure(NOBODY);
    let rewrap = || {
        let mut command = trireme();
        command.args(["key", "rewrap", "--store", &database.address(), "--data"]).arg(folder.data());
        command.env("TRIREME_MASTER_KEY", MASTER_KEY).env("TRIREME_NEW_MASTER_KEY", NEXT_KEY);
        command.output().expect("the binary can be started")
    };
    let gateway = node(&folder, &database, "only");
    let secret = "whsec_Y2hhb3MgY2hhb3MgY2hhb3MgY2hhb3MgY2hhb3MgISE=";
    let definition = json!({ "name": "more", "http": { "url": "https://more.example/hook", "secret": secret } });
    change(&gateway, "/api/v1/destinations", &definition).await;
    let refused = rewrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("only") && said.contains("Stop them"), "{said}");
    gateway.stop();
    let changed = rewrap();
    assert!(changed.status.success(), "{}", String::from_utf8_lossy(&changed.stderr));
    let mut former = Process::start(&mut serve_on(&folder, &database), folder.path());
    assert_eq!(former.exit_code().await, Some(4));
    assert!(former.log().contains("that the other nodes have"), "{}", former.log());
    let gateway = Gateway::of(serve_on(&folder, &database).env("TRIREME_MASTER_KEY", NEXT_KEY), &folder);
    assert_eq!(gateway.api("/api/v1/destinations/more").await.status, 200, "its secret is opened by the new key");
    gateway.stop();
}

#[tokio::test]
async fn nodes_that_start_at_once_with_different_keys_are_told_apart() {
    let database = Database::new();
    let folders: Vec<Folder> = (0..4).map(|_| Folder::new()).collect();
    let mut starting: Vec<Process> = Vec::new();
    for (number, folder) in folders.iter().enumerate() {
        folder.configure(NOBODY);
        let key = if number % 2 == 0 { MASTER_KEY } else { NEXT_KEY };
        starting.push(Process::start(serve_on(folder, &database).env("TRIREME_MASTER_KEY", key), folder.path()));
    }
    let ended = async || {
        let ended = starting.iter_mut().enumerate().filter_map(|(number, one)| Some((number, one.try_ended()?)));
        let ended: Vec<_> = ended.map(|(number, status)| (number % 2, status.code())).collect();
        (ended.len() >= 2).then_some(ended)
    };
    let refused = eventually("those of one key have ended", ended).await;
    assert!(refused == [(0, Some(4)); 2] || refused == [(1, Some(4)); 2], "{refused:?}");
    let serving = starting.iter_mut().enumerate().filter(|(number, _)| number % 2 != refused[0].0);
    for (_, process) in serving {
        let announced: Value = serde_json::from_str(&process.line()).expect("it announces itself");
        assert!(announced["listening"][0]["address"].is_string(), "{announced}");
        process.signal(Signal::TERM);
        assert_eq!(process.ended().code(), Some(0));
    }
}
