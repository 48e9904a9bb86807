//! `trireme explain` and `trireme try` against a running gateway, and a model that answers by its protocol.

use serde_json::{Value, json};

use super::support::destination::Destination;
use super::support::http::post;
use super::support::process::Gateway;
use super::support::{Folder, GITHUB_SECRET, config_to, eventually, github_webhook};

async fn send(gateway: &Gateway, number: u64) {
    let (headers, body) = github_webhook(number);
    let answer = post(gateway.address, "/in/github", &headers, body).await.expect("an answer");
    assert_eq!(answer.status, 200);
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn dead_letter(gateway: &Gateway) -> String {
    let letter =
        eventually("it is dead", async || json(&gateway.run(&["dead-letters", "--json"]))["data"].get(0).cloned());
    letter.await["id"].as_str().expect("an id").to_owned()
}

/// Gateway with a destination, and a model behind `model`.
fn with_model(folder: &Folder, destination: &Destination, model: &Destination, per_hour: u32) -> Gateway {
    let model = format!(
        "explain:\n  model: {{ url: \"http://{}/v1\", model: small, key: key-canary, per_hour: {per_hour} }}\n",
        model.address
    );
    folder.write_config(&(config_to(&destination.url()) + &model));
    Gateway::start(folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_delivery_is_explained_in_words() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.configure(&destination.url());
    let gateway = Gateway::start(&folder);
    destination.answer(415);
    send(&gateway, 1).await;
    let said = gateway.run(&["explain", &dead_letter(&gateway).await]);
    assert!(said.starts_with("certain: 127.0.0.1 does not take the content type"), "{said}");
    assert!(said.contains("\n  Next: "), "{said}");
    let wrong = gateway.command(&["explain", "evt_1"]).output().expect("it runs");
    assert_eq!(wrong.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_asked_on_a_wish_told_nothing_that_others_wrote_and_shown_apart() {
    let (folder, destination, model) = (Folder::new(), Destination::start().await, Destination::start().await);
    let gateway = with_model(&folder, &destination, &model, 2);
    destination.says("payload-canary signature".to_owned());
    destination.answer(401);
    send(&gateway, 77_123).await;
    let id = dead_letter(&gateway).await;
    assert!(json(&gateway.run(&["explain", &id, "--json"]))["model"].is_null());
    assert!(model.got().is_empty(), "nobody asked it");
    let answer = json!({ "choices": [{ "message": { "role": "assistant", "content": "<b>The secret</b> differs.\u{1b}[2J" } }] });
    model.says(answer.to_string());
    let said = gateway.run(&["explain", &id, "--model"]);
    assert!(said.contains("likely: ") || said.contains("certain: "), "{said}");
    assert!(
        said.ends_with("The model small guesses, from figures alone:\n  <b>The secret</b> differs.[2J\n"),
        "{said}"
    );
    let asked = model.got().remove(0);
    assert_eq!(asked.headers["authorization"], "Bearer key-canary");
    let question = json(&String::from_utf8_lossy(&asked.body));
    assert_eq!((&question["model"], &question["messages"][1]["role"]), (&json!("small"), &json!("user")));
    let context = json(question["messages"][1]["content"].as_str().expect("a text"));
    assert_eq!((&context["state"], &context["tries"][0]["status"]), (&json!("dead"), &json!(401)), "{context}");
    let text = context.to_string();
    let authority = destination.address.to_string();
    for canary in
        ["canary", "77123", "octocat", GITHUB_SECRET, "issue", "127.0.0.1", &authority, "github-app", "hook", &id]
    {
        assert!(!text.contains(canary), "'{canary}' left: {text}");
    }
    for broken in ["no JSON", "{}"] {
        model.says(broken.to_owned());
        let said = gateway.run(&["explain", &id, "--model"]);
        assert!(said.contains("No answer of a model: "), "{said}");
    }
    assert_eq!(model.got().len(), 2, "the hour has no more questions");
    assert!(gateway.run(&["explain", &id, "--model"]).contains("used up"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_in_a_private_network_is_not_asked_unless_that_is_allowed() {
    let (folder, destination, model) = (Folder::new(), Destination::start().await, Destination::start().await);
    let text = format!(
        "sources:\n  github: {{ webhook: {{ provider: github, secret: \"{GITHUB_SECRET}\" }} }}\n\
         explain:\n  model: {{ url: \"http://{}/v1\", model: small }}\n",
        model.address
    );
    drop(destination);
    folder.write_config(&text);
    let gateway = Gateway::start(&folder);
    let (mut headers, body) = github_webhook(1);
    headers.retain(|(name, _)| !name.contains("signature"));
    assert_eq!(post(gateway.address, "/in/github", &headers, body).await.expect("an answer").status, 401);
    let listed = json(&String::from_utf8_lossy(&gateway.api("/api/v1/requests").await.body));
    let id = listed["data"][0]["id"].as_str().expect("an id");
    let said = gateway.run(&["explain", id, "--model"]);
    assert!(said.contains("carries no signature") && said.contains("could not be asked"), "{said}");
    assert!(model.got().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_is_tried_and_compared_with_what_was_sent() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.configure(&destination.url());
    let gateway = Gateway::start(&folder);
    send(&gateway, 5).await;
    destination.has_got(1).await;
    let event = json(&gateway.run(&["events", "--json"]))["data"][0]["id"].as_str().expect("an id").to_owned();
    eventually("it is delivered", async || gateway.run(&["events", "get", &event]).contains("delivered").then_some(()))
        .await;
    let same = gateway.run(&["try", "github-app", "--event", &event]);
    assert!(same.starts_with("when    goes through\n") && same.contains("The same as what"), "{same}");
    let changed = gateway.run(&[
        "try",
        "github-app",
        "--event",
        &event,
        "--when",
        "data.issue.number > 5",
        "--map",
        "{ 'id': data.issue.id }",
    ]);
    assert!(
        changed.contains("filtered")
            && changed.contains("\n+   \"id\": 5\n")
            && changed.contains("\n-   \"source\": \"github\""),
        "{changed}"
    );
    let broken = gateway.command(&["try", "github-app", "--event", &event, "--map", "{"]).output().expect("it runs");
    assert_eq!(broken.status.code(), Some(1));
    assert_eq!(destination.got().len(), 1, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_looks_back_and_waits_for_a_status() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.configure(&destination.url());
    let gateway = Gateway::start(&folder);
    send(&gateway, 1).await;
    let first = gateway.run(&["tail", "--since", "10m", "--limit", "1"]);
    assert!(first.contains("issue/1"), "{first}");
    let delivered = gateway.run(&["tail", "--since", "10m", "--status", "delivered", "--limit", "1", "--json"]);
    assert_eq!(json(&delivered)["deliveries"][0]["state"], "delivered");
    destination.answer(500);
    send(&gateway, 2).await;
    let arguments = ["tail", "--since", "10m", "--destination", "app", "--status", "dead", "--limit", "1"];
    let dead = gateway.run(&arguments);
    assert!(dead.contains("issue/2") && dead.contains("app: dead"), "{dead}");
}
