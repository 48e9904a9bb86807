//! The audit log from outside: whoever changes, removes or cuts off entries in the store is told by name, a process
//! that is killed leaves a chain that holds, nodes vouch for one another, and addresses are those of the clients.

use std::path::Path;
use std::process::Output;

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};
use store_postgres::testkit::Database;

use super::support::destination::Destination;
use super::support::http::post;
use super::support::process::{ADMIN_KEY, Gateway, serve};
use super::support::{Folder, NOBODY, eventually, github_webhook};

const MASTER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Pauses or resumes the destination `app`, which is two entries.
async fn act(gateway: &Gateway, verb: &str) -> std::io::Result<http::StatusCode> {
    let headers = [
        ("authorization", format!("Bearer {}", gateway.key)),
        ("content-type", "application/json".to_owned()),
        // Trusted or not, by the configuration.
        ("x-forwarded-for", "198.51.100.7, 203.0.113.9".to_owned()),
    ];
    let path = format!("/api/v1/destinations/app/{verb}");
    post(gateway.address, &path, &headers, json!({}).to_string()).await.map(|answer| answer.status)
}

async fn acted(gateway: &Gateway, verb: &str) {
    assert_eq!(act(gateway, verb).await.expect("an answer"), 200, "{verb}");
}

/// Verifies what the gateway exports, with the master key; gives whether it holds and what is said.
fn verify(gateway: &Gateway, more: &[&str]) -> (bool, String) {
    let mut command = gateway.command(&["audit", "verify"]);
    let Output { status, stdout, stderr } = command.args(more).output().expect("it runs");
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(status.success() || said.contains("audit_broken") || said.contains("does not hold"), "{said}");
    (status.success(), said)
}

fn copy_of(data: &Path, name: &str) -> Folder {
    let folder = Folder::new();
    folder.configure(NOBODY);
    std::fs::create_dir_all(folder.data()).expect("the folder is ours");
    for entry in std::fs::read_dir(data).expect("it is there") {
        let entry = entry.expect("it is there");
        if entry.file_type().expect("it has one").is_file() {
            std::fs::copy(entry.path(), folder.data().join(entry.file_name())).expect(name);
        }
    }
    folder
}

/// A gateway on a SQLite file of its own did things, and ended: its folder, and its chain's name.
async fn written() -> (Folder, String) {
    let folder = Folder::new();
    folder.configure(NOBODY);
    let gateway = Gateway::start(&folder);
    for verb in ["pause", "resume", "pause", "resume"] {
        acted(&gateway, verb).await;
    }
    let (holds, said) = verify(&gateway, &[]);
    assert!(holds && said.contains("signatures not verified"), "{said}");
    let page = gateway.api("/api/v1/audit?limit=1").await.json();
    let node = page["data"][0]["node"].as_str().expect("a name").to_owned();
    gateway.stop();
    (folder, node)
}

#[tokio::test]
async fn whoever_touches_the_log_in_the_file_is_told_by_the_numbers_of_the_entries() {
    let (folder, node) = written().await;
    let cut = "DELETE FROM audit WHERE sequence > 6;";
    let lower = "UPDATE audit_chains SET sequence = 6, digest = (SELECT digest FROM audit WHERE sequence = 6);";
    let cases = [
        ("nothing", String::new(), None),
        (
            "a changed entry",
            "UPDATE audit SET object = 'x' WHERE sequence = 5".into(),
            Some("entry 5 of {} was changed"),
        ),
        ("an entry taken out", "DELETE FROM audit WHERE sequence = 5".into(), Some("entry 5 of {} is missing")),
        ("the end cut off", cut.into(), Some("entries 7 to 14 of {} are missing")),
        // Its successor went on behind the entry that is the last one now, so the numbers are whole.
        ("the end cut off, and its mark with it", format!("{cut}{lower}"), Some("is not the one that {} knew")),
        ("statements taken out", "DELETE FROM audit_statements".into(), None),
    ];
    for (name, tamper, expected) in cases {
        let copy = copy_of(&folder.data(), name);
        let database = rusqlite::Connection::open(copy.data().join("trireme.db")).expect("the store");
        database.execute_batch(&tamper).expect(name);
        drop(database);
        let gateway = Gateway::start(&copy);
        for verb in ["pause", "resume", "pause"] {
            acted(&gateway, verb).await;
        }
        let key = copy.data().join("master.key");
        let (holds, said) = verify(&gateway, &["--master-key", key.to_str().expect("text")]);
        match expected {
            None => assert!(holds && said.contains("signatures verified"), "{name}: {said}"),
            Some(expected) => assert!(!holds && said.contains(&expected.replace("{}", &node)), "{name}: {said}"),
        }
        let export = gateway.command(&["audit", "export"]).output().expect("it runs");
        assert!(export.status.success(), "{name}: what does not hold can be taken away all the same");
    }
}

#[tokio::test]
async fn a_gateway_that_is_killed_in_the_middle_leaves_a_log_that_holds() {
    let (folder, destination) = (Folder::new(), Destination::start().await);
    folder.configure(&destination.url());
    let mut begun = 0;
    for round in 1..=3 {
        let gateway = Gateway::start(&folder);
        let calls = join_all((0..24).map(|number| act(&gateway, if number % 2 == 0 { "pause" } else { "resume" })));
        let kill = async {
            eventually("some are written down", async || {
                let listed = gateway.api("/api/v1/audit?action=destination.*&limit=500").await.json();
                (listed["data"].as_array().expect("a list").len() > begun).then_some(())
            })
            .await;
            gateway.process.signal(Signal::KILL);
        };
        tokio::join!(calls, kill);
        drop(gateway);
        let gateway = Gateway::start(&folder);
        let key = folder.data().join("master.key");
        let (holds, said) = verify(&gateway, &["--master-key", key.to_str().expect("text")]);
        assert!(holds, "round {round}: {said}");
        let listed = gateway.api("/api/v1/audit?action=destination.*&limit=500").await.json();
        begun = listed["data"].as_array().expect("a list").len();
        println!("round {round}: {begun} listed, {}", said.trim());
        gateway.process.signal(Signal::KILL);
    }
    assert!(begun >= 3, "each round wrote something");
    let gateway = Gateway::start(&folder);
    acted(&gateway, "resume").await;
    let (headers, body) = github_webhook(1);
    assert_eq!(post(gateway.address, "/in/github", &headers, body).await.expect("an answer").status, 200);
    destination.has_got(1).await;
}

/// The lines of an export of one kind.
fn lines(export: &str, kind: &str) -> Vec<Value> {
    let lines = export.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|line| line["kind"] == kind).collect()
}

#[tokio::test]
async fn nodes_on_postgresql_vouch_for_one_anothers_chains() {
    let database = Database::new();
    let (one, two) = (Folder::new(), Folder::new());
    let node = |folder: &Folder, name: &str| {
        folder.configure(NOBODY);
        let mut command = serve(folder);
        command.args(["--store", &database.address(), "--node", name]).env("TRIREME_MASTER_KEY", MASTER_KEY);
        Gateway::of(command.env("TRIREME_ADMIN_KEY", ADMIN_KEY), folder)
    };
    let (first, second) = (node(&one, "first"), node(&two, "second"));
    join_all((0..12).map(|number| act(if number % 2 == 0 { &first } else { &second }, "resume"))).await;
    // It says once more where all chains end before it ends itself.
    second.stop();
    let export = first.run(&["audit", "export"]);
    let said = lines(&export, "statement");
    let by_second: Vec<&Value> = said.iter().filter(|line| line["signer"] == "second").collect();
    assert_eq!(by_second.len(), 1, "{said:?}");
    let heads: Vec<&str> =
        by_second[0]["heads"].as_array().expect("a list").iter().filter_map(|head| head["node"].as_str()).collect();
    assert_eq!(heads, ["first", "second"]);
    let verified = |gateway: &Gateway| {
        let mut command = gateway.command(&["audit", "verify"]);
        let output = command.env("TRIREME_MASTER_KEY", MASTER_KEY).output().expect("it runs");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (holds, text) = verified(&first);
    assert!(holds && text.contains("signatures verified"), "{text}");
    let entries = lines(&export, "entry");
    let of = |name: &str| entries.iter().filter(|line| line["node"] == name).count();
    assert!(of("first") >= 14 && of("second") >= 14, "each writes its own: {} and {}", of("first"), of("second"));
    // Somebody with the database cuts off what the first one wrote, and makes it look as if that were all.
    let cut = "DELETE FROM audit WHERE node = 'first' AND sequence > 4; \
        UPDATE audit_chains SET sequence = 4, digest = (SELECT digest FROM audit WHERE node = 'first' AND sequence = 4) \
        WHERE node = 'first'; SELECT count(*) FROM audit WHERE node = 'first'";
    assert_eq!(database.sql(cut), "4");
    let (holds, text) = verified(&first);
    assert!(!holds && text.contains("chain of first ends at") && text.contains("second knew its entry"), "{text}");
}

#[tokio::test]
async fn addresses_are_the_clients_where_the_proxy_is_trusted_and_the_peers_elsewhere() {
    for (config, expected) in [("trusted_proxies: [127.0.0.0/8]\n", "203.0.113.9"), ("", "127.0.0.1")] {
        let folder = Folder::new();
        folder.write_config(&format!("{config}{}", super::support::config_to(NOBODY)));
        let gateway = Gateway::start(&folder);
        acted(&gateway, "pause").await;
        for key in ["trk_admin_wrong", ADMIN_KEY] {
            let headers = [
                ("content-type", "application/x-www-form-urlencoded".to_owned()),
                ("sec-fetch-site", "same-origin".to_owned()),
                ("x-forwarded-for", "198.51.100.7, 203.0.113.9".to_owned()),
            ];
            let answer = post(gateway.address, "/login", &headers, format!("key={key}")).await.expect("an answer");
            assert_eq!(answer.status, if key == ADMIN_KEY { 303 } else { 401 });
        }
        let text = gateway.run(&["audit", "list"]);
        let line = |action: &str, outcome: &str| {
            let found = text.lines().find(|line| line.contains(action) && line.contains(outcome));
            found.unwrap_or_else(|| panic!("no {action} {outcome} in\n{text}")).to_owned()
        };
        for line in [line("destination.pause", "done"), line("session.begin", "refused"), line("session.begin", "done")]
        {
            assert!(line.contains(expected), "{config}: {line}");
        }
        assert!(!text.contains("trk_admin_wrong") && !text.contains(ADMIN_KEY), "a key stands in the log:\n{text}");
        let export = gateway.run(&["audit", "export"]);
        assert!(!export.contains("trk_admin_wrong") && !export.contains(ADMIN_KEY), "a key stands in the export");
        gateway.stop();
    }
}
