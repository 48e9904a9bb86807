//! Every command that the guide shows is run as it is written.
//!
//! Blocks are run in their order in one shell: `sh` must succeed, `sh background` runs until the end once it has said
//! its first line, `yaml FILE` and `json FILE` are written to that file. Only the ports are others, so that tests do not collide.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::destination::Destination;
use super::support::process::{Process, trireme};
use super::support::{Folder, eventually};

/// A fenced block: what stands behind the fence, and what is in it.
struct Block {
    kind: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide").join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let inside: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(Block { kind: kind.to_owned(), text: inside.join("\n") });
        }
    }
    assert!(blocks.iter().any(|block| block.kind == "sh"), "{page} shows no command");
    blocks
}

/// One shell script of all blocks.
fn script(blocks: &[Block], key: &str) -> String {
    // What runs in the background ends with the shell, however that ends.
    let mut script = String::from("set -eu; PIDS=; trap 'exit 1' TERM; trap 'kill $PIDS || :; wait' EXIT\n");
    for (number, block) in blocks.iter().enumerate() {
        match block.kind.split_once(' ') {
            Some(("yaml" | "json" | "py", file)) => {
                writeln!(script, "cat > {file} <<'END_OF_FILE'\n{}\nEND_OF_FILE", block.text).expect("a string");
            }
            Some(("sh", "background")) => {
                let out = format!("background-{number}");
                let wait =
                    format!("until test -s {out}; do kill -0 $! || {{ cat {out}.err >&2; exit 9; }}; sleep 0.05; done");
                let text = &block.text;
                writeln!(script, "{text} > {out} 2> {out}.err &\nPIDS=\"$PIDS $!\"; {wait}").expect("a string");
            }
            _ if block.kind == "sh" => writeln!(script, "{}", block.text).expect("a string"),
            _ => {}
        }
    }
    script.replace("trk_…", key)
}

/// Variables that commands use before any of them sets them. The test has some of these names, a reader has not.
fn unset(blocks: &[Block]) -> Vec<String> {
    let is_of_name = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    let mut set = BTreeSet::from(["PATH", "HOME", "PWD"]);
    let mut missing = Vec::new();
    let commands = blocks.iter().filter(|block| block.kind.split(' ').next() == Some("sh"));
    for line in commands.flat_map(|block| block.text.lines()) {
        for (at, _) in line.match_indices('$') {
            let rest = line[at + 1..].trim_start_matches('{');
            let name = &rest[..rest.find(|letter| !is_of_name(letter)).unwrap_or(rest.len())];
            if name.starts_with(|letter: char| letter.is_ascii_uppercase()) && !set.contains(name) {
                missing.push(name.to_owned());
            }
        }
        set.extend(line.match_indices('=').map(|(at, _)| {
            let before = &line[..at];
            &before[before.rfind(|letter| !is_of_name(letter)).map_or(0, |last| last + 1)..]
        }));
    }
    missing
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.expect("a port").port()
}

async fn run(page: &str, destination: &Destination) {
    const KEY: &str = "trk_admin_00000000000000000000000000000000";
    let (folder, port) = (Folder::new(), free_port());
    let blocks = blocks(page);
    assert_eq!(unset(&blocks), [""; 0], "{page} uses variables that no step sets");
    let script = script(&blocks, KEY);
    let script = script.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
    let script = script.replace("127.0.0.1:3000", &destination.address.to_string());
    let source = free_port();
    let script = script.replace("127.0.0.1:4000", &format!("127.0.0.1:{source}"));
    let script = script.replace("http.server 4000", &format!("http.server {source}"));
    let script = script.replace("shop.py 4000", &format!("shop.py {source}"));
    let binary = PathBuf::from(trireme().get_program());
    // `$PATH` is the shell's: the script puts the binary's folder before it.
    let script = format!("PATH={}:$PATH\n{script}", binary.parent().expect("a folder").display());
    let mut command = Command::new("sh");
    command.args(["-xc", &script]).current_dir(folder.path());
    command.env("TRIREME_LISTEN", format!("127.0.0.1:{port}")).env("TRIREME_URL", format!("http://127.0.0.1:{port}"));
    command.env("TRIREME_ADMIN_KEY", KEY);
    let mut shell = Shell(Process::start(&mut command, folder.path()));
    let status = eventually(&format!("the end of {page}"), async || shell.0.try_ended()).await;
    assert!(status.success(), "{page} ended with {status}:\n{}", shell.0.log());
}

/// Told to end and waited for, so that it can end what it runs.
struct Shell(Process);

impl Drop for Shell {
    fn drop(&mut self) {
        if !self.0.has_ended() {
            self.0.signal(rustix::process::Signal::TERM);
            self.0.ended();
        }
    }
}

#[tokio::test]
async fn getting_started_works_as_written() {
    let destination = Destination::start().await;
    run("getting-started.md", &destination).await;
    assert!(!destination.got().is_empty(), "the webhook was delivered");
}

#[tokio::test]
async fn the_audit_log_works_as_written() {
    run("audit.md", &Destination::start().await).await;
}

#[tokio::test]
async fn a_sender_of_ones_own_works_as_written() {
    run("providers.md", &Destination::start().await).await;
}

#[tokio::test]
async fn a_connector_of_ones_own_works_as_written() {
    run("connectors.md", &Destination::start().await).await;
}

#[tokio::test]
async fn alerts_work_as_written() {
    let destination = Destination::start().await;
    run("alerts.md", &destination).await;
    let told = destination.got();
    let kinds: Vec<_> =
        told.iter().filter_map(|got| serde_json::from_slice::<serde_json::Value>(&got.body).ok()).collect();
    let kinds: Vec<_> = kinds.iter().map(|body| format!("{} {}", body["type"], body["data"]["kind"])).collect();
    assert_eq!(kinds[..2], [r#""alert.opened" "test""#, r#""alert.opened" "dead_letters""#], "{kinds:?}");
    assert!(told.iter().all(|got| got.headers.contains_key("webhook-signature")));
}

#[tokio::test]
async fn polling_works_as_written() {
    run("polling.md", &Destination::start().await).await;
}

#[tokio::test]
async fn fetching_works_as_written() {
    run("enrich.md", &Destination::start().await).await;
}

#[tokio::test]
async fn subscribing_works_as_written() {
    run("subscriptions.md", &Destination::start().await).await;
}

#[tokio::test]
async fn learning_schemas_works_as_written() {
    run("schemas.md", &Destination::start().await).await;
}

#[tokio::test]
async fn working_locally_works_as_written() {
    let program = Destination::start().await;
    run("local.md", &program).await;
    let got = program.got();
    let heard = got.iter().filter(|got| got.headers.contains_key("webhook-signature")).count();
    assert_eq!((got.len(), heard), (2, 1), "one was delivered, and the same was brought by the listener");
}

#[tokio::test]
async fn explaining_works_as_written() {
    run("explain.md", &Destination::start().await).await;
}

#[tokio::test]
async fn operating_works_as_written() {
    run("operate.md", &Destination::start().await).await;
}

#[test]
fn a_variable_that_no_step_sets_is_found() {
    let block = |kind: &str, text: &str| Block { kind: kind.to_owned(), text: text.to_owned() };
    let page = [
        block("yaml trireme.yaml", "secret: ${SECRET}"),
        block("sh background", "export KEY=$(cat key)\nTOKEN=$KEY trireme serve"),
        block("sh", "curl \"$TRIREME_URL/${TOKEN}\" | grep '$exists' | sed $HOME\nTRIREME_URL=x\necho $TRIREME_URL"),
        block("text", "echo $NOBODY"),
    ];
    assert_eq!(unset(&page), ["TRIREME_URL"]);
}

#[test]
fn the_service_unit_starts_the_gateway() {
    let blocks = blocks("operate.md");
    let unit = blocks.iter().find(|block| block.kind == "ini trireme.service").expect("a service unit");
    let start = unit.text.lines().find_map(|line| line.strip_prefix("ExecStart=trireme ")).expect("a command");
    let output = trireme().args(start.split(' ')).arg("--help").output().expect("the binary can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
