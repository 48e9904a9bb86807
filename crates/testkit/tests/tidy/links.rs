//! Links between documents: each leads to a file that is there, and to a heading that is in it.

use std::path::{Component, Path, PathBuf};

use super::assert_none;
use super::source_tree::{SourceFile, files, root};

#[test]
fn every_link_in_the_documents_resolves() {
    let documents: Vec<&SourceFile> = files().iter().filter(|file| file.path.ends_with(".md")).collect();
    assert!(!documents.is_empty(), "no document was found: the rule would hold vacuously");
    let mut findings = Vec::new();
    for document in documents {
        for (number, target) in links(&document.text) {
            if let Some(fault) = fault(document, &target) {
                findings.push(format!("{}:{number}: ({target}) {fault}", document.path));
            }
        }
    }
    assert_none(
        &findings,
        "A link that leads nowhere costs the reader the trust in all others.",
        "mend the path, which is relative to the document, or the heading behind the `#`",
    );
}

/// Folders of the repository that documents speak of.
const FOLDERS: [&str; 10] =
    ["crates/", "docs/", "bench/", "catalogue/", "tools/", "oracles/", "fuzz/", "examples/", "deploy/", ".ci/"];

#[test]
fn every_path_that_a_document_names_is_there() {
    let mut findings = Vec::new();
    let mut named = 0;
    for document in files().iter().filter(|file| file.path.ends_with(".md")) {
        for (number, line) in prose_with_code(&document.text) {
            for code in line.split('`').skip(1).step_by(2) {
                let path = code.split_whitespace().next().unwrap_or_default();
                // A pattern or a place to fill in names no single file.
                let is_path = FOLDERS.iter().any(|folder| path.starts_with(folder)) && !path.contains(['*', '{', '<']);
                named += usize::from(is_path);
                if is_path && !root().join(path).exists() {
                    findings.push(format!("{}:{number}: {path}", document.path));
                }
            }
        }
    }
    assert!(named > 10, "only {named} paths were found: the rule would hold vacuously");
    assert_none(
        &findings,
        "A document that names what is not there was true once; nobody knows which of its other sentences still are.",
        "name where it is now",
    );
}

/// What is wrong with a link; links to other sites are theirs to keep.
fn fault(document: &SourceFile, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let wanted = if path.is_empty() { document.path.clone() } else { beside(&document.path, path) };
    if !root().join(&wanted).exists() {
        return Some("is not there");
    }
    let page = files().iter().find(|file| file.path == wanted && wanted.ends_with(".md"));
    match (anchor, page) {
        (Some(anchor), Some(page)) if !headings(&page.text).any(|slug| slug == anchor) => Some("has no such heading"),
        _ => None,
    }
}

fn beside(document: &str, target: &str) -> String {
    let mut path = PathBuf::from(document);
    path.pop();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path.to_string_lossy().into_owned()
}

/// The targets of `[text](target)`, outside of code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let mut rest = line.as_str();
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            if let Some(end) = rest.find(')') {
                found.push((number, rest[..end].split_whitespace().next().unwrap_or_default().to_owned()));
            }
        }
    }
    found
}

/// The headings as the anchors that readers' browsers jump to.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let titles = prose_with_code(text).filter_map(|(_, line)| line.strip_prefix('#').map(|rest| rest.to_owned()));
    titles.map(|title| {
        let title = title.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// Lines outside of code blocks, without the code between backticks.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    prose_with_code(text).map(|(number, line)| (number, line.split('`').step_by(2).collect::<String>()))
}

fn prose_with_code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_block = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        (!in_block && !fence).then_some((index + 1, line))
    })
}
