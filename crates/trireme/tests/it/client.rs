//! The client commands against a running gateway: what they print for people, for pipes and for programs.

use std::process::Stdio;

use serde_json::Value;

use super::support::destination::{Destination, Got};
use super::support::http::post;
use super::support::process::{ADMIN_KEY, Gateway, Process, run, serve_at, trireme};
use super::support::{Folder, GITHUB_SECRET, config_to, eventually, github_webhook};

/// A gateway with a destination and some accepted events.
async fn with_events(count: u64) -> (Folder, Destination, Gateway) {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.configure(&destination.url());
    let gateway = Gateway::start(&folder);
    for number in 0..count {
        send(&gateway, number).await;
    }
    destination.has_got(usize::try_from(count).expect("small")).await;
    (folder, destination, gateway)
}

async fn send(gateway: &Gateway, number: u64) {
    let (headers, body) = github_webhook(number);
    let answer = post(gateway.address, "/in/github", &headers, body).await.expect("an answer");
    assert_eq!(answer.status, 200);
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn events_are_listed_shown_and_given_byte_for_byte() {
    let (_folder, _destination, gateway) = with_events(3).await;
    let listed = gateway.run(&["events", "--limit", "2"]);
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines[0], "RECEIVED\tTYPE\tSOURCE\tSUBJECT\tORIGIN\tID");
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(lines[1].contains("\tissues.opened\tgithub\tissue/2\tnative\tevt_"), "{listed}");

    let page = json(&gateway.run(&["events", "--limit", "2", "--json"]));
    let next = page["next"].as_str().expect("there is one more");
    let rest = json(&gateway.run(&["--json", "events", "list", "--limit", "2", "--cursor", next]));
    assert_eq!(rest["data"][0]["subject"], "issue/0");

    let id = page["data"][0]["id"].as_str().expect("an id");
    assert!(gateway.run(&["events", "get", id]).contains("delivered"));
    assert_eq!(json(&gateway.run(&["events", "get", id, "--json"]))["id"], id);
    assert_eq!(gateway.run(&["events", "payload", id]), github_webhook(2).1);
    for (filter, count) in [("issues.opened", 3), ("issues.*", 3), ("push", 0)] {
        let found = json(&gateway.run(&["events", "--type", filter, "--since", "1h", "--json"]));
        assert_eq!(found["data"].as_array().map(Vec::len), Some(count), "{filter}");
    }
}

#[tokio::test]
async fn a_tail_goes_on_where_it_was_after_the_gateway_was_restarted() {
    let (folder, _destination, gateway) = with_events(0).await;
    // A restart on the same port, so that the tail finds it again.
    let address = gateway.address.to_string();
    let mut tail = Process::start(&mut gateway.command(&["tail", "--json"]), folder.path());
    eventually("the tail is connected", async || {
        let metrics = gateway.api("/metrics").await;
        String::from_utf8_lossy(&metrics.body).contains("/api/v1/events/stream").then_some(())
    })
    .await;
    send(&gateway, 1).await;
    assert_eq!(json(&tail.line())["subject"], "issue/1");
    gateway.stop();
    let gateway = Gateway::of(serve_at(&folder, &address).env("TRIREME_ADMIN_KEY", ADMIN_KEY), &folder);
    send(&gateway, 2).await;
    assert_eq!(json(&tail.line())["subject"], "issue/2");
    tail.signal(rustix::process::Signal::INT);
    assert!(tail.ended().success());
    assert!(tail.log().contains("trying to go on where it was"), "{}", tail.log());
}

#[tokio::test]
async fn a_tail_that_was_cut_before_anything_came_misses_nothing() {
    let (folder, _destination, gateway) = with_events(1).await;
    let address = gateway.address.to_string();
    let mut tail = Process::start(&mut gateway.command(&["tail", "--json"]), folder.path());
    eventually("the tail is connected", async || {
        let metrics = gateway.api("/metrics").await;
        String::from_utf8_lossy(&metrics.body).contains("/api/v1/events/stream").then_some(())
    })
    .await;
    gateway.stop();
    // Elsewhere, where the tail cannot find it: what it takes in now is told to nobody while it comes.
    let elsewhere = Gateway::start(&folder);
    send(&elsewhere, 1).await;
    elsewhere.stop();
    let _gateway = Gateway::of(serve_at(&folder, &address).env("TRIREME_ADMIN_KEY", ADMIN_KEY), &folder);
    assert_eq!(json(&tail.line())["subject"], "issue/1");
    tail.signal(rustix::process::Signal::INT);
    assert!(tail.ended().success());
}

#[tokio::test]
async fn dead_letters_are_listed_and_tried_again() {
    let (_folder, destination, gateway) = with_events(0).await;
    destination.answer(500);
    send(&gateway, 1).await;
    let letter = eventually("it is dead", async || {
        let page = json(&gateway.run(&["dead-letters", "--json"]));
        page["data"].get(0).cloned()
    })
    .await;
    assert_eq!(letter["destination"], "app");
    destination.answer(200);
    let refused = gateway.command(&["dead-letters", "retry", "--all"]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(2), "nobody can be asked");
    let said = json(&gateway.run(&["dead-letters", "retry", "--all", "--yes", "--json"]));
    assert_eq!(said["retried"], 1);
    let id = letter["id"].as_str().expect("an id");
    let again = gateway.command(&["dead-letters", "retry", id, "--json"]).output().expect("it runs");
    assert_eq!(again.status.code(), Some(1), "it is dead no more");
}

#[tokio::test]
async fn dead_letters_of_a_lane_are_tried_again_in_the_order_in_which_they_were_accepted() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    let config = config_to(&destination.url()).replace("attempts: 2", "attempts: 1");
    folder.write_config(&config.replace("to: app }", "to: app, ordering: destination }"));
    let gateway = Gateway::start(&folder);
    destination.answer(500);
    for number in 0..5 {
        send(&gateway, number).await;
    }
    eventually("they are dead", async || {
        let page = json(&gateway.run(&["dead-letters", "--json"]));
        (page["data"].as_array()?.len() == 5).then_some(())
    })
    .await;
    destination.answer(200);
    gateway.run(&["dead-letters", "retry", "--all", "--yes"]);
    destination.has_got(10).await;
    let subject =
        |got: &Got| got.headers.get("trireme-subject").map(|subject| subject.to_str().expect("a text").to_owned());
    let again: Vec<_> = destination.got()[5..].iter().filter_map(subject).collect();
    assert_eq!(again, ["issue/0", "issue/1", "issue/2", "issue/3", "issue/4"]);
}

#[tokio::test]
async fn a_replay_shows_its_plan_asks_and_delivers_again() {
    let (_folder, destination, gateway) = with_events(3).await;
    let plan = json(&gateway.run(&["replay", "--source", "github", "--dry-run", "--json"]));
    assert_eq!((&plan["events"], &plan["routes"][0]), (&3.into(), &"github-app".into()));
    let refused = gateway.command(&["replay", "--source", "github"]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(2), "nobody can be asked");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--yes"));
    let everything = gateway.command(&["replay", "--yes"]).output().expect("it runs");
    assert_eq!(everything.status.code(), Some(2), "everything has to be meant");

    let done = json(gateway.run(&["replay", "--source", "github", "--yes", "--json"]).lines().last().expect("a line"));
    assert_eq!((&done["state"], &done["deliveries_made"]), (&"done".into(), &3.into()), "{done}");
    destination.has_got(6).await;
    assert_eq!(destination.messages().len(), 3, "the same messages came again");
    gateway.run(&["replay", "--source", "github", "--new-ids", "--yes"]);
    destination.has_got(9).await;
    assert_eq!(destination.messages().len(), 6, "three are new to a receiver that deduplicates");
}

#[tokio::test]
async fn samples_are_signed_as_their_senders_sign_and_a_wrong_secret_is_told() {
    let (_folder, destination, gateway) = with_events(0).await;
    for event in ["push", "issues.opened", "pull_request.opened"] {
        let said = json(&gateway.run(&["send", "github", "--event", event, "--secret", GITHUB_SECRET, "--json"]));
        assert_eq!((&said["status"], &said["event"]), (&200.into(), &event.into()));
    }
    destination.has_got(3).await;
    let wrong = gateway.command(&["send", "github", "--secret", "wrong"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(wrong.status.code() == Some(1) && said.contains("secret"), "{said}");
    let unknown = gateway.command(&["send", "gitlub", "--secret", "x"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(unknown.status.code() == Some(2) && said.contains("github"), "the known ones are named: {said}");
}

#[tokio::test]
async fn keys_are_made_with_the_least_they_need_listed_and_revoked() {
    let (_folder, _destination, gateway) = with_events(0).await;
    let key = gateway.run(&["key", "create", "--scope", "read", "--note", "grafana", "--expires", "90d"]);
    let key = key.trim();
    let with = |arguments: &[&str]| {
        let mut command = gateway.command(arguments);
        command.env("TRIREME_KEY", key).output().expect("it runs")
    };
    assert!(with(&["events"]).status.success());
    let refused = with(&["key", "create", "--scope", "admin"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("scope"));
    let listed = gateway.run(&["key", "list"]);
    let line = listed.lines().find(|line| line.contains("grafana")).expect("it is listed");
    assert!(!listed.contains(key), "its secret is not shown");
    gateway.run(&["key", "revoke", line.split('\t').next().expect("an id")]);
    assert!(!with(&["events"]).status.success());
}

#[tokio::test]
async fn errors_say_what_happened_and_what_to_do() {
    let (_folder, _destination, gateway) = with_events(0).await;
    let said = |arguments: &[&str], key: &str| {
        let output = gateway.command(arguments).env("TRIREME_KEY", key).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let key = gateway.key.as_str();
    let cases: [(&[&str], &str, &[&str]); 4] = [
        (&["events"], "wrong", &["TRIREME_KEY"]),
        (&["events", "get", "evt_00000000000000000000000000"], key, &["There is no"]),
        (&["events", "--limit", "0"], key, &["limit"]),
        (&["events", "--url", "http://127.0.0.1:65001"], key, &["trireme serve", "--url"]),
    ];
    for (arguments, key, parts) in cases {
        let (code, said) = said(arguments, key);
        assert!(code.is_some_and(|code| code != 0), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?} in {said}");
    }
    let (code, problem) = said(&["events", "get", "nonsense", "--json"], key);
    assert_eq!(code, Some(1));
    assert_eq!(json(&problem)["error"]["code"], "invalid_parameter");
}

#[test]
fn providers_are_listed_and_shown_without_a_gateway() {
    let output = run(&["providers"]);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("\ngithub\t"));
    let shown = run(&["providers", "show", "stripe", "--json"]);
    let shown = json(&String::from_utf8_lossy(&shown.stdout));
    assert!(shown["secrets"].as_array().is_some_and(|secrets| !secrets.is_empty()), "{shown}");
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{shell}");
        for command in [
            "serve",
            "demo",
            "check",
            "tail",
            "listen",
            "try",
            "explain",
            "send",
            "events",
            "dead-letters",
            "replay",
            "key",
            "bench",
            "streams",
            "reconcile",
        ] {
            assert!(script.contains(command), "{command} is unknown to {shell}");
        }
    }
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let mut child =
        trireme().args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_bench_measures_this_very_binary() {
    let folder = Folder::new();
    let mut command = trireme();
    command.args(["bench", "--only", "ready", "--json", "--scratch"]).arg(folder.path());
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = json(&String::from_utf8_lossy(&output.stdout));
    assert!(report["calibration"]["store"]["write_us"].as_f64().is_some_and(|us| us > 0.0), "{report}");
    assert_eq!(report["results"]["ready"].as_array().map(Vec::len), Some(1), "{report}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0, "nothing is left behind");
}
