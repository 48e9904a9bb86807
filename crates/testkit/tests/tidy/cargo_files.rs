//! The direction rule and the bans, read from Cargo.toml and Cargo.lock.

use std::collections::BTreeMap;

use super::assert_none;
use super::source_tree::{SourceFile, files};

/// Every crate of ours and what of ours it may depend on. Downwards only, and never two stores from the pipeline.
const DIRECTION: [(&str, &[&str]); 12] = [
    ("domain", &[]),
    ("connectors", &["domain"]),
    ("store", &["domain"]),
    ("store_sqlite", &["store", "domain"]),
    ("store_postgres", &["store", "domain"]),
    ("engine", &["connectors", "store", "domain"]),
    ("api", &["engine", "connectors", "store", "domain"]),
    ("dashboard", &["engine", "store", "domain"]),
    ("bench", &[]),
    ("testkit", &["engine", "connectors", "store_sqlite", "store_postgres", "store", "domain"]),
    ("fuzz", &["api", "engine", "connectors", "store", "domain"]),
    (
        "trireme",
        &["api", "dashboard", "engine", "connectors", "store_sqlite", "store_postgres", "store", "domain", "bench"],
    ),
];

/// Crates of others that would break an invariant of these, which are pure or have one way to the world.
const OUT_OF_PLACE: [(&str, &[&str]); 6] = [
    ("domain", &["tokio", "hyper", "rusqlite", "tokio-postgres", "axum", "getrandom", "socket2", "rustix", "tracing"]),
    ("connectors", &["tokio", "hyper", "hyper-util", "rusqlite", "axum", "socket2", "rustix"]),
    ("store", &["tokio", "hyper", "rusqlite", "axum", "socket2"]),
    ("engine", &["rusqlite", "tokio-postgres", "axum", "clap"]),
    ("api", &["rusqlite", "tokio-postgres", "tokio-rustls", "clap"]),
    ("dashboard", &["rusqlite", "tokio-rustls", "clap"]),
];

/// What may not be in the lock file, and of what only one version may be.
const BANNED: [&str; 5] = ["openssl-sys", "native-tls", "aws-lc-sys", "aws-lc-rs", "reqwest"];
const ONE_VERSION: [&str; 3] = ["rustls", "ring", "libsqlite3-sys"];

#[test]
fn crates_depend_downwards_only() {
    let mut findings = Vec::new();
    for (name, manifest) in manifests() {
        let Some((_, below)) = DIRECTION.iter().find(|(known, _)| *known == name) else {
            findings.push(format!("{}: the crate {name} has no place in DIRECTION yet", manifest.path));
            continue;
        };
        let ours = |dependency: &&String| DIRECTION.iter().any(|(known, _)| known == dependency);
        for dependency in dependencies(&manifest.text).iter().filter(ours) {
            if !below.contains(&dependency.as_str()) {
                findings.push(format!("{}: {name} depends on {dependency}", manifest.path));
            }
        }
    }
    assert_none(
        &findings,
        "Layers point one way (ARCHITECTURE.md), so that each can be read, tested and replaced without those above it.",
        "move the code down to the layer that both need, or pass what is needed as an argument; tests may use dev-dependencies",
    );
}

#[test]
fn pure_crates_stay_pure() {
    let manifests = manifests();
    let mut findings = Vec::new();
    for (name, banned) in OUT_OF_PLACE {
        let manifest = manifests[name];
        for dependency in dependencies(&manifest.text).iter().filter(|found| banned.contains(&found.as_str())) {
            findings.push(format!("{}: {dependency}", manifest.path));
        }
    }
    assert_none(
        &findings,
        "domain and connectors decide without clock, disk or network; SQL is the drivers', HTTP serving is the api's.",
        "decide in the pure crate and act in engine, a store driver or the binary",
    );
}

#[test]
fn every_crate_takes_its_lints_and_versions_from_the_workspace() {
    let mut findings = Vec::new();
    for manifest in manifests().values() {
        if !manifest.text.contains("[lints]\nworkspace = true") {
            findings.push(format!("{}: no `[lints] workspace = true`", manifest.path));
        }
        for line in dependency_lines(&manifest.text).filter(|line| !line.contains("workspace = true")) {
            findings.push(format!("{}: {line}", manifest.path));
        }
    }
    assert_none(
        &findings,
        "Two versions of one crate, or a crate that lints do not reach, begin with a line that stands apart.",
        "put the version into the workspace's Cargo.toml, and `name.workspace = true` here",
    );
}

#[test]
fn the_lock_file_holds_one_tls_one_crypto_and_one_sqlite() {
    let lock = &files().iter().find(|file| file.path == "Cargo.lock").expect("the lock file is committed").text;
    let locked: Vec<&str> = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    let count = |name: &str| locked.iter().filter(|locked| **locked == name).count();
    let banned = BANNED.iter().filter(|name| count(name) > 0).map(|name| format!("{name} is in Cargo.lock"));
    let twice =
        ONE_VERSION.iter().filter(|name| count(name) != 1).map(|name| format!("{name}: {} versions", count(name)));
    assert_none(
        &banned.chain(twice).collect::<Vec<_>>(),
        "rustls with ring is the one TLS stack, and one copy of SQLite keeps its file locks (deny.toml says why of each).",
        "`cargo tree -i NAME` tells who brings it in: choose other features of that crate, or another crate",
    );
}

fn manifests() -> BTreeMap<&'static str, &'static SourceFile> {
    let named = |file: &'static SourceFile| {
        let name = file.text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))?;
        file.text.starts_with("[package]").then_some((name, file))
    };
    files().iter().filter(|file| file.path.ends_with("/Cargo.toml")).filter_map(named).collect()
}

/// The names under `[dependencies]` and `[build-dependencies]`; what only tests use may point anywhere.
fn dependencies(manifest: &str) -> Vec<String> {
    let names = sections(manifest).filter(|(section, _)| !section.contains("dev-")).map(|(_, line)| line);
    names.filter_map(|line| Some(line.split(['.', ' ', '=']).next()?.to_owned())).collect()
}

fn dependency_lines(manifest: &str) -> impl Iterator<Item = &str> {
    sections(manifest).map(|(_, line)| line)
}

/// Each line of a section of dependencies, with the section's heading.
fn sections(manifest: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut section = "";
    manifest.lines().filter_map(move |line| {
        if line.starts_with('[') {
            section = line;
            return None;
        }
        let counts = section.ends_with("dependencies]") && !line.trim().is_empty() && !line.starts_with('#');
        counts.then_some((section, line))
    })
}
