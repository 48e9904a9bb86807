//! Long files are a ratchet: the ones that are may not grow, and no new one joins them.

use super::assert_none;
use super::source_tree::rust_files;

/// Past this a file probably holds a second idea.
const LINES_MAX: usize = 500;

/// Files that were longer when the rule came, and how long they may be: their length then, or less.
const LONGER: [(&str, usize); 0] = [];

#[test]
fn no_file_grows_past_a_second_idea() {
    let mut findings = Vec::new();
    for file in rust_files() {
        let lines = file.lines_before_tests();
        let allowed = LONGER.iter().find(|(path, _)| *path == file.path).map(|(_, lines)| *lines);
        match allowed {
            Some(_) if lines <= LINES_MAX => findings.push(format!("{}: short again, take it off LONGER", file.path)),
            Some(most) if lines > most => findings.push(format!("{}: {lines} lines, more than its {most}", file.path)),
            None if lines > LINES_MAX => findings.push(format!("{}: {lines} lines", file.path)),
            _ => {}
        }
    }
    assert_none(
        &findings,
        "A file of more than 500 lines (its tests aside) usually holds a second idea, and nobody reads it whole.",
        "name the second idea and move it into a file beside; tests of more than 100 lines go to x/tests.rs",
    );
}
