//! Moving house: a gateway's whole state is copied from one kind of store to the other, killed on the way, and goes on
//! there as if nothing had been.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::{Value, json};
use store_postgres::testkit::Database;
use testkit::scripted::{Script, ScriptedSource};

use super::support::destination::Destination;
use super::support::http::{Answer, post};
use super::support::process::{ADMIN_KEY, Gateway, Process, serve, trireme};
use super::support::{Folder, GITHUB_SECRET, NOBODY, eventually, github_webhook};

/// What the sender of the source `wiki` handed over.
const TOKEN: &str = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl";

const MANIFEST: &str = r##"
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [orders] }
streams:
  - type: DeclarativeStream
    name: orders
    primary_key: id
    retriever:
      type: SimpleRetriever
      record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
      requester: { type: HttpRequester, url_base: $BASE, path: orders }
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: updated_at
      datetime_format: "%Y-%m-%dT%H:%M:%SZ"
      start_datetime: "2020-01-01T00:00:00Z"
      start_time_option: { type: RequestOption, inject_into: request_parameter, field_name: since }
"##;

/// Whoever asks from the beginning is told of the first order only.
const SCRIPT: &str = r##"
routes:
  - on: GET /orders
    when: { query: { since: "2020-01-01T00:00:00Z" } }
    reply: { json: [{ id: 1, updated_at: "2026-01-05T00:00:00Z" }] }
  - on: GET /orders
    reply: { json: [{ id: 1, updated_at: "2026-01-05T00:00:00Z" }, { id: 2, updated_at: "2026-01-06T00:00:00Z" }] }
"##;

/// Webhooks that are delivered before the copy: enough rows to be killed among.
const DELIVERED: u64 = 150;

/// Everything that a gateway of this test talks to.
struct Town {
    folder: Folder,
    shop: ScriptedSource,
    app: Destination,
    later: Destination,
    failing: Destination,
}

impl Town {
    async fn new() -> Self {
        let shop = ScriptedSource::start(Script::parse(SCRIPT).expect("a script")).expect("a free port");
        let (app, later) = (Destination::start().await, Destination::start().await);
        let failing = Destination::start().await;
        failing.answer(500);
        let folder = Folder::new();
        std::fs::write(folder.path().join("shop.yaml"), shop.addressed(MANIFEST)).expect("the folder is ours");
        folder.write_config(&format!(
            "egress: {{ allow: [127.0.0.0/8] }}\n\
             sources:\n  github: {{ webhook: {{ provider: github, secret: \"{GITHUB_SECRET}\" }} }}\n  \
             wiki: {{ webhook: {{ provider: notion }} }}\n  \
             shop: {{ connector: ./shop.yaml, streams: {{ orders: {{ poll: 1h }} }} }}\n\
             destinations:\n  app: {{ http: {{ url: \"{}\", unsigned: true }} }}\n  \
             later: {{ http: {{ url: \"{}\", unsigned: true }} }}\n  \
             failing: {{ http: {{ url: \"{}\", unsigned: true }}, retry: {{ fibonacci: 1s, attempts: 1 }} }}\n\
             routes:\n  - {{ from: github, to: app }}\n  - {{ from: github, to: later, when: \"data.issue.id < 8\" }}\n  \
             - {{ from: github, to: failing, when: \"data.issue.id = 3\" }}\n  - {{ from: shop, to: app }}\n  \
             - {{ from: wiki, to: app }}\n",
            app.url(),
            later.url(),
            failing.url(),
        ));
        Self { folder, shop, app, later, failing }
    }

    /// `serve` on this store, with the one configuration.
    fn serve_on(&self, store: &str, key: &str) -> Command {
        let mut command = serve(&self.folder);
        command.args(["--store", store]).env("TRIREME_ADMIN_KEY", ADMIN_KEY).env("TRIREME_MASTER_KEY", key);
        command
    }

    /// Orders asked for, by the time from which on.
    fn asked_since(&self) -> Vec<String> {
        let since = |request: &Value| request["query"].to_string();
        self.shop.requests().iter().map(since).collect()
    }
}

fn copy(from: &str, to: &str) -> Command {
    let mut command = trireme();
    command.args(["store", "copy", "--from", from, "--to", to]);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn webhook(gateway: &Gateway, number: u64) -> Value {
    let (headers, body) = github_webhook(number);
    let answer = post(gateway.address, "/in/github", &headers, body).await.expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["events"][0].clone()
}

async fn change(gateway: &Gateway, path: &str) -> Answer {
    let headers = [("authorization", format!("Bearer {ADMIN_KEY}")), ("content-type", "application/json".to_owned())];
    let answer = post(gateway.address, path, &headers, "{}").await.expect("an answer");
    assert!(answer.status.is_success(), "POST {path}: {answer:?}");
    answer
}

async fn page_changed(gateway: &Gateway, number: u64) -> u16 {
    let body = format!(r#"{{"id":"page-{number}","type":"page.content_updated"}}"#);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, TOKEN.as_bytes());
    let signature = data_encoding::HEXLOWER.encode(ring::hmac::sign(&key, body.as_bytes()).as_ref());
    let headers = [("x-notion-signature", format!("sha256={signature}"))];
    post(gateway.address, "/in/wiki", &headers, body).await.expect("an answer").status.as_u16()
}

/// What the API tells, as far as nothing goes on by itself.
async fn told(gateway: &Gateway) -> BTreeMap<String, Value> {
    let mut told = BTreeMap::new();
    let lists = [
        "events?limit=500",
        "deliveries?limit=500",
        "dead-letters",
        "requests?verdict=rejected",
        "routes",
        "alerts",
        "replays",
        "runs?limit=10",
        "sources/wiki/pairing",
    ];
    for path in lists {
        let answer = gateway.api(&format!("/api/v1/{path}")).await.json();
        // Beside some lists stand figures, which are written a while after what they count.
        let list = answer.get("data").cloned().unwrap_or(answer);
        told.insert(path.to_owned(), list);
    }
    let events = told["events?limit=500"].as_array().expect("a list").clone();
    for id in events.iter().filter_map(|event| event["id"].as_str()) {
        let mut event = gateway.api(&format!("/api/v1/events/{id}")).await.json();
        // Those of one moment are shown in the order of their making, or of their ids.
        let deliveries = event["deliveries"].as_array_mut().expect("a list");
        deliveries.sort_by_key(|delivery| delivery["id"].to_string());
        told.insert(id.to_owned(), event);
    }
    let letters = told["dead-letters"].as_array().expect("a list").clone();
    for id in letters.iter().filter_map(|letter| letter["id"].as_str()) {
        told.insert(id.to_owned(), gateway.api(&format!("/api/v1/deliveries/{id}")).await.json());
    }
    told
}

/// Lives a while: much is delivered, some waits, one is dead, a secret was handed over, a stream was read.
async fn live(town: &Town, gateway: &Gateway) {
    change(gateway, "/api/v1/sources/wiki/pair").await;
    let handed = json!({ "verification_token": TOKEN }).to_string();
    assert_eq!(post(gateway.address, "/in/wiki", &[], handed).await.expect("an answer").status, 200);
    assert_eq!(page_changed(gateway, 1).await, 200);
    change(gateway, "/api/v1/destinations/later/pause").await;
    for number in 0..DELIVERED {
        assert_eq!(webhook(gateway, number).await["duplicate"], false);
    }
    let (headers, _) = github_webhook(1);
    assert_eq!(post(gateway.address, "/in/github", &headers, "forged").await.expect("an answer").status, 401);
    town.app.has_got(usize::try_from(DELIVERED).expect("few") + 1).await;
    eventually("one is dead, and nothing is under way", async || {
        let dead = gateway.api("/api/v1/dead-letters").await.json()["data"].as_array().map(Vec::len);
        let flying = gateway.api("/api/v1/deliveries?state=in_flight").await.json()["data"].as_array().map(Vec::len);
        (dead == Some(1) && flying == Some(0)).then_some(())
    })
    .await;
    eventually("the stream was read once", async || {
        let streams: Value = serde_json::from_str(&gateway.run(&["streams", "--json"])).expect("JSON");
        streams["data"][0]["baseline_at"].is_string().then_some(())
    })
    .await;
    assert_eq!(town.later.got().len(), 0, "what it is owed is held");
}

/// Begins the copy, kills it among the events, and finds that nothing starts on half a store.
async fn copy_with_a_kill(town: &Town, from: &str, to: &str, key: &str, events_there: impl Fn() -> bool) -> Value {
    let mut begun = Process::start(copy(from, to).args(["--batch", "1"]), town.folder.path());
    eventually("some events are there", async || events_there().then_some(())).await;
    assert!(!begun.has_ended(), "it was too quick to be killed: {}", begun.log());
    begun.signal(Signal::KILL);
    begun.ended();
    let mut early = Process::start(&mut town.serve_on(to, key), town.folder.path());
    assert_eq!(early.exit_code().await, Some(3));
    let log = early.log();
    assert!(log.contains("store_copy_unfinished") && log.contains("trireme store copy"), "{log}");
    let finished = copy(from, to).arg("--json").output().expect("it runs");
    // A killed copy counts as a node of a shared store for as long as its lease.
    let finished = if said(&finished).contains("store_in_use") {
        eventually("the killed one is forgotten", async || {
            let again = copy(from, to).arg("--json").output().expect("it runs");
            (!said(&again).contains("store_in_use")).then_some(again)
        })
        .await
    } else {
        finished
    };
    assert!(finished.status.success(), "{}", said(&finished));
    assert!(said(&finished).contains("Goes on with the copy"), "{}", said(&finished));
    serde_json::from_slice(&finished.stdout).expect("JSON")
}

/// On the new store everything is as it was, goes on, and is not done twice.
async fn assert_goes_on(town: &Town, gateway: &Gateway, before: &BTreeMap<String, Value>) {
    for (path, now) in told(gateway).await {
        assert_eq!(now, before[&path], "{path}");
    }
    // A poll looks a few seconds further back than where the last one ended.
    let (delivered, asked) = (town.app.messages(), town.asked_since());
    let again = webhook(gateway, 1).await;
    assert_eq!(again["duplicate"], true, "a sender's repetition is known");
    assert_eq!(page_changed(gateway, 2).await, 200, "the secret that was handed over is trusted");
    change(gateway, "/api/v1/destinations/later/resume").await;
    town.later.has_got(8).await;
    change(gateway, "/api/v1/sources/shop/connections/default/streams/orders/poll").await;
    eventually("the new order, and the page", async || {
        (town.app.messages().len() == delivered.len() + 2).then_some(())
    })
    .await;
    assert!(town.app.messages().values().all(|times| *times == 1), "nothing came twice");
    assert!(town.later.messages().values().all(|times| *times == 1), "nothing came twice");
    assert_eq!(town.failing.got().len(), 1, "the dead one stays so");
    let asked_now = town.asked_since();
    assert!(
        asked_now.len() > asked.len()
            && asked_now[asked.len()..].iter().all(|query| query.contains("2026-01-04T23:59:50Z")),
        "it goes on from its checkpoint: {asked_now:?}"
    );
}

#[tokio::test]
async fn a_gateway_moves_to_postgresql_and_back_and_nobody_notices() {
    let town = Town::new().await;
    let gateway = Gateway::start(&town.folder);
    live(&town, &gateway).await;
    let file = format!("sqlite:{}", town.folder.data().join("trireme.db").display());
    let database = Database::new();

    let refused = copy(&file, &database.address()).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(3));
    assert!(said(&refused).contains(&format!("kill {}", gateway.process.pid())), "{}", said(&refused));
    let before = told(&gateway).await;
    gateway.stop();

    let key = std::fs::read_to_string(town.folder.data().join("master.key")).expect("the key").trim().to_owned();
    let there = || database.sql("SELECT count(*) FROM events").parse::<u64>().is_ok_and(|events| events > 10);
    let report = copy_with_a_kill(&town, &file, &database.address(), &key, there).await;
    let (rows, copied) = (report["rows"].as_u64().expect("rows"), report["copied"].as_u64().expect("copied"));
    assert!(copied < rows && rows > 4 * DELIVERED, "what was there stayed: {copied} of {rows}");
    assert!(report["tables"].as_array().is_some_and(|tables| tables.iter().all(|table| table["equal"] == true)));
    assert!(report["master_key"].as_str().is_some_and(|id| !key.contains(id)), "{report}");

    let gateway = Gateway::of(&mut town.serve_on(&database.address(), &key), &town.folder);
    assert_goes_on(&town, &gateway, &before).await;
    let twice = copy(&file, &database.address()).output().expect("it runs");
    assert!(twice.status.code() == Some(3) && said(&twice).contains("nodes run on"), "{}", said(&twice));
    let before = told(&gateway).await;
    gateway.stop();

    let twice = copy(&file, &database.address()).output().expect("it runs");
    assert!(twice.status.code() == Some(3) && said(&twice).contains("is not empty"), "{}", said(&twice));
    let home = format!("sqlite:{}", town.folder.path().join("home.db").display());
    let back = copy(&database.address(), &home).output().expect("it runs");
    assert!(back.status.success(), "{}", said(&back));
    let told_of_it = String::from_utf8_lossy(&back.stdout).into_owned();
    assert!(told_of_it.contains("TABLE\tROWS\tDIGEST\tBOTH") && told_of_it.contains("\tequal"), "{told_of_it}");
    let gateway = Gateway::of(&mut town.serve_on(&home, &key), &town.folder);
    for (path, now) in told(&gateway).await {
        assert_eq!(now, before[&path], "{path}");
    }
    assert_eq!(webhook(&gateway, 2).await["duplicate"], true);
    assert_eq!(webhook(&gateway, DELIVERED + 1).await["duplicate"], false);
    gateway.stop();
}

#[tokio::test]
async fn the_commands_of_the_guide_move_a_gateway() {
    let guide = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/scale.md");
    let guide = std::fs::read_to_string(guide).expect("the guide");
    let shown = guide.split("```").find(|block| block.starts_with("sh\n") && block.contains("trireme store copy"));
    let (folder, database) = (Folder::new(), Database::new());
    folder.configure(NOBODY);
    let gateway = Gateway::start(&folder);
    assert_eq!(webhook(&gateway, 1).await["duplicate"], false);
    gateway.stop();
    let mut script = String::from("set -eu; PATH=\"$PROGRAMS:$PATH\"\n");
    for line in shown.expect("it shows how").lines().skip(1).filter(|line| !line.starts_with("systemctl")) {
        let line = line.split("  #").next().unwrap_or_default().replace("/var/lib/trireme", "data");
        script.push_str(&match line.trim() {
            line if line.starts_with("trireme serve") => format!("exec {line} --data data --json --listen 127.0.0.1:0"),
            line if line.starts_with("trireme store") => format!("{line} > copied.txt"),
            line => line.to_owned(),
        });
        script.push('\n');
    }
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_trireme")).parent().expect("a folder");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(&script).current_dir(folder.path()).env("PROGRAMS", programs);
    shell.env("TRIREME_STORE", database.address()).env("TRIREME_ADMIN_KEY", ADMIN_KEY);
    let gateway = Gateway::of(&mut shell, &folder);
    assert_eq!(webhook(&gateway, 1).await["duplicate"], true, "{script}");
    let copied = std::fs::read_to_string(folder.path().join("copied.txt")).expect("what it said");
    assert!(copied.contains("events\t1\t"), "{copied}");
    gateway.stop();
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused_with_a_reason_and_exit_code() {
    let (folder, database) = (Folder::new(), Database::new());
    folder.configure(NOBODY);
    Gateway::start(&folder).stop();
    let (own, newer) = (folder.data().join("trireme.db"), folder.path().join("newer.db"));
    std::fs::copy(&own, &newer).expect("it is stopped");
    let connection = rusqlite::Connection::open(&newer).expect("a database");
    connection.pragma_update(None, "user_version", 1_000).expect("ours");
    drop(connection);
    let (own, newer) = (format!("sqlite:{}", own.display()), format!("sqlite:{}", newer.display()));
    let nowhere = "postgres://trireme:geheim@127.0.0.1:1/trireme";
    let missing = "sqlite:/nowhere/trireme.db";
    for (from, to, exit, says) in [
        (own.as_str(), own.as_str(), 2, "same store"),
        ("mysql://x", own.as_str(), 2, "--from"),
        (own.as_str(), "postgres", 2, "--to"),
        (missing, own.as_str(), 3, "there is no store at /nowhere"),
        (own.as_str(), nowhere, 3, "127.0.0.1:1/trireme"),
        (newer.as_str(), database.address().as_str(), 3, "run the newer version"),
        (database.address().as_str(), newer.as_str(), 3, "run the newer version"),
        (database.address().as_str(), own.as_str(), 3, "nothing was ever started"),
    ] {
        let refused = copy(from, to).output().expect("it runs");
        assert_eq!(refused.status.code(), Some(exit), "{from} {to}: {}", said(&refused));
        assert!(said(&refused).contains(says) && !said(&refused).contains("geheim"), "{from} {to}: {}", said(&refused));
    }
    // None of it left anything behind: the gateway starts as before.
    Gateway::start(&folder).stop();
}
