//! What signals do: reload, stop in order, stop at once.

use rustix::process::Signal;

use super::support::destination::Destination;
use super::support::http::post;
use super::support::process::{ADMIN_KEY, Gateway, serve};
use super::support::{Folder, config_to, eventually, github_webhook};

#[tokio::test]
async fn a_hangup_takes_over_the_changed_file_and_a_wrong_one_changes_nothing() {
    let (folder, first, second) = (Folder::new(), Destination::start().await, Destination::start().await);
    folder.configure(&first.url());
    let gateway = Gateway::start(&folder);
    let send = async |number| {
        let (headers, body) = github_webhook(number);
        post(gateway.address, "/in/github", &headers, body).await.expect("an answer").status.as_u16()
    };
    assert_eq!(send(1).await, 200);
    first.has_got(1).await;

    folder.configure(&second.url());
    gateway.process.signal(Signal::HUP);
    gateway.process.logs("the configuration was taken over").await;
    assert_eq!(send(2).await, 200);
    second.has_got(1).await;

    let other_start = "public_url: https://hooks.example\nretention: { events: 40d }\nlimits: { headers: 50 }\n";
    folder.write_config(&format!("{}{other_start}", config_to(&second.url())));
    gateway.process.signal(Signal::HUP);
    gateway.process.logs("count only from the next start").await;
    let log = gateway.process.log();
    assert!(log.contains("public_url, limits, retention"), "what waits is named: {log}");
    assert_eq!(log.matches("count only from the next start").count(), 1, "nothing else waited before: {log}");

    folder.write_config(&format!("{}nonsense: 1\nmore: 2\n", config_to(&first.url())));
    gateway.process.signal(Signal::HUP);
    gateway.process.logs("the configuration was not taken over").await;
    let log = gateway.process.log();
    assert!(log.contains("nonsense") && log.contains("'more'"), "every error is told: {log}");
    assert_eq!(send(3).await, 200);
    second.has_got(2).await;
    assert_eq!(first.got().len(), 1);
}

/// A sender that only its owner knows, with this header for its token.
fn own_recipe(header: &str) -> String {
    format!(
        "provider: ours\ntitle: Ours\ndocs: https://ours.example\n\
         secrets: [{{ role: token, about: a token }}]\n\
         verify: {{ token: {{ key: token, from: {{ header: {header} }} }} }}\n\
         event: {{ type: [[{{ json: /type }}]], type_otherwise: unknown }}\n\
         facts: {{ as_of: 2026-01-31, source: https://ours.example }}\n"
    )
}

#[tokio::test]
async fn a_hangup_takes_over_the_owners_recipes_and_a_wrong_one_changes_nothing() {
    let folder = Folder::new();
    let recipe = folder.path().join("providers/ours.yaml");
    std::fs::create_dir(folder.path().join("providers")).expect("made");
    std::fs::write(&recipe, own_recipe("x-old")).expect("written");
    folder.write_config("sources: { mine: { webhook: { provider: ours, secret: hunter2 } } }\n");
    let gateway = Gateway::start(&folder);
    let send = async |header: &str| {
        let headers = [(header, "hunter2".to_owned())];
        post(gateway.address, "/in/mine", &headers, r#"{"type":"made"}"#).await.expect("an answer").status.as_u16()
    };
    assert_eq!((send("x-old").await, send("x-new").await), (200, 401));

    std::fs::write(&recipe, own_recipe("x-new")).expect("written");
    gateway.process.signal(Signal::HUP);
    gateway.process.logs("the configuration was taken over").await;
    assert_eq!((send("x-old").await, send("x-new").await), (401, 200));

    std::fs::write(&recipe, own_recipe("x-old").replace("verify", "verfy")).expect("written");
    gateway.process.signal(Signal::HUP);
    gateway.process.logs("the configuration was not taken over").await;
    let log = gateway.process.log();
    assert!(log.contains("ours.yaml:5:1") && log.contains("did you mean 'verify'?"), "{log}");
    assert_eq!((send("x-old").await, send("x-new").await), (401, 200));
    // A recipe that sources still name cannot be taken away.
    std::fs::remove_file(&recipe).expect("removed");
    gateway.process.signal(Signal::HUP);
    gateway.process.logs("there is no provider 'ours'").await;
    assert_eq!(send("x-new").await, 200);
}

#[tokio::test]
async fn stopping_finishes_what_is_under_way() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.configure(&destination.url());
    let mut gateway = Gateway::start(&folder);
    destination.hold();
    let (headers, body) = github_webhook(1);
    assert_eq!(post(gateway.address, "/in/github", &headers, body).await.expect("an answer").status, 200);
    destination.has_got(1).await;
    gateway.process.signal(Signal::TERM);
    let address = gateway.address;
    eventually("nobody is let in any more", async || {
        tokio::net::TcpStream::connect(address).await.is_err().then_some(())
    })
    .await;
    assert!(!gateway.process.has_ended(), "a delivery is under way");
    destination.release();
    assert_eq!(gateway.process.exit_code().await, Some(0), "{}", gateway.process.log());

    let again = Gateway::start(&folder);
    let delivered = again.api("/api/v1/deliveries?state=delivered").await.json();
    assert_eq!(delivered["data"][0]["attempts"], 1, "{delivered}");
    assert_eq!(destination.got().len(), 1);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_delivered_after_the_next_start() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.configure(&destination.url());
    let mut command = serve(&folder);
    let mut gateway = Gateway::of(command.env("TRIREME_ADMIN_KEY", ADMIN_KEY).args(["--drain", "1s"]), &folder);
    destination.hold();
    let (headers, body) = github_webhook(1);
    assert_eq!(post(gateway.address, "/in/github", &headers, body).await.expect("an answer").status, 200);
    destination.has_got(1).await;
    gateway.process.signal(Signal::TERM);
    assert_eq!(gateway.process.exit_code().await, Some(0), "{}", gateway.process.log());
    destination.release();

    let again = Gateway::start(&folder);
    eventually("the delivery arrives", async || {
        let delivered = again.api("/api/v1/deliveries?state=delivered").await.json();
        (delivered["data"].as_array().map(Vec::len) == Some(1)).then_some(())
    })
    .await;
    let messages = destination.messages();
    assert_eq!(messages.len(), 1, "it is one message, though it came twice: {messages:?}");
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.configure(&destination.url());
    let mut gateway = Gateway::start(&folder);
    destination.hold();
    let (headers, body) = github_webhook(1);
    post(gateway.address, "/in/github", &headers, body).await.expect("an answer");
    destination.has_got(1).await;
    gateway.process.signal(Signal::TERM);
    gateway.process.logs("a second signal ends at once").await;
    gateway.process.signal(Signal::INT);
    assert_eq!(gateway.process.exit_code().await, Some(1));
    assert!(gateway.process.log().contains("stopped_at_once"), "{}", gateway.process.log());
}
