//! Starting, what is made and said by it, and the path of a webhook through the process.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::support::destination::Destination;
use super::support::http::{get, post};
use super::support::process::{ADMIN_KEY, Gateway, serve};
use super::support::{DEADLINE, Folder, GITHUB_SECRET, NOBODY, eventually, github_webhook};

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[tokio::test]
async fn the_first_start_makes_private_files_and_tells_its_key_once() {
    let folder = Folder::new();
    folder.configure(NOBODY);
    let gateway = Gateway::of(&mut serve(&folder), &folder);
    let key = gateway.announced["api_key"].as_str().expect("a first key").to_owned();
    assert_eq!((mode(&folder.data()), mode(&folder.data().join("master.key"))), (0o700, 0o600));
    assert_eq!(gateway.api("/api/v1/events").await.status, 200);
    let without = get(gateway.address, "/api/v1/events", &[]).await.expect("an answer");
    assert_eq!((without.status.as_u16(), without.json()["code"].clone()), (401, "unauthorized".into()));
    assert_eq!(without.headers["content-type"], "application/problem+json");
    gateway.stop();

    let again = Gateway::of(&mut serve(&folder), &folder);
    assert_eq!(again.announced["api_key"], Value::Null);
    let authorization = [("authorization", format!("Bearer {key}"))];
    assert_eq!(get(again.address, "/api/v1/events", &authorization).await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_webhook_is_verified_kept_delivered_and_shown() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.configure(&destination.url());
    let gateway = Gateway::start(&folder);
    let (headers, body) = github_webhook(1);
    let answer = post(gateway.address, "/in/github", &headers, body).await.expect("an answer");
    assert_eq!(answer.status, 200);
    let id = answer.json()["events"][0]["id"].as_str().expect("an id").to_owned();
    destination.has_got(1).await;
    let event = eventually("the delivery is settled", async || {
        let event = gateway.api(&format!("/api/v1/events/{id}")).await.json();
        (event["deliveries"][0]["state"] == "delivered").then_some(event)
    })
    .await;
    assert_eq!(event["type"], "issues.opened");
    let delivered: Value = serde_json::from_slice(&destination.got()[0].body).expect("an envelope");
    assert_eq!((&delivered["id"], &delivered["data"]["issue"]["id"]), (&id.into(), &1.into()));
    let tampered = post(gateway.address, "/in/github", &headers, "{}").await.expect("an answer");
    assert_eq!(tampered.status, 401);
}

#[tokio::test]
async fn the_log_holds_no_secret_and_no_payload() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.configure(&destination.url());
    let mut command = serve(&folder);
    let gateway = Gateway::of(command.env("TRIREME_ADMIN_KEY", ADMIN_KEY).env("TRIREME_LOG", "trace"), &folder);
    let (headers, body) = github_webhook(77_123);
    post(gateway.address, "/in/github", &headers, body.clone()).await.expect("an answer");
    post(gateway.address, "/in/github", &headers, "canary-77124").await.expect("an answer");
    assert_eq!(gateway.api("/api/v1/events").await.status, 200);
    destination.has_got(1).await;
    gateway.process.signal(rustix::process::Signal::TERM);
    gateway.process.logs("stopped").await;
    let log = gateway.process.log();
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "every line is JSON: {log}");
    for canary in [GITHUB_SECRET, ADMIN_KEY, "77123", "canary-77124", "octocat"] {
        assert!(!log.contains(canary), "{canary} is in the log:\n{log}");
    }
}

#[tokio::test]
async fn the_senders_port_serves_webhooks_and_nothing_else() {
    let folder = Folder::new();
    folder.configure(NOBODY);
    let mut command = serve(&folder);
    let gateway = Gateway::of(command.args(["--ingest-listen", "127.0.0.1:0"]), &folder);
    let ingest = &gateway.announced["listening"][1];
    assert_eq!(ingest["role"], "ingest");
    let address = ingest["address"].as_str().expect("an address").parse().expect("an address");
    let (headers, body) = github_webhook(1);
    assert_eq!(post(address, "/in/github", &headers, body).await.expect("an answer").status, 200);
    let authorization = [("authorization", format!("Bearer {}", gateway.key))];
    for path in ["/api/v1/events", "/metrics", "/openapi.json", "/"] {
        assert_eq!(get(address, path, &authorization).await.expect("an answer").status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_supervisor_is_told_when_it_is_ready_and_when_it_stops() {
    let folder = Folder::new();
    folder.configure(NOBODY);
    let path = folder.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("ours");
    let gateway = Gateway::of(serve(&folder).env("NOTIFY_SOCKET", &path), &folder);
    let heard = || {
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).expect("a word");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert_eq!(heard(), "READY=1");
    gateway.stop();
    assert_eq!(heard(), "STOPPING=1");
}

#[tokio::test]
async fn people_get_words_where_programs_get_json() {
    let folder = Folder::new();
    folder.configure(NOBODY);
    let mut command = super::support::process::trireme();
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(folder.config());
    let mut process = super::support::process::Process::start(command.arg("--data").arg(folder.data()), folder.path());
    assert!(process.line().starts_with("trireme listens on http://127.0.0.1:"));
    assert!(process.line().starts_with("data in "));
    assert!(process.line().starts_with("API key (shown this once): trk_"));
}
