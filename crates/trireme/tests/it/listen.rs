//! `trireme listen` against a running gateway and a program on this machine: nothing is lost, whoever is killed.

use std::process::Stdio;

use serde_json::Value;

use super::support::destination::{Destination, Got};
use super::support::http::post;
use super::support::process::{ADMIN_KEY, Gateway, Process, serve_at};
use super::support::{Folder, NOBODY, eventually, github_webhook};

async fn send(gateway: &Gateway, number: u64) {
    let (headers, body) = github_webhook(number);
    let answer = post(gateway.address, "/in/github", &headers, body).await.expect("an answer");
    assert_eq!(answer.status, 200);
}

fn started() -> (Folder, Gateway) {
    let folder = Folder::new();
    folder.configure(NOBODY);
    let gateway = Gateway::start(&folder);
    (folder, gateway)
}

fn again(folder: &Folder, address: &str) -> Gateway {
    Gateway::of(serve_at(folder, address).env("TRIREME_ADMIN_KEY", ADMIN_KEY), folder)
}

fn listen(gateway: &Gateway, folder: &Folder, to: &str, more: &[&str]) -> Process {
    let arguments = ["listen", "--source", "github", "--to", to, "--name", "laptop"];
    Process::start(&mut gateway.command(&[&arguments[..], more].concat()), folder.path())
}

/// Once the gateway knows it.
async fn listening(gateway: &Gateway, listener: &Process) {
    listener.logs("Listening to github").await;
    eventually("the stream is open", async || {
        let metrics = gateway.api("/metrics").await;
        String::from_utf8_lossy(&metrics.body).contains("/api/v1/listeners/{name}/stream").then_some(())
    })
    .await;
}

fn numbers(got: &[Got]) -> Vec<u64> {
    let number = |got: &Got| {
        let envelope: Value = serde_json::from_slice(&got.body).expect("JSON");
        envelope["data"]["issue"]["number"].as_u64().expect("a number")
    };
    got.iter().map(number).collect()
}

/// Whether a receiver with this secret accepts it, by the specification's own words.
fn is_signed(got: &Got, secret: &str) -> bool {
    let header = |name: &str| got.headers[name].to_str().expect("text").to_owned();
    let key = data_encoding::BASE64.decode(secret.trim_start_matches("whsec_").as_bytes()).expect("base64");
    let head = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp"));
    let signed = [head.as_bytes(), &got.body].concat();
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key), &signed);
    header("webhook-signature") == format!("v1,{}", data_encoding::BASE64.encode(tag.as_ref()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_signed_with_the_secret_that_is_shown_and_each_reply_is_a_line() {
    let ((folder, gateway), program) = (started(), Destination::start().await);
    let mut listener = listen(&gateway, &folder, &program.url(), &[]);
    listening(&gateway, &listener).await;
    send(&gateway, 1).await;
    let line = listener.line();
    let fields: Vec<&str> = line.split('\t').collect();
    assert_eq!(fields[..4], ["1", "issues.opened", "issue/1", "200"], "{line}");
    assert!(fields[4].starts_with("evt_") && fields.len() == 7, "{line}");
    let log = listener.log();
    assert!(log.contains("It is new, and begins with what comes from now on."), "{log}");
    let secret = log.split_whitespace().find(|word| word.starts_with("whsec_")).expect("it is shown").to_owned();
    let got = program.got().remove(0);
    assert!(is_signed(&got, &secret), "{got:?}");
    assert_eq!(got.headers["trireme-event-id"], fields[4]);
    program.answer(500);
    send(&gateway, 2).await;
    assert_eq!(listener.line().split('\t').nth(3), Some("500"), "a program that fails is shown, and goes on");
    program.answer(200);
    send(&gateway, 3).await;
    assert_eq!(listener.line().split('\t').nth(3), Some("200"));
    listener.signal(rustix::process::Signal::INT);
    assert!(listener.ended().success(), "{}", listener.log());
    let mut once_more = listen(&gateway, &folder, &program.url(), &["--json"]);
    listening(&gateway, &once_more).await;
    let log = once_more.log();
    assert!(log.contains(&secret), "the same secret each time");
    assert!(log.contains("It goes on after what was answered last."), "{log}");
    send(&gateway, 4).await;
    let line: Value = serde_json::from_str(&once_more.line()).expect("JSON");
    assert_eq!(
        (&line["status"], &line["subject"]),
        (&200.into(), &"issue/4".into()),
        "what was handled does not come again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_gateway_listener_and_program_end_without_warning() {
    let ((folder, gateway), program) = (started(), Destination::start().await);
    let address = gateway.address.to_string();
    let listener = listen(&gateway, &folder, &program.url(), &[]);
    listening(&gateway, &listener).await;
    send(&gateway, 1).await;
    program.has_got(1).await;

    // The gateway is killed: the listener finds the next one.
    gateway.process.signal(rustix::process::Signal::KILL);
    drop(gateway);
    let gateway = again(&folder, &address);
    send(&gateway, 2).await;
    program.has_got(2).await;

    // The listener is killed while the program thinks: what it had not answered comes again.
    program.hold();
    send(&gateway, 3).await;
    program.has_got(3).await;
    listener.signal(rustix::process::Signal::KILL);
    drop(listener);
    send(&gateway, 4).await;
    program.release();
    let mut listener = listen(&gateway, &folder, &program.url(), &[]);
    assert!(listener.line().contains("\tissue/3\t200\t"), "{}", listener.log());
    assert!(listener.line().contains("\tissue/4\t200\t"), "{}", listener.log());
    assert_eq!(numbers(&program.got()), [1, 2, 3, 3, 4], "in order, and nothing else twice");
    assert_eq!(program.messages().len(), 4, "a repetition is told by its id");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_wait_for_a_program_that_is_not_there() {
    let (folder, gateway) = started();
    let place = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let mut listener = listen(&gateway, &folder, &format!("http://{place}/hook"), &[]);
    listening(&gateway, &listener).await;
    for number in [5, 6] {
        send(&gateway, number).await;
    }
    listener.logs("Waiting for it").await;
    let program = Destination::start_at(place).await;
    assert!(listener.line().contains("\tissue/5\t200\t"));
    assert!(listener.line().contains("\tissue/6\t200\t"));
    assert_eq!(numbers(&program.got()), [5, 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_senders_own_request_comes_raw_and_an_earlier_time_can_be_begun_with() {
    let ((folder, gateway), program) = (started(), Destination::start().await);
    send(&gateway, 7).await;
    let mut listener = listen(&gateway, &folder, &program.url(), &["--since", "1h", "--body", "raw"]);
    assert!(listener.line().contains("\tissue/7\t200\t"), "{}", listener.log());
    assert!(listener.log().contains("It is new, and begins with what was received since 20"), "{}", listener.log());
    let (sent, body) = github_webhook(7);
    let got = program.got().remove(0);
    assert_eq!(got.body, body);
    for (name, value) in sent {
        assert_eq!(got.headers[name], value.as_str(), "{name}");
    }
    assert!(got.headers.contains_key("webhook-signature"), "and ours beside it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_a_name_over_ends_the_one_before_and_names_are_listed_and_forgotten() {
    let ((folder, gateway), program) = (started(), Destination::start().await);
    let mut first = listen(&gateway, &folder, &program.url(), &[]);
    listening(&gateway, &first).await;
    let mut second = listen(&gateway, &folder, &program.url(), &[]);
    second.logs("Listening to github").await;
    send(&gateway, 1).await;
    assert!(second.line().contains("\tissue/1\t"), "{}", second.log());
    assert_eq!(first.exit_code().await, Some(1));
    assert!(first.log().contains("took listener 'laptop' over"), "{}", first.log());
    assert_eq!(program.got().len(), 1, "only one of them brought it");
    let listed = gateway.run(&["listen", "--list"]);
    assert!(listed.lines().nth(1).is_some_and(|line| line.starts_with("laptop\tgithub\t")), "{listed}");
    gateway.run(&["listen", "--forget", "laptop"]);
    assert_eq!(gateway.run(&["listen", "--list"]).lines().count(), 1);
    send(&gateway, 2).await;
    assert_eq!(second.exit_code().await, Some(1), "{}", second.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_in_a_terminal_replays_and_another_quits() {
    let ((folder, gateway), program) = (started(), Destination::start().await);
    let binary = gateway.command(&[]).get_program().to_string_lossy().into_owned();
    let line = format!("{binary} listen --source github --to {} --name laptop", program.url());
    let mut command = std::process::Command::new("script");
    command.args(["-qefc", &line, "/dev/null"]).stdin(Stdio::piped());
    command.env("TRIREME_URL", gateway.url()).env("TRIREME_KEY", &gateway.key);
    let mut terminal = Process::start(&mut command, folder.path());
    eventually("the stream is open", async || {
        let metrics = gateway.api("/metrics").await;
        String::from_utf8_lossy(&metrics.body).contains("/api/v1/listeners/{name}/stream").then_some(())
    })
    .await;
    send(&gateway, 1).await;
    program.has_got(1).await;
    send(&gateway, 2).await;
    program.has_got(2).await;
    let second = loop {
        let line = terminal.line();
        if line.contains("#2 ") {
            break line;
        }
    };
    assert!(second.contains("issues.opened"), "{second}");
    terminal.types("r");
    program.has_got(3).await;
    terminal.types("1\n");
    program.has_got(4).await;
    assert_eq!(numbers(&program.got()), [1, 2, 2, 1]);
    assert_eq!(program.messages().len(), 2, "a replay is the same message");
    terminal.types("q");
    assert!(terminal.ended().success());
}
