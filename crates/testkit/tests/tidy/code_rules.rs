//! Invariants of ARCHITECTURE.md that show as words in the code: who may speak SQL, dial out, read time or the
//! environment. Tests and the crates that serve them are free.

use super::assert_none;
use super::source_tree::rust_files;

struct Rule {
    /// Any of these in a line of code breaks the rule.
    words: &'static [&'static str],
    /// Path prefixes where they are at home.
    home: &'static [&'static str],
    why: &'static str,
    instead: &'static str,
}

impl Rule {
    fn check(&self) {
        let mut findings = Vec::new();
        for file in rust_files().filter(|file| !file.is_for_tests()) {
            if self.home.iter().any(|prefix| file.path.starts_with(prefix)) {
                continue;
            }
            for (number, line) in file.code() {
                if self.words.iter().any(|word| line.contains(word)) {
                    findings.push(format!("{}:{number}: {}", file.path, line.trim()));
                }
            }
        }
        assert_none(&findings, self.why, self.instead);
    }
}

#[test]
fn only_store_drivers_speak_sql() {
    Rule {
        words: &["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE ", "CREATE INDEX ", "PRAGMA ", "rusqlite::"],
        home: &["crates/store_"],
        why: "SQL outside store_* ties the pipeline to one database; the next one would then have to imitate it.",
        instead: "add a verb to the Store trait, with its case in the conformance suite, and write the SQL in each driver",
    }
    .check();
}

#[test]
fn only_the_transport_dials_out() {
    Rule {
        words: &[
            "TcpStream::connect",
            "TcpSocket::",
            "UnixStream::connect",
            "UdpSocket::",
            "hyper::client",
            "hyper_util::client",
            "lookup_host",
            "to_socket_addrs",
        ],
        home: &["crates/engine/src/transport", "crates/trireme/src/client", "bench/"],
        why: "every address rule (private ranges, rebinding, pins, size caps) lives in engine::transport: a socket opened \
              elsewhere escapes all of them. The command line reaches only the gateway it is told of, the load tool its own.",
        instead: "send an OutboundRequest through Transport, or take the stream it dials",
    }
    .check();
}

#[test]
fn only_the_clock_reads_time() {
    Rule {
        words: &[
            "SystemTime::now",
            "Instant::now",
            "Timestamp::now()",
            "Zoned::now",
            "tokio::time::",
            "thread::sleep",
            "park_timeout",
        ],
        home: &[
            "crates/engine/src/clock",
            "crates/store_sqlite/src/lock.rs",
            "crates/store/src/patience.rs",
            "crates/store_postgres/src/perform.rs",
            "bench/",
        ],
        why: "simulation owns time: what reads or waits for the real clock cannot be replayed from a seed. The load tool \
              measures real time, the wait for the store's file lock comes before there is an engine, and how long a search \
              or a silent database is waited for decides nothing that is stored.",
        instead: "take a Clock, or `now: Timestamp` as an argument",
    }
    .check();
}

#[test]
fn the_engine_leaves_nothing_to_the_runtimes_chance() {
    let in_the_engine = |path: &str| path.starts_with("crates/engine/") || path.starts_with("crates/store_sqlite/");
    let mut findings = Vec::new();
    for file in rust_files().filter(|file| !file.is_for_tests() && in_the_engine(&file.path)) {
        let lines: Vec<(usize, &str)> = file.code().collect();
        for (place, (number, line)) in lines.iter().enumerate() {
            let next = lines.get(place + 1).map_or("", |(_, next)| next.trim());
            if line.contains("sync::watch") || line.contains("select! {") && next != "biased;" {
                findings.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    assert_none(
        &findings,
        "an unbiased `select!` and the order in which `tokio::sync::watch` wakes are drawn by lot, from no seed: a \
         simulation that found something could not be run again.",
        "begin the `select!` with `biased;`, and take `engine::latest`",
    );
}

#[test]
fn only_the_binary_reads_the_environment() {
    Rule {
        words: &["env::var", "env::vars", "env::args", "env::set_var", "env::current_dir", "env::current_exe"],
        // Cargo tells a build script by the environment where to write; a throw-away server is a test's own.
        home: &["crates/trireme/", "bench/", "crates/connectors/build.rs", "crates/store_postgres/src/testkit.rs"],
        why: "a setting read deep inside is in no config file, no `trireme check` and no reference page.",
        instead: "read it in crates/trireme/src/config, then hand a typed value to one constructor",
    }
    .check();
}

#[test]
fn lints_are_expected_with_a_reason_not_switched_off() {
    Rule {
        words: &["#[allow(", "#![allow("],
        home: &[],
        why: "`allow` stays when its cause is gone, and says nothing.",
        instead: "`#[expect(lint, reason = \"…\")]`, which warns once it is not needed any more",
    }
    .check();
}

#[test]
fn every_rust_file_says_what_it_is_for() {
    let findings: Vec<String> = rust_files()
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| format!("{}: begins with {:?}", file.path, file.text.lines().next().unwrap_or_default()))
        .collect();
    assert_none(
        &findings,
        "A reader who opens a file in the middle of the night must learn from its first lines whether it is the right one.",
        "begin it with one to three `//!` lines: what it is for and what it must never do",
    );
}
