//! The guide's table of metrics and the names in the code are one list.

use std::collections::BTreeSet;

use super::assert_none;
use super::source_tree::{files, rust_files};

const GUIDE: &str = "docs/guide/operate.md";
/// What every metric's name begins with.
const PREFIX: &str = "trireme_";

/// What stands between two of these marks and begins as metrics do.
fn named(text: &str, mark: char) -> impl Iterator<Item = &str> {
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    text.split(mark).filter(move |name| name.starts_with(PREFIX) && is_name(name))
}

#[test]
fn the_guide_names_every_metric_and_no_other() {
    let telemetry = rust_files().filter(|file| !file.is_for_tests() && file.path.ends_with("/telemetry.rs"));
    let known: BTreeSet<&str> = telemetry.flat_map(|file| named(&file.text, '"')).collect();
    assert!(known.len() > 30, "only {known:?}: the rule would hold vacuously");
    let guide = files().iter().find(|file| file.path == GUIDE).expect("the guide has the page");
    let rows = guide.text.lines().filter(|line| line.starts_with("| `trireme_"));
    let told: BTreeSet<&str> = rows.flat_map(|row| named(row, '`')).collect();
    let untold = known.difference(&told).map(|name| format!("{name}: not in the table"));
    let unknown = told.difference(&known).map(|name| format!("{name}: no such metric"));
    assert_none(
        &untold.chain(unknown).collect::<Vec<_>>(),
        "A metric that the guide leaves out is found by nobody, and one that it makes up is waited for.",
        "a row in the table of docs/guide/operate.md for each name in engine/src/telemetry.rs and api/src/telemetry.rs",
    );
}
