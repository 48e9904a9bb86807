//! The demo: what it prints works, and everything that it promises to show is shown.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::support::process::{Process, trireme};
use super::support::{Folder, eventually_blocking};

/// A demo on a free port, its announcement read.
struct Demo {
    process: Process,
    ready: Value,
    _folder: Folder,
}

impl Demo {
    fn start(rate: &str) -> Self {
        let folder = Folder::new();
        let mut command = trireme();
        command.args(["demo", "--json", "--listen", "127.0.0.1:0", "--rate", rate]);
        let mut process = Process::start(command.env("TMPDIR", folder.path()), folder.path());
        let ready: Value = serde_json::from_str(&process.line()).expect("JSON");
        assert_eq!(ready["what"], "ready");
        Self { process, ready, _folder: folder }
    }

    fn happening(&mut self) -> Value {
        serde_json::from_str(&self.process.line()).expect("JSON")
    }
}

#[test]
fn it_shows_everything_that_can_happen_to_a_webhook() {
    let mut demo = Demo::start("50");
    let mut missing: BTreeSet<&str> =
        ["accepted", "duplicate", "rejected", "delivered", "filtered", "failed", "dead"].into();
    while !missing.is_empty() {
        let happening = demo.happening();
        let what = happening["what"].as_str().expect("a word").to_owned();
        assert!(happening["id"].as_str().is_some_and(|id| id.contains('_')), "{happening}");
        missing.remove(what.as_str());
    }
}

#[test]
fn it_goes_on_with_the_data_of_a_demo_that_was_killed() {
    let folder = Folder::new();
    let mut known = Vec::new();
    for _ in 0..2 {
        let mut command = trireme();
        command.args(["demo", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("kept"));
        let mut process = Process::start(&mut command, folder.path());
        let ready: Value = serde_json::from_str(&process.line()).expect("JSON");
        assert_eq!(ready["what"], "ready", "{ready}");
        known.push(ready["api_key"].as_str().expect("a key").to_owned());
        while serde_json::from_str::<Value>(&process.line()).expect("JSON")["what"] != "delivered" {}
        process.signal(rustix::process::Signal::KILL);
    }
    assert_eq!(known[0], known[1]);
}

#[test]
fn every_command_that_it_prints_works_as_printed() {
    let mut demo = Demo::start("20");
    // So that there is something to list, and to try again.
    while demo.happening()["what"] != "dead" {}
    let hints = demo.ready["try"].as_array().expect("a list").clone();
    assert!(hints.len() >= 7, "{hints:?}");
    for hint in hints {
        let command = hint["command"].as_str().expect("a command");
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if command.contains(" tail ") {
            follows(shell, command);
            continue;
        }
        if command.contains(" listen ") {
            listens(command);
            continue;
        }
        let output = shell.output().expect("a shell");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command}\n{said}");
        assert!(!output.stdout.is_empty(), "{command} says nothing");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("\"status\":4"), "{command} was refused");
    }
}

/// A command that goes on until it is stopped: one line is what it promises.
fn follows(mut shell: Command, command: &str) {
    let folder = Folder::new();
    shell.args(["-c", &format!("exec {command}")]);
    let mut process = Process::start(Command::new("sh").args(["-c", &format!("exec {command}")]), folder.path());
    assert!(process.line().contains("evt_"), "{command}");
    process.signal(rustix::process::Signal::INT);
    assert!(process.ended().success(), "{command}: {}", process.log());
}

/// A command that says to what it listens, and goes on until it is stopped.
fn listens(command: &str) {
    let folder = Folder::new();
    let mut process = Process::start(Command::new("sh").args(["-c", &format!("exec {command}")]), folder.path());
    eventually_blocking("it listens", || process.log().contains("Listening to github").then_some(()));
    process.signal(rustix::process::Signal::INT);
    assert!(process.ended().success(), "{command}: {}", process.log());
}

#[test]
fn it_ends_by_ctrl_c_and_leaves_nothing_behind() {
    let mut demo = Demo::start("20");
    let data = std::path::PathBuf::from(demo.ready["data"].as_str().expect("a path"));
    assert!(data.join("trireme.yaml").exists());
    demo.happening();
    demo.process.signal(rustix::process::Signal::INT);
    assert_eq!(demo.process.ended().code(), Some(0), "{}", demo.process.log());
    eventually_blocking("the folder is gone", || (!data.exists()).then_some(()));
}

#[test]
fn a_taken_port_is_told_and_another_one_is_used() {
    let (folder, taken) = (Folder::new(), std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
    let address = taken.local_addr().expect("it is bound");
    let mut command = trireme();
    command.args(["demo", "--listen", &address.to_string()]).env("TMPDIR", folder.path());
    let mut process = Process::start(&mut command, folder.path());
    let first = process.line();
    assert!(first.starts_with("trireme demo listens on http://127.0.0.1:"), "{first}");
    assert!(!first.ends_with(&address.port().to_string()), "{first}");
    assert!(process.log().contains(&format!("Port {} is taken", address.port())));
    let mut lines = std::iter::from_fn(|| Some(process.line()));
    assert!(lines.by_ref().take(100).any(|line| line.contains("accepted")), "the view begins by itself");
}
