//! SQL statements by name, out of files that hold those of one noun each. For the stores, which share the form.
//!
//! A statement goes from a line `-- name: <name>` to the next empty line.

/// The statement under `-- name: <name>` in the text of a file. Fails the build if there is none.
///
/// # Panics
/// If there is no such statement: used in a constant, that is an error of the compiler.
#[must_use]
pub const fn section(file: &'static str, name: &str) -> &'static str {
    let bytes = file.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if starts_with(bytes, at, MARK) && names(bytes, at + MARK.len(), name.as_bytes()) {
            let begin = line_end(bytes, at);
            let end = blank_line(bytes, begin);
            return file.split_at(end).0.split_at(begin).1;
        }
        at = line_end(bytes, at);
    }
    panic!("no such statement in this file")
}

const MARK: &[u8] = b"-- name: ";

const fn starts_with(bytes: &[u8], at: usize, what: &[u8]) -> bool {
    let mut i = 0;
    while i < what.len() {
        if at + i >= bytes.len() || bytes[at + i] != what[i] {
            return false;
        }
        i += 1;
    }
    true
}

const fn names(bytes: &[u8], at: usize, name: &[u8]) -> bool {
    starts_with(bytes, at, name) && at + name.len() < bytes.len() && bytes[at + name.len()] == b'\n'
}

/// Where the line after the one at `at` begins.
const fn line_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'\n' {
        at += 1;
    }
    if at < bytes.len() { at + 1 } else { at }
}

/// Where the next empty line is: a statement ends there.
const fn blank_line(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'\n' {
        at = line_end(bytes, at);
    }
    at
}
