//! Every case under goldens/, run by the real binary and compared with its golden.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Value as Json, json};
use testkit::goldens::{Case, differences, laid_out, run_case};

use super::binary::Trireme;
use super::known::{known, misfits};

/// Cases at a time: most of them wait for a process to start, some for a back-off to pass.
const AT_A_TIME: usize = 4;
/// All files of all cases: they are in every clone.
const BYTES_MAX: u64 = 4_000_000;
const CASES_MIN: usize = 60;
/// Values that are changed in each golden, spread over all of it, to see that the change is noticed.
const CHANGES_PER_CASE: usize = 30;

#[test]
fn every_case_comes_out_as_in_the_reference() {
    let cases = chosen_cases();
    let queue = Mutex::new(cases.iter());
    let differing = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = next(&queue) {
                    let lines = compared(case);
                    if !lines.is_empty() {
                        differing.lock().expect("no panic").insert(case.name.clone(), lines);
                    }
                }
            });
        }
    });
    let differing = differing.into_inner().expect("no panic");
    let ran: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let found = misfits(&differing, &ran, &known());
    assert!(found.is_empty(), "\n{} of {} cases:\n\n{}\n", found.len(), cases.len(), found.join("\n\n"));
}

/// What differs between the golden of a case and a run of it.
fn compared(case: &Case) -> Vec<String> {
    let golden = golden(case);
    let streams = golden["discover"].get("catalog");
    let mut trireme = Trireme::default();
    let mut lines = match run_case(case, &mut trireme, streams.or(Some(&Json::Null))) {
        Ok(outcome) => differences(&golden, &outcome),
        Err(error) => vec![format!("could not be run: {error}")],
    };
    if !lines.is_empty() {
        lines.extend(trireme.errors.iter().map(|error| format!("it said: {error}")));
    }
    lines
}

/// All cases, or those whose name has the word in it that `GOLDENS` says.
#[expect(clippy::disallowed_methods, reason = "which cases to run is said by whoever starts the tests")]
fn chosen_cases() -> Vec<Case> {
    let word = std::env::var("GOLDENS").unwrap_or_default();
    let mut cases = cases();
    cases.retain(|case| case.name.contains(&word));
    assert!(!cases.is_empty(), "no case has '{word}' in its name");
    cases
}

fn cases() -> Vec<Case> {
    Case::all(&folder()).unwrap_or_else(|error| panic!("{error}"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/connector/goldens")
}

fn golden(case: &Case) -> Json {
    case.golden().unwrap_or_else(|error| panic!("{error}: record it with tools/record_goldens {}", case.name))
}

fn next<'a>(queue: &Mutex<std::slice::Iter<'a, Case>>) -> Option<&'a Case> {
    queue.lock().expect("no panic").next()
}

#[test]
fn there_are_enough_cases_and_each_reads_something_or_fails_on_purpose() {
    let cases = cases();
    assert!(cases.len() >= CASES_MIN, "only {} cases", cases.len());
    for case in &cases {
        let golden = golden(case);
        let read = &golden["read"];
        let failed = read["exit"] != 0;
        assert!(failed || read["records"].is_object(), "{}: nothing was read and nothing failed", case.name);
        assert!(case.about.about.ends_with('.'), "{}: case.yaml says in a sentence what it is for", case.name);
    }
    let bytes = size(&folder());
    assert!(bytes <= BYTES_MAX, "the cases take {bytes} bytes");
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.map(|path| if path.is_dir() { size(&path) } else { path.metadata().expect("a file").len() }).sum()
}

#[test]
fn goldens_are_written_in_the_layout_that_the_recorder_gives_them() {
    for case in cases() {
        let written = std::fs::read_to_string(case.golden_path()).expect("a golden");
        assert!(written == laid_out(&golden(&case)), "{}: edited by hand?", case.name);
    }
}

#[test]
fn every_change_of_a_golden_is_noticed() {
    let mut changes = 0;
    for case in cases() {
        let golden = golden(&case);
        assert_eq!(differences(&golden, &golden), Vec::<String>::new(), "{}", case.name);
        let leaves = leaves(&golden, String::new());
        let step = leaves.len() / CHANGES_PER_CASE + 1;
        for pointer in leaves.iter().step_by(step) {
            let mut changed = golden.clone();
            let leaf = changed.pointer_mut(pointer).expect("it is a leaf of this");
            *leaf = if leaf.is_string() { json!(null) } else { json!("changed") };
            assert!(!differences(&golden, &changed).is_empty(), "{}: {pointer} may change unnoticed", case.name);
            changes += 1;
        }
    }
    assert!(changes > 1000, "only {changes} changes were tried");
}

/// Pointers to every value that holds no other.
fn leaves(value: &Json, at: String) -> Vec<String> {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            fields.iter().flat_map(|(key, value)| leaves(value, format!("{at}/{}", escaped(key)))).collect()
        }
        Json::Array(items) if !items.is_empty() => {
            items.iter().enumerate().flat_map(|(index, value)| leaves(value, format!("{at}/{index}"))).collect()
        }
        _ => vec![at],
    }
}
