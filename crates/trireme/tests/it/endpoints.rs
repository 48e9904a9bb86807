//! `trireme endpoint`: an address that takes anything, answers as it was told, and is gone when it is removed.

use std::time::Duration;

use engine::clock::{Clock, SystemClock};
use serde_json::Value;

use super::support::Folder;
use super::support::http::post;
use super::support::process::Gateway;

#[tokio::test]
async fn an_endpoint_is_made_answers_as_told_and_is_removed() {
    let folder = Folder::new();
    folder.write_config("sources: {}\n");
    let gateway = Gateway::start(&folder);
    let plain = gateway.run(&["endpoint", "new"]);
    let path = plain.trim().strip_prefix(&gateway.url()).expect("its whole address").to_owned();
    assert!(path.starts_with("/in/hook-") && path.len() == "/in/hook-".len() + 26, "{path}");
    let taken = post(gateway.address, &path, &[], "anything".to_owned()).await.expect("an answer");
    assert!(taken.status == 200 && taken.json()["events"][0]["duplicate"] == false, "{}", taken.json());

    let told = ["--status", "418", "--header", "x-kind: teapot", "--body", "short", "--delay", "300ms", "--json"];
    let made: Value = serde_json::from_str(&gateway.run(&[&["endpoint", "new"][..], &told].concat())).expect("JSON");
    let path = made["url"].as_str().expect("a URL").strip_prefix(&gateway.url()).expect("ours").to_owned();
    let clock = SystemClock::new();
    let began = clock.monotonic();
    let answer = post(gateway.address, &path, &[], "{}".to_owned()).await.expect("an answer");
    assert!(clock.monotonic() - began >= Duration::from_millis(300), "it waited");
    assert_eq!((answer.status.as_u16(), answer.headers["x-kind"].to_str().ok()), (418, Some("teapot")));

    let list = gateway.run(&["endpoint", "list"]);
    assert_eq!(list.lines().filter(|line| line.contains("/in/hook-")).count(), 2, "{list}");
    let name = made["name"].as_str().expect("a name");
    gateway.run(&["endpoint", "remove", name, "--yes"]);
    let gone = post(gateway.address, &path, &[], "{}".to_owned()).await.expect("an answer");
    assert_eq!(gone.status.as_u16(), 404);
    assert!(!gateway.run(&["endpoint", "list"]).contains(name));
    gateway.stop();
}
