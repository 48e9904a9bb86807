//! The master key from outside: changed while nothing runs, and secrets open as before.

use super::support::Folder;
use super::support::destination::Destination;
use super::support::http::{Connection, post};
use super::support::process::{ADMIN_KEY, Gateway, serve, trireme};
use super::support::{GITHUB_SECRET, eventually, github_webhook};

const SIGNING_SECRET: &str = "whsec_c2lnbmVkIHdpdGggdGhpcyBzZWNyZXQgb2YgMzJi";

/// Puts an object in place through the API.
async fn put(gateway: &Gateway, path: &str, definition: serde_json::Value) {
    let headers = [("authorization", format!("Bearer {ADMIN_KEY}")), ("content-type", "application/json".to_owned())];
    let mut connection = Connection::open(gateway.address).await.expect("it listens");
    let answer = connection.send(http::Method::PUT, path, &headers, definition.to_string()).await.expect("an answer");
    assert!(answer.status.is_success(), "{path}: {:?}", answer.body);
}

async fn delivered_and_signed(gateway: &Gateway, destination: &Destination, number: u64) {
    let (headers, body) = github_webhook(number);
    assert_eq!(post(gateway.address, "/in/hub", &headers, body).await.expect("an answer").status, 200);
    eventually("it is delivered", async || (destination.got().len() as u64 == number).then_some(())).await;
    assert!(destination.got().iter().all(|got| got.headers.contains_key("webhook-signature")));
}

#[tokio::test]
async fn secrets_of_the_api_open_under_a_changed_master_key() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.write_config("egress: { allow: [127.0.0.0/8] }\n");
    let gateway = Gateway::start(&folder);
    let source = serde_json::json!({ "webhook": { "provider": "github", "secret": GITHUB_SECRET } });
    put(&gateway, "/api/v1/sources/hub", source).await;
    let http = serde_json::json!({ "url": destination.url(), "secret": SIGNING_SECRET });
    put(&gateway, "/api/v1/destinations/app", serde_json::json!({ "http": http })).await;
    put(&gateway, "/api/v1/routes/hub-app", serde_json::json!({ "from": "hub", "to": "app" })).await;
    delivered_and_signed(&gateway, &destination, 1).await;

    let mut rewrap = trireme();
    rewrap.args(["key", "rewrap", "--json", "--data"]).arg(folder.data());
    let refused = rewrap.output().expect("it runs");
    assert_eq!(refused.status.code(), Some(3), "a running gateway has the store");
    gateway.stop();
    let former = std::fs::read(folder.data().join("master.key")).expect("it was made");
    let output = rewrap.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_ne!(std::fs::read(folder.data().join("master.key")).expect("a new one"), former);

    let gateway = Gateway::of(serve(&folder).env("TRIREME_ADMIN_KEY", ADMIN_KEY), &folder);
    delivered_and_signed(&gateway, &destination, 2).await;
}
