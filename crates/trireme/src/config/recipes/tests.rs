//! A folder of recipes beside a configuration: what is told of it, and what can be named after it.

use std::os::unix::fs::symlink;

use connectors::provider::{Origin, catalogue};
use engine::definition::Severity;

use super::*;
use crate::config::load;

const RECIPE: &str = "provider: ours
title: Ours
docs: https://ours.example
secrets: [{ role: token, about: a token }]
verify: { token: { key: token, from: { header: x-token } } }
event: { type: [[{ json: /type }]], type_otherwise: unknown }
facts: { as_of: 2026-01-31, source: https://ours.example }
---
vectors:
  - name: one
    kind: valid
    secrets: [{ role: token, value: hunter2 }]
    at: 2026-01-31T09:30:00Z
    headers: { x-token: hunter2 }
    body: '{\"type\":\"made\"}'
    expect: { assurance: shared, events: [{ type: made }] }
  - { name: changed, kind: tampered, not_applicable: a token covers nothing }
  - { name: late, kind: stale, not_applicable: there is no time in it }
  - { name: other, kind: wrong_key, like: one, headers: { x-token: b }, expect: { rejected: signature_mismatch } }
";
const CONFIG: &str = "sources: { one: { webhook: { provider: ours, secret: abc } } }\n";

/// A folder with a configuration and these recipes.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a folder");
    std::fs::write(directory.path().join("trireme.yaml"), CONFIG).expect("written");
    std::fs::create_dir(directory.path().join(FOLDER)).expect("made");
    for (name, text) in files {
        std::fs::write(directory.path().join(FOLDER).join(name), text).expect("written");
    }
    directory
}

fn own(files: &[(&str, &str)]) -> Own {
    beside(&folder(files).path().join("trireme.yaml"))
}

fn codes(own: &Own) -> Vec<&'static str> {
    own.found.iter().map(|one| one.code).collect()
}

#[test]
fn a_source_names_a_recipe_of_the_owner_as_any_other() {
    let directory = folder(&[("ours.yaml", RECIPE)]);
    let config = load(&directory.path().join("trireme.yaml"), &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((config.specs.sources.len(), config.warnings.len()), (1, 0), "{:?}", config.warnings);
    assert_eq!(config.specs.catalogue.origin("ours"), Some(Origin::Own));
    assert!(catalogue().origin("ours").is_none(), "nothing is left behind in the process");
    assert!(beside(Path::new("/nonexistent/trireme.yaml")).found.is_empty(), "there need not be a folder");
}

#[test]
fn mistakes_are_told_with_their_place_and_what_to_write() {
    for (from, to, code, line, said, help) in [
        ("header: x-token }", "hedder: x-token }", "recipe_invalid", 5, "hedder", "did you mean 'header'?"),
        ("type_otherwise", "type_otherwize", "recipe_invalid", 6, "type_otherwize", "'type_otherwise'"),
        ("key: token", "key: tokn", "recipe_invalid", 5, "tokn", "'token'"),
        (
            "{ type: made }",
            "{ type: unmade }",
            "vector_failed",
            10,
            "expected assurance: shared, events: [{ type: \"unmade\" }]; what came is assurance: shared, events: [{ type: \"made\" }]",
            "correct the recipe",
        ),
        ("kind: valid", "kind: tampered", "recipe_invalid", 10, "a tampered request is refused", ""),
        ("provider: ours", "provider: github", "name_taken", 1, "already", "own-github"),
    ] {
        let name = if code == "name_taken" { "github.yaml" } else { "ours.yaml" };
        let own = own(&[(name, &RECIPE.replace(from, to))]);
        let found = own.found.iter().find(|one| one.code == code).unwrap_or_else(|| panic!("{to}: {:?}", own.found));
        assert_eq!(found.line, Some(line), "{found}");
        assert!(found.message.contains(said) && found.help.as_deref().unwrap_or("").contains(help), "{found}");
        assert!(found.to_string().contains(&format!(".yaml:{line}:")), "the place is shown: {found}");
    }
}

#[test]
fn what_a_recipe_says_is_quoted_and_what_a_vector_holds_is_not() {
    let shown = |from: &str, to: &str| own(&[("ours.yaml", &RECIPE.replace(from, to))]).found[0].to_string();
    assert!(shown("header: x-token }", "hedder: x-token }").contains("{ hedder: x-token }"));
    let shown = shown("secrets: [{ role: token, value: hunter2", "secrets: [{ rule: token, value: hunter2");
    assert!(shown.contains("secrets:") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_recipe_and_the_configuration_are_told_together_and_a_broken_one_only_once() {
    let directory = folder(&[("ours.yaml", "provider: ours\ntitel: x\n")]);
    let file = directory.path().join("trireme.yaml");
    std::fs::write(&file, format!("{CONFIG}rutes: []\n")).expect("written");
    let errors = load(&file, &|_| None).expect_err("several mistakes").0;
    let told: Vec<_> = errors.iter().map(|one| (one.file.ends_with("ours.yaml"), one.message.as_str())).collect();
    let expected = [
        (true, "'docs' is missing"),
        (true, "'verify' is missing"),
        (true, "unknown key 'titel'"),
        (false, "unknown key 'rutes'"),
    ];
    assert_eq!(told, expected, "and not that there is no 'ours'");
}

#[test]
fn vectors_that_are_missing_are_a_warning() {
    let alone = RECIPE.split("---").next().expect("a first document");
    let own = own(&[("ours.yaml", alone)]);
    let [warning] = &own.found[..] else { panic!("{:?}", own.found) };
    assert_eq!((warning.code, warning.severity), ("vectors_missing", Severity::Warning));
    assert!(warning.message.contains("valid, tampered, stale, wrong_key"), "{warning}");
    assert!(own.catalogue.get("ours").is_some());
}

#[test]
fn a_recipe_is_called_after_its_provider() {
    let own = own(&[("other.yaml", RECIPE)]);
    assert_eq!(codes(&own), ["recipe_invalid"]);
    assert!(own.found[0].help.as_deref().is_some_and(|help| help.contains("ours.yaml")), "{:?}", own.found);
    let file = folder(&[("anything.yaml", RECIPE)]);
    assert!(alone(&file.path().join(FOLDER).join("anything.yaml")).found.is_empty(), "unless it is named itself");
}

#[test]
fn only_recipes_are_read() {
    let own = own(&[("ours.yml", RECIPE), (".#ours.yaml", "{"), ("notes.txt", "{"), ("ours.yaml", RECIPE)]);
    assert_eq!(codes(&own), ["recipe_ignored"], "a slip is told, what is of no concern is not");
    let directory = folder(&[]);
    symlink("/nonexistent", directory.path().join(FOLDER).join("gone.yaml")).expect("linked");
    std::fs::create_dir(directory.path().join(FOLDER).join("folder.yaml")).expect("made");
    std::fs::write(directory.path().join(FOLDER).join("bytes.yaml"), b"\xff").expect("written");
    let own = beside(&directory.path().join("trireme.yaml"));
    assert_eq!(codes(&own), ["not_utf8", "file_unreadable", "file_unreadable"]);
}

#[test]
fn files_and_bytes_are_bounded() {
    let long = format!("{RECIPE}#{}", " ".repeat(usize::try_from(FILE_BYTES_MAX).expect("small")));
    assert_eq!(codes(&own(&[("ours.yaml", &long)])), ["too_large"]);
    let directory = folder(&[]);
    for number in 0..=FILES_MAX {
        std::fs::write(directory.path().join(FOLDER).join(format!("{number}.yaml")), "").expect("written");
    }
    assert_eq!(codes(&beside(&directory.path().join("trireme.yaml"))), ["too_many"]);
    let mut reader = Reader { bytes: FOLDER_BYTES_MAX, ..Reader::default() };
    let directory = folder(&[("ours.yaml", RECIPE)]);
    reader.file(&directory.path().join(FOLDER).join("ours.yaml"), true);
    assert_eq!(codes(&reader.finish()), ["too_large"]);
}
